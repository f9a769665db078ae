"""Names that people give to datasets, recipes, samples and tags."""

from __future__ import annotations

# Embeddings, overrides and isolates of Unicode's bidirectional algorithm would turn round what stands after the name.
_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def plain_name(text: str) -> str:
    """A name as it is kept: without spaces around it, single ones within, no NUL and no change of direction."""
    return " ".join(text.replace("\0", " ").translate(_DIRECTIONS).split())
