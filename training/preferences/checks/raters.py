"""What raters say who judged the same pair: how far they agree, how wrong a single vote is, and who stands apart.

A rater is an annotator or, where no annotator is known, a source. Two rows are about the same pair when prompt and
both answers are equal, whichever of them is chosen. Rows of one rater never vouch for each other: they are one voice.
A vote contradicts the majority when it is not on its side; at a tie no vote is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.preferences.checks.bars import share_bar
from training.preferences.checks.findings import Level, RowNumbers, counted, harms
from training.preferences.checks.position import corrected
from training.preferences.intervals import wilson
from training.preferences.survey import Survey
from training.preferences.two_raters import flip_rate

NOISY, TOO_NOISY = 0.1, 0.25
"""Heuristic: flip rates from which a version needs attention, or is not fit for offline losses. Published preference
data holds 20 to 40 % noise, and ten points more can cost 30 points of win rate (arXiv 2404.09824)."""

APART = 0.1
"""Heuristic: a rater stands apart who contradicts the majority by so many points more often than raters do together."""

SHOWN = 30
NAMES = {"annotator": "annotators", "source": "sources"}

# One row per vote on a pair that several raters judged; `vote` is for the answer whose hash is the smaller.
VOTES = """
CREATE OR REPLACE TEMP TABLE votes AS
WITH said AS (
    SELECT row, nullif(annotator, '') AS annotator, nullif(source, '') AS source,
           coalesce(nullif(annotator, ''), nullif(source, '')) AS rater,
           prompt_hash, least(chosen_hash, rejected_hash) AS one, greatest(chosen_hash, rejected_hash) AS other,
           CASE WHEN (chosen_hash < rejected_hash) = (label > 0.5) THEN 1 ELSE -1 END AS vote
    FROM measures WHERE is_pair AND label <> 0.5
), several AS (
    SELECT prompt_hash, one, other, row_number() OVER (ORDER BY min(row)) AS pair
    FROM said WHERE rater IS NOT NULL GROUP BY prompt_hash, one, other HAVING min(rater) <> max(rater)
), grouped AS (
    SELECT said.*, pair FROM said JOIN several USING (prompt_hash, one, other) WHERE rater IS NOT NULL
), opinions AS (
    SELECT pair, rater, sign(sum(vote)) AS opinion FROM grouped GROUP BY pair, rater
), majorities AS (
    SELECT pair, sum(opinion) AS majority, count(*) - 1 AS others FROM opinions GROUP BY pair
)
SELECT row, annotator, source, rater, pair, vote, vote * majority <= 0 AS contradicts,
       (others - vote * (majority - opinion)) / (2 * others) AS against
FROM grouped JOIN majorities USING (pair) JOIN opinions USING (pair, rater)
"""
# Pairs of votes of different raters on the same pair, and those that agree.
AGREEMENT = """
WITH by_rater AS (
    SELECT pair, rater, count(*) FILTER (vote > 0) AS up, count(*) FILTER (vote < 0) AS down FROM votes GROUP BY ALL
), by_pair AS (
    SELECT pair, sum(up) AS up, sum(down) AS down,
           sum(up * (up - 1) + down * (down - 1)) AS own_agreeing, sum((up + down) * (up + down - 1)) AS own
    FROM by_rater GROUP BY pair
)
SELECT count(*), sum(up * (up - 1) + down * (down - 1) - own_agreeing)::DOUBLE,
       sum((up + down) * (up + down - 1) - own)::DOUBLE
FROM by_pair
"""
SPLIT_PAIRS = """
SELECT row, pair FROM votes
QUALIFY min(vote) OVER (PARTITION BY pair) <> max(vote) OVER (PARTITION BY pair) ORDER BY row
"""
APART_BY = """
SELECT {column}, count(*) FILTER (contradicts), count(*) FROM votes WHERE {column} IS NOT NULL
GROUP BY 1 ORDER BY count(*) FILTER (contradicts) / count(*) DESC, 1
"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over pairs that several raters judged: the share of pairs of votes that agree, with its interval."""

    pairs: int
    share: float
    low: float
    high: float


def raters(survey: Survey) -> None:
    """Agreement of raters and the label noise that follows, then annotators and sources that stand apart.

    Leaves the score `disagreement`: the share of the other raters of a pair that are against a row's label, one who
    said both for half.
    """
    survey.database.execute(VOTES)
    agreement = _agreement(survey)
    if agreement is None:
        return
    _score(survey)
    by_name = {column: survey.database.execute(APART_BY.format(column=column)).fetchall() for column in NAMES}
    _add_agreement(survey, agreement, [_picture(column, found) for column, found in by_name.items() if len(found) > 1])
    for column, found in by_name.items():
        _add_apart(survey, column, found)


def _score(survey: Survey) -> None:
    found = survey.database.execute("SELECT row, against FROM votes").fetchnumpy()
    disagreement = np.full(survey.rows, np.nan, np.float32)
    disagreement[found["row"]] = found["against"]
    survey.score("disagreement", disagreement)


def _agreement(survey: Survey) -> Agreement | None:
    record = survey.database.execute(AGREEMENT).fetchone()
    if record is None or not record[0] or not record[2]:
        return None
    pairs, agreeing, compared = record
    share = agreeing / compared
    # Votes on one pair depend on each other, so the pairs and not the votes are counted as the sample.
    low, high = wilson(round(share * pairs), pairs)
    return Agreement(pairs, share, min(low, share), max(high, share))


def _add_agreement(survey: Survey, found: Agreement, pictures: list[dict[str, Any]]) -> None:
    noise, least, most = (flip_rate(a) for a in (found.share, found.high, found.low))
    level = Level.ERROR if least > TOO_NOISY else Level.WARNING if noise > NOISY else Level.INFO
    rows, groups = _split_pairs(survey)
    votes = survey.database.execute("SELECT count(*) FROM votes").fetchone()
    survey.found.add(
        "rater_agreement",
        f"Two raters agree on {100 * found.share:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}] of "
        f"{counted(found.pairs, 'pair', 'pairs')} that several judged; if they err independently, {100 * noise:.1f} % "
        f"[{100 * least:.1f}, {100 * most:.1f}] of single votes are wrong.",
        harms=harms(
            level,
            dpo="It fits wrong votes as it fits right ones, and the more the longer it trains.",
            cpo="The floor makes the policy prefer the wrong answer outright where the vote is wrong.",
            rlhf="The reward model averages over similar pairs and bears more, but its calibration suffers.",
        ),
        action=f"Use a label smoothing of about {noise:.2f}, or decide split pairs by majority."
        if noise > 0
        else "Nothing to do.",
        threshold=f"A warning when more than {NOISY:.0%} of single votes are wrong, an error when it is at least "
        f"{TOO_NOISY:.0%} (lower bound); heuristics.",
        actions=("split_conflicts", "soften") if len(rows) else (),
        count=len(rows),
        total=int(votes[0]) if votes else 0,
        rows=rows,
        groups=groups,
        picture={**pictures[0], "beside": pictures[1:]} if pictures else None,
    )


def _split_pairs(survey: Survey) -> tuple[RowNumbers, RowNumbers]:
    """Rows of pairs on which the votes differ, and which pair each is about."""
    found = survey.database.execute(SPLIT_PAIRS).fetchnumpy()
    return found["row"].astype("int64"), found["pair"].astype("int64")


def _picture(column: str, by_name: list[Any]) -> dict[str, Any]:
    """How often each contradicts the majority, and how often all do together."""
    return {
        "kind": "bars",
        "of": column,
        "shares": "against the majority",
        "bars": [share_bar(*record, **{column: record[0]}) for record in by_name[:SHOWN]],
        "reference": _together(by_name),
    }


def _together(by_name: list[Any]) -> float:
    return float(sum(record[1] for record in by_name) / sum(record[2] for record in by_name))


def _add_apart(survey: Survey, column: str, by_name: list[Any]) -> None:
    """Those who contradict the majority clearly more often than all do together."""
    if len(by_name) < 2:
        return
    plural, together, z = NAMES[column], _together(by_name), corrected(len(by_name))
    apart = [
        name for name, bad, all_ in by_name if wilson(bad, all_, z)[0] > together and bad / all_ > together + APART
    ]
    if not apart:
        return
    chosen = f"SELECT row FROM votes WHERE contradicts AND list_contains(?, {column}) ORDER BY row"
    rows = survey.database.execute(chosen, [apart]).fetchnumpy()["row"].astype("int64")
    total = sum(all_ for name, _, all_ in by_name if name in set(apart))
    names = ", ".join(apart[:3]) + (f" and {len(apart) - 3} more" if len(apart) > 3 else "")
    verb = "contradicts" if len(apart) == 1 else "contradict"
    survey.found.add(
        f"{plural}_apart",
        f"{names} {verb} the majority far more often than the {100 * together:.1f} % of all {plural}.",
        harms=harms(
            Level.WARNING,
            dpo="One voice pulls against the others on the same prompts; what it rated alone is as doubtful.",
            cpo="One voice pulls against the others; the floor lets neither side give way.",
            rlhf="The reward model averages two opinions into an uncertain one.",
        ),
        action=f"Look at the rows and at the guidelines; weigh these {plural} less, or leave their rows out.",
        actions=("weight", "soften", "drop"),
        threshold=f"A warning when the interval (Bonferroni) lies above the share of all and the share is "
        f"{100 * APART:.0f} points above it, a heuristic.",
        count=len(rows),
        total=total,
        rows=rows,
        picture=_picture(column, by_name),
    )
