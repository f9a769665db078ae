"""The stop rule: a study pauses when the interval of every pair of policies is narrower than its design asks.

The rule looks at widths alone, never at who leads: stopping at a width keeps intervals honest (Chow & Robbins 1965),
stopping when somebody has won would not. The study pauses instead of closing, because what people have on their screens
then still counts, and because closing shows the standings and is final: a person decides that. The rule acts once; who
reopens or extends the study afterwards wants more than it asks for.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from .audit import record
from .models import AuditEntry, Rating, Study, StudyKind, StudyState
from .raters import left_out
from .results import Look, judgements_of
from .statistics.planning import wide_pairs
from .statistics.selection import pair_counts
from .statistics.strengths.estimate import estimate

log = logging.getLogger(__name__)

STOPPED = "stopped"  # verb of the audit entry
MOVES = ("pause", "reopen", "extended", "close")  # by people
EVERY = timedelta(minutes=1)  # a million votes take seconds to estimate


def stop_where_due() -> None:
    """Look at every open study that has a stop rule, at most once a minute and only when somebody has judged since."""
    rested = Q(rule_looked_at=None) | Q(rule_looked_at__lt=timezone.now() - EVERY)
    for study in Study.objects.filter(rested, state=StudyState.OPEN, kind=StudyKind.SUITES):
        if study.rules.stop_width is None or has_acted(study):
            continue
        try:
            look(study)
        except Exception:
            log.exception("study %s", study.slug)


def look(study: Study) -> bool:
    """Pause the study if its rule is met; returns whether this call did. Nothing is computed where nobody judged."""
    latest = Rating.objects.filter(assignment__item__study=study).aggregate(at=Max("created_at"))["at"]
    if latest is None or (study.rule_looked_at and latest < study.rule_looked_at - EVERY):
        return False
    Study.objects.filter(pk=study.pk).update(rule_looked_at=timezone.now())
    found = seen(study)
    Study.objects.filter(pk=study.pk).update(rule_saw=asdict(found))
    return found.met and _pause(study, found)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rule goes by: `votes`, the `fewest` of a pair, and the pairs that are still too wide, the widest first.

    `widest` of all pairs and of those in `wide` (two policies, and the width as a share of wins) are None and empty
    before every pair has the votes that the rule asks for.
    """

    votes: int
    fewest: int
    met: bool = False
    widest: float | None = None
    wide: list[tuple[str, str, float]] = field(default_factory=list)


def seen(study: Study) -> Seen:
    """Look at the votes. Raters whom the study's written rule leaves out of results count for nothing here either."""
    rules, names = study.rules, list(study.contenders.values_list("policy__name", flat=True))
    votes = judgements_of(study, Look(excluded=left_out(study))).votes(len(names))
    counts, _ = pair_counts(votes)
    fewest = int(counts.min())
    if rules.stop_width is None or fewest < rules.stop_votes:
        return Seen(len(votes), fewest)
    widths = wide_pairs(estimate(votes), 0.0)
    wide = [
        (names[one.one], names[one.other], round(one.width, 4)) for one in widths if not one.width < rules.stop_width
    ]
    return Seen(len(votes), fewest, not wide, round(widths[0].width, 4), wide)


def _pause(study: Study, met: Seen) -> bool:
    with transaction.atomic():
        if not Study.objects.filter(pk=study.pk, state=StudyState.OPEN).update(state=StudyState.PAUSED):
            return False
        record(study, None, STOPPED, votes=met.votes, widest=met.widest, narrower_than=study.rules.stop_width)
        return True


def waiting(study: Study) -> dict[str, Any] | None:
    """What the rule saw when it last looked at an open study, if it may still pause it; None before it has looked."""
    waits = study.state == StudyState.OPEN and study.rules.stop_width is not None and bool(study.rule_saw)
    return study.rule_saw if waits and not has_acted(study) else None


def has_acted(study: Study) -> bool:
    """Whether the rule has paused the study at some time."""
    return study.audit.filter(verb=STOPPED).exists()


def paused_by_rule(study: Study) -> AuditEntry | None:
    """The entry that says with which votes the rule paused the study, if nobody has moved it since."""
    last = study.audit.filter(verb__in=(STOPPED, *MOVES)).last()
    return last if last and last.verb == STOPPED else None
