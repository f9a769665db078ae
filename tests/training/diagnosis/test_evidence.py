"""Which pairs and answers are selected, and in which order."""

from __future__ import annotations

import json

import pytest

from training.diagnosis.evidence import Evidence, pairs_behind, samples_behind

# row: policy's margin, reference's margin, tokens of chosen and rejected
PAIRS = {
    0: (2.0, 1.0, 3, 3),
    1: (-0.5, -2.0, 3, 3),
    2: (-1.5, -2.0, 2, 6),
    3: (-4.0, -1.0, 2, 6),
    4: (-2.0, -2.0, 3, 3),
}


@pytest.fixture
def folder(tmp_path):
    pairs = [
        {"row": row, "policy": [margin, 0.0], "reference": [reference, 0.0], "lengths": [chosen, rejected]}
        for row, (margin, reference, chosen, rejected) in PAIRS.items()
    ]
    (tmp_path / "held_out.json").write_text(json.dumps({"pairs": pairs}))
    return tmp_path


@pytest.mark.parametrize(
    "selector, rows",
    [
        ("undesirable", [2, 1]),  # better than the reference and still below 0; pair 4 has not moved
        ("wrong", [3]),  # gains 1, 1.5, 0.5, -3, 0
        ("contradicted", [3]),  # the surest two of five are 3 and 1; only 3 lost
        ("misranked", [3, 4, 2, 1]),
        ("displaced", [3]),  # chosen: +1, +1.5, +0.5, -3, 0
        ("misled_by_length", [3]),
    ],
)
def test_pairs_are_selected_worst_first(folder, selector, rows):
    assert [pair.row for pair in pairs_behind(folder, Evidence("held_out", selector))] == rows


SAMPLE = {"answer": "", "finished": True, "reference": "", "kl": None, "score": None}


@pytest.mark.parametrize(
    "selector, rows",
    [
        ("longer", [2, 1, 0]),
        ("shorter", [0, 1, 2]),
        ("highest_kl", [1, 2, 0]),
        ("highest_score", [0, 1, 2]),
        ("cut_off", [2]),
        ("all", [0, 1, 2]),
    ],
)
def test_answers_are_selected(tmp_path, selector, rows):
    samples = [
        {**SAMPLE, "row": 0, "length": 5, "reference_length": 10, "kl": None, "score": 2.0},
        {**SAMPLE, "row": 1, "length": 10, "reference_length": 10, "kl": 3.0, "score": 1.0},
        {**SAMPLE, "row": 2, "length": 30, "reference_length": 10, "kl": 1.0, "score": 0.5, "finished": False},
    ]
    (tmp_path / "own.json").write_text(json.dumps({"step": 8, "samples": samples}))
    assert [sample.row for sample in samples_behind(tmp_path, Evidence("own", selector))] == rows


def test_nothing_was_kept(tmp_path):
    assert pairs_behind(tmp_path, Evidence("reward", "wrong")) == []
