"""MACE against arithmetic by hand, crowd-kit, and raters who guess."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import MACE
from scipy.special import digamma

from comparisons.statistics.aggregation.labels import Labels
from comparisons.statistics.aggregation.mace import mace
from comparisons.statistics.aggregation.majority import majority
from tests.comparisons.statistics.aggregation.simulated import share_right, simulated
from tests.comparisons.statistics.aggregation.test_dawid_skene import NEVER
from tests.comparisons.statistics.aggregation.test_labels import labels_of


def test_one_iteration_by_hand():
    """One item, two raters say 0. Started with chance 1/2 that a right label was known: known 1/2, guessed 1/2 each, so
    Beta(1, 1) and Dirichlet(10.5, 10). θ and 1 - θ count exp(ψ(1) - ψ(2)) = 1/e each; ξ_0 counts
    exp(ψ(10.5) - ψ(20.5)) = 0.50016. Class 0 against 1: ((1 + ξ_0) / ξ_0)² : 1 = 8.996 : 1."""
    strategy = np.exp(digamma(10.5) - digamma(20.5))
    odds = ((1 + strategy) / strategy) ** 2
    found = mace(labels_of([(0, 0, 0), (0, 1, 0)]), iterations=1)
    assert strategy == pytest.approx(0.50016, abs=1e-5)
    assert found.posterior[0] == pytest.approx([odds / (odds + 1), 1 / (odds + 1)])


@pytest.mark.filterwarnings("ignore:The .* keyword")
def test_the_posteriors_are_those_of_crowd_kit():
    """Two optimisers of one bound, stopped at other points of a flat top (theirs after 150 iterations): posteriors
    within 0.002. They report θ as exp of the expected logarithms, normalised, which for as many labels differs from the
    mean by less than 0.01. crowd-kit mixes up raters unless they and the labels first appear in rising order, so they
    are numbered that way."""
    plain = simulated(0, 200, 12, 5, 4, spammers=0.3).labels
    labels = Labels.of(plain.item, pd.factorize(plain.rater)[0], pd.factorize(plain.label)[0], 4)
    frame = pd.DataFrame({"task": labels.item, "worker": labels.rater, "label": labels.label})
    theirs = MACE(n_restarts=1, n_iter=150).fit(frame)
    found = mace(labels, tolerance=1e-12)
    assert found.posterior == pytest.approx(theirs.probas_.to_numpy(), abs=2e-3)
    assert found.competence == pytest.approx(theirs.spamming_[:, 1], abs=0.01)
    assert found.strategy == pytest.approx(theirs.thetas_, abs=0.015)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_bound_never_falls(symmetric):
    labels = simulated(5, 200, 10, 3, classes=4, spammers=0.3).labels
    reached = [mace(labels, symmetric=symmetric, tolerance=NEVER, iterations=taken).bound for taken in range(1, 40)]
    assert (np.diff(reached) >= -1e-9).all()


def test_competence_is_the_share_of_items_that_a_rater_knows():
    """Accuracy q among C classes with even errors is competence θ with θ + (1 - θ) / C = q."""
    study = simulated(1, 4000, 30, 5, classes=4, spammers=0.2)
    found = mace(study.labels)
    planted = (study.accuracy - 1 / 4) / (1 - 1 / 4)
    assert np.abs(found.competence - planted).mean() < 0.03
    assert found.competence[study.spammer].max() < 0.15
    assert found.competence[~study.spammer].min() > 0.4


def test_consensus_beats_majority_among_spammers():
    study = simulated(7, 2000, 40, 3, classes=4, spammers=0.3)
    assert share_right(mace(study.labels).posterior, study.truth) > 0.02 + share_right(
        majority(study.labels).shares, study.truth
    )


def test_the_strategy_of_who_always_says_tie_is_tie():
    study = simulated(4, 1000, 6, 4, classes=3, low=0.9)
    rows = [*zip(study.labels.item, study.labels.rater, study.labels.label, strict=True)]
    found = mace(labels_of([*rows, *((item, 6, 2) for item in range(1000))], classes=3), symmetric=True)
    assert found.competence[6] < 0.05
    assert found.strategy[6, 2] > 0.95
    assert found.strategy[6, 0] == found.strategy[6, 1]


def test_which_answer_of_an_item_is_called_the_first_does_not_matter():
    labels = simulated(8, 40, 6, 3, classes=4).labels
    turned = np.arange(40) % 3 == 0
    swapped = np.array([1, 0, 2, 3])
    again = np.where(turned[labels.item], swapped[labels.label], labels.label)
    one, two = mace(labels, symmetric=True), mace(Labels.of(labels.item, labels.rater, again, 4), symmetric=True)
    assert two.posterior == pytest.approx(np.where(turned[:, None], one.posterior[:, swapped], one.posterior), abs=1e-6)
    assert two.competence == pytest.approx(one.competence, abs=1e-6)
