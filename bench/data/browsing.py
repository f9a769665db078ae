"""Pages of rows of a version of a million pairs: server time of every kind of page, and what the index costs.

The pages are asked for as a browser does, through Django with its middleware, templates and a database, each with other
words and bounds. Scores and findings stand in the files that a report leaves, filled at random: what they say does not
change how long reading them takes. The first round of pages, with nothing read yet by the process, counts too, but not
what a web process does before it serves.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.data.importing import peak_bytes, rows
from bench.report import ROOT, Report

if TYPE_CHECKING:
    from training.models import DatasetVersion
    from training.preferences.report import Place

PAIRS, ROUNDS = 1_000_000, 12
MOST_MS = 300.0
FOUND = {"repeats": 0.3, "near_duplicates": 0.1, "contradictions": 0.001}
"""Shares of the rows that made-up findings hold."""


def measure(report: Report) -> None:
    """Add the 95th percentile of every kind of page, and the index's time, size and memory."""
    with tempfile.TemporaryDirectory(prefix="bench-browsing-") as name:
        _in_a_process("seal", Path(name))
        built = _in_a_process("build", Path(name))
        pages = _in_a_process("pages", Path(name))
    for kind, times in pages["ms"].items():
        p95 = float(np.percentile(times, 95))
        report.add(f"page of rows: {kind}", "ms p95", p95, must=f"≤ {MOST_MS:.0f}", ok=p95 <= MOST_MS)
    whole = float(np.percentile([ms for times in pages["ms"].values() for ms in times], 95))
    report.add("page of rows: all kinds", "ms p95", whole, must=f"≤ {MOST_MS:.0f}", ok=whole <= MOST_MS)
    report.add(f"index of {PAIRS:,} pairs", "s", built["seconds"], must="reported", ok=True)
    report.add("index, size", "GiB", built["bytes"] / 2**30, must="reported", ok=True)
    peak = built["peak_bytes"]
    report.add("index, peak memory", "GiB", peak / 2**30, must="≤ 1 GiB", ok=peak <= 2**30)


def _in_a_process(what: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.data.browsing", what]
    home = {"ALIGNAPP_HOME": str(folder / "home"), "SECRET_KEY": "bench", "DEBUG": "true"}
    home |= {"DJANGO_SETTINGS_MODULE": "alignapp.settings", "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}"}
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **home})
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def seal() -> dict[str, Any]:
    """A version of generated pairs, with the files of a report."""
    from django.core.management import call_command

    from alignapp.accounts.models import Role, User
    from training.preferences import importing, reporting, tags
    from training.preferences.records import Message, Pair

    call_command("migrate", verbosity=0)
    user = User.objects.create(username="bench", role=Role.RESEARCHER)

    def pairs() -> Iterator[Pair]:
        for number, row in enumerate(rows(PAIRS)):
            turns = [(Message(role, row[side]),) for role, side in (("user", "prompt"), ("assistant", "chosen"))]
            other = (Message("assistant", f"{row['rejected']} so"),)
            yield Pair(turns[0], turns[1], other, annotator=row["annotator"], source=f"source {number % 5}")

    version = importing.seal(importing.dataset_named("Bench"), pairs(), {})
    tags.put(version, range(0, PAIRS, PAIRS // 5_000), "look again", user)
    _fill_report(reporting.place_of(version))
    return {}


def _fill_report(place: Place) -> None:
    """The parquet files of a report, in its form."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    scores = {name: draw.random(PAIRS, dtype=np.float32) for name in ("noise", "style", "leak")}
    copies = np.where(draw.random(PAIRS) < 0.1, draw.integers(0, PAIRS, PAIRS), -1)
    cluster, tokens = draw.integers(-1, 60, PAIRS, np.int32), draw.integers(50, 900, PAIRS, np.int32)
    languages = pa.array(np.array(["en", "de", "fr"], object)[draw.integers(0, 3, PAIRS)])
    columns = {"row": np.arange(PAIRS), **scores, "duplicate_of": copies, "cluster": cluster, "tokens": tokens}
    pq.write_table(pa.table({**columns, "language": languages}), place.scores, compression="zstd")
    found = [(rule, np.sort(draw.choice(PAIRS, int(share * PAIRS), replace=False))) for rule, share in FOUND.items()]
    rules = pa.array([rule for rule, numbers in found for _ in numbers])
    groups = np.concatenate([np.arange(len(numbers)) // 3 for _, numbers in found])
    table = pa.table({"rule": rules, "row": np.concatenate([numbers for _, numbers in found]), "group": groups})
    pq.write_table(table, place.rows, compression="zstd", use_dictionary=["rule"])


def build() -> dict[str, Any]:
    """Make the index as a worker does."""
    from training.preferences.browsing import building

    began = time.perf_counter()
    index = building.build(_version().path)
    return {"seconds": time.perf_counter() - began, "bytes": index.stat().st_size, "peak_bytes": peak_bytes()}


def pages() -> dict[str, Any]:
    """Milliseconds of every page, by kind."""
    from django.test import Client
    from django.urls import reverse

    from alignapp.accounts.models import User
    from alignapp.web import load_ahead
    from training.preferences import browsing

    load_ahead()  # as a web process does before it serves
    version = _version()
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="bench"))
    address = reverse("dataset-pairs", args=[version.dataset.slug, version.number])
    draw = random.Random(0)
    texts = [row.pair.chosen[0].content for row in browsing.rows_by_number(version.path, range(0, PAIRS, PAIRS // 200))]
    common, rare = _by_frequency([word for text in texts for word in text.split() if word.isalpha()])
    found: dict[str, list[float]] = {kind: [] for kind in _kinds(draw, texts, common, rare)}
    for _ in range(ROUNDS):
        for kind, query in _kinds(draw, texts, common, rare).items():
            began = time.perf_counter()
            answer = client.get(address, query)
            found[kind].append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, (kind, answer.status_code)
    return {"ms": found}


def _by_frequency(words: list[str]) -> tuple[list[str], list[str]]:
    """The most frequent words, and some that occur once."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    ordered = sorted(counts, key=lambda word: -counts[word])
    return ordered[:20], [word for word in ordered if counts[word] == 1]


def _kinds(draw: random.Random, texts: list[str], common: list[str], rare: list[str]) -> dict[str, dict[str, Any]]:
    """Kinds of pages, each with its query; drawn anew every time."""
    some = draw.choice(texts).split()
    at = draw.randrange(len(some) - 4)
    score = {"score": "noise", "low": f"{draw.random() / 2:.3f}", "high": ""}
    return {
        "all rows": {},
        "page 30,000": {"page": 30_000 - draw.randrange(99)},
        "sorted by noise": {"sort": "noise", "order": "down"},
        "sorted, page 20,000": {"sort": "length_difference", "page": 20_000 - draw.randrange(99)},
        "a common word, sorted": {"q": draw.choice(common), "sort": "style"},
        "three common words": {"q": " ".join(draw.sample(common, 3)), "sort": "noise"},
        "a rare word": {"q": draw.choice(rare), "sort": "noise"},
        "a phrase of two words": {"q": f'"{" ".join(some[at : at + 2])}"', "sort": "tokens"},
        "a phrase of four words": {"q": f'"{" ".join(some[at : at + 4])}"'},
        "a phrase of three common words": {"q": f'"{" ".join(draw.sample(common, 3))}"', "sort": "noise"},
        "a finding of 300,000 rows, sorted": {"finding": "repeats", "sort": "noise", "order": "down"},
        "one group": {"finding": "near_duplicates", "group": draw.randrange(30_000)},
        "language, cluster, annotator": {"language": "de", "cluster": draw.randrange(60), "annotator": "rater 3"},
        "bounds, source, split, sorted": {**score, "source": "source 2", "split": "train", "sort": "margin"},
        "tag": {"tag": "look again", "sort": "leak"},
        "everything at once": {
            "q": draw.choice(common),
            "finding": "repeats",
            "language": "en",
            **score,
            "sort": "tokens",
        },
    }


def _version() -> DatasetVersion:
    from training.models import DatasetVersion

    return DatasetVersion.objects.select_related("dataset").get()


STEPS: dict[str, Callable[[], dict[str, Any]]] = {"seal": seal, "build": build, "pages": pages}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(STEPS[sys.argv[1]]()))
