"""The stop rule: a study pauses when the interval of every pair of policies is narrower than its design asks.

The rule looks at widths alone, never at who leads: stopping at a width keeps intervals honest (Chow & Robbins 1965),
stopping when somebody has won would not. The study pauses instead of closing, because what people have on their screens
then still counts, and because closing shows the standings and is final: a person decides that. The rule acts once; who
reopens or extends the study afterwards wants more than it asks for.
"""

from __future__ import annotations

import logging
from datetime import timedelta

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
    met = evidence(study)
    return met is not None and _pause(study, met)


def evidence(study: Study) -> dict[str, float] | None:
    """Votes and the widest interval with which the rule is met; None while it is not.

    Raters whom the study's written rule leaves out of results count for nothing here either.
    """
    rules, policies = study.rules, study.contenders.count()
    votes = judgements_of(study, Look(excluded=left_out(study))).votes(policies)
    counts, _ = pair_counts(votes)
    if rules.stop_width is None or counts.min() < rules.stop_votes:
        return None
    [widest, *_] = wide_pairs(estimate(votes), 0.0)
    if widest.width >= rules.stop_width:
        return None
    return {"votes": len(votes), "widest": round(widest.width, 4), "narrower_than": rules.stop_width}


def _pause(study: Study, met: dict[str, float]) -> bool:
    with transaction.atomic():
        if not Study.objects.filter(pk=study.pk, state=StudyState.OPEN).update(state=StudyState.PAUSED):
            return False
        record(study, None, STOPPED, **met)
        return True


def has_acted(study: Study) -> bool:
    """Whether the rule has paused the study at some time."""
    return study.audit.filter(verb=STOPPED).exists()


def paused_by_rule(study: Study) -> AuditEntry | None:
    """The entry that says with which votes the rule paused the study, if nobody has moved it since."""
    last = study.audit.filter(verb__in=(STOPPED, *MOVES)).last()
    return last if last and last.verb == STOPPED else None
