"""How each rater judges: sides, lengths, repeats, checks, pace. Whether that is suspicious is for exclusion.py.

Sides are drawn by chance, so who looks at the answers chooses A and B equally often and in no order; whatever departs
from a fair coin there is a habit of the rater, not a property of the answers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import bdtr, expit

from .aggregation.labels import Accuracy
from .shares import Z95, Share, share
from .votes import Bools, Floats, Ints

FIRST, SECOND, TIE, BOTH_BAD = range(4)
"""What was said of an item's two answers, whatever the sides: the classes of aggregation."""

NO_CHECK, GOLD, ATTENTION = range(3)

QUICK_SECONDS = 5.0
BURST = 5
"""So many quick judgements in a row are a burst."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """Arrays of one length n, each rater's in the order in which they were made; skips are left out.

    `said`: FIRST … BOTH_BAD. `first_is_a`: whether the item's first answer stood on side A. `seconds`: from showing to
    judging; `at`: when, in seconds of any clock. `first_length`, `second_length`: of the answers, in any unit, above 0.
    `check`: NO_CHECK, GOLD or ATTENTION; `right`: whether a check was passed. `repeats`: the entry that this one
    repeats with its sides swapped, -1 for none. Plain comparisons are those that neither check nor repeat.
    """

    rater: Ints
    item: Ints
    said: Ints
    first_is_a: Bools
    seconds: Floats
    at: Floats
    first_length: Floats
    second_length: Floats
    check: Ints
    right: Bools
    repeats: Ints

    def __post_init__(self) -> None:
        if len({len(getattr(self, field.name)) for field in fields(self)}) > 1:
            raise ValueError("All columns must have one entry per judgement.")
        if len(self.said) and not FIRST <= self.said.min() <= self.said.max() <= BOTH_BAD:
            raise ValueError("What was said must be FIRST, SECOND, TIE or BOTH_BAD.")

    def __len__(self) -> int:
        return len(self.said)

    @property
    def decided(self) -> Bools:
        """(n,): whether one answer was preferred."""
        decided: Bools = self.said <= SECOND
        return decided

    @property
    def chose_a(self) -> Bools:
        """(n,): whether the left answer was preferred; means nothing where none was."""
        chose_a: Bools = (self.said == FIRST) == self.first_is_a
        return chose_a

    @property
    def plain(self) -> Bools:
        plain: Bools = (self.check == NO_CHECK) & (self.repeats < 0)
        return plain

    def of(self, rows: Ints | Bools) -> Judgements:
        """Some of the judgements; `repeats` still counts in the whole."""
        return Judgements(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Slope:
    """A coefficient of a logistic regression with its 95 % interval, from `total` judgements."""

    value: float
    low: float
    high: float
    total: int


@dataclass(frozen=True, slots=True)
class Profile:
    """One rater, or all together (`rater` None). Shares are None where there is nothing to share.

    `side_a`: chose the left answer, of plain comparisons that prefer one; `side_a_p`: how often a fair coin would be as
    uneven (exact, two-sided). `longer`: preferred the longer answer. `length_slope`: change of the log-odds of an
    answer when its length grows e-fold, at equal votes of the others; all together have no others. `consistent`: said
    the same of a repeat; `same_side`: preferred the same side instead. `gold`: right; `attention`: failed. `ties`,
    `both_bad`: of plain comparisons. `quick`: judged below the limit in seconds. `straight_line`: most times in a row
    that the same side was preferred; `straight_line_p`: how often a fair coin would have as long a run. `bursts`: runs
    of at least BURST quick judgements. `fastest_minute`: most judgements within 60 seconds. `accuracy`: by consensus,
    where it was given.
    """

    rater: int | None
    judgements: int
    side_a: Share | None
    side_a_p: float | None
    longer: Share | None
    length_slope: Slope | None
    consistent: Share | None
    same_side: Share | None
    gold: Share | None
    attention: Share | None
    ties: Share | None
    both_bad: Share | None
    median_seconds: float | None
    quick: Share | None
    straight_line: int
    straight_line_p: float | None
    bursts: int
    fastest_minute: int
    accuracy: Share | None = None


def profiles(
    judgements: Judgements, *, quick_seconds: float = QUICK_SECONDS, accuracy: dict[int, Share] | None = None
) -> list[Profile]:
    """Every rater's profile, by rising id. `accuracy`: see `shares_right`."""
    if not len(judgements):
        return []
    columns = _Columns.of_all(judgements)
    order = np.argsort(judgements.rater, kind="stable")
    raters, starts = np.unique(judgements.rater[order], return_index=True)
    known = accuracy or {}
    return [
        _profile(int(rater), judgements.of(rows), columns.of(rows), quick_seconds, known.get(int(rater)))
        for rater, rows in zip(raters, np.split(order, starts[1:]), strict=True)
    ]


def overall(judgements: Judgements, *, quick_seconds: float = QUICK_SECONDS) -> Profile:
    """All raters together; runs and minutes are of single people, so the longest of anybody stands there, without p.

    Intervals take judgements as independent; with few raters of different habits they are too narrow.
    """
    each = profiles(judgements, quick_seconds=quick_seconds)
    whole = _profile(None, judgements, _Columns.of_all(judgements), quick_seconds, None)
    return replace(
        whole,
        straight_line=max((one.straight_line for one in each), default=0),
        bursts=sum(one.bursts for one in each),
        fastest_minute=max((one.fastest_minute for one in each), default=0),
    )


def shares_right(rater_ids: Ints, accuracy: Accuracy) -> dict[int, Share]:
    """Accuracies of an aggregation by rater id, as `profiles` takes them."""
    columns = zip(rater_ids, accuracy.value, accuracy.low, accuracy.high, accuracy.judgements, strict=True)
    return {int(rater): Share(float(q), float(low), float(high), int(n)) for rater, q, low, high, n in columns}


# --- One profile ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Columns:
    """What is known of a judgement only beside others. Arrays (n,).

    `others`: log-odds of the first answer among the other raters' plain votes, half a vote added to each side.
    `consistent`, `same_side`: of a repeat beside what it repeats; False elsewhere.
    """

    others: Floats
    consistent: Bools
    same_side: Bools

    @classmethod
    def of_all(cls, judgements: Judgements) -> _Columns:
        consistent, same_side = np.zeros((2, len(judgements)), dtype=bool)
        again = np.flatnonzero(judgements.repeats >= 0)
        before = judgements.repeats[again]
        consistent[again] = judgements.said[again] == judgements.said[before]
        both = judgements.decided[again] & judgements.decided[before]
        same_side[again] = both & (judgements.chose_a[again] == judgements.chose_a[before])
        return cls(_others(judgements), consistent, same_side)

    def of(self, rows: Ints) -> _Columns:
        return _Columns(self.others[rows], self.consistent[rows], self.same_side[rows])


def _others(judgements: Judgements) -> Floats:
    _, item = np.unique(judgements.item, return_inverse=True)
    votes = judgements.plain & judgements.decided
    first, second = (votes & (judgements.said == side) for side in (FIRST, SECOND))
    for_first, for_second = (np.bincount(item, side)[item] - side if len(item) else side for side in (first, second))
    others: Floats = np.log((for_first + 0.5) / (for_second + 0.5))
    return others


def _profile(
    rater: int | None, judgements: Judgements, columns: _Columns, quick_seconds: float, accuracy: Share | None
) -> Profile:
    plain, repeated = judgements.plain, judgements.repeats >= 0
    decided = plain & judgements.decided
    gold, attention = judgements.check == GOLD, judgements.check == ATTENTION
    left, quick = judgements.chose_a[decided], judgements.seconds < quick_seconds
    line = longest_run(judgements.chose_a[judgements.decided])
    lengths = decided & (judgements.first_length != judgements.second_length)
    longer = (judgements.said == FIRST) == (judgements.first_length > judgements.second_length)
    return Profile(
        rater=rater,
        judgements=len(judgements),
        side_a=_share(left),
        side_a_p=evenness_p(int(left.sum()), len(left)) if len(left) else None,
        longer=_share(longer[lengths]),
        length_slope=_length_slope(judgements.of(decided), None if rater is None else columns.others[decided]),
        consistent=_share(columns.consistent[repeated]),
        same_side=_share(columns.same_side[repeated]),
        gold=_share(judgements.right[gold]),
        attention=_share(~judgements.right[attention]),
        ties=_share(judgements.said[plain] == TIE),
        both_bad=_share(judgements.said[plain] == BOTH_BAD),
        median_seconds=float(np.median(judgements.seconds)) if len(judgements) else None,
        quick=_share(quick),
        straight_line=line,
        straight_line_p=run_p(line, int(judgements.decided.sum())) if line and rater is not None else None,
        bursts=_bursts(quick),
        fastest_minute=most_within(judgements.at, 60.0),
        accuracy=accuracy,
    )


def _share(which: Bools) -> Share | None:
    return share(int(which.sum()), len(which))


# --- Against chance ---------------------------------------------------------------------------------------------------


def evenness_p(heads: int, flips: int) -> float:
    """How often a fair coin gives as uneven a count: exact two-sided binomial test of one half."""
    return min(1.0, 2 * float(bdtr(min(heads, flips - heads), flips, 0.5)))


def run_p(length: int, flips: int) -> float:
    """How often a fair coin shows one side `length` or more times in a row in so many flips; exact.

    A run of `length` equal flips is a run of m = length - 1 flips that equal the one before, and those are fair coins
    too, n = flips - 1 of them. With a_n the chance of no such run in n: a_n = 1 below m, a_m = 1 - 2^-m and
    a_n = a_(n-1) - 2^-(m+1) a_(n-m-1), since a first run that ends at n follows a coin of the other kind.
    """
    equal = length - 1
    if length > flips:
        return 0.0
    if equal < 1:
        return 1.0
    without = [1.0] * equal + [1 - 0.5**equal]
    for n in range(equal + 1, flips):
        without.append(without[n - 1] - 0.5 ** (equal + 1) * without[n - equal - 1])
    return max(0.0, 1 - without[flips - 1])


def longest_run(values: Bools) -> int:
    """The most equal values in a row; 0 of none."""
    return int(_runs(values)[1].max(initial=0))


def _runs(values: Bools) -> tuple[Bools, Ints]:
    """Value and length of every run of equal values."""
    starts = np.flatnonzero(np.append(len(values) > 0, values[1:] != values[:-1]))
    return values[starts], np.diff(np.append(starts, len(values)))


def _bursts(quick: Bools) -> int:
    values, lengths = _runs(quick)
    return int((values & (lengths >= BURST)).sum())


def most_within(at: Floats, seconds: float) -> int:
    """The most times `at` within a window of so many seconds, its start left out."""
    ordered = np.sort(at)
    before = np.searchsorted(ordered, ordered - seconds, side="right")
    return int((np.arange(1, len(at) + 1) - before).max(initial=0))


# --- Length -----------------------------------------------------------------------------------------------------------

LEAST_FOR_SLOPE = 20
PRIOR_SD = 2.5
"""Of both coefficients, weakly normal about 0 (Gelman et al. 2008), so that a perfect rule has a finite slope."""


def _length_slope(decided: Judgements, others: Floats | None) -> Slope | None:
    """Slope on the log-ratio of lengths, first over second, beside the others' log-odds.

    There is no intercept, as which answer is the first is chance. Without `others` the judgements are those of all, and
    those of one item depend on each other (sandwich, Liang & Zeger 1986).
    """
    ratio = np.log(decided.first_length / decided.second_length)
    if len(decided) < LEAST_FOR_SLOPE or not ratio.any():
        return None
    design = np.stack([ratio] if others is None else [ratio, others], axis=1)
    first = (decided.said == FIRST).astype(np.float64)
    slope, inverse = _logistic(design, first)
    if others is None:
        _, item = np.unique(decided.item, return_inverse=True)
        scores = design * (first - expit(design @ slope))[:, None]
        summed = np.stack([np.bincount(item, column) for column in scores.T], axis=1)
        inverse = inverse @ (summed.T @ summed) @ inverse
    spread = Z95 * float(np.sqrt(inverse[0, 0]))
    return Slope(float(slope[0]), float(slope[0]) - spread, float(slope[0]) + spread, len(decided))


def _logistic(design: Floats, first: Floats) -> tuple[Floats, Floats]:
    """Coefficients (p,) and inverse information (p, p) of a logistic regression with the weak prior, by Newton."""
    prior = np.eye(design.shape[1]) / PRIOR_SD**2
    slope = np.zeros(design.shape[1])
    for _ in range(100):
        chance = expit(design @ slope)
        information = design.T @ (design * (chance * (1 - chance))[:, None]) + prior
        step = np.linalg.solve(information, design.T @ (first - chance) - prior @ slope)
        slope = slope + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return slope, np.linalg.inv(information)
