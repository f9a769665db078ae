"""A model folder to train from scratch: tokenizer, chat template, generation settings and a small Llama's config.

The folder holds no weights: the engine's SFT makes them (`SFTConfig.from_scratch`). Its files are the
ones that Transformers 5 and vLLM read; they are written here as plain JSON, so that this package needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
# The trainer numbers special tokens first, in the order in which it is given them.
TOKEN_IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

# A word with the blank before it, a run of digits, punctuation, or the remaining blanks.
_PIECES = Regex(r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+")


@dataclass(frozen=True)
class Shape:
    """The size of the small Llama. `vocabulary` is what BPE may use; the model's is padded to a multiple of 64."""

    vocabulary: int = 704
    hidden: int = 128
    layers: int = 4
    head_dim: int = 32
    feed_forward: int = 352
    positions: int = 512
    initial_std: float = 0.04


def write_model_folder(folder: Path, texts: Iterable[str], shape: Shape = Shape()) -> None:
    """Write a folder without weights that SFT can train from scratch; `texts` teach the tokenizer its merges."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(texts, shape.vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder / "tokenizer_config.json", _tokenizer_config(shape))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    _write(folder / "config.json", _model_config(shape, tokenizer.get_vocab_size()))
    _write(folder / "generation_config.json", {"do_sample": True, "temperature": 1.0, **TOKEN_IDS})


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE: any text can be written with it, and the same texts always give the same merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BEGIN, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _tokenizer_config(shape: Shape) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": BEGIN,
        "eos_token": END,
        "additional_special_tokens": list(ROLES),
        "model_max_length": shape.positions,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
    }


def _model_config(shape: Shape, tokens: int) -> dict[str, Any]:
    heads = shape.hidden // shape.head_dim
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": -(-tokens // 64) * 64,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": shape.positions,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "initializer_range": shape.initial_std,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "dtype": "float32",
        "use_cache": True,
        **TOKEN_IDS,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
