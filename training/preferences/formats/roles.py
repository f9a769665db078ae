"""What a column can be to an import, and the names it goes by in the data sets people have.

Names are compared in any case, with blanks and punctuation alike: `Chosen Response`, `chosen-response` and
`chosen_response` are one name. The first synonym is alignapp's own name, which trl.py writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """How the rows of a source hold preferences; the value is stored, FORMAT_LABELS are shown."""

    PAIRS = "pairs"
    TRANSCRIPTS = "transcripts"
    RATED = "rated"
    BATTLES = "battles"

    @property
    def label(self) -> str:
        return FORMAT_LABELS[self]

    @property
    def short(self) -> str:
        return {"rated": "Rated answers"}.get(self.value, self.value.capitalize())


FORMAT_LABELS = {
    Format.PAIRS: "Pairs or demonstrations: prompt, chosen, rejected",
    Format.TRANSCRIPTS: "Transcripts: Human and Assistant in turn",
    Format.RATED: "Several rated answers per prompt",
    Format.BATTLES: "Battles: two models, one winner",
}


@dataclass(frozen=True, slots=True)
class Role:
    """What a column is. `inside`: not a column but a key of the objects in the column of answers."""

    name: str
    label: str
    synonyms: tuple[str, ...]
    required: bool = False
    inside: bool = False

    def find(self, columns: Iterable[str]) -> str | None:
        """The column that goes by one of the role's names; earlier names are preferred."""
        by_name: dict[str, str] = {}
        for column in columns:
            by_name.setdefault(normal(column), column)
        return next((by_name[name] for name in self.synonyms if name in by_name), None)


def normal(name: str) -> str:
    """A column's name without case, blanks and punctuation."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


PROMPT = Role("prompt", "Prompt", ("prompt", "instruction", "question", "query", "input", "problem", "user"))
CHOSEN = Role(
    "chosen",
    "Chosen answer",
    ("chosen", "chosen_response", "response_chosen", "answer_chosen", "preferred", "accepted", "better", "positive"),
    required=True,
)
REJECTED = Role(
    "rejected",
    "Rejected answer",
    ("rejected", "rejected_response", "response_rejected", "answer_rejected", "dispreferred", "worse", "negative"),
)
COMPLETION = Role("completion", "Answer of a demonstration", ("completion", "response", "answer", "output", "target"))

WEIGHT = Role("weight", "Weight", ("weight", "sample_weight"))
LABEL = Role("label", "Label, P(chosen is better)", ("label", "soft_label", "p_chosen", "chosen_probability"))
MARGIN = Role("margin", "Margin", ("margin", "score_gap", "score_difference"))
ANNOTATOR = Role(
    "annotator",
    "Annotator",
    ("annotator", "annotator_id", "rater", "rater_id", "labeler", "labeller", "worker", "judge"),
)
SOURCE = Role("source", "Source", ("source", "data_source", "origin", "source_dataset", "dataset"))
POSITION = Role("position", "Position of the chosen answer", ("position", "position_shown", "chosen_position"))
AT = Role("at", "Time", ("timestamp", "at", "time", "created_at", "date", "tstamp"))
TAGS = Role("tags", "Tags", ("tags", "tag", "categories", "category"))

SCORE_CHOSEN = Role(
    "score_chosen", "Score of the chosen answer, for the margin", ("score_chosen", "chosen_score", "chosen_rating")
)
SCORE_REJECTED = Role(
    "score_rejected",
    "Score of the rejected answer, for the margin",
    ("score_rejected", "rejected_score", "rejected_rating"),
)
# Their difference is the margin of a pair that has none of its own.
GAP = (SCORE_CHOSEN, SCORE_REJECTED)

FACTS = (ANNOTATOR, SOURCE, MARGIN, WEIGHT, LABEL, POSITION, AT, TAGS)
# Where the format itself gives margin, label and position, no column does.
OTHER_FACTS = (ANNOTATOR, SOURCE, WEIGHT, AT, TAGS)

ANSWERS = Role(
    "answers", "Answers", ("completions", "responses", "generations", "answers", "candidates", "outputs"), required=True
)
SCORES = Role("scores", "Ratings, one for each answer", ("ratings", "scores", "rating", "score", "ranks_by_score"))
MODELS = Role("models", "Models, one for each answer", ("models", "generation_models", "model"))
ANSWER_TEXT = Role(
    "text", "Key of an answer's text", ("response", "text", "completion", "content", "answer", "output"), inside=True
)
ANSWER_SCORE = Role(
    "score",
    "Key of an answer's rating",
    ("overall_score", "score", "rating", "fine_grained_score", "value"),
    inside=True,
)

WINNER = Role("winner", "Winner", ("winner", "preference", "vote", "choice", "verdict"), required=True)
ANSWER_A = Role(
    "answer_a",
    "Answer or conversation A",
    ("conversation_a", "response_a", "answer_a", "completion_a", "output_a", "text_a"),
    required=True,
)
ANSWER_B = Role(
    "answer_b",
    "Answer or conversation B",
    ("conversation_b", "response_b", "answer_b", "completion_b", "output_b", "text_b"),
    required=True,
)
MODEL_A = Role("model_a", "Model A", ("model_a", "model_1", "model_left"))
MODEL_B = Role("model_b", "Model B", ("model_b", "model_2", "model_right"))

ROLES: dict[Format, tuple[Role, ...]] = {
    Format.PAIRS: (PROMPT, CHOSEN, REJECTED, COMPLETION, *FACTS, *GAP),
    Format.TRANSCRIPTS: (PROMPT, CHOSEN, REJECTED, *FACTS, *GAP),
    Format.RATED: (PROMPT, ANSWERS, SCORES, MODELS, ANSWER_TEXT, ANSWER_SCORE, *OTHER_FACTS),
    Format.BATTLES: (PROMPT, ANSWER_A, ANSWER_B, WINNER, MODEL_A, MODEL_B, *OTHER_FACTS),
}
