"""A data set may name its own files alone: in its cards, beside saved data, in a folder and on a hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.preferences.sources.files import LINES, ROWS
from tests.training.preferences.sources.hub_server import hub_of
from training.preferences.sources import UnreadableFile, declared, open_hub

ELSEWHERE = [
    "{outside}/private.jsonl",
    "../private.jsonl",
    "data/../../private.jsonl",
    "~/private.jsonl",
    "file://{outside}/private.jsonl",
    "http://127.0.0.1:{port}/elsewhere.jsonl",
    "hf://datasets/team/other/train.jsonl",
    "zip://*.jsonl::{outside}/private.zip",
]


def card(data_files: object, **more: object) -> str:
    """JSON is YAML."""
    return (
        f"---\nconfigs: {json.dumps([{'config_name': 'default', 'data_files': data_files, **more}])}\n---\n# A card\n"
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data set beside a file that is not its own."""
    (tmp_path / "private.jsonl").write_bytes(LINES)
    folder = tmp_path / "offered"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.jsonl").write_bytes(LINES)
    return folder


def rows_of(folder: Path) -> int:
    with open_hub(str(folder)) as source:
        return len(list(source))


# --- Folders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ELSEWHERE)
@pytest.mark.parametrize("shape", ["text", "list", "splits"])
def test_a_card_that_names_files_elsewhere_is_refused(folder, named, shape):
    named = named.format(outside=folder.parent, port=9)
    shapes = {"text": named, "list": ["data/*.jsonl", named], "splits": [{"split": "train", "path": [named]}]}
    (folder / "README.md").write_text(card(shapes[shape]))
    with pytest.raises(UnreadableFile, match="names a file outside of itself"):
        rows_of(folder)


def test_other_line_ends_do_not_hide_what_a_card_names(folder):
    text = card("../private.jsonl").replace("\n", "\r", 2)
    (folder / "README.md").write_bytes(text.encode())
    with pytest.raises(UnreadableFile, match="names a file outside of itself"):
        declared.check_folder(folder)


@pytest.mark.parametrize("place", ["/etc", "..", "data/.."])
def test_a_card_that_names_a_folder_elsewhere_is_refused(folder, place):
    (folder / "README.md").write_text(card("*.jsonl", data_dir=place))
    with pytest.raises(UnreadableFile, match="names a file outside of itself"):
        rows_of(folder)


def test_the_second_card_is_looked_at_too(folder):
    (folder / "README.md").write_text(card("data/*.jsonl"))
    text = json.dumps({"configs": [{"config_name": "default", "data_files": "../private.jsonl"}]})
    (folder / ".huggingface.yaml").write_text(text)
    with pytest.raises(UnreadableFile, match="names a file outside of itself"):
        rows_of(folder)


@pytest.mark.parametrize("named", ["data/*.jsonl", "./data/train.jsonl", "**/*.jsonl", ["data/train.jsonl"]])
def test_a_card_that_names_its_own_files_is_followed(folder, named):
    (folder / "README.md").write_text(card(named))
    assert rows_of(folder) == len(ROWS)


def test_a_card_that_cannot_be_read_is_refused_and_one_without_data_is_not(folder):
    (folder / "README.md").write_text("---\nconfigs: [\n---\n")
    with pytest.raises(UnreadableFile, match=r"README\.md of 'offered' cannot be read"):
        rows_of(folder)
    (folder / "README.md").write_text("# Only words\n---\nconfigs: [\n---\n")
    assert rows_of(folder) == len(ROWS)


def test_a_card_that_names_one_part_a_billion_times_is_looked_through_at_once(folder):
    parts = ["a0: &a0 ['x']", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    (folder / "README.md").write_text("\n".join(["---", *parts, "configs: [{data_files: *a9}]", "---"]))
    declared.check_folder(folder)


def test_what_the_library_made_of_a_card_is_checked_as_well(folder):
    """Had the words not been seen through."""
    from datasets import load_dataset_builder

    (folder / "README.md").write_text(card("../private.jsonl"))
    builder = load_dataset_builder(str(folder))
    with pytest.raises(UnreadableFile, match="names a file outside of itself"):
        declared.check_resolved(builder, "offered", [str(folder)])


# --- Saved folders ------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path) -> Path:
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "private")
    DatasetDict(train=Dataset.from_list(ROWS)).save_to_disk(tmp_path / "offered")
    return tmp_path / "offered"


@pytest.mark.parametrize("named", ["../../private/data-00000-of-00001.arrow", "{outside}/data-00000-of-00001.arrow"])
def test_saved_data_that_names_files_elsewhere_is_refused(saved, named):
    state = saved / "train" / "state.json"
    values = json.loads(state.read_text())
    values["_data_files"] = [{"filename": named.format(outside=saved.parent / "private")}]
    state.write_text(json.dumps(values))
    with pytest.raises(UnreadableFile, match="names a file outside of itself"):
        rows_of(saved)


@pytest.mark.parametrize("named", ["../private", "{outside}/private"])
def test_saved_data_that_names_splits_elsewhere_is_refused(saved, named):
    (saved / "dataset_dict.json").write_text(json.dumps({"splits": [named.format(outside=saved.parent)]}))
    with pytest.raises(UnreadableFile, match="names a file outside of itself"):
        rows_of(saved)


# --- A hub --------------------------------------------------------------------------------------------------------

READ = """
import json, sys
from training.preferences.sources import UnreadableFile, open_hub
told = {}
for name in sys.argv[1:]:
    try:
        with open_hub(name) as source:
            told[name] = len(list(source))
    except UnreadableFile as error:
        told[name] = str(error)
print(json.dumps([told, "torch" in sys.modules]))
"""


def test_a_data_set_of_a_hub_is_streamed_and_one_that_names_files_elsewhere_is_refused(tmp_path):
    """By the real libraries, in a process of their own, against a hub on this machine. No address that a card names is
    asked for, and streams load no torch."""
    (tmp_path / "private.jsonl").write_bytes(LINES)
    with hub_of(tmp_path / "hub") as hub:
        cards = {"own": card("data/*.jsonl"), "plain": "# No configuration"}
        cards |= {f"evil-{n}": card(w.format(outside=tmp_path, port=hub.server_port)) for n, w in enumerate(ELSEWHERE)}
        cards["folder"] = card("*.jsonl", data_dir=str(tmp_path))
        for name, text in cards.items():
            data = tmp_path / "hub" / "team" / name / "data"
            data.mkdir(parents=True)
            (data / "train.jsonl").write_bytes(LINES)
            (data.parent / "README.md").write_text(text)
        environment = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "cache")}
        names = [f"team/{name}" for name in cards]
        command = [sys.executable, "-c", READ, *names]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    told, has_torch = json.loads(done.stdout)
    assert (told.pop("team/own"), told.pop("team/plain"), has_torch) == (len(ROWS), len(ROWS), False)
    assert {name: "names a file outside of itself" in text for name, text in told.items()} == dict.fromkeys(told, True)
    assert "/elsewhere.jsonl" not in hub.asked
