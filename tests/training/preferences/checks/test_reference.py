"""What a finished check of the base says in a report, and what stands there without one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from training.inspections.summary import Share
from training.preferences.checks.findings import Family, Findings, Level
from training.preferences.checks.reference import reference_of_the_base


def found(wrong: int | None, total: int = 1000, run: str = "r") -> Any:
    """What is found when the base ranks `wrong` of `total` pairs wrongly; nobody looked where it is None."""
    findings = Findings()
    right = None if wrong is None else total - wrong
    share = None if right is None else Share(right, total, right / total - 0.03, right / total + 0.03)
    summary: Any = share and SimpleNamespace(accuracy=share)
    reference_of_the_base(findings, "Base", 7, summary, run)
    [one] = findings
    return one


def test_a_base_that_is_often_wrong_is_a_warning_for_dpo_alone():
    """48 % wrong, at least 45 %: above the 40 % from which it is worth one."""
    one = found(480)
    assert one.harms[Family.DPO].level is Level.WARNING
    assert one.harms[Family.CPO].level is one.harms[Family.RLHF].level is Level.INFO
    assert (one.count, one.total) == (480, 1000)


def test_a_base_that_is_seldom_wrong_is_told_without_a_warning():
    assert found(200).level is Level.INFO


def test_without_a_check_the_finding_leads_to_one():
    one = found(None, run="")
    assert one.level is Level.INFO
    assert one.picture == {"kind": "inspection", "run": "", "policy": 7, "done": False}


def test_a_check_under_way_is_said_so():
    assert "under way" in found(None, run="r").sentence
