"""Suites as lists of prompts that a data report can be given: its targets and evaluations."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count

from training.preferences.prompt_sets import PromptSet
from training.preferences.records import Conversation, Message

from .models import Suite


class SuiteSets:
    """Provides suites to training.preferences.prompt_sets, by slug: "suite:demo-adversarial"."""

    def all(self) -> list[PromptSet]:
        suites = Suite.objects.annotate(size=Count("prompts")).only("slug", "name", "sha256").order_by("name")
        return [PromptSet(f"suite:{s.slug}", s.name, s.size, s.get_absolute_url(), s.sha256) for s in suites]

    def prompts(self, name: str) -> Iterator[Conversation]:
        suite = Suite.objects.filter(slug=name).first()
        if suite is None:
            raise KeyError(name)
        rows = suite.prompts.order_by("position").values_list("messages", flat=True)
        return (tuple(Message(turn["role"], turn["content"]) for turn in messages) for messages in rows.iterator())
