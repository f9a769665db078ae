"""In which languages the prompts are."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np

from training.preferences.checks.bars import share_bar
from training.preferences.checks.findings import Level, counted, harms, whole_number
from training.preferences.intervals import wilson
from training.preferences.survey import Survey

Codes = np.ndarray[Any, Any]

LOOKED_AT = 20_000
"""Rows that are looked at first; of more rows so many are drawn. At 20,000 a share is known to within 0.7 points."""

AFFORDED = 25_000_000
"""Characters of prompts up to which all rows are looked at where those drawn are not in one language."""

SURE = 0.8
"""Heuristic: below this probability (of langid's naive Bayes, Lui and Baldwin 2012) the language counts as unknown."""

LETTERS = 20
"""Heuristic: shorter prompts tell too little."""

WORTH_SAYING = 0.01
"""Heuristic: other languages are named once their share (lower bound) exceeds this."""

READ = 500  # characters of a prompt
SHOWN = 15
CHARACTERS = f"SELECT sum(least(prompt_length, {READ})) FROM measures"
UNKNOWN = "und"  # ISO 639: undetermined


def languages_of_prompts(survey: Survey) -> None:
    """The mix of languages, as shares of the prompts whose language is clear."""
    every = -(-survey.rows // LOOKED_AT)
    drawn = f"hash(row) % {every} = 0"
    codes: Codes = np.full(survey.rows, "", dtype="U3")
    _identify(survey, codes, drawn if every > 1 else "true")
    if every > 1 and _is_mixed(_known(codes)) and whole_number(survey.database, CHARACTERS) <= AFFORDED:
        _identify(survey, codes, f"NOT {drawn}")
    survey.score("language", codes.astype(object))
    left = int((codes == "").sum())
    if left:
        survey.notes["languages"] = (
            f"Named for {survey.rows - left:,} rows drawn at random. A filter by language, and a step on one, is about "
            f"these alone; the other {left:,} rows have none."
        )
    if _is_mixed(known := _known(codes)):
        _add(survey, codes, known, sampled=left > 0)


def _identify(survey: Survey, codes: Codes, condition: str) -> None:
    """Names the language of the rows that meet a condition."""
    identifier = _identifier()
    for texts in survey.texts(condition):
        read = [prompt[:READ] for prompt in texts.prompts]
        named = {text: _language(identifier, text) for text in set(read)}
        codes[texts.rows] = [named[text] for text in read]


def _known(codes: Codes) -> Counter[str]:
    return Counter(code for code in codes.tolist() if code not in {"", UNKNOWN})


def _is_mixed(known: Counter[str]) -> bool:
    clear = known.total()
    return clear > 0 and wilson(clear - max(known.values()), clear)[0] > WORTH_SAYING


@cache
def _identifier() -> Any:
    """Loading its model takes longer than most small versions."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _language(identifier: Any, text: str) -> str:
    if sum(map(str.isalpha, text)) < LETTERS and text.isascii():
        return UNKNOWN
    code, probability = identifier.classify(text)
    return str(code) if probability >= SURE else UNKNOWN


def _add(survey: Survey, codes: Codes, known: Counter[str], *, sampled: bool) -> None:
    [(main, most)] = known.most_common(1)
    clear, others = known.total(), known.total() - most
    names = ", ".join(code for code, _ in known.most_common(4) if code != main)
    look = f" Looked at: {counted(int((codes != '').sum()), 'row', 'rows')}, drawn at random." if sampled else ""
    survey.found.add(
        "languages",
        f"Not all prompts are in one language: beside {main} there are {names}{' and more' if len(known) > 4 else ''}, "
        f"in this share of the prompts whose language is clear.{look}",
        harms=harms(
            Level.INFO,
            dpo="Preferences of one language carry over to another only in part; a rare one is hardly learnt.",
            cpo="Preferences of one language carry over to another only in part; a rare one is hardly learnt.",
            rlhf="The reward model is less sure in a rare language, and RL finds where it errs.",
        ),
        action="Compare with the languages you serve; collect pairs where one is thin, leave out what nobody meant.",
        threshold=f"Said above {WORTH_SAYING:.0%} of the clear prompts (lower bound); a language is clear from a "
        f"probability of {SURE} and {LETTERS} letters on; heuristics.",
        actions=() if sampled else ("drop",),
        count=others,
        total=clear,
        rows=np.flatnonzero(~np.isin(codes, ["", UNKNOWN, main])),
        picture={
            "kind": "bars",
            "of": "language",
            "bars": [share_bar(c, n, clear, language=c) for c, n in known.most_common(SHOWN)],
        },
    )
