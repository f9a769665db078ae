"""True reward against the base, and what the report calls a miss."""

import json
from pathlib import Path

import pytest

from comparisons.demo.check import Report, misses
from comparisons.demo.evaluation import Quality, win_rate
from comparisons.demo.waiting import Progress, StageFailed


def quality(*rewards: float) -> Quality:
    return Quality(rewards, tuple(reward > 0 for reward in rewards))


def test_a_win_counts_one_a_tie_one_half_a_loss_nothing():
    """Against (0, 0, 0, 0): 1 + 1/2 + 0 + 1 of 4 = 0.625."""
    assert win_rate(quality(1.0, 0.0, -1.0, 0.5), quality(0.0, 0.0, 0.0, 0.0)).share == pytest.approx(0.625)


def test_the_interval_is_the_normal_one_of_the_mean_score():
    """Scores 1, 0.5, 0, 1: mean 0.625, variance (0.140625 + 0.015625 + 0.390625 + 0.140625) / 3 = 0.2291667.

    Standard error sqrt(0.2291667 / 4) = 0.2393568, times 1.96 = 0.4691393.
    """
    wins = win_rate(quality(1.0, 0.0, -1.0, 0.5), quality(0.0, 0.0, 0.0, 0.0))
    assert [wins.low, wins.high] == pytest.approx([0.1558607, 1.0941393])


def test_means_and_accuracy_are_over_all_prompts():
    measured = quality(1.0, -1.0, 0.4, -0.8)
    assert [measured.gold_mean, measured.accuracy] == pytest.approx([-0.1, 0.5])


def method(share: float, low: float, prompts: int = 432) -> dict[str, object]:
    return {"gold_win_rate": share, "gold_win_ci95": [low, 1.0], "prompts": prompts}


def test_a_report_without_a_miss_is_silent():
    assert misses({"methods": {"dpo": method(0.7, 0.66)}}) == []


@pytest.mark.parametrize(
    "figures,said",
    [(method(0.59, 0.55), "dpo beats"), (method(0.7, 0.5), "dpo beats"), (method(0.7, 0.66, 399), "399 prompts")],
)
def test_a_figure_below_its_mark_is_named(figures: dict[str, object], said: str):
    assert said in misses({"methods": {"dpo": figures}})[0]


def test_a_stage_that_fails_stands_in_the_report(tmp_path: Path):
    report = Report(tmp_path / "report.json")
    with pytest.raises(StageFailed), report.stage("rating", lambda line: None):
        raise StageFailed("nobody came")
    assert json.loads(report.path.read_text())["failed"] == "rating: nobody came"


def test_progress_is_told_when_words_change_and_seldom_while_only_numbers_do():
    lines: list[str] = []
    tell = Progress(lines.append, every=60)
    for line in ("step 1", "step 2", "step 3", "done", "done"):
        tell(line)
    assert lines == ["step 1", "done"]
