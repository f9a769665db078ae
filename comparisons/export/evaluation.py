"""The door: prompts on which policies are evaluated never enter training data by an export."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet

from comparisons.models import Prompt, Study
from training.preferences.records import Message
from training.preferences.splits import position


def held_prompts(study: Study) -> set[int]:
    """Ids of the study's prompts that some suite holds for evaluation, but for case and white space."""
    held = {place for _, place in _places(Prompt.objects.filter(suite__held_for_evaluation=True))}
    if not held:
        return set()
    asked = Prompt.objects.filter(items__study=study).distinct()
    return {prompt for prompt, place in _places(asked) if place in held}


def _places(prompts: QuerySet[Prompt]) -> Iterator[tuple[int, int]]:
    """Prompt -> hash of its conversation, the one by which training and held-out rows are kept apart."""
    for key, messages in prompts.order_by().values_list("pk", "messages").iterator():
        yield key, position(tuple(Message(turn["role"], turn["content"]) for turn in messages))
