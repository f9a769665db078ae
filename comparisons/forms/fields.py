"""Fields that forms of studies share: policies, suites and pools to choose from, and shares written in percent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Count, Q, QuerySet

from comparisons.models import RaterPool, ServedPolicy, ServedState, Stratum, Suite
from training.models import Policy


def comparable_policies() -> QuerySet[Policy]:
    """Policies that an engine serves, or will as soon as it is up."""
    served = Q(served__isnull=False) & ~Q(served__state=ServedState.FAILED)
    return Policy.objects.filter(served).distinct().order_by("created_at").prefetch_related("served__endpoint")


class PolicyChoices(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Policies with whether they are up."""

    def label_from_instance(self, policy: Any) -> str:
        up = any(is_up(served) for served in policy.served.all())
        kind = policy.get_kind_display()
        return f"{policy.name} ({kind}{'' if up else '; not up at the moment'})"


def is_up(served: ServedPolicy) -> bool:
    return served.state == ServedState.UP and served.endpoint.is_up


def filled_suites() -> QuerySet[Suite]:
    """Suites that hold a prompt, stratum by stratum in the order in which strata are defined."""
    return Suite.objects.annotate(size=Count("prompts")).filter(size__gt=0).defer("rejected").order_by("name")


class SuiteChoices(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Suites with their size."""

    def label_from_instance(self, suite: Any) -> str:
        return f"{suite.name} ({suite.size} {'prompt' if suite.size == 1 else 'prompts'})"


def by_stratum(field: forms.BoundField) -> list[tuple[str, list[Any]]]:
    """The boxes of a bound SuiteChoices, by the label of their stratum; strata without a suite are left out."""
    boxes = list(field)
    groups = ((stratum, [box for box in boxes if stratum_of(box) == stratum]) for stratum in Stratum)
    return [(stratum.label, found) for stratum, found in groups if found]


def stratum_of(box: Any) -> str:
    return str(box.data["value"].instance.stratum)


class PoolChoices(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Pools with how many people are in them."""

    def label_from_instance(self, pool: Any) -> str:
        return f"{pool.name} ({pool.people} {'person' if pool.people == 1 else 'people'})"


def pools_with_people() -> QuerySet[RaterPool]:
    """All pools, each with its active members counted."""
    return RaterPool.objects.annotate(people=Count("members", filter=Q(members__is_active=True)))


class PercentField(forms.FloatField):
    """A share, 0 to 1, that people read and write in percent."""

    def __init__(self, *, low: float, high: float, **kwargs: Any) -> None:
        attributes = {"step": "any", "inputmode": "decimal"}
        widget = forms.NumberInput(attrs=attributes)
        super().__init__(min_value=percent(low), max_value=percent(high), widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """A share from the program in percent; what a person typed stays as it is."""
        return f"{100 * value:.10g}" if isinstance(value, float) else value

    def clean(self, value: Any) -> float | None:
        percent = super().clean(value)
        return None if percent is None else percent / 100


def percent(share: float) -> float:
    """The share in percent, a whole number where it is one, so that messages say 30 and not 30.0."""
    exact = round(100.0 * share, 6)
    return int(exact) if exact.is_integer() else exact
