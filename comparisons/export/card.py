"""The data card of an export: what was asked, who answered, by which rule, and what to beware of. Facts only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from statistics import median

import numpy as np
from django.db.models import Count, Max, Min, Q

from comparisons.models import Answer, RaterPool, Suite
from comparisons.results import Judgements, Look, Said, judgements_of
from comparisons.results.agreement import Coefficient, coefficients
from comparisons.results.judgements import own_runs
from comparisons.statistics.agreement import Agreement
from comparisons.statistics.shares import Share, percent, share
from training.preferences.data_card import Card, Section, Table

from .judgements import counted
from .noise import noise_words, smoothing_of
from .pairs import Export

ALPHA = "Krippendorff’s α"
RELIABLE = 0.667
"""Krippendorff (2004, p. 241): below this α not even tentative conclusions should be drawn from judgements."""
FEW_RATERS = 3


def card_of(export: Export) -> Card:
    """Gather the facts of an export."""
    facts = _Facts(export)
    lead = (
        f"Preference pairs from the study “{export.study.name}”: people saw two answers to the same prompt side by "
        "side, without knowing who wrote them, and said which is better."
    )
    sections = (_pairs(facts), _rule(facts), _raters(facts), _agreement(facts), *_guidelines(facts), _prompts(facts))
    return Card(title=export.study.name, lead=lead, sections=(*sections, _policies(facts), _limits(facts)))


class _Facts:
    """What several sections tell of."""

    def __init__(self, export: Export) -> None:
        self.export, self.study, self.summary = export, export.study, export.summary
        believed = counted(self.study).exclude(assignment__rater__in=export.agreed.excluded)
        self.believed = believed.order_by()

    @cached_property
    def judgements(self) -> Judgements:
        agreed = self.export.agreed
        rows = judgements_of(self.study, Look(excluded=agreed.excluded))
        return rows.where(np.isin(rows.item, list(agreed.tallies)))

    @cached_property
    def agreement(self) -> list[Coefficient]:
        return coefficients(self.judgements)

    @cached_property
    def alpha(self) -> Agreement:
        return next(one.found for one in self.agreement if one.name == ALPHA)

    @cached_property
    def left(self) -> Share | None:
        return share(self.judgements.count(Said.A), self.judgements.count(Said.A, Said.B))

    @cached_property
    def of_own_runs(self) -> int:
        return self.believed.filter(own_runs()).count()

    @cached_property
    def most_raters_of_an_item(self) -> int:
        return max((tally.total for tally in self.export.agreed.tallies.values()), default=0)


# --- Sections ---------------------------------------------------------------------------------------------------------


def _pairs(facts: _Facts) -> Section:
    summary, study = facts.summary, facts.study
    dates = facts.believed.aggregate(first=Min("created_at"), last=Max("created_at"))
    judged = f"{dates['first']:%Y-%m-%d} to {dates['last']:%Y-%m-%d}" if dates["first"] else "never"
    several = f"{summary.several_turns:,} of them with several turns or a system message"
    return Section(
        title="What it holds",
        facts=(
            ("Items judged", f"{summary.items:,}"),
            ("Pairs", f"{summary.pairs:,}"),
            ("Hard negatives", f"{summary.hard_negatives:,}"),
            ("Rows", f"{summary.rows:,}, {several}"),
            ("Judgements used", f"{summary.judgements:,}"),
            ("Judged", judged),
            ("Study", f"{study.slug}, made {study.created_at:%Y-%m-%d}"),
        ),
    )


def _rule(facts: _Facts) -> Section:
    rows = tuple((reason.label, f"{count:,}") for reason, count in facts.summary.dropped.items())
    table = Table(columns=("Why an item gives no pair", "Items"), rows=rows) if rows else None
    adjudicated = len(facts.export.agreed.adjudicated)
    told = (("Items adjudicated", f"{adjudicated:,}"),) if adjudicated else ()
    return Section(title="Rule", text=str(facts.export.rule), facts=told, table=table)


def _raters(facts: _Facts) -> Section:
    summary = facts.summary
    each = sorted(Counter(facts.judgements.rater.tolist()).values())
    spread = f"{each[0]:,} to {each[-1]:,}, median {median(each):,.0f}" if each else "none"
    theirs = Count("members", filter=Q(members__in=facts.export.agreed.raters))
    pools = RaterPool.objects.annotate(raters=theirs).filter(raters__gt=0).order_by("name")
    asked = ", ".join(facts.study.pools.values_list("name", flat=True)) or "everybody who rates here"
    table = tuple((name, f"{count:,}") for name, count in pools.values_list("name", "raters"))
    return Section(
        title="Who judged",
        text="Rows name raters by pseudonyms of this study alone.",
        facts=(
            ("Raters", f"{summary.raters:,}"),
            ("Asked", asked),
            ("Judgements per rater", spread),
            (
                "Judgements per item at most",
                f"{facts.most_raters_of_an_item:,} of {facts.study.ratings_per_item:,} wanted",
            ),
            ("Left out by the study’s rule", f"{summary.excluded_raters:,}. {facts.study.rules.exclusion}"),
            *_own_runs(facts),
        ),
        table=Table(columns=("Pool", "Raters of it"), rows=table) if table else None,
    )


def _own_runs(facts: _Facts) -> Iterator[tuple[str, str]]:
    """Whether people judged answers of runs that they launched, where the study allows it."""
    if facts.study.rules.own_runs:
        told = f"allowed; {facts.of_own_runs:,} of {facts.summary.judgements:,} judgements"
        yield "Of answers of runs that they launched", told


def _agreement(facts: _Facts) -> Section:
    return Section(
        title="Agreement",
        text="Between people who judged the same item; 95 % intervals by drawing items again.",
        facts=(*((one.name, _coefficient(one.found)) for one in facts.agreement), *_wrong_labels(facts)),
    )


def _wrong_labels(facts: _Facts) -> Iterator[tuple[str, str]]:
    """How many labels are the wrong way round, where judgements tell, and the smoothing that answers to it."""
    if found := facts.export.wrong_labels:
        smoothing = smoothing_of(facts.export.rule, found)
        answer = f"; label smoothing of {smoothing:.2f} answers to it" if smoothing is not None else ""
        yield "Labels the wrong way round", f"{noise_words(found)}, if raters err independently{answer}"


def _coefficient(found: Agreement) -> str:
    if found.value is None:
        return f"undefined because {found.reason}"
    interval = f" [{found.low:.2f}, {found.high:.2f}]" if found.low is not None and found.high is not None else ""
    return f"{found.value:.2f}{interval}, {found.units:,} items"


def _guidelines(facts: _Facts) -> Iterator[Section]:
    """Every version of the guideline that a judgement was given under."""
    used = facts.believed.exclude(guideline=None).values_list("guideline__number", "guideline__text")
    for number, text, count in used.annotate(count=Count("pk")).order_by("guideline__number"):
        yield Section(
            title=f"Guideline, version {number}", text=f"{count:,} judgements were given under it.", quote=text
        )


def _prompts(facts: _Facts) -> Section:
    asked = facts.study.suites.annotate(size=Count("prompts")).order_by("name")
    rows = tuple(
        (suite.name, suite.get_stratum_display(), f"{suite.size:,}", "yes" if suite.held_for_evaluation else "no")
        for suite in asked
    )
    table = Table(columns=("Suite", "Kind of prompts", "Prompts", "Held for evaluation"), rows=rows)
    return Section(
        title="Prompts",
        text="Prompts that any suite holds for evaluation are kept out, also where case or white space differ.",
        table=table,
    )


def _policies(facts: _Facts) -> Section:
    policies = [contender.policy for contender in facts.study.contenders.select_related("policy__base")]
    rows = tuple(
        (policy.name, policy.served_name, policy.method or "registered model", policy.root.name, policy.digest[:12])
        for policy in policies
    )
    sampling = facts.study.sampling
    answers = Answer.objects.filter(contender__study=facts.study).order_by()
    engines = ", ".join(sorted(filter(None, answers.values_list("engine_version", flat=True).distinct())))
    return Section(
        title="Policies and sampling",
        text="Every policy answered with the same settings; a prompt’s seed is the same for all of them.",
        facts=(
            *((name.replace("_", " ").capitalize(), str(value)) for name, value in sampling.items()),
            ("Engine", engines or "unknown"),
        ),
        table=Table(columns=("Policy", "Served as", "Made by", "On", "Digest"), rows=rows),
    )


def _limits(facts: _Facts) -> Section:
    return Section(title="Known limits", points=tuple(_warnings(facts)))


def _warnings(facts: _Facts) -> Iterator[str]:
    summary, alpha, rule = facts.summary, facts.alpha, facts.export.rule
    yield "The pairs say what these raters prefer among answers of these policies; of others they are no sample."
    if facts.most_raters_of_an_item < 2:
        yield "No item was judged by two people, so nobody knows how far they would agree."
    if summary.raters < FEW_RATERS:
        people = "1 person" if summary.raters == 1 else f"{summary.raters} people"
        yield f"Only {people} judged: what they like is in every pair."
    if facts.study.rules.own_runs and facts.of_own_runs:
        yield "Some people judged answers of runs that they launched, and may have recognised them."
    if alpha.value is not None and alpha.value < RELIABLE:
        yield f"Raters agree little: α is {alpha.value:.2f}. Below {RELIABLE} not even tentative conclusions are safe."
    if facts.left and facts.left.differs_from_half:
        yield f"The left answer was preferred in {percent(facts.left.value)} of cases, but sides were drawn by chance."
    if rule.consensus.weighs:
        yield "Posteriors suppose that raters err independently; on prompts that mislead everybody they are too sure."
    if summary.hard_negatives:
        yield "Hard negatives were never judged against their chosen answer: each joins two judgements of one prompt."
    if not Suite.objects.filter(held_for_evaluation=True).exists():
        yield "No suite is held for evaluation, so nothing was kept out of the data for measuring policies on."
