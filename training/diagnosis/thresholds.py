"""The numbers beyond which a measure is alarming, each with its source; without one it is our own judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit of a measure. `source` names the publication; empty means: a heuristic."""

    value: float
    side: Literal["above", "below"]
    source: str = ""
    unit: Literal["share", "number"] = "number"
    of: str = ""  # what the number is relative to; such a limit is no fixed height on a chart

    @property
    def on_chart(self) -> bool:
        return not self.of

    @property
    def kind(self) -> str:
        return "literature" if self.source else "heuristic"

    @property
    def text(self) -> str:
        """'above 10 %' or 'below 50 % of what it was before training'."""
        number = f"{100 * self.value:g} %" if self.unit == "share" else f"{self.value:g}"
        return f"{self.side} {number} {self.of}".rstrip()


CHEN = "Chen et al. 2024, arXiv 2405.19534: released models mostly stay below it"
RAZIN = "Razin et al. 2024, arXiv 2410.08847: the chosen answer's likelihood falls while the margin grows"

RANKING_ACCURACY = Threshold(0.6, "below", CHEN, "share")
REWARD_ACCURACY = Threshold(0.6, "above", unit="share", of="while the ranking accuracy stays the reference's")
UNDESIRABLE_SHARE = Threshold(0.05, "above", unit="share")
UNDESIRABLE_SHARE_GRAVE = Threshold(0.15, "above", unit="share")
CONTRADICTED_SHARE = Threshold(0.30, "above", unit="share")
DISPLACEMENT = Threshold(-0.1, "below")
NO_DISPLACEMENT = Threshold(0.0, "below", RAZIN)
GAP = Threshold(0.10, "above", unit="share", of="between the two")
LOSS_RISE = Threshold(0.05, "above", unit="share", of="more than its lowest, on held-out pairs")
LENGTH_RATIO_HIGH = Threshold(1.25, "above")
LENGTH_RATIO_LOW = Threshold(0.8, "below")
REMAINING_DIVERSITY = Threshold(0.5, "below", unit="share", of="of what it was before training")
KL_GROWTH = Threshold(1.5, "above", of="times what it was at the best look at held-out pairs")
MARGIN_GROWTH = Threshold(1.25, "above", of="times what it was two looks before, while the accuracy stands")
ECE = Threshold(0.05, "above")
ECE_GRAVE = Threshold(0.10, "above")
LENGTH_CORRELATION = Threshold(0.3, "above")
LENGTH_CORRELATION_NEGATIVE = Threshold(-0.3, "below")
LENGTH_PREFERENCE = Threshold(0.10, "above", unit="share", of="between model and labels")
SLICE_GAP = Threshold(0.20, "above", unit="share", of="between the slices")
DISAGREEMENT = Threshold(0.20, "above", unit="share")
TRUNCATED_SHARE = Threshold(0.10, "above", unit="share")
ZERO_SPREAD_SHARE = Threshold(0.30, "above", unit="share")
CLIP_SHARE = Threshold(0.30, "above", unit="share")
RATIO_MAX = Threshold(2.0, "above")
SAMPLER_GAP = Threshold(0.05, "above")
JUDGEMENT_FALL = Threshold(0.02, "above", unit="share", of="lost in agreement with held-out pairs")
PROXY_RISE = Threshold(0.1, "above", of="gained in score")
