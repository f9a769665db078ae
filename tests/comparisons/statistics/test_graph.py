"""When the votes have a likeliest explanation, and who can be compared with whom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.optimize import linprog

from comparisons.statistics.strengths.fitting import Comparisons
from comparisons.statistics.strengths.graph import compared, maximum_exists, reachable
from comparisons.statistics.strengths.models import Model

votes = some.lists(
    some.tuples(some.integers(0, 3), some.integers(1, 3), some.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=14
)


def rows_of(rows, policies=4):
    left, step, score = (np.array(column) for column in zip(*rows, strict=True))
    return Comparisons(left, (left + step) % policies, score.astype(float), np.ones(len(left)), policies)


def test_paths_lead_through_others():
    found = reachable(compared(rows_of([(0, 1, 1.0), (1, 1, 1.0)])))
    assert found[0].tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "rows,halves,davidson",
    [
        ([(0, 1, 1.0), (0, 1, 0.0)], True, True),
        ([(0, 1, 1.0)], False, False),
        # A win and a tie, no loss: in half wins 1.5 : 0.5; under Davidson strengths and ties grow together without end.
        ([(0, 1, 1.0), (0, 1, 0.5)], True, False),
        ([(0, 1, 1.0), (0, 1, 0.5), (0, 1, 0.0)], True, True),
        ([(0, 1, 0.5)], True, False),
        # 0 beats 1, 1 beats 2, 2 ties with 0: a cycle of two wins and one tie cannot be stretched.
        ([(0, 1, 1.0), (1, 1, 1.0), (2, 2, 0.5)], True, True),
    ],
)
def test_known_cases(rows, halves, davidson):
    assert maximum_exists(rows_of(rows), Model.HALVES) is halves
    if any(score == 0.5 for _, _, score in rows):
        assert maximum_exists(rows_of(rows), Model.DAVIDSON) is davidson


@pytest.mark.parametrize("model", [Model.DAVIDSON, Model.RAO_KUPPER])
@given(rows=votes)
def test_a_maximum_exists_just_when_no_direction_never_lowers_the_likelihood(model, rows):
    """A linear program looks for strengths δ and η' that no vote speaks against and one speaks for: for a win of i over
    j δi - δj ≥ η' · step and δi ≥ δj, for a tie |δi - δj| ≤ η' · step. Davidson's step is 2, Rao and Kupper's 1."""
    found = rows_of(rows)
    if not (found.score == 0.5).any():
        return
    step, demands = 2.0 if model is Model.DAVIDSON else 1.0, []
    for left, right, score in zip(found.left, found.right, found.score, strict=True):
        gap = np.zeros(5)
        gap[left], gap[right] = 1.0, -1.0
        gap = gap if score else -gap
        reach = np.array([0, 0, 0, 0, step])
        demands += [reach - gap, reach + gap] if score == 0.5 else [gap - reach, gap]
    total = -np.sum(demands, axis=0)
    outcome = linprog(total, A_ub=-np.array(demands), b_ub=np.zeros(len(demands)), bounds=[(-1, 1)] * 5)
    assert maximum_exists(found, model) is bool(outcome.fun > -1e-9)
