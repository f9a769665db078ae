"""How often intervals of strengths hold the truth, and what a million votes cost, beside evalica.

Coverage: 500 tournaments of each shape (bench/rating/tournaments.py); of all pairs' single intervals 93 to 97 % must
hold the truth, and so must those for all pairs at once. The rival column has the usual interval of the same fits: the
covariance clustered by prompt alone and the normal quantile; for one shape evalica's own bootstrap stands beside it.
Scale: each side in a process of its own, on the same votes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench.data.importing import peak_bytes
from bench.rating.tournaments import Shape, tournament, truth
from bench.report import ROOT, Report
from comparisons.statistics.shares import Z95
from comparisons.statistics.strengths.clusters import clusters_of, scores_by_cluster
from comparisons.statistics.strengths.estimate import strengths_of
from comparisons.statistics.strengths.evidence import Evidence, weigh
from comparisons.statistics.strengths.fitting import counted, fit
from comparisons.statistics.strengths.models import Model
from comparisons.statistics.votes import Bools, Floats, Votes
from comparisons.statistics.win_rates import win_matrix, win_rates

TOURNAMENTS = 500
LOW, HIGH = 0.93, 0.97
VOTES, POLICIES = 1_000_000, 20
MOST_SECONDS, MOST_BYTES = 10.0, 10**9
RESAMPLES_SMALL, RESAMPLES_LARGE = 100, 20
"""Of evalica's bootstrap, whose default is 1,000: it takes as long as it has resamples."""

SHAPES = {
    "8 raters, 60 prompts, ties": Shape(),
    "the same, few rate most": Shape(activity=1.0),
    "the same, raters differ much": Shape(activity=1.0, rater_spread=1.0),
    "the same, all votes independent": Shape(rater_spread=0.0, prompt_spread=0.0, tie_spread=0.0),
    "the same, half are ties": Shape(tie=0.8),
    "the same, no ties": Shape(tie=-40.0),
    "5 raters": Shape(raters=5),
    "3 raters, of whom alone it speaks": Shape(raters=3, rater_spread=0.0, tie_spread=0.0),
    "10 prompts": Shape(prompts=10),
    "20 raters, 30 prompts, 3 an item": Shape(raters=20, prompts=30, per_item=3, activity=0.7),
    "8 raters all rate all, prompts matter": Shape(per_item=8, rater_spread=0.0, prompt_spread=1.5),
    "2 policies": Shape(strengths=(0.2, -0.2)),
    "6 policies, 10 raters, 1 an item": Shape(
        strengths=(1.0, 0.6, 0.2, -0.2, -0.6, -1.0), raters=10, prompts=80, per_item=1, pairs_per_prompt=5, activity=0.7
    ),
}
BESIDE_EVALICA = "8 raters, 60 prompts, ties"


def measure(report: Report) -> None:
    """Add the rows of coverage and of scale."""
    for name, shape in SHAPES.items():
        _coverage(report, name, shape)
    _rao_kupper(report)
    _evalica(report)
    _scale(report)


# --- Coverage ---------------------------------------------------------------------------------------------------------


def _coverage(report: Report, name: str, shape: Shape) -> None:
    single, at_once, usual, cells = _all(_held, [(shape, seed, Model.DAVIDSON) for seed in range(TOURNAMENTS)])
    must = f"{LOW:.0%} to {HIGH:.0%}"
    report.add(f"cover, {name}", "", single, rival=usual, must=must, ok=LOW <= single <= HIGH)
    report.add(f"all pairs at once, {name}", "", at_once, must=f"{LOW:.0%} or more", ok=at_once >= LOW)
    report.add(f"win rates, {name}", "", cells, must=f"{LOW:.0%} or more", ok=cells >= LOW)


def _rao_kupper(report: Report) -> None:
    single, *_ = _all(_held, [(Shape(), seed, Model.RAO_KUPPER) for seed in range(TOURNAMENTS)])
    report.add("cover, Rao and Kupper's model", "", single, must=f"{LOW:.0%} to {HIGH:.0%}", ok=LOW <= single <= HIGH)


def _evalica(report: Report) -> None:
    (theirs,) = _all(_held_by_evalica, [(SHAPES[BESIDE_EVALICA], seed) for seed in range(TOURNAMENTS)])
    ours = next(row.value for row in report.rows if row.name == f"cover, {BESIDE_EVALICA}")
    assert ours is not None
    name = f"cover, beside evalica's bootstrap of {RESAMPLES_SMALL}"
    report.add(name, "", ours, rival=theirs, must=f"{LOW:.0%} to {HIGH:.0%}", ok=LOW <= ours <= HIGH)


def _all(step: Callable[..., tuple[float, ...]], calls: list[tuple[Any, ...]]) -> list[float]:
    """Means of what `step` returns, over calls in as many processes as there are cores."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return [float(mean) for mean in np.mean(list(pool.map(step, *zip(*calls, strict=True), chunksize=10)), axis=0)]


def _held(shape: Shape, seed: int, model: Model) -> tuple[float, float, float, float]:
    """Of one tournament: share of single intervals that hold the truth, whether all at once do, the usual, cells."""
    votes, strengths = tournament(shape, seed), _truth(shape, model)
    evidence = weigh(votes, model)
    found = strengths_of(evidence)
    i, j = np.triu_indices(votes.policies, 1)
    gap, spread = found.theta[i] - found.theta[j], found.gap_error[i, j]
    off = np.abs(gap - (strengths[i] - strengths[j]))
    single = [found.difference(*pair) for pair in zip(i, j, strict=True)]
    at_once = off <= found.critical[i, j] * spread
    held = [one.low <= true <= one.high for one, true in zip(single, strengths[i] - strengths[j], strict=True)]
    usual = off <= Z95 * np.sqrt(_prompt_variance(evidence, votes))
    return float(np.mean(held)), float(at_once.all()), float(usual.mean()), float(_cells(shape, votes).mean())


def _prompt_variance(evidence: Evidence, votes: Votes) -> Floats:
    """Variance of each pair's gap, clustered by prompt alone."""
    scores = scores_by_cluster(evidence.pull, clusters_of(votes.prompt))
    variance: Floats = ((scores @ (evidence.gaps() @ evidence.found.inverse).T) ** 2).sum(axis=0)
    return variance


def _cells(shape: Shape, votes: Votes) -> Bools:
    """Whether each pair's rate holds its mean over endless raters and prompts."""
    matrix = win_matrix(votes)
    i, j = np.triu_indices(votes.policies, 1)
    rates = _rates(shape)
    inside: Bools = (matrix.low[i, j] <= rates) & (rates <= matrix.high[i, j])
    return inside


TRUTHS: dict[tuple[Shape, Model], Floats] = {}
RATES: dict[Shape, Floats] = {}


def _truth(shape: Shape, model: Model) -> Floats:
    if (shape, model) not in TRUTHS:
        TRUTHS[shape, model] = truth(shape, model)
    return TRUTHS[shape, model]


def _rates(shape: Shape) -> Floats:
    """Mean score of each pair, from strengths found for it alone: with ties as halves σ(gap) is the mean score."""
    if shape not in RATES:
        i, j = np.triu_indices(len(shape.strengths), 1)
        found = []
        for one, other in zip(i, j, strict=True):
            alone = Shape(
                (shape.strengths[one], shape.strengths[other]), shape.tie, rater_spread=shape.rater_spread,
                prompt_spread=shape.prompt_spread, tie_spread=shape.tie_spread,
            )  # fmt: skip
            high, low = truth(alone, Model.HALVES)
            found.append(1 / (1 + np.exp(low - high)))
        RATES[shape] = np.array(found)
    return RATES[shape]


def _held_by_evalica(shape: Shape, seed: int) -> tuple[float]:
    """Share of percentile intervals of log-score differences that hold the truth."""
    import evalica

    votes, strengths = tournament(shape, seed), _truth(shape, Model.DAVIDSON)
    drawn = evalica.bootstrap(
        evalica.newman, *_told(votes), n_resamples=RESAMPLES_SMALL, bootstrap_method="percentile", random_state=seed
    )
    scores = np.log(drawn.distribution[sorted(drawn.distribution.columns)].to_numpy())
    i, j = np.triu_indices(votes.policies, 1)
    low, high = np.quantile(scores[:, i] - scores[:, j], (0.025, 0.975), axis=0)
    true = strengths[i] - strengths[j]
    return (float(((low <= true) & (true <= high)).mean()),)


def _told(votes: Votes) -> tuple[list[int], list[int], list[Any]]:
    """Votes as evalica takes them."""
    import evalica

    winners = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    return votes.left.tolist(), votes.right.tolist(), [winners[score] for score in votes.score.tolist()]


# --- Scale ------------------------------------------------------------------------------------------------------------


def _scale(report: Report) -> None:
    ours, theirs = (_in_a_process(side) for side in ("ours", "theirs"))
    apart = max(abs(one - other) for one, other in zip(ours["strengths"], theirs["strengths"], strict=True))
    name, votes = f"evalica, bootstrap of {RESAMPLES_LARGE}", f"{VOTES:,} votes, {POLICIES} policies"
    seconds, rival = ours["seconds"], theirs["seconds"]
    report.add(f"{votes}: leaderboard with intervals ({name})", "s", seconds, rival=rival, must=f"≤ {MOST_SECONDS:.0f}",
               ok=seconds <= MOST_SECONDS)  # fmt: skip
    name = f"{votes}: the same in processor seconds"
    report.add(name, "s", ours["cpu_seconds"], rival=theirs["cpu_seconds"], must="–", ok=True)
    peak, rival_peak = ours["peak_bytes"] / 10**9, theirs["peak_bytes"] / 10**9
    report.add(f"{votes}: peak memory", "GB", peak, rival=rival_peak, must="≤ 1", ok=peak <= MOST_BYTES / 10**9)
    report.add(f"{votes}: strengths alone", "s", ours["fit_seconds"], rival=theirs["fit_seconds"], must="–", ok=True)
    report.add(f"{votes}: largest difference of strengths", "", apart, must="≤ 0.001", ok=apart <= 1e-3)


def _in_a_process(side: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.rating.strengths", side]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def many_votes() -> Votes:
    """A million votes of twenty policies by a thousand raters on five thousand prompts, under Davidson's model."""
    chance, strengths = np.random.default_rng(0), np.linspace(-1, 1, POLICIES)
    left = chance.integers(0, POLICIES, VOTES)
    right = (left + chance.integers(1, POLICIES, VOTES)) % POLICIES
    gap = strengths[left] - strengths[right]
    odds = np.exp(np.stack([gap / 2, np.full(VOTES, -0.5), -gap / 2]))
    win, tie, _ = odds / odds.sum(axis=0)
    point = chance.random(VOTES)
    score = np.where(point < win, 1.0, np.where(point < win + tie, 0.5, 0.0))
    return Votes(left, right, score, chance.integers(0, 1000, VOTES), chance.integers(0, 5000, VOTES), POLICIES)


def ours() -> dict[str, Any]:
    """Strengths, all differences, rates and the win matrix, with intervals by rater and prompt."""
    votes = many_votes()
    with timed("") as whole:
        found = strengths_of(weigh(votes))
        win_matrix(votes)
        win_rates(votes)
    with timed("fit_") as alone:
        fit(counted(votes), Model.DAVIDSON)
    return {**whole, **alone, "peak_bytes": peak_bytes(), "strengths": found.theta.tolist()}


def theirs() -> dict[str, Any]:
    """evalica's model of ties (Newman's, which is Davidson's), and its bootstrap of votes."""
    import evalica

    told = _told(many_votes())
    with timed("fit_") as alone:
        scores = np.log(evalica.newman(*told).scores.sort_index().to_numpy())
    with timed("") as whole:
        evalica.bootstrap(
            evalica.newman, *told, n_resamples=RESAMPLES_LARGE, bootstrap_method="percentile", random_state=0
        )
    return {**whole, **alone, "peak_bytes": peak_bytes(), "strengths": (scores - scores.mean()).tolist()}


@contextmanager
def timed(name: str) -> Iterator[dict[str, Any]]:
    """Seconds and processor seconds of what is done within, once it is over."""
    taken: dict[str, Any] = {}
    wall, processor = time.perf_counter(), time.process_time()
    yield taken
    taken[f"{name}seconds"], taken[f"{name}cpu_seconds"] = time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    print(json.dumps({"ours": ours, "theirs": theirs}[sys.argv[1]]()))
