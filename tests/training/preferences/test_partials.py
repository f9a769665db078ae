"""Files and folders in the making: whole or not there, and cleared when their writer was killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from tests.training.preferences.killing import kill_when
from training.preferences import store
from training.preferences.partials import publish, remove_abandoned, scratch, unfinished


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_published_and_else_never(home):
    for wanted in (True, False):
        with unfinished(home / "a.json") as file:
            file.write(b"{}")
            assert any(name.startswith(".a.json-") for name in names(home))
            if wanted:
                publish(file, home / "a.json")
                assert (home / "a.json").read_bytes() == b"{}"
    assert names(home) == ["a.json"]


def test_what_an_error_interrupts_leaves_nothing(home):
    def fail() -> None:
        with unfinished(home / "a.json") as file, scratch(home / "b", "work"):
            file.write(b"{")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert names(home) == []


def test_what_a_living_writer_holds_is_not_taken_for_abandoned(home):
    with unfinished(home / "a.json"), scratch(home / "a.json", "work") as folder:
        before = names(home)
        remove_abandoned(home, ".a*")
        assert names(home) == before
        (folder / "text").write_text("mine")


WORK = """
from training.preferences import partials
with partials.scratch(settings.HOME / "a.parquet", "embeddings") as folder:
    (folder / "vectors").write_bytes(b"0" * 1000)
    time.sleep(60)
"""


@pytest.mark.django_db
def test_a_folder_whose_process_was_killed_goes_with_the_next(home):
    kill_when(lambda: any(home.rglob("vectors")), WORK)
    assert any(home.rglob("vectors"))
    with scratch(home / "a.parquet", "embeddings") as folder:
        assert names(home) == [folder.name]
    assert names(home) == []


SPILL = """
from training.preferences import store
store.MEMORY_LIMIT = "60MB"
with store.connection(settings.HOME / "a.parquet") as database:
    database.execute("CREATE TABLE t AS SELECT range AS a, hash(range) AS b FROM range(8000000)")
    time.sleep(60)
"""


@pytest.mark.django_db
def test_what_a_killed_process_spilled_beside_its_file_goes_when_the_next_one_spills(home, monkeypatch):
    kill_when(lambda: any((home / store.SPILL).glob("*")), SPILL)
    assert names(home) == [store.SPILL]
    monkeypatch.setattr(store, "MEMORY_LIMIT", "60MB")
    with store.connection(home / "a.parquet") as database:
        database.execute("CREATE TABLE t AS SELECT range AS a, hash(range) AS b FROM range(8000000)")
        assert names(home / store.SPILL)
    assert not any((home / store.SPILL).glob("*"))
