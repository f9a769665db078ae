"""Forms of a campaign: what every round trains and how it is rated; how its judgements become data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.db import transaction

from alignapp.accounts.models import User
from comparisons.campaigns import CampaignRefused, create_campaign
from comparisons.creation import StudyRefused
from comparisons.models import Campaign, Round, Suite
from training.forms.runs import BaseChoice
from training.forms.settings import VersionChoice
from training.forms.together import BudgetForm
from training.launching import together
from training.models import DatasetVersion, Policy, PolicyKind

from .export import RuleForm
from .fields import SuiteChoices
from .studies import Section, StudyForm

JOIN = [
    ("join", "The data of this round and the new pairs"),
    ("alone", "The new pairs alone"),
]


class RoundSuites(SuiteChoices):
    """Suites with their size, and whether they measure or give data."""

    def label_from_instance(self, suite: Any) -> str:
        use = "measures the gain" if suite.held_for_evaluation else "gives data"
        return f"{super().label_from_instance(suite)}; {use}"


class CampaignForm(BudgetForm, StudyForm):
    """Everything that stays the same from round to round, and the data of the first."""

    policies = None  # type: ignore[assignment]
    wanted = None  # type: ignore[assignment]
    name = forms.CharField(
        max_length=100,
        help_text="Studies of its rounds are named after it. Raters do not see it; it must not name a policy all the "
        "same.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    description = forms.CharField(
        max_length=2000, required=False, help_text="For researchers.", widget=forms.Textarea(attrs={"rows": 2})
    )
    base = BaseChoice(
        queryset=Policy.objects.filter(kind__in=[PolicyKind.BASE, PolicyKind.FULL]),
        label="Base policy",
        empty_label="Choose a model",
        help_text="What every round starts from, and what its policies are compared with.",
        error_messages={"required": "Choose the model to start from."},
    )
    dataset_version = VersionChoice(
        queryset=DatasetVersion.objects.filter(kind=DatasetVersion.Kind.PREFERENCES).select_related("dataset"),
        label="Data of the first round",
        empty_label="Choose a version",
        error_messages={"required": "Choose the data of the first round."},
    )
    suites = RoundSuites(
        Suite.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        label="Prompts",
        help_text="Suites that are held for evaluation measure the gain; judgements on the others become data.",
        error_messages={"required": "Choose at least one suite."},
    )

    @property
    def sections(self) -> Iterator[Section]:
        """First what is trained, then the parts of a study."""
        names = ("base", "dataset_version", "methods", "source", "equal", "passes", "batch_size")
        lead = "The same base, seed and budget for all methods, on the data of the round."
        yield Section("trained", "What every round trains", lead, [self[name] for name in names], [])
        for section in super().sections:
            if section.key == "compared":
                lead = "The policies of the round, the base, and the best of the round before answer every prompt."
                shown = [self["name"], self["suites"], self["description"]]
                yield Section(section.key, section.title, lead, shown, [])
            else:
                yield section

    def begin(self, user: User) -> Campaign | None:
        """Create the campaign; None, with the reason among the form's errors, when it would not be fair."""
        try:
            with transaction.atomic():
                return self.make(user)
        except (StudyRefused, CampaignRefused) as refusal:
            self.add_error(None, str(refusal))
            return None

    def make(self, user: User) -> Campaign:
        sent = self.cleaned_data
        return create_campaign(
            name=sent["name"],
            description=sent["description"],
            base=sent["base"],
            data=sent["dataset_version"],
            recipes=together.recipes(self.chosen, sent["base"], sent["source"]),
            budget=self.budget,
            suites=list(sent["suites"]),
            rating=self.rating,
            user=user,
        )

    @property
    def rating(self) -> dict[str, Any]:
        """How every round is rated."""
        sent = self.cleaned_data
        return {
            **{name: sent[name] for name in ("item_limit", "ratings_per_item", "guideline", "seed")},
            "pools": list(sent["pools"]),
            "design": self.design,
            "sampling": {name: sent[name] for name in ("temperature", "top_p", "max_tokens", "seed")},
        }


class ReasonForm(forms.Form):
    """Why runs are launched although the report on their data speaks against it, or is not there."""

    override_reason = forms.CharField(
        max_length=2000,
        label="Why launch them all the same",
        help_text="Kept with the runs and shown on their pages.",
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say why the runs are to be launched all the same, or look at the data first."},
    )


class NextDataForm(RuleForm):
    """How a round's judgements become the data of the next."""

    to = forms.ChoiceField(
        choices=JOIN, initial="join", label="What the next round trains on", widget=forms.RadioSelect
    )

    def __init__(self, round: Round, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        """As the rule was in the round before."""
        assert round.study is not None, "a round without a study has no judgements"
        self.study = round.study
        known = {name: value for name, value in round.campaign.rule.items() if name in self.base_fields}
        super().__init__(round.study, known if data is None else data, **options)

    @property
    def joins(self) -> bool:
        return bool(self.cleaned_data["to"] == "join")
