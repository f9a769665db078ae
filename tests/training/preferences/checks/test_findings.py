"""The order of findings and the numbers beside them."""

from __future__ import annotations

import pytest

from training.preferences.checks.findings import Findings, Level, harms


def finding(rule: str, count: int, *, level: Level = Level.WARNING, total: int = 1000, **more):
    found = Findings()
    found.add(
        rule, "", harms=harms(level, dpo="", cpo="", rlhf=""), action="", threshold="", count=count, total=total, **more
    )
    return next(iter(found))


def test_of_equally_bad_findings_the_larger_share_comes_first():
    small, large, worse = finding("small", 10), finding("large", 200), finding("worse", 1, level=Level.ERROR)
    assert [found.rule for found in Findings.in_order([small, large, worse])] == ["worse", "large", "small"]


@pytest.mark.parametrize("count, share", [(1, "0.01 %"), (100, "1.0 %"), (0, "0.0 %")])
def test_one_row_of_many_is_not_shown_as_none(count, share):
    """1 / 10,000 = 0.01 %, which one decimal place would call 0.0 %."""
    assert finding("rule", count, total=10_000).percent.startswith(share)


def test_a_share_that_is_not_the_count_is_an_estimate():
    """140 of 1,000 rows are listed, and the rule estimates 0.19; 140 / 1,000 is no estimate."""
    assert finding("noise", 140, share=(0.19, 0.11, 0.23)).is_estimate
    assert not finding("repeats", 140).is_estimate
