"""The demo's way from a rated study to a sealed version, through the real pages over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from alignapp.accounts.models import User
from comparisons import sealing
from comparisons.demo.browser import Browser
from comparisons.demo.check import Report, export_pairs
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_demos_export_and_its_version_hold_the_same_pairs(live_server, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    user = make_user("researcher")
    user.set_password("islands")
    user.save()
    study = make_study(items=6)
    judge_all(study, make_rater(), prefer(study.contenders.order_by("pk")[0].policy))
    report = Report(tmp_path / "report.json")
    told: list[str] = []
    browser = Browser(live_server.url, "researcher", "islands")
    monkeypatch.setattr("comparisons.demo.waiting.time.sleep", lambda _: sealing.work())  # a worker, meanwhile
    version = export_pairs(browser, study, report, told.append)
    assert told == ["Pairs: waiting for a worker"]
    browser.close()
    assert report.values["export"]["pairs"] == version.rows == 6
    assert version.created_by == User.objects.get(username="researcher")
