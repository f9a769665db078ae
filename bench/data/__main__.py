"""`python -m bench.data [--only noise …]`: what the data report finds, what cleaning pays, how fast all of it is."""

from __future__ import annotations

import os
import sys

from bench.parts import Parts

QUESTIONS = ("planted", "noise", "coverage", "reporting", "importing", "browsing", "cleaning_pays")
"""The last one trains, and takes longest."""
PARTS = Parts("bench.data", QUESTIONS, "preference data that can be trusted")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sys.exit(PARTS.main(__doc__ or ""))
