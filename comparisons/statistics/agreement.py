"""How far people agree: coefficients with intervals, agreement of rater with rater, entropy of each unit.

Every coefficient but the plain percentage is (observed - expected) / (1 - expected) with an agreement that chance alone
would give; they differ in what they take for chance. Where chance explains everything nothing can be said, and the
coefficient is None with a reason.

A unit holds at most one judgement per rater: judgements of a repeat are another unit, or are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from .bootstrap import RESAMPLES, percentiles, redraws
from .shares import wilson
from .votes import Floats, Ints

NOBODY_TWICE = "no item was judged by two people"
ALL_THE_SAME = "all judgements are the same, so chance agreement cannot be told from real agreement"


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient with its 95 % interval. `reason` completes "undefined because …" when `value` is None.

    `units` were judged at least twice, `judgements` are those on them. `expected` is the agreement that chance would
    give; None where the coefficient does not ask.
    """

    value: float | None
    low: float | None
    high: float | None
    units: int
    judgements: int
    observed: float | None = None
    expected: float | None = None
    reason: str = ""


Formula = Callable[[Floats], tuple[Floats, Floats]]
"""From how often each kind of unit is there, (R, T), to observed and expected agreement, (R,) each."""


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Units told apart by their group and by how often which value was given.

    `counts` (T, L): judgements per value of one unit of the kind; a column stands for another value in each group.
    `group` (T,). `units` (T,): how many there are.
    """

    counts: Floats
    group: Ints
    units: Ints

    @property
    def size(self) -> Floats:
        """(T,): judgements on one unit."""
        size: Floats = self.counts.sum(axis=1)
        return size

    @property
    def alike(self) -> Floats:
        """(T,): share of a unit's pairs of judgements that say the same; 0 where there is no pair."""
        size = self.size
        same = (self.counts * (self.counts - 1)).sum(axis=1)
        alike: Floats = np.divide(same, size * (size - 1), out=np.zeros(len(size)), where=size > 1)
        return alike

    def judged_twice(self) -> _Kinds:
        kept = self.size >= 2
        return _Kinds(self.counts[kept], self.group[kept], self.units[kept])


# --- Coefficients -----------------------------------------------------------------------------------------------------


def percent_agreement(unit: Ints, value: Ints, *, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """Share of pairs of judgements on the same unit that say the same, every unit counting once; missing data allowed.

    Arrays (n,). Nothing is taken off for chance. This is Fleiss' and Gwet's observed agreement.
    """
    kinds = _kinds(unit, value).judged_twice()
    alike = kinds.alike

    def formula(drawn: Floats) -> tuple[Floats, Floats]:
        return drawn @ alike / drawn.sum(axis=1), np.zeros(len(drawn))

    return _estimate(kinds, formula, NOBODY_TWICE, resamples, seed, chance=False)


def cohen_kappa(first: Ints, second: Ints, *, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """κ of two raters (Cohen 1960, eq. 1): chance is that each gives values as often as it did, regardless of the unit.

    `first` and `second` (n,): what each said of the same n units. Expected = Σ_c p_c q_c.
    """
    if len(first) != len(second):
        raise ValueError("Both raters must have judged every unit.")
    values, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    cells, units = np.unique(codes[: len(first)] * len(values) + codes[len(first) :], return_counts=True)
    rows, columns = (np.eye(len(values))[part] for part in np.divmod(cells, max(1, len(values))))
    same = (rows * columns).sum(axis=1)
    kinds = _Kinds(rows + columns, np.zeros(len(cells), np.int64), units)

    def formula(drawn: Floats) -> tuple[Floats, Floats]:
        total = drawn.sum(axis=1)
        return drawn @ same / total, ((drawn @ rows) * (drawn @ columns)).sum(axis=1) / total**2

    return _estimate(kinds, formula, ALL_THE_SAME if len(first) else NOBODY_TWICE, resamples, seed)


def fleiss_kappa(unit: Ints, value: Ints, *, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """κ of a fixed number of judgements per unit, by whomever (Fleiss 1971, eq. 7); undefined where the number differs.

    Observed = mean share of alike pairs of a unit; expected = Σ_c p_c² with p_c the share of value c in all judgements.
    """
    kinds = _kinds(unit, value)
    sizes = np.unique(kinds.size)
    if len(sizes) > 1:
        reason = f"items have different numbers of judgements, {sizes[0]:.0f} to {sizes[-1]:.0f}"
        twice = kinds.judged_twice()
        return Agreement(None, None, None, int(twice.units.sum()), _judgements(twice), reason=reason)
    kinds = kinds.judged_twice()
    alike = kinds.alike

    def formula(drawn: Floats) -> tuple[Floats, Floats]:
        given = drawn @ kinds.counts
        shares = given / given.sum(axis=1, keepdims=True)
        return drawn @ alike / drawn.sum(axis=1), (shares**2).sum(axis=1)

    return _estimate(kinds, formula, ALL_THE_SAME if len(kinds.units) else NOBODY_TWICE, resamples, seed)


def krippendorff_alpha(
    unit: Ints, value: Ints, group: Ints | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> Agreement:
    """α for nominal values (Krippendorff 2004, ch. 11): 1 - observed / expected disagreement; missing data allowed.

    Arrays (n,). Units with a single judgement pair with nothing and are left out. With n_uc judgements of value c on
    unit u, m_u = Σ_c n_uc and n = Σ m_u:
    Do = Σ_u (m_u² - Σ_c n_uc²) / (m_u - 1) / n,  De = (n² - Σ_c n_c²) / (n (n - 1)).
    `group` (n,) names units on which the same values are possible; what chance would do is then expected within each
    group g of n_g judgements: De = Σ_g (n_g² - Σ_c n_gc²) / (n_g - 1) / n. Otherwise raters who only guess would
    seem to agree, since chance could have given them values that their item does not have.
    """
    kinds = _kinds(unit, value, group).judged_twice()
    size = kinds.size
    alike = size * kinds.alike
    members = [np.flatnonzero(kinds.group == one) for one in np.unique(kinds.group)]

    def formula(drawn: Floats) -> tuple[Floats, Floats]:
        total = drawn @ size
        apart = sum((_pairs_apart(drawn[:, own] @ kinds.counts[own]) for own in members), np.zeros(len(drawn)))
        return drawn @ alike / total, 1 - apart / total

    return _estimate(kinds, formula, ALL_THE_SAME if len(kinds.units) else NOBODY_TWICE, resamples, seed)


def gwet_ac1(
    unit: Ints, value: Ints, classes: int | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> Agreement:
    """AC1 (Gwet 2008, eq. 16; missing data as in Gwet 2014, ch. 2): steady where nearly all say one thing.

    Arrays (n,). `classes` q: how many values were possible; by default those that were given. With π_c the mean over
    all units, also those judged once, of the share of judgements that say c: expected = Σ_c π_c (1 - π_c) / (q - 1).
    """
    kinds = _kinds(unit, value)
    given = kinds.counts.shape[1]
    possible = given if classes is None else classes
    if given > possible:
        raise ValueError(f"{given} values were given, more than the {possible} that are said to be possible.")
    alike, twice = kinds.alike, (kinds.size >= 2).astype(np.float64)
    shares = kinds.counts / np.maximum(1, kinds.size)[:, None]

    def formula(drawn: Floats) -> tuple[Floats, Floats]:
        mean = drawn @ shares / drawn.sum(axis=1, keepdims=True)
        expected = (mean * (1 - mean)).sum(axis=1) / (possible - 1) if possible > 1 else np.ones(len(drawn))
        return drawn @ alike / (drawn @ twice), expected

    reason = "only one value was given, and how many were possible was not said" if twice.any() else NOBODY_TWICE
    return _estimate(kinds, formula, reason, resamples, seed)


def _pairs_apart(given: Floats) -> Floats:
    """(n² - Σ_c n_c²) / (n - 1) of each row (R, L) of counts; 0 of nothing."""
    total = given.sum(axis=1)
    apart = total**2 - (given**2).sum(axis=1)
    pairs: Floats = np.divide(apart, total - 1, out=np.zeros(len(total)), where=total > 1)
    return pairs


# --- From a formula to a coefficient ----------------------------------------------------------------------------------


def _estimate(
    kinds: _Kinds, formula: Formula, reason: str, resamples: int, seed: int, *, chance: bool = True
) -> Agreement:
    """The coefficient of all units as they are, and of units drawn again."""
    twice = kinds.judged_twice()
    units, judgements = int(twice.units.sum()), _judgements(twice)
    if not units:
        return Agreement(None, None, None, 0, 0, reason=NOBODY_TWICE)
    observed, expected = (float(part[0]) for part in formula(kinds.units[None, :].astype(np.float64)))
    facts = (observed, expected if chance else None)
    value = float(_above_chance(np.array(observed), np.array(expected)))
    if not np.isfinite(value):
        return Agreement(None, None, None, units, judgements, *facts, reason)
    low, high = _interval(kinds, formula, observed, expected, resamples, seed) if units > 1 else (None, None)
    return Agreement(value, low, high, units, judgements, *facts)


def _interval(
    kinds: _Kinds, formula: Formula, observed: float, expected: float, resamples: int, seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Percentiles of the resampled coefficient.

    Where every unit agrees alike, resampling finds no spread and would promise certainty; Wilson's interval of the
    observed agreement over the units, with the expected one as it is, says what so many units can tell.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        blocks = [formula(drawn) for drawn in redraws(kinds.units, resamples, seed)]
    seen, chance = (np.concatenate(part) for part in zip(*blocks, strict=True))
    if np.nanmax(seen) - np.nanmin(seen) > 1e-12:
        return percentiles(_above_chance(seen, chance)) or (None, None)
    units = float(kinds.judged_twice().units.sum())
    ends = wilson(np.array([observed * units]), np.array([units]))
    low, high = (float(_above_chance(end, np.array([expected]))[0]) for end in ends)
    return low, high


def _above_chance(observed: Floats, expected: Floats) -> Floats:
    """(observed - expected) / (1 - expected), NaN where chance explains all."""
    room = 1 - expected
    undefined = np.full(np.shape(observed), np.nan)
    above: Floats = np.divide(observed - expected, room, out=undefined, where=room > 1e-12)
    return above


def _judgements(kinds: _Kinds) -> int:
    return int(kinds.units @ kinds.size)


def _kinds(unit: Ints, value: Ints, group: Ints | None = None) -> _Kinds:
    """Units as kinds; raises ValueError when arrays differ in length or a unit is in two groups."""
    group = np.zeros(len(unit), np.int64) if group is None else group
    if not len(unit) == len(value) == len(group):
        raise ValueError("unit, value and group must have one entry per judgement.")
    _, first, units = np.unique(unit, return_index=True, return_inverse=True)
    if (group[first][units] != group).any():
        raise ValueError("A unit must belong to one group.")
    columns = _places_within(group, value)
    width = int(columns.max(initial=0)) + 1
    table = np.bincount(units * width + columns, minlength=len(first) * width).reshape(len(first), width)
    _, example, count = np.unique(_together(group[first], *table.T), return_index=True, return_counts=True)
    return _Kinds(table[example].astype(np.float64), group[first][example], count)


def _places_within(group: Ints, value: Ints) -> Ints:
    """(n,): the place of each value among the values of its group, from 0."""
    _, first, cells = np.unique(_together(group, value), return_index=True, return_inverse=True)
    owner = group[first]
    within: Ints = np.arange(len(first)) - np.searchsorted(owner, owner)
    return within[cells]


def _together(*columns: Ints) -> Ints:
    """(n,): one number for each row of columns (n,), equal where rows are, in the order of the rows."""
    codes, width = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        values, places = np.unique(column, return_inverse=True)
        if width * len(values) > 2**62:
            known, codes = np.unique(codes, return_inverse=True)
            width = len(known)
        codes, width = codes * len(values) + places, width * len(values)
    return codes


# --- Rater with rater -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RaterMatrix:
    """Every rater beside every other. `raters` (R,) in rising order; the rest (R, R), symmetric.

    `units`: how many both judged (on the diagonal: how many the rater judged). `share`: of those, said the same; NaN
    where there are none and on the diagonal. `low`, `high`: Wilson's 95 % interval of it.
    """

    raters: Ints
    units: Ints
    share: Floats
    low: Floats
    high: Floats


def between_raters(unit: Ints, rater: Ints, value: Ints) -> RaterMatrix:
    """How often each two raters said the same of what both judged. Arrays (n,)."""
    _refuse_twice(unit, rater)
    raters, rows = np.unique(rater, return_inverse=True)
    _, units = np.unique(unit, return_inverse=True)
    both = _shared(rows, units)
    same = _shared(rows, _cells(unit, value)).astype(np.float64)
    low, high = wilson(same, both.astype(np.float64))
    others = ~np.eye(len(raters), dtype=bool)
    share = np.divide(same, both, out=np.full(both.shape, np.nan), where=others & (both > 0))
    return RaterMatrix(raters, both, share, np.where(others, low, np.nan), np.where(others, high, np.nan))


@dataclass(frozen=True, slots=True)
class AgainstRest:
    """Each rater against all others who judged the same. Arrays (R,); `raters` in rising order.

    `share`: of the others on a unit, said the same as the rater, averaged over `units`; NaN where nobody else judged.
    `low`, `high`: Wilson's 95 % interval over units, as the others on one unit depend on each other.
    """

    raters: Ints
    units: Ints
    share: Floats
    low: Floats
    high: Floats


def against_rest(unit: Ints, rater: Ints, value: Ints) -> AgainstRest:
    """How often the others said the same as each rater. Arrays (n,)."""
    _refuse_twice(unit, rater)
    raters, rows = np.unique(rater, return_inverse=True)
    _, units = np.unique(unit, return_inverse=True)
    cells = _cells(unit, value)
    others = np.bincount(units)[units] - 1
    alike = np.bincount(cells)[cells] - 1
    seen = others > 0
    total = np.bincount(rows[seen], minlength=len(raters))
    same = np.bincount(rows[seen], weights=alike[seen] / others[seen], minlength=len(raters)).astype(np.float64)
    low, high = wilson(same, total.astype(np.float64))
    share = np.divide(same, total, out=np.full(len(raters), np.nan), where=total > 0)
    return AgainstRest(raters, total, share, low, high)


def _refuse_twice(unit: Ints, rater: Ints) -> None:
    """Raise ValueError when somebody judged a unit twice."""
    if len(np.unique(_together(unit, rater))) < len(unit):
        raise ValueError("A rater judged a unit twice; leave the repeats out.")


def _cells(unit: Ints, value: Ints) -> Ints:
    """(n,): numbers from 0 that are the same where unit and value are."""
    return np.unique(_together(unit, value), return_inverse=True)[1]


def _shared(rows: Ints, columns: Ints) -> Ints:
    """(R, R): how many columns each two rows have in common."""
    shape = (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1)
    there = csr_array((np.ones(len(rows), np.int64), (rows, columns)), shape=shape)
    shared: Ints = (there @ there.T).toarray()
    return shared


# --- Unit by unit -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entropies:
    """Arrays (U,): `units` in rising order, entropy of their judgements in `bits`, and how many there are."""

    units: Ints
    bits: Floats
    judgements: Ints


def entropies(unit: Ints, value: Ints) -> Entropies:
    """-Σ_c p_c log2 p_c of what was said of each unit: 0 where all agree, 1 where halves stand against each other."""
    names, units = np.unique(unit, return_inverse=True)
    size = np.bincount(units, minlength=len(names))
    _, first, count = np.unique(_together(unit, value), return_index=True, return_counts=True)
    owner = units[first]
    share = count / size[owner]
    bits = np.bincount(owner, weights=-share * np.log2(share), minlength=len(names)).astype(np.float64)
    return Entropies(names, bits, size)
