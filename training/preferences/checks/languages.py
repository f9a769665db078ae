"""In which languages the prompts are."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np

from training.preferences.checks.findings import Level, counted, harms
from training.preferences.intervals import wilson
from training.preferences.survey import Survey

LOOKED_AT = 20_000
"""Rows that are looked at; more are sampled. At 20,000 a share is known to within 0.7 points."""

SURE = 0.8
"""Heuristic: below this probability (of langid's naive Bayes, Lui and Baldwin 2012) the language counts as unknown."""

LETTERS = 20
"""Heuristic: shorter prompts tell too little."""

WORTH_SAYING = 0.01
"""Heuristic: other languages are named once their share (lower bound) exceeds this."""

READ = 1_000  # characters of a prompt
SHOWN = 15
UNKNOWN = "und"  # ISO 639: undetermined


def languages_of_prompts(survey: Survey) -> None:
    """The mix of languages, as shares of the prompts whose language is clear."""
    every = -(-survey.rows // LOOKED_AT)
    codes = np.full(survey.rows, "", dtype="U3")
    for number, code in _identified(survey, f"hash(row) % {every} = 0" if every > 1 else "true"):
        codes[number] = code
    survey.score("language", codes.astype(object))
    known = Counter(code for code in codes.tolist() if code not in {"", UNKNOWN})
    if not known:
        return
    main, most = known.most_common(1)[0]
    clear = known.total()
    if wilson(clear - most, clear)[0] > WORTH_SAYING:
        _add(survey, codes, known, main, sampled=every > 1)


def _identified(survey: Survey, condition: str) -> Any:
    """(row, language) of the rows that meet a condition."""
    identifier = _identifier()
    for texts in survey.texts(condition):
        for row, prompt in zip(texts.rows, texts.prompts, strict=True):
            yield row, _language(identifier, prompt[:READ])


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


def _add(survey: Survey, codes: np.ndarray[Any, Any], known: Counter[str], main: str, *, sampled: bool) -> None:
    clear, others = known.total(), known.total() - known[main]
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
        actions=("drop",),
        count=others,
        total=clear,
        rows=np.flatnonzero(~np.isin(codes, ["", UNKNOWN, main])),
        picture={"kind": "bars", "of": "language", "bars": [_bar(c, n, clear) for c, n in known.most_common(SHOWN)]},
    )


def _bar(code: str, count: int, total: int) -> dict[str, Any]:
    low, high = wilson(count, total)
    return {"label": code, "share": count / total, "low": low, "high": high, "count": count}
