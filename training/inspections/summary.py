"""The figures of an inspection as one frozen value: RUN_DIR/inspection/summary.json, which pages read as it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from training.inspections.traits import Trait

FOLDER, SUMMARY, PAIRS = "inspection", "summary.json", "pairs.parquet"


class Kind(StrEnum):
    """What was looked at."""

    REFERENCE = "reference"
    POLICY = "policy"
    REWARD = "reward"


@dataclass(frozen=True, slots=True)
class Share:
    """A share of pairs with its 95 % interval (Wilson). Fractional where labels are."""

    right: float
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.right / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Slice:
    """How well the pairs of one slice are ranked."""

    key: str
    accuracy: Share


@dataclass(frozen=True, slots=True)
class Point:
    """One bin of the reliability plot."""

    confidence: float
    accuracy: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the probabilities can be believed, on held-out pairs where there are enough, else on all."""

    pairs: int
    held_out: bool
    temperature: float  # by which the gaps would have to be divided; 1 where they are right as they are
    error: float  # expected calibration error of the probabilities as they are, over bins of equal mass
    error_by_chance: float  # what a calibrated model would show on so few pairs
    error_fitted: float  # after division by the temperature
    brier: float
    log_loss: float
    curve: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class LengthBias:
    """What the score has to do with length in tokens."""

    correlation: float  # of score and length over all answers
    within_pairs: float  # of the gap in score and the gap in length
    prefers_longer: Share  # pairs of unequal length in which the model prefers the longer answer
    labels_prefer_longer: Share
    where_longer_chosen: Share  # accuracy
    where_shorter_chosen: Share


@dataclass(frozen=True, slots=True)
class Dot:
    """One answer in the picture of score against length."""

    row: int
    tokens: int
    score: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class BestOf:
    """Expected score of the best of n answers of the base, with its 95 % interval over prompts."""

    n: int
    kl: float
    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Picked:
    """A prompt with the answer of the base that scores highest and the one that scores lowest."""

    prompt: str
    best: str
    best_score: float
    worst: str
    worst_score: float


@dataclass(frozen=True, slots=True)
class Oddity:
    """A kind of answer that nobody wants, against the chosen answers of the same pairs."""

    name: str
    mean: float
    beats_chosen: Share  # how often it scores above the chosen answer
    example: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two reward models of different seed and data order."""

    differ: Share  # pairs that they rank differently
    mean_gap: float  # mean absolute difference of an answer's score
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the page of an inspection shows; scores in the unit that `kind` says."""

    kind: Kind
    pairs: int
    held_out: int
    beta: float
    accuracy: Share
    accuracy_per_token: Share | None  # by mean log-probability; None for reward models
    accuracy_by_policy: Share | None  # of the policy's own likelihoods, without the reference
    slices: tuple[Slice, ...]
    calibration: Calibration
    length: LengthBias
    dots: tuple[Dot, ...]
    loves: tuple[Trait, ...]
    hates: tuple[Trait, ...]
    best_of: tuple[BestOf, ...]
    picked: tuple[Picked, ...]
    oddities: tuple[Oddity, ...]
    disagreement: Disagreement | None

    def slice(self, key: str) -> Slice | None:
        """The slice of that key, if it was measured."""
        return next((found for found in self.slices if found.key == key), None)

    def to_json(self) -> str:
        """Raises ValueError on a number that JSON cannot hold."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Summary:
        """Raises ValueError, TypeError or KeyError when the text is no summary of this form."""
        v: dict[str, Any] = json.loads(text)
        return cls(
            kind=Kind(v["kind"]),
            pairs=v["pairs"],
            held_out=v["held_out"],
            beta=v["beta"],
            accuracy=Share(**v["accuracy"]),
            accuracy_per_token=_share(v["accuracy_per_token"]),
            accuracy_by_policy=_share(v["accuracy_by_policy"]),
            slices=tuple(Slice(s["key"], Share(**s["accuracy"])) for s in v["slices"]),
            calibration=_calibration(v["calibration"]),
            length=_length(v["length"]),
            dots=tuple(Dot(**dot) for dot in v["dots"]),
            loves=tuple(_trait(trait) for trait in v["loves"]),
            hates=tuple(_trait(trait) for trait in v["hates"]),
            best_of=tuple(BestOf(**best) for best in v["best_of"]),
            picked=tuple(Picked(**picked) for picked in v["picked"]),
            oddities=tuple(Oddity(**{**o, "beats_chosen": Share(**o["beats_chosen"])}) for o in v["oddities"]),
            disagreement=_disagreement(v["disagreement"]),
        )


def _share(values: dict[str, Any] | None) -> Share | None:
    return None if values is None else Share(**values)


def _calibration(values: dict[str, Any]) -> Calibration:
    return Calibration(**{**values, "curve": tuple(Point(**point) for point in values["curve"])})


def _length(values: dict[str, Any]) -> LengthBias:
    shares = {name: Share(**value) for name, value in values.items() if isinstance(value, dict)}
    return LengthBias(**{**values, **shares})


def _trait(values: dict[str, Any]) -> Trait:
    return Trait(**{**values, "rows": tuple(values["rows"])})


def _disagreement(values: dict[str, Any] | None) -> Disagreement | None:
    if values is None:
        return None
    return Disagreement(Share(**values["differ"]), values["mean_gap"], tuple(values["rows"]))


def read_summary(run_folder: Path) -> Summary | None:
    """The summary that a run left; None when there is none, or one of another form."""
    try:
        return Summary.from_json((run_folder / FOLDER / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError):
        return None
