"""Units drawn again, kind by kind."""

from __future__ import annotations

import numpy as np
import pytest

from comparisons.statistics import bootstrap
from comparisons.statistics.bootstrap import percentiles, redraws


def test_every_resample_holds_as_many_units_as_there_are():
    drawn = np.concatenate(list(redraws(np.array([5, 0, 7]), resamples=50)))
    assert drawn.shape == (50, 3)
    assert (drawn.sum(axis=1) == 12).all()
    assert (drawn[:, 1] == 0).all()


def test_kinds_are_drawn_as_single_units_would_be():
    """Of 12 units drawn, those of a kind with 5 are Binomial(12, 5/12): mean 5, variance 12 · 5/12 · 7/12 = 2.9167.
    Over 20,000 draws the mean is within 4 · 1.708 / 141 = 0.05, the variance within about 4 · 2.92 · sqrt(2/20000) =
    0.12."""
    drawn = np.concatenate(list(redraws(np.array([5, 7]), resamples=20_000)))[:, 0]
    assert drawn.mean() == pytest.approx(5, abs=0.05)
    assert drawn.var() == pytest.approx(2.9167, abs=0.12)


def test_blocks_do_not_change_what_is_drawn(monkeypatch):
    whole = np.concatenate(list(redraws(np.array([3, 4, 5]), resamples=30)))
    monkeypatch.setattr(bootstrap, "DRAWN_AT_ONCE", 12)
    blocks = list(redraws(np.array([3, 4, 5]), resamples=30))
    assert [len(block) for block in blocks] == [4] * 7 + [2]
    assert (np.concatenate(blocks) == whole).all()


def test_percentiles_leave_out_what_is_not_a_number():
    """0 to 100 with a NaN between: the middle 95 % are 2.5 to 97.5."""
    assert percentiles(np.append(np.arange(101.0), np.nan)) == pytest.approx((2.5, 97.5))
    assert percentiles(np.array([np.nan])) is None
