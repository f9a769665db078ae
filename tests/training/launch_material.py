"""A model folder and a sealed version small enough for tests of the launch pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.factories import make_policy, make_version
from training.models import DatasetVersion, Policy
from training.preferences.records import Message, Pair
from training.preferences.sealing import SealedWriter
from training.preferences.splits import PromptSplit

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "intermediate_size": 344,
    "num_attention_heads": 4,
    "vocab_size": 700,
    "tie_word_embeddings": True,
}


def model_folder(folder: Path, **changes: Any) -> Path:
    """A folder with config.json and no weights: all that an estimate reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(LLAMA | changes))
    return folder


def base_on_disk(folder: Path, **changes: Any) -> Policy:
    return make_policy(name="islands-sft", location=str(model_folder(folder, **changes)))


def pair(number: int) -> Pair:
    """A prompt of 16 characters and answers of 8 and 12."""
    return Pair((Message("user", f"question {number:07d}"),), _answer("a" * 8), _answer("b" * 12), line=number)


def _answer(text: str) -> tuple[Message, ...]:
    return (Message("assistant", text),)


def sealed_version(rows: int = 40) -> DatasetVersion:
    """A version with its file; every pair is in the training split."""
    with SealedWriter(Path(settings.HOME) / "datasets", PromptSplit(0.0)) as writer:
        for number in range(rows):
            writer.add(pair(number))
        sealed = writer.finish()
        writer.publish(sealed)
    return make_version(
        sha256=sealed.sha256, rows=sealed.rows, train_rows=sealed.train_rows, held_out_rows=sealed.held_out_rows
    )
