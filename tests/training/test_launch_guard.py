"""A launch on data that the report forbids asks for a reason and keeps it."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils.timezone import now

from tests.factories import make_policy, make_run, make_user, make_version
from tests.training.launch_material import base_on_disk
from tests.training.preferences.pairs import pair
from training.config import Method, parse_config
from training.forms.runs import LaunchForm
from training.launching.data_verdict import data_verdict
from training.models import DatasetVersion, Run
from training.preferences import importing, reporting, versions
from training.preferences.cleaning import joining
from training.preferences.report import Verdict
from training.runs import queue
from training.runs.queue import Refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.fixture
def researcher(client):
    user = make_user("rita")
    client.force_login(user)
    return user


def reported(pairs) -> DatasetVersion:
    version = importing.seal(importing.dataset_named("Islands"), pairs, {})
    assert reporting.report_of(version) is not None
    return version


@pytest.fixture
def contradictory() -> DatasetVersion:
    """Half of the pairs say the opposite of the other half: an error for every family."""
    both = [(pair(f"p{n}", "good", "evil"), pair(f"p{n}", "evil", "good")) for n in range(20)]
    return reported([one for pairs in both for one in pairs])


@pytest.fixture
def sound() -> DatasetVersion:
    return reported([pair(f"p{n}", f"a{n}" + "!" * (n % 2), f"b{n}" + "!" * (1 - n % 2)) for n in range(40)])


def launch(client, version: DatasetVersion, **more):
    """What a browser sends when only base and data were chosen."""
    form = LaunchForm(Method.DPO)
    fields = {name: value for name in form.fields if (value := form[name].value()) not in (None, "", False)}
    base = base_on_disk(settings.HOME / "model")
    return client.post(
        reverse("run-new", args=["dpo"]), fields | {"base": base.pk, "dataset_version": version.pk} | more
    )


def test_a_launch_without_a_reason_is_refused_and_the_field_appears(client, researcher, contradictory):
    response = launch(client, contradictory)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Do not train with DPO" in page
    assert "Why launch it all the same" in page
    assert f"{contradictory.get_absolute_url()}#finding-contradictions" in page
    assert "override_reason" in response.context["form"].errors
    assert not Run.objects.exists()


def test_the_reason_is_stored_and_shown_on_the_runs_page(client, researcher, contradictory):
    response = launch(client, contradictory, override_reason="A <b>test</b> of the floor")
    run = Run.objects.get()
    assert response.url == run.get_absolute_url()
    assert (run.override_reason, run.data_verdict) == ("A <b>test</b> of the floor", "do_not_train")
    assert "A &lt;b&gt;test&lt;/b&gt; of the floor" in client.get(run.get_absolute_url()).content.decode()


def test_sound_data_asks_for_nothing_and_keeps_no_reason(client, researcher, sound):
    form = client.get(reverse("run-new", args=["dpo"]), {"dataset_version": sound.pk})
    assert "Why launch it all the same" not in form.content.decode()
    launch(client, sound, override_reason="left over from another choice")
    run = Run.objects.get()
    assert run.override_reason == ""
    assert run.data_verdict == Verdict.SAFE


# --- Before there is a report -------------------------------------------------------------------------------------


@pytest.fixture
def fresh() -> DatasetVersion:
    """Just sealed: no worker has looked at it yet."""
    return importing.seal(importing.dataset_named("New"), [pair(f"q{n}", f"a{n}", f"b{n}") for n in range(20)], {})


def test_a_launch_before_the_report_waits_for_it_or_asks_why(client, researcher, fresh):
    response = launch(client, fresh)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Nobody has looked at this data yet" in page
    assert "Waiting for a worker" in page
    assert response.context["form"].errors["override_reason"] == [
        "Wait until it is done, or say why the run is to be launched all the same."
    ]
    assert not Run.objects.exists()


def test_a_launch_without_a_report_keeps_its_reason_and_says_later_what_the_report_says(client, researcher, fresh):
    launch(client, fresh, override_reason="The deadline is tonight")
    run = Run.objects.get()
    assert (run.data_verdict, run.override_reason) == ("unchecked", "The deadline is tonight")
    page = client.get(run.get_absolute_url()).content.decode()
    assert "Launched before there was a report on its data" in page
    assert "is still missing" in page
    reporting.make_missing()
    assert "now says: " in client.get(run.get_absolute_url()).content.decode()


def test_the_form_shows_how_far_the_report_is_and_its_verdict_when_it_is_done(client, researcher, fresh):
    """The fragment answers nothing while nothing changes, and asks for the verdict once there is one."""
    DatasetVersion.objects.filter(pk=fresh.pk).update(report_stage="3 of 18: repeats", report_heartbeat_at=now())
    address = reverse("run-data-progress", args=["dpo"])
    first = client.get(address, {"dataset_version": fresh.pk, "stage": ""})
    assert 'value="3" max="18"' in first.content.decode()
    assert client.get(address, {"dataset_version": fresh.pk, "stage": "3 of 18: repeats"}).status_code == 204
    DatasetVersion.objects.filter(pk=fresh.pk).update(report_stage="", report_heartbeat_at=None)
    reporting.make_missing()
    done = client.get(address, {"dataset_version": fresh.pk, "stage": "3 of 18: repeats"}).content.decode()
    assert f'hx-post="{reverse("run-data-verdict", args=["dpo"])}"' in done
    assert client.get(address, {"dataset_version": "x"}).content.decode().strip() == ""


def test_a_report_that_could_not_be_made_asks_for_a_reason_too(client, researcher, fresh):
    DatasetVersion.objects.filter(pk=fresh.pk).update(report_error="The disk is full.")
    page = client.get(reverse("run-new", args=["dpo"]), {"dataset_version": fresh.pk}).content.decode()
    assert "could not be made: The disk is full." in page
    assert "Why launch it unchecked" in page
    assert launch(client, fresh).status_code == 422


def test_nothing_that_queues_runs_slips_past_a_missing_report(fresh):
    """The queue itself refuses: every form, command and script goes through it."""
    config = parse_config("dpo", {})
    values = {"dataset_version": fresh, "base": make_policy(), "name": "By a script", "user": None}
    with pytest.raises(Refused, match="still being made"):
        queue.create(method="dpo", config=config, **values)
    with pytest.raises(Refused, match="still being made"):
        queue.create(method="dpo", config=config, override_reason="  ", **values)
    reporting.make_missing()
    assert queue.create(method="dpo", config=config, **values).data_verdict == Verdict.SAFE


@pytest.mark.django_db(transaction=True)
def test_every_new_version_calls_a_worker_for_its_report(monkeypatch):
    called: list[str] = []
    monkeypatch.setattr(versions, "call_workers", called.append)
    parent = importing.seal(importing.dataset_named("Called"), [pair(f"q{n}") for n in range(9)], {})
    joining.join(parent, [pair("one more")], {})
    assert called == ["training.tasks.work_on_imports"] * 2


# --- Which methods ------------------------------------------------------------------------------------------------


def test_supervised_fine_tuning_is_not_guarded(contradictory):
    assert data_verdict(Method.SFT, contradictory) is None
    assert make_run("sft", dataset_version=contradictory).override_reason == ""


@pytest.mark.parametrize("method", ["dpo", "cpo", "contrastive_cpo", "simpo", "reward", "rlhf"])
def test_every_method_that_learns_from_pairs_is_guarded_by_the_queue_itself(contradictory, method):
    with pytest.raises(Refused, match="do not train"):
        make_run(method, dataset_version=contradictory)
    assert make_run(method, dataset_version=contradictory, override_reason="because").override_reason == "because"


def test_choosing_data_shows_its_verdict_without_asking_yet(client, researcher, contradictory):
    address = reverse("run-data-verdict", args=["dpo"])
    shown = client.post(address, {"dataset_version": contradictory.pk}).content.decode()
    assert "Do not train with DPO" in shown
    assert "errorlist" not in shown
    assert client.post(address, {"dataset_version": make_version().pk}).status_code == 200
    assert client.post(address, {}).content.decode().strip() == ""
