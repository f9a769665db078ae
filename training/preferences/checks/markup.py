"""How answers look: length, markup, punctuation and opening, counted alike for both answers of every pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.checks.findings import whole_number
from training.preferences.survey import Survey, Texts

if TYPE_CHECKING:
    import pyarrow as pa

Counts = np.ndarray[Any, np.dtype[np.float32]]

LENGTH, WORD_LENGTH = "length", "long words"
MARKUP = {
    "bold text": r"\*\*[^*\n]+\*\*",
    "headings": r"(?m)^#{1,6}\s",
    "list items": r"(?m)^[ \t]*(?:[-*•]|[0-9]+[.)])[ \t]",
    "code": r"`[^`]+`",
    "exclamation marks": r"!",
    "questions": r"\?",
    "emojis": r"[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}]",
    "links": r"https?://",
    "numbers": r"[0-9]+",
    "paragraphs": r"\n[ \t]*\n",
}
"""Name of what is counted in an answer, and how it looks (RE2)."""
OPENINGS = {
    "an agreeing opening": r"(?i)^\W*(?:sure|certainly|of course|absolutely|great question|happy to)\b",
    "an apologetic opening": r"(?i)^\W*(?:i['’]?m sorry|i am sorry|sorry|i can(?:['’]?t|not)|as an ai|unfortunately)\b",
    "an opening with I": r"^\W*I\b",
}
FEATURES = (LENGTH, WORD_LENGTH, *MARKUP, *OPENINGS)
SIGNS = (*MARKUP, *OPENINGS)
"""Features that an answer has or has not."""


def measure_markup(survey: Survey) -> None:
    """Make the table `markup` unless it is there: row, and for every pair d0, d1, … the difference chosen - rejected of
    each of FEATURES (lengths and counts as log(1 + n)), and s0, s1, … for each of SIGNS: 1 where only chosen has it, -1
    where only rejected has it, 0 where both or neither have."""
    if whole_number(survey.database, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'markup'"):
        return
    differences = ", ".join(f"d{number} FLOAT" for number in range(len(FEATURES)))
    signs = ", ".join(f"s{number} TINYINT" for number in range(len(SIGNS)))
    survey.database.execute(f"CREATE TEMP TABLE markup (row BIGINT, {differences}, {signs})")
    for texts in survey.texts("rejected IS NOT NULL"):
        survey.database.register("counted", _counted(texts))
        survey.database.execute("INSERT INTO markup SELECT * FROM counted")
        survey.database.unregister("counted")


def _counted(texts: Texts) -> pa.Table:
    import pyarrow as pa

    both = features_of([*texts.chosen, *(text or "" for text in texts.rejected)])
    chosen, rejected = both[:, : len(texts.rows)], both[:, len(texts.rows) :]
    signs = (chosen > 0).astype(np.int8) - (rejected > 0).astype(np.int8)
    columns = {"row": texts.rows} | {f"d{number}": values for number, values in enumerate(chosen - rejected)}
    first = len(FEATURES) - len(SIGNS)
    return pa.table(columns | {f"s{number}": values for number, values in enumerate(signs[first:])})


def features_of(texts: Sequence[str]) -> Counts:
    """[features, texts]; lengths and counts as log(1 + n), openings as 0 or 1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    answers = pa.array(texts, pa.large_string())
    length = pc.utf8_length(answers).to_numpy().astype(np.float32)
    spaces = pc.count_substring_regex(answers, r"\s+").to_numpy()
    counts = [
        length,
        length / (1 + spaces),
        *(pc.count_substring_regex(answers, p).to_numpy() for p in MARKUP.values()),
    ]
    openings = [pc.match_substring_regex(answers, pattern) for pattern in OPENINGS.values()]
    return np.stack(
        [*(np.log1p(count, dtype=np.float32) for count in counts), *(flag.to_numpy(False) for flag in openings)],
        dtype=np.float32,
        casting="unsafe",
    )
