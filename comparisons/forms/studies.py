"""The form that designs a study: who is compared on what, how much is rated by whom, what is asked, how checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Min, QuerySet
from django.http import QueryDict

from alignapp.accounts.models import Role, User
from comparisons import gaps
from comparisons.authoring import from_lines
from comparisons.check_lines import LINE, lines_of, read_drafts
from comparisons.creation import MOST_POLICIES, StudyRefused, create_study
from comparisons.estimates import Estimate, Needed, experience
from comparisons.models import ItemKind, Prompt, RaterPool, ServedPolicy, Study, Suite
from training.models import Policy
from training.preferences.formats import UnreadableFile

from .design import DesignForm
from .fields import (
    PercentField,
    PolicyChoices,
    PoolChoices,
    SuiteChoices,
    by_stratum,
    comparable_policies,
    filled_suites,
    pools_with_people,
)
from .suites import PASTE_LIMIT

GUIDELINE = (
    "Prefer the answer that is correct. If both are, prefer the one that says it more clearly and in fewer words. "
    "Choose 'Both bad' when neither would help the person who asked."
)

MOST_TOKENS = 256
MOST_TOLD = 20  # lines that give no check


class UnusableChecks(Exception):
    """Lines that give no check, a sentence each."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form with its heading, a line about it, and its fields; some of them folded away."""

    key: str
    title: str
    lead: str
    fields: list[forms.BoundField]
    advanced: list[forms.BoundField]

    @property
    def long(self) -> list[forms.BoundField]:
        """Fields that take the whole width: lists and texts."""
        return [field for field in self.fields if is_long(field)]

    @property
    def short(self) -> list[forms.BoundField]:
        """Fields that stand side by side."""
        return [field for field in self.fields if not is_long(field)]


def is_long(field: forms.BoundField) -> bool:
    return field.use_fieldset or field.name == "name" or isinstance(field.field.widget, forms.Textarea)


# Heading, a line about it, fields in full width or side by side, fields that only some need.
SECTIONS: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {
    "compared": (
        "What is compared",
        "Every policy answers every prompt with the same sampling. Raters see neither.",
        ("name", "policies", "suites"),
        (),
    ),
    "amount": (
        "How much is rated",
        "More items make intervals narrower; more ratings per item tell how far people agree.",
        ("ratings_per_item", "item_limit", "wanted", "stop_width"),
        ("stop_votes", "selection", "uniform_share"),
    ),
    "raters": (
        "Who rates",
        "No pool chosen: every annotator.",
        ("pools", "own_runs", "hourly_pay", "sitting_minutes", "break_optional"),
        (),
    ),
    "asked": (
        "What raters are asked",
        "They see the guideline beside every item.",
        ("guideline", "ties", "both_bad", "strength", "reasons", "minimum_seconds"),
        (),
    ),
    "checked": (
        "How ratings are checked",
        "Checks look like every other item. They count in no result; they tell how far a rater can be believed.",
        ("repeat_share", "check_share", "attention_items", "training_share_right", "show_gold_agreement"),
        ("checks",),
    ),
    "exclusion": (
        "Whose ratings are left out",
        "Written down before anybody looks. Each field that is filled in is enough by itself.",
        (
            "exclude_gold",
            "exclude_attention",
            "exclude_consistent",
            "exclude_accuracy",
            "exclude_side",
            "exclude_seconds",
        ),
        (),
    ),
    "sampling": (
        "How answers are drawn",
        "The same for every policy.",
        ("temperature", "max_tokens", "cut_off"),
        ("top_p", "seed"),
    ),
}


class StudyForm(DesignForm):
    """Everything a study is made of."""

    name = forms.CharField(
        max_length=120,
        help_text="For you and your colleagues. Raters see “Task 1” instead; it must not name a policy all the same.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    suites = SuiteChoices(
        Suite.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        label="Prompts",
        help_text="Results tell the kinds of prompts apart. Items are spread evenly over all prompts.",
        error_messages={"required": "Choose at least one suite."},
    )
    policies = PolicyChoices(
        Policy.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text=f"2 to {MOST_POLICIES}. Every pair of them is compared.",
        error_messages={"required": "Choose at least two policies."},
    )
    item_limit = forms.IntegerField(
        min_value=0,
        max_value=100_000,
        initial=100,
        label="Items",
        help_text="Pairs of answers to judge, over all pairs of policies. 0: all there are.",
    )
    ratings_per_item = forms.IntegerField(
        min_value=1,
        max_value=20,
        initial=1,
        label="Ratings per item",
        help_text="By different people. With 2 or more, results tell how far raters agree.",
    )
    wanted = PercentField(
        low=0.005,
        high=0.5,
        required=False,
        label="Wanted precision, ± %",
        help_text="Of the win rate of a pair. The estimate then says how many items it takes. Not stored.",
    )
    pools = PoolChoices(
        RaterPool.objects.none(), required=False, widget=forms.CheckboxSelectMultiple, label="Pools of raters"
    )
    guideline = forms.CharField(
        max_length=5000,
        required=False,
        initial=GUIDELINE,
        help_text="What raters should look at. It must not name a policy. It can be revised later; every rating keeps "
        "the version it was made under.",
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    checks = forms.CharField(
        required=False,
        max_length=PASTE_LIMIT,
        label="Gold and training items",
        help_text=f"JSON, one a line: {LINE} Kind is gold, training or attention. More can be added later, also from "
        "earlier studies.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"}),
    )
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        initial=0.7,
        help_text="0 always takes the likeliest word; higher values vary more.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    max_tokens = forms.IntegerField(
        min_value=1,
        max_value=8192,
        initial=MOST_TOKENS,
        label="Longest answer",
        help_text="In tokens. A longer answer is cut there.",
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
        rows = {"policies": comparable_policies(), "pools": pools_with_people(), "suites": filled_suites()}
        for name in rows.keys() & self.fields.keys():
            self.fields[name].queryset = rows[name]  # type: ignore[attr-defined]
        if longest := longest_text(comparable_policies()):
            self.fields["max_tokens"].initial = min(MOST_TOKENS, longest // 2)

    @classmethod
    def as_sent(cls, data: QueryDict) -> dict[str, Any]:
        """What stands in the fields of a sent form, to show the form again without judging it.

        A field named `look` may ask for a number of items.
        """
        fields = {name: field.widget.value_from_datadict(data, {}, name) for name, field in cls.base_fields.items()}
        asked = data.get("look", "")
        return fields | ({"item_limit": asked} if asked.isdecimal() else {})

    @property
    def sections(self) -> Iterator[Section]:
        """The form's parts in the order in which one decides."""
        for key, (title, lead, names, advanced) in SECTIONS.items():
            shown = [self[name] for name in names if name in self.fields]
            yield Section(key, title, lead, shown, [self[name] for name in advanced])

    @property
    def strata(self) -> list[tuple[str, list[Any]]]:
        """The boxes of suites by stratum."""
        return by_stratum(self["suites"]) if "suites" in self.fields else []

    def clean_policies(self) -> QuerySet[Policy]:
        policies: QuerySet[Policy] = self.cleaned_data["policies"]
        if len(policies) < 2:
            raise forms.ValidationError("A comparison needs at least two policies. Choose another one.")
        if len(policies) > MOST_POLICIES:
            raise forms.ValidationError(f"A study compares at most {MOST_POLICIES} policies. Leave some out.")
        return policies

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("policies") and cleaned.get("max_tokens"):
            self.check_length(cleaned["policies"], cleaned["max_tokens"])
        return cleaned

    def check_length(self, policies: QuerySet[Policy], max_tokens: int) -> None:
        """An answer that an engine cannot hold would be refused for every prompt."""
        longest = longest_text(policies)
        if longest and max_tokens >= longest:
            self.add_error(
                "max_tokens",
                f"The engine holds {longest} tokens of prompt and answer together, so an answer must be shorter. "
                f"Choose {longest // 2} or less.",
            )

    @property
    def prompt_count(self) -> int | None:
        """Different prompts that are chosen so far; None before any."""
        if "suites" not in self.cleaned_data:
            return None
        return Prompt.objects.filter(suite__in=self.cleaned_data["suites"]).values("sha256").distinct().count()

    def estimate(self) -> Estimate | None:
        """What the study would ask for, from the fields that are filled in well; None while they say too little."""
        self.is_valid()
        cleaned, prompts = self.cleaned_data, self.prompt_count
        if prompts is None or not {"policies", "item_limit", "ratings_per_item"} <= cleaned.keys():
            return None
        return Estimate(
            policies=len(cleaned["policies"]),
            prompts=prompts,
            item_limit=cleaned["item_limit"],
            ratings_per_item=cleaned["ratings_per_item"],
            design=self.design,
            experience=experience(),
            raters=self.rater_count,
            checks=self.check_count,
        )

    @property
    def rater_count(self) -> int:
        """Active annotators of the chosen pools, or all."""
        annotators = User.objects.filter(is_active=True, role=Role.ANNOTATOR)
        pools = self.cleaned_data.get("pools")
        return annotators.filter(pools__in=pools).distinct().count() if pools else annotators.count()

    @property
    def check_count(self) -> int:
        """Gold and attention items that are written down or to be made."""
        try:
            drafts, _ = read_drafts(lines_of(self.cleaned_data.get("checks") or ""), lambda draft: "")
        except UnreadableFile:
            drafts = []
        kinds = Counter(draft.kind for draft in drafts)
        made = self.cleaned_data.get("attention_items") or 0
        return kinds[ItemKind.GOLD] + max(kinds[ItemKind.ATTENTION], made)

    def needed(self, estimate: Estimate | None) -> Needed | None:
        """What the wanted precision takes; None where none is wanted."""
        wanted = self.cleaned_data.get("wanted")
        return estimate.needed(wanted) if estimate and wanted else None

    def save(self, user: User) -> Study | None:
        """Create the study; None, with the reason among the form's errors, when it would not be fair."""
        try:
            with transaction.atomic():
                study = self.create(user)
                self.add_checks(study, user)
                return study
        except StudyRefused as refusal:
            self.add_error(None, str(refusal))
        except UnusableChecks as unusable:
            self.add_error("checks", [str(reason) for reason in unusable.args])
        return None

    def add_checks(self, study: Study, user: User) -> None:
        """Store the checks that were written with the study; raises UnusableChecks if one of them is none."""
        text: str = self.cleaned_data["checks"]
        if not text.strip():
            return
        try:
            rejected = from_lines(study, lines_of(text), user).rejected
        except UnreadableFile as problem:
            raise UnusableChecks(str(problem)) from problem
        if rejected:
            told = [f"Line {line.line}: {line.reason}" for line in rejected[:MOST_TOLD]]
            more = [f"{len(rejected) - MOST_TOLD} more lines give no check."] if len(rejected) > MOST_TOLD else []
            raise UnusableChecks(*told, *more)

    def create(self, user: User) -> Study:
        return create_study(**self.wanted_study, suites=list(self.cleaned_data["suites"]), user=user)

    @property
    def wanted_study(self) -> dict[str, Any]:
        """What create_study takes beside suites and user."""
        cleaned = self.cleaned_data
        names = ("name", "item_limit", "ratings_per_item", "guideline", "seed")
        return {
            **{name: cleaned[name] for name in names},
            "policies": list(cleaned["policies"]),
            "pools": list(cleaned["pools"]),
            "design": self.design,
            "sampling": {name: cleaned[name] for name in ("temperature", "top_p", "max_tokens", "seed")},
        }


def longest_text(policies: QuerySet[Policy]) -> int | None:
    """Tokens of prompt and answer together that every engine of these policies holds; None while none has told."""
    served = ServedPolicy.objects.filter(policy__in=policies, endpoint__max_model_len__gt=0)
    longest: int | None = served.aggregate(longest=Min("endpoint__max_model_len"))["longest"]
    return longest


class GapStudyForm(StudyForm):
    """A study on the prompts of a gap: everything is filled in."""

    suites = None  # type: ignore[assignment]

    def __init__(self, gap: gaps.Gap, *args: Any, **kwargs: Any) -> None:
        filled = {"name": gap.name, "policies": comparable_policies()[:2], "item_limit": 0}
        super().__init__(*args, initial=filled, **kwargs)
        self.gap = gap

    @property
    def prompt_count(self) -> int | None:
        return len(self.gap.prompts)

    def create(self, user: User) -> Study:
        return gaps.rate(self.gap, user, self.wanted_study)
