"""Labels that contradict what all other prompts' pairs say, where those leave little doubt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.checks.bars import mean_bar, share_bar
from training.preferences.checks.findings import Level, RowNumbers, counted, harms
from training.preferences.checks.judgements import judge
from training.preferences.survey import Survey

if TYPE_CHECKING:
    from training.preferences.noise.estimate import FlipRate
    from training.preferences.noise.model import OutOfFold
    from training.preferences.noise.triads import Triads

NOISY, TOO_NOISY = 0.1, 0.25
"""Heuristic: rates from which a version needs attention, or is not fit to train on. Published preference data is said
to hold 20 to 40 % wrong labels, and ten points more can cost 30 points of win rate (arXiv 2404.09824)."""
SUSPICIOUS = 0.5
"""Pairs are listed that are more likely wrong than right."""
MOST_OF_A_PROMPT = 50
"""Judgements of one prompt beyond which its triads are not counted."""
SAMPLE = 20_000
"""Pairs that the model is fitted on; all pairs are judged by it."""
BARS, SHOWN = 5, 30
SEED = 0

# A label of one half prefers neither answer, so it cannot be wrong.
JUDGED = "rejected IS NOT NULL AND label <> 0.5"
SIGNS = """
SELECT CASE WHEN NOT is_pair OR label = 0.5 THEN 0 WHEN label > 0.5 THEN 1 ELSE -1 END AS sign
FROM measures ORDER BY row
"""
# A over B and B over C of a prompt, with the judgement between A and C; a circle is met from each of its answers.
# Prompts with very many judgements are left out: their threes are too many to look at, and hang together.
TRIADS = f"""
WITH each AS (
    SELECT prompt, better, worse FROM judgements
    QUALIFY count(*) OVER (PARTITION BY prompt) BETWEEN 3 AND {MOST_OF_A_PROMPT}
), sure AS (
    SELECT DISTINCT e.* FROM each e ANTI JOIN each o
    ON e.prompt = o.prompt AND e.better = o.worse AND e.worse = o.better
)
SELECT ab.prompt, count(*) FILTER (WHERE ac.better = ab.better) +
       count(*) FILTER (WHERE ac.better = bc.worse) // 3 AS triads,
       count(*) FILTER (WHERE ac.better = bc.worse) // 3 AS circles
FROM sure ab JOIN sure bc ON bc.prompt = ab.prompt AND bc.better = ab.worse
JOIN sure ac ON ac.prompt = ab.prompt AND (
    (ac.better = ab.better AND ac.worse = bc.worse) OR (ac.better = bc.worse AND ac.worse = ab.better))
GROUP BY ab.prompt
"""
MEANS = """
SELECT {column}, avg(noise), stddev_pop(noise), count(*) FROM measures JOIN noise_scores USING (row)
WHERE NOT isnan(noise) AND coalesce({column}, '') <> '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {shown}
"""


def labels_that_look_wrong(survey: Survey) -> None:
    """Leave the score `noise`, P(the label is wrong | pair), and the share of wrong labels with its interval."""
    from training.preferences.noise.estimate import FEWEST, RATES, flip_rate, probability_of_error

    signs = survey.database.execute(SIGNS).fetchnumpy()["sign"].astype(np.float64)
    judged = np.flatnonzero(signs)
    scores = np.full(survey.rows, np.nan, np.float32)
    if len(judged) >= FEWEST and (model := _fitted(survey, signs)):
        margins, prompts = _judged(survey, model, signs)
        found, triads = flip_rate(margins[judged], prompts[judged]), None
        if not found.told and (triads := _triads(survey)):
            found = flip_rate(margins[judged], prompts[judged], triads.log_likelihood(RATES))
        if found.told:
            scores[judged] = probability_of_error(margins[judged], found)
            _add_rate(survey, found, scores, margins[judged], triads)
        else:
            _add_doubt(survey, found, margins[judged])
    survey.score("noise", scores)


def _triads(survey: Survey) -> Triads | None:
    """Three answers to a prompt that were all judged against each other; None where these are too few to tell."""
    from training.preferences.noise.triads import Triads

    judge(survey)
    found = survey.database.execute(TRIADS).fetchnumpy()
    triads = Triads(found["triads"].astype(np.float64), found["circles"].astype(np.float64))
    return triads if triads.are_telling else None


def _fitted(survey: Survey, signs: Any) -> OutOfFold | None:
    """The models of a random sample; None where too few prompts keep no pair apart."""
    from training.preferences.noise.features import clipped
    from training.preferences.noise.model import OutOfFold

    share = round(1_000_000 * SAMPLE / max(int(np.count_nonzero(signs)), 1))
    batches = survey.texts(f"{JUDGED} AND hash(row + {SEED}) % 1000000 < {share}")
    rows, columns = [], []
    for texts in batches:
        rows.append(texts.rows)
        columns.append(clipped(texts.prompts, texts.chosen, _there(texts.rejected)))
    prompts, chosen, rejected = ([text for column in part for text in column] for part in zip(*columns, strict=True))
    try:
        return OutOfFold.fit(prompts, chosen, rejected, signs[np.concatenate(rows)])
    except ValueError:
        return None


def _judged(survey: Survey, model: OutOfFold, signs: Any) -> tuple[Any, Any]:
    """Per row: how sure the model is that its label is right (0 where it has none), and a number for its prompt."""
    margins, prompts = np.zeros(survey.rows), np.zeros(survey.rows, np.int64)
    for rows, found, numbers in _batches(survey, model):
        margins[rows], prompts[rows] = found * signs[rows], numbers
    return margins, prompts


def _batches(survey: Survey, model: OutOfFold) -> Iterator[tuple[RowNumbers, Any, Any]]:
    from training.preferences.noise.model import prompt_hashes

    for texts in survey.texts(JUDGED):
        yield (
            texts.rows,
            model.margins(texts.prompts, texts.chosen, _there(texts.rejected)),
            prompt_hashes(texts.prompts),
        )


def _there(rejected: list[str | None]) -> list[str]:
    return [text or "" for text in rejected]


def _add_rate(survey: Survey, found: FlipRate, scores: Any, margins: Any, triads: Triads | None) -> None:
    suspicious = np.flatnonzero(np.nan_to_num(scores) >= SUSPICIOUS)
    rows = suspicious[np.argsort(-scores[suspicious], kind="stable")]
    pairs = counted(len(rows), "pair is", "pairs are")
    survey.found.add(
        "label_noise",
        f"About {found.rate:.0%} of the labels look wrong ({found.low:.0%} to {found.high:.0%}): they contradict what "
        f"the pairs of other prompts say where those leave no doubt{_with_circles(triads)}. {pairs} more likely wrong "
        f"than right. The model behind it agrees with {found.accuracy:.0%} of the labels it has not seen.",
        harms=harms(
            _level(found.rate),
            dpo="It pushes up what is worse, hardest on the pairs that the rest of the data contradicts.",
            cpo="The floor stops the push on a pair that is satisfied; a wrong label is not, and keeps pushing.",
            rlhf="The reward model learns smaller gaps, and scores least well where the wrong labels gather.",
        ),
        action=_advice(found.rate),
        threshold=f"A warning from {NOISY:.0%} on, an error from {TOO_NOISY:.0%} on, heuristics; pairs are listed "
        "that are more likely wrong than right.",
        actions=("soften", "drop", "flip"),
        count=len(rows),
        total=found.pairs,
        share=(found.rate, found.low, found.high),
        rows=rows,
        picture={**_picture(margins, found, scores), "beside": _by_name(survey, scores)},
    )


def _with_circles(triads: Triads | None) -> str:
    """What the rate rests on too, where other prompts' pairs did not tell it alone."""
    if triads is None:
        return ""
    return (
        f", or each other: of {triads.count:,} times that three answers were all judged against each other, "
        f"{triads.circles:,} run in a circle (this counts what is a matter of taste as wrong, too)"
    )


def _by_name(survey: Survey, scores: Any) -> list[dict[str, Any]]:
    """The mean score by source and by annotator, the highest first; none of one name alone."""
    import pyarrow as pa

    database = survey.database.cursor()
    database.register("noise_scores", pa.table({"row": np.arange(survey.rows), "noise": scores}))
    pictures, mean = [], float(np.nanmean(scores))
    for column in ("source", "annotator"):
        found = database.execute(MEANS.format(column=column, shown=SHOWN)).fetchall()
        bars = [mean_bar(*record, **{column: record[0]}) for record in found]
        picture = {"kind": "bars", "of": column, "shares": "mean P(label is wrong)", "bars": bars, "reference": mean}
        pictures += [picture] if len(bars) > 1 else []
    database.close()
    return pictures


def _level(rate: float) -> Level:
    if rate >= TOO_NOISY:
        return Level.ERROR
    return Level.WARNING if rate >= NOISY else Level.INFO


def _advice(rate: float) -> str:
    if rate < NOISY:
        return "Look at the most suspicious pairs; little else is needed."
    return (
        f"Judge the listed pairs again, the first ones first, without seeing their labels, and clean by what was "
        f"judged: a score alone knows only what the pairs say, and a second judgement adds to it. Where nobody can, "
        f"soften every label by its own score, or train with conservative or robust DPO and a label smoothing of "
        f"{rate:.2f}; compare before you rely on it."
    )


def _add_doubt(survey: Survey, found: FlipRate, margins: Any) -> None:
    """The model knows too little: no number is named, and no pair accused; what cannot be ruled out needs attention."""
    level = Level.ERROR if found.low >= TOO_NOISY else Level.WARNING if found.high >= TOO_NOISY else Level.INFO
    why = (
        "Whether labels are wrong cannot be told from the pairs alone, and neither can much that a method would learn."
    )
    survey.found.add(
        "label_noise",
        f"How many labels are wrong cannot be told: anything from {found.low:.0%} to {found.high:.0%} would look like "
        f"this. The model agrees with {found.accuracy:.0%} of the labels it has not seen and is nowhere sure enough.",
        harms=harms(level, dpo=why, cpo=why, rlhf=why),
        action="Have a sample of the pairs judged by a second person: agreement measures noise directly.",
        threshold=f"Where the rate cannot be told: a warning if {TOO_NOISY:.0%} cannot be ruled out, an error if "
        "less can; heuristics.",
        count=0,
        total=found.pairs,
        is_share=False,
        picture=_picture(margins, found, None),
    )


def _picture(margins: Any, found: FlipRate, scores: Any) -> dict[str, Any]:
    """How often labels are contradicted, from where the model is surest to where it is least: the share levels off at
    the rate. With the estimate, and a histogram of the scores in twenty bins, for readers of the JSON."""
    order = np.argsort(-np.abs(margins), kind="stable")
    names = ("surest fifth", "second fifth", "third fifth", "fourth fifth", "least sure fifth")
    bars = []
    for name, part in zip(names, np.array_split(margins[order], BARS), strict=True):
        against = int((part <= 0).sum())
        bars.append(share_bar(name, against, len(part)))
    counts = [] if scores is None else np.histogram(scores[np.isfinite(scores)], 20, (0, 1))[0].tolist()
    return {
        "kind": "bars",
        "of": "labels contradicted where the model is",
        "bars": bars,
        "reference": found.rate if found.told else None,
        "rate": found.rate if found.told else None,
        "interval": [found.low, found.high],
        "accuracy": found.accuracy,
        "scores": counts,
    }
