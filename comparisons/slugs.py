"""Names in addresses."""

from __future__ import annotations

from django.db.models import Model
from django.utils.text import slugify

RESERVED = {"new", "from-dataset"}  # what addresses mean themselves


def free_slug(model: type[Model], name: str) -> str:
    """The name as a slug that no other row of the model has: "Round 2" -> "round-2", then "round-2-2"."""
    stem = slugify(name)[:40].strip("-") or model.__name__.lower()
    taken = set(model._default_manager.filter(slug__startswith=stem).values_list("slug", flat=True)) | RESERVED
    candidates = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    return next(slug for slug in candidates if slug not in taken)
