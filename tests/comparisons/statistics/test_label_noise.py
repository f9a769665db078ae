"""Flip rates of consensus labels against arithmetic by hand and planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from comparisons.statistics.aggregation.dawid_skene import dawid_skene
from comparisons.statistics.aggregation.labels import Labels
from comparisons.statistics.agreement import Agreement, percent_agreement
from comparisons.statistics.label_noise import (
    LabelNoise,
    flips,
    majority_flips,
    noise_of_agreement,
    noise_of_posterior,
)
from tests.comparisons.statistics.aggregation.simulated import simulated


def agreed(value, low, high):
    return Agreement(value, low, high, units=100, judgements=300)


def test_single_votes_by_hand():
    """a = 0.68: q = (1 + √0.36) / 2 = 0.8. The interval [0.58, 0.82] gives q of 0.7 and 0.9."""
    found = noise_of_agreement(agreed(0.68, 0.58, 0.82), np.ones(50, np.int64))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.1, 0.3))
    assert found.items == 50
    assert found.smoothing == 0.2


def test_majorities_by_hand():
    """One vote 0.2. Three: 0.2³ + 3 · 0.8 · 0.2² = 0.104. Two: 0.04 wrong, 0.64 right, 0.32 draws: 0.04 / 0.68 =
    0.0588. None: a coin."""
    found = majority_flips(0.2, np.array([1, 3, 2, 0]))
    assert found == pytest.approx([0.2, 0.104, 0.04 / 0.68, 0.5])


@pytest.mark.parametrize("votes", range(1, 12))
@pytest.mark.parametrize("single", [0.0, 0.05, 0.3, 0.5])
def test_majorities_are_those_of_all_outcomes(votes, single):
    right = binom(votes, 1 - single).pmf(np.arange(votes + 1))
    ahead = 2 * np.arange(votes + 1)
    wrong, drawn = right[ahead < votes].sum(), right[ahead == votes].sum()
    assert majority_flips(single, np.array([votes]))[0] == pytest.approx(wrong / (1 - drawn))


def test_labels_of_different_numbers_of_votes_are_averaged():
    """Half of the labels stand on one vote (0.2), half on three (0.104): 0.152."""
    assert noise_of_agreement(agreed(0.68, 0.6, 0.8), np.array([1, 3])).value == pytest.approx(0.152)


def test_agreement_no_better_than_chance_gives_no_smoothing():
    found = noise_of_agreement(agreed(0.5, 0.4, 0.6), np.array([3]))
    assert found.value == pytest.approx(0.5)
    assert found.smoothing is None


def test_unknown_agreement_gives_no_noise():
    assert noise_of_agreement(Agreement(None, None, None, 0, 0, reason="…"), np.array([1])) is None
    assert noise_of_agreement(agreed(0.7, 0.6, 0.8), np.array([], np.int64)) is None


def test_the_two_rater_formula_finds_planted_flips():
    """4,000 items of three votes: agreement has a standard error of about 0.006, and q = (1 + √(2a - 1)) / 2 changes by
    1 / (2 √(2a - 1)) = 0.7 of it: 0.004, so 0.015 is more than three."""
    study = simulated(1, 4000, 20, 3, low=0.8)
    rates = study.accuracy.mean()
    agreement = percent_agreement(study.labels.item, study.labels.label)
    single = noise_of_agreement(agreement, np.ones(4000, np.int64))
    assert single.value == pytest.approx(1 - rates, abs=0.015)
    assert single.low < 1 - rates < single.high


def test_flips_of_a_posterior_by_hand():
    """(0.7, 0.2, 0.1) and (0.1, 0.8, 0.1) give labels: flipped 0.2 and 0.1 of 0.9 that differ each: 0.3 / 1.8 = 1/6,
    and variance (0.9 · 2/9 · 7/9 + 0.9 · 1/9 · 8/9) / 1.8². (0.3, 0.3, 0.4) is a tie, (0.4, 0.4, 0.2) leans to no
    answer, and (0.1, 0.6, 0.3) is below the threshold."""
    posterior = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.4, 0.4, 0.2], [0.1, 0.6, 0.3]])
    found = flips(posterior, threshold=0.65)
    assert found.flipped == pytest.approx([0.2, 0.1])
    assert found.rate == pytest.approx(1 / 6)
    assert found.variance == pytest.approx(0.9 * (14 + 8) / 81 / 1.8**2)
    assert len(flips(posterior).flipped) == 3
    assert flips(posterior[2:4]) is None


def wrong_labels(study):
    """The share of consensus labels of the study that are wrong, truth being known, where the answers differ."""
    posterior = dawid_skene(study.labels, symmetric=True).posterior
    counted = (posterior.argmax(axis=1) < 2) & (study.truth < 2)
    return float((posterior[:, :2].argmax(axis=1) != study.truth)[counted].mean())


@pytest.mark.parametrize("classes", [2, 3])
def test_planted_flips_of_a_consensus_are_found(classes):
    """Eight studies of 1,000 items, three votes, 40 raters of whom 30 % guess: the mean error must be within the
    half-width of one interval (0.02). Of eight intervals that hold the truth in 95 % of cases six or more do in
    99 %."""
    errors, covered = [], 0
    for seed in range(8):
        study = simulated(seed, 1000, 40, 3, classes, spammers=0.3)
        found, wrong = noise_of_posterior(study.labels, resamples=12), wrong_labels(study)
        errors.append(found.value - wrong)
        covered += found.low <= wrong <= found.high
    assert abs(np.mean(errors)) < 0.02
    assert covered >= 6


def test_a_posterior_alone_is_too_sure():
    """What the resamples correct: without them the estimate of small studies is below the truth on average."""
    studies = [simulated(seed, 300, 20, 3, spammers=0.3) for seed in range(8)]
    wrong = np.mean([wrong_labels(study) for study in studies])
    plain = np.mean([noise_of_posterior(study.labels, resamples=0).value for study in studies])
    corrected = np.mean([noise_of_posterior(study.labels, resamples=8).value for study in studies])
    assert plain < wrong
    assert abs(corrected - wrong) < abs(plain - wrong)


def test_the_same_labels_give_the_same_noise():
    study = simulated(3, 200, 10, 3)
    assert noise_of_posterior(study.labels, resamples=5) == noise_of_posterior(study.labels, resamples=5)


def test_nothing_decided_gives_no_noise():
    ties = Labels.of(np.arange(6) // 2, np.arange(6) % 2, np.full(6, 2), 4)
    assert noise_of_posterior(ties) is None


def test_the_smoothing_is_where_the_expected_loss_is_least():
    """The docstring's derivation in numbers: with 20 % of labels flipped the loss with that smoothing is least at a
    policy that says 0.8."""
    found = minimize_scalar(lambda m: 0.8 * np.logaddexp(0, -m) + 0.2 * np.logaddexp(0, m))
    assert 1 / (1 + np.exp(-found.x)) == pytest.approx(0.8, abs=1e-4)
    assert LabelNoise(0.2, 0.1, 0.3, 10).smoothing == 0.2
