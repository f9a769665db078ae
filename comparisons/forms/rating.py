"""What a rater sends: a judgement as the study asks for it, or a skip with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from django import forms

from comparisons.design import Design
from comparisons.models import Choice

REASONS = [
    ("correct", "correct"),
    ("complete", "complete"),
    ("clear", "clear"),
    ("safe", "safe"),
    ("length", "length"),
]
SKIP_REASONS = [
    ("not_my_field", "I do not know enough to judge"),
    ("prompt_unclear", "The prompt makes no sense"),
    ("answer_broken", "An answer is cut off or broken"),
    ("not_blind", "An answer tells which system wrote it"),
    ("harmful", "I do not want to read this"),
]
LONGEST_HIDDEN = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Option:
    """A judgement that a page offers: what its button sends, says on the page and in the list of keys, and its keys."""

    value: str
    words: str
    label: str
    keys: str

    @property
    def choice(self) -> str:
        return self.value.rstrip("123")

    @property
    def strength(self) -> int:
        """1 slightly, 2 clearly, 3 by far; 0 where nobody asked."""
        return int(self.value.removeprefix(self.choice) or 0)

    @property
    def shown_key(self) -> str:
        """The key that stands on the button."""
        return self.keys.split(",")[0]


BETTER_A = [Option("a", "A is better", "A is better", "1,ArrowLeft")]
BETTER_B = [Option("b", "B is better", "B is better", "2,ArrowRight")]
TIE = Option("tie", "Tie", "Tie", "0")
BOTH_BAD = Option("both_bad", "Both bad", "Both bad", "9")
JUDGEMENTS = [(option.value, option.label) for option in (*BETTER_A, *BETTER_B, TIE, BOTH_BAD)]
# With strengths the upper row of keys is the scale, from left to right as on the page, with the tie in its middle.
GRADED_A = [
    Option("a3", "A by far", "A is better by far", "1"),
    Option("a2", "A clearly", "A is clearly better", "2"),
    Option("a1", "A slightly", "A is slightly better", "3"),
]
GRADED_TIE = Option("tie", "Tie", "Tie", "4,0")
GRADED_B = [
    Option("b1", "B slightly", "B is slightly better", "5"),
    Option("b2", "B clearly", "B is clearly better", "6"),
    Option("b3", "B by far", "B is better by far", "7"),
]


def offered(rules: Design) -> list[Option]:
    """The judgements of a study with this design, in the order of the page."""
    better_a, tie, better_b = (GRADED_A, GRADED_TIE, GRADED_B) if rules.strength else (BETTER_A, TIE, BETTER_B)
    return [*better_a, *([tie] if rules.ties else []), *([BOTH_BAD] if rules.both_bad else []), *better_b]


def label_of(choice: str, strength: int = 0) -> str:
    """A stored judgement in words."""
    options = [*BETTER_A, *BETTER_B, *GRADED_A, *GRADED_B]
    labels = {(option.choice, option.strength): option.label for option in options}
    return labels.get((choice, strength), str(Choice(choice).label))


class SentForm(forms.Form):
    """What every form about an item carries: the number that this judgement will have."""

    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class RatingForm(SentForm):
    """One of the offered judgements, with reasons where the study asks for them, and words."""

    choice = forms.ChoiceField()
    reasons = forms.MultipleChoiceField(choices=REASONS, required=False)
    note = forms.CharField(max_length=2000, required=False)

    def __init__(self, rules: Design, data: Any = None) -> None:
        super().__init__(data)
        self.options = {option.value: option for option in offered(rules)}
        self.fields["choice"] = forms.ChoiceField(choices=[(one.value, one.label) for one in offered(rules)])
        if not rules.reasons:
            del self.fields["reasons"]

    @property
    def judgement(self) -> dict[str, Any]:
        """What `assignment.submit` takes, of a valid form."""
        sent, option = self.cleaned_data, self.options[self.cleaned_data["choice"]]
        return {
            "choice": option.choice,
            "strength": option.strength,
            "revision": sent["revision"],
            "reasons": sent.get("reasons", []),
            "note": sent["note"],
            "reading": self.reading(),
        }

    def reading(self) -> dict[str, Any]:
        """What the page says it saw. It is only ever shown, so nonsense is left out and refuses nothing."""
        seen: dict[str, Any] = {}
        if self.data.get("scrolled") in {"0", "1"}:
            seen["scrolled"] = self.data["scrolled"] == "1"
        try:
            hidden = float(self.data.get("hidden_seconds", ""))
        except ValueError:
            return seen
        if math.isfinite(hidden):
            seen["hidden_seconds"] = round(min(max(hidden, 0.0), LONGEST_HIDDEN), 1)
        return seen


class SkipForm(SentForm):
    """Why the item cannot be judged by this person."""

    reason = forms.ChoiceField(choices=SKIP_REASONS)


class UndoForm(SentForm):
    """The judgement to take back."""
