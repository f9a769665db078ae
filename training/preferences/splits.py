"""Train or held out, decided by the prompt alone, so that no prompt is ever in both.

A prompt's position in [0, 2^64) is a hash of its text; rows below the cut are held out. The same prompt
falls on the same side in every version with the same share, so a child version does not leak the
held-out prompts of its parent into training.
"""

from __future__ import annotations

from hashlib import blake2b

from training.preferences.records import Conversation

TRAIN = "train"
HELD_OUT = "held_out"
DEFAULT_SHARE = 0.1
SPACE = 2**64


def position(prompt: Conversation) -> int:
    """Where a prompt lies in [0, 2^64). Case and white space do not count: such prompts ask the same."""
    turns = (f"{message.role}:{' '.join(message.content.split()).casefold()}" for message in prompt)
    return int.from_bytes(blake2b("\n".join(turns).encode(), digest_size=8).digest())


class PromptSplit:
    """Assigns prompts to splits; `share` of all prompts is expected to be held out (0: none is)."""

    def __init__(self, share: float = DEFAULT_SHARE, cut: int | None = None) -> None:
        if not 0 <= share <= 0.5:
            raise ValueError(f"The held-out share must lie between 0 and 0.5, found {share}.")
        self.share = share
        self.cut = int(share * SPACE) if cut is None else cut
        self.lowest = SPACE
        self.highest = -1

    def assign(self, prompt: Conversation) -> str:
        """The split of a prompt; remembers the extremes seen."""
        place = position(prompt)
        self.lowest = min(self.lowest, place)
        self.highest = max(self.highest, place)
        return HELD_OUT if place < self.cut else TRAIN

    def corrected(self) -> PromptSplit | None:
        """The split to use instead when chance left a side empty; None when this one can stay.

        With few prompts the hash may put all of them on one side. The outermost one is moved then,
        which keeps the choice independent of row order. A single prompt goes to training.
        """
        if 0 <= self.highest < self.cut:
            return PromptSplit(self.share, cut=self.highest)
        if self.share > 0 and self.cut <= self.lowest < self.highest:
            return PromptSplit(self.share, cut=self.lowest + 1)
        return None
