"""The form that makes a study: who is compared, on what, how answers are drawn and judged."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet

from alignapp.accounts.models import User
from comparisons import gaps
from comparisons.creation import StudyRefused, create_study
from comparisons.models import Prompt, ServedPolicy, ServedState, Study, Suite
from comparisons.studies import Estimate, seconds_per_rating
from training.models import Policy

GUIDELINE = (
    "Prefer the answer that is correct. If both are, prefer the one that says it more clearly and in fewer words. "
    "Choose 'Both bad' when neither would help the person who asked."
)


def comparable_policies() -> QuerySet[Policy]:
    """Policies that an engine serves, or will as soon as it is up."""
    served = Q(served__isnull=False) & ~Q(served__state=ServedState.FAILED)
    return Policy.objects.filter(served).distinct().order_by("created_at").prefetch_related("served__endpoint")


class PolicyChoices(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Policies with whether they are up."""

    def label_from_instance(self, policy: Any) -> str:
        up = any(served.state == ServedState.UP and served.endpoint.is_up for served in policy.served.all())
        kind = policy.get_kind_display()
        return f"{policy.name} ({kind}{'' if up else '; not up at the moment'})"


class SuiteChoices(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Suites with their size."""

    def label_from_instance(self, suite: Any) -> str:
        return f"{suite.name} ({suite.size} prompts)"


class StudyForm(forms.Form):
    """Everything a study is made of; sampling is the same for all its policies."""

    name = forms.CharField(
        max_length=120,
        help_text="Raters see it, so it must not say what is compared.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    suites = SuiteChoices(
        Suite.objects.annotate(size=Count("prompts")).filter(size__gt=0),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one suite."},
    )
    policies = PolicyChoices(
        Policy.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text="At least two. Every pair of them is compared.",
        error_messages={"required": "Choose at least two policies."},
    )
    item_limit = forms.IntegerField(
        min_value=0,
        max_value=100_000,
        initial=100,
        label="Items",
        help_text="Pairs of answers to judge, spread evenly over the pairs of policies. 0 means: all there are.",
    )
    ratings_per_item = forms.IntegerField(
        min_value=1,
        max_value=20,
        initial=1,
        label="Ratings per item",
        help_text="By different people. With 2 or more, the results tell how far raters agree.",
    )
    guideline = forms.CharField(
        max_length=5000,
        required=False,
        initial=GUIDELINE,
        help_text="What raters should look at. It stands beside every item and must not name a policy.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        initial=0.7,
        help_text="0 always takes the likeliest word; higher values vary more. The same for every policy.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    max_tokens = forms.IntegerField(
        min_value=1,
        max_value=8192,
        initial=256,
        label="Longest answer",
        help_text="In tokens. A longer answer is cut there, for every policy alike.",
    )
    top_p = forms.FloatField(
        min_value=0.01,
        max_value=1,
        initial=1,
        label="Top p",
        help_text="Draw only from the likeliest words that together have this probability.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    seed = forms.IntegerField(
        min_value=0, max_value=2**31 - 1, initial=0, help_text="Fixes sampling, pairing and the order of the items."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        policies = self.fields["policies"]
        assert isinstance(policies, PolicyChoices)
        policies.queryset = comparable_policies()

    @property
    def main(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "suites", "policies", "guideline")]

    @property
    def amounts(self) -> list[forms.BoundField]:
        return [self[name] for name in ("item_limit", "ratings_per_item", "temperature", "max_tokens")]

    @property
    def advanced(self) -> list[forms.BoundField]:
        return [self[name] for name in ("top_p", "seed")]

    def clean_policies(self) -> QuerySet[Policy]:
        policies: QuerySet[Policy] = self.cleaned_data["policies"]
        if len(policies) < 2:
            raise forms.ValidationError("A comparison needs at least two policies. Choose another one.")
        return policies

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("policies") and cleaned.get("max_tokens"):
            self.check_length(cleaned["policies"], cleaned["max_tokens"])
        return cleaned

    def check_length(self, policies: QuerySet[Policy], max_tokens: int) -> None:
        """An answer that an engine cannot hold would be refused for every prompt."""
        served = ServedPolicy.objects.filter(policy__in=policies, endpoint__max_model_len__gt=0)
        longest = served.aggregate(longest=Min("endpoint__max_model_len"))["longest"]
        if longest and max_tokens >= longest:
            self.add_error(
                "max_tokens",
                f"The engine holds {longest} tokens of prompt and answer together, so an answer must be shorter. "
                f"Choose {longest // 2} or less.",
            )

    def estimate(self) -> Estimate | None:
        """What the study would ask for, from the fields that are filled in well; None while they say too little."""
        self.is_valid()
        cleaned = self.cleaned_data
        if not {"suites", "policies", "item_limit", "ratings_per_item"} <= cleaned.keys():
            return None
        return Estimate(
            policies=len(cleaned["policies"]),
            prompts=Prompt.objects.filter(suite__in=cleaned["suites"]).count(),
            item_limit=cleaned["item_limit"],
            ratings_per_item=cleaned["ratings_per_item"],
            seconds_per_rating=seconds_per_rating(),
        )

    def save(self, user: User) -> Study | None:
        """Create the study; None, with the reason among the form's errors, when it would not be fair."""
        try:
            with transaction.atomic():
                return self.create(user)
        except StudyRefused as refusal:
            self.add_error(None, str(refusal))
            return None

    def create(self, user: User) -> Study:
        return create_study(**self.wanted, suites=list(self.cleaned_data["suites"]), user=user)

    @property
    def wanted(self) -> dict[str, Any]:
        """What create_study takes beside suites and user."""
        cleaned = self.cleaned_data
        names = ("name", "item_limit", "ratings_per_item", "guideline", "seed")
        sampling = {name: cleaned[name] for name in ("temperature", "top_p", "max_tokens", "seed")}
        return {
            **{name: cleaned[name] for name in names},
            "policies": list(cleaned["policies"]),
            "sampling": sampling,
        }


class GapStudyForm(StudyForm):
    """A study on the prompts of a gap: everything is filled in."""

    suites = None  # type: ignore[assignment]

    def __init__(self, gap: gaps.Gap, *args: Any, **kwargs: Any) -> None:
        filled = {"name": gap.name, "policies": comparable_policies()[:2], "item_limit": 0}
        super().__init__(*args, initial=filled, **kwargs)
        self.gap = gap

    @property
    def main(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "policies", "guideline")]

    def create(self, user: User) -> Study:
        return gaps.rate(self.gap, user, self.wanted)
