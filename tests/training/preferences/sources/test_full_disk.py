"""An import onto a disk that is full: a real file system of one MiB, mounted in a name space of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import ROOT_VARIABLE

ROOT = Path(__file__).resolve().parents[4]
MOUNT = "mount -t tmpfs -o size=1m tmpfs"
IMPORT = """
import os, sys, django
from pathlib import Path
django.setup()
from django.core.management import call_command
from training.preferences.importing import dataset_named, import_file
call_command("migrate", verbosity=0)
job = import_file(Path(sys.argv[1]), dataset_named("Islands"))
print(job.state, job.error)
print([str(path) for path in Path(os.environ["ALIGNAPP_HOME"]).rglob("*") if path.is_file()])
"""


@pytest.fixture
def disk(tmp_path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    tried = subprocess.run(["unshare", "-rm", "sh", "-c", f"{MOUNT} {folder}"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("mounting a file system is not allowed here")
    return folder


def test_a_full_disk_ends_the_import_with_a_sentence_and_no_file(tmp_path, disk):
    """8 MB of pairs whose texts do not shrink below one half."""
    source = tmp_path / "pairs.jsonl"
    with source.open("w") as file:
        for _ in range(8000):
            text = os.urandom(250).hex()
            file.write(f'{{"prompt": "{text}", "chosen": "{text[1:]}", "rejected": "no"}}\n')
    command = f"{MOUNT} {disk} && exec {sys.executable} -c '{IMPORT}' {source}"
    home = {"ALIGNAPP_HOME": str(disk), "DATABASE_URL": f"sqlite:///{tmp_path / 'test.sqlite3'}"}
    environment = {**os.environ, **home, "DJANGO_SETTINGS_MODULE": "alignapp.settings", "PYTHONPATH": str(ROOT)}
    environment.pop(ROOT_VARIABLE)
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    said, left = done.stdout.splitlines()[-2:]
    assert said.startswith("failed The disk is full."), done.stderr
    assert left == "[]"
