"""Votes written as rows, for tests whose figures are worked out by hand."""

from __future__ import annotations

import numpy as np

from comparisons.statistics.votes import Votes


def votes_of(rows, policies=2, prompts=None, raters=None, **columns):
    """Rows are (left, right, score, how often); every vote has its own prompt and rater unless some are given."""
    flat = [row[:3] for row in rows for _ in range(row[3])]
    left, right, score = (np.array(column) for column in zip(*flat, strict=True))
    each = np.arange(len(flat))
    prompt, rater = (each if ids is None else np.asarray(ids).astype(np.int64) for ids in (prompts, raters))
    return Votes(left.astype(np.int64), right.astype(np.int64), score.astype(float), rater, prompt, policies, **columns)


NOTHING = np.array([], dtype=np.int64)
NO_VOTES = Votes(NOTHING, NOTHING, NOTHING.astype(float), NOTHING, NOTHING, 2)
