"""Which rows a filter finds, in which order, and that the index behind it is whole or not there."""

from __future__ import annotations

import errno
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.preferences.pairs import pair
from training.preferences import store
from training.preferences.browsing import building, layout, rows_by_number
from training.preferences.browsing.index import opened
from training.preferences.browsing.scores import Scores
from training.preferences.browsing.selecting import Around, Browser, UnknownCondition
from training.preferences.filters import Bounds, Filter
from training.preferences.records import Message, Pair
from training.preferences.report import place
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit

KILLED_WHILE_BUILDING = """
import os, signal, sys
from pathlib import Path
from training.preferences.browsing import building
building.build(Path(sys.argv[1]), lambda done, rows: os.kill(os.getpid(), signal.SIGKILL))
"""
PAIRS = [
    pair("Capital of Pelund?", "It is Aro.", "It is Teku.", annotator="ann", source="forum", tags=("geo",)),
    pair("Who lives in Aro?", "Nobody knows it.", "It is said: many.", label=0.7, annotator="bob"),
    pair("東京はどこですか", "日本です。", "Don't know", weight=2.0, margin=1.5, source="forum", tags=("geo", "ja")),
    pair("Say it is", "so it is", None),
]


def browser_of(folder: Path, pairs: Iterable[Pair] = PAIRS, **tagged: list[int]) -> Browser:
    sealed = seal_pairs(pairs, folder, PromptSplit(0.0))
    building.build(sealed.path)
    index = opened(sealed.path)
    assert index is not None
    return Browser(index, Scores(place(sealed.path)), lambda tag: tagged.get(tag, []))


def with_report(browser: Browser, scores: dict[str, Any], rows: list[tuple[str, int, int | None]]) -> Browser:
    """Files of scores and rows, in the form that a report writes them in."""
    target = browser.scores.place
    pq.write_table(pa.table({"row": range(browser.index.rows), **scores}), target.scores)
    rules, numbers, groups = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [pa.array(rules, pa.string()), pa.array(numbers, pa.int64()), pa.array(groups, pa.int64())]
    pq.write_table(pa.table(columns, names=["rule", "row", "group"]), target.rows, use_dictionary=["rule"])
    return browser


def found(browser: Browser, **conditions: Any) -> list[int]:
    rows: list[int] = browser.select(Filter(**conditions)).rows.tolist()
    return rows


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    made = browser_of(tmp_path_factory.mktemp("rows"), mine=[0, 3])
    noise = pa.array([0.2, 0.9, float("nan"), 0.5], pa.float32())
    scores = {"noise": noise, "cluster": pa.array([1, 1, 0, -1], pa.int32()), "language": ["en", "en", "ja", ""]}
    return with_report(made, scores, [("copies", 3, 0), ("copies", 0, 0), ("copies", 1, 1), ("cycles", 2, None)])


@pytest.mark.parametrize(
    "query,rows",
    [
        ("aro", [0, 1]),
        ("ARO capital", [0]),
        ("it is", [0, 1, 3]),
        ('"it is"', [0, 1, 3]),
        ('"is it"', []),
        ('"it is aro"', [0]),
        ('"so it is" say', [3]),
        ('"it is" teku', [0]),
        ("don't", [2]),
        ("東京", [2]),
        ("京東", []),
        ("pelund aro.", [0]),
        ("unheard-of", []),
    ],
)
def test_a_search_finds_the_rows_with_all_words_and_phrases(browser: Browser, query: str, rows: list[int]) -> None:
    assert found(browser, text=query) == rows


def test_a_phrase_does_not_run_from_the_prompt_into_the_answer(browser: Browser) -> None:
    assert found(browser, text='"pelund it"') == []


def test_a_search_without_a_letter_or_digit_finds_nothing(browser: Browser) -> None:
    assert found(browser, text='!!! "" *') == []


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_text_is_search_syntax(browser: Browser, query: str) -> None:
    """Whatever is typed is words: as a phrase it finds no row that the same words apart do not find."""
    assert set(found(browser, text=query)) <= {0, 1, 2, 3}
    words = query.replace('"', " ")
    apart = set(found(browser, text=words))
    assert set(found(browser, text=f'"{words}"')) <= apart
    assert set(found(browser, text=f'"{words}')) <= apart  # a quote that is never closed


@pytest.mark.parametrize(
    "conditions,rows",
    [
        ({}, [0, 1, 2, 3]),
        ({"split": "train"}, [0, 1, 2, 3]),
        ({"split": "held_out"}, []),
        ({"annotator": "bob"}, [1]),
        ({"source": "forum"}, [0, 2]),
        ({"source": "nowhere"}, []),
        ({"tag": "geo"}, [0, 2]),
        ({"tag": "mine"}, [0, 3]),
        ({"tag": "none"}, []),
        ({"finding": "copies"}, [0, 1, 3]),
        ({"finding": "copies", "group": 0}, [0, 3]),
        ({"finding": "cycles", "group": 0}, []),
        ({"cluster": 1}, [0, 1]),
        ({"cluster": -1}, []),
        ({"language": "ja"}, [2]),
        ({"rows": (3, 0, 9, -1)}, [0, 3]),
        ({"bounds": [Bounds(score="noise", low=0.5)]}, [1, 3]),
        ({"bounds": [Bounds(score="label", high=0.7)]}, [1]),
        ({"bounds": [Bounds(score="margin")]}, [2]),
        ({"bounds": [Bounds(score="rejected_length", low=0)]}, [0, 1, 2]),
        ({"bounds": [Bounds(score="noise", low=0.1), Bounds(score="noise", high=0.6)], "text": "it"}, [0, 3]),
    ],
)
def test_a_filter_finds_the_rows_that_meet_every_condition(
    browser: Browser, conditions: dict[str, Any], rows: list[int]
) -> None:
    assert found(browser, **conditions) == rows


@pytest.mark.parametrize("conditions", [{"finding": "unheard"}, {"bounds": [Bounds(score="unheard")]}])
def test_an_unknown_finding_or_score_is_refused_with_a_sentence(browser: Browser, conditions: dict[str, Any]) -> None:
    with pytest.raises(UnknownCondition, match="unheard"):
        found(browser, **conditions)


@pytest.mark.parametrize(
    "sort,descending,rows",
    [
        ("row", True, [3, 2, 1, 0]),
        ("noise", False, [0, 3, 1, 2]),
        ("noise", True, [1, 3, 0, 2]),
        ("label", False, [1, 0, 2, 3]),
        # 10 - 11, 16 - 17, 5 - 10 characters, and one without a rejected answer.
        ("length_difference", False, [2, 0, 1, 3]),
        ("length_difference", True, [0, 1, 2, 3]),
    ],
)
def test_rows_are_sorted_with_those_without_a_value_last(
    browser: Browser, sort: str, descending: bool, rows: list[int]
) -> None:
    assert browser.select(Filter()).in_order(sort, descending=descending).tolist() == rows


def test_pages_of_any_order_together_hold_every_row_once(browser: Browser) -> None:
    selection = browser.select(Filter())
    pages = [selection.page(start, 3, "label", descending=True).tolist() for start in (0, 3, 6)]
    assert pages == [[0, 2, 3], [1], []]


def test_a_row_comes_back_as_it_was_sealed(browser: Browser) -> None:
    rows = browser.index.rows_by_number([2, 0, 99])
    assert [row.number for row in rows] == [2, 0]
    assert [(r.pair.prompt, r.pair.chosen, r.pair.tags, r.pair.margin) for r in rows] == [
        (p.prompt, p.chosen, p.tags, p.margin) for p in (PAIRS[2], PAIRS[0])
    ]


def test_rows_of_a_finding_stand_by_their_groups(browser: Browser) -> None:
    """Rows 0 and 3 are copies of each other, row 1 of another: the copies stand together."""
    copies = browser.select(Filter(finding="copies"))
    assert copies.in_order().tolist() == [0, 3, 1]
    assert copies.page(1, 1).tolist() == [3]
    assert copies.rows.tolist() == [0, 1, 3]  # for recipes, the order of the file


def test_the_findings_of_rows_are_known_with_their_groups(browser: Browser) -> None:
    assert browser.scores.findings_of([1, 2]) == {1: [("copies", 1)], 2: [("cycles", None)]}


def test_rows_are_read_from_the_sealed_file_while_there_is_no_index(tmp_path: Path) -> None:
    sealed = seal_pairs(PAIRS, tmp_path, PromptSplit(0.0))
    assert [row.number for row in rows_by_number(sealed.path, [3, 1, 3, 8])] == [3, 1, 3]


def test_searches_agree_with_reading_every_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 rows of words drawn from ten, in eight batches: every phrase of one to four words against a plain search."""
    monkeypatch.setattr(store, "PAIRS_PER_FETCH", 50)
    draw = random.Random(1)
    texts = [" ".join(draw.choices("abcdefghij", k=draw.randint(1, 12))) for _ in range(400)]
    browser = browser_of(tmp_path, (pair(f"p{n}", text, "x y") for n, text in enumerate(texts)))
    for size in (1, 2, 3, 4):
        for _ in range(10):
            phrase = " ".join(draw.choices("abcdefghij", k=size))
            expected = [n for n, text in enumerate(texts) if f" {phrase} " in f" {text} "]
            assert found(browser, text=f'"{phrase}"') == expected


def test_how_far_an_unfinished_index_is_can_be_seen(tmp_path: Path) -> None:
    path = seal_pairs(PAIRS, tmp_path, PromptSplit(0.0)).path
    with layout.writing(path, 4) as writer:
        writer.say(2)
        assert layout.being_built(path) == (2, 4)
    assert layout.being_built(path) is None


def test_what_a_killed_builder_left_is_no_index_and_goes_with_the_next(tmp_path: Path) -> None:
    path = seal_pairs(PAIRS, tmp_path, PromptSplit(0.0)).path
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_BUILDING, path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert any(tmp_path.glob(".*.partial"))
    assert (layout.being_built(path), opened(path)) == (None, None)
    building.build(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, layout.index_path(path).name])


def test_a_full_disk_is_an_error_that_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says the same when it may have no more than so many pages."""
    path = seal_pairs((pair(f"p{n}", f"answer {n} " * 99) for n in range(999)), tmp_path, PromptSplit(0.0)).path
    monkeypatch.setattr(layout, "TABLES", layout.TABLES.replace("BEGIN;", "PRAGMA max_page_count = 20; BEGIN;"))
    with pytest.raises(OSError, match="full") as error:
        building.build(path)
    assert error.value.errno == errno.ENOSPC
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_without_room_on_the_disk_no_index_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = seal_pairs(PAIRS, tmp_path, PromptSplit(0.0)).path
    monkeypatch.setattr(building, "ROOM_PER_BYTE", 10**12)
    with pytest.raises(building.NoRoom, match="Make room"):
        building.build(path)


def test_two_builders_at_once_make_one_index(tmp_path: Path) -> None:
    path = seal_pairs(PAIRS, tmp_path, PromptSplit(0.0)).path
    with layout.writing(path, 4):
        building.build(path)  # The other one's file is locked, so it is left alone.
        assert layout.being_built(path) == (0, 4)
    index = opened(path)
    assert index is not None
    assert index.rows == 4


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: b"none" + data[4:], lambda data: b""])
def test_a_damaged_index_counts_as_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = seal_pairs(PAIRS, tmp_path, PromptSplit(0.0)).path
    building.build(path)
    index = layout.index_path(path)
    index.write_bytes(damage(index.read_bytes()))
    assert opened(path) is None


def test_the_index_of_an_older_format_goes_when_the_new_one_is_there(tmp_path: Path) -> None:
    path = seal_pairs(PAIRS, tmp_path, PromptSplit(0.0)).path
    old = path.with_suffix(".browse-1.index")
    old.write_bytes(b"old")
    building.build(path)
    assert not old.exists()
    assert opened(path) is not None


def test_several_turns_and_empty_system_messages_are_read_right(tmp_path: Path) -> None:
    turns = (Message("system", ""), Message("user", "One two"), Message("assistant", "three"), Message("user", "four"))
    browser = browser_of(tmp_path, [pair(), Pair(turns, (Message("assistant", "five"),), None), pair("zz")])
    assert found(browser, text="three five") == [1]
    assert np.asarray(browser.values("prompt_length")).tolist() == [18, 16, 2]  # 0 + 7 + 5 + 4


def test_rows_of_a_megabyte_do_not_share_a_block(tmp_path: Path) -> None:
    """Five rows of 400,000 characters: blocks of at most a megabyte, so two rows at most, and each comes back whole."""
    pairs = [pair(f"p{n}", f"{n} " * 200_000, "x") for n in range(5)]
    browser = browser_of(tmp_path, pairs)
    with browser.index.file.opened() as database:
        firsts = [first for (first,) in database.execute("SELECT first FROM blocks ORDER BY first")]
    assert len(firsts) >= 3
    rows = browser.index.rows_by_number([4, 0, 2])
    assert [row.pair.chosen[0].content[:2] for row in rows] == ["4 ", "0 ", "2 "]
    assert found(browser, text='"3 3 3"') == [3]


def test_a_search_for_hundreds_of_words_is_answered(browser: Browser) -> None:
    assert found(browser, text=" ".join(f"w{n}" for n in range(900))) == []
    assert found(browser, text=" ".join(["it", "is"] * 400)) == [0, 1, 3]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["row", "length_difference"])
def test_what_stands_beside_a_row_is_what_a_page_of_the_order_shows(
    tmp_path: Path, sort: str, descending: bool
) -> None:
    """Equal scores, and a row left out by a filter: place and neighbours are those of the whole order."""
    lengths = [3, 1, 2, 2, 5, 1, 4]
    pairs = [pair(f"p{n}", "x" * long, "x", source="ab"[n == 3]) for n, long in enumerate(lengths)]
    selection = browser_of(tmp_path, pairs).select(Filter(source="a"))
    order: list[int | None] = [None, *selection.in_order(sort, descending=descending).tolist(), None]
    for at, (before, row, after) in enumerate(zip(order, order[1:], order[2:], strict=False)):
        assert row is not None
        assert selection.around(row, sort, descending=descending) == Around(at, before, after)
    assert selection.around(3, sort) is None
    assert selection.around(99, sort) is None
