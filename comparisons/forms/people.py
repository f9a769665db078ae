"""Forms about annotators and their pools."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.validators import UnicodeUsernameValidator

from alignapp.accounts.models import Role, User
from comparisons.models import RaterPool
from comparisons.people import invite, save_pool

MOST_ATTRIBUTES = 20


class InvitationForm(forms.Form):
    """A new annotator."""

    username = forms.CharField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        label="User name",
        help_text="They log in with it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    full_name = forms.CharField(max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    pools = forms.ModelMultipleChoiceField(
        RaterPool.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, label="Pools"
    )

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError("There is an account of this name already. Choose another one.")
        return name

    def save(self, user: User) -> User:
        sent = self.cleaned_data
        return invite(sent["username"], sent["full_name"], sent["pools"], user)


class PersonChoices(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """People by user name, with their full name where there is one."""

    def label_from_instance(self, person: Any) -> str:
        full = person.get_full_name()
        away = "" if person.is_active else ", deactivated"
        return f"{person.username} ({full}{away})" if full else f"{person.username}{away}"


class PoolForm(forms.Form):
    """A pool of raters and who is in it."""

    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    description = forms.CharField(max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    attributes = forms.CharField(
        max_length=4000,
        required=False,
        help_text="What they have in common, one a line: language: German",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    members = PersonChoices(User.objects.none(), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, pool: RaterPool | None, data: Any = None) -> None:
        first: dict[str, Any] = {}
        if pool:
            lines = "\n".join(f"{key}: {value}" for key, value in pool.attributes.items())
            members = list(pool.members.values_list("pk", flat=True))
            first = {"name": pool.name, "description": pool.description, "attributes": lines, "members": members}
        super().__init__(data, initial=first)
        self.pool = pool
        people = User.objects.filter(role=Role.ANNOTATOR).order_by("username")
        self.fields["members"].queryset = people  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        alike = RaterPool.objects.filter(name__iexact=name)
        if (alike.exclude(pk=self.pool.pk) if self.pool else alike).exists():
            raise forms.ValidationError("There is a pool of this name already. Give this one another name.")
        return name

    def clean_attributes(self) -> dict[str, str]:
        """Lines of "key: value" as a dictionary; every other line is told with its number."""
        found: dict[str, str] = {}
        problems = []
        for number, line in enumerate(self.cleaned_data["attributes"].splitlines(), start=1):
            key, colon, value = (part.strip() for part in line.partition(":"))
            if not line.strip():
                continue
            if not (colon and key and value):
                problems.append(f"Line {number} is not of the form “key: value”.")
            elif key in found:
                problems.append(f"Line {number}: “{key[:40]}” stands on an earlier line already.")
            else:
                found[key] = value
        if len(found) > MOST_ATTRIBUTES:
            problems.append(f"A pool has at most {MOST_ATTRIBUTES} attributes.")
        if problems:
            raise forms.ValidationError(problems)
        return found

    def save(self, user: User) -> RaterPool:
        return save_pool(self.pool, user, **self.cleaned_data)
