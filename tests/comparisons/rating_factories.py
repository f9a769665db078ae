"""Studies ready for rating, made with plain functions: policies, prompts, answers, items."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from alignapp.accounts.models import Role, User
from comparisons import assignment as assigning
from comparisons.briefing import mark_read
from comparisons.design import Design
from comparisons.models import Answer, Assignment, Contender, Guideline, Item, Prompt, Study, StudyState, Suite
from tests.factories import make_policy, make_user
from training.models import Policy

_numbers = itertools.count(1)


def make_rater(name: str = "") -> User:
    """An annotator."""
    return make_user(name, role=Role.ANNOTATOR)


def make_study(items: int = 4, policies: Sequence[Policy] = (), ratings_per_item: int = 1, **fields: Any) -> Study:
    """An open study: every pair of policies on each prompt, until there are `items` items."""
    number = next(_numbers)
    policies = policies or [make_policy(), make_policy()]
    suite = Suite.objects.create(slug=f"suite-{number}", name=f"Suite {number}")
    values: dict[str, Any] = {
        "slug": f"study-{number}",
        "name": f"Study {number}",
        "state": StudyState.OPEN,
        "ratings_per_item": ratings_per_item,
        "opened_at": timezone.now(),
    }
    guideline = fields.pop("guideline", "Prefer the answer that is right.")
    design = Design(**fields.pop("design", {})).model_dump(mode="json")
    study = Study.objects.create(design=design, **(values | fields))
    study.suites.add(suite)
    study.guidelines.create(number=1, text=guideline)
    contenders = [Contender.objects.create(study=study, policy=policy) for policy in policies]
    add_items(study, contenders, items)
    return study


def add_items(study: Study, contenders: Sequence[Contender], items: int) -> None:
    """Items with answers that tell prompt and contender by their text: 'answer 3 of 1'."""
    pairs = list(itertools.combinations(range(len(contenders)), 2))
    for position in range(items):
        prompt = make_prompt(study.suites.get(), position // len(pairs))
        first, second = (_answer(contenders, prompt, place) for place in pairs[position % len(pairs)])
        Item.objects.create(study=study, prompt=prompt, first=first, second=second, position=position)


def _answer(contenders: Sequence[Contender], prompt: Prompt, place: int) -> Answer:
    there = Answer.objects.filter(contender=contenders[place], prompt=prompt).first()
    return there or make_answer(contenders[place], prompt, f"answer {prompt.position} of {place}")


def make_prompt(suite: Suite, position: int, text: str = "") -> Prompt:
    text = text or f"Question {position}?"
    digest = hashlib.sha256(text.encode()).hexdigest()
    messages = [{"role": "user", "content": text}]
    values = {"position": position, "messages": messages}
    return Prompt.objects.get_or_create(suite=suite, sha256=digest, defaults=values)[0]


def make_answer(contender: Contender, prompt: Prompt, text: str, **fields: Any) -> Answer:
    values: dict[str, Any] = {
        "finish_reason": "stop",
        "tokens": 20,
        "first_token_seconds": 0.05,
        "total_seconds": 0.5,
        "seed": 1,
        "served_name": contender.policy.served_name,
        "engine_version": "0.32.0",
    }
    return Answer.objects.create(contender=contender, prompt=prompt, text=text, **(values | fields))


def rewrite(rows: QuerySet[Any], **values: Any) -> None:
    """Change rows that the application itself never changes, as if they had been stored like that."""
    QuerySet.update(rows, **values)


def read_guidelines(rater: User) -> None:
    """The rater was shown what they are told about every study there is."""
    for guideline in Guideline.objects.all():
        mark_read(guideline, rater)


def take(rater: User) -> Assignment:
    """The item this rater should judge now; there must be one."""
    assignment = assigning.next_assignment(rater)
    assert assignment is not None
    return assignment


def judge_all(study: Study, rater: User, decide: Callable[[Assignment], str]) -> int:
    """Let the rater judge whatever they are given; `decide` says how. Returns how many."""
    for count in itertools.count():
        assignment = assigning.next_assignment(rater)
        if assignment is None:
            return count
        assert assignment.item.study_id == study.pk
        outcome = assigning.submit(assignment, decide(assignment), assigning.next_revision(assignment))
        assert outcome in {assigning.Outcome.SAVED, assigning.Outcome.SKIPPED}
    raise AssertionError("unreachable")


def prefer(policy: Policy) -> Callable[[Assignment], str]:
    """A rater who always prefers this policy, whichever side it stands on; a tie where it is absent."""

    def decide(assignment: Assignment) -> str:
        if assignment.answer_a.contender.policy_id == policy.pk:
            return "a"
        return "b" if assignment.answer_b.contender.policy_id == policy.pk else "tie"

    return decide
