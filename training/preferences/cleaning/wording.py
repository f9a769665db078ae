"""Steps of a recipe in words for people."""

from __future__ import annotations

from training.preferences.browsing.presenting import label_of as score_label
from training.preferences.checks.findings import counted
from training.preferences.cleaning.recipes import (
    AnyStep,
    Drop,
    Flip,
    Merge,
    Resplit,
    Soften,
    SplitConflicts,
    Weight,
)
from training.preferences.filters import Filter

SOFTENED = {
    "noise": "Soften labels to 1 - P(label is wrong) of each row",
    "rate": "Soften labels to 1 - the estimated share of wrong labels",
}
ALIKE = {"exact": "Merge exact repeats", "near": "Merge near duplicates"}
LONGEST_QUOTED = 120
SUMS = {"sum": "weights added up", "one": "weight 1"}
VOTES = {"raters": "votes of annotators and sources", "rows": "votes of rows"}
OTHERWISE = {"drop": "leave out what votes do not decide", "even": "label 0.5 where votes do not decide"}


def said(step: AnyStep) -> str:
    """The whole step in a line: `Drop: rows found by “repeats”`."""
    return action_words(step) if isinstance(step, Resplit) else f"{action_words(step)}: {rows_words(step)}"


def action_words(step: AnyStep) -> str:
    """What is done."""
    match step:
        case Drop():
            return "Drop"
        case Flip():
            return "Flip chosen and rejected"
        case Soften():
            return SOFTENED.get(step.to, f"Soften labels to {step.value:g}")
        case Weight():
            return f"Set weights to {step.value:g}" if step.how == "set" else f"Multiply weights by {step.value:g}"
        case Merge():
            return f"{ALIKE[step.alike]}, {SUMS[step.weight]}"
        case SplitConflicts():
            return f"Decide conflicts by {VOTES[step.votes]}, {OTHERWISE[step.otherwise]}"
        case Resplit():
            return f"Split anew by prompt cluster, {100 * step.share:g} % held out"


def rows_words(step: AnyStep) -> str:
    """To which rows."""
    said = ", ".join(conditions(step.rows)) or "all rows"
    if step.highest:
        return f"the {step.highest.count:,} of {said} with the highest {_score(step.highest.score)}"
    return said


def quoted(text: str) -> str:
    """Somebody's words within ours, kept short; a direction that they set ends with them (Unicode TR 9, isolates)."""
    short = text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}…"
    plain = short if short.isascii() else f"\N{FIRST STRONG ISOLATE}{short}\N{POP DIRECTIONAL ISOLATE}"
    return f"“{plain}”"


def conditions(rows: Filter) -> list[str]:
    """Each condition of a filter; none where it means all rows."""
    found = f"rows found by {quoted(rows.finding.replace('_', ' '))}" if rows.finding else ""
    group = f"group {rows.group}" if rows.group is not None else ""
    split = {"train": "training rows", "held_out": "held-out rows"}.get(rows.split, "")
    names = ("tag", "annotator", "source", "language")
    named = [f"{what} {quoted(value)}" for what in names if (value := getattr(rows, what))]
    text = f"words {quoted(rows.text)}" if rows.text else ""
    cluster = f"cluster {rows.cluster}" if rows.cluster is not None else ""
    numbers = counted(len(rows.rows), "chosen row", "chosen rows") if rows.rows else ""
    bounds = [_bounds(b.score, b.low, b.high) for b in rows.bounds]
    return [words for words in (found, group, split, *named, text, cluster, *bounds, numbers) if words]


def _bounds(score: str, low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{_score(score)} from {low:g} to {high:g}"
    return f"{_score(score)} from {low:g} on" if low is not None else f"{_score(score)} up to {high or 0:g}"


def _score(name: str) -> str:
    words = score_label(name)
    return words if words.startswith("P(") else words[:1].lower() + words[1:]
