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
from .models import Assignment, AssignmentState, RaterPool
from .slugs import free_slug


def annotators() -> QuerySet[User]:
    """Everybody who only rates, with the number of judgements of each, by name."""
    judged = Count("assignments", filter=Q(assignments__state=AssignmentState.DONE), distinct=True)
    return User.objects.filter(role=Role.ANNOTATOR).annotate(judged=judged).order_by("username")


def invite(username: str, full_name: str, pools: Iterable[RaterPool]) -> User:
    """Make an annotator who can do nothing before they choose a password by their link."""
    first, _, last = full_name.strip().partition(" ")
    with transaction.atomic():
        person = User(username=username, first_name=first, last_name=last, role=Role.ANNOTATOR)
        person.set_unusable_password()
        person.save()
        person.pools.set(pools)
    return person


def welcome_path(person: User) -> str:
    """The path at which the person chooses a password: once, within PASSWORD_RESET_TIMEOUT."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("welcome", args=[uid, default_token_generator.make_token(person)])


def reset_access(person: User) -> None:
    """Take away the person's password; earlier links end with it, and so do open sessions."""
    person.set_unusable_password()
    person.save(update_fields=["password"])


def set_active(person: User, active: bool) -> None:
    """Let an annotator in, or send them away: what they hold goes back at once, what they judged stays."""
    User.objects.filter(pk=person.pk, role=Role.ANNOTATOR).update(is_active=active)
    if not active:
        now = timezone.now()
        Assignment.objects.filter(rater=person, state=AssignmentState.OPEN).update(lease_until=now)
        expire_leases(now)


def save_pool(
    pool: RaterPool | None, *, name: str, description: str, attributes: Mapping[str, str], members: Iterable[User]
) -> RaterPool:
    """Store a pool and who is in it; None makes a new one."""
    with transaction.atomic():
        pool = pool or RaterPool(slug=free_slug(RaterPool, name))
        pool.name, pool.description, pool.attributes = name, description, dict(attributes)
        pool.save()
        pool.members.set(members)
    return pool
