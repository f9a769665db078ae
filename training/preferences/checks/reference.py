"""Whether the base that runs would start from ranks the pairs as their labels do.

Reads a finished inspection of the base (training/inspections); it is added to a report when that is read, because
the inspection may finish later than the report.
"""

from __future__ import annotations

from training.inspections.summary import Summary
from training.preferences.checks.findings import Family, Findings, Harm, Level

HARMFUL = 0.4
"""Heuristic: from this share of pairs ranked wrongly on (lower bound), DPO's stopping early is worth a warning. About
45 % is what strong references still rank wrongly (HyPO, arXiv 2602.11902)."""


def reference_of_the_base(found: Findings, name: str, policy: int, summary: Summary | None, run: str) -> None:
    """The share of pairs that the base ranks wrongly; or, where nobody looked yet, how to look.

    `policy` is the base's key for the form of an inspection, `run` the inspection that is under way or done.
    """
    picture = {"kind": "inspection", "run": run, "policy": policy, "done": summary is not None}
    if summary is None:
        _unchecked(found, name, bool(run), picture)
        return
    right = summary.accuracy
    wrong = right.total - round(right.right)
    level = Level.WARNING if 1 - right.high > HARMFUL else Level.INFO
    found.add(
        "reference",
        f"The base {name} ranks {wrong:,} of {right.total:,} pairs wrongly: it finds the rejected answer likelier.",
        harms={
            Family.DPO: Harm(
                level, "On those its loss is content once the policy is less wrong than the reference; it stops early."
            ),
            Family.CPO: Harm(Level.INFO, "With floor 0 every pair must end with the chosen answer ahead, these too."),
            Family.RLHF: Harm(Level.INFO, "The reward model does not compare with it; only the KL term holds it near."),
        },
        action="Consider constrained CPO with floor 0, or supervised fine-tuning on the chosen answers first.",
        threshold=f"A warning for DPO when the share is above {HARMFUL:.0%} (lower bound), a heuristic.",
        count=wrong,
        total=right.total,
        picture=picture,
    )


def _unchecked(found: Findings, name: str, under_way: bool, picture: dict[str, object]) -> None:
    unknown = Harm(Level.INFO, "On how many pairs the reference is wrong, where DPO stops early, is not known.")
    found.add(
        "reference",
        f"The check of {name} as the reference on these pairs is under way."
        if under_way
        else f"{name} has not been checked as the reference on these pairs.",
        harms={
            Family.DPO: unknown,
            Family.CPO: Harm(Level.INFO, "The floor turns such pairs round whatever their number."),
            Family.RLHF: Harm(Level.INFO, "The reward model does not depend on it."),
        },
        action="Look at the run." if under_way else "Start the check: it ranks some of the pairs with the base.",
        threshold=f"Checked, a warning for DPO above {HARMFUL:.0%} wrong (lower bound), a heuristic.",
        count=0,
        total=0,
        is_share=False,
        picture=picture,
    )
