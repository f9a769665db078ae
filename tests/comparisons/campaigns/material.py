"""Campaigns whose runs and studies are finished by hand."""

from __future__ import annotations

from typing import Any

from comparisons import sealing
from comparisons.campaigns import create_campaign
from comparisons.export import Rule
from comparisons.models import Campaign, ItemKind, Round, SealingJob, Stratum, Study, StudyState, Suite
from tests.comparisons.export.material import say
from tests.comparisons.rating_factories import make_answer, make_prompt, make_rater
from tests.factories import make_policy, make_version
from training.config import Method
from training.launching.budgets import Budget
from training.models import DatasetVersion, Policy, Run, RunState

METHODS = {Method.DPO: {"beta": 0.3}, Method.CPO: {"beta": 0.3}}


def make_suite(name: str, prompts: int = 6, held: bool = False) -> Suite:
    slug = name.lower().replace(" ", "-")
    suite = Suite.objects.create(slug=slug, name=name, held_for_evaluation=held, stratum=Stratum.OTHER)
    for position in range(prompts):
        make_prompt(suite, position, f"{name} question {position}?")
    return suite


def make_campaign(**fields: Any) -> Campaign:
    """On one suite that is held and one that gives data, from a base and data without files."""
    values: dict[str, Any] = {
        "name": "Ferries",
        "base": make_policy(name="The base 1"),
        "data": make_version(),
        "recipes": METHODS,
        "budget": Budget(),
        "rating": {"item_limit": 0, "ratings_per_item": 2, "sampling": {"max_tokens": 32}, "guideline": "Be fair."},
    }
    suites = fields.pop("suites", None) or [make_suite("Measured", held=True), make_suite("Collected")]
    return create_campaign(suites=suites, **(values | fields))


def finish(run: Run) -> Policy:
    """As if the run had made a policy."""
    Run.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED)
    return make_policy(name=f"{run.name} policy", method=run.method, run=run, base=run.base)


def train(round: Round) -> list[Policy]:
    return [finish(run) for run in round.runs.order_by("created_at", "pk")]


def make_data(round: Round, rule: Rule | None = None, *, join: bool = False) -> DatasetVersion | None:
    """The data of the next round when a worker has made it."""
    job = sealing.submit_round(Round.objects.get(pk=round.pk), rule or Rule(), None, join=join)
    sealing.work()
    return SealingJob.objects.get(pk=job.pk).version


def rate(study: Study, winner: Policy, raters: int = 2, loses_on: str = "") -> None:
    """Answers of all contenders, an item per pair and prompt, each judged by everybody; then the study is closed.

    `winner` wins against all, except where the prompt begins with `loses_on`; of other pairs the later contender wins.
    """
    contenders = list(study.contenders.select_related("policy"))
    people = [make_rater() for _ in range(raters)]
    position = 0
    for prompt in study.prompts:
        answers = [make_answer(contender, prompt, f"{prompt.pk} by {contender.pk}") for contender in contenders]
        for i in range(len(answers)):
            for j in range(i + 1, len(answers)):
                place = {"prompt": prompt, "first": answers[i], "second": answers[j], "position": position}
                item = study.items.create(kind=ItemKind.COMPARISON, **place)
                position += 1
                first_wins = contenders[i].policy == winner
                if loses_on and str(prompt).startswith(loses_on):
                    first_wins = not first_wins and contenders[j].policy == winner
                for person in people:
                    say(item, person, "first" if first_wins else "second")
    Study.objects.filter(pk=study.pk).update(state=StudyState.CLOSED)
    study.refresh_from_db()
