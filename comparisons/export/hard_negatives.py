"""Pairs from items whose answers are both bad: both are rejected against the best answer to the same prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

from comparisons.models import Study

from .consensus import Agreed
from .rules import Decision, Dropped

TAG = "hard-negative"


@dataclass(frozen=True, slots=True)
class HardNegative:
    """Ids of the both-bad item and the answers, position of the item that the chosen one won, how sure the pair is."""

    item: int
    chosen: int
    rejected: int
    won: int
    certainty: float


@dataclass(slots=True)
class _Answers:
    """What was decided on the answers to one prompt."""

    wins: dict[int, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))  # certainty, position
    losses: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    bad: list[tuple[int, int, int]] = field(default_factory=list)  # item, first, second
    compared: set[frozenset[int]] = field(default_factory=set)

    def best(self) -> tuple[int, float, int] | None:
        """The answer with most wins less losses, its certainty and the first item it won; never a bad one.

        Among equals the surer, then the one that won first.
        """
        bad = {answer for _, *both in self.bad for answer in both}
        order = {
            answer: (len(wins) - self.losses[answer], fmean(sure for sure, _ in wins))
            for answer, wins in self.wins.items()
            if answer not in bad and len(wins) > self.losses[answer]
        }
        if not order:
            return None
        answer = max(order, key=lambda answer: order[answer])
        return answer, order[answer][1], self.wins[answer][0][1]


def find(study: Study, agreed: Agreed) -> list[HardNegative]:
    """The pairs, in the study's order of items.

    A rejected answer that was judged against the chosen one itself gives none: that item has said what is to be said.
    With b the certainty that both are bad and w that of the winner, a pair is b w + (1 - b) / 2 sure: where the answers
    are not bad after all nothing is known. Each pair of answers comes once, however many items found them bad.
    """
    rows = study.items.comparisons().order_by("position").values_list("pk", "prompt", "first", "second", "position")
    prompts = _by_prompt(rows.iterator(), agreed)
    found = [negative for answers in prompts.values() for negative in _of(answers, agreed)]
    order = {item: place for place, item in enumerate(agreed.decisions)}
    return sorted(found, key=lambda negative: order[negative.item])


def _by_prompt(rows: Iterable[tuple[int, int, int, int, int]], agreed: Agreed) -> dict[int, _Answers]:
    prompts: dict[int, _Answers] = defaultdict(_Answers)
    for item, prompt, first, second, position in rows:
        answers, decision = prompts[prompt], agreed.decisions[item]
        if decision == Dropped.BOTH_BAD:
            answers.bad.append((item, first, second))
        elif isinstance(decision, Decision):
            chosen, rejected = (first, second) if decision.first_is_chosen else (second, first)
            answers.wins[chosen].append((decision.certainty, position))
            answers.losses[rejected] += 1
        if item in agreed.tallies or item in agreed.adjudicated:
            answers.compared.add(frozenset((first, second)))
    return prompts


def _of(answers: _Answers, agreed: Agreed) -> Iterator[HardNegative]:
    best = answers.best() if answers.bad else None
    if best is None:
        return
    chosen, winner, won = best
    seen = set(answers.compared)
    for item, *both in answers.bad:
        bad = agreed.both_bad(item)
        for rejected in both:
            if frozenset((chosen, rejected)) not in seen:
                seen.add(frozenset((chosen, rejected)))
                yield HardNegative(item, chosen, rejected, won, bad * winner + (1 - bad) / 2)
