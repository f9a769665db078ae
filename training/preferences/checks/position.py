"""Whether the answer shown first is chosen more often, or less, than the one shown second."""

from __future__ import annotations

from typing import Any

from training.preferences.checks.bars import share_bar
from training.preferences.checks.findings import Level, harms, row_numbers
from training.preferences.intervals import Z95, wilson
from training.preferences.survey import Survey

NOTABLE = 0.02
"""Heuristic: a share this far from one half is worth a warning, provided the interval excludes one half."""

SHOWN = 30

POSITIONS = """
SELECT coalesce(nullif(annotator, ''), '') AS annotator, count(*) FILTER ((position = 1) = (label > 0.5)), count(*)
FROM measures WHERE is_pair AND position IN (1, 2) AND label <> 0.5 GROUP BY 1 ORDER BY count(*) DESC, 1
"""
ROWS = """
SELECT row FROM measures
WHERE is_pair AND position IN (1, 2) AND label <> 0.5 AND (position = {side}) = (label > 0.5)
"""


def shown_first_wins(survey: Survey) -> None:
    """The share of pairs whose chosen answer was shown first, among those that say so (binomial, Wilson interval)."""
    by_annotator = survey.database.execute(POSITIONS).fetchall()
    first, total = (sum(record[column] for record in by_annotator) for column in (1, 2))
    if not total:
        return
    low, high = wilson(first, total)
    one_sided = _one_sided(by_annotator)
    everywhere = (low > 0.5 or high < 0.5) and abs(first / total - 0.5) > NOTABLE
    if not everywhere and not one_sided:
        return
    place, side = ("first", 1) if first * 2 >= total else ("second", 2)
    rows = row_numbers(survey.database, ROWS.format(side=side))
    survey.found.add(
        "position_bias",
        f"The answer shown {place} is chosen more often than chance would have it."
        if everywhere
        else f"Position is balanced overall, but not with {_named(one_sided)}.",
        harms=harms(
            Level.WARNING,
            dpo="A part of the labels says where an answer stood and not how good it is: noise that no rater sees.",
            cpo="A part of the labels says where an answer stood; the floor makes the policy follow these as well.",
            rlhf="The reward model cannot see positions, so for it these labels are noise.",
        ),
        action="Show answers in random order, ask some pairs both ways round, and soften the labels meanwhile.",
        threshold=f"A warning when a share is more than {100 * NOTABLE:.0f} points from one half and its interval "
        "excludes that, overall or (Bonferroni) of an annotator; a heuristic.",
        actions=("soften",),
        count=len(rows),
        total=total,
        rows=rows,
        picture=_picture(by_annotator),
    )


def _one_sided(by_annotator: list[Any]) -> list[str]:
    """Annotators whose own interval, widened for their number (Bonferroni), excludes one half."""
    z = corrected(len(by_annotator))
    found = []
    for name, first, total in by_annotator:
        low, high = wilson(first, total, z)
        if name and (low > 0.5 or high < 0.5) and abs(first / total - 0.5) > NOTABLE:
            found.append(name)
    return found


def corrected(tests: int) -> float:
    """The normal quantile for 95 % over so many intervals at once (Bonferroni)."""
    from scipy.stats import norm

    return float(norm.isf(0.025 / tests)) if tests > 1 else Z95


def _named(names: list[str]) -> str:
    more = f" and {len(names) - 3} more annotators" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def _picture(by_annotator: list[Any]) -> dict[str, Any]:
    bars = [
        share_bar(name or "not said", first, total, **({"annotator": name} if name else {}))
        for name, first, total in by_annotator[:SHOWN]
    ]
    return {"kind": "bars", "of": "annotator", "shares": "first chosen", "bars": bars, "reference": 0.5}
