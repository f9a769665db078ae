"""From agreement to errors."""

from __future__ import annotations

import pytest

from training.preferences.two_raters import flip_rate


@pytest.mark.parametrize(
    "agreement, flips",
    [(1.0, 0.0), (0.81, 0.106), (0.77, 0.133), (0.726, 0.164), (0.63, 0.245), (0.5, 0.5), (0.3, 0.5)],
)
def test_agreement_gives_the_share_of_wrong_votes(agreement, flips):
    """For a = 0.63: (1 - √0.26) / 2 = (1 - 0.5099) / 2 = 0.245; the others are the project's table."""
    assert round(flip_rate(agreement), 3) == flips
