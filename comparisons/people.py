"""Annotators: invited by a link that is used once, put into pools, and sent away.

Only annotators are managed here. A researcher who could make a link for another researcher or an administrator could
become that person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from alignapp.accounts.models import Role, User

from .assignment import expire_leases
from .assignment.leases import locked
from .audit import record
from .models import Assignment, AssignmentState, RaterPool, Study, StudyState
from .slugs import free_slug

OVER = (StudyState.CLOSED, StudyState.FAILED)


class PoolsRefused(ValueError):
    """A study whose raters cannot be changed any more; the message is a sentence for people."""


def annotators() -> QuerySet[User]:
    """Everybody who only rates, with the number of judgements of each, by name."""
    judged = Count("assignments", filter=Q(assignments__state=AssignmentState.DONE), distinct=True)
    return User.objects.filter(role=Role.ANNOTATOR).annotate(judged=judged).order_by("username")


def studies_asking(person: User) -> QuerySet[Study]:
    """Studies that are not over and ask this person: one of their pools, or everybody."""
    return Study.objects.exclude(state__in=OVER).filter(Q(pools=None) | Q(pools__members=person)).distinct()


def invite(username: str, full_name: str, pools: Iterable[RaterPool], user: User | None) -> User:
    """Make an annotator who can do nothing before they choose a password by their link; `user` invited them."""
    first, _, last = full_name.strip().partition(" ")
    with transaction.atomic():
        person = User(username=username, first_name=first, last_name=last, role=Role.ANNOTATOR)
        person.set_unusable_password()
        person.save()
        person.pools.set(pools)
        for study in studies_asking(person):
            record(study, user, "rater invited", rater=person.username)
    return person


def welcome_path(person: User) -> str:
    """The path at which the person chooses a password: once, within PASSWORD_RESET_TIMEOUT."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("welcome", args=[uid, default_token_generator.make_token(person)])


def reset_access(person: User, user: User | None) -> None:
    """Take away the person's password; earlier links end with it, and so do open sessions. `user` did it."""
    person.set_unusable_password()
    with transaction.atomic():
        person.save(update_fields=["password"])
        for study in studies_asking(person):
            record(study, user, "password reset", rater=person.username)


def set_active(person: User, active: bool, user: User | None) -> None:
    """Let an annotator in, or send them away: what they hold goes back at once, what they judged stays."""
    with transaction.atomic():
        changed = User.objects.filter(pk=person.pk, role=Role.ANNOTATOR).exclude(is_active=active)
        if changed.update(is_active=active):
            for study in studies_asking(person):
                record(study, user, "rater let in again" if active else "rater sent away", rater=person.username)
    if not active:
        now = timezone.now()
        Assignment.objects.filter(rater=person, state=AssignmentState.OPEN).update(lease_until=now)
        expire_leases(now)


def save_pool(
    pool: RaterPool | None,
    user: User | None,
    *,
    name: str,
    description: str,
    attributes: Mapping[str, str],
    members: Iterable[User],
) -> RaterPool:
    """Store a pool and who is in it; None makes a new one. Studies that ask it write down who came and went."""
    with transaction.atomic():
        pool = pool or RaterPool(slug=free_slug(RaterPool, name))
        pool.name, pool.description, pool.attributes = name, description, dict(attributes)
        pool.save()
        before = set(pool.members.all())
        pool.members.set(members)
        _tell_of_members(pool, before, user)
    return pool


def _tell_of_members(pool: RaterPool, before: set[User], user: User | None) -> None:
    now = set(pool.members.all())
    joined, left = (sorted(one.username for one in people) for people in (now - before, before - now))
    if joined or left:
        for study in pool.studies.exclude(state__in=OVER):
            record(study, user, "pool changed", pool=pool.name, joined=joined, left=left)


def ask_pools(study: Study, pools: Iterable[RaterPool], user: User | None) -> None:
    """Let these pools rate in the study, or everybody if there are none; raises PoolsRefused when it is over."""
    with transaction.atomic():
        study = locked(study.pk)
        if study.state in OVER:
            raise PoolsRefused(f"The study is {study.get_state_display().lower()}, so nobody rates in it any more.")
        before = sorted(pool.name for pool in study.pools.all())
        study.pools.set(pools)
        now = sorted(pool.name for pool in study.pools.all())
        if now != before:
            record(study, user, "pools", before=before or ["everybody"], now=now or ["everybody"])
