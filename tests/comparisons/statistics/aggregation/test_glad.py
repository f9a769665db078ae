"""GLAD against arithmetic by hand, crowd-kit, and items of planted difficulty."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import GLAD
from scipy.special import expit

from comparisons.statistics.aggregation.glad import glad
from comparisons.statistics.aggregation.labels import Labels
from tests.comparisons.statistics.aggregation.simulated import share_right, simulated
from tests.comparisons.statistics.aggregation.test_dawid_skene import NEVER
from tests.comparisons.statistics.aggregation.test_labels import labels_of


def graded(seed, items=600, raters=12, votes=6, classes=2):
    """Half of the items are easy (β = 3), half hard (β = 0.3); abilities go from 0.2 to 3."""
    chance = np.random.default_rng(seed)
    truth, ease = chance.integers(0, classes, items), np.where(np.arange(items) % 2, 3.0, 0.3)
    ability = np.linspace(0.2, 3, raters)
    item = np.repeat(np.arange(items), votes)
    rater = np.argsort(chance.random((items, raters)), axis=1)[:, :votes].ravel()
    right = chance.random(len(item)) < expit(ability[rater] * ease[item])
    other = (truth[item] + chance.integers(1, classes, len(item))) % classes
    return Labels.of(item, rater, np.where(right, truth[item], other), classes), truth, ease, ability


def test_one_judgement_by_hand():
    """One label 0 of two: started certain, ability and log-ease at 1, x = e. The Newton step for the ability:
    slope (1 - σ(e)) e = 0.16827, curvature σ(e) (1 - σ(e)) e² + 1 = 1.42909, so α = 1.11775. Then for the log-ease with
    x = 1.11775 e = 3.03835: slope (1 - σ(x)) x = 0.13892, curvature σ(x) (1 - σ(x)) x² + 1 = 1.40280: 1.09903. The
    posterior is σ(1.11775 · e^1.09903) = σ(3.35465) = 0.96626."""
    found = glad(labels_of([(0, 0, 0)]), iterations=1)
    assert found.ability[0] == pytest.approx(1.11775, abs=1e-5)
    assert np.log(found.ease[0]) == pytest.approx(1.09903, abs=1e-5)
    assert found.posterior[0, 0] == pytest.approx(0.96626, abs=1e-5)


@pytest.mark.filterwarnings("ignore:The .* keyword")
def test_the_optimum_is_that_of_crowd_kit():
    """The same posterior mode by another optimiser (EM with conjugate gradients): posteriors within 0.001,
    abilities within 0.001, logarithms of ease within 0.01, where the top is flat."""
    labels = simulated(0, 16, 5, 4, classes=3).labels
    frame = pd.DataFrame({"task": labels.item, "worker": labels.rater, "label": labels.label})
    theirs = GLAD(n_iter=25, tol=-1.0, m_step_max_iter=10, m_step_tol=1e-4)
    expected = theirs.fit_predict_proba(frame).loc[range(labels.items), [0, 1, 2]].to_numpy()
    found = glad(labels, tolerance=1e-12, iterations=2000)
    assert found.posterior == pytest.approx(expected, abs=1e-3)
    assert found.ability == pytest.approx(theirs.alphas_.loc[range(labels.raters)].to_numpy(), abs=1e-3)
    assert np.log(found.ease) == pytest.approx(theirs.betas_.loc[range(labels.items)].to_numpy(), abs=1e-2)


def test_the_objective_never_falls():
    labels = graded(1, items=100, classes=3)[0]
    reached = [glad(labels, tolerance=NEVER, iterations=taken).objective for taken in range(1, 30)]
    assert (np.diff(reached) >= -1e-9).all()


@pytest.mark.parametrize("classes", [2, 4])
def test_hard_items_and_able_raters_are_found(classes):
    labels, truth, ease, ability = graded(2, classes=classes)
    found = glad(labels)
    assert found.converged
    assert np.median(found.ease[ease > 1]) > 2 * np.median(found.ease[ease < 1])
    assert np.corrcoef(found.ability, ability)[0, 1] > 0.8
    assert share_right(found.posterior[ease > 1], truth[ease > 1]) > 0.95


def test_a_rater_who_is_always_wrong_counts_against_what_was_said():
    """Five good raters and one who says the opposite: its ability is below 0."""
    study = simulated(3, 300, 5, 5, low=0.85)
    rows = [*zip(study.labels.item, study.labels.rater, study.labels.label, strict=True)]
    found = glad(labels_of([*rows, *((item, 5, 1 - truth) for item, truth in enumerate(study.truth))]))
    assert found.ability[5] < 0 < found.ability[:5].min()
