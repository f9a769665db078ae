"""The simulated raters do what their description says."""

from __future__ import annotations

import numpy as np
import pytest

from bench.rating.simulated_raters import PRIORS, honest, share_right, spam, study


def test_nobody_meets_an_item_twice_and_every_item_gets_its_votes():
    """Forty raters cannot be cut into threes, so of each shuffle one is left out."""
    labels = study(0, 500, 40, 3).labels
    assert (np.bincount(labels.item) == 3).all()
    assert len(set(zip(labels.item.tolist(), labels.rater.tolist(), strict=True))) == 1500


def test_raters_are_as_often_right_as_planted():
    """20,000 judgements each: the standard error is at most 0.0035, and 0.015 is more than four of them."""
    one = study(1, 40_000, 10, 5, spammers=0.3)
    right = one.labels.label == one.truth[one.labels.item]
    seen = np.bincount(one.labels.rater, right) / np.bincount(one.labels.rater)
    assert seen == pytest.approx(one.accuracy, abs=0.015)
    assert one.spammer.sum() == 3


@pytest.mark.parametrize("kind", range(4))
def test_what_a_spammer_says_does_not_depend_on_the_item(kind):
    rows = spam(kind)
    assert (rows == rows[0]).all()
    assert rows.sum(axis=1) == pytest.approx(np.ones(4))


def test_honest_raters_treat_both_answers_alike():
    rows, swap = honest(np.random.default_rng(0)), [1, 0, 2, 3]
    assert rows.sum(axis=1) == pytest.approx(np.ones(4))
    assert rows == pytest.approx(rows[swap][:, swap])
    assert PRIORS.sum() == pytest.approx(1)


def test_tied_classes_share_an_item():
    """(1, 0) is right, (1/2, 1/2) half so: 3/4."""
    assert share_right(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0, 1])) == 0.75
