"""What the prompts are about, and which topics of the target have few or no pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.preferences.checks.findings import Family, Harm, Level, counted, harms, whole_number
from training.preferences.survey import Survey

FEWEST_PROMPTS = 50
"""Different prompts from which a map without a target is worth drawing."""
MOST_UNCOVERED = 0.5
"""Share of the target in uncovered topics from which pairs alone are no ground to train an offline method on."""
SHOWN_CHARACTERS = 240


def topics_of_the_prompts(survey: Survey) -> None:
    """A map of the prompts, beside the target's where there is one; scores cluster, map_x and map_y for every row."""
    prompts = whole_number(survey.database, "SELECT count(DISTINCT prompt_hash) FROM measures")
    target = sum(len(texts) for texts in survey.targets.values())
    if not prompts or (not target and prompts < FEWEST_PROMPTS):
        return
    from training.preferences.coverage.drawing import draw

    coverage = draw(survey)
    survey.notes["embeddings"] = coverage.note
    survey.score("cluster", coverage.of_row)
    survey.score("map_x", coverage.xy_of_row[:, 0])
    survey.score("map_y", coverage.xy_of_row[:, 1])
    if coverage.comparison is None:
        _say_topics(survey, coverage)
    else:
        _say_gaps(survey, coverage)


def _say_topics(survey: Survey, coverage: Any) -> None:
    counts = np.sort([topic.data for topic in coverage.topics])[::-1]
    half = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2)) + 1
    unknown = "Which prompts the policy will meet is not known, so nothing is said about gaps."
    survey.found.add(
        "coverage",
        f"The prompts form {counted(len(counts), 'topic', 'topics')}; {counted(half, 'holds', 'hold')} half of them.",
        harms=harms(Level.INFO, dpo=unknown, cpo=unknown, rlhf=unknown),
        action="Name a suite or a sample of production prompts as target, and the map shows what the data misses.",
        threshold="Without a target nothing is judged.",
        count=int(counts[:half].sum()),
        total=int(counts.sum()),
        is_share=False,
        picture=picture(coverage),
    )


def _say_gaps(survey: Survey, coverage: Any) -> None:
    from training.preferences.coverage.comparison import THIN

    comparison = coverage.comparison
    missed = [number for number in comparison.by_deficit() if comparison.uncovered[number]]
    count, total = int(comparison.target[missed].sum()), int(comparison.target.sum())
    survey.found.add(
        "coverage",
        _sentence(coverage, missed),
        harms=_harms(count / total),
        action="Look at the topics on the map; have answers to their prompts rated, or collect more such prompts."
        if missed
        else "Nothing to do.",
        threshold=f"A warning with the first topic that is missed: its share in the data is below {THIN:.0%} of its "
        f"share in the target, and chance does not explain that. An error for offline methods when over "
        f"{MOST_UNCOVERED:.0%} of the target is missed, a heuristic.",
        count=count,
        total=total,
        picture=picture(coverage),
    )


def _sentence(coverage: Any, missed: list[int]) -> str:
    if not missed:
        return "No topic of the target's prompts lacks pairs. Target prompts in uncovered topics:"
    words = ", ".join(coverage.topics[missed[0]].words[:3]) or "without words"
    if len(missed) == 1:
        return f"One topic of the target, “{words}”, has few or no pairs. Target prompts in it:"
    return f"{len(missed)} topics of the target have few or no pairs, first “{words}”. Target prompts in them:"


def _harms(share: float) -> dict[Family, Harm]:
    """Worst for offline methods: a policy that samples can at least be shown the missing prompts."""
    offline = Level.ERROR if share > MOST_UNCOVERED else Level.WARNING if share else Level.INFO
    online = Level.WARNING if share else Level.INFO
    if not share:
        fine = "The pairs speak about what the policy will be asked."
        return harms(Level.INFO, dpo=fine, cpo=fine, rlhf=fine)
    return {
        Family.DPO: Harm(
            offline,
            "Its loss sees these pairs alone: where there are none, the reference decides, and what it gets wrong "
            "stays wrong or drifts with what was learnt elsewhere.",
        ),
        Family.CPO: Harm(
            offline,
            "The floor holds on the pairs there are; where there are none, nothing is constrained and the reference "
            "decides.",
        ),
        Family.RLHF: Harm(
            online,
            "It can sample answers to these prompts, but the reward model extrapolates there: its scores rest on "
            "other topics.",
        ),
    }


def picture(coverage: Any) -> dict[str, Any]:
    """What the page needs, some tens of kilobytes: topics by deficit (or size), points, and how far apart both are."""
    comparison, distance = coverage.comparison, coverage.distance
    order = comparison.by_deficit() if comparison else range(len(coverage.topics))
    return {
        "kind": "map",
        "topics": [_topic(coverage, number) for number in order],
        "points": coverage.points.tolist(),
        "prompts": sum(topic.data for topic in coverage.topics),
        "target_prompts": sum(topic.target for topic in coverage.topics),
        "auc": coverage.auc,
        "distance": distance and [distance.value, distance.low, distance.high, distance.by_chance],
    }


def _topic(coverage: Any, number: int) -> dict[str, Any]:
    topic, comparison = coverage.topics[number], coverage.comparison
    return {
        "number": number,
        "words": topic.words,
        "data": topic.data,
        "pairs": topic.pairs,
        "target": topic.target,
        "ratio": comparison.ratio[number] if comparison else None,
        "q": float(comparison.q[number]) if comparison else None,
        "uncovered": bool(comparison.uncovered[number]) if comparison else False,
        "data_examples": [[row, text[:SHOWN_CHARACTERS]] for row, text in topic.data_examples],
        "target_examples": [[place, text[:SHOWN_CHARACTERS]] for place, text in topic.target_examples],
        "places": topic.places,
    }
