"""How answers are drawn, the same for every contender of a study; light enough for the web process."""

from __future__ import annotations

from dataclasses import dataclass, replace

REFUSED = "error"
"""Finish reason of an answer that the engine refused for good."""

CUT_OFF = "length"
"""Finish reason of an answer that reached the limit of tokens."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn; the same for every contender of a study."""

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int = 0

    def with_seed(self, seed: int) -> Sampling:
        return replace(self, seed=seed)
