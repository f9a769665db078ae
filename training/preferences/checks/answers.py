"""Rows whose answers give a method too little to learn from."""

from __future__ import annotations

from training.preferences.checks.findings import Level, counted, harms, row_numbers
from training.preferences.survey import Survey


def answers_that_differ_only_in_space(survey: Survey) -> None:
    """Chosen and rejected are equal but for white space and case (equal ones are refused at import)."""
    rows = row_numbers(survey.database, "SELECT row FROM measures WHERE is_same_but_for_space")
    count = len(rows)
    if count:
        survey.found.add(
            "near_identical",
            f"In {counted(count, 'pair', 'pairs')} the answers differ only in white space or case.",
            harms=harms(
                Level.WARNING,
                dpo="Its two log-probabilities are nearly equal, so it teaches formatting alone.",
                cpo="The floor cannot tell the answers apart either; the pair teaches formatting alone.",
                rlhf="The reward model learns that white space is worth reward.",
            ),
            action="Look at the rows; leave them out unless formatting is what you mean to teach.",
            threshold="A warning from the first such pair on.",
            actions=("drop",),
            count=count,
            total=survey.pairs,
            rows=rows,
        )


def rows_without_a_rejected_answer(survey: Survey) -> None:
    """Demonstrations among pairs; a version of demonstrations alone is another kind and not a fault."""
    rows = row_numbers(survey.database, "SELECT row FROM measures WHERE NOT is_pair")
    count = len(rows)
    if count and survey.pairs:
        unused = "It is left out: only supervised fine-tuning can use a row without a rejected answer."
        survey.found.add(
            "no_rejected",
            f"{counted(count, 'row has', 'rows have')} no rejected answer.",
            harms=harms(Level.WARNING, dpo=unused, cpo=unused, rlhf=unused),
            action="Import them as a dataset of their own, or complete them.",
            threshold="A warning from the first such row on.",
            actions=("drop",),
            count=count,
            total=survey.rows,
            rows=rows,
        )
