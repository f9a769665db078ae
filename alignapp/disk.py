"""A disk that is full, or fails, in the same words wherever something is kept."""

from __future__ import annotations

import errno


def is_full(error: BaseException) -> bool:
    """Whether there was no room: on the disk, or in somebody's quota."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def sentence(error: OSError, outcome: str, again: str) -> str:
    """What happened and what to do: `outcome` says what came of it, `again` how to ask once more, without full stops.

    "The disk is full. Nothing was imported. Make room, then start again."
    """
    if is_full(error):
        return f"The disk is full. {outcome}. Make room, then {again}."
    return f"The file could not be read or written ({error.strerror or error}). {outcome}."
