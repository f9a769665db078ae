"""Suites of prompts drawn from the topics of a dataset version."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from comparisons.cluster_prompts import NoPrompts, draw_prompts, mapped_versions, topics_of
from comparisons.models import Suite
from tests.factories import make_user
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import importing, reporting, store

pytestmark = pytest.mark.django_db
CASTLES = [f"Describe castle number {n} with its moat" for n in range(60)]
SUMS = [f"What is the integral of polynomial {n} over [0, 1]?" for n in range(40)]


@pytest.fixture(autouse=True)
def home(settings, tmp_path_factory) -> None:
    settings.HOME = tmp_path_factory.getbasetemp() / "cluster-prompts"
    settings.HOME.mkdir(exist_ok=True)


@pytest.fixture
def version() -> DatasetVersion:
    """Sixty prompts about castles, forty about integrals, each twice; with its report."""
    pairs = [pair(prompt, answer, "no") for prompt in (*CASTLES, *SUMS) for answer in ("yes", "well")]
    found = importing.seal(importing.dataset_named("Castles"), pairs, {})
    reporting.make_missing()
    found.refresh_from_db()
    return found


def texts(prompts: list[list[dict[str, str]]]) -> set[str]:
    return {prompt[-1]["content"] for prompt in prompts}


def draw(version: DatasetVersion, topics: Any = (), number: int = 500, **given: Any) -> set[str]:
    return texts(draw_prompts(version, topics, number, **({"held_out": False, "seed": 0} | given)))


def test_topics_are_told_with_their_words_and_sizes(version: DatasetVersion):
    found = topics_of(version)
    assert mapped_versions() == [version]
    assert sum(topic.prompts for topic in found) == 100
    assert [topic.prompts for topic in found] == sorted((topic.prompts for topic in found), reverse=True)
    assert any("castle" in topic.words for topic in found)


def test_prompts_come_from_the_chosen_topics_alone_each_once(version: DatasetVersion):
    castles = [topic.number for topic in topics_of(version) if set(topic.words) & {"castle", "moat", "describe"}]
    drawn = draw_prompts(version, castles, 500, held_out=False, seed=0)
    assert len(texts(drawn)) == len(drawn)
    assert texts(drawn) <= set(CASTLES)


def test_without_a_choice_every_topic_is_drawn_from(version: DatasetVersion):
    assert draw(version) == {*CASTLES, *SUMS}


def test_held_out_prompts_alone_are_those_no_run_has_seen(version: DatasetVersion):
    held_out = {
        row.pair.prompt[-1].content for row in store.rows(version.path, range(version.rows)) if row.split == "held_out"
    }
    assert draw(version, held_out=True) == held_out


def test_no_more_than_wanted_are_drawn_and_the_seed_fixes_which(version: DatasetVersion):
    first, again, other = draw(version, number=20), draw(version, number=20), draw(version, number=20, seed=1)
    assert len(first) == 20
    assert first == again != other


def test_a_topic_without_held_out_prompts_is_told(version: DatasetVersion):
    with pytest.raises(NoPrompts, match="None of these prompts is held out"):
        draw_prompts(version, [9999], 10, held_out=True, seed=0)


def test_a_suite_is_drawn_by_the_page(client: Client, version: DatasetVersion):
    client.force_login(make_user())
    address = f"{reverse('suite-from-dataset')}?version={version.pk}"
    page = client.get(address).content.decode()
    assert "prompts)" in page
    sent = {"name": "Drawn", "stratum": "in_distribution", "number": 12, "seed": 0}
    assert client.post(address, sent)["Location"] == "/suites/drawn/"
    suite = Suite.objects.get()
    assert suite.prompts.count() == 12
    assert suite.description == f"Drawn from the prompts of {version}."


def test_without_a_report_the_page_says_what_to_wait_for(client: Client):
    client.force_login(make_user())
    assert "No version has a map of topics yet" in client.get(reverse("suite-from-dataset")).content.decode()


def test_conversations_can_be_pasted_and_are_shown_with_their_roles(client: Client):
    client.force_login(make_user())
    line = '{"messages": [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Two."}, '
    line += '{"role": "user", "content": "And then?"}]}'
    sent = {"name": "Talks", "stratum": "other", "prompts": f"{line}\nnonsense", "pasted_as": "json"}
    page = client.post(reverse("suite-new"), sent, follow=True).content.decode()
    assert [len(prompt.messages) for prompt in Suite.objects.get().prompts.all()] == [3]
    assert page.count('<p class="small muted">User</p>') == 2
    assert "Assistant" in page
    assert "The row is not JSON" in page
