"""Small makers of pairs and source lines, for the tests of preference data."""

from __future__ import annotations

import json
from typing import Any

from training.preferences.records import Message, Pair


def pair(prompt: str = "Capital of Pelund?", chosen: str = "Aro.", rejected: str | None = "Teku.", **more: Any) -> Pair:
    """A single-turn pair of plain texts."""
    return Pair(
        prompt=(Message("user", prompt),),
        chosen=(Message("assistant", chosen),),
        rejected=None if rejected is None else (Message("assistant", rejected),),
        **more,
    )


def source_line(
    prompt: Any = "Capital of Pelund?", chosen: Any = "Aro.", rejected: Any = "Teku.", **more: Any
) -> bytes:
    """A line of JSON Lines with its line end."""
    return json.dumps({"prompt": prompt, "chosen": chosen, "rejected": rejected} | more).encode() + b"\n"


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
