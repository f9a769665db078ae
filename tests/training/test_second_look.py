"""Doubtful pairs judged once more: blind, kept as tags, and turned into a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role, User
from tests.factories import make_user
from tests.training.preferences.cleaning.material import reported
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import reporting, second_look, store, tags
from training.preferences.cleaning import making
from training.preferences.cleaning.recipes import Drop, Flip, Recipe
from training.preferences.filters import Filter
from training.preferences.second_look import Choice
from training.preferences.versions import dataset_named, seal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]
HOSTILE = "<script>alert(1)</script>"
DOUBTED = [7, 2, 5]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def rita(client: Client) -> User:
    rita = make_user("rita")
    client.force_login(rita)
    return rita


@pytest.fixture
def version() -> DatasetVersion:
    """Ten pairs, of which the report doubts three, the eighth most."""
    version = seal(dataset_named("Islands"), [pair(f"Q{n}?", f"good {n}", f"bad {n}") for n in range(10)], {})
    place = reported(version.path, {"noise": [0.0] * 10}, {"label_noise": DOUBTED})
    wanted = reporting.place_of(version)
    for part in ("rows", "scores", "report"):
        getattr(place, part).rename(getattr(wanted, part))
    return version


def address(version: DatasetVersion, rule: str = "label_noise") -> str:
    return reverse("dataset-second-look", args=[version.dataset.slug, version.number, rule])


def text_of(response) -> str:
    return " ".join(BeautifulSoup(response.content, "html.parser").main.get_text(" ").split())


def child_of(version: DatasetVersion, recipe: Recipe) -> DatasetVersion:
    job = making.submit(version, recipe, None)
    making.work()
    job.refresh_from_db()
    assert job.version is not None
    return job.version


def better(version: DatasetVersion, row: int, answer: str) -> Choice:
    """The button below the answer that begins with a word."""
    shown = second_look.shown(version, row)
    assert shown is not None
    return next(Choice(side.lower()) for side, turns in shown.answers if turns[0].content.startswith(answer))


def judge(client: Client, version: DatasetVersion, row: int, answer: str = "", choice: str = ""):
    return client.post(address(version), {"row": row, "choice": choice or better(version, row, answer).value})


def progress(version: DatasetVersion) -> second_look.Progress:
    return second_look.progress(version, second_look.doubted(version, "label_noise"))


def test_the_most_doubtful_pair_comes_first_and_nothing_tells_which_answer_is_chosen(client, version):
    page = text_of(client.get(address(version)))
    assert {word for word in ("Q7?", "good 7", "bad 7", "0 of 3", "Chosen", "Rejected") if word in page} == {
        "Q7?",
        "good 7",
        "bad 7",
        "0 of 3",
    }


def test_sides_are_drawn_and_stay_as_they_were_drawn():
    """Of 64 pairs about half show the chosen answer first; 64 / 2 ± 4 standard deviations is 16 to 48."""
    version = seal(dataset_named("Sides"), [pair(f"Q{n}?", "good", "bad") for n in range(64)], {})
    first = [second_look.shown(version, n).answers[0][1][0].content for n in range(64)]
    assert 16 < first.count("good") < 48
    assert first == [second_look.shown(version, n).answers[0][1][0].content for n in range(64)]


def test_a_judgement_is_a_tag_and_the_next_pair_comes(client, version):
    judge(client, version, 7, "bad")
    judge(client, version, 2, "good")
    assert tags.of_rows(version, [7, 2]) == {7: ["judged wrong"], 2: ["judged right"]}
    assert "Q5?" in text_of(client.get(address(version)))


def test_a_label_below_one_half_means_the_other_answer():
    version = seal(dataset_named("Soft"), [pair("Q?", "good", "bad", label=0.2)], {})
    second_look.judge(version, 0, better(version, 0, "bad"), None)
    assert tags.of_rows(version, [0]) == {0: ["judged right"]}


def test_the_last_judgement_can_be_taken_back(client, version):
    judge(client, version, 7, "bad")
    judge(client, version, 7, choice="undo")
    assert tags.of_rows(version, [7]) == {}
    assert "Q7?" in text_of(client.get(address(version)))


def test_two_verdicts_that_differ_leave_the_label_undecided(version):
    for verdict in ("judged wrong", "judged right"):
        tags.put(version, [7], verdict, None)
    assert progress(version) == second_look.Progress(total=3, judged=1, wrong=0, undecided=1)


def test_what_was_judged_becomes_a_version_with_right_labels(client, version):
    """Row 7 is turned over, row 5 left out, row 2 stays: the child has nine rows."""
    judge(client, version, 7, "bad")
    judge(client, version, 2, "good")
    page = judge(client, version, 5, choice="neither")
    page = client.get(page["Location"])
    assert "Labels wrong: 1; right: 1; not decided: 1." in text_of(page)
    [link] = BeautifulSoup(page.content, "html.parser").find_all("a", string="Clean by these judgements")
    child = child_of(version, second_look.recipe(progress(version)))
    assert "judged wrong" in text_of(client.get(str(link["href"])))
    rows = {row.pair.prompt[0].content: row.pair.chosen[0].content for row in store.page(child.path, 0, 20)}
    assert rows == {f"Q{n}?": f"good {n}" for n in range(10) if n != 5} | {"Q7?": "bad 7"}


def test_a_pair_that_was_turned_over_is_judged_right_in_the_new_version(version):
    tags.put(version, [7], "judged wrong", None)
    child = child_of(version, Recipe(steps=(Flip(rows=Filter(tag="judged wrong")),)))
    assert tags.of_rows(child, [7]) == {7: ["judged right"]}


def test_the_same_recipe_after_more_judgements_makes_another_version(version):
    recipe = Recipe(steps=(Drop(rows=Filter(tag="judged wrong")),))
    tags.put(version, [7], "judged wrong", None)
    first = child_of(version, recipe)
    tags.put(version, [2], "judged wrong", None)
    assert (first.rows, child_of(version, recipe).rows) == (9, 8)


def test_steps_that_would_do_nothing_are_no_part_of_the_recipe():
    assert second_look.recipe(second_look.Progress(total=3, judged=3, wrong=0, undecided=0)).steps == ()


@pytest.mark.parametrize("sent", [{"row": "1", "choice": "a"}, {"row": "7", "choice": "x"}, {"row": "-7"}, {}])
def test_a_form_that_names_no_doubted_pair_or_no_button_is_refused(client, version, sent):
    assert client.post(address(version), sent).status_code == 400
    assert tags.used(version) == []


def test_only_findings_about_labels_can_be_judged_again(client, version):
    assert client.get(address(version, "length_bias")).status_code == 404


def test_without_listed_pairs_the_page_leads_back(client, version):
    response = client.get(address(version, "cycles"))
    assert response["Location"] == version.get_absolute_url()


def test_annotators_do_not_see_it(client, version):
    client.force_login(make_user("ann", role=Role.ANNOTATOR))
    assert client.get(address(version)).status_code == 403


def test_hostile_text_stays_text(client):
    version = seal(dataset_named("Hostile"), [pair(HOSTILE, HOSTILE + "1", HOSTILE + "2"), pair("b")], {})
    place = reported(version.path, None, {"label_noise": [0]})
    for part in ("rows", "report"):
        getattr(place, part).rename(getattr(reporting.place_of(version), part))
    assert HOSTILE.encode() not in client.get(address(version)).content
