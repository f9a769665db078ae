"""The three models of a vote: chances, slopes and curvatures against each other, differences and known values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from comparisons.statistics.strengths.models import Model, probabilities, terms

SCORES = np.array([1.0, 0.5, 0.0])
margins = some.floats(-6, 6)
ties = some.floats(0.05, 3)


def at(margin):
    return np.full(3, margin)


def test_davidson_by_hand():
    """d = ln 4, ν = 1: e^{d/2} = 2, so 2 : 1 : 1/2 of 3.5."""
    win, tie = probabilities(Model.DAVIDSON, np.array([np.log(4)]), 0.0)
    assert (win[0], tie[0]) == pytest.approx((4 / 7, 2 / 7))


def test_rao_kupper_by_hand():
    """π = 4 and 1, κ = 2: P(win) = 4 / (4 + 2) = 2/3, P(loss) = 1 / (1 + 8) = 1/9, so P(tie) = 2/9."""
    win, tie = probabilities(Model.RAO_KUPPER, np.array([np.log(4)]), np.log(2))
    assert (win[0], tie[0]) == pytest.approx((2 / 3, 2 / 9))


@pytest.mark.parametrize("model", [Model.DAVIDSON, Model.RAO_KUPPER])
@given(margin=margins, tie=ties)
def test_the_likelihoods_of_win_tie_and_loss_are_the_chances_and_sum_to_one(model, margin, tie):
    win, draw = probabilities(model, np.array([margin]), tie)
    seen = np.exp(terms(model, at(margin), tie, SCORES).value)
    assert seen == pytest.approx([win[0], draw[0], 1 - win[0] - draw[0]], abs=1e-9)


@pytest.mark.parametrize("model", list(Model))
@given(margin=margins, tie=ties)
def test_slopes_and_curvatures_are_those_of_the_likelihood(model, margin, tie):
    step = 1e-5
    here = terms(model, at(margin), tie, SCORES)
    ahead, behind = (terms(model, at(margin + move), tie, SCORES) for move in (step, -step))
    assert here.slope == pytest.approx((ahead.value - behind.value) / (2 * step), abs=1e-6)
    assert here.curvature == pytest.approx(-(ahead.slope - behind.slope) / (2 * step), abs=1e-6)
    more, less = (terms(model, at(margin), tie + move, SCORES) for move in (step, -step))
    if model.has_tie_parameter:
        assert here.tie_slope == pytest.approx((more.value - less.value) / (2 * step), rel=1e-5, abs=1e-6)
        assert here.mixed == pytest.approx(-(more.slope - less.slope) / (2 * step), abs=1e-6)
        assert here.tie_curvature == pytest.approx(-(more.tie_slope - less.tie_slope) / (2 * step), rel=1e-4, abs=1e-6)


@given(margin=margins)
def test_davidson_without_ties_is_bradley_and_terry(margin):
    win, tie = probabilities(Model.DAVIDSON, np.array([margin]), -60.0)
    assert win[0] == pytest.approx(probabilities(Model.HALVES, np.array([margin]), 0.0)[0][0])
    assert tie[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("model", list(Model))
def test_a_margin_of_thousands_overflows_nothing(model):
    found = terms(model, np.array([2000.0, -2000.0]), 0.5, np.array([1.0, 1.0]))
    assert np.isfinite(found.value).all()
    assert found.value[0] == pytest.approx(0.0, abs=1e-12)
