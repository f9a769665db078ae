"""Errors clustered by rater and prompt against closed forms, statsmodels and matrices written out."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as some
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from bench.rating.tournaments import Shape, tournament
from comparisons.statistics.strengths import clusters
from comparisons.statistics.strengths.clusters import (
    clustered_covariance,
    clusters_of,
    combined,
    contrast_errors,
    grouping_of,
    information_shares,
    power_sums,
    pull_of,
    scatter_of,
    scores_by_cluster,
)
from comparisons.statistics.strengths.fitting import comparisons_of, counted, fit
from comparisons.statistics.strengths.models import Model, terms

SHAPE = Shape(raters=7, prompts=20, activity=0.8)


def pull_and_fit(votes, model=Model.DAVIDSON, features=None):
    rows = comparisons_of(votes, features)
    found = fit(counted(votes) if features is None else rows, model)
    return pull_of(rows, found), found


def design_of(votes, features=None):
    design = np.zeros((len(votes), votes.policies))
    design[np.arange(len(votes)), votes.left] = 1
    design[np.arange(len(votes)), votes.right] = -1
    return design if features is None else np.hstack([design, features])


@given(ids=some.lists(some.integers(-50, 50) | some.integers(-(10**12), 10**12), max_size=60))
def test_codes_are_those_of_sorted_ids_whether_close_together_or_not(ids):
    found, code = np.unique(np.array(ids, dtype=np.int64), return_inverse=True)
    clusters_found = clusters_of(np.array(ids, dtype=np.int64))
    assert clusters_found.code.tolist() == code.tolist()
    assert clusters_found.count == len(found)


def test_the_three_parts_are_those_of_statsmodels():
    """Without ties the model is a logistic regression, with θ0 = 0; statsmodels sums the same scores."""
    votes = tournament(Shape(raters=7, prompts=20, tie=-40.0), seed=1)
    pull, found = pull_and_fit(votes, Model.HALVES)
    theirs = sm.GLM(votes.score, design_of(votes)[:, 1:], family=sm.families.Binomial()).fit(tol=1e-12)
    total, by_rater, by_prompt = cov_cluster_2groups(theirs, votes.rater, votes.prompt, use_correction=False)
    scatter = scatter_of(pull, grouping_of(votes))
    gap = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]) @ found.inverse
    for ours, expected in zip(
        (*scatter.ways, scatter.both), (by_rater, by_prompt, by_rater + by_prompt - total), strict=True
    ):
        assert gap @ ours @ gap.T == pytest.approx(expected, rel=1e-6)


def test_the_covariance_carries_the_usual_factors_and_is_positive():
    votes = tournament(SHAPE, seed=2)
    pull, found = pull_and_fit(votes)
    scatter = scatter_of(pull, grouping_of(votes))
    assert scatter.both is not None
    expected = found.inverse @ (scatter.ways[0] * 7 / 6 + scatter.ways[1] * 20 / 19 - scatter.both) @ found.inverse
    values, vectors = np.linalg.eigh(expected)
    covariance = clustered_covariance(scatter, found.inverse)
    assert covariance == pytest.approx((vectors * np.maximum(values, 0)) @ vectors.T, abs=1e-12)
    assert np.linalg.eigvalsh(covariance).min() >= -1e-12


def test_scores_and_shares_of_information_are_the_sums_written_out():
    """With two features and η: for every cluster Σ score vectors and Σ information matrices of its votes."""
    votes = tournament(SHAPE, seed=3)
    features = np.random.default_rng(3).standard_normal((len(votes), 2))
    pull, found = pull_and_fit(votes, features=features)
    rater = clusters_of(votes.rater)
    design, each = (
        design_of(votes, features),
        terms(Model.DAVIDSON, pull.rows.margin(found.parameters), found.tie, votes.score),
    )
    directions = np.random.default_rng(4).standard_normal((3, 6))
    scores, information = np.zeros((7, 6)), np.zeros((7, 6, 6))
    for number, vote in enumerate(design):
        along, tie = np.append(vote, 0.0), np.eye(6)[5]
        scores[rater.code[number]] += each.slope[number] * along + each.tie_slope[number] * tie
        information[rater.code[number]] += (
            each.curvature[number] * np.outer(along, along)
            + each.mixed[number] * (np.outer(along, tie) + np.outer(tie, along))
            + each.tie_curvature[number] * np.outer(tie, tie)
        )
    brought = np.einsum("mi,gij,mj->gm", directions, information, directions)
    assert scores_by_cluster(pull, rater).toarray() == pytest.approx(scores)
    assert np.vstack(list(information_shares(pull, rater, directions))) == pytest.approx(brought / brought.sum(axis=0))
    assert information.sum(axis=0) == pytest.approx(found.information, rel=1e-6)


def test_shares_in_blocks_are_shares_at_once(monkeypatch):
    votes = tournament(SHAPE, seed=5)
    pull, found = pull_and_fit(votes)
    prompt = clusters_of(votes.prompt)
    whole = np.vstack(list(information_shares(pull, prompt, found.inverse)))
    monkeypatch.setattr(clusters, "AT_ONCE", 3)
    assert np.vstack(list(information_shares(pull, prompt, found.inverse))) == pytest.approx(whole)


@pytest.mark.parametrize("count", [2, 5, 30])
def test_equal_clusters_have_the_factor_and_the_freedom_of_textbooks(count):
    """G equal clusters: E Σψ̂² = (1 - 1/G) Σψ², so the variance grows by G / (G - 1), with G - 1 degrees of freedom."""
    share = np.full((count, 1), 1 / count)
    found = combined([np.array([4.0])], [power_sums(iter([share]), 1)], None)
    assert found.error[0] == pytest.approx(np.sqrt(4 * count / (count - 1)))
    assert found.freedom[0] == pytest.approx(count - 1)


def test_unequal_clusters_match_the_working_models_matrix_written_out():
    """Q = (I - w1ᵀ) D (I - 1wᵀ) with D = a w + e w²; a = 1 (by both at once), Σψ̂² = 3, so e = 2 / Σw²."""
    share = np.array([0.5, 0.2, 0.2, 0.1])
    working = np.diag(share + 2 / (share**2).sum() * share**2)
    taken = np.eye(4) - np.outer(share, np.ones(4))
    seen = taken @ working @ taken.T
    found = combined([np.array([3.0])] * 2, [power_sums(iter([share[:, None]]), 1)] * 2, np.array([1.0]))
    variance = 3.0 * np.trace(working) / np.trace(seen)
    freedom = np.trace(seen) ** 2 / np.trace(seen @ seen)
    total = 2 * variance - 1.0
    assert found.error[0] == pytest.approx(np.sqrt(total))
    assert found.freedom[0] == pytest.approx(max(total**2 / (2 * variance**2 / freedom), freedom))


def test_parts_that_cancel_out_leave_a_quarter_of_the_variance_of_both():
    share = power_sums(iter([np.full((10, 1), 0.1)]), 1)
    found = combined([np.array([0.2]), np.array([0.3])], [share, share], np.array([1.0]))
    assert found.error[0] == pytest.approx(0.5)


def test_with_fewer_than_five_raters_or_prompts_they_are_taken_as_they_are():
    few = tournament(Shape(raters=4, prompts=20), seed=6)
    grouping = grouping_of(few)
    assert (grouping.raters, grouping.prompts, len(grouping.ways), grouping.both) == (4, 20, 1, None)
    tiny = grouping_of(tournament(Shape(raters=4, prompts=3), seed=6))
    assert (tiny.raters, tiny.prompts, tiny.ways[0].count) == (4, 3, 18)


def test_many_clusters_of_one_vote_give_nearly_the_models_own_error():
    votes = tournament(Shape(raters=7, prompts=20), seed=7)
    pull, found = pull_and_fit(votes)
    alone = clusters.Grouping((clusters_of(np.arange(len(votes))),), None, 7, 20)
    errors = contrast_errors(pull, scatter_of(pull, alone), np.array([[1.0, -1.0, 0.0, 0.0]]) @ found.inverse)
    assert errors.freedom[0] > 50
    assert errors.error[0] == pytest.approx(np.sqrt(np.array([1, -1, 0, 0]) @ found.inverse @ [1, -1, 0, 0]), rel=0.15)
