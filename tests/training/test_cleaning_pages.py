"""The pages of cleaning and comparing, through the real views."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role, User
from tests.factories import make_user
from tests.training.preferences.pairs import pair
from training.models import CleaningJob, CleaningKind, DatasetVersion, SavedRecipe
from training.preferences import browsing, reporting
from training.preferences.browsing import building, layout
from training.preferences.browsing import making as indexes
from training.preferences.cleaning import making
from training.preferences.cleaning.recipes import Drop, Flip, Recipe, Soften
from training.preferences.filters import Bounds, Filter
from training.preferences.records import Pair
from training.preferences.versions import dataset_named, seal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def rita(client: Client) -> User:
    rita = make_user("rita")
    client.force_login(rita)
    return rita


def row(prompt: str) -> Pair:
    return pair(prompt, "The same words.", "Other words.")


@pytest.fixture(scope="module")
def kept_report(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture
def version(kept_report: Path) -> DatasetVersion:
    """Twelve rows of which the last four repeat earlier ones; their report is made once for all tests."""
    version = seal(dataset_named("Islands"), [row(f"Q{n % 8}?") for n in range(12)], {})
    for part in kept_report.iterdir():
        shutil.copy(part, version.path.parent)
    reporting.make_missing()
    version.refresh_from_db()
    for part in version.path.parent.glob(f"{version.sha256}.*-*"):
        shutil.copy(part, kept_report)
    return version


def address(version: DatasetVersion, name: str = "dataset-clean", **query: str) -> str:
    return reverse(name, args=[version.dataset.slug, version.number], query=query or None)


def text_of(response) -> str:
    return " ".join(BeautifulSoup(response.content, "html.parser").get_text(" ").split())


def post(client: Client, version: DatasetVersion, recipe: Recipe | None = None, **fields: object):
    return client.post(address(version), {"recipe": recipe.token() if recipe else "", **fields})


def recipe_at(client: Client, response) -> str:
    """The token in the address that a button leads to."""
    return parse_qs(urlparse(response["Location"]).query).get("recipe", [""])[0]


def child_of(version: DatasetVersion, recipe: Recipe) -> DatasetVersion:
    """What the recipe makes."""
    job = making.submit(version, recipe, None)
    making.work()
    job.refresh_from_db()
    assert job.version is not None
    return job.version


def asked_for(response, element: str) -> str:
    """The address that a part of the page asks for once it stands."""
    found = BeautifulSoup(response.content, "html.parser").find(id=element)
    assert found is not None
    return str(found["hx-get"])


def drop(*rows: int) -> Recipe:
    return Recipe(steps=(Drop(rows=Filter(rows=rows)),))


def test_only_researchers_see_these_pages(client, version):
    client.force_login(make_user("ann", role=Role.ANNOTATOR))
    for page in (address(version), reverse("recipes"), reverse("dataset-compare"), address(version, "dataset-diff")):
        assert client.get(page).status_code == 403


def test_a_finding_leads_to_the_preview_of_its_action(client, version):
    """One click on the finding's button, and the step stands there with what it would do."""
    page = text_of(client.get(address(version, rule="repeats", action="drop")))
    assert "Drop: rows found by “repeats”" in page
    assert "concerns 4 · removes 4 · changes 0" in page
    assert "Make the new version" in page


def test_the_version_page_links_to_cleaning(client, version):
    page = client.get(version.get_absolute_url()).content.decode()
    assert address(version) in page
    assert f"{address(version)}?rule=repeats&amp;action=merge" in page


def test_making_the_version_leads_to_what_changed(client, version, rita):
    response = post(client, version, Recipe(steps=(Drop(rows=Filter(finding="repeats")),)), do="apply")
    making.work()
    child = version.children.get()
    assert (child.rows, child.created_by) == (8, rita)
    ended = BeautifulSoup(client.get(response["Location"]).content, "html.parser")
    diff = address(child, "dataset-diff")
    assert [link.get_text() for link in ended.select(f"a[href='{diff}']")] == ["What changed"]
    page = text_of(client.get(diff))
    assert "8 rows are carried over as they were" in page
    assert "Removed 4" in page
    assert "left out" in page


def test_applied_twice_there_is_one_version(client, version):
    post(client, version, drop(1), do="apply")
    making.work()
    again = post(client, version, drop(1), do="apply")
    making.work()
    assert again["Location"] == address(version.children.get(), "dataset-diff")
    assert "which this recipe made" in text_of(client.get(address(version, recipe=drop(1).token())))


def test_steps_are_added_edited_moved_and_removed(client, version):
    added = recipe_at(client, post(client, version, do="put", action="soften", at="0", to="value", value="0.7"))
    assert added == Recipe(steps=(Soften(value=0.7),)).token()
    two = Recipe(steps=(Soften(value=0.7), Flip()))
    assert recipe_at(client, post(client, version, two, do="up", at="1")) == Recipe(steps=two.steps[::-1]).token()
    assert recipe_at(client, post(client, version, two, do="remove", at="0")) == Recipe(steps=(Flip(),)).token()
    edited = post(client, version, two, do="put", action="soften", at="0", to="value", value="0.6", finding="repeats")
    wanted = Recipe(steps=(Soften(value=0.6, rows=Filter(finding="repeats")), Flip()))
    assert recipe_at(client, edited) == wanted.token()


def test_a_step_chooses_rows_by_a_score(client, version):
    response = post(client, version, do="put", action="drop", score="prompt_length", low="2", high="5")
    bounds = Bounds(score="prompt_length", low=2, high=5)
    assert recipe_at(client, response) == Recipe(steps=(Drop(rows=Filter(bounds=(bounds,))),)).token()


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"action": "soften", "to": "value", "value": "7"}, "less than or equal to 1"),
        ({"action": "weight", "how": "set", "value": "0"}, "greater than 0"),
        ({"action": "drop", "low": "0.5"}, "Choose the score that the numbers are about."),
        ({"action": "drop", "score": "label"}, "Say from or up to which number"),
        ({"action": "resplit", "share": "80"}, "less than or equal to 50"),
    ],
)
def test_a_step_that_cannot_be_is_answered_with_a_sentence(client, version, fields, said):
    response = post(client, version, do="put", at="0", **fields)
    assert response.status_code == 422
    assert said in text_of(response)


def test_rows_chosen_in_the_browser_of_pairs_get_a_step(client, version):
    chosen = json.dumps({"rows": [3, 4]})
    page = client.get(address(version, filter=chosen))
    assert "2 chosen rows" in text_of(page)
    [link] = BeautifulSoup(page.content, "html.parser").find_all("a", string="Drop")
    opened = BeautifulSoup(client.get(str(link["href"])).content, "html.parser")
    fields = {str(field["name"]): str(field.get("value", "")) for field in opened.select("#step input[name]")}
    response = client.post(address(version), fields | {"do": "put"})
    assert recipe_at(client, response) == drop(3, 4).token()


def test_an_address_with_a_broken_recipe_begins_anew_with_a_sentence(client, version):
    response = client.get(address(version, recipe="nonsense"), follow=True)
    assert "holds no recipe that can be read" in text_of(response)


def test_hostile_texts_are_shown_as_texts(client):
    version = seal(dataset_named("Bad"), [pair(HOSTILE, HOSTILE + " x", HOSTILE + " y"), pair("b")], {})
    child = child_of(version, Recipe(steps=(Flip(),)))
    for page in (address(version, recipe=Recipe(steps=(Flip(),)).token()), address(child, "dataset-diff")):
        assert HOSTILE not in client.get(page).content.decode()


def test_a_diff_marks_the_words_that_moved(client, version):
    child = child_of(version, Recipe(steps=(Flip(rows=Filter(rows=(0,))),)))
    page = BeautifulSoup(client.get(address(child, "dataset-diff")).content, "html.parser")
    assert [mark.get_text() for mark in page.find_all("del")] == ["The same", "Other"]
    assert [mark.get_text() for mark in page.find_all("ins")] == ["Other", "The same"]


def test_a_diff_is_filtered_by_change_and_step(client, version):
    recipe = Recipe(steps=(Drop(rows=Filter(rows=(0,))), Soften(rows=Filter(rows=(1, 2)))))
    child = child_of(version, recipe)
    diff = address(child, "dataset-diff")
    assert "1 to 1 of 1" in text_of(client.get(diff, {"change": "removed"}))
    assert "1 to 2 of 2" in text_of(client.get(diff, {"step": "2"}))
    assert "No rows here" in text_of(client.get(diff, {"change": "added"}))


def test_a_version_without_a_parent_has_no_diff(client, version):
    assert client.get(address(version, "dataset-diff")).status_code == 404


def test_a_diff_that_is_gone_is_said(client, version):
    child = child_of(version, drop(0))
    version.path.unlink()
    assert "There is nothing to show" in text_of(client.get(address(child, "dataset-diff")))


def test_all_rows_of_a_step_are_shown_page_by_page(client, version):
    page = client.get(address(version, "dataset-clean-rows", recipe=Recipe(steps=(Flip(),)).token(), step="1"))
    assert "1 to 10 of 12" in text_of(page)


def test_a_large_version_is_previewed_after_the_page_and_made_by_a_worker(client, version, monkeypatch):
    monkeypatch.setattr(making, "ROWS_AT_ONCE", 5)
    page = client.get(address(version, recipe=drop(0).token()))
    fragment = asked_for(page, "preview")
    assert asked_for(client.get(fragment), "preview") == fragment  # until it is known
    making.work()
    assert "Rows removed 1" in text_of(client.get(fragment))
    assert "left out" in text_of(client.get(address(version, "dataset-clean-rows", recipe=drop(0).token())))
    response = post(client, version, drop(0), do="apply")
    job = CleaningJob.objects.get(kind=CleaningKind.VERSION)
    assert response["Location"] == job.get_absolute_url()
    assert "waiting for a worker" in text_of(client.get(job.get_absolute_url()))
    making.work()
    live = client.get(reverse("dataset-cleaning-live", args=[job.pk]))
    assert b"data-live-done" in live.content
    assert "Open Islands v2" in text_of(live)


def test_a_job_that_failed_says_why_and_leads_back(client, version):
    response = post(client, version, Recipe(steps=(Flip(), Flip())), do="apply")
    making.work()
    page = client.get(response["Location"])
    assert "changes nothing" in text_of(page)
    assert "Back to the recipe" in text_of(page)


def test_a_recipe_is_saved_applied_to_another_version_renamed_and_deleted(client, version):
    recipe = Recipe(steps=(Drop(rows=Filter(finding="repeats")),))
    post(client, version, recipe, do="save", name="No repeats")
    saved = SavedRecipe.objects.get()
    other = seal(dataset_named("Other"), [pair("a"), pair("a"), pair("b")], {})
    page = text_of(client.get(address(other, saved=str(saved.pk))))
    assert "concerns 1 · removes 1" in page
    client.post(reverse("recipe-rename", args=[saved.pk]), {"name": "Once each"})
    assert "Once each" in text_of(client.get(reverse("recipes")))
    client.post(reverse("recipe-delete", args=[saved.pk]))
    assert "No saved recipes" in text_of(client.get(reverse("recipes")))


def saved_recipe(client: Client, version: DatasetVersion, recipe: Recipe) -> SavedRecipe:
    post(client, version, recipe, do="save", name="Mine")
    return SavedRecipe.objects.get()


def test_a_saved_recipe_is_applied_from_its_own_page(client, version):
    """Choose a version, look at what changes, make the new one."""
    recipe = Recipe(steps=(Drop(rows=Filter(finding="repeats")),))
    page = reverse("recipe", args=[saved_recipe(client, version, recipe).pk])
    assert page in client.get(reverse("recipes")).content.decode()
    chosen = BeautifulSoup(client.get(page).content, "html.parser").select("select[name=version] option")
    assert str(version.pk) in [option["value"] for option in chosen]
    shown = client.get(page, {"version": version.pk})
    assert shown.context["plan"].removed == 4
    form: Any = BeautifulSoup(shown.content, "html.parser").select_one("#preview form")
    fields = {field["name"]: field["value"] for field in form.select("input, button") if field.has_attr("name")}
    made = client.post(form["action"], fields)
    making.work()
    assert made["Location"] == CleaningJob.objects.get(version=version.children.get()).get_absolute_url()
    assert "which this recipe made" in text_of(client.get(page, {"version": version.pk}))


def test_the_page_of_a_recipe_asks_for_the_preview_of_a_large_version(client, version, monkeypatch):
    monkeypatch.setattr(making, "ROWS_AT_ONCE", 1)
    page = reverse("recipe", args=[saved_recipe(client, version, Recipe(steps=(Flip(),))).pk])
    shown: Any = BeautifulSoup(client.get(page, {"version": version.pk}).content, "html.parser")
    asked = shown.select_one("#preview")["hx-get"]
    assert asked.startswith(address(version, "dataset-clean-preview"))
    making.work()
    assert "changes 12" in text_of(client.get(asked))


def test_the_page_of_a_recipe_says_what_is_wrong(client, version):
    saved = saved_recipe(client, version, Recipe(steps=(Drop(rows=Filter(bounds=(Bounds(score="no", low=1),))),)))
    page = reverse("recipe", args=[saved.pk])
    assert client.get(page, {"version": "999"}).status_code == 422
    assert "has no score no" in text_of(client.get(page, {"version": version.pk}))
    saved.steps = {"steps": [{"action": "unheard of"}]}
    saved.save()
    assert "cannot read" in text_of(client.get(page, {"version": version.pk}))
    version.path.unlink()
    assert "is not on this machine" in text_of(client.get(page, {"version": version.pk}))


def test_two_recipes_cannot_share_a_name(client, version):
    recipe = Recipe(steps=(Flip(),))
    post(client, version, recipe, do="save", name="Turn")
    response = post(client, version, recipe, do="save", name="turn")
    assert (response.status_code, SavedRecipe.objects.count()) == (422, 1)


def test_a_recipe_that_names_rows_is_not_saved(client, version):
    post(client, version, drop(1), do="save", name="Rows")
    assert not SavedRecipe.objects.exists()


def test_a_child_is_compared_with_its_parent_by_the_diff(client, version):
    recipe = Recipe(steps=(Drop(rows=Filter(finding="repeats")), Soften(rows=Filter(rows=(0,)))))
    child = child_of(version, recipe)
    page = text_of(client.get(reverse("dataset-compare", query={"left": version.pk, "right": child.pk})))
    assert "The same in both 7 Changed 1 Only in Islands v1 4 Only in Islands v2 0" in page
    assert "Nothing found" in page


def test_a_version_is_compared_with_the_latest_other_one_of_its_dataset(client, version):
    child = child_of(version, Recipe(steps=(Drop(rows=Filter(finding="repeats")),)))
    page = client.get(reverse("dataset-compare", query={"right": version.pk}))
    assert (page.context["left"], page.context["right"]) == (child, version)


def test_two_datasets_are_compared_by_what_their_rows_say(client, version):
    """Of the twelve rows of one, Q0 to Q3 twice, and the three of the other two are the same."""
    rows = [row("Q0?"), row("Q1?"), pair("New?")]
    other = seal(dataset_named("Other"), rows, {})
    page = text_of(client.get(reverse("dataset-compare", query={"left": version.pk, "right": other.pk})))
    assert "With the same texts in both 2 Only in Islands v1 10 Only in Other v1 1" in page


def test_large_versions_are_compared_when_a_worker_has_made_their_indexes(client, version, monkeypatch):
    monkeypatch.setattr(browsing, "ROWS_AT_ONCE", 5)
    query = {"left": version.pk, "right": version.pk}
    page = client.get(reverse("dataset-compare", query=query))
    assert "An index of the rows waits for a worker" in text_of(page)
    fragment = asked_for(page, "overlap")
    with layout.writing(version.path, 12) as writer:
        writer.say(7)
        assert "7 of 12 rows" in text_of(client.get(fragment))
    indexes.make_missing()
    assert "With the same texts in both 12" in text_of(client.get(fragment))
    assert not list(version.path.parent.glob(".*"))


def test_rows_that_cannot_be_compared_say_why(client, version, monkeypatch):
    other = seal(dataset_named("Other"), [row("Q0?"), pair("New?")], {})
    monkeypatch.setattr(building, "ROOM_PER_BYTE", 10**12)
    page = client.get(reverse("dataset-compare", query={"left": version.pk, "right": other.pk}))
    assert "Rows cannot be compared" in text_of(page)
    assert "Make room" in text_of(page)


def test_a_comparison_of_nothing_asks_for_two_versions(client, version):
    for query in ({}, {"left": version.pk}, {"left": "x", "right": "99999999999999999999"}):
        assert "Choose two versions" in text_of(client.get(reverse("dataset-compare", query=query)))
