"""Sources that are not as one would wish, through the whole import: what is made of them, and that nothing is left."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.training.preferences.pairs import source_line
from training.models import DatasetVersion, ImportJob, ImportState
from training.preferences import importing, reading, reporting, store
from training.preferences.reading import HubAddress
from training.preferences.refused import read_refused
from training.preferences.sources import open_source

pytestmark = pytest.mark.django_db

GOOD = {"prompt": "Capital?", "chosen": "Aro.", "rejected": "Teku."}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path / "home")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def imported(path: Path) -> ImportJob:
    return importing.import_file(path, importing.dataset_named("Islands"))


def parquet(folder: Path, rows: Any) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), path)
    return path


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"loss": [0.1, 0.2], "step": [1, 2]}),
        pa.table({"prompt": [1, 2], "chosen": [3, 4], "rejected": [5, 6]}),
        pa.table({"prompt": ["a", "b"], "chosen": pa.nulls(2), "rejected": pa.nulls(2)}),
        pa.table({name: [{"text": name}] * 2 for name in GOOD}),
    ],
    ids=["other columns", "numbers", "nulls", "structures"],
)
def test_parquet_with_the_wrong_schema_is_a_clear_error_and_no_version(tmp_path, home, table):
    job = imported(parquet(tmp_path, table))
    assert job.state == ImportState.FAILED
    assert "be used. Nothing was imported. " in job.error
    assert not DatasetVersion.objects.exists()
    assert files(home) == {f"rejects/{job.pk}.jsonl"}


def test_nulls_within_rows_cost_their_rows_alone_and_stay_null_in_what_is_kept(tmp_path):
    turns = [{"role": "user", "content": "Capital?"}]
    answer = [{"role": "assistant", "content": "Aro."}]
    facts = {"judge": None, "votes": [None, {"by": None}]}
    rows = [
        {"prompt": turns, "chosen": answer, "rejected": [{"role": "assistant", "content": "Teku."}], "facts": facts},
        {"prompt": turns, "chosen": [{"role": "assistant", "content": None}], "rejected": answer, "facts": None},
        {"prompt": turns, "chosen": [None], "rejected": answer, "facts": None},
        {"prompt": [{"role": None, "content": "Capital?"}], "chosen": answer, "rejected": answer, "facts": None},
        {"prompt": None, "chosen": answer, "rejected": answer, "facts": None},
        {"prompt": turns, "chosen": None, "rejected": answer, "facts": None},
    ]
    job = imported(parquet(tmp_path, rows))
    version = DatasetVersion.objects.get()
    assert (job.accepted, job.rejected) == (1, 5)
    [kept] = store.read_pairs(version.path)
    assert kept.extra == {"facts": facts}
    assert [refusal.line for refusal in read_refused(job.rejects_path, 9)] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_names_of_columns_in_another_case_are_the_same_names(tmp_path, suffix):
    row = {"PROMPT": "Capital?", "Chosen": "Aro.", "rejecteD": "Teku.", "Annotator-ID": "ann"}
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        path = parquet(tmp_path, [row])
    elif suffix == "csv":
        path.write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    else:
        path.write_text(json.dumps(row) + "\n")
    assert imported(path).state == ImportState.SUCCEEDED
    [kept] = store.read_pairs(DatasetVersion.objects.get().path)
    assert (kept.prompt[0].content, kept.chosen[0].content, kept.annotator) == ("Capital?", "Aro.", "ann")
    assert kept.rejected is not None
    assert kept.extra == {}


def test_a_row_of_a_hundred_megabytes_is_listed_and_the_others_are_imported(tmp_path):
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.write(source_line("one?") + b'{"prompt": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'", "chosen": "a", "rejected": "b"}\n' + source_line("two?"))
    job = imported(path)
    assert (job.state, job.accepted, job.rejected) == (ImportState.SUCCEEDED, 2, 1)
    [refusal] = read_refused(job.rejects_path, 9)
    assert (refusal.line, refusal.problem) == (2, "line_too_long")
    assert job.rejects_path.stat().st_size < 100_000


@pytest.mark.parametrize(
    "scores, margin", [((9.0, 4.5), 4.5), ((4.0, 9.0), None), ((None, 4.0), None), (("high", 4.0), None)]
)
def test_the_margin_of_binarized_ratings_is_their_difference(tmp_path, scores, margin):
    """9 - 4.5; none where a score is missing, is no number, or contradicts the pair. The scores themselves are kept."""
    path = tmp_path / "rows.jsonl"
    rated = {"score_chosen": 8, "score_rejected": 7}
    rows = [GOOD | rated, GOOD | {"prompt": "q"} | dict(zip(rated, scores, strict=True))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported(path)
    version = DatasetVersion.objects.get()
    first, second = sorted(store.read_pairs(version.path), key=lambda pair: pair.line or 0)
    assert (first.margin, second.margin) == (1.0, margin)
    assert first.extra == rated
    assert version.origin["rule"].startswith("Margin: score_chosen - score_rejected")


def test_a_margin_of_its_own_goes_before_the_difference_of_scores(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(GOOD | {"score_chosen": 9, "score_rejected": 4, "margin": 2}) + "\n")
    imported(path)
    [kept] = store.read_pairs(DatasetVersion.objects.get().path)
    assert kept.margin == 2


def test_the_report_says_what_the_import_left_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    same, empty = GOOD | {"rejected": "Aro."}, GOOD | {"chosen": " "}
    path.write_text("".join(json.dumps(row) + "\n" for row in (GOOD, same, same, empty)))
    imported(path)
    reporting.make_missing()
    report = reporting.report_of(DatasetVersion.objects.get())
    assert report is not None
    found = report.finding("not_imported")
    assert found is not None
    assert (found.count, found.total, found.level) == (3, 4, "info")
    assert ": 2; " in found.sentence


# --- A data set of a hub, by the command --------------------------------------------------------------------------


def test_the_command_imports_a_data_set_of_a_hub(tmp_path, monkeypatch, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(source_line("one?") + source_line("two?"))
    asked: list[HubAddress] = []

    @contextmanager
    def hub(address: HubAddress):
        asked.append(address)
        with open_source(path) as source:
            yield source

    monkeypatch.setattr(reading, "_hub", hub)
    call_command("import_pairs", hub="team/pairs", config="main", split="test", dataset="Mine")
    assert asked == [HubAddress(name="team/pairs", config="main", split="test")]
    assert "Mine v1: " in capsys.readouterr().out
    version = DatasetVersion.objects.get()
    assert (version.rows, version.origin["label"]) == (2, "team/pairs")


@pytest.mark.parametrize("named", [{}, {"file": "rows.jsonl", "hub": "team/pairs"}])
def test_the_command_wants_one_source(named):
    with pytest.raises(CommandError, match="either a file or folder, or a data set"):
        call_command("import_pairs", *filter(None, [named.get("file")]), hub=named.get("hub"), dataset="Mine")
