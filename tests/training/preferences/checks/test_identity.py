"""The digest of the rules changes with whatever could change a report, and with nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from training.preferences.checks.identity import ROOT, digest_of, modules, rules_digest
from training.preferences.checks.rules import RULES

ENTRANCE = "rules.report"
FILES = {
    "__init__.py": "",
    "report.py": "from rules import settings\nfrom rules.one import LIMIT\n\ndef look():\n    import rules.late\n",
    "one.py": '"""Says what it is."""\nLIMIT = 1\n"""Says what it means."""\n',
    "late.py": "from .deep import two\n",
    "deep/__init__.py": "",
    "deep/two.py": "import json\n",
    "settings.py": "SIZE = 2\n",
    "elsewhere.py": "OTHER = 3\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "rules" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def changed(package: Path, name: str, old: str, new: str) -> bool:
    before = digest_of(package, ENTRANCE)
    path = package / "rules" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return digest_of(package, ENTRANCE) != before


def test_it_covers_every_module_that_is_imported_at_whatever_place(package):
    expected = {"rules", "rules.report", "rules.settings", "rules.one", "rules.late", "rules.deep", "rules.deep.two"}
    assert modules(package, ENTRANCE) == expected


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("report.py", "def look", "def looks"),
        ("one.py", "LIMIT = 1", "LIMIT = 2"),
        ("deep/two.py", "json", "csv"),
        ("settings.py", "2", "3"),
    ],
)
def test_a_change_of_code_changes_it(package, name, old, new):
    assert changed(package, name, old, new)


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("one.py", "Says what it is.", "Says it better."),
        ("one.py", "Says what it means.", "Means it."),
        ("one.py", "LIMIT = 1", "# Why so few.\nLIMIT  =  1"),
        ("elsewhere.py", "3", "4"),
    ],
)
def test_words_and_layout_and_other_modules_do_not(package, name, old, new):
    assert not changed(package, name, old, new)


def test_every_rule_and_what_it_computes_with_is_covered():
    covered = modules()
    assert {rule.__module__ for rule in RULES} <= covered
    helpers = {"noise.estimate", "noise.model", "noise.features", "coverage.drawing", "store", "survey", "chat_tokens"}
    assert {f"training.preferences.{name}" for name in helpers} <= covered
    assert not any(name.startswith(("training.views", "training.models")) for name in covered)


def test_a_threshold_of_a_real_rule_counts(tmp_path):
    shutil.copytree(ROOT / "training", tmp_path / "training", ignore=shutil.ignore_patterns("__pycache__", "engine"))
    assert digest_of(tmp_path, "training.preferences.report") == rules_digest()
    rule = tmp_path / "training/preferences/checks/near_duplicates.py"
    rule.write_text(rule.read_text() + "\nANOTHER_THRESHOLD = 0.5\n")
    assert digest_of(tmp_path, "training.preferences.report") != rules_digest()
