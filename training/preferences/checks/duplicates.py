"""Rows that say the same thing again."""

from __future__ import annotations

from training.preferences.checks.findings import Level, counted, harms
from training.preferences.survey import Survey

NOTABLE = 0.01

REPEATS = """
SELECT row, min(row) OVER same AS first FROM measures
WINDOW same AS (PARTITION BY prompt_hash, chosen_hash, rejected_hash, label)
QUALIFY row > min(row) OVER same ORDER BY row
"""


def repeated_rows(survey: Survey) -> None:
    """Exact repeats of an earlier row: same prompt, same answers, same label; those of one row are a group."""
    found = survey.database.execute(REPEATS).fetchnumpy()
    count = len(found["row"])
    if count:
        survey.found.add(
            "repeats",
            f"{counted(count, 'row repeats', 'rows repeat')} an earlier row exactly.",
            harms=harms(
                Level.WARNING if count / survey.rows > NOTABLE else Level.INFO,
                dpo="A repeated pair counts as often as it occurs: it is learnt harder than the others.",
                cpo="A repeated pair counts as often as it occurs, until it reaches the margin.",
                rlhf="The reward model is surest about what was repeated, not about what is right.",
            ),
            action="Keep the repeats only where they are votes of several people.",
            threshold=f"A warning above {NOTABLE:.0%} of the rows, a heuristic.",
            actions=("merge", "drop"),
            count=count,
            total=survey.rows,
            rows=found["row"],
            groups=found["first"],
        )
