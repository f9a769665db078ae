"""Model folders and pairs that both sides train on: `python -m bench.train.inputs FOLDER SIZE` makes them.

A word is a token, so lengths are what they are said to be. Pairs come in batches of similar length, as length
grouping makes them from a large dataset; the batches are every tenth of those of 400 pairs.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.world.tokenizer import BEGIN, CHAT_TEMPLATE, END, PAD, ROLES

BATCH = 8
STEPS_PER_EPOCH = 5
PAIRS = BATCH * STEPS_PER_EPOCH
FEWEST_WORDS, MOST_WORDS = 16, 64

COMPLETIONS, GROUP, MOST_NEW_TOKENS = 64, 4, 48
"""Of a step of RL: answers in all, answers per prompt, tokens of the longest."""
PROMPTS = STEPS_PER_EPOCH * COMPLETIONS // GROUP
_POOL = 400


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama, with as many key as query heads where nothing else is said."""

    hidden: int
    layers: int
    feed_forward: int
    vocabulary: int = 8192
    heads: int = 8
    key_heads: int = 0
    tied: bool = False


SHAPES = {"tiny": Shape(256, 4, 704), "small": Shape(512, 8, 1408)}
WORLD = "world"
"""The size of the demo world's model, for RL: trained by SFT on its demonstrations, so that answers end."""


def pairs(*, longer: int = 1, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of a sealed dataset version, all for training, with texts of 16 to 64 random words, times `longer`."""
    draw = random.Random(seed)
    pool = [_pair(draw, longer) for _ in range(_POOL)]
    pool.sort(key=_longest, reverse=True)
    batches = [pool[i : i + BATCH] for i in range(0, _POOL, BATCH)]
    kept = batches[:: len(batches) // STEPS_PER_EPOCH]
    rows = [pair for batch in kept for pair in batch]
    return [{"row": i, "line": i + 1, "split": "train", "weight": 1.0, "extra": "{}", **p} for i, p in enumerate(rows)]


def _pair(draw: random.Random, longer: int) -> dict[str, Any]:
    words = {name: _words(draw, longer) for name in ("prompt", "chosen", "rejected")}
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    return {name: [{"role": roles[name], "content": text}] for name, text in words.items()}


def _words(draw: random.Random, longer: int) -> str:
    first = 3 + len(ROLES)
    count = longer * draw.randint(FEWEST_WORDS, MOST_WORDS)
    return " ".join(f"w{draw.randrange(first, SHAPES['tiny'].vocabulary)}" for _ in range(count))


def _longest(pair: dict[str, Any]) -> int:
    return _count(pair["prompt"]) + max(_count(pair["chosen"]), _count(pair["rejected"]))


def _count(messages: list[dict[str, str]]) -> int:
    return sum(len(message["content"].split()) for message in messages)


def seal(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write rows as the engine reads them; the file's SHA-256."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_model(folder: Path, shape: Shape, *, dtype: str = "float32", seed: int = 0) -> None:
    """A Llama of random weights with a tokenizer whose words are w0, w1, …"""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads or shape.heads,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=2048,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM._from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(folder)
    _write_tokenizer(folder, shape.vocabulary)


def _write_tokenizer(folder: Path, vocabulary: int) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    special = [PAD, BEGIN, END, *ROLES]
    words = special + [f"w{i}" for i in range(len(special), vocabulary)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": PAD, "bos_token": BEGIN, "eos_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def world_pairs(prompts: int) -> list[dict[str, Any]]:
    """Rows whose prompts are the demo world's; the answers only teach the reward model, which is not measured."""
    from training.world.demonstrations import demonstrations

    world, asked = _world()
    answers: dict[str, list[str]] = {}
    for row in demonstrations(world, asked):
        known = answers.setdefault(row["prompt"], [])
        if row["chosen"] not in known:
            known.append(row["chosen"])
    usable = [(prompt, texts) for prompt, texts in answers.items() if len(texts) > 1][:prompts]
    return [_row(i, prompt, texts[0], texts[1]) for i, (prompt, texts) in enumerate(usable)]


def write_world_model(folder: Path) -> None:
    """A folder like the demo world's base, without weights, and the demonstrations to train it on."""
    from training.world.demonstrations import demonstrations
    from training.world.tokenizer import write_model_folder

    rows = list(demonstrations(*_world()))
    write_model_folder(folder, [text for row in rows for text in row.values()])


def world_demonstrations() -> list[dict[str, Any]]:
    """Rows for SFT."""
    from training.world.demonstrations import demonstrations

    return [_row(i, row["prompt"], row["chosen"], None) for i, row in enumerate(demonstrations(*_world()))]


def _world() -> Any:
    from training.world.islands import build_world
    from training.world.suites import divide_prompts

    world = build_world(0)
    return world, divide_prompts(world)


def _row(number: int, prompt: str, chosen: str, rejected: str | None) -> dict[str, Any]:
    def assistant(text: str | None) -> list[dict[str, str]] | None:
        return text if text is None else [{"role": "assistant", "content": text}]

    asked = [{"role": "user", "content": prompt}]
    messages = {"prompt": asked, "chosen": assistant(chosen), "rejected": assistant(rejected)}
    return {"row": number, "line": number + 1, "split": "train", "weight": 1.0, "extra": "{}", **messages}


def main() -> None:
    from bench.train.accelerator import ALL_SHAPES

    folder, size = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder, ALL_SHAPES[size], dtype=sys.argv[3] if len(sys.argv) > 3 else "float32")


if __name__ == "__main__":
    main()
