"""The form that makes an adversarial study, and the one that its raters write into."""

from __future__ import annotations

from typing import Any

from django import forms

from alignapp.accounts.models import User
from comparisons.attempts import MAX_CHARACTERS, create_adversarial_study
from comparisons.creation import StudyRefused
from comparisons.gaps import Gap
from comparisons.models import RaterPool, Study
from training.models import DatasetVersion

from .design import DesignForm
from .fields import PolicyChoices, comparable_policies

GUIDELINE = (
    "Write a prompt that you think the answers will get wrong: a fact that is easily mixed up, a request with two "
    "conditions, a question whose premise is false, a rare wording. Then say which answer is better, or that both are "
    "bad. You may go on with the better one and push further. Do not write anything about real people."
)


MOST_EXAMPLES, LONGEST_EXAMPLE = 3, 400


class AdversarialStudyForm(DesignForm):
    """Who is attacked, by whom, what writers are told and how they judge. `fills`: the version that pairs may join."""

    fills: DatasetVersion | None = None

    # Writers make the items, and each is judged by its writer alone: nothing is drawn, checked, repeated or agreed on.
    selection = uniform_share = cut_off = training_share_right = None  # type: ignore[assignment]
    check_share = attention_items = repeat_share = show_gold_agreement = None  # type: ignore[assignment]
    stop_width = stop_votes = None  # type: ignore[assignment]
    exclude_gold = exclude_attention = exclude_consistent = exclude_accuracy = None  # type: ignore[assignment]

    name = forms.CharField(
        max_length=120,
        help_text="Writers see it, so it must not say what is compared.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    policies = PolicyChoices(
        comparable_policies(),
        widget=forms.CheckboxSelectMultiple,
        help_text="At least two. Two of them, drawn for each conversation, answer.",
        error_messages={"required": "Choose at least two policies."},
    )
    guideline = forms.CharField(
        max_length=5000, initial=GUIDELINE, help_text="What to write.", widget=forms.Textarea(attrs={"rows": 6})
    )
    pools = forms.ModelMultipleChoiceField(
        RaterPool.objects.all(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Who writes",
        help_text="None chosen: every annotator.",
    )
    temperature = forms.FloatField(min_value=0, max_value=2, initial=0.7)
    max_tokens = forms.IntegerField(min_value=1, max_value=8192, initial=256, label="Longest answer, in tokens")

    @property
    def main(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "policies", "guideline", "pools")]

    @property
    def amounts(self) -> list[forms.BoundField]:
        names = ("temperature", "max_tokens", "minimum_seconds", "sitting_minutes", "hourly_pay")
        return [self[name] for name in (*names, "exclude_seconds", "exclude_side")]

    @property
    def options(self) -> list[forms.BoundField]:
        names = ("ties", "both_bad", "strength", "reasons", "break_optional", "own_runs")
        return [self[name] for name in names]

    def save(self, user: User) -> Study | None:
        """Create the study; None, with the reason among the form's errors, when it would not be fair."""
        sent: dict[str, Any] = self.cleaned_data
        try:
            return create_adversarial_study(
                name=sent["name"],
                policies=list(sent["policies"]),
                sampling={"temperature": sent["temperature"], "max_tokens": sent["max_tokens"]},
                guideline=sent["guideline"],
                design=self.design,
                pools=list(sent["pools"]),
                fills=self.fills,
                user=user,
            )
        except StudyRefused as refusal:
            self.add_error(None, str(refusal))
            return None


class GapAttemptsForm(AdversarialStudyForm):
    """An adversarial study on prompts like those of a gap: everything is filled in."""

    def __init__(self, gap: Gap, data: Any = None) -> None:
        examples = "\n\n".join(example[:LONGEST_EXAMPLE] for example in gap.examples[:MOST_EXAMPLES])
        guideline = f"{GUIDELINE}\n\nKeep to the kind of these, in words of your own:\n\n{examples}"
        first = {"name": gap.name, "policies": comparable_policies()[:2], "guideline": guideline}
        super().__init__(data, initial=first)
        self.fills = gap.version


class TurnForm(forms.Form):
    """One thing to say."""

    # The length is checked where it is asked, with a sentence that keeps the text.
    text = forms.CharField(
        label="Your prompt",
        max_length=10 * MAX_CHARACTERS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5, "autofocus": True}),
        error_messages={"required": "Write something first."},
    )
