"""Who rates in a running study is changed on a page, and written down."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import User
from comparisons import assignment as assigning
from comparisons.models import RaterPool, Study
from tests.comparisons.rating_factories import make_rater, make_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user("rita"))
    return client


def pool_of(name: str, *members: User) -> RaterPool:
    pool = RaterPool.objects.create(slug=name.lower(), name=name)
    pool.members.set(members)
    return pool


def test_another_pool_is_asked_at_once_and_the_audit_keeps_both(researcher: Client):
    study, anna, berta = make_study(items=2), make_rater("anna"), make_rater("berta")
    experts, lawyers = pool_of("Experts", anna), pool_of("Lawyers", berta)
    study.pools.add(experts)
    assert assigning.next_assignment(berta) is None
    address = reverse("study-pools", args=[study.slug])
    assert address in researcher.get(study.get_absolute_url()).text
    answer = researcher.post(address, {"pools": [experts.pk, lawyers.pk]}, follow=True)
    assert "Experts, Lawyers" in answer.text
    assert assigning.next_assignment(berta) is not None
    entry = study.audit.get(verb="pools")
    assert (entry.actor.username, entry.detail) == ("rita", {"before": ["Experts"], "now": ["Experts", "Lawyers"]})


def test_without_a_pool_everybody_is_asked(researcher: Client):
    study = make_study(items=1)
    study.pools.add(pool_of("Experts"))
    researcher.post(reverse("study-pools", args=[study.slug]), {})
    assert not study.pools.exists()
    assert study.audit.get().detail == {"before": ["Experts"], "now": ["everybody"]}


def test_what_is_not_changed_is_not_written_down(researcher: Client):
    study = make_study(items=1)
    researcher.post(reverse("study-pools", args=[study.slug]), {})
    assert not study.audit.exists()


def test_a_closed_study_asks_nobody_else(researcher: Client):
    study, pool = make_study(items=1), pool_of("Experts")
    Study.objects.update(state="closed")
    answer = researcher.post(reverse("study-pools", args=[study.slug]), {"pools": [pool.pk]})
    assert answer.status_code == 422
    assert "Nobody rates in this study any more" in answer.text
    assert not study.pools.exists()


def test_the_page_leads_to_an_invitation_into_the_pools_of_the_study(researcher: Client):
    study, pool = make_study(items=1), pool_of("Experts")
    study.pools.add(pool)
    page = researcher.get(reverse("study-pools", args=[study.slug])).text
    address = f"{reverse('person-new')}?pool=experts"
    assert address in page
    form = researcher.get(address).context["form"]
    assert form["pools"].value() == [pool.pk]


def test_annotators_change_nothing(client: Client):
    client.force_login(make_rater())
    address = reverse("study-pools", args=[make_study(items=1).slug])
    assert client.get(address).status_code == client.post(address, {}).status_code == 403
