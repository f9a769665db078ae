"""Metrics of runs as charts: which names belong on one chart, and their points in the form that charts.js draws.

A metric's name is `group/measure`, for example `held_out/ranking_accuracy`. Measures of one kind share a chart; a
measure that is not known here gets a chart of its own, so nothing that a trainer reports stays unseen.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, F, Max, Q
from django.db.models.functions import Mod

from training.config import Method
from training.diagnosis.catalogue import Measure, measures_of
from training.models import Run, RunMetric

# A curve on the page is some 400 pixels wide; more points cost time and show nothing.
MOST_POINTS = 400

GROUP_LABELS = {
    "train": "training",
    "held_out": "held-out",
    "own": "own answers",
    "rollout": "rollouts",
    "reward": "training",
    "reward_held_out": "held-out",
}
SPOKEN = {"kl": "KL", "ece": "ECE", "brier": "Brier score", "eos": "EOS"}
# A reward model trains before the policy and counts its own steps, as does every further member of an ensemble, so
# their measures never share a chart with others.
REWARD_MODEL = re.compile(r"^(?:reward|member_(?P<member>\d+))(?=_|$)")
REWARD_MODEL_KEY = re.compile(r"^reward-model-(?:member-(?P<member>\d+)-)?")


@dataclass(frozen=True, slots=True)
class Family:
    """Measures that belong on one chart; the first family whose pattern fits takes the measure."""

    key: str
    title: str
    unit: str
    pattern: str
    range: tuple[float, float] | None = None
    reference: float | None = None


SHARE = (0, 1)
FAMILIES = (
    Family("loss", "Loss", "lower is better, within one method", r"(^|_)(loss|nll)$"),
    Family("terms", "Terms of the reward", "added to the score", r"^term_", reference=0),
    Family("margin", "Margin", "nats, chosen minus rejected", r"margin", reference=0),
    Family("accuracy-per-token", "Ranking accuracy per token", "share of pairs", r"accuracy_per_token", SHARE, 0.5),
    Family("accuracy", "Ranking accuracy", "share of pairs", r"ranking_accuracy|^accuracy($|_)", SHARE, 0.5),
    Family("relative", "Accuracy relative to the reference", "share of pairs", r"accuracy", SHARE, 0.5),
    Family("region", "Undesirable and pessimistic pairs", "share of pairs", r"undesirable|pessimistic", SHARE),
    Family("contradicted", "Sure contradictions of the labels", "share of the surest half", r"contradicted", SHARE),
    Family("per-token", "Displacement per token", "nats per token", r"displacement_per_token", reference=0),
    Family("displacement", "Log-probability displacement", "nats", r"displacement|log_?prob|logp", reference=0),
    Family("kl", "KL to the reference", "nats per answer", r"(^|_)kl(_|$)", reference=0),
    Family("reward", "Reward", "deviations above the reference", r"reward|score|^clipped_share$"),
    Family("calibration", "Calibration error", "held-out pairs", r"^ece|^brier$"),
    Family("length-correlation", "Correlation of score and length", "Pearson's r", r"length_correlation", reference=0),
    Family("longer", "How often the longer answer wins", "share of pairs", r"^longer_", SHARE, 0.5),
    Family("disagreement", "Disagreement of the members", "share of pairs", r"^disagreement$", SHARE),
    Family("length-ratio", "Length against the reference's", "times as long", r"length_ratio", reference=1),
    Family("length", "Answer length", "tokens", r"length"),
    Family("entropy", "Entropy", "nats per token", r"entropy"),
    Family("style", "Variety and style", "shares", r"distinct|repetition|markup|opening", SHARE),
    Family("truncation", "Cut-off answers", "share of answers", r"truncat|cut_?off|without_eos|missing_eos", SHARE),
    Family("updates", "Clipped ratios, groups without a difference", "shares", r"^clip_share$|zero_spread", SHARE),
    Family("gradient", "Gradient norm", "before clipping", r"grad"),
    Family("rate", "Learning rate", "", r"learning_rate|^lr$"),
    Family("speed", "Speed", "per second", r"per_second"),
)

# What to put in a list of runs, first that exists; the second part says how to name it.
KEY_FIGURES: dict[str, tuple[tuple[str, str], ...]] = {
    Method.SFT: (("held_out/loss", "held-out loss"), ("train/loss", "loss")),
    Method.DPO: (("held_out/ranking_accuracy", "ranking accuracy"), ("train/loss", "loss")),
    Method.CPO: (("held_out/ranking_accuracy", "ranking accuracy"), ("train/loss", "loss")),
    Method.CONTRASTIVE_CPO: (("held_out/ranking_accuracy", "ranking accuracy"), ("train/loss", "loss")),
    Method.SIMPO: (("held_out/ranking_accuracy", "ranking accuracy"), ("train/loss", "loss")),
    Method.REWARD: (("reward_held_out/accuracy", "held-out accuracy"), ("reward/loss", "loss")),
    Method.RLHF: (("rollout/reward", "reward"), ("train/loss", "loss")),
    Method.INSPECTION: (("inspection/accuracy", "ranked rightly"),),
}


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart and the names of the metrics on it."""

    family: Family
    names: tuple[str, ...]

    @property
    def measures(self) -> list[Measure]:
        """What the catalogue says about the metrics on it; a member of an ensemble is measured like the first."""
        return measures_of(_of_first_member(name) for name in self.names)

    @property
    def thresholds(self) -> list[float]:
        """Heights at which something on it becomes alarming, the first of each measure on either side."""
        limits = [(m.key, limit) for m in self.measures for limit in reversed(m.thresholds) if limit.on_chart]
        return sorted({(key, limit.side): limit.value for key, limit in limits}.values())


def charts_of(names: Iterable[str]) -> list[Chart]:
    """The charts that show these metrics: known families in their order, then the unknown ones by name."""
    members: dict[Family, list[str]] = defaultdict(list)
    for name in sorted(names):
        members[family_of(name)].append(name)
    charts = [Chart(family, tuple(sorted(of_family, key=_training_first))) for family, of_family in members.items()]
    return sorted(charts, key=lambda chart: (_place(chart.family), chart.family.title))


def _place(family: Family) -> int:
    """Known families in their order, then unknown ones; then those of the reward model, then of its further members."""
    order = {known.key: place for place, known in enumerate(FAMILIES)}
    model = REWARD_MODEL_KEY.match(family.key)
    place = order.get(REWARD_MODEL_KEY.sub("", family.key), len(FAMILIES))
    return place + (len(FAMILIES) + 1) * (int(model["member"] or 1) if model else 0)


def family_of(name: str) -> Family:
    """The family of a metric, made for it when no known one fits."""
    group, _, measure = name.rpartition("/")
    known = next((family for family in FAMILIES if re.search(family.pattern, measure)), None)
    family = known or Family(measure, measure.replace("_", " ").capitalize(), "", "")
    if model := REWARD_MODEL.match(group):
        member = model["member"]
        title = f"Reward model{f', member {member}' if member else ''}: {family.title[0].lower()}{family.title[1:]}"
        key = f"reward-model-{f'member-{member}-' if member else ''}{family.key}"
        return replace(family, key=key, title=title, reference=None)
    return family


def _training_first(name: str) -> tuple[bool, str]:
    return ("held_out" in name, name)


def words_of(name: str) -> str:
    """'held_out/ranking_accuracy' -> 'held-out ranking accuracy'."""
    group, _, measure = name.rpartition("/")
    model = REWARD_MODEL.match(group)
    member = f"member {model['member']}, " if model and model["member"] else ""
    return f"{'reward model, ' if model else ''}{member}{_group_words(group)} {_spoken(measure)}".strip()


def _spoken(measure: str) -> str:
    return " ".join(SPOKEN.get(word, word) for word in measure.split("_"))


def _of_first_member(name: str) -> str:
    return REWARD_MODEL.sub("reward", name)


def _group_words(group: str) -> str:
    return GROUP_LABELS.get(_of_first_member(group), group.replace("_", " "))


def label_of(name: str, chart: Chart) -> str:
    """'held-out', or 'held-out ranking accuracy' where the chart holds several measures."""
    group, _, measure = name.rpartition("/")
    words = _group_words(group)
    if len({other.rpartition("/")[2] for other in chart.names}) == 1:
        return words or measure
    return f"{words} {_spoken(measure)}".strip()


def names_of(runs: Iterable[Run]) -> list[str]:
    """Names of all metrics that these runs have."""
    return sorted(RunMetric.objects.filter(run__in=list(runs)).values_list("name", flat=True).distinct())


Points = dict[str, tuple[list[int], list[float]]]


def points_of(run: Run) -> Points:
    """Steps and values by name. A metric with more than MOST_POINTS values is thinned by steps, in the database."""
    counts = dict(run.metrics.values_list("name").annotate(Count("id")).order_by())
    every = max(1, math.ceil(max(counts.values(), default=0) / MOST_POINTS))
    dense = [name for name, count in counts.items() if count > MOST_POINTS]
    metrics = run.metrics.annotate(rest=Mod(F("step"), every)).filter(~Q(name__in=dense) | Q(rest=0))
    points: Points = defaultdict(lambda: ([], []))
    for name, step, value in metrics.order_by("step").values_list("name", "step", "value"):
        steps, values = points[name]
        steps.append(step)
        values.append(value)
    return dict(points)


def latest_values(run: Run) -> dict[str, float]:
    """The last value of every metric, by name."""
    if final := run.result.get("metrics"):
        return dict(sorted(final.items()))
    last = run.metrics.values("name").annotate(last=Max("step")).order_by()
    wanted = {row["name"]: row["last"] for row in last}
    rows = run.metrics.filter(step__in=set(wanted.values())).values_list("name", "step", "value").order_by("name")
    return {name: value for name, step, value in rows if wanted[name] == step}


def curves_of_run(run: Run, other: Run | None = None) -> dict[str, Any]:
    """The charts of one run, with another run dotted behind, for charts.js."""
    own, behind = points_of(run), points_of(other) if other else {}
    charts = {}
    for chart in charts_of(own):
        series = [
            _series(label_of(name, chart), own[name], tone=_tone(chart, name), **_interval_look(name))
            for name in chart.names
        ]
        series += [
            _series(f"{other}: {label_of(name, chart)}", behind[name], tone=_tone(chart, name), dotted=True)
            for name in chart.names
            if name in behind
        ]
        charts[chart.family.key] = _chart(chart.family, series, chart.thresholds)
    return {"x": "step", "charts": charts}


def curves_of_runs(runs: list[Run]) -> dict[str, Any]:
    """One chart per metric with a series per run; runs of different methods take their methods' colours."""
    points = {run.pk: points_of(run) for run in runs}
    own_colours = len({run.method for run in runs}) == len(runs)
    charts = {}
    for name in sorted({name for of_run in points.values() for name in of_run}):
        series = [
            _series(run.name, points[run.pk][name], **({"method": run.method} if own_colours else {"tone": number}))
            for number, run in enumerate(runs, start=1)
            if name in points[run.pk]
        ]
        charts[name] = _chart(family_of(name), series, Chart(family_of(name), (name,)).thresholds)
    return {"x": "step", "charts": charts}


def _tone(chart: Chart, name: str) -> int:
    """Metrics take turns; the ends of an interval share the colour of its middle."""
    middles = list(dict.fromkeys(map(_middle, chart.names)))
    return middles.index(_middle(name)) % 4 + 1


def _middle(name: str) -> str:
    return re.sub(r"_(low|high)$", "", name)


def _interval_look(name: str) -> dict[str, Any]:
    return {"dotted": True} if _middle(name) != name else {}


def _series(label: str, points: tuple[list[int], list[float]], **look: Any) -> dict[str, Any]:
    return {"label": label, "x": points[0], "y": points[1], **look}


def _chart(family: Family, series: list[dict[str, Any]], thresholds: list[float]) -> dict[str, Any]:
    chart: dict[str, Any] = {"series": series}
    if thresholds:
        chart["thresholds"] = thresholds
    if family.range:
        chart["range"] = family.range
    if family.reference is not None:
        chart["reference"] = family.reference
    return chart


def key_figure(method: str, metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """The figure by which a finished run is listed: what it is, and its value."""
    known = KEY_FIGURES.get(method, ())
    return next(((label, metrics[name]) for name, label in known if name in metrics), None)
