"""Pages about studies with something on them: `python -m tests.e2e.study_pages` makes it and prints their addresses.

Run in the environment of a product whose database is migrated. Nobody but the members of a pool gets work from here.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
django.setup()

from django.urls import reverse  # noqa: E402

from alignapp.accounts.models import Role, User  # noqa: E402
from comparisons import assignment as assigning  # noqa: E402
from comparisons import attempts, collecting, sealing  # noqa: E402
from comparisons.export import Export, Rule  # noqa: E402
from comparisons.models import Assignment, Choice, ItemKind, PromptCollection, RaterPool, Study, StudyState  # noqa: E402
from tests import factories  # noqa: E402
from tests.comparisons import rating_factories  # noqa: E402
from tests.comparisons.campaigns.material import make_campaign, rate, train  # noqa: E402
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, take  # noqa: E402
from tests.comparisons.test_checks import make_check  # noqa: E402
from tests.factories import make_policy  # noqa: E402
from training.models import Policy  # noqa: E402

# Other scripts count from 1 in the same database.
factories._numbers = itertools.count(5_000)
rating_factories._numbers = itertools.count(5_000)

LONG = "A policy whose name nobody has thought of cutting short before it came to stand in a table"


def main() -> dict[str, dict[str, str]]:
    """Make it all; the addresses of pages of the researcher rosa and of the rater ilse, by their names."""
    User.objects.create_user("rosa", password="islands", role=Role.RESEARCHER)
    policies = [make_policy(name=name) for name in ("Orvane", "Pelund", "Sulla", LONG)]
    pool = RaterPool.objects.create(name="Islanders", slug="islanders", attributes={"language": "Pelundish"})
    raters = [make_rater(name) for name in ("ilse", "ivo", "ines", "igor")]
    pool.members.add(*raters)
    raters[0].set_password("islands")
    raters[0].save()
    closed, live = _closed(policies, raters, pool), _open(policies[:2], raters[:3], pool)
    attack, collection = _attack(policies, raters[0], pool), _collection(raters[0])
    return {"rosa": _of_researchers(closed, live, attack, collection, pool), "ilse": _of_a_rater(attack, collection)}


def _of_researchers(
    closed: Study, live: Study, attack: Study, collection: PromptCollection, pool: RaterPool
) -> dict[str, str]:
    return {
        **{f"closed, {name}": reverse(name, args=[closed.slug]) for name in CLOSED},
        "closed, of a stratum": f"{reverse('study-results', args=[closed.slug])}?stratum=other&ties=leave_out",
        "sealing": sealing.submit(Export(closed, Rule()), None, dataset="Rated").get_absolute_url(),
        **{f"open, {name}": reverse(name, args=[live.slug]) for name in OPEN},
        "open, item to set aside": reverse("study-item-set-aside", args=[live.slug, 1]),
        "adversarial": attack.get_absolute_url(),
        "conversations": reverse("study-conversations", args=[attack.slug]),
        "new adversarial": reverse("adversarial-study-new"),
        "collection": collection.get_absolute_url(),
        "campaign": _campaign(),
        "suite": closed.suites.get().get_absolute_url(),
        "new suite": reverse("suite-new"),
        "people": reverse("people"),
        "person": reverse("person", args=[pool.members.first().pk]),
        "new person": reverse("person-new"),
        "pools": reverse("pools"),
        "pool": reverse("pool", args=[pool.slug]),
        "serving": reverse("serving"),
    }


def _of_a_rater(attack: Study, collection: PromptCollection) -> dict[str, str]:
    return {
        "home": reverse("rate"),
        "a prompt to write": reverse("collection-write", args=[collection.slug]),
        "an attempt to begin": reverse("attempt-begin", args=[attempts.key_of(attack)]),
        "an attempt that waits": reverse("attempt", args=[attack.conversations.get().token]),
        "judged": reverse("rate-judged"),
        "password": reverse("password"),
    }


CLOSED = (
    "study",
    "study-results",
    "study-robustness",
    "study-rows",
    "study-raters",
    "study-disagreements",
    "study-checks",
    "study-guideline",
    "study-audit",
    "study-make-dataset",
)
OPEN = (
    "study",
    "study-raters",
    "study-disagreements",
    "study-adjudicate",
    "study-extend",
    "study-pools",
    "study-checks",
)


def _closed(policies: list[Policy], raters: list[User], pool: RaterPool) -> Study:
    """Everybody has judged 18 comparisons and a gold item; one skipped one, and one said something else of all."""
    study = make_study(18, policies, ratings_per_item=4, name="Which island", design={"check_share": 0.2})
    study.pools.add(pool)
    make_check(study, ItemKind.GOLD)
    skipped = take(raters[3])
    assigning.submit(skipped, Choice.SKIP, assigning.next_revision(skipped), reasons=["broken"])
    for rater, favourite in zip(raters, (*policies[:3], policies[3]), strict=True):
        judge_all(study, rater, _knowing(prefer(favourite)))
    study.state = StudyState.CLOSED
    study.save()
    return study


def _knowing(decide: Callable[[Assignment], str]) -> Callable[[Assignment], str]:
    """Somebody who takes the first answer of a check, which no policy wrote."""
    return lambda given: "a" if given.item.kind == ItemKind.GOLD else decide(given)


def _open(policies: list[Policy], raters: list[User], pool: RaterPool) -> Study:
    """Items on which three people do not agree, which a fourth may still judge."""
    study = make_study(4, policies, ratings_per_item=4, name="Still going on")
    study.pools.add(pool)
    for rater, favourite in zip(raters, (*policies, policies[0]), strict=True):
        judge_all(study, rater, prefer(favourite))
    return study


def _attack(policies: list[Policy], writer: User, pool: RaterPool) -> Study:
    """One conversation whose answers no server gives."""
    study = attempts.create_adversarial_study(
        name="Break it", policies=policies[:2], guideline="Write something hard.", sampling={"max_tokens": 32}
    )
    study.pools.add(pool)
    attempts.begin(study, writer, "Why is the sea green?")
    return study


def _collection(writer: User) -> PromptCollection:
    collection = collecting.open_collection(
        name="Ferries", guideline="Ask about ferries.", wanted=3, examples=["When does the last one leave?"]
    )
    for text in ("When does the ferry leave?", "Unbroken" * 60):
        collecting.contribute(collection, text, writer)
    return collection


def _campaign() -> str:
    """A campaign whose first round has been rated."""
    campaign = make_campaign(name="Round and round")
    current = campaign.rounds.get()
    for name in ("one", "other"):
        current.runs.add(factories.make_run(name=name, base=campaign.base, dataset_version=current.data))
    made = train(current)
    study = make_study(0, [campaign.base, *made], name="First round", state=StudyState.PAUSED)
    study.suites.set(campaign.suites.all())
    current.study = study
    current.save()
    rate(study, made[0])
    return campaign.get_absolute_url()


if __name__ == "__main__":
    print(json.dumps(main()))
