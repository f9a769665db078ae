"""When a study gets its items: the first ones as it opens, further ones while people rate.

Where pairs of policies are drawn by information, a study opens with a part of its budget, spread evenly; whenever
people are about to run out of items, the next batch follows from the votes so far. The votes, the seed and the number
of items made so far decide a batch, so it can be drawn again. It is drawn outside the study's lock, which raters wait
for, and stored under it only if nothing has changed meanwhile; so a study never has more items than its limit.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from .assignment.leases import locked
from .audit import record
from .authoring import ChecksRefused, from_answers
from .design import Selection
from .models import Answer, Assignment, AssignmentState, Item, ItemKind, Prompt, Rating, Study, StudyKind, StudyState
from .pairing import Rule, Stock, balanced, by, chance_of, first_items, uniform
from .results import judgements_of
from .statistics.selection import informed, pair_counts

log = logging.getLogger(__name__)

BATCH_SHARE = 0.1  # of the budget: so often the votes are looked at
LEAST_BATCH = 20
FEW = 10
"""Comparisons that are left for a person when the next batch is drawn, two more for everybody who rates at the time."""
RATING_NOW = timedelta(minutes=10)


class NotWaiting(Exception):
    """The study was closed, or another worker has it: this one must stop."""


# --- Opening ----------------------------------------------------------------------------------------------------------


def open_study(study: Study) -> None:
    """Make the items and open the study for raters, or fail it when there is nothing to judge; raises NotWaiting."""
    items = first_items(Stock.of(study, fresh=True))
    change = {"state": StudyState.OPEN, "opened_at": timezone.now(), "error": "", "heartbeat_at": None}
    if all(item.quarantine for item in items):
        change |= {"state": StudyState.FAILED, "opened_at": None, "error": nothing_to_judge(items)}
    with transaction.atomic():
        # The update locks the row: of two workers only one makes items.
        if not Study.objects.filter(pk=study.pk, state=StudyState.GENERATING).update(**change):
            raise NotWaiting
        study.items.filter(kind=ItemKind.COMPARISON).delete()  # of an earlier attempt, which nobody saw
        Item.objects.bulk_create(items, batch_size=500)
        record(study, None, "opened", items=sum(not item.quarantine for item in items))
        if change["state"] == StudyState.OPEN:
            add_attention_items(study)


def add_attention_items(study: Study) -> None:
    """Make the attention items that the design asks for, as far as the answers give them."""
    missing = study.rules.attention_items - study.items.filter(kind=ItemKind.ATTENTION).count()
    if missing > 0 and study.rules.check_share:
        with contextlib.suppress(ChecksRefused):
            from_answers(study, missing, None)


def nothing_to_judge(items: Sequence[Item]) -> str:
    """Why a study cannot open, in a sentence."""
    reasons = Counter(item.quarantine for item in items)
    [(reason, count)] = reasons.most_common(1) or [("the suite has no prompts", 0)]
    share = f"Most often ({count:,}): {reason}" if len(reasons) > 1 else f"The reason: {reason}"
    return (
        f"All {len(items):,} pairs of answers were set aside, so there is nothing to judge. {share}. Start a study "
        "with other policies, another suite, another temperature, or longer answers."
    )


# --- While people rate ------------------------------------------------------------------------------------------------


def draw_where_due() -> None:
    """Give every open study the items that are due; one that fails does not keep the others from theirs."""
    for study in Study.objects.filter(state=StudyState.OPEN, kind=StudyKind.SUITES).order_by("opened_at"):
        try:
            draw_more(study)
        except Exception:
            log.exception("study %s", study.slug)


def draw_more(study: Study) -> int:
    """Make the items that an open study should have by now; returns how many of them raters may see."""
    if not _is_due(study):
        return 0
    stock = Stock.of(study)
    missing = stock.budget - stock.usable
    number = min(missing, batch_size(stock)) if study.rules.selection == Selection.INFORMED else missing
    return store(stock, stock.draw(number, chance_of(stock), _rule(stock)))


def batch_size(stock: Stock) -> int:
    """Items between two looks at the votes."""
    return max(LEAST_BATCH, len(stock.pairs), round(BATCH_SHARE * stock.budget))


def _is_due(study: Study) -> bool:
    """Whether items are missing, some can still be made, and it is time to make them; counted in the database."""
    if study.item_limit and study.items.comparisons().count() >= study.item_limit:
        return False
    if study.items.filter(kind=ItemKind.COMPARISON).count() >= _possible(study):
        return False
    return study.rules.selection != Selection.INFORMED or is_short(study)


def _possible(study: Study) -> int:
    """Pairs of contenders on different prompts with answers."""
    contenders = list(study.contenders.values_list("pk", flat=True))
    answered = Answer.objects.filter(contender=contenders[0]).values("prompt")
    prompts = Prompt.objects.filter(pk__in=answered).values("sha256").distinct().count()
    return len(contenders) * (len(contenders) - 1) // 2 * prompts


def is_short(study: Study) -> bool:
    """Whether somebody who rates now will soon have seen every comparison that has a free place."""
    free = study.items.comparisons().filter(held__lt=study.ratings_per_item)
    recent = Rating.objects.filter(assignment__item__study=study, created_at__gt=timezone.now() - RATING_NOW)
    raters = set(recent.values_list("assignment__rater", flat=True))
    seen = Assignment.objects.filter(item__in=free, rater__in=raters).exclude(state=AssignmentState.EXPIRED)
    most_seen = max(seen.values_list("rater").annotate(n=Count("pk")).values_list("n", flat=True), default=0)
    return free.count() - most_seen < FEW + 2 * len(raters)


def _rule(stock: Stock) -> Rule:
    """How the pairs of a later batch are drawn."""
    rules = stock.study.rules
    if rules.selection == Selection.BALANCED:
        return balanced
    if rules.selection == Selection.UNIFORM:
        return uniform
    votes = judgements_of(stock.study).votes(stock.study.contenders.count())
    return by(informed(*pair_counts(votes), rules.uniform_share))


def store(stock: Stock, items: Sequence[Item]) -> int:
    """Store drawn items if the study still is what they were drawn for; returns how many raters may see, else 0."""
    study, made = stock.study, stock.made - len(items)
    with transaction.atomic():
        current = locked(study.pk)
        if current.state != StudyState.OPEN or current.item_limit != study.item_limit:
            return 0
        if current.items.filter(kind=ItemKind.COMPARISON).count() != made:
            return 0
        Item.objects.bulk_create(items, batch_size=500)
        usable = sum(not item.quarantine for item in items)
        record(study, None, "drawn", items=usable)
        return usable
