"""The steps of a round: launch, resume, start the study, begin the next round on its data. Each is taken once.

What has been done is read from the rows (training.models.Run, Study, Round); a campaign keeps no state of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5

from django.db import transaction

from alignapp.accounts.models import User
from comparisons.creation import create_study
from comparisons.design import Design
from comparisons.export import Rule
from comparisons.models import RaterPool, Round, Study, StudyState
from training.config import Method
from training.launching import together
from training.launching.budgets import Budget
from training.launching.together import Plan
from training.models import DatasetVersion, Policy, Run, RunState
from training.models.runs import FINISHED
from training.runs import queue
from training.runs.together import launch as queue_together

from .gains import best_of


class CampaignRefused(ValueError):
    """A step that cannot be taken; the message is a sentence for people."""


class Stage(StrEnum):
    """How far a round is: what has to be done, or is being done, next."""

    LAUNCH = "launch"
    TRAINING = "training"
    STOPPED = "stopped"
    STUDY = "study"
    RATING = "rating"
    DATA = "data"
    SEALING = "sealing"
    DONE = "done"


def stage_of(round: Round) -> Stage:
    """The first thing that is not done yet."""
    if round.produced_id:
        return Stage.DONE
    if round.study:
        if round.study.state != StudyState.CLOSED:
            return Stage.RATING
        return Stage.DATA if all(job.ended for job in round.sealings.all()) else Stage.SEALING
    states = {run.state for run in round.runs.all()}
    if not states:
        return Stage.LAUNCH
    if states <= {RunState.SUCCEEDED}:
        return Stage.STUDY
    return Stage.STOPPED if states <= set(FINISHED) else Stage.TRAINING


def locked(round: Round) -> Round:
    """The round's row, locked until the transaction ends."""
    return Round.objects.select_for_update(no_key=True).get(pk=round.pk)


def plans_of(round: Round) -> list[Plan]:
    """What each method would do on the round's data; raises pydantic.ValidationError for settings that are none."""
    campaign = round.campaign
    recipes = {Method(one["method"]): one["config"] for one in campaign.launches}
    return together.plans(recipes, Budget.model_validate(campaign.budget), campaign.base, round.data)


def launch(round: Round, plans: Sequence[Plan], user: User | None, reason: str = "") -> list[Run]:
    """Queue the round's runs, unless they are; raises queue.Refused, and then none is."""
    with transaction.atomic():
        round = locked(round)
        if runs := list(round.runs.order_by("created_at")):
            return runs
        runs = queue_together(
            {plan.method: plan.config for plan in plans},
            ticket=uuid5(NAMESPACE_URL, f"campaign round {round.pk}"),
            base=round.campaign.base,
            version=round.data,
            user=user,
            override_reason=reason,
        )
        round.runs.set(runs)
    return runs


def resume(round: Round) -> int:
    """Queue the round's failed and cancelled runs again; returns how many."""
    return sum(queue.resume(run) for run in round.runs.all())


def start_study(round: Round, user: User | None) -> Study:
    """The round's study, made if it is not there; raises CampaignRefused or StudyRefused."""
    with transaction.atomic():
        round = locked(round)
        if round.study:
            return round.study
        if stage_of(round) != Stage.STUDY:
            raise CampaignRefused("Not all runs of this round have succeeded, so there is nothing to compare yet.")
        campaign, rating = round.campaign, dict(round.campaign.rating)
        round.study = create_study(
            **rating
            | {
                "name": str(round),
                "design": Design.model_validate(rating.get("design", {})),
                "pools": list(RaterPool.objects.filter(pk__in=rating.get("pools", []))),
                "seed": rating.get("seed", 0) + round.number - 1,
            },
            suites=list(campaign.suites.all()),
            policies=list(contenders_of(round)),
            user=user,
        )
        round.save(update_fields=["study"])
    return round.study


def contenders_of(round: Round) -> Iterator[Policy]:
    """Whom the round compares: the base, what its runs made, and the best of the round before, each once."""
    yield round.campaign.base
    yield from Policy.objects.filter(run__in=round.runs.all()).order_by("run__created_at", "pk")
    before = round.previous
    best = best_of(before) if before else None
    if best and best != round.campaign.base:
        yield best


def study_for_data(round: Round) -> Study:
    """The closed study whose judgements become the data of the next round; raises CampaignRefused."""
    if round.produced:
        raise CampaignRefused("The data of the next round is there already.")
    if round.study is None or round.study.state != StudyState.CLOSED:
        raise CampaignRefused("The study of this round is not closed, so its judgements are no data yet.")
    return round.study


def begin_next(round: Round, version: DatasetVersion, rule: Rule) -> None:
    """The next round on this data; to be called in the transaction that publishes it. Raises CampaignRefused."""
    round = locked(round)
    study_for_data(round)
    round.produced = version
    round.save(update_fields=["produced"])
    campaign = round.campaign
    campaign.rule = asdict(rule)
    campaign.save(update_fields=["rule"])
    campaign.rounds.create(number=round.number + 1, data=version)
