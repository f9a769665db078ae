"""50 raters at once over HTTP: how long the next item and a judgement take, and whether every item gets exactly k.

Each rater logs in, then reads for a while (drawn from an exponential distribution with mean THINK_SECONDS, the same
for both databases), sends a judgement as the page's script does, and so on until nothing is left. The load runs in a
process of its own; both share the machine's two cores.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from bench.rating.clients import Timing
from bench.rating.stack import DATABASES, Web, web
from bench.report import Report

ITEMS, K, RATERS = 2_000, 3, 50
THINK_SECONDS = 1.5
NEXT_MS, SUBMIT_MS = 100.0, 150.0


@dataclass(frozen=True)
class Load:
    """What one run of the load saw and left."""

    timings: list[Timing]
    errors: list[str]
    seconds: float
    left: dict[str, object]
    peak_bytes: int

    def p95(self, what: str) -> float:
        """Milliseconds that 95 % of the requests of this kind stayed below."""
        times = sorted(timing.seconds for timing in self.timings if timing.what == what)
        return 1000 * times[int(0.95 * (len(times) - 1))] if times else float("nan")


def measure(report: Report) -> None:
    """Add rows for both databases."""
    for database in DATABASES:
        load = run(database)
        _judge(report, database, load)
        print(f"  {database}: {len(load.timings):,} requests in {load.seconds:.0f} s", flush=True)


def run(database: str, items: int = ITEMS, k: int = K, raters: int = RATERS) -> Load:
    """Let the raters judge everything."""
    with web(database, RATING_MOST_PER_MINUTE="0") as running:
        running.run("-m", "bench.rating.prepare", str(items), str(k), str(raters))
        told = json.loads(_load(running, raters))
        left = json.loads(running.run("-m", "bench.rating.prepare", "--count"))
        timings = [Timing(**timing) for timing in told["timings"]]
        return Load(timings, told["errors"], told["seconds"], left, running.peak_bytes)


def _load(running: Web, raters: int) -> str:
    return running.run("-m", "bench.rating.clients", running.address, str(raters), str(THINK_SECONDS))


def _judge(report: Report, database: str, load: Load) -> None:
    sent = sum(timing.what == "submit" for timing in load.timings)
    exact = load.left["per_item"] == {str(K): ITEMS}
    for error in load.errors[:5]:
        print(f"  {database}: {error}", file=sys.stderr)
    report.add(f"{database}: items with exactly {K} ratings", "", _exact(load), must=f"{ITEMS}", ok=exact)
    lost = sent - int(str(load.left["ratings"]))
    report.add(f"{database}: judgements lost or doubled", "", lost, must="0", ok=lost == 0 and not load.errors)
    for what, limit in (("next", NEXT_MS), ("submit", SUBMIT_MS)):
        value = load.p95(what)
        report.add(f"{database}: {what}, 95th percentile", "ms", value, must=f"at most {limit:.0f}", ok=value <= limit)
    report.add(f"{database}: memory of the web process", "MB", load.peak_bytes / 1e6, must="told", ok=True)


def _exact(load: Load) -> float:
    per_item = load.left["per_item"]
    assert isinstance(per_item, dict)
    return float(per_item.get(str(K), 0))
