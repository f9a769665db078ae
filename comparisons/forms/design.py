"""Fields for every choice of a design, in people's units: shares in percent, times as their labels say."""

from __future__ import annotations

from typing import Any

from django import forms

from comparisons.design import LEAST_UNIFORM, MOST_ATTENTION, CutOff, Design, Selection
from comparisons.statistics.exclusion import ExclusionRule

from .fields import PercentField

OF_THE_DESIGN = (
    *("selection", "uniform_share", "cut_off", "ties", "both_bad", "strength", "reasons", "minimum_seconds"),
    *("sitting_minutes", "break_optional", "training_share_right", "check_share", "attention_items", "repeat_share"),
    *("show_gold_agreement", "own_runs", "stop_width", "stop_votes", "hourly_pay"),
)


class DesignForm(forms.Form):
    """How raters are asked."""

    selection = forms.ChoiceField(
        choices=[(selection.value, selection.label) for selection in Selection],
        initial=Selection.BALANCED,
        label="Which policies meet",
        widget=forms.RadioSelect,
        help_text="By information: 30 % of the items first come evenly; further ones follow from the votes so far. "
        "The chance of every item is stored, so results can weigh it.",
    )
    uniform_share = PercentField(
        low=LEAST_UNIFORM,
        high=1,
        initial=LEAST_UNIFORM,
        label="Drawn evenly, %",
        help_text="Of the further items, whatever the votes say. Read only when drawing by information.",
    )
    cut_off = forms.ChoiceField(
        choices=[(rule.value, rule.label) for rule in CutOff],
        initial=CutOff.ANY,
        label="Answers that the limit cuts off",
        help_text="A cut is the limit's doing, not the policy's, and may tell who wrote it. Setting pairs aside leaves "
        "out prompts on which a policy writes much.",
    )
    ties = forms.BooleanField(required=False, initial=True, label="Tie can be chosen")
    both_bad = forms.BooleanField(
        required=False,
        initial=True,
        label="Both bad can be chosen",
        help_text="Kept apart from ties; it makes no pair.",
    )
    strength = forms.BooleanField(
        required=False, label="Ask how much better", help_text="Slightly, clearly or by far, still by one key."
    )
    reasons = forms.BooleanField(
        required=False,
        initial=True,
        label="Offer reasons",
        help_text="Correct, complete, clear, safe, length; optional.",
    )
    minimum_seconds = forms.IntegerField(
        min_value=0,
        max_value=600,
        initial=2,
        label="Shortest reading time, s",
        help_text="The choices open after so many seconds. 0: at once.",
    )
    sitting_minutes = forms.IntegerField(
        min_value=0,
        max_value=480,
        initial=45,
        label="Length of a sitting, min",
        help_text="Then comes a break of five minutes. 0: never.",
    )
    break_optional = forms.BooleanField(required=False, label="Raters may go on without the break")
    training_share_right = PercentField(
        low=0,
        high=1,
        initial=0.7,
        label="Right in training, %",
        help_text="Of the training items, before live items come. Read once there are training items.",
    )
    check_share = PercentField(
        low=0,
        high=0.3,
        initial=0.05,
        label="Gold and attention items, %",
        help_text="Of what a rater sees. Gold items are written below or added later.",
    )
    attention_items = forms.IntegerField(
        min_value=0,
        max_value=MOST_ATTENTION,
        initial=10,
        label="Attention items",
        help_text="Made by themselves: an answer beside the same policy's answer to another prompt.",
    )
    repeat_share = PercentField(
        low=0,
        high=0.2,
        initial=0.05,
        label="Repeats, %",
        help_text="Own items again, much later, sides swapped: 5 to 10 tell how steady a rater is.",
    )
    show_gold_agreement = forms.BooleanField(
        required=False,
        label="Raters see their agreement with gold",
        help_text="As a share, never item by item.",
    )
    own_runs = forms.BooleanField(
        required=False,
        label="People may rate answers of runs that they launched",
        help_text="They may recognise them. Results then say that it was allowed.",
    )
    stop_width = PercentField(
        low=0.01,
        high=1,
        required=False,
        label="Stop when every interval is narrower than, %",
        help_text="Of the win rate of every pair of policies, from end to end. Then the study pauses and says so. "
        "Empty: the items alone end it.",
    )
    stop_votes = forms.IntegerField(
        min_value=10,
        max_value=100_000,
        initial=30,
        label="But not before",
        help_text="Votes of every pair of policies: the first few intervals are narrow by chance.",
    )
    exclude_gold = PercentField(
        low=0.01,
        high=1,
        required=False,
        label="Right in gold below, %",
        help_text="Of at least 10 gold items.",
    )
    exclude_attention = forms.IntegerField(
        min_value=1,
        max_value=100,
        required=False,
        label="Failed attention items",
        help_text="So many or more.",
    )
    exclude_consistent = PercentField(
        low=0.01,
        high=1,
        required=False,
        label="Same said of repeats below, %",
        help_text="Of at least 10 repeats.",
    )
    exclude_seconds = forms.FloatField(
        min_value=0.1,
        max_value=600,
        required=False,
        label="Median time below, s",
        help_text="For one judgement.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    exclude_accuracy = PercentField(
        low=0.01,
        high=1,
        required=False,
        label="Right by consensus below, %",
        help_text="By Dawid and Skene, of at least 30 judgements; needs three raters.",
    )
    exclude_side = forms.FloatField(
        min_value=1e-12,
        max_value=0.1,
        required=False,
        label="One side preferred, p below",
        help_text="Chance of so uneven a count if sides meant nothing, such as 0.001.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    hourly_pay = forms.FloatField(
        min_value=0,
        max_value=10_000,
        initial=0,
        label="Pay per hour",
        help_text="In your currency, for the estimate. 0: not counted.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("attention_items") and cleaned.get("check_share") == 0:
            self.add_error("attention_items", "No check is shown at a share of 0 %. Set one of the two.")
        return cleaned

    @property
    def design(self) -> Design:
        """What was filled in well, and the defaults for the rest."""
        chosen = {name: value for name, value in self.cleaned_data.items() if name in OF_THE_DESIGN}
        return Design(**chosen, exclusion=self.exclusion)

    @property
    def exclusion(self) -> ExclusionRule:
        """Who is left out of results; a field that is empty leaves nobody out."""
        chosen = self.cleaned_data.get
        return ExclusionRule(
            gold=chosen("exclude_gold"),
            attention=chosen("exclude_attention"),
            consistent=chosen("exclude_consistent"),
            median_seconds=chosen("exclude_seconds"),
            side_p=chosen("exclude_side"),
            accuracy=chosen("exclude_accuracy"),
        )
