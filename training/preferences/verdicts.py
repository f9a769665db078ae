"""What a second judgement says of a row's label, as the tag that it leaves on the row."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """The value is the tag."""

    RIGHT = "judged right"
    WRONG = "judged wrong"
    UNDECIDED = "judged undecided"


TURNED = {Verdict.WRONG.value: Verdict.RIGHT.value, Verdict.RIGHT.value: Verdict.WRONG.value}


def tag_after(tag: str, *, flipped: bool) -> str:
    """A row's tag in a version made of this one: once a pair is turned over, what was judged wrong is right."""
    return TURNED.get(tag, tag) if flipped else tag
