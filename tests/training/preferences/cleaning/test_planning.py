"""Plans, diffs and files: nothing is lost without being said, and what is carried over is carried over whole."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.preferences.cleaning.material import made, planned, reported, sealed
from tests.training.preferences.pairs import pair
from training.preferences import store
from training.preferences.cleaning import diffs
from training.preferences.cleaning.recipes import (
    BadRecipe,
    Drop,
    Flip,
    Merge,
    Recipe,
    Resplit,
    Soften,
    SplitConflicts,
    Weight,
    read_stored,
    read_token,
)
from training.preferences.filters import Bounds, Filter

chosen_rows = st.one_of(
    st.just(Filter()),
    st.builds(lambda rows: Filter(rows=tuple(rows)), st.lists(st.integers(0, 11), min_size=1, max_size=6)),
    st.just(Filter(finding="some")),
    st.builds(lambda low: Filter(bounds=(Bounds(score="noise", low=low),)), st.floats(0, 1)),
)
steps = st.one_of(
    st.builds(Drop, rows=chosen_rows),
    st.builds(Flip, rows=chosen_rows),
    st.builds(Soften, rows=chosen_rows, to=st.sampled_from(["value", "noise", "rate"]), value=st.floats(0.05, 1)),
    st.builds(Weight, rows=chosen_rows, how=st.sampled_from(["set", "multiply"]), value=st.floats(0.1, 4)),
    st.builds(
        Merge, rows=chosen_rows, alike=st.sampled_from(["exact", "near"]), weight=st.sampled_from(["sum", "one"])
    ),
    st.builds(SplitConflicts, rows=chosen_rows, otherwise=st.sampled_from(["drop", "even"])),
    st.builds(Resplit, share=st.floats(0, 0.5)),
)
texts = st.sampled_from("xyz")
pairs = st.builds(
    pair,
    st.sampled_from("ab"),
    chosen=texts,
    rejected=st.one_of(st.none(), st.sampled_from("vw")),
    annotator=st.sampled_from(["", "ann", "bea"]),
)


def identity(row: store.Row) -> tuple[object, ...]:
    """Everything that a row says, but for its number."""
    p = row.pair
    facts = (p.line, p.weight, p.label, p.margin, p.annotator, p.source, p.position, p.at, p.tags)
    return (p.prompt, p.chosen, p.rejected, row.split, repr(p.extra), *facts)


@settings(max_examples=40, deadline=None)
@given(st.lists(pairs, min_size=1, max_size=12), st.lists(steps, min_size=1, max_size=4), st.data())
def test_no_recipe_loses_a_row_without_saying_so(rows, recipe, data):
    """Parent = kept + changed + removed and child = kept + changed; every kept row is the same in both."""
    with tempfile.TemporaryDirectory() as folder:
        numbered = [row._replace(line=number) for number, row in enumerate(rows, start=1)]
        path = sealed(Path(folder), numbered, 0.3)
        noise = data.draw(st.lists(st.floats(0, 1), min_size=len(rows), max_size=len(rows)))
        scores = {
            "noise": noise,
            "duplicate_of": [-1] + [0] * (len(rows) - 1),
            "cluster": [n % 2 for n in range(len(rows))],
        }
        result = planned(path, *recipe, report=reported(path, scores, {"some": [0, len(rows) - 1]}))
        if result.removed == len(rows):
            return
        child, diff = made(path, result)
        before, after = store.page(path, 0, 100), store.page(child, 0, 100)
        said = list(diffs.Differences(diff, 100)[0:100])
    removed = {d.parent_row for d in said if d.change == "removed"}
    changed = {d.parent_row: d.child_row for d in said if d.change == "changed"}
    kept = [row for row in before if row.number not in removed | changed.keys()]
    assert len(before) == len(kept) + len(changed) + len(removed)
    assert len(after) == len(kept) + len(changed)
    untouched = [row for row in after if row.number not in changed.values()]
    assert [identity(row) for row in kept] == [identity(row) for row in untouched]
    assert all(before[p].pair.line == after[c].pair.line for p, c in changed.items())
    assert all(d.what for d in said)


def test_all_columns_are_carried_over(tmp_path):
    facts: dict[str, Any] = {
        "annotator": "ann",
        "source": "web",
        "at": "2026-01-02",
        "tags": ("x",),
        "margin": 2.0,
        "extra": {"k": [1]},
    }
    path = sealed(tmp_path, [pair("a"), pair("b", weight=2.0, label=0.9, position=1, line=7, **facts)])
    child, _ = made(path, planned(path, Drop(rows=Filter(rows=(0,)))))
    assert identity(store.page(child, 0, 1)[0]) == identity(store.page(path, 1, 1)[0])


def test_a_diff_says_which_step_did_what_to_a_row_last(tmp_path):
    path = sealed(tmp_path, [pair("a"), pair("b"), pair("a"), pair("c")])
    recipe = (Merge(), Soften(rows=Filter(rows=(0,)), value=0.75), Drop(rows=Filter(rows=(3,))))
    _, diff = made(path, planned(path, *recipe))
    said = [(d.parent_row, d.child_row, d.change, d.step, d.what) for d in diffs.Differences(diff, 3)[0:3]]
    assert said == [
        (0, 0, "changed", 2, "label 1 → 0.75, weight 1 → 2"),
        (2, None, "removed", 1, "merged into row 0"),
        (3, None, "removed", 3, "left out"),
    ]
    assert diffs.counts(diff) == {("changed", 2): 1, ("removed", 1): 1, ("removed", 3): 1}


def test_the_same_recipe_makes_the_same_bytes(tmp_path):
    path = sealed(tmp_path, [pair(str(n % 7)) for n in range(30)])
    first, _ = made(path, planned(path, Merge(), Resplit(share=0.3)))
    second, _ = made(path, planned(path, Merge(), Resplit(share=0.3)))
    assert first == second


def test_a_version_of_an_older_format_gets_the_columns_it_lacks(tmp_path):
    """As sealed before label, margin and what came later existed."""
    import pyarrow.parquet as pq

    path = sealed(tmp_path, [pair("a"), pair("b")])
    table = pq.read_table(path).drop_columns(["label", "margin", "annotator", "source", "position", "at", "tags"])
    pq.write_table(table, path)
    child, _ = made(path, planned(path, Flip(rows=Filter(rows=(0,)))))
    first = store.page(child, 0, 1)[0].pair
    assert (first.chosen[0].content, first.label, first.margin, first.tags) == ("Teku.", 1.0, None, ())


def test_a_recipe_survives_an_address_and_the_database():
    recipe = Recipe(steps=(Drop(rows=Filter(finding="repeats")), Soften(to="noise"), Resplit(share=0.2)), report="2-ab")
    assert read_stored(recipe.stored()) == recipe
    assert read_token(recipe.token()).steps == recipe.steps


@pytest.mark.parametrize("token", ["", "x", "eJw", "a" * 5000, "%%%", "é"])
def test_an_address_without_a_recipe_is_refused(token):
    with pytest.raises(BadRecipe):
        read_token(token)


def test_a_recipe_packed_to_fill_memory_is_refused():
    """Ten megabytes of spaces in a few kilobytes."""
    import base64
    import zlib

    with pytest.raises(BadRecipe):
        read_token(base64.urlsafe_b64encode(zlib.compress(b" " * 10_000_000)).decode())


def test_the_report_is_named_only_where_a_step_needs_it():
    assert Recipe(steps=(Drop(rows=Filter(split="train")),)).meant_by("key").report == ""
    assert Recipe(steps=(Soften(to="noise"),)).meant_by("key").report == "key"
