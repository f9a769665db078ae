"""What raters say against items by skipping them; setting such an item aside by hand, and putting it back."""

from __future__ import annotations

from collections import Counter, defaultdict

from django.db import transaction

from alignapp.accounts.models import User

from .assignment.leases import locked
from .audit import record
from .models import BY_HAND, Choice, Item, ItemKind, Rating, Study, StudyState
from .quarantine import MOST_LETTERS


class SettingAsideRefused(ValueError):
    """An item that cannot be set aside or put back; the message is a sentence for people."""


def flags_of(study: Study) -> dict[int, Counter[str]]:
    """Item id -> how often each reason was given for skipping it; of comparisons that raters may see."""
    skips = Rating.objects.standing().filter(choice=Choice.SKIP, assignment__item__in=study.items.comparisons())
    flags: dict[int, Counter[str]] = defaultdict(Counter)
    for item, reasons in skips.values_list("assignment__item", "reasons"):
        flags[item].update(reasons)
    return flags


def set_aside(item: Item, user: User, reason: str) -> None:
    """Show a comparison to nobody any more, and count what was said of it nowhere; raises SettingAsideRefused.

    Another item takes its place while the study's answers give one: workers draw it.
    """
    with transaction.atomic():
        study = _running(item)
        judged = Rating.objects.counted().filter(assignment__item=item).count()
        seen = Item.objects.filter(pk=item.pk, kind=ItemKind.COMPARISON, quarantine="")
        if not seen.update(quarantine=f"{BY_HAND}{reason}"[:MOST_LETTERS]):
            raise SettingAsideRefused("That item was set aside before.")
        record(study, user, "item set aside", number=item.number, reason=reason, judgements_not_counted=judged)


def put_back(item: Item, user: User) -> None:
    """Undo `set_aside`: what was said of the item counts again; raises SettingAsideRefused.

    An item that was drawn in its place stays, so the study may have one more than its limit.
    """
    with transaction.atomic():
        study = _running(item)
        aside = Item.objects.filter(pk=item.pk, kind=ItemKind.COMPARISON, quarantine__startswith=BY_HAND)
        if not aside.update(quarantine=""):
            raise SettingAsideRefused("That item is not set aside by hand.")
        judged = Rating.objects.counted().filter(assignment__item=item).count()
        record(study, user, "item put back", number=item.number, judgements_counted=judged)


def _running(item: Item) -> Study:
    """The item's study, locked, while it is open or paused."""
    study = locked(item.study_id, judging=True)
    if study.state not in {StudyState.OPEN, StudyState.PAUSED}:
        state = study.get_state_display().lower()
        raise SettingAsideRefused(f"The study is {state}. Items are set aside and put back while it is open or paused.")
    return study
