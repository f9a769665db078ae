"""Preferences that run in a circle: A over B, B over C, C over A, for the same prompt."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.preferences.checks.findings import Level, RowNumbers, counted, harms
from training.preferences.checks.judgements import judge
from training.preferences.survey import Survey

MANY = 0.05
"""Share of labels that are surely wrong, one a circle, from which a version is not fit to train on."""

# Fewer than three judgements make no circle.
EDGES = """
SELECT row, hash(prompt, better) AS better, hash(prompt, worse) AS worse,
       min(better) OVER same_answers <> max(better) OVER same_answers AS is_contradicted
FROM (FROM judgements QUALIFY count(*) OVER (PARTITION BY prompt) >= 3)
WINDOW same_answers AS (PARTITION BY prompt, least(better, worse), greatest(better, worse))
ORDER BY row
"""


def preferences_in_a_circle(survey: Survey) -> None:
    """Pairs on a circle of three or more answers; contradicted pairs are circles of two and a finding of their own."""
    judge(survey)
    edges = survey.database.execute(EDGES).fetchnumpy()
    rows, circles = circling(edges["row"], edges["better"], edges["worse"], edges["is_contradicted"].astype(bool))
    count, surely_wrong = len(rows), len(set(circles.tolist()))
    if count:
        survey.found.add(
            "cycles",
            f"{counted(count, 'pair lies', 'pairs lie')} on {counted(surely_wrong, 'circle', 'circles')} of "
            "preferences, such as A over B, B over C, C over A.",
            harms=harms(
                Level.ERROR if surely_wrong / survey.pairs > MANY else Level.WARNING,
                dpo="No ranking of the answers agrees with all of them: at least one label of each circle is wrong.",
                cpo="No policy can follow all of them; at least one pair of each circle stays short of its margin.",
                rlhf="No reward can rank answers in a circle: the reward model settles for equal ones.",
            ),
            action="Have the pairs of each circle judged again, let votes decide which goes, or leave them out.",
            threshold=f"A warning from the first circle on, an error when more than {MANY:.0%} of the labels are "
            "surely wrong, one a circle, a heuristic.",
            actions=("split_conflicts", "soften", "drop"),
            count=count,
            total=survey.pairs,
            rows=rows,
            groups=circles,
        )


def circling(
    rows: RowNumbers,
    better: np.ndarray[Any, Any],
    worse: np.ndarray[Any, Any],
    is_contradicted: np.ndarray[Any, np.dtype[np.bool_]],
) -> tuple[RowNumbers, RowNumbers]:
    """The rows on a circle of three or more, and for each the first row of its strongly connected component.

    Within a component every edge can be walked back. Where the direct way back is missing, the way is longer, so that
    the edge lies on a circle of at least three. Contradicted edges serve as ways and are not named themselves.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    answers, ends = np.unique(np.concatenate([better, worse]), return_inverse=True)
    if not len(answers):
        return rows, rows
    one, other = ends[: len(rows)], ends[len(rows) :]
    graph = coo_matrix((np.ones(len(rows), bool), (one, other)), (len(answers), len(answers)))
    _, component = connected_components(graph, connection="strong")
    on_circle = (component[one] == component[other]) & ~is_contradicted
    found = rows[on_circle].astype(np.int64)
    _, first, place = np.unique(component[one][on_circle], return_index=True, return_inverse=True)
    return found, found[first][place] if len(found) else found
