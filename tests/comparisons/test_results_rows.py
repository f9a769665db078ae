"""The judgements behind a figure: the same look as the results, and as many rows as the figure says."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from comparisons.models import Answer, Assignment, AssignmentState, ItemKind, Rating, StudyState
from comparisons.results import Look, gather
from comparisons.results.judgements import of_own_runs
from comparisons.results.rows import Asked, items_behind, told
from tests.comparisons.export.material import say
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, rewrite
from tests.comparisons.test_checks import make_check
from tests.factories import make_policy, make_run, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    """Closed, eight items judged by Alice (tie, both bad, six for Tuned) and by Bob (always left)."""
    base, tuned = make_policy(name="Base"), make_policy(name="Tuned", method="dpo")
    study = make_study(items=8, policies=[base, tuned], name="Ferries", slug="ferries", ratings_per_item=2)
    said = {0: "tie", 1: "both_bad"}
    judge_all(study, make_rater("alice"), lambda given: said.get(given.item.position) or prefer(tuned)(given))
    judge_all(study, make_rater("bob"), lambda _: "a")
    study.state = StudyState.CLOSED
    study.save()
    return study


@pytest.fixture
def researcher(client):
    client.force_login(make_user("rita"))


def page_of(response):
    return BeautifulSoup(response.content, "html.parser")


def counted(page) -> tuple[int, int]:
    """Judgements and items, as the page says."""
    words = " ".join(page.text.split())
    found = re.search(r"(\d+) judgements? of (\d+) items?", words)
    assert found, words
    return int(found[1]), int(found[2])


def rater(name: str) -> int:
    return Assignment.objects.filter(rater__username=name).values_list("rater", flat=True)[0]


def rows(study, look=None, **wanted) -> int:
    return sum(items_behind(study, look or Look(), Asked(**wanted)).values())


@pytest.mark.parametrize(
    "figure,wanted",
    [
        ("judgements", {}),
        ("preferences", {"said": "prefers"}),
        ("ties", {"said": "tie"}),
        ("both_bad", {"said": "both_bad"}),
        ("skipped", {"kind": "skipped"}),
        ("late", {"kind": "late"}),
    ],
)
def test_a_figure_has_as_many_rows_as_it_says(study, figure, wanted):
    say(study.items.first(), make_rater(), "skip")
    Assignment.objects.filter(pk=say(study.items.last(), make_rater(), "tie").assignment_id).update(state="late")
    assert rows(study, **wanted) == getattr(gather(study), figure) > 0


def test_rows_of_a_policy_are_its_votes_and_where_it_was_preferred(study):
    """Each of the two is in all 16 judgements; one says both bad. Of 14 that prefer an answer each wins the rest."""
    base, tuned = study.contenders.values_list("pk", flat=True)
    found = {row.contender.pk: row.votes for row in gather(study).standings}
    assert rows(study, one=base, said="votes") == found[base] == 15
    assert rows(study, preferred=base) + rows(study, preferred=tuned) == 14


def test_rows_of_a_rater_are_what_the_table_says(study):
    row = next(row for row in gather(study).raters if row.name == "bob")
    assert rows(study, rater=row.rater) == row.judged == 8
    assert rows(study, rater=row.rater, said="a") == 8
    assert rows(study, rater=row.rater, said="b") == 0


def test_the_bars_of_divided_items_lead_to_their_items(study):
    items = gather(study).items
    for bar, _, _, count in items.bars:
        assert len(items_behind(study, Look(), Asked(divided=str(bar)))) == count
    assert len(items_behind(study, Look(), Asked(divided="differ"))) == items.divided
    assert len(items_behind(study, Look(), Asked(divided="several"))) == items.items == 8


def test_longer_answers_are_told_by_their_text(study):
    """Answers are "answer 0 of 0" and so on, all as long; one grows, and it is preferred once, by Alice."""
    item = study.items.get(position=2)
    rewrite(Answer.objects.filter(pk=item.second_id), text=f"{item.second.text}, and more")
    assert rows(study, said="longer", rater=rater("alice")) == 1


def test_the_look_and_the_rule_narrow_the_rows_too(study):
    assert rows(study, Look(excluded=frozenset({rater("bob")}))) == 8
    assert rows(study, Look(stratum="adversarial")) == 0


def test_skips_and_raters_follow_the_look(study):
    """Bob is left out: neither his skip nor his row is there."""
    bob = Assignment.objects.filter(rater__username="bob").select_related("rater")[0].rater
    say(study.items.create(prompt=study.prompts.first(), first=study.items.first().second,
                           second=study.items.first().first, position=90), bob, "skip")  # fmt: skip
    found = gather(study, Look(excluded=frozenset({bob.pk})))
    assert (found.skipped, [row.name for row in found.raters]) == (0, ["alice"])
    assert gather(study).skipped == 1


def test_only_counted_judgements_are_shown_until_others_are_asked_for(client, researcher, study):
    check = make_check(study, ItemKind.GOLD)
    say(check, make_rater("carol"), "first")
    first = Assignment.objects.filter(rater__username="alice")[0]
    again = Assignment.objects.create(
        item=first.item, rater=first.rater, first_is_a=True, repeats=first, state="done", lease_until=first.lease_until
    )
    again.ratings.create(revision=1, choice="tie", seconds=3.0)
    address = reverse("study-rows", args=["ferries"])
    assert counted(page_of(client.get(address))) == (16, 8)
    page = page_of(client.get(address, {"kind": "all"}))
    assert counted(page) == (18, 9)
    assert "repeat, does not count" in page.text
    assert "Gold: the right judgement is known" in page.text
    assert counted(page_of(client.get(address, {"kind": "repeat"}))) == (1, 1)


def test_a_written_answer_that_is_better_has_words(study):
    """Neither answer of the check has a policy; the first stood left and was preferred."""
    found = told(say(make_check(study, ItemKind.GOLD), make_rater(), "first"), frozenset())
    assert (found.better, found.side) == ("The first answer", "left")


@pytest.mark.parametrize(
    "reading,words",
    [
        ({}, ""),
        ({"scrolled": True, "hidden_seconds": 0.0}, "to the end"),
        ({"scrolled": False, "hidden_seconds": 12.4}, "not to the end, away 12 s"),
        ({"hidden_seconds": 3.0}, "away 3 s"),
    ],
)
def test_a_row_says_how_it_was_read_and_how_much_better_it_was(study, reading, words):
    rating = Rating.objects.filter(choice="a")[0]
    rating.reading, rating.strength = reading, 3
    found = told(rating, frozenset({rating.assignment.rater_id}))
    assert (found.read, found.strength, found.by_rule) == (words, "by far", True)


def test_links_of_the_page_carry_the_whole_address_and_lead_to_rows(client, researcher, study):
    """Every figure that is linked says as many judgements, or items, as its page has."""
    address = f"{reverse('study-results', args=['ferries'])}?ties=halves&stratum=other"
    page = page_of(client.get(address))
    links = [link for link in page.select("main a") if "/rows/" in link["href"]]
    assert len(links) > 20
    for link in links:
        assert "ties=halves" in link["href"]
        assert "stratum=other" in link["href"]
    for link in (one for one in links if re.fullmatch(r"\d+", one.text.strip())):
        there = page_of(client.get(link["href"]))
        have = counted(there) if there.select("article") else (0, 0)
        assert int(link.text) in have, (link["href"], link.text, have)


def test_results_with_everybody_say_so_and_carry_it(client, researcher, study):
    type(study).objects.filter(pk=study.pk).update(design=study.design | {"exclusion": {"side_p": 0.05}})
    address = reverse("study-results", args=["ferries"])
    left = page_of(client.get(address, {"stratum": "other"}))
    [more] = [link["href"] for link in left.select("a") if link.text == "Show the results with everybody"]
    page = page_of(client.get(address + more))
    assert "1 rater whom the study’s rule leaves out is in." in page.text
    assert "A part of the study." in page.text
    assert all("everybody=1" in link["href"] for link in page.select("main a") if "/rows/" in link["href"])
    assert page.select_one("input[name=everybody]")["value"] == "1"
    marked = client.get(reverse("study-rows", args=["ferries"]), {"everybody": 1, "rater": rater("bob")})
    assert "left out by rule" in marked.text


def test_how_sure_says_that_raters_were_left_out(client, researcher, study):
    type(study).objects.filter(pk=study.pk).update(design=study.design | {"exclusion": {"side_p": 0.05}})
    assert "1 rater left out by the study’s rule." in client.get(reverse("study-robustness", args=["ferries"])).text


def test_judgements_of_runs_that_raters_launched_are_counted_where_they_are_allowed(client, researcher):
    """Dora launched the run behind one policy and judged it three times; Emil none."""
    dora = make_rater("dora")
    own = make_policy(name="Own", method="dpo", run=make_run(user=dora))
    study = make_study(items=3, policies=[make_policy(), own], ratings_per_item=2, design={"own_runs": True})
    for someone in (dora, make_rater("emil")):
        judge_all(study, someone, lambda _: "a")
    study.state = StudyState.CLOSED
    study.save()
    assert gather(study).own_runs == of_own_runs(study) == rows(study, own=True) == 3
    page = page_of(client.get(reverse("study-results", args=[study.slug])))
    assert "3 of 6 judgements are of such answers" in " ".join(page.text.split())


def test_a_study_that_does_not_allow_own_runs_says_nothing_of_them(study):
    assert gather(study).own_runs is None


def test_late_rows_are_marked(client, researcher, study):
    Assignment.objects.filter(pk=say(study.items.last(), make_rater(), "tie").assignment_id).update(
        state=AssignmentState.LATE
    )
    assert "too late to count" in client.get(reverse("study-rows", args=["ferries"]), {"kind": "late"}).text


def test_the_number_of_an_item_leads_to_its_judgements(client, researcher, study):
    assert counted(page_of(client.get(reverse("study-rows", args=["ferries"]), {"item": 3}))) == (2, 1)
    assert counted(page_of(client.get(reverse("study-rows", args=["ferries"]), {"item": 10**30}))) == (16, 8)
