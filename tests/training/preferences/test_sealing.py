"""Sealed versions: deterministic, whole or absent, read back as they were written."""

from __future__ import annotations

import errno
import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.preferences.pairs import pair
from training.preferences import sealing, store
from training.preferences.records import Message, Pair
from training.preferences.sealing import NothingToSeal, SealedWriter, seal_pairs
from training.preferences.splits import PromptSplit

MANY = [pair(f"prompt {number}", line=number + 1) for number in range(50)]


def test_the_name_of_a_sealed_file_is_its_digest(tmp_path):
    sealed = seal_pairs(MANY, tmp_path, PromptSplit())
    assert sealed.path == tmp_path / f"{sealed.sha256}.parquet"
    assert hashlib.sha256(sealed.path.read_bytes()).hexdigest() == sealed.sha256
    assert sealed.path.stat().st_size == sealed.size


def test_equal_rows_make_equal_bytes(tmp_path):
    first = seal_pairs(MANY, tmp_path / "a", PromptSplit())
    second = seal_pairs(iter(MANY), tmp_path / "b", PromptSplit())
    assert first.sha256 == second.sha256


def test_another_row_makes_another_digest(tmp_path):
    first = seal_pairs(MANY, tmp_path, PromptSplit())
    second = seal_pairs([*MANY, pair("one more")], tmp_path, PromptSplit())
    assert first.sha256 != second.sha256


def test_rows_are_counted_by_split(tmp_path):
    sealed = seal_pairs(MANY, tmp_path, PromptSplit(0.5))
    splits = [row.split for row in store.page(sealed.path, 0, 50)]
    assert sealed.rows == 50
    assert (sealed.train_rows, sealed.held_out_rows) == (splits.count("train"), splits.count("held_out"))


def test_a_side_left_empty_by_chance_is_filled(tmp_path):
    """Two prompts at a share of 0.01 %: the hash alone would hold out neither."""
    sealed = seal_pairs([pair("a"), pair("b"), pair("a", "Other.")], tmp_path, PromptSplit(0.0001))
    assert sealed.held_out_rows >= 1
    assert sealed.train_rows >= 1
    assert [path.name for path in tmp_path.iterdir()] == [sealed.path.name]


def test_versions_without_rejected_answers_are_demonstrations(tmp_path):
    demonstrations = seal_pairs([pair("a", rejected=None), pair("b", rejected=None)], tmp_path, PromptSplit())
    mixed = seal_pairs([pair("a", rejected=None), pair("b")], tmp_path, PromptSplit())
    assert (demonstrations.kind, mixed.kind) == ("demonstrations", "preferences")


def test_nothing_is_left_behind_when_nothing_can_be_sealed(tmp_path):
    with pytest.raises(NothingToSeal):
        seal_pairs([], tmp_path, PromptSplit())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_when_the_source_breaks(tmp_path):
    def breaking():
        yield pair()
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="gone"):
        seal_pairs(breaking(), tmp_path, PromptSplit())
    assert list(tmp_path.iterdir()) == []


def test_a_finished_file_is_nowhere_to_be_seen_until_it_is_published(tmp_path):
    with SealedWriter(tmp_path, PromptSplit()) as writer:
        writer.add(pair())
        sealed = writer.finish()
        assert not sealed.path.exists()
    assert list(tmp_path.iterdir()) == []


def test_many_row_groups_read_back_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "ROWS_PER_GROUP", 7)
    sealed = seal_pairs(MANY, tmp_path, PromptSplit())
    assert list(store.read_pairs(sealed.path)) == MANY


def test_a_row_group_also_ends_by_size(tmp_path, monkeypatch):
    """Answers of 100 characters and groups of 1,000: a group holds ten rows at most."""
    import pyarrow.parquet as pq

    monkeypatch.setattr(sealing, "CHARACTERS_PER_GROUP", 1000)
    sealed = seal_pairs([pair(str(number), "x" * 100) for number in range(50)], tmp_path, PromptSplit())
    metadata = pq.ParquetFile(sealed.path).metadata
    assert max(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)) <= 10


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
TURNS = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), TEXT), min_size=1, max_size=3).map(tuple)
EXTRA = st.dictionaries(TEXT, st.none() | st.integers() | TEXT | st.floats(allow_nan=False, allow_infinity=False))
PAIRS = st.builds(
    Pair,
    prompt=TURNS,
    chosen=TURNS,
    rejected=st.none() | TURNS,
    weight=st.floats(0.1, 10),
    label=st.floats(0.01, 1),
    margin=st.none() | st.floats(0, 1e6),
    extra=EXTRA,
    position=st.integers(0, 2),
    line=st.integers(0, 10**9),
)


@settings(max_examples=30, deadline=None)
@given(pairs=st.lists(PAIRS, min_size=1, max_size=8))
def test_what_is_sealed_reads_back_unchanged(pairs, tmp_path_factory):
    sealed = seal_pairs(pairs, tmp_path_factory.mktemp("sealed"), PromptSplit())
    assert list(store.read_pairs(sealed.path)) == pairs


def test_versions_of_the_first_format_read_as_certain_and_unknown(tmp_path):
    import pyarrow.parquet as pq

    sealed = seal_pairs(MANY, tmp_path, PromptSplit())
    old = tmp_path / "old.parquet"
    pq.write_table(pq.read_table(sealed.path).drop_columns(list(store.LATER_COLUMNS)), old)
    assert list(store.read_pairs(old)) == MANY
    assert [row.pair for row in store.page(old, 3, 2)] == MANY[3:5]
    store.copy_for_trl(old, tmp_path / "trl.parquet", plain=True, demonstrations=False)
    assert pq.read_table(tmp_path / "trl.parquet").column_names == [
        "prompt", "chosen", "rejected", "split", "weight", "extra"
    ]  # fmt: skip


def test_pages_and_single_rows_are_picked_by_number(tmp_path):
    sealed = seal_pairs(MANY, tmp_path, PromptSplit(0.5))
    assert [row.pair for row in store.page(sealed.path, 10, 5)] == MANY[10:15]
    assert [row.number for row in store.rows(sealed.path, [40, 3, 17])] == [3, 17, 40]
    assert store.rows(sealed.path, []) == []


def test_a_page_of_one_split_holds_only_that_split(tmp_path):
    sealed = seal_pairs(MANY, tmp_path, PromptSplit(0.5))
    held_out = store.page(sealed.path, 0, 50, "held_out")
    assert len(held_out) == sealed.held_out_rows
    assert {row.split for row in held_out} == {"held_out"}
    assert store.page(sealed.path, 1, 2, "held_out") == held_out[1:3]


def test_sealing_needs_no_more_memory_for_more_rows(tmp_path, monkeypatch):
    """The rows are flushed as they come: after each group the writer holds none."""
    monkeypatch.setattr(sealing, "ROWS_PER_GROUP", 10)
    rng = random.Random(0)
    with SealedWriter(tmp_path, PromptSplit()) as writer:
        for number in range(1000):
            writer.add(pair(str(number), str(rng.random())))
            assert len(writer.group.others) < 10
        assert writer.finish().rows == 1000


def test_what_the_writing_thread_could_not_write_is_raised_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "ROWS_PER_GROUP", 10)

    def full(_batch):
        raise OSError(errno.ENOSPC, "No space left on device")

    with SealedWriter(tmp_path, PromptSplit()) as writer:
        monkeypatch.setattr(writer._parquet, "write_batch", full)
        for one in MANY[:15]:  # the first ten cannot be written; the end waits for them
            writer.add(one)
        with pytest.raises(OSError, match="No space"):
            writer.finish()
    assert list(tmp_path.iterdir()) == []
