"""The environment of every test, set before Django reads its settings (loaded by `-p` in pyproject.toml).

Each pytest process gets a data folder of its own under one temporary folder, removed at the end.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ROOT_VARIABLE = "ALIGNAPP_TEST_ROOT"


def prepare() -> None:
    """Point the settings at a fresh folder and away from any model hub."""
    if ROOT_VARIABLE not in os.environ:
        root = tempfile.mkdtemp(prefix="alignapp-tests-")
        os.environ[ROOT_VARIABLE] = root
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    home = Path(os.environ[ROOT_VARIABLE], os.environ.get("PYTEST_XDIST_WORKER", "main"))
    (home / "static").mkdir(parents=True, exist_ok=True)  # WhiteNoise warns of a folder that is missing
    os.environ.update(
        ALIGNAPP_HOME=str(home),
        SECRET_KEY="a key for the tests only",
        DEBUG="true",
        HF_HUB_OFFLINE="1",
        BROKER_URL="redis://127.0.0.1:1/0",  # nothing listens there: a test must not wake a demo that runs beside it
        TOKENIZERS_PARALLELISM="false",
        RATING_MOST_PER_MINUTE="0",  # tests judge faster than people; those about haste set their own limit
    )
    # Two pytest processes on two cores: more threads than one each make both slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


prepare()
