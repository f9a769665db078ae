"""`make test`: see that the browser and PostgreSQL are there, then run pytest in two processes.

What is missing and cannot be installed is named here, and the tests that need it fail with the same sentence.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tooling import needs
from tooling.demo import do_without_compiler

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> None:
    """Become pytest."""
    do_without_compiler(os.environ)
    for need in (needs.chromium, needs.postgresql_binaries):
        try:
            need()
        except needs.Missing as missing:
            print(f"test: {missing}", flush=True)
    os.chdir(ROOT)
    # Groups (tests/conftest.py) keep a file together and the heavy tests on one core; order is kept, heavy first.
    options = ["-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder"]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *options, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
