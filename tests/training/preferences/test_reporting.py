"""Who makes the report on a version, when, and what becomes of one that cannot be made."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.factories import make_policy, make_version
from tests.training.preferences.pairs import pair
from training.forms.reports import ReportSettingsForm
from training.management.commands.report_on_version import _missed
from training.models import DatasetVersion
from training.preferences import importing, prompt_sets, reporting
from training.preferences.checks.findings import Finding
from training.preferences.prompt_sets import PromptSet
from training.preferences.records import Message
from training.preferences.report import report_on
from training.preferences.report_settings import default_settings, embedding_models, missed_sets, settings_of
from training.preferences.reporting import SECOND_ATTEMPT, STALE_AFTER
from training.preferences.survey import ReportSettings

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


class Suites:
    """Prompt sets that stand in the registry as those of comparisons do; `edition` stands for what they hold."""

    def __init__(self) -> None:
        self.names = ["one"]
        self.edition = "first"

    def all(self):
        return [PromptSet(f"suite:{name}", f"Suite {name}", 1, digest=f"{self.edition} {name}") for name in self.names]

    def prompts(self, name: str):
        if name not in self.names:
            raise KeyError(name)
        return iter([(Message("user", "What is asked?"),)])


@pytest.fixture
def suites(monkeypatch) -> Suites:
    found = Suites()
    monkeypatch.setattr(prompt_sets, "_providers", {"suite": found})
    return found


def sealed(count: int = 20) -> DatasetVersion:
    pairs = [pair(f"p{n}", f"a{n}" + "!" * (n % 2), f"b{n}" + "!" * (1 - n % 2)) for n in range(count)]
    return importing.seal(importing.dataset_named("Islands"), pairs, {})


def fails(monkeypatch, error: Exception) -> list[int]:
    """Every report fails from now on; the list grows with each try."""
    tries: list[int] = []

    def failing(*args, **options):
        tries.append(1)
        raise error

    monkeypatch.setattr(reporting, "report_on", failing)
    return tries


def test_a_worker_makes_what_is_missing_and_releases_it(suites):
    version = sealed()
    reporting.make_missing()
    version.refresh_from_db()
    assert reporting.stored_report(version) is not None
    assert (version.report_stage, version.report_error, version.report_heartbeat_at) == ("", "", None)
    assert version.report_settings["evaluation"] == ["suite:one"]


def test_a_report_that_fails_says_why_and_is_not_tried_again_until_somebody_asks(monkeypatch):
    tries = fails(monkeypatch, MemoryError())
    version = sealed()
    reporting.make_missing()
    reporting.make_missing()
    version.refresh_from_db()
    assert len(tries) == 1
    assert "not enough memory" in version.report_error
    reporting.try_again(version)
    reporting.make_missing()
    assert len(tries) == 2


def test_an_unexpected_error_is_told_with_its_kind(monkeypatch):
    fails(monkeypatch, ZeroDivisionError())
    version = sealed()
    assert reporting.report_of(version) is None
    assert "ZeroDivisionError" in version.report_error


def test_a_full_disk_is_told_and_leaves_no_half_report(monkeypatch, home):
    fails(monkeypatch, OSError(28, "No space left on device"))
    version = sealed()
    reporting.make_missing()
    version.refresh_from_db()
    assert "disk is full" in version.report_error
    assert not list(home.rglob("*.report-*"))


def test_a_report_in_the_making_is_left_to_its_worker(monkeypatch):
    tries = fails(monkeypatch, MemoryError())
    DatasetVersion.objects.filter(pk=sealed().pk).update(report_heartbeat_at=timezone.now())
    reporting.make_missing()
    assert tries == []


def abandoned(version: DatasetVersion, stage: str) -> None:
    long_ago = timezone.now() - STALE_AFTER - timedelta(seconds=1)
    DatasetVersion.objects.filter(pk=version.pk).update(report_heartbeat_at=long_ago, report_stage=stage)


def test_a_report_whose_worker_died_is_made_by_another():
    version = sealed()
    abandoned(version, "3 of 9: near duplicates")
    reporting.make_missing()
    version.refresh_from_db()
    assert reporting.stored_report(version) is not None
    assert version.report_heartbeat_at is None


def test_a_report_that_two_workers_died_of_is_given_up():
    version = sealed()
    abandoned(version, f"{SECOND_ATTEMPT}3 of 9: near duplicates")
    reporting.make_missing()
    version.refresh_from_db()
    assert "died twice" in version.report_error
    assert reporting.stored_report(version) is None


def test_a_report_that_cannot_be_read_is_made_anew():
    version = sealed()
    reporting.make_missing()
    version.refresh_from_db()
    reporting.place_of(version).report.write_text("{")
    assert reporting.stored_report(version) is None
    reporting.make_missing()
    assert reporting.stored_report(version) is not None


def test_settings_chosen_while_a_worker_begins_are_kept(suites, monkeypatch):
    """The worker has found the version before; what it knows of the settings is old."""
    version = sealed()

    def claim(found: DatasetVersion) -> bool:
        reporting.look_at(DatasetVersion.objects.get(pk=found.pk), ReportSettings(target="suite:one"))
        return claimed(found)

    claimed = reporting._claim
    monkeypatch.setattr(reporting, "_claim", claim)
    reporting.make_next()
    version.refresh_from_db()
    assert settings_of(version).target == "suite:one"
    assert reporting.stored_report(version).settings.target == "suite:one"


def test_suites_that_appear_later_are_named_and_looked_for_when_asked(suites):
    version = sealed()
    reporting.make_missing()
    version.refresh_from_db()
    assert missed_sets(version) == []
    suites.names.append("two")
    assert [found.key for found in missed_sets(version)] == ["suite:two"]
    reporting.look_at_all_suites(version)
    assert not reporting.standing(version).is_due
    reporting.make_missing()
    assert reporting.stored_report(version).settings.evaluation == ("suite:one", "suite:two")


def test_a_leak_is_told_by_the_name_of_the_suite_and_programs_get_its_key_too(suites):
    version = importing.seal(importing.dataset_named("Islands"), [pair("What is asked?"), pair("What else?")], {})
    reporting.make_missing()
    found = reporting.stored_report(version).finding("leaks")
    assert "1 of 1 prompts of “Suite one”" in found.sentence
    assert found.picture is not None
    assert (found.picture["keys"], found.picture["rows"]) == (["suite:one"], [["Suite one", 1, 1, 1]])


def test_a_suite_that_is_gone_is_an_error_in_words(suites):
    version = sealed()
    reporting.look_at(version, settings_of(version))
    suites.names.clear()
    reporting.make_missing()
    version.refresh_from_db()
    assert "The suite “one” is no longer there" in version.report_error


def test_the_reference_check_stands_in_a_report_as_it_is_today(tmp_path):
    """The base has no check yet: the finding leads to one, and does not change the stored report."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    base = make_policy(name="Base", location=str(folder))
    version = sealed()
    report: Any = reporting.report_of(version)
    assert report.finding("reference").picture["policy"] == base.pk
    assert reporting.stored_report(version).finding("reference") is None
    assert "cannot be read" in report.notes["tokens"]


def test_the_command_prints_the_report_in_words_and_as_json(capsys):
    version = sealed()
    call_command("report_on_version", "islands", "1")
    stored: Any = reporting.report_of(version)
    words = capsys.readouterr().out
    assert "Constrained CPO  " in words
    assert "length_bias" in words
    found: Any = stored.finding("length_bias")
    assert f"{found.count} of {found.total}, {found.percent}" in words
    assert f"RLHF (info): {found.harms['rlhf'].why}" in words
    assert found.threshold in words
    call_command("report_on_version", "islands", "1", "--json")
    assert json.loads(capsys.readouterr().out) == json.loads(reporting.report_of(version).to_json())


def test_the_command_takes_the_settings_of_the_report_and_prints_what_is_missed(suites, capsys):
    version = sealed(60)
    call_command("report_on_version", "islands", "1", target="Suite one", evaluation=[""], tokenizer="")
    version.refresh_from_db()
    chosen = settings_of(version)
    assert (chosen.target, chosen.evaluation, chosen.tokenizer) == ("suite:one", (), "")
    words = capsys.readouterr().out
    assert "Embeddings: " in words
    with pytest.raises(CommandError, match=r"No prompt sets are called 'two'. There are: suite:one \(Suite one\)"):
        call_command("report_on_version", "islands", "1", target="two")
    with pytest.raises(CommandError, match="No registered base"):
        call_command("report_on_version", "islands", "1", tokenizer="nowhere")


def test_the_command_names_the_topics_that_the_data_misses():
    topics = [{"words": ["sea", "tide"], "target": 9, "data": 1, "uncovered": n < 13} for n in range(14)]
    shown = list(_missed(Finding("coverage", "", {}, "", (), 1, 2, None, (), {"topics": topics})))
    assert shown[0] == "- sea, tide: 9 target prompts, 1 in the data"
    assert (len(shown), shown[-1]) == (13, "- and 1 more")


def test_a_model_that_the_environment_names_may_compare_prompts(tmp_path, settings):
    """A sentence encoder is no policy, so it cannot be registered; a folder without a model is not offered."""
    settings.EMBEDDING_MODEL = str(tmp_path / "encoder")
    assert embedding_models([]) == []
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text("{}")
    assert embedding_models([]) == [(str(tmp_path / "encoder"), "encoder")]
    choices: Any = ReportSettingsForm(sealed()).fields["embedding_model"]
    assert (str(tmp_path / "encoder"), "encoder") in choices.choices


def test_the_command_says_what_is_not_there():
    with pytest.raises(CommandError, match="There is no version 7"):
        call_command("report_on_version", "islands", "7")
    gone = make_version()
    with pytest.raises(CommandError, match="not on this machine"):
        call_command("report_on_version", gone.dataset.slug, gone.number)


def test_looking_for_a_report_makes_none(monkeypatch: pytest.MonkeyPatch):
    """Its rules load scikit-learn and pandas: 300 MB that would stay in the process that serves pages."""
    monkeypatch.setattr(reporting, "make_missing", lambda: None)
    monkeypatch.setattr(reporting, "report_on", lambda *_, **__: pytest.fail("a page made a report"))
    dataset = importing.dataset_named("Small")
    version = importing.seal(dataset, [pair("Q?", "Yes.", "No."), pair("R?", "Yes.", "No.")], {})
    assert reporting.report_of(version) is None


def test_settings_chosen_while_another_report_is_made_are_kept(monkeypatch: pytest.MonkeyPatch):
    dataset = importing.dataset_named("Two")
    first = importing.seal(dataset, [pair("Q?", "Yes.", "No."), pair("R?", "Yes.", "No.")], {})
    second = importing.seal(dataset, [pair("S?", "Yes.", "No."), pair("T?", "Yes.", "No.")], {})
    chosen = default_settings().model_copy(update={"max_length": 77})
    made = report_on

    def interrupted(path: Any, *args: Any, **options: Any) -> Any:
        if path == first.path:
            reporting.look_at(DatasetVersion.objects.get(pk=second.pk), chosen)
        return made(path, *args, **options)

    monkeypatch.setattr(reporting, "report_on", interrupted)
    reporting.make_missing()
    second.refresh_from_db()
    report = reporting.stored_report(second)
    assert report is not None
    assert (settings_of(second), report.settings) == (chosen, chosen)
