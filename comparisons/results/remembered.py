"""Answers about a study that take seconds, kept in memory by everything they depend on: each is computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TypeVar

from django.core.cache import cache

from .judgements import Judgements

T = TypeVar("T")


def remembered(question: str, judgements: Judgements, also: Sequence[object], answer: Callable[[], T]) -> T:
    """What was answered before to the question about the same judgements and whatever `also` matters, or the answer.

    The same process asks: after a restart, or when a judgement is added or names change, it is computed anew.
    """
    digest = hashlib.sha256(repr((question, *also)).encode())
    for column in fields(judgements):
        digest.update(getattr(judgements, column.name).tobytes())
    key = f"results-{digest.hexdigest()}"
    found: T | None = cache.get(key)
    if found is None:
        found = answer()
        cache.set(key, found, timeout=None)
    return found
