"""When a study gets its items: the first ones as it opens, further ones while people rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from .audit import record
from .models import Item, ItemKind, Study, StudyState
from .pairing import Stock, first_items


class NotWaiting(Exception):
    """The study was closed, or another worker has it: this one must stop."""


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


def nothing_to_judge(items: Sequence[Item]) -> str:
    """Why a study cannot open, in a sentence."""
    reasons = Counter(item.quarantine for item in items)
    [(reason, count)] = reasons.most_common(1) or [("the suite has no prompts", 0)]
    share = f"Most often ({count:,}): {reason}" if len(reasons) > 1 else f"The reason: {reason}"
    return (
        f"All {len(items):,} pairs of answers were set aside, so there is nothing to judge. {share}. Start a study "
        "with other policies, another suite, another temperature, or longer answers."
    )
