"""What each method does and when to take it, in the words of the launch page."""

from __future__ import annotations

from dataclasses import dataclass

from training.config import Method


@dataclass(frozen=True, slots=True)
class Guide:
    """One method for somebody who has to choose."""

    method: Method
    what: str
    when: str
    needs: str

    @property
    def short(self) -> str:
        """The method in a word or two."""
        return self.method.short


GUIDES: dict[Method, Guide] = {
    guide.method: guide
    for guide in (
        Guide(
            Method.DPO,
            "Raises the chosen answer over the rejected one, measured against the model it starts from.",
            "The place to start: stable, cheap, and one setting that matters, β.",
            "Preference pairs",
        ),
        Guide(
            Method.CPO,
            "DPO with a floor: every pair must end with the chosen answer ahead, also where the reference is wrong.",
            "When the starting model prefers the rejected answer on many pairs, which is where DPO stops too early.",
            "Preference pairs",
        ),
        Guide(
            Method.CONTRASTIVE_CPO,
            "Raises the chosen answer over the rejected one and keeps it likely; no model to compare with.",
            "When memory or time forbids a reference, or the starting model is too weak to be one.",
            "Preference pairs",
        ),
        Guide(
            Method.SIMPO,
            "Raises the chosen answer's likelihood per token over the rejected one's, by a margin; no reference.",
            "When answers differ much in length, and the data is clean: nothing holds the policy to where it began.",
            "Preference pairs",
        ),
        Guide(
            Method.RLHF,
            "Trains a reward model on the pairs, then lets the policy answer and rewards what that model scores well.",
            "When answers beyond those in the data matter and time allows: it samples while it learns.",
            "Preference pairs",
        ),
        Guide(
            Method.REWARD,
            "Learns to score answers from the pairs. The result can be inspected, and used by RLHF and CPO.",
            "Before RLHF, to see what the scores reward before a policy is trained on them.",
            "Preference pairs",
        ),
        Guide(
            Method.SFT,
            "Makes the chosen answers likelier, word by word.",
            "Before the others, so that the model knows the form of an answer; or when there are no rejected answers.",
            "Demonstrations, or the chosen half of pairs",
        ),
    )
}
