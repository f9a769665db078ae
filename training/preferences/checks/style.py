"""Whether the look of the answers alone tells which one is the better: length, markup, punctuation, opening.

A logistic regression without intercept on differences better - worse, every pair also the other way round, judges each
pair by a model that has not seen its prompt. Style that decides is learnt instead of content (Singhal et al. 2024).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from training.preferences.checks.findings import Level, RowNumbers, counted, harms
from training.preferences.checks.markup import FEATURES, measure_markup
from training.preferences.checks.shingles import Hashes, Shares
from training.preferences.intervals import Z95, wilson
from training.preferences.survey import Survey

NOTABLE = 0.55
"""AUC from which style is worth a warning, provided the interval excludes one half."""
CLEAR = 0.7
"""P(better) by style alone from which a pair is listed."""
FEWEST_PAIRS = 200
FOLDS = 5
MOST_SHOWN = 8

Interval = tuple[float, float, float]
Differences = np.ndarray[Any, np.dtype[np.float32]]

PAIRS = """
SELECT row, label, prompt_hash, {differences} FROM markup JOIN measures USING (row) WHERE label <> 0.5 ORDER BY row
"""


def style_tells_the_better_answer(survey: Survey) -> None:
    """AUC of the style-only classifier, and the features that it goes by.

    A label below one half turns a pair round; a pair weighs as far as its label is from one half.
    """
    measure_markup(survey)
    differences = ", ".join(f"d{number}" for number in range(len(FEATURES)))
    columns = survey.database.execute(PAIRS.format(differences=differences)).fetchnumpy()
    rows, prompts, certainty = columns["row"], columns["prompt_hash"], 2 * columns["label"] - 1
    if len(rows) < FEWEST_PAIRS:
        return
    towards = np.stack([columns[f"d{number}"] for number in range(len(FEATURES))], axis=1)
    towards *= np.sign(certainty)[:, None].astype(np.float32)
    scores, coefficients = judged(towards, np.abs(certainty), prompts)
    better = 1 / (1 + np.exp(-scores))
    probability = np.full(survey.rows, np.nan, np.float32)
    probability[rows] = np.where(certainty > 0, better, 1 - better)
    survey.score("style", probability)
    _add(survey, widened(mirrored_auc(scores, prompts)), rows[better >= CLEAR], _bars(towards, coefficients))


def judged(towards: Differences, weights: Shares, prompts: Hashes) -> tuple[Shares, Shares]:
    """Each pair's log-odds that its better answer is the better one by style, by a model of the other prompts' pairs;
    and the coefficients of a model of all pairs. `towards` is [pairs, features], better - worse."""
    from sklearn.linear_model import LogisticRegression

    scale = np.sqrt(np.mean(towards**2, axis=0))
    scaled = towards / np.where(scale > 0, scale, 1)
    folds = prompts % np.uint64(FOLDS)
    scores, model = np.zeros(len(towards)), LogisticRegression(fit_intercept=False)
    for fold in range(FOLDS):
        seen, unseen = folds != fold, folds == fold
        if seen.any() and unseen.any():
            scores[unseen] = _fit(model, scaled[seen], weights[seen]).decision_function(scaled[unseen])
    return scores, _fit(model, scaled, weights).coef_[0]


def _fit(model: Any, towards: Differences, weights: Shares) -> Any:
    """Every pair both ways round, so that neither side is the usual winner."""
    labels = np.repeat([1, 0], len(towards))
    return model.fit(np.concatenate([towards, -towards]), labels, np.concatenate([weights, weights]))


def mirrored_auc(scores: Shares, prompts: Hashes) -> Interval:
    """P(s_i > -s_j) for two different pairs, ties for half, with its 95 % interval.

    It is the AUC of pairs among their mirror images, a U-statistic of degree two; its variance is that of 2 h_i, where
    h_i is the share of pairs that i is ranked right against (Hoeffding 1948, as DeLong et al. 1988 for two samples),
    with pairs of one prompt taken together.
    """
    ordered, count = np.sort(scores), len(scores)
    low, high = np.searchsorted(ordered, -scores, "left"), np.searchsorted(ordered, -scores, "right")
    itself = np.where(scores > 0, 1.0, np.where(scores == 0, 0.5, 0.0))
    ranked = (count - high + (high - low) / 2 - itself) / (count - 1)
    auc = float(ranked.mean())
    _, prompt = np.unique(prompts, return_inverse=True)
    spread = Z95 * 2 * math.sqrt(float(np.sum(np.bincount(prompt, ranked - auc) ** 2))) / count
    return auc, max(0.0, auc - spread), min(1.0, auc + spread)


def widened(interval: Interval) -> Interval:
    """The interval of an area that was cross-validated: the folds' models share their training pairs, which Nadeau and
    Bengio (2003) allow for by a variance of 1/k + 1/(k - 1) in place of 1/k. On 40 versions of random features the
    areas spread by 0.035, the plain intervals said 0.023, these say 0.035."""
    area, low, high = interval
    factor = math.sqrt(1 + FOLDS / (FOLDS - 1))
    return area, max(0.0, area - factor * (area - low)), min(1.0, area + factor * (high - area))


def _bars(towards: Differences, coefficients: Shares) -> list[dict[str, Any]]:
    """The features that weigh most: how often the answer with more of it is the better one, where they differ."""
    bars = []
    for number in np.argsort(-np.abs(coefficients)):
        more, differing = int((towards[:, number] > 0).sum()), int((towards[:, number] != 0).sum())
        if differing:
            low, high = wilson(more, differing)
            share = more / differing
            bars.append({"label": FEATURES[number], "share": share, "low": low, "high": high, "count": differing})
    return bars[:MOST_SHOWN]


def _add(survey: Survey, auc: Interval, rows: RowNumbers, bars: list[dict[str, Any]]) -> None:
    area, low, high = auc
    biased = low > 0.5 and area >= NOTABLE
    figures = f"AUC {area:.2f} [{low:.2f}, {high:.2f}], where 0.5 is chance"
    sentence = (
        f"Style alone tells the better answer from the worse: {figures}. It decides "
        f"{counted(len(rows), 'pair', 'pairs')} clearly."
        if biased
        else f"Style alone says little about which answer is the better one: {figures}."
    )
    survey.found.add(
        "style_bias",
        sentence,
        harms=harms(
            Level.WARNING if biased else Level.INFO,
            dpo="A policy learns the cheapest thing that separates the answers, and style is cheap.",
            cpo="The floor does not know style from content; what separates the answers is learnt first.",
            rlhf="The reward model pays for style, and RL will find that out.",
        ),
        action="Look at the pairs that style alone decides; give them less weight, or leave some out."
        if biased
        else "Nothing to do.",
        threshold=f"A warning when the AUC is at least {NOTABLE} and its interval excludes 0.5, a heuristic; a pair is "
        f"listed from P(better) {CLEAR} by style on.",
        actions=("weight", "drop") if biased else (),
        count=len(rows) if biased else 0,
        total=survey.pairs,
        rows=rows if biased else (),
        is_share=biased,
        picture={
            "kind": "bars",
            "of": "what the answer has more of",
            "shares": "is the better one",
            "bars": bars,
            "reference": 0.5,
        },
    )
