"""Raters of a study under names that say nothing."""

from __future__ import annotations

import hashlib

from comparisons.models import Assignment, Study


def pseudonyms(study: Study) -> dict[int, str]:
    """Rater -> a name of this study alone: from the random token of their first assignment, so it never changes.

    Whoever sees data of two studies cannot tell who rated in both.
    """
    rows = Assignment.objects.filter(item__study=study).order_by("-pk").values_list("rater", "token")
    first = dict(rows.iterator())
    return {rater: f"rater-{hashlib.sha256(token.encode()).hexdigest()[:10]}" for rater, token in first.items()}
