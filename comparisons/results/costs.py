"""What each policy cost to train, and how it served the study's answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.models import Answer, Contender
from training.models import Run


@dataclass(frozen=True, slots=True)
class Cost:
    """What a policy cost to train and how it served this study, as measured. Rates are tokens per second."""

    contender: Contender
    run: Run | None
    answers: int
    first_token_ms: float | None
    first_token_p95_ms: float | None
    rate_median: float | None
    rate_slow5: float | None
    mean_tokens: float | None
    cut_off: int
    retries: int
    refused: int


def cost_of(contender: Contender) -> Cost:
    columns = "tokens", "first_token_seconds", "total_seconds", "finish_reason", "retries", "error"
    rows = list(Answer.objects.filter(contender=contender).values_list(*columns))
    given = [row for row in rows if not row[5]]
    first_token = np.array([1000 * row[1] for row in given])
    rates = np.array([row[0] / row[2] for row in given if row[2] > 0])
    return Cost(
        contender=contender,
        run=contender.policy.run,
        answers=len(given),
        first_token_ms=_quantile(first_token, 0.5),
        first_token_p95_ms=_quantile(first_token, 0.95),
        rate_median=_quantile(rates, 0.5),
        rate_slow5=_quantile(rates, 0.05),
        mean_tokens=sum(row[0] for row in given) / len(given) if given else None,
        cut_off=sum(row[3] == "length" for row in given),
        retries=sum(row[4] for row in rows),
        refused=len(rows) - len(given),
    )


def _quantile(values: np.ndarray, share: float) -> float | None:
    return float(np.quantile(values, share)) if len(values) else None
