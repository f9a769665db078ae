"""Which answer stands on the left: drawn once per assignment, balanced for each rater and pair of policies."""

from __future__ import annotations

import random
from collections.abc import Sequence

from django.db import connection

from alignapp.accounts.models import User
from comparisons.models import Answer, Assignment, Item

BLOCK = 4  # sides are balanced within every so many items of a rater and a pair of policies
_chance = random.SystemRandom()


def draw_side(pair: tuple[int | None, int | None], rater: User) -> bool:
    """Whether the first answer of an item goes on side A; `pair` holds the contenders of both."""
    first, second = pair
    if first is None or second is None or first == second:
        return _chance.random() < 0.5
    one, other = sorted((first, second))
    return draw_in_block(_block_so_far(one, other, rater), _chance) == (first == one)


# Asked for every item that is given out, so by hand: a rater's latest assignments on a pair, and how many there are.
LATEST = f"""
SELECT first.contender_id, a.first_is_a, COUNT(*) OVER () FROM {Assignment._meta.db_table} a
JOIN {Item._meta.db_table} i ON i.id = a.item_id
JOIN {Answer._meta.db_table} first ON first.id = i.first_id
JOIN {Answer._meta.db_table} second ON second.id = i.second_id
WHERE a.rater_id = %s AND a.repeats_id IS NULL AND (
    (first.contender_id = %s AND second.contender_id = %s) OR (first.contender_id = %s AND second.contender_id = %s))
ORDER BY a.id DESC LIMIT {BLOCK - 1}"""


def _block_so_far(one: int, other: int, rater: User) -> list[bool]:
    """For each assignment of the rater's unfinished block on this pair: whether contender `one` stood on side A."""
    with connection.cursor() as cursor:
        cursor.execute(LATEST, [rater.pk, one, other, other, one])
        rows = cursor.fetchall()
    length = rows[0][2] % BLOCK if rows else 0
    return [(first == one) == bool(first_is_a) for first, first_is_a, _ in rows[:length]]


def draw_in_block(block: Sequence[bool], chance: random.Random) -> bool:
    """Draw the next of a block that will hold as many True as False; `block` is what was drawn of it, in any order."""
    left = BLOCK - len(block)
    true_left = BLOCK // 2 - sum(block)
    return chance.random() * left < true_left
