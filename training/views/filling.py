"""What people can be asked to do about a part of the data: a topic, the rows of a finding, the rows of a filter."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from training.models import DatasetVersion

# The addresses are there when the pages of comparisons are.
FILLING = (
    ("gap-study", "Rate these prompts"),
    ("gap-collection", "Collect prompts"),
    ("gap-attempts", "Collect adversarial prompts"),
)


def filling(version: DatasetVersion, **part: object) -> list[tuple[str, str]]:
    """Words and address of every such task; `part` is `cluster`, `finding` or `filter` (JSON)."""
    asked = urlencode({"version": version.pk, **part})
    try:
        return [(words, f"{reverse(name)}?{asked}") for name, words in FILLING]
    except NoReverseMatch:
        return []
