"""The files of an export are loaded by those who read them: our importer, pyarrow, `datasets`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from comparisons.export import BothBad, Export, Form, Rule, as_folder, as_json_lines, as_parquet
from comparisons.models import Answer
from tests.comparisons.export.material import study_with, three_policies
from tests.comparisons.rating_factories import rewrite
from training.preferences import store
from training.preferences.formats import read_line
from training.preferences.records import Pair
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("form", list(Form))
def test_json_lines_come_back_through_the_importer(form):
    export = Export(study_with([["first", "first", "second"], ["second"]]), Rule())
    lines = b"".join(as_json_lines(export, form)).splitlines()
    back = [read_line(line, number) for number, line in enumerate(lines, start=1)]
    assert all(isinstance(pair, Pair) for pair in back)
    assert [pair.chosen for pair in back] == [pair.chosen for pair in export.pairs()]


@pytest.mark.parametrize("form", list(Form))
def test_parquet_holds_the_same_rows_as_json_lines_in_their_order(form, monkeypatch):
    """100,000 characters to a row group of 50 kB: the order holds across row groups."""
    monkeypatch.setattr(store, "WRITTEN_GROUP", {"row_group_size": 2_048, "row_group_size_bytes": "50KB"})
    study = study_with([["first", "second", "first"]] * 8)
    for answer in Answer.objects.all():
        hostile = f"{answer.text} \x00 “hostile”,\\ \n {'long ' * 20_000}"
        rewrite(Answer.objects.filter(pk=answer.pk), text=hostile)
    export = Export(study, Rule())
    table = pq.ParquetFile(io.BytesIO(b"".join(as_parquet(export, form))))
    lines = b"".join(as_json_lines(export, form)).splitlines()
    assert table.num_row_groups > 1
    assert table.read().to_pylist() == [json.loads(line) for line in lines]


TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
FACTS = {
    **dict.fromkeys(("weight", "label", "margin", "agreement", "certainty", "posterior"), pa.float64()),
    **dict.fromkeys(("item", "won_item", "seed"), pa.int64()),
    **dict.fromkeys(("study", "chosen_policy", "rejected_policy", "engine"), pa.string()),
    **dict.fromkeys(("tags", "raters"), pa.list_(pa.string())),
    "guidelines": pa.list_(pa.int64()),
    "adjudicated": pa.bool_(),
    "votes": pa.struct([(name, pa.int64()) for name in ("chosen", "rejected", "tie", "both_bad")]),
    "sampling": pa.struct([("temperature", pa.float64()), ("top_p", pa.float64()), ("max_tokens", pa.int64())]),
}


@pytest.mark.parametrize("form, text", [(Form.PLAIN, pa.string()), (Form.CONVERSATIONAL, TURNS)])
def test_parquet_has_the_same_types_whatever_is_unknown(form, text):
    """A column that is null in every row, such as the margin here, has its type all the same."""
    table = pq.read_table(io.BytesIO(b"".join(as_parquet(Export(study_with([["first"]]), Rule()), form))))
    assert table["margin"].null_count == 1
    answers = dict.fromkeys(("prompt", "chosen", "rejected"), text)
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == answers | FACTS


def test_the_folder_has_the_types_and_sides_of_a_sealed_version(tmp_path):
    export = Export(study_with([["first", "first", "second"]] * 40), Rule())
    sealed = seal_pairs(export.pairs(), tmp_path, PromptSplit())
    copy = tmp_path / "copy.parquet"
    with zipfile.ZipFile(io.BytesIO(b"".join(as_folder(export)))) as archive:
        for split in ("train", "held_out"):
            store.copy_for_trl(sealed.path, copy, plain=False, demonstrations=False, split=split)
            [name] = [name for name in archive.namelist() if name.endswith(f"{split}.parquet")]
            assert pq.read_table(io.BytesIO(archive.read(name))).equals(pq.read_table(copy))


def test_every_row_has_the_same_columns_hard_negatives_too():
    study = three_policies({(0, 1): "bad", (0, 2): "second"})
    export = Export(study, Rule(both_bad=BothBad.HARD_NEGATIVES))
    rows = [json.loads(line) for line in b"".join(as_json_lines(export, Form.CONVERSATIONAL)).splitlines()]
    assert [row["tags"] for row in rows] == [[], ["hard-negative"]]
    assert rows[0].keys() == rows[1].keys()
    assert pq.read_table(io.BytesIO(b"".join(as_parquet(export, Form.PLAIN)))).num_rows == 2


LOAD = """
import json, sys
from datasets import load_dataset
found = load_dataset(sys.argv[1])
print(json.dumps({name: [rows.num_rows, rows.column_names, rows[0]] for name, rows in found.items()}))
"""


def test_the_folder_is_loaded_by_datasets_without_a_network(tmp_path):
    """Forty prompts: some are held out, and no prompt is on both sides."""
    export = Export(study_with([["first", "first", "second"]] * 40, name="Ferry “tests”: #1"), Rule())
    with zipfile.ZipFile(io.BytesIO(b"".join(as_folder(export)))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    [folder] = tmp_path.iterdir()
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", LOAD, str(folder)]
    done = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"train", "held_out"}
    assert found["train"][0] + found["held_out"][0] == 40
    row = found["train"][2]
    assert [turn["role"] for turn in row["chosen"]] == ["assistant"]
    assert json.loads(row["extra"])["votes"] == {"chosen": 2, "rejected": 1, "tie": 0, "both_bad": 0}
    readme = (folder / "README.md").read_text()
    assert readme.startswith('---\npretty_name: "Ferry “tests”: #1"\n')
    assert "## Known limits" in readme


def test_a_folder_of_one_prompt_has_no_held_out_file():
    with zipfile.ZipFile(io.BytesIO(b"".join(as_folder(Export(study_with([["first"]]), Rule()))))) as archive:
        names = archive.namelist()
        readme = archive.read(names[0]).decode()
    assert [name.rpartition("/")[2] for name in names] == ["README.md", "train.parquet"]
    assert "held_out.parquet" not in readme


def test_a_download_that_is_given_up_leaves_no_file_behind(settings):
    before = set(settings.FILE_UPLOAD_TEMP_DIR.iterdir())
    chunks = as_folder(Export(study_with([["first"]] * 3), Rule()))
    next(chunks)
    del chunks
    assert set(settings.FILE_UPLOAD_TEMP_DIR.iterdir()) == before
