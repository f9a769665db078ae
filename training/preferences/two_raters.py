"""What agreement says about errors."""

from __future__ import annotations

from math import sqrt


def flip_rate(agreement: float) -> float:
    """The share of single votes that are wrong, from how often two of them agree.

    Raters who err independently and equally often agree with probability a = q² + (1 − q)², so that
    q = (1 + √(2a − 1)) / 2; at a ≤ 1/2 they know nothing and half of their votes are wrong.
    """
    return (1 - sqrt(2 * agreement - 1)) / 2 if agreement > 0.5 else 0.5
