"""Coefficients of agreement against arithmetic by hand, published examples and independent libraries."""

from __future__ import annotations

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss_kappa

from comparisons.statistics.agreement import (
    against_rest,
    between_raters,
    cohen_kappa,
    entropies,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
)

OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
"""Krippendorff (2011), "Computing Krippendorff's alpha-reliability", C: four observers, twelve units, missing data."""


def judgements(rows):
    """Rows of raters, columns of units, None where nobody judged: arrays unit, rater, value."""
    cells = [(u, r, v) for r, row in enumerate(rows) for u, v in enumerate(row) if v is not None]
    unit, rater, value = (np.array(column) for column in zip(*cells, strict=True))
    return unit, rater, value


def by_unit(units):
    """Values of each unit: arrays unit, value."""
    cells = [(number, value) for number, values in enumerate(units) for value in values]
    unit, value = (np.array(column) for column in zip(*cells, strict=True))
    return unit, value


def random_judgements(seed, units=200, raters=8, values=4, there=0.4, skill=0.6):
    """Raters who give a unit's value with chance `skill` and else any, on a share of the units."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, values, units)
    said = np.where(
        chance.random((raters, units)) < skill, truth[None, :], chance.integers(0, values, (raters, units))
    ).astype(float)
    return np.where(chance.random((raters, units)) < there, said, np.nan)


def as_arrays(table):
    raters, units = np.nonzero(~np.isnan(table))
    return units, raters, table[raters, units].astype(np.int64)


# --- Krippendorff's α -------------------------------------------------------------------------------------------------


def test_alpha_of_krippendorffs_own_nominal_example():
    """Nominal α = 0.743. Unit 12 has a single value and pairs with nothing."""
    unit, _, value = judgements(OBSERVERS)
    found = krippendorff_alpha(unit, value)
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert (found.units, found.judgements) == (11, 40)


def test_alpha_by_hand():
    """Two raters, three items: (a, a), (a, b), (b, b). Do = (0 + 2 + 0) / 6 = 1/3; n_a = n_b = 3, so
    De = (36 - 18) / 30 = 3/5; α = 1 - (1/3) / (3/5) = 4/9."""
    found = krippendorff_alpha(*by_unit(["aa", "ab", "bb"]))
    assert found.value == pytest.approx(4 / 9)
    assert found.observed == pytest.approx(2 / 3)
    assert found.expected == pytest.approx(2 / 5)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_evalica(seed):
    table = random_judgements(seed)
    unit, _, value = as_arrays(table)
    assert krippendorff_alpha(unit, value).value == pytest.approx(evalica.alpha(pd.DataFrame(table)).alpha, abs=1e-12)


def test_alpha_of_raters_who_guess_is_zero_however_many_policies_there_are():
    """Four policies, six pairs; on each item both raters toss a coin between its two. Do = 1/2; within a pair chance
    disagrees in 1/2 too, so α = 0. Over all pairs together it would seem to disagree in 3/4, and α to be 1/3."""
    chance = np.random.default_rng(1)
    pairs = np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])
    pair = np.repeat(np.arange(6), 2 * 2000)
    unit = np.repeat(np.arange(6 * 2000), 2)
    value = pairs[pair, chance.integers(0, 2, len(pair))]
    assert krippendorff_alpha(unit, value, pair).value == pytest.approx(0.0, abs=0.03)
    assert krippendorff_alpha(unit, value).value == pytest.approx(1 / 3, abs=0.03)


def test_alpha_within_groups_by_hand():
    """Group 1: (a, a), (a, b): n = 4, n_a = 3, n_b = 1: (16 - 10) / 3 = 2 pairs apart are expected. Group 2: (c, c),
    (d, d): (16 - 8) / 3 = 8/3. De = (2 + 8/3) / 8 = 7/12; Do = 2 / 8 = 1/4; α = 1 - (1/4) / (7/12) = 4/7."""
    unit, value = by_unit(["aa", "ab", "cc", "dd"])
    assert krippendorff_alpha(unit, value, unit // 2).value == pytest.approx(4 / 7)


def test_a_unit_in_two_groups_raises():
    with pytest.raises(ValueError, match="one group"):
        krippendorff_alpha(np.array([1, 1]), np.array([0, 0]), np.array([0, 1]))


def test_arrays_of_different_length_raise():
    with pytest.raises(ValueError, match="one entry per judgement"):
        krippendorff_alpha(np.array([1, 1]), np.array([0]))


# --- κ ----------------------------------------------------------------------------------------------------------------


def test_cohens_kappa_by_hand():
    """Of 50 items both say yes to 20 and no to 15; only the first says yes to 5, only the second to 10. Observed 0.7;
    the first says yes to 25, the second to 30: expected 0.5 · 0.6 + 0.5 · 0.4 = 0.5; κ = 0.2 / 0.5 = 0.4."""
    first = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])
    second = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    found = cohen_kappa(first, second)
    assert (found.observed, found.expected, found.value) == pytest.approx((0.7, 0.5, 0.4))
    assert (found.units, found.judgements) == (50, 100)


@pytest.mark.parametrize("seed", range(5))
def test_cohens_kappa_is_that_of_scikit_learn_and_statsmodels(seed):
    first, second = random_judgements(seed, raters=2, there=1.1).astype(np.int64)
    crossed = np.zeros((4, 4))
    np.add.at(crossed, (first, second), 1)
    found = cohen_kappa(first, second).value
    assert found == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert found == pytest.approx(cohens_kappa(crossed).kappa, abs=1e-12)


def test_the_bootstrap_interval_of_cohens_kappa_is_near_that_of_its_asymptotic_variance():
    """1,000 items: both intervals are about 0.09 wide; resampling 1,000 times leaves a few per cent of noise at the
    ends, so they are within 0.01."""
    first, second = random_judgements(3, units=1000, raters=2, there=1.1, skill=0.8).astype(np.int64)
    crossed = np.zeros((4, 4))
    np.add.at(crossed, (first, second), 1)
    expected, found = cohens_kappa(crossed), cohen_kappa(first, second)
    assert (found.low, found.high) == pytest.approx((expected.kappa_low, expected.kappa_upp), abs=0.01)


def test_two_raters_must_have_judged_the_same():
    with pytest.raises(ValueError, match="every unit"):
        cohen_kappa(np.array([1, 2]), np.array([1]))


def test_fleiss_kappa_of_his_own_kind_of_table_by_hand():
    """Three judgements each: (a, a, a), (a, a, b), (b, b, b), (a, b, b). Pairs alike: 1, 1/3, 1, 1/3, mean 2/3; a and b
    are given six times each, expected 1/2; κ = (2/3 - 1/2) / (1/2) = 1/3."""
    assert fleiss_kappa(*by_unit(["aaa", "aab", "bbb", "abb"])).value == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_fleiss_kappa_is_that_of_statsmodels(seed):
    table = random_judgements(seed, raters=5, there=1.1)
    unit, _, value = as_arrays(table)
    counts = np.stack([(table == one).sum(axis=0) for one in range(4)], axis=1)
    assert fleiss_kappa(unit, value).value == pytest.approx(statsmodels_fleiss_kappa(counts), abs=1e-12)


def test_fleiss_kappa_says_that_it_needs_a_fixed_number():
    unit, _, value = judgements(OBSERVERS)
    found = fleiss_kappa(unit, value)
    assert found.value is None
    assert found.reason == "items have different numbers of judgements, 1 to 4"


# --- AC1 and percentage -----------------------------------------------------------------------------------------------


def test_ac1_of_gwets_own_example():
    """Gwet's `cac.raw4raters` is Krippendorff's table above; his package irrCAC gives agreement 0.81818, chance
    0.19032, AC1 0.77544 (Gwet 2014, table 2.11 and chapter 5)."""
    unit, _, value = judgements(OBSERVERS)
    found = gwet_ac1(unit, value)
    assert (found.observed, found.expected, found.value) == pytest.approx((0.81818, 0.19032, 0.77544), abs=5e-6)


def test_ac1_holds_where_kappa_breaks_down():
    """Gwet's paradox: of 125 items both say yes to 118, the first alone to 5, the second alone to 2. Observed 118/125 =
    0.944. κ: expected (123 · 120 + 2 · 5) / 125² = 0.9453, κ = -0.0234. AC1: π = (123 + 120) / 250 = 0.972, expected
    2 · 0.972 · 0.028 = 0.0544, AC1 = (0.944 - 0.0544) / 0.9456 = 0.9408."""
    first = np.repeat([1, 1, 0], [118, 5, 2])
    second = np.repeat([1, 0, 1], [118, 5, 2])
    unit = np.arange(125)
    found = gwet_ac1(np.concatenate([unit, unit]), np.concatenate([first, second]))
    assert cohen_kappa(first, second).value == pytest.approx(-0.0234, abs=5e-5)
    assert found.value == pytest.approx(0.9408, abs=5e-5)


def test_ac1_is_one_when_all_say_the_same_of_several_possible_values():
    found = gwet_ac1(np.array([0, 0, 1, 1]), np.zeros(4, np.int64), classes=4)
    assert found.value == 1.0


def test_ac1_refuses_more_values_than_possible():
    with pytest.raises(ValueError, match="3 values were given"):
        gwet_ac1(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2]), classes=2)


def test_percent_agreement_counts_every_item_once():
    """(a, a, b): one pair of three alike; (a, a): one of one; (b,) has no pair. (1/3 + 1) / 2 = 2/3."""
    found = percent_agreement(*by_unit(["aab", "aa", "b"]))
    assert found.value == pytest.approx(2 / 3)
    assert (found.units, found.judgements, found.expected) == (2, 5, None)


# --- Undefined --------------------------------------------------------------------------------------------------------

ONCE, SAME = by_unit(["a", "b", "a"]), by_unit(["aa", "aa"])


@pytest.mark.parametrize(
    "coefficient,data,reason",
    [
        (krippendorff_alpha, ONCE, "no item was judged by two people"),
        (gwet_ac1, ONCE, "no item was judged by two people"),
        (percent_agreement, ONCE, "no item was judged by two people"),
        (fleiss_kappa, ONCE, "no item was judged by two people"),
        (krippendorff_alpha, SAME, "all judgements are the same"),
        (fleiss_kappa, SAME, "all judgements are the same"),
        (gwet_ac1, SAME, "only one value was given"),
        (cohen_kappa, (np.zeros(3), np.zeros(3)), "all judgements are the same"),
        (cohen_kappa, (np.zeros(0), np.zeros(0)), "no item was judged by two people"),
    ],
)
def test_a_coefficient_says_why_it_is_undefined(coefficient, data, reason):
    found = coefficient(*data)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert reason in found.reason


# --- Intervals --------------------------------------------------------------------------------------------------------


def resampled_unit_by_unit(unit, value, coefficient, times=400):
    """The plain bootstrap: units drawn with replacement, a copy being a new unit, the coefficient computed anew."""
    chance = np.random.default_rng(5)
    names = np.unique(unit)
    places = [np.flatnonzero(unit == one) for one in names]
    found = []
    for _ in range(times):
        drawn = chance.integers(0, len(names), len(names))
        rows = np.concatenate([places[one] for one in drawn])
        copies = np.repeat(np.arange(len(drawn)), [len(places[one]) for one in drawn])
        found.append(coefficient(copies, value[rows], resamples=1).value)
    return np.quantile(found, [0.025, 0.975])


@pytest.mark.parametrize("coefficient", [krippendorff_alpha, gwet_ac1, percent_agreement])
def test_the_interval_is_that_of_resampling_units_one_by_one(coefficient):
    """Two bootstraps with other draws: an end has a standard error of about sd · sqrt(0.025 · 0.975 / B) / φ(1.96) =
    sd · 0.13 for B = 400 and 0.08 for B = 1,000; with sd ≈ 0.03 four of these together are 0.02."""
    unit, _, value = as_arrays(random_judgements(2))
    found = coefficient(unit, value)
    assert (found.low, found.high) == pytest.approx(resampled_unit_by_unit(unit, value, coefficient), abs=0.02)


def test_intervals_of_alpha_cover_the_truth_as_often_as_they_say():
    """Three raters of skill 0.7 and two even values: two agree with chance 0.7² + 0.3² + … = s² + (1 - s²) / 2 with
    s = 0.7, so α = s² = 0.49. Of 300 studies of 150 items 285 should cover it, give or take 3.8; percentile intervals
    of this size are a little narrow, so 270 to 297."""
    covered = 0
    for seed in range(300):
        table = random_judgements(seed, units=150, raters=3, values=2, there=1.1, skill=0.7)
        unit, _, value = as_arrays(table)
        found = krippendorff_alpha(unit, value, resamples=400)
        covered += bool(found.low and found.high and found.low <= 0.49 <= found.high)
    assert 270 <= covered <= 297


def test_the_same_judgements_give_the_same_interval():
    unit, _, value = as_arrays(random_judgements(2))
    order = np.random.default_rng(1).permutation(len(unit))
    assert krippendorff_alpha(unit, value) == krippendorff_alpha(unit[order], value[order])


def test_full_agreement_of_few_items_is_no_certainty():
    """Ten of ten items alike: resampling finds 1 every time. Wilson's bound of 10 / 10 is 10 / (10 + 1.96²) = 0.72247;
    with expected agreement 9/19, (5 · 5 items, n = 20: De = (400 - 200) / 380 = 10/19), α is at least
    (0.72247 - 9/19) / (10/19) = 0.47269."""
    found = krippendorff_alpha(*by_unit(["aa", "bb"] * 5))
    assert (found.value, found.high) == pytest.approx((1.0, 1.0))
    assert found.low == pytest.approx(0.47269, abs=1e-5)


def test_one_item_has_no_interval():
    found = percent_agreement(*by_unit(["aab"]))
    assert found.value == pytest.approx(1 / 3)
    assert (found.low, found.high) == (None, None)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=12), st.randoms())
def test_names_of_values_and_units_and_the_order_do_not_matter(units, shuffle):
    unit, value = by_unit(units)
    names = np.array(shuffle.sample(range(-9, 9), 4))
    order = np.array(shuffle.sample(range(len(unit)), len(unit)))
    for coefficient in (krippendorff_alpha, gwet_ac1, percent_agreement, fleiss_kappa):
        found = coefficient(unit, value, resamples=20).value
        again = coefficient(7 * unit[order] - 3, names[value[order]], resamples=20).value
        assert (found is None) == (again is None)
        assert found is None or found == pytest.approx(again, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=12))
def test_no_coefficient_is_above_one_and_each_lies_where_its_parts_say(units):
    for coefficient in (krippendorff_alpha, gwet_ac1, percent_agreement, fleiss_kappa):
        found = coefficient(*by_unit(units), resamples=20)
        if found.value is None or found.observed is None:
            assert found.reason
            continue
        chance = found.expected or 0.0
        assert found.value == pytest.approx((found.observed - chance) / (1 - chance))
        assert found.value <= 1 + 1e-12


# --- Rater with rater, unit by unit -----------------------------------------------------------------------------------


def test_who_agrees_with_whom_in_krippendorffs_example():
    """Observers 1 and 2 both judged units 1 to 9 and differ on unit 6 alone: 8/9. Observer 3 shares 8 units with
    observer 1 and differs on 2, 6 and 8: 5/8."""
    found = between_raters(*judgements(OBSERVERS))
    assert found.units.tolist() == [[9, 9, 8, 9], [9, 11, 9, 10], [8, 9, 10, 10], [9, 10, 10, 11]]
    assert found.share[0, 1] == pytest.approx(8 / 9)
    assert found.share[2, 0] == pytest.approx(5 / 8)
    assert np.isnan(np.diag(found.share)).all()
    assert (found.low[0, 1], found.high[0, 1]) == pytest.approx((0.56500, 0.98011), abs=1e-5)


def test_raters_who_share_nothing_have_no_share():
    found = between_raters(np.array([1, 2]), np.array([7, 9]), np.array([0, 0]))
    assert found.raters.tolist() == [7, 9]
    assert np.isnan(found.share[0, 1])
    assert (found.units[0, 1], found.low[0, 1], found.high[0, 1]) == (0, 0.0, 1.0)


def test_a_rater_against_the_rest():
    """Unit 1: raters 0, 1, 2 say a, a, b; unit 2: raters 0, 2 say b, b; unit 3: rater 1 alone. Rater 0 has
    (1/2 + 1) / 2 = 3/4 on two units, rater 1 1/2 on one, rater 2 (0 + 1) / 2 on two."""
    unit, rater, value = (np.array(part) for part in ([1, 1, 1, 2, 2, 3], [0, 1, 2, 0, 2, 1], [0, 0, 1, 1, 1, 1]))
    found = against_rest(unit, rater, value)
    assert found.share.tolist() == pytest.approx([0.75, 0.5, 0.5])
    assert found.units.tolist() == [2, 1, 2]


def test_a_rater_whom_nobody_shares_a_unit_with_has_no_share():
    found = against_rest(np.array([1, 1, 2]), np.array([0, 1, 5]), np.array([0, 0, 0]))
    assert np.isnan(found.share[2])
    assert (found.units[2], found.low[2], found.high[2]) == (0, 0.0, 1.0)


@pytest.mark.parametrize("compare", [between_raters, against_rest])
def test_a_unit_judged_twice_by_one_rater_raises(compare):
    with pytest.raises(ValueError, match="judged a unit twice"):
        compare(np.array([1, 1]), np.array([0, 0]), np.array([0, 1]))


def test_entropy_of_units_by_hand():
    """(a, a): 0 bits. (a, b): 1. (a, a, b): -(2/3) log2(2/3) - (1/3) log2(1/3) = 0.91830. (a, b, c, d): 2."""
    found = entropies(*by_unit(["aa", "ab", "aab", "abcd"]))
    assert found.bits.tolist() == pytest.approx([0, 1, 0.91830, 2], abs=1e-5)
    assert found.judgements.tolist() == [2, 2, 3, 4]


def test_nothing_judged_gives_empty_arrays():
    none = np.array([], np.int64)
    assert len(between_raters(none, none, none).raters) == 0
    assert len(against_rest(none, none, none).raters) == 0
    assert len(entropies(none, none).bits) == 0
