"""How often consensus labels of a study are the wrong way round: what training answers to by smoothing labels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from comparisons.remembered import columns_of, remembered
from comparisons.statistics.agreement import percent_agreement
from comparisons.statistics.label_noise import LabelNoise, noise_of_agreement, noise_of_posterior

from .judgements import Judgements, Said, labels_of

QUICK = 2_000
"""Judgements up to which the results ask the posterior too; of more, the page that asks how sure they are tells it."""
RESAMPLES = 10
"""Studies drawn again for what a posterior is too sure by; each is fitted anew."""


@dataclass(frozen=True, slots=True)
class WrongLabels:
    """The estimate by each way of deciding; None where judgements do not tell."""

    by_majority: LabelNoise | None
    by_posterior: LabelNoise | None


def wrong_labels(judgements: Judgements) -> WrongLabels:
    """Of the labels that all these judgements give."""
    by_posterior = remembered("posterior", columns_of(judgements), (), lambda: of_posterior(judgements))
    return WrongLabels(of_majority(judgements), by_posterior)


def wrong_labels_quickly(judgements: Judgements) -> WrongLabels:
    """The same, but by the posterior only where that is quick."""
    return wrong_labels(judgements) if len(judgements) <= QUICK else WrongLabels(of_majority(judgements), None)


def of_majority(judgements: Judgements, decided: Collection[int] | None = None) -> LabelNoise | None:
    """From agreement, if raters err independently; of the items that are `decided`, else of those with a majority."""
    prefers = judgements.where(judgements.said <= Said.B)
    items, place = np.unique(prefers.item, return_inverse=True)
    votes = np.bincount(place, minlength=len(items))
    lower = np.bincount(place, prefers.preferred == np.minimum(prefers.a, prefers.b), len(items))
    chosen = 2 * lower != votes if decided is None else np.isin(items, list(decided))
    return noise_of_agreement(percent_agreement(prefers.item, prefers.preferred), votes[chosen])


def of_posterior(judgements: Judgements, threshold: float = 0.0) -> LabelNoise | None:
    """From Dawid and Skene's posterior, of items whose likeliest answer reaches the threshold; needs two raters."""
    if len(np.unique(judgements.rater)) < 2:
        return None
    return noise_of_posterior(labels_of(judgements), threshold=threshold, resamples=RESAMPLES)
