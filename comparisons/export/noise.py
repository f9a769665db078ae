"""How often the labels of an export are the wrong way round, and the label smoothing that answers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from comparisons.results import Look, judgements_of
from comparisons.results.noise import of_majority, of_posterior
from comparisons.statistics.label_noise import LabelNoise
from comparisons.statistics.shares import percent

from .rules import Certainty, Decision, Rule

if TYPE_CHECKING:
    from .pairs import Export


def wrong_labels_of(export: Export) -> LabelNoise | None:
    """From agreement where a majority decides, else from the posterior; adjudicated items are not counted there."""
    agreed, rule = export.agreed, export.rule
    rows = judgements_of(export.study, Look(excluded=agreed.excluded))
    rows = rows.where(np.isin(rows.item, list(agreed.tallies)))
    if rule.consensus.weighs:
        return of_posterior(rows, rule.threshold)
    decided = [item for item, one in agreed.decisions.items() if isinstance(one, Decision) and not one.adjudicated]
    return of_majority(rows, decided)


def smoothing_of(rule: Rule, found: LabelNoise | None) -> float | None:
    """The label smoothing to train with; None where each label says how sure it is, or labels say next to nothing."""
    return found.smoothing if found and rule.certainty != Certainty.LABEL else None


def noise_words(found: LabelNoise) -> str:
    """The share with its interval, in percent."""
    return f"{percent(found.value)} [{100 * found.low:.0f}, {100 * found.high:.0f}]"
