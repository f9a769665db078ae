"""Studies whose answers are stored and whose items are still to be made, with plain functions."""

from __future__ import annotations

from typing import Any

from comparisons.models import Answer, Study
from tests.comparisons.rating_factories import make_prompt, make_study
from tests.factories import make_policy


def answered_study(policies: int = 3, prompts: int = 20, **fields: Any) -> Study:
    """A generating study in which every policy has answered every prompt, each in words of its own."""
    values: dict[str, Any] = {"state": "generating", "opened_at": None}
    study = make_study(items=0, policies=[make_policy() for _ in range(policies)], **(values | fields))
    suite = study.suites.get()
    asked = [make_prompt(suite, position, f"Question {position}?") for position in range(prompts)]
    facts = {"finish_reason": "stop", "tokens": 9, "first_token_seconds": 0.1, "total_seconds": 0.2, "seed": 1}
    Answer.objects.bulk_create(
        Answer(contender=contender, prompt=prompt, text=f"Answer {place} to {prompt.position}.", **facts)
        for place, contender in enumerate(study.contenders.all())
        for prompt in asked
    )
    return study


def pairs_of(study: Study) -> list[tuple[int, int]]:
    """The two contenders of every comparison of a study, in the order of their positions."""
    rows = study.items.comparisons().order_by("position").values_list("first__contender", "second__contender")
    return [(min(first, second), max(first, second)) for first, second in rows]
