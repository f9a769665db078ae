"""The pairs and answers behind an alarm, from the files that the trainer keeps in RUN_DIR/evidence/.

held_out.json and reward.json hold the latest values of every held-out pair, own.json the policy's latest own answers
(training/engine/diagnostics.py and probes.py). For a reward model the values are scores and there is no reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

ROUNDING = 0.01
"""As in training/engine/diagnostics.py."""


File = Literal["held_out", "reward", "own"]
FILES: tuple[str, ...] = get_args(File)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which file, and which of its entries: a name of PAIR_SELECTORS or, for own answers, of SAMPLE_SELECTORS."""

    file: File
    selector: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A held-out pair: summed log-probabilities (or scores) of chosen and rejected, tokens of each."""

    row: int
    policy: tuple[float, float]
    reference: tuple[float, float]
    lengths: tuple[int, int]

    @property
    def margin(self) -> float:
        return self.policy[0] - self.policy[1]

    @property
    def reference_margin(self) -> float:
        return self.reference[0] - self.reference[1]

    @property
    def gain(self) -> float:
        return self.margin - self.reference_margin

    @property
    def chosen_displacement(self) -> float:
        """Nats per token by which the chosen answer has become likelier."""
        return (self.policy[0] - self.reference[0]) / self.lengths[0]


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer of the policy's own beside the reference's to the prompt of `row`; None where it was not measured."""

    row: int
    answer: str
    length: int
    finished: bool
    reference: str | None
    reference_length: int | None
    kl: float | None
    score: float | None

    @property
    def length_ratio(self) -> float:
        return self.length / self.reference_length if self.reference_length else 1.0


def _contradicted(pairs: list[Pair]) -> list[Pair]:
    surest = sorted(pairs, key=lambda pair: -abs(pair.gain))[: max(1, len(pairs) // 2)]
    return sorted((pair for pair in surest if pair.gain < -ROUNDING), key=lambda pair: pair.gain)


def _undesirable(pairs: list[Pair]) -> list[Pair]:
    inside = [p for p in pairs if p.margin > p.reference_margin + ROUNDING and p.margin < 0]
    return sorted(inside, key=lambda pair: pair.margin)


def _misled_by_length(pairs: list[Pair]) -> list[Pair]:
    wrong = [p for p in pairs if p.gain < 0 and p.lengths[0] < p.lengths[1]]
    return sorted(wrong, key=lambda pair: pair.gain)


PAIR_SELECTORS: dict[str, tuple[str, Callable[[list[Pair]], list[Pair]]]] = {
    "undesirable": ("in the undesirable region, worst ranked first", _undesirable),
    "contradicted": ("contradicted where the model is surest, surest first", _contradicted),
    "wrong": (
        "moved towards the rejected answer, furthest first",
        lambda pairs: sorted((p for p in pairs if p.gain < 0), key=lambda p: p.gain),
    ),
    "displaced": (
        "whose chosen answer has become less likely, most per token first",
        lambda pairs: sorted((p for p in pairs if p.chosen_displacement < 0), key=lambda p: p.chosen_displacement),
    ),
    "misranked": (
        "ranked wrongly, surest first",
        lambda pairs: sorted((p for p in pairs if p.margin < 0), key=lambda p: p.margin),
    ),
    "misled_by_length": ("where the longer answer is wrongly preferred, surest first", _misled_by_length),
}
SAMPLE_SELECTORS: dict[str, tuple[str, Callable[[list[Sample]], list[Sample]]]] = {
    "highest_score": (
        "with the highest score first",
        lambda samples: sorted(samples, key=lambda s: -(s.score if s.score is not None else 0.0)),
    ),
    "highest_kl": (
        "furthest from the reference first",
        lambda samples: sorted(samples, key=lambda s: -(s.kl if s.kl is not None else 0.0)),
    ),
    "longer": ("grown most in length first", lambda samples: sorted(samples, key=lambda s: -s.length_ratio)),
    "shorter": ("shrunk most in length first", lambda samples: sorted(samples, key=lambda s: s.length_ratio)),
    "cut_off": ("that were cut off", lambda samples: [s for s in samples if not s.finished]),
    "all": ("in the order of their prompts", list),
}


def pairs_behind(folder: Path, evidence: Evidence) -> list[Pair]:
    """The pairs that the evidence selects, in its order; none where the trainer kept none."""
    found = _read(folder / f"{evidence.file}.json").get("pairs", [])
    pairs = [Pair(p["row"], tuple(p["policy"]), tuple(p["reference"]), tuple(p["lengths"])) for p in found]
    return PAIR_SELECTORS[evidence.selector][1](pairs)


def samples_behind(folder: Path, evidence: Evidence) -> list[Sample]:
    """The answers that the evidence selects, in its order."""
    found = _read(folder / f"{evidence.file}.json").get("samples", [])
    return SAMPLE_SELECTORS[evidence.selector][1]([Sample(**sample) for sample in found])


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}
