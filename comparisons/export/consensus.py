"""From all judgements of a study to one decision per item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from comparisons.models import Study, Verdict
from comparisons.raters import left_out
from comparisons.statistics.votes import Floats, Ints

from .evaluation import held_prompts
from .judgements import CODES, VERDICTS, Judgements, adjudications_of, judgements_of
from .rules import Consensus, Decision, Dropped, Rule, Tally

if TYPE_CHECKING:
    from comparisons.statistics.aggregation.labels import Labels

FEW_JUDGEMENTS = 50
"""Up to so many judgements of the median rater, raters have one accuracy each instead of confusions of their own."""

ADJUDICATED: dict[Verdict, Decision | Dropped] = {
    Verdict.FIRST: Decision(True, 1.0, adjudicated=True),
    Verdict.SECOND: Decision(False, 1.0, adjudicated=True),
    Verdict.TIE: Dropped.TIE,
    Verdict.BOTH_BAD: Dropped.BOTH_BAD,
}


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a rule decides on every item, in the study's order, and what it went by."""

    decisions: Mapping[int, Decision | Dropped]
    tallies: Mapping[int, Tally]
    posteriors: Mapping[int, Sequence[float]]
    adjudicated: Mapping[int, Verdict]
    judgements: int
    raters: frozenset[int]
    excluded: frozenset[int]

    def both_bad(self, item: int) -> float:
        """How sure it is that both answers of an item are bad: by adjudication, by posterior, or by share of votes."""
        if item in self.adjudicated:
            return float(self.adjudicated[item] == Verdict.BOTH_BAD)
        if item in self.posteriors:
            return self.posteriors[item][CODES[Verdict.BOTH_BAD]]
        tally = self.tallies[item]
        return tally.both_bad / tally.total


def agree(study: Study, rule: Rule) -> Agreed:
    """Decide on every item that raters see."""
    said, excluded = judgements_of(study), left_out(study)
    believed = said.without(excluded)
    adjudicated = adjudications_of(study)
    found = Agreed(
        decisions := {},
        believed.tallies(),
        posteriors(believed, adjudicated, rule.consensus) if rule.consensus.weighs else {},
        adjudicated,
        len(believed.item),
        frozenset(believed.rater.tolist()),
        excluded,
    )
    judged, held = frozenset(said.item.tolist()), held_prompts(study)
    items = study.items.comparisons().order_by("position").values_list("pk", "prompt")
    for item, prompt in items.iterator():
        decisions[item] = Dropped.EVALUATION if prompt in held else _decision(rule, found, item, item in judged)
    return found


def _decision(rule: Rule, found: Agreed, item: int, judged: bool) -> Decision | Dropped:
    if verdict := found.adjudicated.get(item):
        return ADJUDICATED[verdict]
    if item not in found.tallies:
        return Dropped.EXCLUDED if judged else Dropped.UNJUDGED
    return rule.decide(found.tallies[item], found.posteriors.get(item))


def posteriors(
    said: Judgements, adjudicated: Mapping[int, Verdict], consensus: Consensus = Consensus.DAWID_SKENE
) -> dict[int, list[float]]:
    """Item -> chances that the truth is first, second, tie, both bad.

    Which answer is an item's first was drawn by chance, so nothing is learned about firsts: exchanging the answers of
    any item exchanges its chances and changes no other's. To Dawid and Skene adjudicated items are known truth.
    """
    if not len(said.item):
        return {}
    from comparisons.statistics.aggregation.labels import Labels  # imports scipy

    labels = Labels.of(said.item, said.rater, said.verdict, len(VERDICTS))
    known = np.array([CODES[adjudicated[item]] if item in adjudicated else -1 for item in labels.item_ids.tolist()])
    found = posterior(labels, consensus, known)
    return dict(zip(labels.item_ids.tolist(), found.tolist(), strict=True))


def posterior(labels: Labels, consensus: Consensus, known: Ints | None = None) -> Floats:
    """(I, C): the chances of every class of every item, 0 and 1 being answers in an order drawn by chance."""
    from comparisons.statistics.aggregation.dawid_skene import dawid_skene
    from comparisons.statistics.aggregation.glad import glad
    from comparisons.statistics.aggregation.labels import vote_shares
    from comparisons.statistics.aggregation.mace import mace

    match consensus:
        case Consensus.DAWID_SKENE:
            return dawid_skene(labels, one_coin=few(labels.rater), symmetric=True, known=known).posterior
        case Consensus.MACE:
            return mace(labels, symmetric=True).posterior
        case Consensus.GLAD:
            return glad(labels).posterior
        case Consensus.MAJORITY:
            return vote_shares(labels)


def few(raters: Ints) -> bool:
    """Whether the median rater judged too little to learn what they confuse with what."""
    _, counts = np.unique(raters, return_counts=True)
    return bool(np.median(counts) <= FEW_JUDGEMENTS)
