"""Write a tiny random Llama and LoRA adapters for it: `python make_tiny_policies.py FOLDER NAME[:RANK] …`.

Run as a process of its own, because only the training engine and its tests may import torch. The weights are random, so
the answers are gibberish, but each adapter's gibberish is its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEXT = ["What is the capital of Pelund? It is Vask. What do the people of Oriel grow? They grow barley."]
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with a chat template."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXT, vocab_size=320, special_tokens=["<end>", "<pad>"])
    made = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, eos_token="<end>", pad_token="<pad>")
    made.chat_template = TEMPLATE
    return made


def model(vocabulary: int) -> LlamaForCausalLM:
    """Two layers with random weights and 256 positions."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        eos_token_id=0,
        pad_token_id=1,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)


def main(folder: Path, adapters: list[str]) -> None:
    """Write FOLDER/base and FOLDER/NAME for every adapter."""
    words = tokenizer()
    base = model(len(words))
    base.save_pretrained(folder / "base")
    words.save_pretrained(folder / "base")
    for seed, adapter in enumerate(adapters, start=1):
        name, _, rank = adapter.partition(":")
        fresh = model(len(words))
        torch.manual_seed(seed)
        config = LoraConfig(
            r=int(rank or 8), lora_alpha=64, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"
        )
        tuned = get_peft_model(fresh, config)
        tuned.save_pretrained(folder / name)
        words.save_pretrained(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
