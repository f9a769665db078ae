"""A launch on data that the report forbids asks for a reason and keeps it."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import reverse

from tests.factories import make_run, make_user, make_version
from tests.training.launch_material import base_on_disk
from tests.training.preferences.pairs import pair
from training.config import Method
from training.forms.runs import LaunchForm
from training.launching.data_verdict import data_verdict
from training.models import DatasetVersion, Run
from training.preferences import importing, reporting
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
    assert run.override_reason == "A <b>test</b> of the floor"
    assert "A &lt;b&gt;test&lt;/b&gt; of the floor" in client.get(run.get_absolute_url()).content.decode()


def test_sound_data_asks_for_nothing_and_keeps_no_reason(client, researcher, sound):
    form = client.get(reverse("run-new", args=["dpo"]), {"dataset_version": sound.pk})
    assert "Why launch it all the same" not in form.content.decode()
    launch(client, sound, override_reason="left over from another choice")
    assert Run.objects.get().override_reason == ""


def test_a_report_that_is_not_made_is_said_and_does_not_block(client, researcher):
    version = importing.seal(importing.dataset_named("New"), [pair(f"q{n}") for n in range(20)], {})
    form = client.get(reverse("run-new", args=["dpo"]), {"dataset_version": version.pk})
    assert "is not made yet" in form.content.decode()
    assert launch(client, version).status_code == 302


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
