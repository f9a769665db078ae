"""Tiny models, a tokenizer, sealed rows and run folders for the engine's tests; nothing comes from a network."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from training.engine import __main__ as engine
from training.engine.__main__ import read_spec
from training.engine.events import EventWriter
from training.engine.packing import Example
from training.engine.run import Run, StopSignal

torch.set_num_threads(1)

COLOURS = ["red", "green", "blue", "white", "black", "yellow"]
THINGS = ["house", "boat", "tree", "lamp", "stone", "bird", "cup", "road"]
LAYERS_VLLM_ADAPTS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE over a few sentences, with a chat template and a padding token that is not the end token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([f"What colour is the {t}? It is {c}." for t in THINGS for c in COLOURS], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|end|>")
    fast.chat_template = CHAT_TEMPLATE
    return fast


def build_model(kind: str, vocabulary: int, *, hidden: int = 32, positions: int = 256) -> PreTrainedModel:
    """A random two-layer model of an architecture; its weights are scaled up so that log-probabilities differ."""
    torch.manual_seed(7)
    size = {
        "vocab_size": vocabulary,
        "bos_token_id": None,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "initializer_range": 0.2,
    }
    deep = {
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": positions,
    }
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**size, **deep))
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**size, **deep, tie_word_embeddings=True))
    if kind == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**size, **deep, head_dim=hidden // 4))
    if kind == "gpt2":
        return GPT2LMHeadModel(GPT2Config(**size, n_embd=hidden, n_layer=2, n_head=4, n_positions=positions))
    raise ValueError(f"no test model of kind {kind}")


def save_model(folder: Path, kind: str = "llama", **options: int) -> Path:
    tokenizer = build_tokenizer()
    build_model(kind, len(tokenizer), **options).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny Llama with its tokenizer."""
    return save_model(tmp_path_factory.mktemp("models") / "llama")


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def colour_rows(count: int, *, held_out: int = 0) -> list[dict[str, Any]]:
    """Pairs that prefer one colour per thing; the last `held_out` rows are held out."""
    rows = []
    for i in range(count):
        thing, other = THINGS[i % len(THINGS)], COLOURS[(i // len(THINGS)) % len(COLOURS)]
        rows.append(
            {
                "prompt": user(f"What colour is the {thing}, number {i}?"),
                "chosen": assistant(f"It is {COLOURS[len(thing) % len(COLOURS)]}."),
                "rejected": assistant(f"Maybe {other} or not."),
                "split": "train" if i < count - held_out else "held_out",
            }
        )
    return rows


MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("split", pa.string()),
        ("weight", pa.float64()),
        ("label", pa.float64()),
        ("margin", pa.float64()),
        ("extra", pa.string()),
    ]
)


def seal(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write rows as the sealed wire format; returns the SHA-256."""
    full = [{"row": i, "line": i + 1, "weight": 1.0, "label": 1.0, "extra": "{}", **row} for i, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(full, schema=SCHEMA), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


EVERY_FOUR_STEPS = {"evaluate_every": 4, "checkpoint_every": 4}

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path, model_folder: Path) -> MakeRun:
    return make_run_in(tmp_path, model_folder)


def make_run_in(tmp_path: Path, model_folder: Path) -> MakeRun:
    """Makes RUN_DIRs: `make_run("dpo", max_steps=3, rows=[...], name="other")`."""

    def make(
        method: str,
        *,
        rows: list[dict[str, Any]] | None = None,
        model: Path | str | None = None,
        name: str = "run",
        sha256: str | None = None,
        **config: Any,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        data = tmp_path / f"{name}.parquet"
        digest = seal(data, rows if rows is not None else colour_rows(40, held_out=8))
        small = {"batch_size": 8, "max_length": 64, "lora_rank": 4, "lora_alpha": 8.0, **EVERY_FOUR_STEPS}
        spec = {
            "run_id": name,
            "model_path": str(model or model_folder),
            "data_path": str(data),
            "data_sha256": sha256 or digest,
            "cache_dir": str(tmp_path / "cache"),
            "config": {"method": method, **small, **config},
        }
        (folder / "config.json").write_text(json.dumps(spec))
        return folder

    return make


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the trainer as the worker does: a process of its own, told about nothing but the folder."""
    command = [sys.executable, "-m", "training.engine", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # the matrices are too small to share
    with (folder / "trainer.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)


def train(folder: Path) -> int:
    """Run the trainer to its end; returns the exit status."""
    return start(folder).wait(timeout=120)


def events(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in whole if kind in (None, event["kind"])]


def wait_for_step(folder: Path, step: int, process: subprocess.Popen[bytes], name: str = "train/loss") -> None:
    """Wait until the metrics of `step` are written; fails when the trainer ends before."""
    deadline = time.monotonic() + 60
    while not any(e["step"] >= step and name in e["values"] for e in events(folder, "metrics")):
        assert process.poll() is None, (folder / "trainer.log").read_text()
        assert time.monotonic() < deadline, "the trainer does not get on"
        time.sleep(0.01)


def kill(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> int:
    os.killpg(process.pid, number)
    return process.wait(timeout=60)


def open_run(folder: Path, stop: StopSignal | None = None) -> Run:
    spec = read_spec(folder)
    return Run(folder, spec, EventWriter(folder / "events.jsonl", spec.attempt), StopSignal() if stop is None else stop)


def train_here(folder: Path, stop: StopSignal | None = None) -> int:
    """Run the trainer inside the test's process, which saves the seconds of a fresh import."""
    return engine.train(open_run(folder, stop))


def example(prompt: int, *answers: int, first: int = 5) -> Example:
    """An example of the given lengths, made of tokens that all differ."""
    token = iter(range(first, 300))
    take = lambda n: tuple(next(token) for _ in range(n))  # noqa: E731
    return Example(take(prompt), tuple(take(n) for n in answers))
