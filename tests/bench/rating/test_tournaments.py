"""Simulated tournaments are what they say, and their truth is what many of them give."""

from __future__ import annotations

import numpy as np
import pytest

from bench.rating.tournaments import Shape, tournament, truth
from comparisons.statistics.strengths.fitting import counted, fit
from comparisons.statistics.strengths.models import Model


def test_every_item_has_its_votes_by_different_raters():
    votes = tournament(Shape(raters=5, prompts=7, per_item=3), seed=1)
    assert len(votes) == 7 * 3 * 3
    items = zip(votes.prompt, np.minimum(votes.left, votes.right), np.maximum(votes.left, votes.right), strict=True)
    cast = list(zip(items, votes.rater, strict=True))
    assert len(set(cast)) == len(cast)


def test_without_clusters_the_truth_is_what_was_put_in():
    shape = Shape(strengths=(0.5, 0.1, -0.6), rater_spread=0, prompt_spread=0, tie_spread=0)
    assert truth(shape, Model.DAVIDSON) == pytest.approx([0.5, 0.1, -0.6], abs=1e-6)


@pytest.mark.parametrize("model", list(Model))
def test_the_truth_is_what_very_many_raters_and_prompts_give(model):
    """600 raters and 8,000 votes: errors of strengths are about sqrt(0.5² / 600 + 6 / 8000) = 0.034; three of them."""
    shape = Shape(raters=600, prompts=8000, per_item=1, pairs_per_prompt=1)
    found = fit(counted(tournament(shape, seed=2)), model).parameters[:3]
    assert found - found.mean() == pytest.approx(truth(Shape(), model), abs=0.1)


def test_active_raters_rate_more():
    votes = tournament(Shape(activity=1.0, raters=20), seed=3)
    even = tournament(Shape(raters=20), seed=3)
    assert np.bincount(votes.rater).max() > 1.5 * np.bincount(even.rater).max()
