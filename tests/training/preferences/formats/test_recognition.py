"""Telling a source's format from its first rows, and the law that every row is used or refused, for all formats."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.preferences.pairs import assistant, pair, user
from training.preferences.formats import Format, Mapping, Pairing, Ties, converter, preview, proposed, recognise
from training.preferences.formats.roles import ROLES
from training.preferences.records import Pair, Refusal, RowProblem, check
from training.preferences.trl import conversational, plain

PLAIN = {"prompt": "p", "chosen": "a", "rejected": "b"}
WHOLE = {"chosen": [user("p"), assistant("a")], "rejected": [user("p"), assistant("b")]}
TRANSCRIPT = {"chosen": "\n\nHuman: p\n\nAssistant: a", "rejected": "\n\nHuman: p\n\nAssistant: b"}
RATED = {"instruction": "p", "completions": [{"response": w, "overall_score": n} for n, w in enumerate("abc")]}
ARGILLA = {"prompt": "p", "responses": ["a", "b"], "ratings": [1, 5]}
BATTLE = {"model_a": "x", "model_b": "y", "winner": "model_a", "prompt": "p", "response_a": "a", "response_b": "b"}


@pytest.mark.parametrize(
    "row, format, title",
    [
        (PLAIN, Format.PAIRS, "plain text"),
        ({"prompt": [user("p")], "chosen": [assistant("a")], "rejected": [assistant("b")]}, Format.PAIRS, "convers"),
        (WHOLE, Format.PAIRS, "whole conversations"),
        ({"prompt": "p", "completion": "a"}, Format.PAIRS, "Demonstrations"),
        ({"Instruction": "p", "Response": "a"}, Format.PAIRS, "Demonstrations"),
        ({"Prompt": "p", "Chosen Response": "a", "rejected-response": "b"}, Format.PAIRS, "plain text"),
        (TRANSCRIPT, Format.TRANSCRIPTS, "Human"),
        (RATED, Format.RATED, "rated"),
        (ARGILLA, Format.RATED, "rated"),
        (BATTLE, Format.BATTLES, "winner"),
        (BATTLE | {"winner": "tie"}, Format.BATTLES, ""),
    ],
)
def test_a_format_is_told_from_its_rows(row, format, title):
    best = recognise([row] * 3)[0]
    assert best.mapping.format == format
    assert title in best.title


def test_rows_of_nothing_known_are_taken_for_pairs():
    for rows in ([], [{"foo": 1}]):
        best = recognise(rows)[0]
        assert (best.mapping.format, best.usable) == (Format.PAIRS, 0)


def test_only_our_own_columns_count_as_our_own_format():
    assert recognise([PLAIN | {"margin": 2}])[0].own
    assert not recognise([{"question": "p", "chosen": "a", "rejected": "b"}])[0].own


def test_a_column_that_only_shares_a_name_is_kept_and_not_read():
    [best, *_] = recognise([PLAIN | {"label": "helpful", "position": 17}])
    [made] = preview([(1, PLAIN | {"label": "helpful", "position": 17})], best.mapping)
    assert made.pairs[0].extra == {"label": "helpful", "position": 17}


def test_our_columns_are_read_where_only_later_rows_have_them():
    [best, *_] = recognise([PLAIN])
    assert converter(best.mapping)(PLAIN | {"weight": 2, "annotator": "ann"}, 1)[0].weight == 2


# --- Round trip ---------------------------------------------------------------------------------------------------

WORDS = st.text(min_size=1, max_size=12).filter(str.strip)
PAIRS = st.builds(
    pair,
    st.just("Question?"),
    st.just("yes"),
    st.sampled_from(["no", None]),
    weight=st.floats(0.1, 9),
    margin=st.none() | st.floats(0, 9),
    annotator=st.text("abc", max_size=3),
    source=st.text("abc", max_size=3),
    position=st.sampled_from([0, 1, 2]),
    at=st.sampled_from(["", "2024-05-01T10:00:00+00:00"]),
    tags=st.lists(WORDS, max_size=3, unique=True).map(tuple),
    extra=st.dictionaries(st.sampled_from(["topic", "id"]), st.integers() | st.text()),
)


@settings(max_examples=60, deadline=None)
@given(original=PAIRS, form=st.sampled_from([plain, conversational]))
def test_what_trls_forms_hold_is_recognised_and_read_back_as_it_was(original, form):
    row = json.loads(json.dumps(form(original)))
    assert converter(recognise([row])[0].mapping)(row, 0) == [original]


# --- Nothing disappears -------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=4), children, max_size=4),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": st.text()}),
    max_size=4,
)
TRANSCRIPTS = st.lists(st.sampled_from(["\n\nHuman: ", "\n\nAssistant: ", "a", "b", " "]), max_size=6).map("".join)
ANSWERS = st.lists(
    st.text(max_size=3) | st.fixed_dictionaries({"response": st.text(max_size=3), "overall_score": JSON}) | JSON,
    max_size=4,
)
SCORES = st.lists(st.integers(0, 3) | st.sampled_from(["4", "N/A", None, 10**400]), max_size=4)
WINNERS = st.sampled_from(["model_a", "model_b", "tie", "tie (bothbad)", "x", "", None])
VALUES = st.text(max_size=5) | MESSAGES | TRANSCRIPTS | ANSWERS | SCORES | WINNERS | JSON
COLUMNS = sorted({name for roles in ROLES.values() for role in roles for name in role.synonyms[:2]})
KNOWN = st.sampled_from([PLAIN, WHOLE, TRANSCRIPT, RATED, ARGILLA, BATTLE])
ROWS = st.builds(
    lambda base, changes: base | changes,
    KNOWN | st.just({}),
    st.dictionaries(st.sampled_from([*COLUMNS, "Chosen", "other"]), VALUES, max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(ROWS, min_size=1, max_size=5),
    format=st.sampled_from(Format),
    pairing=st.sampled_from(Pairing),
    ties=st.sampled_from(Ties),
)
def test_every_row_gives_pairs_or_one_reason_in_every_format(rows, format, pairing, ties):
    """accepted + refused = rows, whatever the rows hold and however they are read; what is accepted is usable."""
    mapping = proposed(format, rows).model_copy(update={"pairing": pairing, "ties": ties})
    made = preview(enumerate(rows), mapping)
    assert len(made) == len(rows)
    for number, row in enumerate(made):
        assert bool(row.pairs) != isinstance(row.refusal, Refusal)
        for found in row.pairs:
            assert isinstance(found, Pair)
            check(found)
            json.dumps(found.extra, allow_nan=False)
            assert found.line == number
        assert row.refusal is None or row.refusal.reason.endswith(".")


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(ROWS, max_size=5))
def test_any_sample_is_recognised_as_something(rows):
    ways = recognise(rows)
    assert {way.mapping.format for way in ways} == set(Format)
    for way in ways:
        assert Mapping.model_validate(way.mapping.model_dump(mode="json")) == way.mapping


@settings(max_examples=150, deadline=None)
@given(row=ROWS, format=st.sampled_from(Format))
def test_a_stored_mapping_never_fails_in_another_way_than_by_refusing(row, format):
    """The mapping comes from other rows than the one that is read."""
    for mapping in (Mapping(format=format), proposed(format, [PLAIN, RATED, BATTLE, ARGILLA])):
        with contextlib.suppress(RowProblem):
            assert converter(mapping)(row, 1)


def test_a_column_whose_name_holds_nul_is_never_part_of_a_mapping():
    """PostgreSQL keeps no JSON with one."""
    rated = [{"score\0": 1, "text\0": "a", "rating": 2, "response": "b"}]
    rows = [{"prompt": "p", "chosen": "c", "rejected": "r", "annotator\0": "ann", "completions": rated}]
    for format in Format:
        assert not any("\0" in column for column in proposed(format, rows).columns.values())
