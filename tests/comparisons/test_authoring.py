"""Making checks: lines a person wrote, items of an earlier study, the study's own answers; and what is refused."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role
from comparisons import assignment as assigning
from comparisons.attention import likeness
from comparisons.authoring import ChecksRefused, Made, from_answers, from_lines, from_study, set_aside
from comparisons.checks import outcomes, tallies
from comparisons.drawing import open_study
from comparisons.models import Adjudication, Answer, ExpectedJudgement, Item, ItemKind, Prompt, Rating, Study
from tests.comparisons.answered_studies import answered_study
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, rewrite, take
from tests.factories import make_policy, make_user

pytestmark = pytest.mark.django_db


def add(study: Study, *rows: dict[str, Any] | str) -> Made:
    """Add the rows as lines."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return from_lines(study, io.BytesIO("\n".join(lines).encode()), make_user())


def row(**fields: Any) -> dict[str, Any]:
    return {"prompt": "What is two and two?", "better": "Four.", "worse": "Five."} | fields


# --- Lines ------------------------------------------------------------------------------------------------------------


def test_a_line_becomes_an_item_whose_right_judgement_stands_apart_from_it():
    study = make_study(items=2)
    assert add(study, row(kind="training", explanation="Count on your fingers.")) == Made(1, [])
    item = study.items.get(kind="training")
    assert (item.first.text, item.second.text) == ("Four.", "Five.")
    assert item.prompt.messages == [{"role": "user", "content": "What is two and two?"}]
    assert (item.expected.accepts, item.expected.explanation) == (["first"], "Count on your fingers.")
    assert (item.prompt.suite, item.first.contender, item.position) == (None, None, 2)


def test_a_line_without_kind_is_gold_and_a_prompt_may_be_a_conversation():
    study = make_study()
    turns = [
        {"role": "user", "content": "What is two and two?"},
        {"role": "assistant", "content": "Four."},
        {"role": "user", "content": "And three more?"},
    ]
    add(study, row(prompt=turns, better="Seven.", worse="Eight."))
    item = study.items.get(kind="gold")
    assert item.prompt.messages == turns


@pytest.mark.parametrize(
    "line, reason",
    [
        ("What?", "The row is not JSON"),
        (row(better=" "), "The row needs 'better': the text of the better answer."),
        (row(worse=3), "The row needs 'worse': the text of the worse answer."),
        ({"better": "A", "worse": "B"}, "The row has no 'prompt' or 'messages'"),
        (row(prompt=[{"role": "assistant", "content": "Hi"}]), "prompt must end with a user message"),
        (row(kind="comparison"), "'kind' must be gold, training or attention, found comparison."),
        (row(explaination="x"), "'explaination' is no part of a check"),
        (row(explanation=["x"]), "'explanation' must be text."),
        (row(worse=" Four.\n"), "Raters must not see it: identical answers."),
        (row(worse="As an AI I cannot count."), "Raters must not see it: an answer speaks of itself as a model"),
        (row(prompt="Who are you?"), "Raters must not see it: the prompt asks who answers."),
        (row(explanation="This is how DPO answers."), "Raters see the explanation, and it names a method ('DPO')"),
        (row(better="a\0b"), "The row holds a NUL character"),
        (row(prompt="Good?"), "The same check is there already."),
    ],
)
def test_a_line_that_gives_no_check_is_reported_with_its_number_and_the_others_are_kept(line: Any, reason: str):
    study = make_study()
    made = add(study, row(prompt="Good?"), "", line)
    assert made.count == 1
    [rejected] = made.rejected
    assert rejected.line == 3
    assert reason in rejected.reason


def test_an_answer_that_names_a_policy_of_the_study_makes_no_check():
    study = make_study(policies=[make_policy(name="sparrow-2"), make_policy()])
    made = add(study, row(better="I am sparrow-2."))
    assert "names a policy or run ('sparrow-2')" in made.rejected[0].reason


def test_the_same_check_is_not_stored_twice_whatever_the_order_of_its_answers():
    study = make_study()
    add(study, row())
    made = add(study, row(better="Five.", worse="Four."), row(prompt="What is one and one?", better="2", worse="3"))
    assert (made.count, made.rejected[0].reason) == (1, "The same check is there already.")


@pytest.mark.parametrize("state", ["generating", "open", "paused"])
def test_checks_can_be_added_before_raters_finish(state: str):
    study = make_study(state=state)
    assert add(study, row()).count == 1


def test_checks_that_are_added_while_answers_are_generated_are_there_when_the_study_opens():
    study = answered_study(prompts=5)
    add(study, row(kind="training"), row(prompt="Another?"))
    open_study(study)
    assert study.items.filter(kind="comparison").count() == 15
    assert take(make_rater()).item.kind == "training"
    assert len(set(study.items.values_list("position", flat=True))) == study.items.count()


def test_a_study_that_is_over_gets_no_checks():
    with pytest.raises(ChecksRefused, match="The study is closed"):
        add(make_study(state="closed"), row())
    assert not Prompt.objects.filter(suite=None).exists()


def test_a_study_of_written_prompts_gets_no_checks():
    with pytest.raises(ChecksRefused, match="nothing can hide among them"):
        add(make_study(kind="adversarial"), row())


def test_what_was_added_stands_in_the_audit():
    study = make_study()
    add(study, row(), row(prompt="Another?"))
    assert study.audit.get().detail == {"count": 2, "source": "lines"}


# --- From an earlier study --------------------------------------------------------------------------------------------


def earlier_study() -> Study:
    """Closed, six items, three raters: of items 0 to 3 all prefer the first, of 4 one differs, of 5 all call a tie."""
    study = make_study(items=6, ratings_per_item=3)
    for number in range(3):

        def decide(assignment, number=number):
            match assignment.item.position:
                case 4 if number == 0:
                    return "both_bad"
                case 5:
                    return "tie"
            return "a" if assignment.first_is_a else "b"

        judge_all(study, make_rater(), decide)
    Study.objects.filter(pk=study.pk).update(state="closed")
    study.refresh_from_db()
    return study


def copied(study: Study, earlier: Study, kind: ItemKind = ItemKind.GOLD, number: int = 50) -> list[Item]:
    made = from_study(study, earlier, kind, number, make_user())
    items = list(study.items.filter(kind=kind).select_related("expected"))
    assert made.count == len(items)
    return items


def test_items_on_which_all_of_three_agreed_become_gold():
    earlier = earlier_study()
    items = copied(make_study(), earlier)
    texts = {item.prompt.messages[0]["content"]: item.expected.accepts for item in items}
    assert texts == {f"Question {n}?": ["first"] for n in range(4)} | {"Question 5?": ["tie"]}


def test_items_that_somebody_decided_become_gold_as_decided():
    earlier = earlier_study()
    disputed = earlier.items.get(position=4)
    for verdict in ("both_bad", "second"):
        Adjudication.objects.create(item=disputed, adjudicator=make_user(), verdict=verdict, note="It is wrong.")
    items = copied(make_study(), earlier, ItemKind.TRAINING)
    [decided] = [item for item in items if item.prompt.messages[0]["content"] == "Question 4?"]
    assert (decided.expected.accepts, decided.expected.explanation) == (["second"], "It is wrong.")


def test_two_raters_who_agree_are_not_enough():
    earlier = earlier_study()
    first = Rating.objects.filter(assignment__item__position=0).values("pk")[:1]
    rewrite(Rating.objects.filter(pk__in=list(first.values_list("pk", flat=True))), choice="withdrawn")
    assert len(copied(make_study(), earlier)) == 4


def test_copies_hold_on_to_nothing_of_the_earlier_study():
    earlier, study = earlier_study(), make_study()
    for item in copied(study, earlier):
        assert item.prompt.suite is None
        assert {item.first.contender, item.second.contender} == {None}


def test_no_more_than_wanted_are_taken_and_never_the_same_again():
    earlier, study = earlier_study(), make_study()
    assert from_study(study, earlier, ItemKind.GOLD, 2, None) == Made(2, [])
    assert from_study(study, earlier, ItemKind.GOLD, 50, None) == Made(3, [])
    with pytest.raises(ChecksRefused, match="No item of “Study"):
        from_study(study, earlier, ItemKind.GOLD, 5, None)


def test_what_raters_of_this_study_cannot_say_is_no_check_for_them():
    earlier = earlier_study()
    items = copied(make_study(design={"ties": False}), earlier)
    assert all(item.expected.accepts == ["first"] for item in items)


def test_what_names_a_policy_of_this_study_is_left_out():
    earlier = earlier_study()
    rewrite(Answer.objects.filter(prompt__position=0), text="I am sparrow-2.")
    study = make_study(policies=[make_policy(name="sparrow-2"), make_policy()])
    assert len(copied(study, earlier)) == 4


def test_a_study_that_is_still_rated_lends_nothing():
    with pytest.raises(ChecksRefused, match="is not closed yet"):
        from_study(make_study(), make_study(), ItemKind.GOLD, 5, None)


# --- From the study's own answers -------------------------------------------------------------------------------------


def opened(**fields: Any) -> Study:
    study = answered_study(**fields)
    open_study(study)
    study.refresh_from_db()
    return study


def test_attention_items_put_two_answers_of_one_policy_beside_each_other():
    study = opened(policies=3, prompts=20)
    assert from_answers(study, 9, make_user()).count == 9
    items = list(study.items.filter(kind="attention").select_related("first", "second"))
    for item in items:
        assert item.first.contender == item.second.contender
        assert item.first.prompt == item.prompt != item.second.prompt
        assert item.expected.accepts == ["first", "both_bad", "tie"]
    by_policy = [sum(item.first.contender == one for item in items) for one in study.contenders.all()]
    assert by_policy == [3, 3, 3]


def test_the_other_answer_is_to_a_prompt_of_few_words_in_common():
    study = opened(policies=2, prompts=10)
    for prompt in Prompt.objects.all():
        text = f"Where is island {prompt.position}?" if prompt.position % 2 else f"Add {prompt.position} and 1."
        Prompt.objects.filter(pk=prompt.pk).update(messages=[{"role": "user", "content": text}])
    from_answers(study, 6, None)
    for item in study.items.filter(kind="attention").select_related("prompt", "second__prompt"):
        assert likeness(item.prompt, item.second.prompt) == 0


def test_attention_items_are_made_as_the_study_opens_where_its_design_asks_for_them():
    assert opened(design={"attention_items": 4, "check_share": 0.1}).items.filter(kind="attention").count() == 4
    assert not opened(design={"attention_items": 4}).items.filter(kind="attention").exists()


def test_more_attention_items_take_other_answers():
    study = opened(policies=2, prompts=10)
    from_answers(study, 6, None)
    from_answers(study, 6, None)
    firsts = list(study.items.filter(kind="attention").values_list("first", flat=True))
    assert len(firsts) == len(set(firsts)) == 12


def test_answers_that_must_not_be_shown_lend_themselves_to_no_check():
    study = opened(policies=2, prompts=6)
    rewrite(Answer.objects.filter(prompt__position__lt=4), text="As an AI I cannot say.")
    from_answers(study, 50, None)
    assert not study.items.filter(kind="attention", first__text__startswith="As an AI").exists()
    assert not study.items.filter(kind="attention", second__text__startswith="As an AI").exists()
    assert study.items.filter(kind="attention").exists()


def test_before_answers_are_there_it_is_said_and_nothing_is_made():
    study = make_study(items=0, state="generating")
    with pytest.raises(ChecksRefused, match="Answers are still being generated"):
        from_answers(study, 5, None)


# --- What becomes of them ---------------------------------------------------------------------------------------------


def test_pages_of_checks_are_made_like_those_of_comparisons(client: Client):
    """Texts and tokens taken out, the page of a gold, an attention and a plain item are the same to the letter."""
    study = opened(policies=2, prompts=6, item_limit=1, design={"check_share": 0.3})
    from_answers(study, 1, None)
    add(study, row(better="Answer 0 to 0.", worse="Answer 1 to 0.", prompt="Question 0?"))
    rater = make_rater()
    client.force_login(rater)
    pages = set()
    for item in study.items.all():
        with_lease = assigning.leases.lease(item.pk, rater, item.pair)
        page = client.get(reverse("rate-item", args=[with_lease.token])).content.decode()
        for text in (with_lease.token, item.first.text, item.second.text, item.prompt.messages[0]["content"]):
            page = page.replace(text, "…")
        pages.add("\n".join(line for line in page.splitlines() if "csrf" not in line.lower()))
        with_lease.delete()
        assigning.leases.count_places([item.pk])
    assert len(pages) == 1


def test_how_raters_did_is_told_in_counts_alone():
    study = make_study(items=2, ratings_per_item=2, design={"check_share": 0.3})
    add(study, row(kind="training"))
    item = study.items.get(kind="training")
    for choice in ("a", "b"):
        assigning.submit(take(make_rater()), choice, 1)
    tally = tallies(study)[item.pk]
    assert tally.judged == 2
    assert tally.right in {0, 1, 2}


def test_a_check_that_is_set_aside_is_shown_to_nobody_and_counts_for_nobody():
    study, rater = make_study(items=2), make_rater()
    add(study, row(kind="training"), row(kind="training", prompt="Another?"))
    assigning.submit(take(rater), "tie", 1)
    assert list(outcomes(study, ItemKind.TRAINING, rater=rater)) == [(rater.pk, False)]
    for item in study.items.filter(kind="training"):
        set_aside(item, make_user())
    assert take(rater).item.kind == "comparison"
    assert not list(outcomes(study, ItemKind.TRAINING, rater=rater))
    assert study.audit.filter(verb="check set aside").count() == 2


def test_comparisons_cannot_be_set_aside_as_checks():
    study = make_study(items=1)
    set_aside(study.items.get(), make_user())
    assert study.items.get().quarantine == ""


# --- The page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user())
    return client


def page_of(study: Study) -> str:
    return reverse("study-checks", args=[study.slug])


def test_pasted_lines_are_added_and_those_that_gave_none_come_back_to_be_mended(researcher: Client):
    study = make_study()
    text = f"{json.dumps(row())}\nnonsense\n"
    answer = researcher.post(page_of(study), {"way": "lines", "lines-text": text})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "1 check added." in page
    assert "The row is not JSON" in page
    assert ">\nnonsense</textarea>" in page
    assert study.items.filter(kind="gold").count() == 1


def test_lines_of_which_none_can_be_used_are_refused_and_nothing_is_lost(researcher: Client):
    answer = researcher.post(page_of(make_study()), {"way": "lines", "lines-text": "nonsense\nmore of it"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "No line gives a check." in page
    assert ">\nnonsense\nmore of it</textarea>" in page
    assert page.count("The row is not JSON") == 2


def test_an_uploaded_file_is_read(researcher: Client):
    study = make_study()
    file = SimpleUploadedFile("checks.jsonl", json.dumps(row()).encode())
    assert researcher.post(page_of(study), {"way": "lines", "lines-file": file}).status_code == 302
    assert study.items.filter(kind="gold").count() == 1


@pytest.mark.parametrize(
    "sent, told",
    [
        ({"lines-text": ""}, "Either paste lines or choose a file"),
        ({"lines-file": SimpleUploadedFile("a.jsonl", b"PK\x03\x04")}, "This is a zip archive"),
    ],
)
def test_what_is_no_list_of_checks_is_refused(researcher: Client, sent: dict[str, Any], told: str):
    answer = researcher.post(page_of(make_study()), {"way": "lines"} | sent)
    assert answer.status_code == 422
    assert told in answer.content.decode()


def test_items_of_an_earlier_study_are_copied_by_the_page(researcher: Client):
    earlier, study = earlier_study(), make_study()
    sent = {"way": "earlier", "earlier-earlier": earlier.pk, "earlier-number": 3, "earlier-kind": "training"}
    assert researcher.post(page_of(study), sent).status_code == 302
    assert study.items.filter(kind="training").count() == 3


def test_attention_items_are_made_by_the_page(researcher: Client):
    study = opened(policies=2, prompts=6)
    assert researcher.post(page_of(study), {"way": "answers", "answers-number": 3}).status_code == 302
    page = researcher.get(page_of(study)).content.decode()
    assert page.count("first, both bad, tie") == 3


def test_the_page_lists_checks_with_counts_and_no_rater(researcher: Client):
    study = make_study(items=2)
    add(study, row(kind="training"))
    rater = make_rater("only-one")
    assignment = take(rater)
    assigning.submit(assignment, "a" if assignment.first_is_a else "b", 1)
    page = researcher.get(page_of(study)).content.decode()
    assert "1 of 1" in page
    assert "What is two and two?" in page
    assert "only-one" not in page


def test_a_check_is_set_aside_by_the_page(researcher: Client):
    study = make_study()
    add(study, row())
    item = study.items.get(kind="gold")
    researcher.post(reverse("study-check-set-aside", args=[study.slug, item.pk]))
    assert "set aside" in researcher.get(page_of(study)).content.decode()
    assert ExpectedJudgement.objects.filter(item__quarantine="").count() == 0


def test_a_check_of_another_study_cannot_be_set_aside_from_here(researcher: Client):
    study, other = make_study(), make_study()
    add(other, row())
    address = reverse("study-check-set-aside", args=[study.slug, other.items.get(kind="gold").pk])
    assert researcher.post(address).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_annotators_learn_nothing_of_checks(client: Client, method: str):
    study = make_study()
    client.force_login(make_user(role=Role.ANNOTATOR))
    assert getattr(client, method)(page_of(study)).status_code == 403
