"""Where a campaign stands: every round with its stage, and the one thing to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Prefetch, QuerySet
from pydantic import ValidationError

from comparisons.models import Campaign, Round, SealingJob
from comparisons.studies import Summary, summaries
from training.launching.budgets import Budget
from training.launching.together import Plan, equality
from training.models import Run

from .gains import RoundGain, gains_of
from .picture import Picture, picture
from .steps import Stage, plans_of, stage_of

SENTENCES = {
    Stage.LAUNCH: "The data is there. Launch the runs of this round.",
    Stage.TRAINING: "The runs train. The study can be started when all have succeeded.",
    Stage.STOPPED: "A run failed or was cancelled. Queue it again, or open it to see why.",
    Stage.STUDY: "All runs have succeeded. Start the study that compares them.",
    Stage.RATING: "The study runs. Close it when enough judgements are there.",
    Stage.DATA: "The study is closed. Make the data of the next round from its judgements.",
    Stage.SEALING: "A worker makes the data of the next round.",
    Stage.DONE: "The next round has its data.",
}


@dataclass(frozen=True, slots=True)
class ShownRound:
    """A round with what is known of it."""

    round: Round
    stage: Stage
    runs: list[Run]
    rated: Summary | None
    gain: RoundGain | None

    @property
    def sentence(self) -> str:
        return SENTENCES[self.stage]


class Standing:
    """A campaign's rounds, the latest first; what costs time is worked out when it is asked for."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.in_order = list(rounds().filter(campaign=campaign).order_by("number"))
        for one in self.in_order:
            one.campaign = campaign  # one row, one object

    @property
    def current(self) -> Round:
        return self.in_order[-1]

    @cached_property
    def stage(self) -> Stage:
        """Of the current round."""
        return stage_of(self.current)

    @property
    def sentence(self) -> str:
        return SENTENCES[self.stage]

    @property
    def moves(self) -> bool:
        """Whether something changes by itself: runs train, raters judge, or a worker makes data."""
        return self.stage in {Stage.TRAINING, Stage.RATING, Stage.SEALING}

    @property
    def sealing(self) -> SealingJob | None:
        """The job that makes the data of the next round, or the last that ended without any."""
        return next(iter(self.current.sealings.all()), None)

    @cached_property
    def plans(self) -> list[Plan]:
        """What launching the current round would queue; empty when that has been done, or cannot be."""
        try:
            return plans_of(self.current) if self.stage == Stage.LAUNCH else []
        except ValidationError:
            return []

    @property
    def unknown_settings(self) -> bool:
        """Whether the settings that the campaign was made with are none that a run can have any more."""
        return self.stage == Stage.LAUNCH and not self.plans

    @property
    def equality(self) -> str:
        return equality(self.plans, Budget.model_validate(self.campaign.budget)) if self.plans else ""

    @property
    def needs_reason(self) -> bool:
        return any(plan.verdict and plan.verdict.needs_reason for plan in self.plans)

    @cached_property
    def gains(self) -> list[RoundGain]:
        return gains_of(self.in_order)

    @cached_property
    def shown(self) -> list[ShownRound]:
        """Rounds for the page, the latest first."""
        rated = {one.study.pk: one for one in summaries(r.study for r in self.in_order if r.study)}
        gains = {gain.round.pk: gain for gain in self.gains}
        return [
            ShownRound(one, stage_of(one), list(one.runs.all()), rated.get(one.study_id or 0), gains.get(one.pk))
            for one in reversed(self.in_order)
        ]

    @property
    def pictures(self) -> list[tuple[str, Picture]]:
        """Gains against the base and against the best before, where there are any."""
        base = [(gain.round.number, gain.against_base) for gain in self.gains]
        best = [(gain.round.number, gain.against_best) for gain in self.gains]
        titled = (("Preferred to the base", base), ("Preferred to the best of the round before", best))
        return [(title, picture(found)) for title, found in titled if any(gains for _, gains in found)]

    @property
    def measures_itself(self) -> bool:
        """Whether gains are measured on prompts that may become training data of the next round."""
        return not any(suite.held_for_evaluation for suite in self.campaign.suites.all())


def rounds() -> QuerySet[Round]:
    """Rounds with everything that their page names."""
    runs = Prefetch("runs", Run.objects.select_related("policy").order_by("created_at", "pk"))
    related = ("data__dataset", "produced__dataset", "study", "campaign__base")
    return Round.objects.select_related(*related).prefetch_related(runs, "sealings")


def standings(campaigns: Sequence[Campaign]) -> list[Standing]:
    """Each of the campaigns of a page."""
    return [Standing(campaign) for campaign in campaigns]
