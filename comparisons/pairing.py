"""Items of a study: stored answers put side by side, up to the study's limit.

A draw chooses a pair of contenders and then, of the prompts on which the pair was not compared yet, one that has the
fewest items so far. So a limit is spread evenly over the prompts whatever the pairs. What must not be shown is stored
too, set aside with a reason, and costs the pair nothing: the draw goes on to its next prompt.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from django.db.models import Max
from numpy.typing import NDArray

from .design import CutOff, Selection
from .models import Answer, Contender, Item, ItemKind, Prompt, Study
from .quarantine import Blinding, Look, flaw_of_pair


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored answer, without its text: two of a hundred thousand meet in an item."""

    pk: int
    look: Look


@dataclass
class Stock:
    """What the answers of a study can still become: K contenders make K (K - 1) / 2 pairs, each on P prompts.

    `free` (pairs, P): not put together yet. `given` (pairs,): usable items of each pair. `uses` (P,): usable items on
    each prompt.
    """

    study: Study
    cut_off: CutOff
    pairs: list[tuple[Contender, Contender]]
    prompts: Sequence[Prompt]
    answers: Mapping[tuple[int, int], Stored]  # by contender and prompt
    free: NDArray[np.bool_]
    given: NDArray[np.int64]
    uses: NDArray[np.int64]
    next_position: int

    @classmethod
    def of(cls, study: Study, fresh: bool = False) -> Stock:
        """The stock of a study as its rows stand now; `fresh`: as if no answers had been put together yet."""
        contenders = list(study.contenders.select_related("policy__run"))
        asked = list(study.prompts)
        answers = stored_answers(study, Blinding.of((contender.policy for contender in contenders), asked))
        # A suite may have grown since the answers were generated.
        prompts = unique(prompt for prompt in asked if all((c.pk, prompt.pk) in answers for c in contenders))
        pairs = list(combinations(contenders, 2))  # in the order of statistics.selection.pairs_of
        shape = len(pairs), len(prompts)
        kept = study.items.exclude(kind=ItemKind.COMPARISON) if fresh else study.items
        last = kept.aggregate(last=Max("position"))["last"]
        stock = cls(
            study,
            study.rules.cut_off,
            pairs,
            prompts,
            answers,
            np.ones(shape, dtype=np.bool_),
            np.zeros(shape[0], dtype=np.int64),
            np.zeros(shape[1], dtype=np.int64),
            0 if last is None else last + 1,
        )
        if not fresh:
            stock._note_items()
        return stock

    def _note_items(self) -> None:
        """Take what was put together before from the stock."""
        pair_of = {frozenset((one.pk, other.pk)): number for number, (one, other) in enumerate(self.pairs)}
        prompt_of = {prompt.pk: number for number, prompt in enumerate(self.prompts)}
        items = self.study.items.filter(kind=ItemKind.COMPARISON)
        rows = items.values_list("first__contender", "second__contender", "prompt", "quarantine")
        for first, second, prompt, quarantine in rows.iterator():
            self._note(pair_of[frozenset((first, second))], prompt_of[prompt], not quarantine)

    def _note(self, pair: int, prompt: int, usable: bool) -> None:
        self.free[pair, prompt] = False
        self.given[pair] += usable
        self.uses[prompt] += usable

    @property
    def usable(self) -> int:
        """Items that raters may see."""
        return int(self.given.sum())

    @property
    def made(self) -> int:
        """All items, those set aside included."""
        return int(self.free.size - self.free.sum())

    @property
    def budget(self) -> int:
        """How many usable items the study may have at most."""
        return self.study.item_limit or self.free.size

    def open_pairs(self) -> NDArray[np.bool_]:
        """(pairs,): which have a prompt left."""
        return np.asarray(self.free.any(axis=1))

    def draw(self, number: int, chance: random.Random, rule: Rule) -> list[Item]:
        """Unsaved items in random order: `number` usable ones, or as many as there are, and those set aside on the way.

        The same rows, seed and rule give the same items.
        """
        rank = np.array(chance.sample(range(len(self.prompts)), len(self.prompts))) / max(1, len(self.prompts))
        items: list[Item] = []
        usable = 0
        while usable < number and (open_pairs := self.open_pairs()).any():
            pair, propensity = rule(self, open_pairs, chance)
            item = self._next_item(pair, rank, chance)
            item.propensity = propensity
            items.append(item)
            while item.quarantine and self.free[pair].any():
                item = self._next_item(pair, rank, chance)
                item.propensity = propensity
                items.append(item)
            usable += not item.quarantine
        chance.shuffle(items)
        for position, item in enumerate(items, self.next_position):
            item.position = position
        self.next_position += len(items)
        return items

    def _next_item(self, pair: int, rank: NDArray[np.float64], chance: random.Random) -> Item:
        """The pair on its least used prompt; which answer comes first is drawn."""
        place = int(np.argmin(np.where(self.free[pair], self.uses + rank, np.inf)))
        prompt = self.prompts[place]
        first, second = chance.sample([self.answers[contender.pk, prompt.pk] for contender in self.pairs[pair]], 2)
        flaw = flaw_of_pair(prompt, first.look, second.look, self.cut_off)
        self._note(pair, place, not flaw)
        return Item(study=self.study, prompt=prompt, first_id=first.pk, second_id=second.pk, quarantine=flaw)


def unique(prompts: Iterable[Prompt]) -> list[Prompt]:
    """The prompts without those that an earlier suite holds too."""
    return list({prompt.sha256: prompt for prompt in reversed(list(prompts))}.values())[::-1]


def stored_answers(study: Study, blinding: Blinding) -> dict[tuple[int, int], Stored]:
    rows = Answer.objects.filter(contender__study=study).only("contender", "prompt", "text", "finish_reason", "error")
    return {
        (row.contender_id or 0, row.prompt_id): Stored(row.pk, Look.at(row, blinding))
        for row in rows.iterator(chunk_size=500)
    }


# --- Which pair comes next --------------------------------------------------------------------------------------------

Rule = Callable[[Stock, NDArray[np.bool_], random.Random], tuple[int, float]]
"""Chooses one of the open pairs; returns it with the chance with which it was drawn."""


def balanced(stock: Stock, open_pairs: NDArray[np.bool_], chance: random.Random) -> tuple[int, float]:
    """The pair with the fewest items. Over a study every pair comes as often, so its chance is one among all pairs."""
    return int(np.argmin(np.where(open_pairs, stock.given, np.inf))), 1 / len(stock.pairs)


def uniform(stock: Stock, open_pairs: NDArray[np.bool_], chance: random.Random) -> tuple[int, float]:
    """Any pair by chance."""
    return chance.choice(np.flatnonzero(open_pairs).tolist()), 1 / len(stock.pairs)


def by(chances: NDArray[np.float64]) -> Rule:
    """Pairs by these chances (pairs,), shared out among those that have a prompt left."""

    def drawn(stock: Stock, open_pairs: NDArray[np.bool_], chance: random.Random) -> tuple[int, float]:
        left = np.where(open_pairs, chances, 0.0)
        left = left / left.sum()
        pair = chance.choices(range(len(left)), left.tolist())[0]
        return pair, float(left[pair])

    return drawn


# --- When a study opens -----------------------------------------------------------------------------------------------

FIRST_SHARE = 0.3  # of the budget, before anything is known of the pairs
FIRST_PER_PAIR = 10


def first_items(stock: Stock) -> list[Item]:
    """The items with which a study opens: all, or the first part where later votes say which pairs come next."""
    selection = stock.study.rules.selection
    number = first_batch(stock) if selection == Selection.INFORMED else stock.budget - stock.usable
    return stock.draw(number, chance_of(stock), uniform if selection == Selection.UNIFORM else balanced)


def first_batch(stock: Stock) -> int:
    """A share of the budget, and at least a few items of every pair."""
    return min(stock.budget, max(round(FIRST_SHARE * stock.budget), FIRST_PER_PAIR * len(stock.pairs)))


def chance_of(stock: Stock) -> random.Random:
    """Chance that the study's seed fixes, another for every batch."""
    return random.Random(f"{stock.study.seed} {stock.made}")
