"""`python -m bench.rating [--only raters …]`: blind rating at once and unseen, and the statistics to believe it."""

from __future__ import annotations

import os
import sys

from bench.parts import Parts

PARTS = Parts(
    "bench.rating",
    ("strengths", "raters", "raters_at_once", "blindness"),
    "blind rating, and the statistics to believe it",
)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(PARTS.main(__doc__ or ""))
