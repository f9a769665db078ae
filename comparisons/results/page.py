"""Everything that the results page shows of a study, for the part of it that is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comparisons.models import AssignmentState, Contender, Rating, Study
from comparisons.statistics.agreement import Agreement
from comparisons.statistics.shares import Share
from comparisons.statistics.verdicts import scope, verdict
from comparisons.statistics.win_rates import win_matrix

from .agreement import Coefficient, ItemAgreement, by_item, coefficients
from .costs import Cost, cost_of
from .judgements import EVERYTHING, Judgements, Look, Said, asked, judgements_of, names_of, of_own_runs
from .noise import WrongLabels, wrong_labels_quickly
from .people import RaterRow, rater_rows, side_a
from .standings import Cell, Group, Standing, by_pool, by_stratum, matrix_rows, rates_of, standings, strengths_of

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the results page shows. Costs are of all answers, whatever part of the study is looked at.

    `own_runs`: judgements of answers of runs that their raters launched; None where the study does not allow them.
    """

    verdict: str
    scope: str
    standings: list[Standing]
    corrected: bool
    connected: bool
    matrix: list[tuple[Contender, list[Cell | None]]]
    strata: list[Group]
    pools: list[Group]
    preferences: int
    ties: int
    both_bad: int
    skipped: int
    late: int
    own_runs: int | None
    side_a: Share | None
    coefficients: list[Coefficient]
    items: ItemAgreement
    wrong_labels: WrongLabels
    raters: list[RaterRow]
    costs: list[Cost]
    curves: dict[str, Any]

    @property
    def judgements(self) -> int:
        return self.preferences + self.ties + self.both_bad

    @property
    def agreement(self) -> Agreement:
        """Krippendorff's α, the measure that is named first."""
        return self.coefficients[0].found

    @property
    def axis(self) -> tuple[float, float]:
        """Start and length of the strengths' axis: all whiskers, the zero, and a little air."""
        ends = [0.0, *(standing.low for standing in self.standings), *(standing.high for standing in self.standings)]
        air = 0.05 * (max(ends) - min(ends)) or 0.5
        return min(ends) - air, max(ends) - min(ends) + 2 * air


def gather(study: Study, look: Look = EVERYTHING) -> Results:
    """Count and estimate everything the page shows of a study."""
    contenders = list(study.contenders.select_related("policy__run"))
    judgements = judgements_of(study, look)
    votes = judgements.votes(len(contenders))
    matrix, strengths = win_matrix(votes), strengths_of(votes, look.model)
    return Results(
        verdict=verdict(strengths, matrix, names_of(contenders)),
        scope=scope(strengths) if strengths else "",
        standings=standings(contenders, rates_of(votes), strengths) if strengths else [],
        corrected=bool(strengths and strengths.corrected),
        connected=bool(strengths and strengths.connected),
        matrix=matrix_rows(contenders, matrix, judgements, strengths),
        strata=[] if look.stratum else by_stratum(contenders, judgements, look.model),
        pools=[] if look.pool else by_pool(study, contenders, judgements, look.model),
        preferences=judgements.count(Said.A, Said.B),
        ties=judgements.count(Said.TIE),
        both_bad=judgements.count(Said.BOTH_BAD),
        skipped=_standing(study, look, AssignmentState.SKIPPED),
        late=_standing(study, look, AssignmentState.LATE),
        own_runs=of_own_runs(study, look) if study.rules.own_runs else None,
        side_a=side_a(judgements),
        coefficients=coefficients(judgements),
        items=by_item(judgements),
        wrong_labels=wrong_labels_quickly(judgements),
        raters=rater_rows(study, judgements, look),
        costs=[cost_of(contender) for contender in contenders],
        curves=curves(judgements),
    )


def verdict_of(study: Study, look: Look = EVERYTHING) -> str:
    """The sentence alone."""
    contenders = list(study.contenders.select_related("policy"))
    votes = judgements_of(study, look).votes(len(contenders))
    return verdict(strengths_of(votes, look.model), win_matrix(votes), names_of(contenders))


def _standing(study: Study, look: Look, state: AssignmentState) -> int:
    return Rating.objects.standing().filter(asked(study, look), assignment__state=state).count()


def curves(judgements: Judgements) -> dict[str, Any]:
    """Charts for charts.js: judgements over time, how divided items are."""
    return {"x": "hours since the first judgement", "charts": {"votes": {"series": [_over_time(judgements)]}}}


def _over_time(judgements: Judgements, points: int = 200) -> dict[str, Any]:
    """How many judgements there were after so many hours, at no more than `points` moments."""
    step = max(1, len(judgements) // points)
    hours = (judgements.at - judgements.at[0]) / HOUR if len(judgements) else judgements.at
    counts = list(range(1, len(judgements) + 1))
    last = slice(step - 1, None, step)
    return {"label": "judgements", "x": [round(hour, 4) for hour in hours[last].tolist()], "y": counts[last]}
