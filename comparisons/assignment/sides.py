"""Which answer stands on the left: drawn once per assignment, balanced for each rater and pair of policies."""

from __future__ import annotations

import random
from collections.abc import Sequence

from django.db.models import Count, Q, Window

from alignapp.accounts.models import User
from comparisons.models import Assignment, Item

BLOCK = 4  # sides are balanced within every so many items of a rater and a pair of policies
_chance = random.SystemRandom()


def draw_side(item: Item, rater: User) -> bool:
    """Whether the item's first answer goes on side A."""
    first, second = item.first.contender_id, item.second.contender_id
    if first is None or second is None or first == second:
        return _chance.random() < 0.5
    one, other = sorted((first, second))
    return draw_in_block(_block_so_far(one, other, rater), _chance) == (first == one)


def _block_so_far(one: int, other: int, rater: User) -> list[bool]:
    """For each assignment of the rater's unfinished block on this pair: whether contender `one` stood on side A."""
    as_drawn = Q(item__first__contender=one, item__second__contender=other)
    turned = Q(item__first__contender=other, item__second__contender=one)
    earlier = Assignment.objects.filter(as_drawn | turned, rater=rater, repeats=None).order_by("-id")
    latest = earlier.annotate(count=Window(Count("*")))[: BLOCK - 1]
    rows = list(latest.values_list("item__first__contender", "first_is_a", "count"))
    length = rows[0][2] % BLOCK if rows else 0
    return [(first == one) == first_is_a for first, first_is_a, _ in rows[:length]]


def draw_in_block(block: Sequence[bool], chance: random.Random) -> bool:
    """Draw the next of a block that will hold as many True as False; `block` is what was drawn of it, in any order."""
    left = BLOCK - len(block)
    true_left = BLOCK // 2 - sum(block)
    return chance.random() * left < true_left
