"""What a closed study found, from rows to the plain figures its page shows. The statistics are in statistics/."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from django.db.models import QuerySet

from training.models import Run

from .models import Answer, AssignmentState, Choice, Contender, Rating, Study
from .statistics.agreement import Agreement, krippendorff_alpha
from .statistics.shares import Share, share
from .statistics.strengths.estimate import Strengths, estimate
from .statistics.verdicts import verdict as verdict_of
from .statistics.votes import Ints, Votes
from .statistics.win_rates import WinMatrix, WinRates, win_matrix, win_rates

SCORE_OF_A = {Choice.A: 1.0, Choice.TIE: 0.5, Choice.B: 0.0}


@dataclass(frozen=True, slots=True)
class Judgement:
    """One counted judgement: which contenders stood on sides A and B, and what was said."""

    item: int
    prompt: int
    rater: int
    a: int
    b: int
    choice: str
    seconds: float

    @property
    def pair(self) -> tuple[int, int]:
        """The two contenders, whatever the sides."""
        return min(self.a, self.b), max(self.a, self.b)

    @property
    def preferred(self) -> int:
        """What was said, whatever the sides: the preferred contender, or a negative number for tie and both bad."""
        return {Choice.A.value: self.a, Choice.B.value: self.b, Choice.TIE.value: -1}.get(self.choice, -2)


def judgements_of(study: Study) -> list[Judgement]:
    """All counted judgements, in the order in which they came."""
    return judgements_in(Rating.objects.counted().filter(assignment__item__study=study).order_by("id"))


def judgements_in(ratings: QuerySet[Rating]) -> list[Judgement]:
    """Ratings of comparisons with the contenders that stood on either side."""
    columns = ratings.values_list(
        "assignment__item",
        "assignment__item__prompt",
        "assignment__rater",
        "assignment__item__first__contender",
        "assignment__item__second__contender",
        "assignment__first_is_a",
        "choice",
        "seconds",
    )
    return [
        Judgement(item, prompt, rater, *((first, second) if first_is_a else (second, first)), choice, seconds)
        for item, prompt, rater, first, second, first_is_a, choice, seconds in columns.iterator()
    ]


def votes_of(judgements: Sequence[Judgement], contenders: Sequence[Contender]) -> Votes:
    """Judgements that prefer an answer or call a tie, as arrays; both-bad judgements are no votes."""
    place = {contender.pk: position for position, contender in enumerate(contenders)}
    cast = [judgement for judgement in judgements if judgement.choice in SCORE_OF_A]
    return Votes(
        left=np.array([place[judgement.a] for judgement in cast], dtype=np.int64),
        right=np.array([place[judgement.b] for judgement in cast], dtype=np.int64),
        score=np.array([SCORE_OF_A[Choice(judgement.choice)] for judgement in cast], dtype=np.float64),
        rater=np.array([judgement.rater for judgement in cast], dtype=np.int64),
        prompt=np.array([judgement.prompt for judgement in cast], dtype=np.int64),
        policies=len(contenders),
    )


def agreement_arrays(judgements: Sequence[Judgement]) -> tuple[Ints, Ints, Ints]:
    """What was judged, what was said of it, and which two were compared, for Krippendorff's α.

    On each pair of contenders there are four values: one answer, the other, tie and both bad.
    """
    items = np.array([judgement.item for judgement in judgements], dtype=np.int64)
    said = np.array([judgement.preferred for judgement in judgements], dtype=np.int64)
    pairs = {pair: number for number, pair in enumerate(sorted({judgement.pair for judgement in judgements}))}
    compared = np.array([pairs[judgement.pair] for judgement in judgements], dtype=np.int64)
    return items, said, compared


# --- The parts of the page --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A policy's strength (log-odds; 0 is the average of the study) with its interval, and its votes."""

    contender: Contender
    strength: float
    low: float
    high: float
    rate: float
    votes: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One policy against another: how often the row's answer was preferred."""

    opponent: Contender
    rate: float
    low: float
    high: float
    votes: int
    ties: int
    both_bad: int

    @property
    def lead(self) -> int:
        """How clearly the row wins, -3 to 3; 0 while the interval holds one half."""
        if self.low <= 0.5 <= self.high:
            return 0
        distance = abs(self.rate - 0.5)
        steps = 3 if distance >= 0.25 else 2 if distance >= 0.1 else 1
        return steps if self.rate > 0.5 else -steps


@dataclass(frozen=True, slots=True)
class RaterRow:
    """One person's judgements: pace, sides, and how often others who saw the same item said the same."""

    name: str
    judged: int
    skipped: int
    median_seconds: float
    side_a: Share | None
    ties: int
    both_bad: int
    same_as_others: Share | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a policy cost to train and how it served this study, as measured. Rates are tokens per second."""

    contender: Contender
    run: Run | None
    answers: int
    first_token_ms: float | None
    first_token_p95_ms: float | None
    rate_median: float | None
    rate_slow5: float | None
    mean_tokens: float | None
    cut_off: int
    retries: int
    refused: int


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the results page shows."""

    verdict: str
    standings: list[Standing]
    corrected: bool
    connected: bool
    matrix: list[tuple[Contender, list[Cell | None]]]
    preferences: int
    ties: int
    both_bad: int
    skipped: int
    late: int
    side_a: Share | None
    agreement: Agreement
    raters: list[RaterRow]
    costs: list[Cost]

    @property
    def judgements(self) -> int:
        return self.preferences + self.ties + self.both_bad

    @property
    def axis(self) -> tuple[float, float]:
        """Start and length of the strengths' axis: all whiskers, the zero, and a little air."""
        ends = [0.0, *(standing.low for standing in self.standings), *(standing.high for standing in self.standings)]
        air = 0.05 * (max(ends) - min(ends)) or 0.5
        return min(ends) - air, max(ends) - min(ends) + 2 * air


def gather(study: Study) -> Results:
    """Count and estimate everything the page shows of a study."""
    contenders = list(study.contenders.select_related("policy__run"))
    judgements = judgements_of(study)
    votes = votes_of(judgements, contenders)
    matrix, strengths = win_matrix(votes), estimate(votes) if len(votes) else None
    counts = Counter(judgement.choice for judgement in judgements)
    return Results(
        verdict=verdict_of(strengths, matrix, [contender.policy.name for contender in contenders]),
        standings=_standings(contenders, win_rates(votes), strengths) if strengths else [],
        corrected=bool(strengths and strengths.corrected),
        connected=bool(strengths and strengths.connected),
        matrix=_matrix(contenders, matrix, judgements),
        preferences=counts[Choice.A] + counts[Choice.B],
        ties=counts[Choice.TIE],
        both_bad=counts[Choice.BOTH_BAD],
        skipped=_standing(study, AssignmentState.SKIPPED),
        late=_standing(study, AssignmentState.LATE),
        side_a=_side_a(judgements),
        agreement=krippendorff_alpha(*agreement_arrays(judgements)),
        raters=_raters(study, judgements),
        costs=[_cost(contender) for contender in contenders],
    )


def _standing(study: Study, state: AssignmentState) -> int:
    return Rating.objects.standing().filter(assignment__item__study=study, assignment__state=state).count()


def _standings(contenders: Sequence[Contender], rates: WinRates, strengths: Strengths) -> list[Standing]:
    """Strongest first."""
    rows = [
        Standing(
            contender, float(strengths.theta[i]), *strengths.interval(i), float(rates.rate[i]), int(rates.votes[i])
        )
        for i, contender in enumerate(contenders)
        if rates.votes[i]
    ]
    return sorted(rows, key=lambda standing: -standing.strength)


def _matrix(
    contenders: Sequence[Contender], matrix: WinMatrix, judgements: Sequence[Judgement]
) -> list[tuple[Contender, list[Cell | None]]]:
    """Rows and columns in the study's order; None where nobody compared, and on the diagonal."""
    both_bad: dict[frozenset[int], int] = defaultdict(int)
    for judgement in judgements:
        both_bad[frozenset((judgement.a, judgement.b))] += judgement.choice == Choice.BOTH_BAD

    def cell(i: int, j: int) -> Cell | None:
        bad = both_bad[frozenset((contenders[i].pk, contenders[j].pk))]
        if i == j or not (matrix.votes[i, j] or bad):
            return None
        rate, low, high = float(matrix.rate[i, j]), float(matrix.low[i, j]), float(matrix.high[i, j])
        return Cell(contenders[j], rate, low, high, int(matrix.votes[i, j]), int(matrix.ties[i, j]), bad)

    places = range(len(contenders))
    return [(contenders[i], [cell(i, j) for j in places]) for i in places]


def _side_a(judgements: Sequence[Judgement]) -> Share | None:
    """How often the left answer was preferred, of all that preferred one."""
    decided = [judgement for judgement in judgements if judgement.choice in {Choice.A, Choice.B}]
    return share(sum(judgement.choice == Choice.A for judgement in decided), len(decided))


def _raters(study: Study, judgements: Sequence[Judgement]) -> list[RaterRow]:
    """One row per person who judged or skipped, the busiest first."""
    by_item: dict[int, list[Judgement]] = defaultdict(list)
    by_rater: dict[int, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_item[judgement.item].append(judgement)
        by_rater[judgement.rater].append(judgement)
    skips = Rating.objects.standing().filter(assignment__item__study=study, choice=Choice.SKIP)
    skipped = Counter(skips.values_list("assignment__rater", flat=True))
    people = dict(
        Rating.objects.filter(assignment__item__study=study).values_list(
            "assignment__rater", "assignment__rater__username"
        )
    )
    rows = [_rater(name, by_rater[rater], skipped[rater], by_item) for rater, name in people.items()]
    return sorted(rows, key=lambda row: (-row.judged, row.name))


def _rater(name: str, mine: list[Judgement], skipped: int, by_item: dict[int, list[Judgement]]) -> RaterRow:
    compared = [
        judgement.preferred == other.preferred
        for judgement in mine
        for other in by_item[judgement.item]
        if other.rater != judgement.rater
    ]
    return RaterRow(
        name=name,
        judged=len(mine),
        skipped=skipped,
        median_seconds=median(judgement.seconds for judgement in mine) if mine else 0.0,
        side_a=_side_a(mine),
        ties=sum(judgement.choice == Choice.TIE for judgement in mine),
        both_bad=sum(judgement.choice == Choice.BOTH_BAD for judgement in mine),
        same_as_others=share(sum(compared), len(compared)),
    )


def _cost(contender: Contender) -> Cost:
    columns = "tokens", "first_token_seconds", "total_seconds", "finish_reason", "retries", "error"
    rows = list(Answer.objects.filter(contender=contender).values_list(*columns))
    given = [row for row in rows if not row[5]]
    first_token = np.array([1000 * row[1] for row in given])
    rates = np.array([row[0] / row[2] for row in given if row[2] > 0])
    return Cost(
        contender=contender,
        run=contender.policy.run,
        answers=len(given),
        first_token_ms=_quantile(first_token, 0.5),
        first_token_p95_ms=_quantile(first_token, 0.95),
        rate_median=_quantile(rates, 0.5),
        rate_slow5=_quantile(rates, 0.05),
        mean_tokens=sum(row[0] for row in given) / len(given) if given else None,
        cut_off=sum(row[3] == "length" for row in given),
        retries=sum(row[4] for row in rows),
        refused=len(rows) - len(given),
    )


def _quantile(values: np.ndarray, share: float) -> float | None:
    return float(np.quantile(values, share)) if len(values) else None
