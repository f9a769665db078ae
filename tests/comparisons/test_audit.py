"""The audit only grows; guidelines are versions."""

from __future__ import annotations

import pytest

from comparisons import guidelines, studies
from comparisons.models import AppendOnly, AuditEntry
from tests.comparisons.rating_factories import make_study
from tests.factories import make_policy, make_user

pytestmark = pytest.mark.django_db


def test_moving_a_study_is_written_down_with_who_did_it():
    study, user = make_study(items=1), make_user()
    studies.move(study, "pause", user)
    entry = study.audit.get()
    assert (entry.verb, entry.actor, entry.detail) == ("pause", user, {"before": "open", "after": "paused"})


def test_a_move_that_is_not_allowed_leaves_no_entry():
    study = make_study(items=1)
    studies.move(study, "reopen", make_user())
    assert not study.audit.exists()


def test_entries_are_neither_changed_nor_deleted():
    study = make_study(items=1)
    studies.move(study, "pause")
    entry = study.audit.get()
    for forbidden in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(verb="x"),
    ):
        with pytest.raises(AppendOnly):
            forbidden()


def test_a_new_guideline_is_a_new_version_and_the_same_text_is_not():
    study, user = make_study(items=1, guideline="One."), make_user()
    assert guidelines.revise(study, "Two.", user).number == 2
    assert guidelines.revise(study, "Two.", user).number == 2
    assert study.guideline == "Two."
    assert [entry.verb for entry in study.audit.all()] == ["guideline"]


def test_a_guideline_that_names_a_policy_is_refused():
    study = make_study(items=1, policies=[make_policy(name="islands-7b"), make_policy()])
    with pytest.raises(guidelines.GuidelineRefused, match="islands-7b"):
        guidelines.revise(study, "Prefer what islands-7b says.", None)
