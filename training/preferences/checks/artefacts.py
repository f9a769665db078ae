"""Openings and markup that the better answers have more often than the worse.

Only pairs count in which one answer has the trait and the other has not, so the prompt is held fixed. Of n such pairs
the better answer has it in k; without a bias k is Binomial(n, 1/2): McNemar's exact test. Of what is listed at most
5 % is expected to be chance (Benjamini and Hochberg 1995). Traits that nearly the same answers have, such as an apology
and the words it opens with, are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from training.preferences.checks.bars import share_bar
from training.preferences.checks.findings import Level, counted, harms, part_of, row_numbers
from training.preferences.checks.markup import SIGNS, measure_markup
from training.preferences.survey import Survey

FALSE_DISCOVERIES = 0.05
FEWEST_PAIRS = 20
NOTABLE = 0.1
"""How far from one half a share must be to be listed: in a large version chance explains nearly nothing."""
COMMON = 0.01
"""Share of all pairs from which a trait is worth a warning."""
ECHO = 0.8
"""Share of its pairs from which on a longer opening replaces the shorter one that it begins with; and of the pairs that
have either of two traits those in which the same answer has both, from which on they are one."""
MOST_SHOWN = 12
MOST_COMPARED = 2 * MOST_SHOWN
LONGEST_OPENING = 3

# Words of an answer's first letters, in lower case, markup left out.
WORDS = """
CREATE OR REPLACE TEMP MACRO first_words(turns) AS list_slice(list_filter(
    string_split_regex(lower(left(ltrim(turns[1].content), 80)), '[^\\p{{L}}\\p{{N}}''’]+'), lambda word: word <> ''
), 1, {most});
CREATE OR REPLACE TEMP MACRO opening(found, words) AS array_to_string(list_slice(found, 1, words), ' ')
"""
OPENED = """
CREATE OR REPLACE TEMP TABLE opened AS
SELECT row, label, first_words(chosen) AS chosen, first_words(rejected) AS rejected
FROM pairs WHERE rejected IS NOT NULL AND label <> 0.5
"""
OPENINGS = """
WITH sides AS (
    SELECT label > 0.5 AS is_right, opening(chosen, {words}) AS chosen, opening(rejected, {words}) AS rejected
    FROM opened
), openings AS (
    SELECT chosen AS opening, is_right AS is_better FROM sides WHERE chosen <> rejected
    UNION ALL SELECT rejected, NOT is_right FROM sides WHERE chosen <> rejected
)
SELECT opening, count(*) FILTER (is_better) AS better, count(*) AS total FROM openings
WHERE len(string_split(opening, ' ')) = {words} GROUP BY opening HAVING count(*) >= {fewest}
"""
SIGNED = """
SELECT count(*) FILTER ((s{number} > 0) = (label > 0.5)) AS better, count(*) AS total
FROM markup JOIN measures USING (row) WHERE s{number} <> 0 AND label <> 0.5
"""
ROWS_OF_SIGN = """
SELECT row FROM markup JOIN measures USING (row)
WHERE s{number} <> 0 AND label <> 0.5 AND ((s{number} > 0) = (label > 0.5)) = {is_better}
"""
ROWS_OF_OPENING = """
SELECT row FROM opened WHERE (opening(chosen, {words}) = $opening) <> (opening(rejected, {words}) = $opening)
AND ((opening(chosen, {words}) = $opening) = (label > 0.5)) = {is_better} ORDER BY row
"""


# Which answer of which pair has a trait alone: side is 1 for the chosen one and -1 for the other.
HAVING = "CREATE OR REPLACE TEMP TABLE having_traits (number INTEGER, row BIGINT, side TINYINT)"
HAVING_SIGN = """
INSERT INTO having_traits SELECT {number}, row, {column} FROM markup JOIN measures USING (row)
WHERE {column} <> 0 AND label <> 0.5
"""
HAVING_OPENING = """
INSERT INTO having_traits
SELECT {number}, row, CASE WHEN opening(chosen, {words}) = $opening THEN 1 ELSE -1 END
FROM opened WHERE (opening(chosen, {words}) = $opening) <> (opening(rejected, {words}) = $opening)
"""
TOGETHER = """
SELECT one.number, other.number, count(*) FROM having_traits one JOIN having_traits other USING (row, side)
WHERE one.number < other.number GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Trait:
    """In `total` pairs one answer has the trait; in `better` of them it is the better one."""

    kind: str  # "opening", or the column of a sign
    text: str
    better: int
    total: int
    also: tuple[str, ...] = ()
    """Other traits that nearly the same answers have."""

    @property
    def share(self) -> float:
        return self.better / self.total


def traits_of_better_answers(survey: Survey) -> None:
    """Traits that tell the better answer too often or too seldom, and the rows that follow the worst of them."""
    measure_markup(survey)
    survey.database.execute(WORDS.format(most=LONGEST_OPENING))
    survey.database.execute(OPENED)
    found = _merged(survey, worst_first(telling(_signs(survey) + _openings(survey))))
    if not found:
        return
    rows_of = {_name(trait): _rows(survey, trait) for trait in found[:MOST_SHOWN]}
    rows = rows_of[_name(found[0])]
    is_common = any(trait.total >= COMMON * survey.pairs for trait in found)
    which = "better" if found[0].share > 0.5 else "worse"
    survey.found.add(
        "artefacts",
        f"{counted(len(found), 'opening or form goes', 'openings or forms go')} with one side; most of all "
        f"{_named(found[0])}, which the {which} answer of {len(rows):,} pairs has and the other has not.",
        harms=harms(
            Level.WARNING if is_common else Level.INFO,
            dpo="A policy learns to write or to avoid it, whatever else the answer says.",
            cpo="A policy learns to write or to avoid it as far as the margin goes, whatever else the answer says.",
            rlhf="The reward model pays for it or fines it, and RL will find that out.",
        ),
        action="Look at the rows; leave some out or give them less weight unless this is what you mean to teach.",
        threshold=f"Listed at least {100 * NOTABLE:.0f} points from one half (with at most {FALSE_DISCOVERIES:.0%} "
        f"false discoveries); a warning when one of them tells {COMMON:.0%} of the pairs apart, heuristics.",
        actions=("weight", "drop"),
        count=len(rows),
        total=survey.pairs,
        rows=rows,
        picture={
            "kind": "bars",
            "of": "trait",
            "shares": "of the better one",
            "bars": [_bar(t) for t in found[:MOST_SHOWN]],
            "reference": 0.5,
        },
        parts=rows_of,
    )


def telling(traits: Sequence[Trait]) -> list[Trait]:
    """Those that chance does not explain, by McNemar's exact test and Benjamini and Hochberg's procedure, and whose
    share is NOTABLE; of an opening and a longer one in nearly the same answers the longer."""
    from scipy.stats import binom, false_discovery_control

    tried = [trait for trait in traits if trait.total >= FEWEST_PAIRS]
    if not tried:
        return []
    better, total = np.array([(trait.better, trait.total) for trait in tried]).T
    chance = np.minimum(1.0, 2 * binom.cdf(np.minimum(better, total - better), total, 0.5))
    kept = false_discovery_control(chance) <= FALSE_DISCOVERIES
    kept &= np.abs(better / total - 0.5) >= NOTABLE
    found = [trait for trait, is_kept in zip(tried, kept, strict=True) if is_kept]
    return [trait for trait in found if not any(_is_echo(trait, other) for other in found)]


def _is_echo(trait: Trait, other: Trait) -> bool:
    both_open = trait.kind == other.kind == "opening"
    return both_open and other.text.startswith(f"{trait.text} ") and other.total >= ECHO * trait.total


def worst_first(traits: Sequence[Trait]) -> list[Trait]:
    """By the number of pairs in which the trait goes the usual way beyond those in which it does not."""
    return sorted(traits, key=lambda trait: (-abs(2 * trait.better - trait.total), trait.kind, trait.text))


def _merged(survey: Survey, traits: list[Trait]) -> list[Trait]:
    """Each trait once, as the worst of those that nearly the same answers have; only what may be shown is compared."""
    compared = traits[:MOST_COMPARED]
    together = _together(survey, compared)
    kept: dict[int, Trait] = {}
    for number, trait in enumerate(compared):
        twin = next((first for first in kept if _is_twin(traits[first], trait, together.get((first, number), 0))), None)
        if twin is None:
            kept[number] = trait
        else:
            kept[twin] = replace(kept[twin], also=(*kept[twin].also, _named(trait)))
    return [*kept.values(), *traits[MOST_COMPARED:]]


def _is_twin(one: Trait, other: Trait, both: int) -> bool:
    return both >= ECHO * (one.total + other.total - both)


def _together(survey: Survey, traits: list[Trait]) -> dict[tuple[int, int], int]:
    """In how many pairs the same answer alone has both of two traits, by their numbers, the lower first."""
    alike = {number for pair in combinations(enumerate(traits), 2) if _may_be_twins(*pair) for number, _ in pair}
    survey.database.execute(HAVING)
    for number in alike:
        trait = traits[number]
        if trait.kind != "opening":
            survey.database.execute(HAVING_SIGN.format(number=number, column=trait.kind))
        else:
            query = HAVING_OPENING.format(number=number, words=len(trait.text.split()))
            survey.database.execute(query, {"opening": trait.text})
    return {(one, other): count for one, other, count in survey.database.execute(TOGETHER).fetchall()}


def _may_be_twins(one: tuple[int, Trait], other: tuple[int, Trait]) -> bool:
    """Of two openings that nearly the same answers have one begins with the other, which `telling` has seen to."""
    few, many = sorted((one[1].total, other[1].total))
    return few >= ECHO * many and not one[1].kind == other[1].kind == "opening"


def _signs(survey: Survey) -> list[Trait]:
    traits = []
    for number, name in enumerate(SIGNS):
        record = survey.database.execute(SIGNED.format(number=number)).fetchone()
        assert record is not None, "an aggregate always yields a row"
        traits.append(Trait(f"s{number}", name, *record))
    return traits


def _openings(survey: Survey) -> list[Trait]:
    return [
        Trait("opening", *record)
        for words in range(1, LONGEST_OPENING + 1)
        for record in survey.database.execute(OPENINGS.format(words=words, fewest=FEWEST_PAIRS)).fetchall()
    ]


def _rows(survey: Survey, trait: Trait) -> Any:
    """The pairs in which the trait goes the usual way."""
    is_better = trait.share > 0.5
    if trait.kind != "opening":
        return row_numbers(survey.database, ROWS_OF_SIGN.format(number=trait.kind[1:], is_better=is_better))
    query = ROWS_OF_OPENING.format(words=len(trait.text.split()), is_better=is_better)
    return survey.database.execute(query, {"opening": trait.text}).fetchnumpy()["row"]


def _name(trait: Trait) -> str:
    return f'the opening "{trait.text}"' if trait.kind == "opening" else trait.text


def _named(trait: Trait) -> str:
    return f"{_name(trait)} ({', '.join(trait.also)})" if trait.also else _name(trait)


def _bar(trait: Trait) -> dict[str, Any]:
    return share_bar(_named(trait), trait.better, trait.total, finding=part_of("artefacts", _name(trait)))
