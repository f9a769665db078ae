"""Which answer each pair holds to be better; texts that differ only in white space or case are the same here."""

from __future__ import annotations

from training.preferences.survey import Survey

# A label below one half turns a pair round; one half prefers neither answer.
JUDGEMENTS = """
CREATE TEMP TABLE IF NOT EXISTS judgements AS
SELECT row, prompt, CASE WHEN label > 0.5 THEN chosen ELSE rejected END AS better,
       CASE WHEN label > 0.5 THEN rejected ELSE chosen END AS worse
FROM (
    SELECT row, label, hash(squeezed(prompt)) AS prompt,
           hash(squeezed(chosen)) AS chosen, hash(squeezed(rejected)) AS rejected
    FROM pairs WHERE rejected IS NOT NULL AND label <> 0.5
) WHERE chosen <> rejected
"""


def judge(survey: Survey) -> None:
    """Make the table `judgements` unless it is there: row, and hashes of prompt, better and worse answer."""
    survey.database.execute(JUDGEMENTS)
