"""`python -m training.engine.embeddings JOB_DIR`: embed texts with a model, for the map of a data report.

JOB_DIR holds job.json ({"model": folder}) and texts.jsonl (one JSON string a line); vectors.npy, float32 [texts,
hidden size], is written beside them. An embedding is the mean of the last hidden states over a text's tokens
(Reimers and Gurevych 2019). Lines of progress go to standard output; the last line of standard error says what went
wrong, with exit status 4.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from training.engine.errors import EngineError

FAILED = 4
MAX_TOKENS = 256
TOKENS_PER_BATCH = 8_192
TEXTS_SORTED_AT_ONCE = 4_096


def main(folder: Path) -> int:
    """Embed a job's texts and return the exit status."""
    try:
        job = json.loads((folder / "job.json").read_text())
        tokenizer, model = load(Path(job["model"]))
        write(folder, tokenizer, model)
    except EngineError as error:
        print(error, file=sys.stderr)
        return FAILED
    return 0


def load(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and model of a folder, ready to embed; raises EngineError."""
    remedy = "Name a folder with a tokenizer and a model that Transformers can load."
    if not folder.is_dir():
        raise EngineError(f"There is no folder {folder} on this machine.", remedy)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).splitlines()[0][:200]
        raise EngineError(f"The model in {folder} cannot be loaded ({reason}).", remedy) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise EngineError(f"The tokenizer in {folder} has no token to pad with.", "Give it a pad token.")
    tokenizer.padding_side = "right"
    return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def write(folder: Path, tokenizer: Any, model: Any) -> None:
    """vectors.npy, renamed to its name when it is complete."""
    with (folder / "texts.jsonl").open(encoding="utf-8") as lines:
        total = sum(1 for _ in lines)
    partial = folder / "vectors.partial.npy"
    shape = (total, int(model.config.hidden_size))
    vectors = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=shape)
    done = 0
    for texts in _blocks(folder / "texts.jsonl"):
        vectors[done : done + len(texts)] = embed(texts, tokenizer, model)
        done += len(texts)
        print(f"embedded {done:,} of {total:,} prompts", flush=True)
    vectors.flush()
    os.replace(partial, folder / "vectors.npy")


def _blocks(path: Path) -> Iterator[list[str]]:
    block: list[str] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            block.append(json.loads(line))
            if len(block) == TEXTS_SORTED_AT_ONCE:
                yield block
                block = []
    if block:
        yield block


@torch.inference_mode()
def embed(texts: list[str], tokenizer: Any, model: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """[texts, hidden size]; texts of like length go through the model together, so that little is padding."""
    encoded = tokenizer(texts, truncation=True, max_length=_limit(model))["input_ids"]
    vectors = np.zeros((len(texts), int(model.config.hidden_size)), np.float32)
    for places in batches([len(tokens) for tokens in encoded]):
        batch = tokenizer.pad({"input_ids": [encoded[place] for place in places]}, return_tensors="pt").to(model.device)
        states = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
        means = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        vectors[places] = means.float().cpu().numpy()
    return vectors


def _limit(model: Any) -> int:
    positions = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS
    # Some models begin to count positions behind the padding token's number.
    return max(1, min(MAX_TOKENS, positions - 2))


def batches(lengths: list[int]) -> Iterator[list[int]]:
    """Places of texts, the shortest first, in batches of at most TOKENS_PER_BATCH padded tokens; empty ones in none."""
    order = sorted((place for place, length in enumerate(lengths) if length), key=lambda place: lengths[place])
    batch: list[int] = []
    for place in order:
        if batch and (len(batch) + 1) * lengths[place] > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
