"""Dawid-Skene against arithmetic by hand, the paper's own data, crowd-kit, and raters of known accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene, OneCoinDawidSkene
from hypothesis import given, settings
from hypothesis import strategies as st

from comparisons.statistics.aggregation.dawid_skene import dawid_skene
from comparisons.statistics.aggregation.labels import Labels
from comparisons.statistics.aggregation.majority import majority
from tests.comparisons.statistics.aggregation.simulated import share_right, simulated
from tests.comparisons.statistics.aggregation.test_labels import labels_of

NEVER = -np.inf
"""A tolerance under which EM takes all its iterations."""

PATIENTS = """
111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3|222 2 2 2 3|232 2 2 2 3
444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1|111 1 1 1 1|222 2 2 2 1|222 1 3 2 2
222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|111 1 1 1 1|111 1 1 1 1|232 2 2 2 2|111 1 1 1 1|111 1 1 1 1|112 1 1 2 1
111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3|221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1
111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2
"""
"""Dawid & Skene (1979), table 1: 45 patients judged fit for an anaesthetic (1 to 4) by five observers, the first of
whom saw everybody three times."""


def patients() -> Labels:
    rows = [
        (patient, observer, int(grade) - 1)
        for patient, record in enumerate(PATIENTS.replace("\n", "|").strip("|").split("|"))
        for observer, grades in enumerate(record.split())
        for grade in grades
    ]
    return labels_of(rows, classes=4)


def test_one_iteration_by_hand():
    """Item 0: both raters say 0; item 1: one says 1, the other 0. Shares (1, 0) and (1/2, 1/2), so both raters are
    right in (1 + 1/2) / 2 = 3/4, priors 3/4 and 1/4. Item 0: 3/4 · (3/4)² against 1/4 · (1/4)², 27 : 1. Item 1: 3/4 ·
    3/16 against 1/4 · 3/16, 3 : 1."""
    labels = labels_of([(0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 0)])
    found = dawid_skene(labels, one_coin=True, smoothing=0, iterations=1)
    assert found.posterior[:, 0] == pytest.approx([27 / 28, 3 / 4])
    assert found.log_likelihood == pytest.approx(np.log(27 / 64 + 1 / 64) + np.log(9 / 64 + 3 / 64))


def test_the_patients_of_dawid_and_skene():
    """Table 2 of the paper: the grades of 40, 42, 11 and 7 % of the patients."""
    found = dawid_skene(patients(), smoothing=0, tolerance=1e-10)
    assert found.converged
    assert found.priors == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)


@pytest.mark.filterwarnings("ignore:The .* keyword")
@pytest.mark.parametrize("oracle,one_coin", [(DawidSkene, False), (OneCoinDawidSkene, True)])
@pytest.mark.parametrize("classes", [2, 4])
def test_every_step_is_that_of_crowd_kit(oracle, one_coin, classes):
    """The same EM from the same start: after as many iterations only rounding is between them. crowd-kit stops when its
    bound rises by less than 1e-5 a label, wherever it then is, so the number of iterations is taken from it."""
    labels = simulated(3, 120, 10, 4, classes, spammers=0.2).labels
    theirs = oracle(n_iter=100)
    frame = pd.DataFrame({"task": labels.item, "worker": labels.rater, "label": labels.label})
    expected = theirs.fit_predict_proba(frame).loc[range(labels.items), list(range(classes))].to_numpy()
    taken = len(theirs.loss_history_)
    found = dawid_skene(labels, one_coin=one_coin, smoothing=0, tolerance=NEVER, iterations=taken)
    assert found.posterior == pytest.approx(expected, abs=1e-8)
    assert found.priors == pytest.approx(theirs.priors_.loc[list(range(classes))].to_numpy(), abs=1e-8)


@pytest.mark.parametrize("classes,one_coin", [(2, False), (2, True), (4, False), (4, True)])
def test_planted_accuracies_are_found(classes, one_coin):
    """30 raters of 667 labels each. With the truth known the standard error would be at most 0.019; it is inferred, and
    that costs about half of the labels: 0.027, and 0.05 is met by nearly all. Their mean error must be below 0.02."""
    study = simulated(1, 4000, 30, 5, classes)
    found = dawid_skene(study.labels, one_coin=one_coin, symmetric=True)
    error = np.abs(found.accuracy.value - study.accuracy)
    assert (error < 0.05).mean() >= 0.95
    assert error.mean() < 0.02


@pytest.mark.parametrize("classes", [2, 4])
def test_consensus_beats_majority_among_spammers(classes):
    """30 % of 40 raters say anything; three votes on each of 2,000 items. Over five studies the gain is several points;
    the standard error of a paired difference here is below 0.5."""
    gains = []
    for seed in range(5):
        study = simulated(seed, 2000, 40, 3, classes, spammers=0.3)
        consensus = dawid_skene(study.labels, symmetric=True).posterior
        gains.append(share_right(consensus, study.truth) - share_right(majority(study.labels).shares, study.truth))
    assert min(gains) > 0
    assert np.mean(gains) > 0.02


def test_spammers_have_no_skill_and_honest_raters_do():
    """Honest accuracy from 0.75 on is a skill from 0.5 on between two classes; a spammer's is 0, give or take 0.1."""
    study = simulated(2, 4000, 30, 5, spammers=0.3, low=0.75)
    skill = dawid_skene(study.labels, symmetric=True).skill
    assert skill[study.spammer].max() < 0.25
    assert skill[~study.spammer].min() > 0.35


def test_who_always_says_the_same_only_guesses():
    """A rater who always says 0 is right in every item whose truth is 0, and has no skill at all."""
    study = simulated(4, 1000, 6, 4, low=0.9)
    stubborn = [(item, 6, 0) for item in range(1000)]
    rows = [*zip(study.labels.item, study.labels.rater, study.labels.label, strict=True), *stubborn]
    found = dawid_skene(labels_of(rows))
    assert found.accuracy.value[6] == pytest.approx((study.truth == 0).mean(), abs=0.02)
    assert found.skill[6] == pytest.approx(0, abs=0.03)
    assert found.confusion[6, :, 0] == pytest.approx([1, 1], abs=0.01)


def test_known_items_are_believed_and_teach_about_raters():
    """Two raters contradict each other everywhere, so nobody can tell who is right; ten known items can. With two
    guesses added the first is right in (10 + 20 + 1) / (30 + 2) once the rest follows."""
    rows = [(item, rater, (item + rater) % 2) for item in range(30) for rater in range(2)]
    known = np.where(np.arange(30) < 10, np.arange(30) % 2, -1)
    found = dawid_skene(labels_of(rows), one_coin=True, known=known)
    assert found.posterior.argmax(axis=1).tolist() == [item % 2 for item in range(30)]
    assert (found.posterior[np.arange(10), known[:10]] == 1).all()
    assert found.confusion[0, 0, 0] == pytest.approx(31 / 32, abs=0.01)


def test_the_likelihood_never_falls():
    labels = simulated(5, 200, 10, 3, classes=3, spammers=0.3).labels
    reached = [
        dawid_skene(labels, smoothing=0, tolerance=NEVER, iterations=taken).log_likelihood for taken in range(1, 40)
    ]
    assert (np.diff(reached) >= -1e-9).all()


def test_running_out_of_iterations_is_said():
    labels = simulated(5, 200, 10, 3).labels
    assert not dawid_skene(labels, iterations=2).converged
    assert dawid_skene(labels).converged


def test_a_rater_of_few_labels_is_taken_for_one_like_the_others():
    """One label: with two imagined labels like everybody's, a right one leaves the row near that of all raters."""
    study = simulated(6, 500, 10, 5, low=0.85)
    rows = [*zip(study.labels.item, study.labels.rater, study.labels.label, strict=True), (0, 10, study.truth[0])]
    found = dawid_skene(labels_of(rows))
    everybody = found.confusion[:10].mean(axis=0)
    assert found.confusion[10, 1 - study.truth[0]] == pytest.approx(everybody[1 - study.truth[0]], abs=0.03)
    row = everybody[study.truth[0]]
    assert found.confusion[10, study.truth[0], study.truth[0]] == pytest.approx((2 * row.max() + 1) / 3, abs=0.03)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_which_answer_of_an_item_is_called_the_first_does_not_matter(seed, one_coin):
    """Classes first, second, tie, both bad. Turning some items round turns their posteriors and nothing else."""
    labels = simulated(seed, 25, 6, 3, classes=4).labels
    turned = np.random.default_rng(seed).random(labels.items) < 0.5
    swapped = np.array([1, 0, 2, 3])
    again = np.where(turned[labels.item], swapped[labels.label], labels.label)
    one = dawid_skene(labels, one_coin=one_coin, symmetric=True, iterations=30)
    two = dawid_skene(Labels.of(labels.item, labels.rater, again, 4), one_coin=one_coin, symmetric=True, iterations=30)
    expected = np.where(turned[:, None], one.posterior[:, swapped], one.posterior)
    assert two.posterior == pytest.approx(expected, abs=1e-6)
    assert two.confusion == pytest.approx(one.confusion, abs=1e-6)
    assert one.priors[0] == pytest.approx(one.priors[1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=30))
def test_whatever_was_said_the_result_is_made_of_probabilities(rows):
    for one_coin in (False, True):
        for smoothing in (0.0, 2.0):
            found = dawid_skene(labels_of(rows, classes=3), one_coin=one_coin, smoothing=smoothing)
            assert found.posterior.sum(axis=1) == pytest.approx(np.ones(len(found.posterior)))
            assert found.confusion.sum(axis=2) == pytest.approx(np.ones(found.confusion.shape[:2]))
            assert (found.posterior >= 0).all()
            assert (found.accuracy.low <= found.accuracy.value + 1e-9).all()
            assert (found.accuracy.value <= found.accuracy.high + 1e-9).all()
            assert np.isfinite(found.skill).all()
