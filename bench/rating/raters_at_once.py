"""50 raters at once over HTTP: how long the next item and a judgement take, and whether every item gets exactly k.

Each rater logs in, then reads for a while (drawn from an exponential distribution, the same for both databases), sends
a judgement as the page's script does, and so on until nothing is left. The load runs in a process of its own; both
share the machine's two cores. Nobody who reads judges faster than READING; HASTE is twice that, to show what happens
beyond.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from bench.rating.clients import Timing
from bench.rating.stack import DATABASES, web
from bench.report import Report

ITEMS, K, RATERS = 2_000, 3, 50
READING, HASTE = 3.0, 1.5  # mean seconds between an item and its judgement: 20 and 40 judgements a minute of each
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
    """Add rows for both databases and both paces."""
    for think in (READING, HASTE):
        for database in DATABASES:
            load = run(database, think)
            _judge(report, f"{database}, a judgement each {think:g} s", load, must=think == READING)
            print(f"  {database}: {len(load.timings):,} requests in {load.seconds:.0f} s", flush=True)


def run(database: str, think: float, items: int = ITEMS, k: int = K, raters: int = RATERS) -> Load:
    """Let the raters judge everything, with so many seconds between an item and its judgement on average."""
    with web(database, RATING_MOST_PER_MINUTE="0") as running:
        running.run("-m", "bench.rating.prepare", str(items), str(k), str(raters))
        load = ("-m", "bench.rating.clients", running.address, str(raters), str(think))
        told = json.loads(running.run(*load))
        left = json.loads(running.run("-m", "bench.rating.prepare", "--count"))
        timings = [Timing(**timing) for timing in told["timings"]]
        return Load(timings, told["errors"], told["seconds"], left, running.peak_bytes)


def _judge(report: Report, which: str, load: Load, *, must: bool) -> None:
    sent = sum(timing.what == "submit" for timing in load.timings)
    exact = load.left["per_item"] == {str(K): ITEMS}
    for error in load.errors[:5]:
        print(f"  {which}: {error}", file=sys.stderr)
    report.add(f"{which}: items with exactly {K} ratings", "", _exact(load), must=f"{ITEMS}", ok=exact)
    lost = sent - int(str(load.left["ratings"]))
    report.add(f"{which}: judgements lost or doubled", "", lost, must="0", ok=lost == 0 and not load.errors)
    for what, limit in (("next", NEXT_MS), ("submit", SUBMIT_MS)):
        value = load.p95(what)
        asked = f"at most {limit:.0f}" if must else "told"
        report.add(f"{which}: {what}, 95th percentile", "ms", value, must=asked, ok=value <= limit or not must)
    report.add(f"{which}: memory of the web process", "MB", load.peak_bytes / 1e6, must="told", ok=True)


def _exact(load: Load) -> float:
    per_item = load.left["per_item"]
    assert isinstance(per_item, dict)
    return float(per_item.get(str(K), 0))
