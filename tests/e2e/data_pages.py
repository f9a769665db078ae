"""Pages about data with something on them: `python -m tests.e2e.data_pages` makes it and prints their addresses.

Run in the environment of a product whose database is migrated. What workers do (reports, index, cleaning) is done here.
"""

from __future__ import annotations

import io
import json
import os
import random
import time
from collections.abc import Iterator

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
django.setup()

from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.urls import reverse  # noqa: E402

from alignapp.accounts.models import Role, User  # noqa: E402
from training.models import DatasetVersion, SavedRecipe  # noqa: E402
from training.preferences import drafts, reporting, samples, tags  # noqa: E402
from training.preferences.browsing import browser  # noqa: E402
from training.preferences.cleaning import making  # noqa: E402
from training.preferences.cleaning.recipes import Drop, Merge, Recipe, Weight  # noqa: E402
from training.preferences.filters import Filter  # noqa: E402
from training.preferences.records import Message, Pair  # noqa: E402
from training.preferences.report_settings import settings_of  # noqa: E402
from training.preferences.survey import ReportSettings  # noqa: E402
from training.preferences.versions import dataset_named, seal  # noqa: E402

TOPICS = {
    "castle": ("Describe castle {n} with its moat", "The {w} castle number {n} has a {v} moat and {n} towers."),
    "harbour": ("Which ships lie in harbour {n}?", "In the {w} harbour {n} lie {v} ships, and a {w} tender."),
    "recipe": ("How is soup number {n} cooked?", "Boil {n} {w} onions, then add a {v} leek and {w} salt."),
}
MISSED = "What is the integral of polynomial {n} over the interval from 0 to {n}?"
WORDS = ["small", "large", "old", "new", "red", "blue", "quiet", "loud", "northern", "southern"]
RAW = '<script>alert("rows")</script> <b>bold</b> \N{RIGHT-TO-LEFT OVERRIDE}detrevni\N{POP DIRECTIONAL FORMATTING}'


def pairs() -> Iterator[Pair]:
    """75 pairs on three topics with copies, contradictions, a circle, markup and very long texts."""
    draw = random.Random(3)
    for n in range(75):
        prompt, answer = TOPICS[("castle", "harbour", "recipe")[n % 3]]
        made = [answer.format(n=n, w=draw.choice(WORDS), v=draw.choice(WORDS)) for _ in range(2)]
        yield _pair(prompt.format(n=n), f"{made[0]} It is well kept, and much visited.", made[1], f"rater {n % 4}")
    for n in range(12):
        yield _pair(f"Name number {n % 3}?", "It is called Aro.", "It is called Teku.", "rater 1")
    yield _pair("Which is best?", "Aro", "Teku", "rater 2")
    yield _pair("Which is best?", "Teku", "Aro", "rater 3")
    for one, other in (("Aro", "Beda"), ("Beda", "Ciru"), ("Ciru", "Aro")):
        yield _pair("Which comes first?", one, other, "rater 2")
    yield _pair(RAW, f"{RAW} Unbroken{'word' * 400}", "A long answer. " * 900, "<i>rater</i>")


def _pair(prompt: str, chosen: str, rejected: str, annotator: str) -> Pair:
    answers = [(Message("assistant", text),) for text in (chosen, rejected)]
    return Pair((Message("user", prompt),), answers[0], answers[1], annotator=annotator, source="forum", tags=("raw",))


def main() -> dict[str, str]:
    """Make it all; the address of every page by its name."""
    rosa = User.objects.filter(username="rosa").first()
    rosa = rosa or User.objects.create_user("rosa", password="islands", role=Role.RESEARCHER)
    version = _reported(rosa)
    child = _child(version, rosa)
    draft = drafts.from_upload(_uploaded(), rosa)
    recipe = Recipe(steps=(Drop(rows=Filter(finding="repeats")), Merge(rows=Filter(finding="near_duplicates"))))
    saved = SavedRecipe.objects.create(name="Copies out", steps=recipe.stored(), created_by=rosa)
    at = [version.dataset.slug, version.number]
    pairs_of, clean = reverse("dataset-pairs", args=at), reverse("dataset-clean", args=at)
    sample = settings_of(version).target.partition(":")[2]
    return {
        "version": version.get_absolute_url(),
        "coverage": f"{reverse('dataset-coverage', args=at)}?cluster=0",
        "pairs": pairs_of,
        "pairs of a finding": f"{pairs_of}?finding=repeats",
        "no pairs": f"{pairs_of}?q=unheard-of",
        "a bad address": f"{pairs_of}?score=noise&low=abc&finding=unheard",
        "pair": reverse("dataset-pair", args=[*at, 0]),
        "long pair": reverse("dataset-pair", args=[*at, version.rows - 1]),
        "clean, empty": clean,
        "clean": f"{clean}?recipe={recipe.token()}",
        "clean, a step open": f"{clean}?rule=repeats&action=drop",
        "rows of a step": f"{reverse('dataset-clean-rows', args=at)}?recipe={recipe.token()}&step=1",
        "child": child.get_absolute_url(),
        "diff": reverse("dataset-diff", args=[child.dataset.slug, child.number]),
        "compare": f"{reverse('dataset-compare')}?left={version.pk}&right={child.pk}",
        "recipes": reverse("recipes"),
        "a recipe on a version": f"{reverse('recipe', args=[saved.pk])}?version={version.pk}",
        "samples": reverse("prompt-samples"),
        "sample": reverse("prompt-sample", args=[sample]),
        "import, to confirm": draft.get_absolute_url(),
        "gap, a study": f"{reverse('gap-study')}?version={version.pk}&cluster=0",
        "gap, a collection": f"{reverse('gap-collection')}?version={version.pk}&cluster=0",
        "gap, attempts": f"{reverse('gap-attempts')}?version={version.pk}&cluster=0",
    }


def _reported(user: User) -> DatasetVersion:
    """A version with its report, which knows a target that it misses a part of."""
    version = seal(dataset_named("Towns and soups"), pairs(), {"kind": "import", "label": "towns.jsonl"}, user=user)
    prompts = [prompt.format(n=n) for n in range(25) for prompt in (TOPICS["castle"][0], MISSED)]
    sample = samples.store("Production", io.BytesIO("\n".join(prompts).encode()), json_lines=False)
    version.report_settings = ReportSettings(target=f"sample:{sample.pk}").model_dump(mode="json")
    version.save()
    reporting.make_now(version)
    browser(version)
    tags.put(version, [0, 3], "to look at", user)
    return version


def _child(parent: DatasetVersion, user: User) -> DatasetVersion:
    steps = (Drop(rows=Filter(finding="repeats")), Weight(rows=Filter(annotator="rater 1"), value=0.5))
    job = making.submit(parent, Recipe(steps=steps), user)
    deadline = time.monotonic() + 60
    while not job.ended and time.monotonic() < deadline:
        making.work()  # unless a worker of the product was quicker
        time.sleep(0.2)
        job.refresh_from_db()
    assert job.version, job.error
    reporting.make_now(job.version)
    return job.version


def _uploaded() -> SimpleUploadedFile:
    rows = [{"question": f"Q{n}?", "chosen": f"Answer {n}.", "rejected": f"No answer {n}."} for n in range(30)]
    content = "\n".join([*map(json.dumps, rows), "not a row"]).encode()
    return SimpleUploadedFile("questions of towns.jsonl", content)


if __name__ == "__main__":
    print(json.dumps(main()))
