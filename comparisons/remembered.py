"""Answers about judgements that take seconds, kept in memory by everything they depend on: each is computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from django.core.cache import cache

T = TypeVar("T")


def remembered(question: str, columns: Iterable[Any], also: Sequence[object], answer: Callable[[], T]) -> T:
    """What was answered before to the question about the same arrays and whatever `also` matters, or the answer.

    One process asks itself: after a restart, or when a judgement is added or names change, it is computed anew.
    """
    key = f"remembered-{digest_of(question, columns, also)}"
    found: T | None = cache.get(key)
    if found is None:
        found = answer()
        cache.set(key, found, timeout=None)
    return found


def digest_of(question: str, columns: Iterable[Any], also: Sequence[object]) -> str:
    """SHA-256 of a question about arrays and of whatever `also` matters to its answer."""
    digest = hashlib.sha256(repr((question, *also)).encode())
    for column in columns:
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def columns_of(judgements: Any) -> list[Any]:
    """The arrays of a dataclass that holds nothing else."""
    return [getattr(judgements, column.name) for column in fields(judgements)]
