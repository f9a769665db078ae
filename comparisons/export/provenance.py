"""What a pair says of where it comes from: item, raters, votes, guideline, policies and sampling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

from comparisons.models import Answer, Item, Study, Verdict

from .judgements import VERDICTS


@dataclass(frozen=True, slots=True)
class Said:
    """One believed judgement of an item; `guideline`: number of the version that the rater was told, 0 for none."""

    rater: int
    verdict: Verdict
    strength: int
    guideline: int
    first_is_a: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """Which answer of an item becomes `chosen`, and what was said about the item.

    `first_is_chosen` is None where the chosen answer is not of the item: no judgement is about the two together.
    """

    item: Item
    first_is_chosen: bool | None
    said: Sequence[Said]

    @property
    def margin(self) -> float | None:
        """Mean strength of the preferences, those for the rejected answer negative, or 0 if that is below 0.

        None where nobody said how much.
        """
        if self.first_is_chosen is None:
            return None
        chosen = Verdict.FIRST if self.first_is_chosen else Verdict.SECOND
        preferring = [said for said in self.said if said.verdict in {Verdict.FIRST, Verdict.SECOND} and said.strength]
        signed = [said.strength if said.verdict == chosen else -said.strength for said in preferring]
        return max(0.0, fmean(signed)) if signed else None

    @property
    def position(self) -> int:
        """Where the chosen answer stood: 1 left, 2 right, 0 where raters saw it on different sides or not at all."""
        if self.first_is_chosen is None:
            return 0
        sides = {1 if said.first_is_a == self.first_is_chosen else 2 for said in self.said}
        return sides.pop() if len(sides) == 1 else 0

    @property
    def at(self) -> str:
        """When the last of its judgements was given."""
        return max(said.at for said in self.said).isoformat(timespec="seconds") if self.said else ""


def said_of(item: Item) -> list[Said]:
    """The believed judgements of an item that was read with `judged` assignments and their `standing` ratings."""
    return [
        Said(
            assignment.rater_id,
            verdict,
            rating.strength,
            rating.guideline.number if rating.guideline else 0,
            assignment.first_is_a,
            rating.created_at,
        )
        for assignment in item.judged  # type: ignore[attr-defined]
        for rating in assignment.standing
        if (verdict := Verdict.of(rating.choice, assignment.first_is_a))
    ]


def provenance(
    study: Study, choice: Choice, chosen: Answer, rejected: Answer, names: Mapping[int, str], **more: Any
) -> dict[str, Any]:
    """The pair's `extra`, the same keys in every pair of an export; `more` holds what the decision adds."""
    sampling = {name: study.sampling.get(name) for name in ("temperature", "top_p", "max_tokens")}
    return {
        "study": study.slug,
        "item": choice.item.number,
        "raters": sorted({names[said.rater] for said in choice.said}),
        "votes": (counts := votes(choice)),
        "agreement": agreement(counts),
        **more,
        "guidelines": sorted({said.guideline for said in choice.said} - {0}),
        "chosen_policy": chosen.served_name,
        "rejected_policy": rejected.served_name,
        "sampling": sampling,
        "seed": chosen.seed,
        "engine": chosen.engine_version,
    }


def votes(choice: Choice) -> dict[str, int]:
    """Judgements by what they say of the pair."""
    counts = Counter(said.verdict for said in choice.said)
    first, second, tie, both_bad = (counts[verdict] for verdict in VERDICTS)
    if choice.first_is_chosen is None:
        won, lost = 0, 0
    else:
        won, lost = (first, second) if choice.first_is_chosen else (second, first)
    return {"chosen": won, "rejected": lost, "tie": tie, "both_bad": both_bad}


def agreement(counts: Mapping[str, int]) -> float | None:
    """The chosen answer's share of the preferences; None where nobody preferred one."""
    preferences = counts["chosen"] + counts["rejected"]
    return round(counts["chosen"] / preferences, 4) if preferences else None
