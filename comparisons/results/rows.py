"""The judgements behind a figure: the rows of one rater, of one answer to the question, of checks, of divided items."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Length

from comparisons.models import Assignment, AssignmentState, Choice, ItemKind, Rating, Study
from comparisons.statistics.agreement import entropies

from .agreement import BINS, bin_of
from .judgements import Look, asked, judgements_of, own_runs

KINDS = {
    "": "Counted in results",
    "skipped": "Skipped",
    "late": "Too late to count",
    "repeat": "Repeats",
    "gold": "Gold items",
    "attention": "Attention checks",
    "training": "Training items",
    "judged": "Comparisons, checks and repeats",
    "all": "Everything that stands",
}
SAID = {
    "": "Anything",
    "prefers": "An answer is better",
    "votes": "An answer is better, or a tie",
    "a": "The left answer is better",
    "b": "The right answer is better",
    "longer": "The longer answer is better",
    "tie": "Tie",
    "both_bad": "Both bad",
}
DIVIDED = {
    "": "Any",
    "several": "Judged by several people",
    "differ": "Raters differ",
    **{str(number): f"{2 * number / BINS:g} to {2 * (number + 1) / BINS:g} bits" for number in range(BINS)},
}
STRENGTHS = {1: "slightly", 2: "clearly", 3: "by far"}
SAYS = {
    "prefers": (Choice.A, Choice.B),
    "votes": (Choice.A, Choice.B, Choice.TIE),
    "longer": (Choice.A, Choice.B),
    **{choice.value: (choice,) for choice in (Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD)},
}
FIRST = Q(choice=Choice.A, assignment__first_is_a=True) | Q(choice=Choice.B, assignment__first_is_a=False)
SECOND = Q(choice=Choice.A, assignment__first_is_a=False) | Q(choice=Choice.B, assignment__first_is_a=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """What rows are wanted. `kind`, `said` and `divided` are keys of KINDS, SAID and DIVIDED.

    `item`: its number; `one`, `other`: contenders whose answers were compared; `preferred`: the contender whose answer
    was better; `own`: only of answers of runs that the rater launched.
    """

    kind: str = ""
    said: str = ""
    divided: str = ""
    rater: int | None = None
    one: int | None = None
    other: int | None = None
    preferred: int | None = None
    item: int | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One judgement in words; `by_rule`: the study's rule leaves its rater out."""

    rating: Rating
    better: str
    side: str
    strength: str
    read: str
    by_rule: bool


def behind(study: Study, look: Look, wanted: Asked) -> QuerySet[Rating]:
    """The judgements that a figure counts."""
    found = _of_kind(wanted.kind).filter(asked(study, look), _compared(wanted), _preferred(wanted.preferred))
    found = found.filter(choice__in=SAYS[wanted.said]) if wanted.said in SAYS else found
    found = found.filter(assignment__rater=wanted.rater) if wanted.rater else found
    found = found.filter(assignment__item__position=wanted.item - 1) if wanted.item else found
    found = found.filter(own_runs()) if wanted.own else found
    return _longer(found) if wanted.said == "longer" else found


def items_behind(study: Study, look: Look, wanted: Asked) -> dict[int, int]:
    """Item -> how many of the judgements are of it, in the study's order."""
    rows = behind(study, look, wanted).order_by("assignment__item__position", "assignment__item")
    counts = rows.values_list("assignment__item").annotate(count=Count("pk")).values_list("assignment__item", "count")
    if not wanted.divided:
        return dict(counts)
    chosen = _divided(study, look, wanted.divided)
    return {item: count for item, count in counts if item in chosen}


def told(rating: Rating, left_out: frozenset[int]) -> Told:
    """What a row says."""
    assignment = rating.assignment
    side = {Choice.A.value: "left", Choice.B.value: "right"}.get(rating.choice, "")
    return Told(
        rating,
        better=_author(assignment, rating.choice) if side else "",
        side=side,
        strength=STRENGTHS.get(rating.strength, ""),
        read=_read(rating),
        by_rule=assignment.rater_id in left_out,
    )


def _author(assignment: Assignment, choice: str) -> str:
    """Who wrote the preferred answer; a person, for a check, has no name here."""
    contender = (assignment.answer_a if choice == Choice.A else assignment.answer_b).contender
    if contender:
        return contender.policy.name
    return f"The {'first' if (choice == Choice.A) == assignment.first_is_a else 'second'} answer"


def _read(rating: Rating) -> str:
    """Whether both answers were read to the end, and how long the page was out of sight, as the browser said."""
    scrolled, away = rating.reading.get("scrolled"), rating.reading.get("hidden_seconds")
    words = [] if scrolled is None else ["to the end" if scrolled else "not to the end"]
    return ", ".join([*words, *([f"away {away:.0f} s"] if away else [])])


def _of_kind(kind: str) -> QuerySet[Rating]:
    ratings = Rating.objects
    match kind:
        case "":
            return ratings.counted()
        case "skipped" | "late":
            return ratings.standing().filter(assignment__state=AssignmentState(kind))
        case "repeat":
            return ratings.judged().exclude(assignment__repeats=None)
        case "gold" | "attention" | "training":
            return ratings.judged().filter(assignment__item__kind=ItemKind(kind))
        case "judged":
            return ratings.judged().exclude(assignment__item__kind=ItemKind.TRAINING)
        case _:
            return ratings.standing()


def _compared(wanted: Asked) -> Q:
    found = Q()
    for contender in filter(None, (wanted.one, wanted.other)):
        first, second = (f"assignment__item__{answer}__contender" for answer in ("first", "second"))
        found &= Q((first, contender)) | Q((second, contender))
    return found


def _preferred(contender: int | None) -> Q:
    if not contender:
        return Q()
    first, second = (f"assignment__item__{answer}__contender" for answer in ("first", "second"))
    return (FIRST & Q((first, contender))) | (SECOND & Q((second, contender)))


def _longer(found: QuerySet[Rating]) -> QuerySet[Rating]:
    lengths = {name: Length(f"assignment__item__{name}__text") for name in ("first", "second")}
    found = found.alias(first_length=lengths["first"], second_length=lengths["second"])
    first, second = Q(first_length__gt=F("second_length")), Q(first_length__lt=F("second_length"))
    return found.filter((FIRST & first) | (SECOND & second))


def _divided(study: Study, look: Look, divided: str) -> frozenset[int]:
    """Items that several people judged, all of them, those on which they differ, or those of one bar."""
    judgements = judgements_of(study, look)
    found = entropies(judgements.item, judgements.preferred)
    several = found.judgements > 1
    match divided:
        case "several":
            return frozenset(found.units[several].tolist())
        case "differ":
            return frozenset(found.units[several & (found.bits > 0)].tolist())
        case _:
            return frozenset(found.units[several & (bin_of(found.bits) == int(divided))].tolist())
