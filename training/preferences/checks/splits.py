"""Whether a run on this version could be judged on rows it has not seen."""

from __future__ import annotations

from training.preferences.checks.findings import Level, harms, whole_number
from training.preferences.survey import Survey


def nothing_held_out(survey: Survey) -> None:
    """No row is held out: the share was 0, or there is only one prompt."""
    if whole_number(survey.database, "SELECT count(*) FROM measures WHERE split = 'held_out'"):
        return
    prompts = whole_number(survey.database, "SELECT count(DISTINCT prompt_hash) FROM measures")
    cause = "all rows share one prompt" if prompts == 1 else "the held-out share is 0"
    unseen = "Held-out accuracy cannot be measured, so nothing shows when a run memorises its rows."
    survey.found.add(
        "nothing_held_out",
        f"No row is held out: {cause}.",
        harms=harms(Level.WARNING, dpo=unseen, cpo=unseen, rlhf=unseen),
        action="Import again with a held-out share, or with more prompts.",
        threshold="A warning where no row is held out.",
        actions=("resplit",),
        count=0,
        total=survey.rows,
        is_share=False,
    )
