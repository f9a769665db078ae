"""What a study fixed beforehand, in words: for the page of the study, whatever state it is in."""

from __future__ import annotations

from collections.abc import Iterator

from training.quantities import fine_percent

from .assignment import READING_SECONDS
from .design import Design, Selection
from .models import Study, StudyKind
from .pace import BREAK


def design_in_words(study: Study) -> list[tuple[str, str]]:
    """(what, how) for every choice of the design that has an effect in this study."""
    rules, on_suites = study.rules, study.kind == StudyKind.SUITES
    told = [*_who(study, rules), *_asked(rules)]
    if on_suites:
        told += [("Which policies meet", _selection(rules)), ("Answers cut off", rules.cut_off.label), *_checked(rules)]
        told.append(("Stop rule", _stop_rule(rules)))
    return [*told, ("Chat template", _chat_template(study)), ("Left out of results", str(rules.exclusion))]


def _who(study: Study, rules: Design) -> Iterator[tuple[str, str]]:
    yield "Who rates", ", ".join(pool.name for pool in study.pools.all()) or "every annotator"
    yield "Own runs", "people may judge them" if rules.own_runs else "nobody judges answers of a run they launched"
    yield "Pay", f"{rules.hourly_pay:,.2f} per hour" if rules.hourly_pay else "not counted"
    pause = f"then a break of {BREAK.total_seconds() / 60:.0f} min" + (", if they like" if rules.break_optional else "")
    yield "Sitting", f"{rules.sitting_minutes} min, {pause}" if rules.sitting_minutes else "as long as they like"


def _asked(rules: Design) -> Iterator[tuple[str, str]]:
    yield "Besides A and B", " and ".join(["tie"] * rules.ties + ["both bad"] * rules.both_bad) or "nothing"
    yield "How much better", "asked" if rules.strength else "not asked"
    yield "Reasons", "offered" if rules.reasons else "not offered"
    least = max(READING_SECONDS, rules.minimum_seconds)
    yield "Shortest reading time", f"{least} s" if least else "none"


def _chat_template(study: Study) -> str:
    """Prompts come to a policy in the form of its base, which its digest fixes."""
    roots = {contender.policy.root.pk for contender in study.contenders.select_related("policy__base")}
    return (
        "of the one base of all policies" if len(roots) == 1 else f"each policy that of its base ({len(roots)} bases)"
    )


def _selection(rules: Design) -> str:
    if rules.selection != Selection.INFORMED:
        return rules.selection.label
    return f"{rules.selection.label}; {fine_percent(rules.uniform_share)} of the later ones evenly"


def _checked(rules: Design) -> Iterator[tuple[str, str]]:
    share = f"{fine_percent(rules.check_share)} of what a rater sees"
    made = f", {rules.attention_items} attention items made of the answers" if rules.attention_items else ""
    yield "Gold and attention items", share + made if rules.check_share else "never shown"
    yield "Repeats", f"{fine_percent(rules.repeat_share)}, sides swapped" if rules.repeat_share else "none"
    right = f"{fine_percent(rules.training_share_right)} right before other items come, if there are training items"
    yield "Training", right if rules.training_share_right else "no share of it must be right"
    yield "Own agreement with gold", "shown to raters" if rules.show_gold_agreement else "not shown to raters"


def _stop_rule(rules: Design) -> str:
    if rules.stop_width is None:
        return "none: the items end the study"
    width = f"every interval of a win rate is narrower than {fine_percent(rules.stop_width)}"
    return f"pauses when {width}, after {rules.stop_votes:,} votes of each pair"
