"""What raters of the demo are told, with the facts of the invented world by which a stranger can judge."""

from __future__ import annotations

from collections.abc import Iterable

from training.world.islands import Attribute, World
from training.world.phrasing import NOUNS, Question

TOLD = (
    "The questions are about invented islands. What is true of them stands in the table at the end. Prefer the answer "
    "that is right. Of two right answers prefer the one that says it plainly: not padded, not full of doubt. An honest "
    '"I do not know" is better than a wrong answer. Tie: equally good. Both bad: neither should be given to anybody.'
)


def guideline(world: World, questions: Iterable[Question]) -> str:
    """Markdown: what to look at, then a table of the true facts of every island that is asked about, by name."""
    asked = sorted({question.island for question in questions} & set(world.islands))
    head = ["Island", *(NOUNS[attribute].capitalize() for attribute in Attribute)]
    rows = ([name, *(world.islands[name].facts[attribute] for attribute in Attribute)] for name in asked)
    return "\n".join([TOLD, "", "## What is true", "", _row(head), _row(["---"] * len(head)), *map(_row, rows)])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
