"""Prompts that people write on request: kept once, taken out without being lost, and made into a suite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from alignapp.accounts.models import Role, User
from comparisons import collecting
from comparisons.collecting import PromptRefused
from comparisons.models import CollectionState, PromptCollection, Suite
from comparisons.suites import UnusableSuite
from tests.factories import make_user, make_version

pytestmark = pytest.mark.django_db


def asked(**fields: Any) -> PromptCollection:
    values: dict[str, Any] = {"name": "Ferries", "guideline": "Ask about ferries.", "wanted": 3}
    return collecting.open_collection(**({"examples": ["When does it leave?"]} | values | fields))


def annotator() -> User:
    return make_user(role=Role.ANNOTATOR)


def test_a_written_prompt_is_kept_with_its_author():
    collection, author = asked(), annotator()
    prompt = collecting.contribute(collection, "  Is there a night ferry?\r\nOn Sundays? ", author)
    assert (prompt.text, prompt.written_by) == ("Is there a night ferry?\nOn Sundays?", author)


@pytest.mark.parametrize("text", ["", "  \n ", "a\0b"])
def test_nothing_is_kept_of_a_prompt_that_says_nothing(text: str):
    with pytest.raises(PromptRefused, match="Write a prompt first"):
        collecting.contribute(asked(), text, annotator())


def test_a_prompt_that_differs_in_case_and_space_alone_is_refused():
    collection = asked()
    collecting.contribute(collection, "Is there a night ferry?", annotator())
    with pytest.raises(PromptRefused, match="Somebody has written this prompt"):
        collecting.contribute(collection, "is  there a NIGHT ferry?", annotator())


def test_an_example_is_no_prompt_of_ones_own():
    with pytest.raises(PromptRefused, match="one of the examples"):
        collecting.contribute(asked(), "when does it leave?", annotator())


def test_a_closed_collection_takes_no_prompts():
    collection = asked()
    collecting.contribute(collection, "Is there a night ferry?", annotator())
    collecting.close(collection)
    with pytest.raises(PromptRefused, match="was closed"):
        collecting.contribute(collection, "Another?", annotator())


def test_a_suite_holds_what_was_not_taken_out_and_says_what_it_fills():
    version = make_version()
    collection = asked(fills=version)
    written = [collecting.contribute(collection, text, annotator()) for text in ("One?", "Two?", "Three?")]
    collecting.withdraw(written[1])
    suite = collecting.close(collection)
    assert [prompt.messages[0]["content"] for prompt in suite.prompts.order_by("position")] == ["One?", "Three?"]
    assert suite.fills == version
    assert collection.prompts.count() == 3  # what was taken out is not lost


def test_closing_twice_makes_one_suite():
    collection = asked()
    collecting.contribute(collection, "One?", annotator())
    assert collecting.close(collection) == collecting.close(collection)
    assert Suite.objects.count() == 1


def test_an_empty_collection_stays_open():
    collection = asked()
    with pytest.raises(UnusableSuite):
        collecting.close(collection)
    collection.refresh_from_db()
    assert collection.state == CollectionState.OPEN


@pytest.mark.django_db(transaction=True)
def test_the_same_prompt_by_two_people_at_once_is_kept_once():
    collection, people = asked(), [annotator(), annotator()]

    def write(author: User) -> bool:
        try:
            collecting.contribute(collection, "Is there a night ferry?", author)
        except PromptRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(write, people)) == [False, True]
    assert collection.prompts.count() == 1


# --- Pages ------------------------------------------------------------------------------------------------------------


def test_an_annotator_finds_the_request_and_writes_prompt_after_prompt(client):
    collection, author = asked(), annotator()
    client.force_login(author)
    page = client.get(reverse("rate")).content.decode()
    assert "Ask about ferries." in page
    address = reverse("collection-write", args=[collection.slug])
    assert address in page
    assert client.post(address, {"text": "One?"}).status_code == 302
    assert client.post(address, {"text": "Two?"}).status_code == 302
    assert "Two?" in client.get(address).content.decode()


def test_a_refused_prompt_stays_in_the_field_with_the_reason(client):
    collection = asked()
    client.force_login(annotator())
    answer = client.post(reverse("collection-write", args=[collection.slug]), {"text": "when does it LEAVE?"})
    assert answer.status_code == 422
    assert "one of the examples" in answer.content.decode()
    assert "when does it LEAVE?" in answer.content.decode()


def test_annotators_do_not_see_what_others_wrote(client):
    collection = asked()
    collecting.contribute(collection, "A stranger's prompt?", annotator())
    client.force_login(annotator())
    assert "stranger" not in client.get(reverse("collection-write", args=[collection.slug])).content.decode()
    assert client.get(collection.get_absolute_url()).status_code == 403


def test_what_people_wrote_is_shown_as_text(client):
    collection = asked()
    collecting.contribute(collection, "<script>alert(1)</script>", annotator())
    client.force_login(make_user())
    page = client.get(collection.get_absolute_url()).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_a_researcher_closes_it_and_lands_on_the_suite(client):
    collection = asked()
    collecting.contribute(collection, "One?", annotator())
    client.force_login(make_user())
    answer = client.post(reverse("collection-close", args=[collection.slug]), follow=True)
    assert answer.redirect_chain[-1][0] == Suite.objects.get().get_absolute_url()


def test_closing_before_anybody_wrote_says_so(client):
    collection = asked()
    client.force_login(make_user())
    page = client.post(reverse("collection-close", args=[collection.slug]), follow=True).content.decode()
    assert "Nobody has written a prompt yet" in page
