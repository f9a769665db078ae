"""Rows that say the opposite of each other."""

from __future__ import annotations

from training.preferences.checks.findings import Level, counted, harms, row_numbers
from training.preferences.survey import Survey

MANY = 0.05
"""Share of contradicting pairs from which a version is not fit to train on."""

BOTH_WAYS = """
SELECT row FROM measures AS one
WHERE is_pair AND EXISTS (
    FROM measures AS other
    WHERE other.is_pair AND other.prompt_hash = one.prompt_hash
      AND other.chosen_hash = one.rejected_hash AND other.rejected_hash = one.chosen_hash
)
"""


def pairs_labelled_both_ways(survey: Survey) -> None:
    """The same two answers to the same prompt, once preferred one way and once the other."""
    rows = row_numbers(survey.database, BOTH_WAYS)
    count = len(rows)
    if count:
        survey.found.add(
            "contradictions",
            f"{counted(count, 'pair contradicts', 'pairs contradict')} another: the same answers, preferred both ways.",
            harms=harms(
                Level.ERROR if count / survey.pairs > MANY else Level.WARNING,
                dpo="Half of these labels are wrong for a consistent rater; opposite pairs cancel out or add noise.",
                cpo="No policy can prefer both; the floor stops the push, but the pair still weighs.",
                rlhf="The reward model learns that both are as good, with less certainty everywhere near them.",
            ),
            action="Decide each by a further vote, or leave both out.",
            actions=("split_conflicts", "soften", "drop"),
            count=count,
            total=survey.pairs,
            rows=rows,
        )
