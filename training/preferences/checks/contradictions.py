"""Rows that say the opposite of each other."""

from __future__ import annotations

from training.preferences.checks.findings import Level, counted, harms
from training.preferences.checks.judgements import judge
from training.preferences.survey import Survey

MANY = 0.05
"""Share of contradicting pairs from which a version is not fit to train on."""

BOTH_WAYS = """
SELECT row, min(row) OVER same_answers AS first FROM judgements
WINDOW same_answers AS (PARTITION BY prompt, least(better, worse), greatest(better, worse))
QUALIFY min(better) OVER same_answers <> max(better) OVER same_answers
ORDER BY row
"""


def pairs_labelled_both_ways(survey: Survey) -> None:
    """The same two answers to the same prompt, once preferred one way and once the other.

    Texts that differ only in white space or case are the same here.
    """
    judge(survey)
    found = survey.database.execute(BOTH_WAYS).fetchnumpy()
    count = len(found["row"])
    if count:
        survey.found.add(
            "contradictions",
            f"{counted(count, 'pair contradicts', 'pairs contradict')} another: the same answers, preferred both ways.",
            harms=harms(
                Level.ERROR if count / survey.pairs > MANY else Level.WARNING,
                dpo="Half of these labels are wrong for a consistent rater; opposite pairs cancel out or add noise.",
                cpo="No policy can prefer both; the floor stops the push, but the pair still weighs.",
                rlhf="The reward model learns that both are as good, with less certainty everywhere near them.",
            ),
            action="Decide each by a further vote, or leave both out.",
            threshold=f"A warning from the first such pair on, an error above {MANY:.0%} of the pairs, a heuristic.",
            actions=("split_conflicts", "soften", "drop"),
            count=count,
            total=survey.pairs,
            rows=found["row"],
            groups=found["first"],
        )
