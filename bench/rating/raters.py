"""Are raters of known accuracy judged rightly, spammers found, and is their consensus better than majority? How fast?

Everything goes the way of the product: symmetric Dawid-Skene, profiles, and a written rule of exclusion.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numpy as np

from bench.rating.simulated_raters import Study, decided, share_right, study
from bench.report import Report
from comparisons.statistics.aggregation.dawid_skene import DawidSkene, dawid_skene
from comparisons.statistics.aggregation.glad import glad
from comparisons.statistics.aggregation.labels import Labels
from comparisons.statistics.aggregation.mace import mace
from comparisons.statistics.aggregation.majority import majority
from comparisons.statistics.agreement import krippendorff_alpha, percent_agreement
from comparisons.statistics.exclusion import ExclusionRule, exclude
from comparisons.statistics.label_noise import noise_of_posterior
from comparisons.statistics.raters import SECOND, profiles, shares_right

SEEDS = range(5)
POINTS = 0.05
SPAMMERS = 0.3
RULE = ExclusionRule(accuracy=0.52, accuracy_least=30)
FOUND = 0.95
NOMINAL = (0.93, 0.97)
STUDIES = 500
ITEMS, VOTES = 200_000, 5
SECONDS, GIGABYTES = 10.0, 1.0


def measure(report: Report) -> None:
    """Add rows on accuracies, spammers, consensus, intervals, flip rates and speed."""
    _accuracies(report)
    _spammers(report)
    _intervals(report)
    _noise(report)
    _speed(report)
    _beside_crowd_kit(report)


def symmetric(one: Study) -> DawidSkene:
    return dawid_skene(one.labels, symmetric=True)


def _accuracies(report: Report) -> None:
    """50 raters of 2,000 judgements each, all honest, then with spammers among them."""
    for spammers in (0.0, SPAMMERS):
        errors = []
        for seed in SEEDS:
            one = study(seed, 20_000, 50, 5, spammers)
            errors.append(np.abs(symmetric(one).accuracy.value - one.accuracy).max())
        name = f"raters: largest error of an accuracy, {spammers:.0%} spammers"
        report.add(name, "", max(errors), must=f"≤ {POINTS}", ok=max(errors) <= POINTS)


def _spammers(report: Report) -> None:
    """40 raters of 150 judgements each, 12 of them spammers, three to an item; and what majority makes of the same."""
    found, right = [], []
    for seed in SEEDS:
        one = study(seed, 2_000, 40, 3, SPAMMERS)
        consensus = symmetric(one)
        known = shares_right(one.labels.rater_ids, consensus.accuracy)
        out = exclude(profiles(one.judgements, accuracy=known), RULE)
        caught = sum(bool(one.spammer[rater]) for rater in out)
        found.append((caught, len(out), int(one.spammer.sum())))
        posteriors = (majority(one.labels).shares, consensus.posterior, mace(one.labels, symmetric=True).posterior)
        right.append([share_right(posterior, one.truth) for posterior in (*posteriors, glad(one.labels).posterior)])
    caught, out, there = np.sum(found, axis=0)
    for name, value in (("precision", caught / out), ("recall", caught / there)):
        report.add(f"raters: spammers found, {name}", "share", float(value), must=f"≥ {FOUND}", ok=value >= FOUND)
    table = np.array(right)
    for place, name in ((1, "Dawid-Skene"), (2, "MACE"), (3, "GLAD")):
        must = "> majority each time" if place < 3 else "told"
        ok = place == 3 or bool((table[:, place] > table[:, 0]).all())
        value, rival = float(table[:, place].mean()), float(table[:, 0].mean())
        report.add(f"raters: items right by {name}, 30 % spammers", "share", value, rival=rival, must=must, ok=ok)


def _intervals(report: Report) -> None:
    """How often 95 % intervals hold the truth: of accuracies (of 1,600 raters), and of α (500 studies)."""
    held = []
    for seed in range(40):
        one = study(seed, 2_000, 40, 3, SPAMMERS)
        found = symmetric(one).accuracy
        held.append((found.low <= one.accuracy) & (one.accuracy <= found.high))
    _cover(report, "raters: intervals of accuracies that hold it", float(np.mean(held)))
    _cover(report, "agreement: intervals of α that hold it", float(np.mean([_alpha_held(s) for s in range(STUDIES)])))


def _cover(report: Report, name: str, value: float) -> None:
    low, high = NOMINAL
    report.add(name, "share", value, must=f"{low} to {high}", ok=low <= value <= high)


def _alpha_held(seed: int) -> bool:
    """300 items, two even classes, three of 20 raters right with chance q each: two agree in the mean a of
    q_i q_j + (1 - q_i)(1 - q_j) over i ≠ j, and α = 2a - 1."""
    chance = np.random.default_rng(seed)
    skill = 2 * np.random.default_rng(0).uniform(0.6, 0.95, 20) - 1
    alpha = (skill.sum() ** 2 - (skill**2).sum()) / (20 * 19)
    rater = np.argsort(chance.random((300, 20)), axis=1)[:, :3].ravel()
    item = np.repeat(np.arange(300), 3)
    right = chance.random(900) < (1 + skill[rater]) / 2
    said = chance.integers(0, 2, 300)[item] ^ ~right
    found = krippendorff_alpha(item, said.astype(np.int64))
    return bool(found.low is not None and found.high is not None and found.low <= alpha <= found.high)


def _noise(report: Report) -> None:
    """The flip rate of consensus labels against those that are wrong where the answers differ; 20 studies as above."""
    errors, held = [], 0
    for seed in range(20):
        one = study(seed, 2_000, 40, 3, SPAMMERS)
        found, posterior = noise_of_posterior(one.labels), symmetric(one).posterior
        counted = (posterior.argmax(axis=1) <= SECOND) & (one.truth <= SECOND)
        wrong = float((posterior[:, :2].argmax(axis=1) != one.truth)[counted].mean())
        if found is not None:
            errors.append(abs(found.value - wrong))
            held += found.low <= wrong <= found.high
    mean = float(np.mean(errors))
    report.add("label noise: error of the flip rate, mean", "", mean, must="≤ 0.02", ok=mean <= 0.02)
    # Of 20 intervals that hold it in 95 % of cases 17 or more do in 98 %.
    report.add("label noise: intervals that hold it, of 20", "", held, must="≥ 17", ok=held >= 17)


def _speed(report: Report) -> None:
    """A million judgements of 200,000 items by 500 raters, four classes."""
    one = study(0, ITEMS, 500, VOTES, SPAMMERS)
    labels = one.labels
    item, said = decided(labels)
    tasks: dict[str, Callable[[], object]] = {
        "Dawid-Skene": lambda: dawid_skene(labels, symmetric=True),
        "Dawid-Skene, one coin": lambda: dawid_skene(labels, symmetric=True, one_coin=True),
        "α with its interval": lambda: krippendorff_alpha(labels.item, labels.label),
        "percent agreement with its interval": lambda: percent_agreement(item, said),
        "profiles of all raters": lambda: profiles(one.judgements),
    }
    for name, task in tasks.items():
        seconds = _seconds(task)
        must = f"≤ {SECONDS:.0f} s"
        report.add(f"1,000,000 judgements: {name}", "s", seconds, must=must, ok=seconds <= SECONDS)
    for name, task in (("MACE", lambda: mace(labels, symmetric=True)), ("GLAD", lambda: glad(labels))):
        report.add(f"1,000,000 judgements: {name}", "s", _seconds(task), must="told", ok=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    report.add("1,000,000 judgements: peak memory", "GiB", peak, must=f"≤ {GIGABYTES:.0f} GiB", ok=peak <= GIGABYTES)


def _seconds(task: Callable[[], object]) -> float:
    """Of the processor: all of this runs in one thread, and neighbours on the machine do not count."""
    began = time.process_time()
    task()
    return time.process_time() - began


def _beside_crowd_kit(report: Report) -> None:
    """As many iterations of the plain model on 30,000 judgements."""
    import pandas as pd
    from crowdkit.aggregation import DawidSkene as Theirs

    labels: Labels = study(0, 10_000, 50, 3, SPAMMERS).labels
    frame = pd.DataFrame({"task": labels.item, "worker": labels.rater, "label": labels.label})
    theirs = _seconds(lambda: Theirs(n_iter=20, tol=-np.inf).fit(frame))
    ours = _seconds(lambda: dawid_skene(labels, smoothing=0, tolerance=-np.inf, iterations=20))
    report.add(
        "20 iterations, 30,000 judgements, beside crowd-kit", "s", ours, rival=theirs, must="≤", ok=ours <= theirs
    )
