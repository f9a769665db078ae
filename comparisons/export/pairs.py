"""From decisions to preference pairs, streamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from django.db.models import Prefetch

from comparisons.models import Answer, Assignment, Item, Rating, Study
from training.preferences import trl
from training.preferences.records import Message, Pair, RowProblem, check

from .consensus import Agreed, agree
from .hard_negatives import TAG, HardNegative, find
from .provenance import Choice, provenance, said_of
from .raters import pseudonyms
from .rules import BothBad, Certainty, Decision, Dropped, Rule

if TYPE_CHECKING:
    from comparisons.statistics.label_noise import LabelNoise

ITEMS_PER_READ = 500


@dataclass(frozen=True, slots=True)
class Summary:
    """What a rule makes of a study: items = pairs + dropped. Hard negatives come on top: their items are dropped."""

    items: int
    pairs: int
    hard_negatives: int
    judgements: int
    raters: int
    excluded_raters: int
    several_turns: int
    dropped: dict[Dropped, int]

    @property
    def rows(self) -> int:
        return self.pairs + self.hard_negatives

    @property
    def left_out(self) -> str:
        """What the rule dropped, in words; 'nothing' when every item gave a pair."""
        return "; ".join(f"{reason.label.lower()}: {count:,}" for reason, count in self.dropped.items()) or "nothing"

    @property
    def no_pairs(self) -> str:
        """What a rule that makes nothing leaves out, and what to do."""
        told = f"This rule makes no pair of the {self.items:,} items ({self.left_out})."
        return f"{told} Loosen it, or collect more judgements."


class Export:
    """A rule on a study: decided once, streamed as often as it is asked for."""

    def __init__(self, study: Study, rule: Rule, between: Callable[[], None] = lambda: None) -> None:
        """`between` is called between two portions of items that are read: no cursor is open then."""
        self.study, self.rule, self.between = study, rule, between

    @cached_property
    def agreed(self) -> Agreed:
        return agree(self.study, self.rule)

    @cached_property
    def wrong_labels(self) -> LabelNoise | None:
        """How often its labels are the wrong way round; None where the judgements do not tell."""
        from .noise import wrong_labels_of  # imports scipy

        return wrong_labels_of(self)

    @cached_property
    def names(self) -> dict[int, str]:
        return pseudonyms(self.study)

    def pairs(self) -> Iterator[Pair]:
        """All rows of the export: the items' pairs in the study's order, then the hard negatives."""
        yield from (outcome for outcome in self.outcomes() if isinstance(outcome, Pair))
        yield from self.hard_negatives()

    def outcomes(self) -> Iterator[Pair | Dropped]:
        """One outcome per item of the study, in the study's order."""
        for item in self._items():
            decision = self.agreed.decisions[item.pk]
            yield decision if isinstance(decision, Dropped) else self._pair(item, decision)

    def hard_negatives(self) -> Iterator[Pair]:
        """The pairs that both-bad items give, where the rule wants them."""
        found = find(self.study, self.agreed) if self.rule.both_bad == BothBad.HARD_NEGATIVES else []
        for start in range(0, len(found), ITEMS_PER_READ):
            portion = found[start : start + ITEMS_PER_READ]
            items = {item.pk: item for item in self._items({negative.item for negative in portion})}
            answers = Answer.objects.in_bulk({negative.chosen for negative in portion})
            made = (self._hard_negative(items[row.item], answers[row.chosen], row) for row in portion)
            yield from (pair for pair in made if isinstance(pair, Pair))

    @cached_property
    def summary(self) -> Summary:
        """Count what the rule makes of every item."""
        dropped: Counter[Dropped] = Counter()
        single: list[bool] = []
        for outcome in self.outcomes():
            if isinstance(outcome, Dropped):
                dropped[outcome] += 1
            else:
                single.append(trl.is_single_turn(outcome))
        hard = [trl.is_single_turn(pair) for pair in self.hard_negatives()]
        return Summary(
            items=len(single) + dropped.total(),
            pairs=len(single),
            hard_negatives=len(hard),
            judgements=self.agreed.judgements,
            raters=len(self.agreed.raters),
            excluded_raters=len(self.agreed.excluded),
            several_turns=(single + hard).count(False),
            dropped={reason: dropped[reason] for reason in Dropped if dropped[reason]},
        )

    def _items(self, only: Collection[int] | None = None) -> Iterator[Item]:
        """Items with their answers and believed judgements, in the study's order.

        No cursor stays open between them: SQLite refuses a write beside one as soon as somebody else has written.
        """
        standing = Prefetch("ratings", Rating.objects.standing().select_related("guideline"), to_attr="standing")
        done = Assignment.objects.judged_comparisons().exclude(rater__in=self.agreed.excluded).order_by("pk")
        judged = Prefetch("assignments", done.prefetch_related(standing), to_attr="judged")
        items = self.study.items.comparisons().select_related("prompt", "first", "second").prefetch_related(judged)
        numbers = list(items.order_by("position").values_list("pk", flat=True)) if only is None else list(only)
        for start in range(0, len(numbers), ITEMS_PER_READ):
            self.between()
            yield from items.filter(pk__in=numbers[start : start + ITEMS_PER_READ]).order_by("position")

    def _pair(self, item: Item, decision: Decision) -> Pair | Dropped:
        choice = Choice(item, decision.first_is_chosen, said_of(item))
        chosen, rejected = (item.first, item.second) if decision.first_is_chosen else (item.second, item.first)
        posterior = None if decision.posterior is None else round(decision.posterior, 4)
        facts = {"posterior": posterior, "adjudicated": decision.adjudicated, "won_item": None}
        margin = choice.margin if self.rule.margins else None
        return self._made(choice, chosen, rejected, decision.certainty, facts, margin=margin, position=choice.position)

    def _hard_negative(self, item: Item, chosen: Answer, found: HardNegative) -> Pair | Dropped:
        choice = Choice(item, None, said_of(item))
        adjudicated = item.pk in self.agreed.adjudicated
        facts = {"posterior": None, "adjudicated": adjudicated, "won_item": found.won + 1}
        rejected = item.first if item.first_id == found.rejected else item.second
        return self._made(choice, chosen, rejected, found.certainty, facts, tags=(TAG,))

    def _made(
        self,
        choice: Choice,
        chosen: Answer,
        rejected: Answer,
        certainty: float,
        facts: Mapping[str, object],
        *,
        margin: float | None = None,
        position: int = 0,
        tags: tuple[str, ...] = (),
    ) -> Pair | Dropped:
        raters = {said.rater for said in choice.said}
        pair = Pair(
            prompt=tuple(Message(turn["role"], turn["content"]) for turn in choice.item.prompt.messages),
            chosen=(Message("assistant", chosen.text),),
            rejected=(Message("assistant", rejected.text),),
            weight=certainty if self.rule.certainty == Certainty.WEIGHT else 1.0,
            label=certainty if self.rule.certainty == Certainty.LABEL else 1.0,
            margin=margin,
            annotator=self.names[raters.pop()] if len(raters) == 1 else "",
            source=self.study.slug,
            position=position,
            at=choice.at,
            tags=tags,
            extra=provenance(self.study, choice, chosen, rejected, self.names, certainty=round(certainty, 4), **facts),
        )
        try:
            check(pair)
        except RowProblem:
            return Dropped.UNUSABLE
        return pair
