"""Asking people to write prompts, and making a suite of what they wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from alignapp.accounts.models import User
from training.models import DatasetVersion

from .models import CollectedPrompt, CollectionState, PromptCollection, Stratum, Suite
from .slugs import free_slug
from .suites import create_suite

MAX_CHARACTERS = 8_000


class PromptRefused(ValueError):
    """A prompt that adds nothing; the message is a sentence for people."""


def open_collection(
    *,
    name: str,
    guideline: str,
    wanted: int,
    examples: Sequence[str] = (),
    fills: DatasetVersion | None = None,
    user: User | None = None,
) -> PromptCollection:
    """Ask for prompts; annotators see the request at once."""
    return PromptCollection.objects.create(
        slug=free_slug(PromptCollection, name),
        name=name,
        guideline=guideline,
        wanted=wanted,
        examples=list(examples),
        fills=fills,
        created_by=user,
    )


def standing() -> QuerySet[PromptCollection]:
    """Collections with the number of prompts that count."""
    return PromptCollection.objects.annotate(written=Count("prompts", filter=Q(prompts__withdrawn=False)))


def contribute(collection: PromptCollection, text: str, user: User) -> CollectedPrompt:
    """Store a prompt; raises PromptRefused when it is empty, too long, there already, or nobody asks any more."""
    text = text.strip().replace("\r\n", "\n")
    if not text or "\0" in text:
        raise PromptRefused("Write a prompt first.")
    if len(text) > MAX_CHARACTERS:
        raise PromptRefused(
            f"The prompt holds {len(text):,} characters; at most {MAX_CHARACTERS:,} are kept. Shorten it."
        )
    digest = _digest(text)
    if digest in {_digest(example) for example in collection.examples}:
        raise PromptRefused("This is one of the examples. Write one of your own.")
    try:
        with transaction.atomic():
            held = PromptCollection.objects.select_for_update().get(pk=collection.pk)
            if held.state != CollectionState.OPEN:
                raise PromptRefused("The collection was closed in the meantime; your prompt was not kept.")
            return CollectedPrompt.objects.create(collection=held, text=text, sha256=digest, written_by=user)
    except IntegrityError as error:
        raise PromptRefused("Somebody has written this prompt already. Write another one.") from error


def withdraw(prompt: CollectedPrompt) -> None:
    """Take a prompt out; its row stays."""
    CollectedPrompt.objects.filter(pk=prompt.pk).update(withdrawn=True)


def close(collection: PromptCollection, user: User | None = None) -> Suite:
    """End a collection and make its suite, once; raises UnusableSuite when nothing was written."""
    with transaction.atomic():
        held = PromptCollection.objects.select_for_update().get(pk=collection.pk)
        if held.suite is None:
            texts = held.prompts.filter(withdrawn=False).values_list("text", flat=True)
            held.suite = create_suite(
                name=held.name,
                prompts=[[{"role": "user", "content": text}] for text in texts],
                stratum=Stratum.UNCOVERED,
                description=f"Written by people for the collection “{held.name}”.",
                fills=held.fills,
                user=user,
            )
            held.state, held.closed_at = CollectionState.CLOSED, timezone.now()
            held.save()
        return held.suite


def _digest(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).casefold().encode()).hexdigest()
