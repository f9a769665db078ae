"""Answers of a study: each once, resumed after any loss, equal sampling, then items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from comparisons import generation
from comparisons.creation import StudyRefused, create_study
from comparisons.generation import generate
from comparisons.models import Answer, Endpoint, EndpointState, Item, ServedPolicy, ServedState, Study, StudyState
from comparisons.sampling import REFUSED
from comparisons.serving import gateway
from comparisons.tasks import work_on_studies
from tests.comparisons.scripted_engine import ScriptedEngine
from tests.comparisons.serving_factories import make_endpoint, make_family, make_suite, make_waiting_study

pytestmark = pytest.mark.django_db
PROMPTS = [f"What is island {number}?" for number in range(12)]


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    scripted = ScriptedEngine("base", "alpha-1", "beta-2")
    yield scripted
    scripted.stop()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gateway, "FIRST_PAUSE", 0.01)


@pytest.fixture
def study(engine: ScriptedEngine) -> Study:
    """Three policies on twelve prompts, waiting; the answers name their policies, so the topics must, too."""
    family = make_family("base", "alpha-1", "beta-2")
    make_endpoint(engine.url, family)
    return make_waiting_study(family, *PROMPTS, "Who are alpha-1 and beta-2 of the base?")


def state_of(study: Study) -> tuple[str, str]:
    study.refresh_from_db()
    return study.state, study.error


def test_every_policy_answers_every_prompt_once_and_the_study_opens(study: Study, engine: ScriptedEngine):
    generate(study.pk)
    assert state_of(study) == (StudyState.OPEN, "")
    assert study.opened_at is not None
    assert Answer.objects.count() == 3 * 13
    assert set(engine.asked.values()) == {1}


def test_generating_again_asks_nothing_again(study: Study, engine: ScriptedEngine):
    generate(study.pk)
    Study.objects.update(state=StudyState.GENERATING)
    generate(study.pk)
    assert sum(engine.asked.values()) == 3 * 13
    assert state_of(study)[0] == StudyState.OPEN


def test_all_contenders_are_asked_with_the_same_sampling_and_seed(study: Study, engine: ScriptedEngine):
    generate(study.pk)
    by_prompt: dict[str, set[tuple[float, int, int]]] = {}
    for body in engine.bodies:
        sampling = (body["temperature"], body["max_tokens"], body["seed"])
        by_prompt.setdefault(body["messages"][-1]["content"], set()).add(sampling)
    assert {len(different) for different in by_prompt.values()} == {1}
    assert len({seed for [(_, _, seed)] in by_prompt.values()}) == 13


def test_an_interrupted_study_is_resumed_and_each_answer_is_made_once(
    study: Study, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
):
    """The worker dies (here: is interrupted) after storing 16 answers; the next one makes the other 23."""
    store = generation.store

    def store_and_die(*args: object) -> None:
        store(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(generation, "store", store_and_die)
        with pytest.raises(KeyboardInterrupt):
            generate(study.pk)
    stored = Answer.objects.count()
    assert 0 < stored < 39
    first = dict(Answer.objects.values_list("pk", "text"))
    Study.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    generate(study.pk)
    assert Answer.objects.count() == 39
    assert dict(Answer.objects.filter(pk__in=first).values_list("pk", "text")) == first
    assert Counter(Answer.objects.values_list("contender", flat=True)).most_common()[-1][1] == 13


def test_a_study_in_the_hands_of_a_living_worker_is_left_alone(study: Study, engine: ScriptedEngine):
    Study.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=20))
    generate(study.pk)
    assert not engine.asked
    assert state_of(study)[0] == StudyState.GENERATING


def test_an_engine_lost_half_way_costs_no_answer_and_the_study_goes_on_by_itself(study: Study, engine: ScriptedEngine):
    """The engine goes after 10 answers; the sweep then says why it waits, and finishes once the engine is back."""
    engine.script = [""] * 10 + ["503"] * 1000
    engine.healthy = False
    work_on_studies()
    state, error = state_of(study)
    assert state == StudyState.GENERATING
    assert error.startswith(f"vLLM at {engine.url} does not answer")
    kept = set(Answer.objects.values_list("pk", flat=True))
    assert len(kept) == 10

    engine.healthy, engine.script = True, []
    work_on_studies()
    assert state_of(study) == (StudyState.OPEN, "")
    assert kept < set(Answer.objects.values_list("pk", flat=True))
    # What was on its way when the engine went may be asked again; what was stored is not.
    stored = Answer.objects.filter(pk__in=kept).select_related("prompt")
    assert {engine.asked[row.served_name, row.prompt.messages[-1]["content"]] for row in stored} == {1}


def test_a_study_whose_engine_is_down_says_so_and_asks_nothing(study: Study, engine: ScriptedEngine):
    Endpoint.objects.update(state=EndpointState.DOWN, error="vLLM ended with status 137.")
    generate(study.pk)
    state, error = state_of(study)
    assert state == StudyState.GENERATING
    assert error == (
        "The engine of The base policy does not serve it now. vLLM ended with status 137. "
        "Generating goes on by itself once it does."
    )
    assert not engine.asked


def test_a_study_with_a_policy_that_cannot_be_served_tells_the_keepers_reason(study: Study):
    ServedPolicy.objects.filter(policy__served_name="beta-2").update(state=ServedState.FAILED, error="Rank too high.")
    generate(study.pk)
    assert state_of(study) == (StudyState.GENERATING, "Rank too high.")


def test_a_study_that_is_closed_meanwhile_stays_closed(study: Study, monkeypatch: pytest.MonkeyPatch):
    store = generation.store

    def close_then_store(*args: object) -> None:
        Study.objects.update(state=StudyState.CLOSED)
        store(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(generation, "store", close_then_store)
    generate(study.pk)
    assert state_of(study)[0] == StudyState.CLOSED
    assert not Item.objects.exists()


def test_a_refused_prompt_is_stored_with_its_reason_and_its_items_are_set_aside(study: Study, engine: ScriptedEngine):
    """One refusal concerns one answer, and so two of the three pairs on its prompt."""
    engine.script = ["400"]
    generate(study.pk)
    refused = Answer.objects.get(finish_reason=REFUSED)
    assert (refused.text, refused.error) == ("", "scripted 400")
    set_aside = Item.objects.filter(quarantine="No answer: scripted 400")
    assert set_aside.count() == 2
    assert state_of(study)[0] == StudyState.OPEN


# --- Items ------------------------------------------------------------------------------------------------------------


def test_every_pair_of_contenders_is_compared_on_every_prompt(study: Study):
    generate(study.pk)
    pairs = Counter(frozenset((item.first.contender_id, item.second.contender_id)) for item in items_of(study))
    assert sorted(pairs.values()) == [13, 13, 13]
    assert all(item.first.prompt_id == item.second.prompt_id == item.prompt_id for item in items_of(study))


def test_positions_are_a_shuffled_order_that_the_seed_fixes(study: Study):
    generate(study.pk)
    order = [(item.prompt_id, item.first_id) for item in items_of(study)]
    assert [item.position for item in items_of(study)] == list(range(39))
    assert order != sorted(order)
    Study.objects.update(state=StudyState.GENERATING)
    generate(study.pk)
    assert [(item.prompt_id, item.first_id) for item in items_of(study)] == order


def test_a_limit_is_spread_evenly_over_the_pairs(study: Study):
    """10 items over 3 pairs: 4, 3 and 3."""
    Study.objects.update(item_limit=10)
    generate(study.pk)
    pairs = Counter(frozenset((item.first.contender_id, item.second.contender_id)) for item in items_of(study))
    assert sorted(pairs.values()) == [3, 3, 4]


def test_which_contender_comes_first_is_drawn(study: Study):
    generate(study.pk)
    first = Counter((item.first.contender_id or 0) < (item.second.contender_id or 0) for item in items_of(study))
    assert min(first[True], first[False]) > 5


def items_of(study: Study) -> list[Item]:
    return list(study.items.select_related("first", "second").order_by("position"))


# --- Creating ---------------------------------------------------------------------------------------------------------


def test_a_study_of_one_policy_is_refused():
    [base] = make_family("base")
    with pytest.raises(StudyRefused, match="at least two different policies"):
        create_study(name="Round", suites=[make_suite("Why?")], policies=[base, base], sampling={})


@pytest.mark.parametrize(
    "shown, reason",
    [
        ({"name": "DPO against the rest"}, r"names a method \('DPO'\)"),
        ({"name": "Round", "guideline": "One of them is alpha-1."}, r"names a policy or run \('alpha-1'\)"),
    ],
)
def test_a_name_or_guideline_that_tells_raters_what_is_compared_is_refused(shown: dict[str, Any], reason: str):
    with pytest.raises(StudyRefused, match=reason):
        create_study(suites=[make_suite("Why?")], policies=make_family("base", "alpha-1"), sampling={}, **shown)
    assert not Study.objects.exists()


def test_sampling_that_does_not_exist_is_refused():
    asked: dict[str, Any] = {"suites": [make_suite("Why?")], "policies": make_family("b", "a-1")}
    with pytest.raises(TypeError, match="temprature"):
        create_study(name="R", sampling={"temprature": 1}, **asked)


def test_two_studies_of_one_name_have_addresses_of_their_own():
    family, suite = make_family("base", "alpha-1"), make_suite("Why?")
    slugs = [
        create_study(name=name, suites=[suite], policies=family, sampling={}).slug for name in ("Round", "Round", "New")
    ]
    assert slugs == ["round", "round-2", "new-2"]
