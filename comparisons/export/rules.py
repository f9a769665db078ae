"""The rule by which the judgements of an item become a pair, or a reason why it gives none. Pure: no rows, no texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Consensus(StrEnum):
    """Who is believed where raters differ."""

    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"
    MACE = "mace"
    GLAD = "glad"

    @property
    def weighs(self) -> bool:
        """Whether some raters count more than others, so that every item has a posterior."""
        return self != Consensus.MAJORITY


class Ties(StrEnum):
    """What a tie vote does."""

    IGNORE = "ignore"
    HALF = "half"
    COUNT = "count"


class Disagreement(StrEnum):
    """What becomes of an item whose raters prefer different answers, where the majority decides."""

    MAJORITY = "majority"
    DROP = "drop"


class Certainty(StrEnum):
    """What is told of how sure a pair is."""

    IGNORE = "ignore"
    LABEL = "label"
    WEIGHT = "weight"


class BothBad(StrEnum):
    """What becomes of items whose answers are both bad."""

    DROP = "drop"
    HARD_NEGATIVES = "hard_negatives"


class Dropped(StrEnum):
    """Why an item gives no pair; an item that has several of these reasons counts under the first."""

    EVALUATION = "evaluation"
    UNJUDGED = "unjudged"
    EXCLUDED = "excluded"
    TOO_FEW = "too_few"
    BOTH_BAD = "both_bad"
    TIE = "tie"
    UNDECIDED = "undecided"
    DISAGREEMENT = "disagreement"
    UNSURE = "unsure"
    UNUSABLE = "unusable"

    @property
    def label(self) -> str:
        return DROPPED_LABELS[self]


DROPPED_LABELS = {
    Dropped.EVALUATION: "Its prompt is held for evaluation",
    Dropped.UNJUDGED: "Nobody judged it",
    Dropped.EXCLUDED: "Only raters whom the study leaves out judged it",
    Dropped.TOO_FEW: "Fewer judgements than the rule asks for",
    Dropped.BOTH_BAD: "Both answers are bad",
    Dropped.TIE: "The answers are equally good",
    Dropped.UNDECIDED: "As many votes for one answer as for the other",
    Dropped.DISAGREEMENT: "Its raters disagree",
    Dropped.UNSURE: "No answer is better with the probability that the rule asks for",
    Dropped.UNUSABLE: "The two answers are the same, or one is empty",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """Judgements of an item by what they say of it."""

    first: int = 0
    second: int = 0
    ties: int = 0
    both_bad: int = 0

    @property
    def total(self) -> int:
        return self.first + self.second + self.ties + self.both_bad


@dataclass(frozen=True, slots=True)
class Decision:
    """Which answer is chosen, and how sure that is: from one half, not at all, to one.

    `posterior`: chance that the chosen answer is the better one, where raters were weighed; else None.
    """

    first_is_chosen: bool
    certainty: float
    posterior: float | None = None
    adjudicated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """How the judgements of an item become a pair.

    1. An adjudication wins over all votes; of several the latest.
    2. Fewer than `minimum` judgements (skips are none): no pair.
    3. `majority`: at least half of the judgements both-bad: no pair, whoever won the rest. Each preference is a vote; a
       tie is none (`ignore`), half a vote for each answer (`half`), or a vote against any pair (`count`). The answer
       with more votes is chosen, unless raters disagree and the rule drops that.
       The others weigh raters (statistics/aggregation): `dawid_skene` by how often each agrees with the consensus,
       `mace` by how often each does not guess, `glad` by that and by how hard each item is. The likeliest of four
       truths (one answer, the other, tie, both bad) decides, and an answer only with a posterior of at least
       `threshold`.
    4. The certainty is the chosen answer's share of the votes or of the posterior, with ties as in 3 (counted ties as
       halves). It becomes the pair's label, its weight, or nothing.
    5. `margins`: the pair's margin is the mean strength of the preferences, those for the rejected answer negative.
    """

    minimum: int = 1
    consensus: Consensus = Consensus.MAJORITY
    ties: Ties = Ties.IGNORE
    disagreement: Disagreement = Disagreement.MAJORITY
    threshold: float = 0.8
    certainty: Certainty = Certainty.IGNORE
    margins: bool = False
    both_bad: BothBad = BothBad.DROP

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> Rule:
        """The rule that `dataclasses.asdict` made `values` of."""
        kinds: dict[str, type[StrEnum]] = {"consensus": Consensus, "ties": Ties, "disagreement": Disagreement}
        kinds |= {"certainty": Certainty, "both_bad": BothBad}
        read: dict[str, Any] = {name: kinds[name](value) if name in kinds else value for name, value in values.items()}
        return cls(**read)

    def __str__(self) -> str:
        parts = (self._minimum_words, TIE_WORDS[self.ties], self._consensus_words, CERTAINTY_WORDS[self.certainty])
        margins = "the margin is the mean strength" if self.margins else ""
        told = [part for part in (*parts, margins, BOTH_BAD_WORDS[self.both_bad], ADJUDICATED) if part]
        return "; ".join(told) + "."

    @property
    def _minimum_words(self) -> str:
        return f"At least {self.minimum} judgement{'' if self.minimum == 1 else 's'}"

    @property
    def _consensus_words(self) -> str:
        if self.consensus.weighs:
            return (
                f"raters are weighed by {WEIGHED_WORDS[self.consensus]}, and an answer is chosen where it is better "
                f"with a probability of {self.threshold:.2f} or more"
            )
        dropped = self.disagreement == Disagreement.DROP
        return "items on which raters disagree are left out" if dropped else "the majority decides"

    def decide(self, tally: Tally, posterior: Sequence[float] | None = None) -> Decision | Dropped:
        """Which answer is chosen, or why none is; `posterior`: of first, second, tie, both bad, if raters are weighed.

        Raises ValueError when the rule needs a posterior and there is none.
        """
        if not tally.total:
            return Dropped.UNJUDGED
        if tally.total < self.minimum:
            return Dropped.TOO_FEW
        if not self.consensus.weighs:
            return self._by_majority(tally)
        if posterior is None:
            raise ValueError("raters are weighed, so the item needs a posterior")
        return self._by_posterior(posterior)

    def _by_majority(self, tally: Tally) -> Decision | Dropped:
        if 2 * tally.both_bad >= tally.total:
            return Dropped.BOTH_BAD
        most = max(tally.first, tally.second)
        if not most or (self.ties == Ties.COUNT and tally.ties >= most):
            return Dropped.TIE
        if tally.first == tally.second:
            return Dropped.UNDECIDED
        certainty = self._share(most, min(tally.first, tally.second), tally.ties)
        if certainty < 1 and self.disagreement == Disagreement.DROP:
            return Dropped.DISAGREEMENT
        return Decision(tally.first > tally.second, certainty)

    def _by_posterior(self, posterior: Sequence[float]) -> Decision | Dropped:
        first, second, tie, both_bad = posterior
        better, worse = max(first, second), min(first, second)
        if both_bad >= max(better, tie):
            return Dropped.BOTH_BAD
        if tie >= better:
            return Dropped.TIE
        if better < self.threshold or first == second:
            return Dropped.UNSURE
        return Decision(first > second, self._share(better, worse, tie), posterior=better)

    def _share(self, better: float, worse: float, ties: float) -> float:
        """The chosen answer's share of votes or chances, with ties as the rule says."""
        half = 0.0 if self.ties == Ties.IGNORE else ties / 2
        return (better + half) / (better + worse + 2 * half)


WEIGHED_WORDS = {
    Consensus.DAWID_SKENE: "how often they agree with the consensus (Dawid–Skene)",
    Consensus.MACE: "how often they know instead of guessing (MACE)",
    Consensus.GLAD: "their ability and how hard each item is (GLAD)",
}
TIE_WORDS = {
    Ties.IGNORE: "a tie is no vote",
    Ties.HALF: "a tie is half a vote for each answer",
    Ties.COUNT: "an item with as many ties as votes for an answer gives no pair",
}
CERTAINTY_WORDS = {
    Certainty.IGNORE: "",
    Certainty.LABEL: "the label is the certainty",
    Certainty.WEIGHT: "the weight is the certainty",
}
BOTH_BAD_WORDS = {
    BothBad.DROP: "both-bad items give no pair",
    BothBad.HARD_NEGATIVES: "answers of both-bad items are rejected against the best answer to the same prompt",
}
ADJUDICATED = "adjudications win over votes"
