"""What may be in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LARGEST = 3 * 1024 * 1024
# Absolute paths of somebody's own machine. (/usr, /opt/venv in the image, /proc and the like are the same everywhere.)
PERSONAL = re.compile(rb"(?<![\w.])/(home|Users|root|work|tmp)/[\w.-]+/")
# The address of a package registry belongs into pip's or npm's configuration.
REGISTRY = re.compile(rb"https?://[\w.-]*(pypi|pythonhosted|npmjs|download\.pytorch)[\w.-]*")


def tracked_files() -> list[Path]:
    """Every file that git tracks and that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def naming(pattern: re.Pattern[bytes]) -> list[str]:
    """The tracked files in which `pattern` occurs, vendored ones aside, each with its first match."""
    own = [path for path in tracked_files() if "static/vendor" not in path.as_posix() and path != Path(__file__)]
    matches = ((path, pattern.search(path.read_bytes())) for path in own)
    return [f"{path.relative_to(ROOT)}: {match[0].decode()}" for path, match in matches if match]


def test_no_file_names_a_path_of_somebodys_machine():
    assert naming(PERSONAL) == []


def test_no_file_names_a_package_registry():
    assert naming(REGISTRY) == []


def test_no_file_is_larger_than_three_megabytes():
    assert [path.name for path in tracked_files() if path.stat().st_size > LARGEST] == []
