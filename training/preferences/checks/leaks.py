"""Contamination: prompts of the version that an evaluation set asks as well."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.preferences.checks.findings import Level, counted, harms
from training.preferences.checks.overlaps import COVERED, RUN_WORDS, SIMILAR, Flags, PromptIndex
from training.preferences.checks.shingles import MOST_TEXTS, words_of
from training.preferences.survey import Survey


def evaluation_prompts_in_the_data(survey: Survey) -> None:
    """Rows, held out or not, whose prompt leaks one of an evaluation set; the score is the largest overlap."""
    sets = {key: _indexes(prompts) for key, prompts in survey.evaluations.items() if prompts}
    if not sets:
        return
    largest = np.zeros(survey.rows, np.float32)
    is_leak = {key: np.zeros(survey.rows, bool) for key in sets}
    leaked = {key: [np.zeros(index.size, bool) for index in indexes] for key, indexes in sets.items()}
    for texts in survey.texts():
        words = words_of(texts.prompts)
        for key, indexes in sets.items():
            for index, seen in zip(indexes, leaked[key], strict=True):
                overlap = index.overlap(words)
                largest[texts.rows] = np.maximum(largest[texts.rows], overlap.largest)
                is_leak[key][texts.rows] |= overlap.is_leak
                seen[overlap.leaked] = True
    survey.score("leak", largest)
    _add(survey, is_leak, {key: int(sum(seen.sum() for seen in parts)) for key, parts in leaked.items()})


def _indexes(prompts: list[str]) -> list[PromptIndex]:
    return [PromptIndex(prompts[start : start + MOST_TEXTS]) for start in range(0, len(prompts), MOST_TEXTS)]


def _add(survey: Survey, is_leak: Mapping[str, Flags], leaked: Mapping[str, int]) -> None:
    rows = np.flatnonzero(np.any(list(is_leak.values()), axis=0))
    count = len(rows)
    if not count:
        return
    keys = [key for key in is_leak if leaked[key]]
    sets = [
        [survey.names.get(key, key), leaked[key], len(survey.evaluations[key]), int(is_leak[key].sum())] for key in keys
    ]
    named = "; ".join(f"{asked:,} of {size:,} prompts of “{name}”" for name, asked, size, _ in sets)
    flattered = "A policy is evaluated on prompts that it was trained on, so it looks better than it is."
    survey.found.add(
        "leaks",
        f"{counted(count, 'row asks', 'rows ask')} what an evaluation asks: {named}.",
        harms=harms(Level.WARNING, dpo=flattered, cpo=flattered, rlhf=flattered),
        action="Leave these rows out, or evaluate on other prompts.",
        threshold=f"A warning from the first row on. A prompt leaks when it is equal, alike to {SIMILAR}, or shares "
        f"runs of {RUN_WORDS} words that cover over {COVERED:.0%} of it (Lambert et al. 2024).",
        actions=("drop",),
        count=count,
        total=survey.rows,
        rows=rows,
        picture={
            "kind": "table",
            "columns": ["Evaluation", "Prompts found here", "Prompts in all", "Rows that ask them"],
            "keys": keys,
            "rows": sets,
        },
    )
