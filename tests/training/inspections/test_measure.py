"""Figures of inspections against numbers made by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from training.inspections.measure import Beyond, Scored, best_of_curve, disagreement, spread, summarise
from training.inspections.slices import Facts
from training.inspections.summary import Kind, Summary


def scored(row: int, gap: float, *, chosen: int = 5, rejected: int = 5, label: float = 1.0, **facts: object) -> Scored:
    known = {"split": "train", "turns": 1, "extra": {}} | facts
    pair = Facts(row=row, chosen_tokens=chosen, rejected_tokens=rejected, **known)  # type: ignore[arg-type]
    return Scored(pair, "yes please", "no thanks", label, gap, 0.0)


def summary_of(*pairs: Scored, scale: float = 1.0) -> Summary:
    return summarise(Kind.REWARD, pairs, beta=0.0, logit_scale=scale, beyond=Beyond())


def test_accuracy_counts_pairs_whose_gap_has_the_label_s_sign():
    """Right, right, wrong, tie: 2.5 of 4."""
    accuracy = summary_of(*(scored(i, gap) for i, gap in enumerate([2.0, 0.1, -1.0, 0.0]))).accuracy
    assert (accuracy.right, accuracy.total) == (2.5, 4)


def test_a_soft_label_counts_by_its_probability():
    """A gap above 0 on a pair whose label is 0.7 is right with 0.7, below 0 with 0.3."""
    accuracy = summary_of(scored(0, 1.0, label=0.7), scored(1, -1.0, label=0.7)).accuracy
    assert accuracy.right == pytest.approx(1.0)


def test_accuracy_by_which_answer_is_longer():
    """Longer chosen: 3 of 3. Shorter chosen: 1 of 2."""
    longer = [scored(i, 1.0, chosen=9, rejected=3) for i in range(3)]
    shorter = [scored(3, 1.0, chosen=3, rejected=9), scored(4, -1.0, chosen=3, rejected=9)]
    summary = summary_of(*longer, *shorter)
    found = summary.slice("longer:rejected")
    assert found is not None
    assert (found.accuracy.right, found.accuracy.total) == (1, 2)
    assert (summary.length.where_longer_chosen.right, summary.length.where_shorter_chosen.right) == (3, 1)
    # The model prefers the longer answer in 3 + 1 pairs, the labels in 3.
    assert (summary.length.prefers_longer.right, summary.length.labels_prefer_longer.right) == (4, 3)


def test_a_score_that_is_the_length_correlates_fully():
    pairs = [
        dataclasses.replace(scored(n, 0, chosen=n, rejected=20 - n), chosen_score=n, rejected_score=20 - n)
        for n in range(1, 9)
    ]
    assert summary_of(*pairs).length.correlation == pytest.approx(1.0)


def test_a_slice_that_holds_every_pair_is_left_out():
    assert [found.key for found in summary_of(scored(0, 1.0), scored(1, 1.0)).slices] == []


def test_calibration_is_judged_on_held_out_pairs_where_there_are_enough():
    train = [scored(i, -5.0) for i in range(10)]
    held_out = [scored(100 + i, 1.0, split="held_out") for i in range(50)]
    measured = summary_of(*train, *held_out).calibration
    assert (measured.pairs, measured.held_out) == (50, True)
    # All 50 are right and believed with sigma(1) = 0.731: the error is 0.269.
    assert measured.error == pytest.approx(1 - 1 / (1 + math.exp(-1)))


def test_the_scale_turns_gaps_into_log_odds():
    """Six of eight right at gap 1, labels softened to 0.9 (Platt): 0.75 x 0.9 + 0.25 x 0.1 = 0.7 = sigma(1 / T)."""
    pairs = [scored(i, 1.0 if i % 4 else -1.0) for i in range(8)]
    expected = 1 / math.log(0.7 / 0.3)
    assert summary_of(*pairs).calibration.temperature == pytest.approx(expected, rel=1e-4)
    assert summary_of(*pairs, scale=2.0).calibration.temperature == pytest.approx(2 * expected, rel=1e-4)


def test_best_of_n_by_hand():
    """Scores 1, 2, 3, 6: best of 1 is 3, best of 2 (1 x 2 + 2 x 3 + 3 x 6) / 6 = 26 / 6, best of 4 is 6."""
    curve = best_of_curve(np.array([[1.0, 2.0, 3.0, 6.0]]))
    assert [round(point.score, 3) for point in curve] == [3.0, 4.333, 6.0]


def test_disagreement_by_hand():
    """Gaps 1 and -1 against 1 and 2: one of two pairs differs; scores differ by 0, 0, 3, 0, so 0.75 on average."""
    found = disagreement([7, 8], np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]))
    assert (found.differ.right, found.differ.total, found.mean_gap, found.rows) == (1, 2, 0.75, (8,))


def test_spread_takes_evenly():
    assert spread(list(range(10)), 4) == [0, 2, 5, 7]


def test_a_summary_comes_back_from_its_json():
    pairs = [
        scored(i, (-1.0) ** i, chosen=3 + i, rejected=8, split="held_out" if i % 2 else "train") for i in range(12)
    ]
    beyond = Beyond(disagreement=disagreement([1], np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])))
    summary = summarise(Kind.POLICY, pairs, beta=0.1, logit_scale=1.0, beyond=beyond)
    assert Summary.from_json(summary.to_json()) == summary
