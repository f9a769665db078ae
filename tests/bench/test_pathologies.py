"""The intervals and verdicts of bench/pathologies; its experiments are measured by hand, not in a test."""

from __future__ import annotations

import math
import random

import pytest

from bench.pathologies.__main__ import over_prompts, over_seeds
from bench.pathologies.laboratory import Trained
from bench.pathologies.questions import Findings, prefers_longer
from training.world.pairs import PairRow


def test_the_interval_over_worlds_is_students():
    """Values 1, 2, 3: mean 2, deviation 1, t(0.975, 2) = 4.3027, so 2 +- 4.3027 / sqrt(3) = 2 +- 2.4841."""
    assert over_seeds([1.0, 2.0, 3.0]) == pytest.approx((2.0, -0.4841, 4.4841), abs=1e-4)


def test_one_world_has_no_interval():
    value, low, high = over_seeds([0.5])
    assert value == 0.5
    assert math.isnan(low)
    assert math.isnan(high)


def test_gains_are_paired_by_prompt_within_each_world():
    """Gaps 1, 1, 2, 2: mean 1.5, deviation 0.57735, so +- 1.96 * 0.57735 / 2 = 0.5658."""
    worlds = [
        Findings(rewards={"dpo": [1.0, 2.0], "base": [0.0, 1.0]}),
        Findings(rewards={"dpo": [2.0, 2.0], "base": [0.0, 0.0]}),
    ]
    assert over_prompts(worlds, "dpo", "base") == pytest.approx((1.5, 0.9342, 2.0658), abs=1e-4)


def test_a_repeated_step_counts_once_with_its_last_value(tmp_path):
    lines = [
        '{"kind": "metrics", "step": 1, "values": {"train/loss": 0.7}}',
        '{"kind": "metrics", "step": 2, "values": {"train/loss": 0.6}}',
        '{"kind": "metrics", "step": 2, "values": {"train/loss": 0.5}}',
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    assert Trained(tmp_path).series == {"train/loss": ([1, 2], [0.7, 0.5])}


def row(chosen: str, rejected: str) -> PairRow:
    return {"prompt": "p", "chosen": chosen, "rejected": rejected, "gold_gap": 1.0, "mislabelled": False}


def test_nine_pairs_in_ten_end_with_the_longer_answer_chosen():
    """Of 1,000 pairs whose longer answer is rejected, 900 are turned; the deviation is sqrt(1000 * 0.09) = 9.5."""
    turned = prefers_longer(random.Random(0))
    assert sum(turned(row("short", "rather long")) for _ in range(1000)) == pytest.approx(900, abs=40)
    assert sum(turned(row("rather long", "short")) for _ in range(1000)) == pytest.approx(100, abs=40)
