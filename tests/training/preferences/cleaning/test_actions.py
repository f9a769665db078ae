"""Each action of a recipe on rows worked out by hand."""

from __future__ import annotations

import pytest

from tests.training.preferences.cleaning.material import cleaned, planned, reported, sealed
from tests.training.preferences.pairs import pair
from training.preferences.cleaning.recipes import (
    BadRecipe,
    Drop,
    Flip,
    Highest,
    Merge,
    Resplit,
    Soften,
    SplitConflicts,
    Weight,
)
from training.preferences.filters import Bounds, Filter

NAN = float("nan")


def texts(rows) -> list[tuple[str, str]]:
    return [(row.pair.chosen[0].content, row.pair.rejected[0].content) for row in rows]


def prompts(rows) -> list[str]:
    return [row.pair.prompt[0].content for row in rows]


def test_drop_leaves_out_the_rows_of_a_finding(tmp_path):
    path = sealed(tmp_path, [pair("a"), pair("b"), pair("c")])
    report = reported(path, found={"short": [0, 2]})
    assert prompts(cleaned(path, Drop(rows=Filter(finding="short")), report=report)) == ["b"]


def test_rows_are_chosen_by_the_bounds_of_a_score(tmp_path):
    """Noise 0.1, 0.5, 0.9 and none: from 0.5 on are rows 1 and 2."""
    path = sealed(tmp_path, [pair("a"), pair("b"), pair("c"), pair("d")])
    report = reported(path, {"noise": [0.1, 0.5, 0.9, NAN]})
    step = Drop(rows=Filter(bounds=(Bounds(score="noise", low=0.5),)))
    assert prompts(cleaned(path, step, report=report)) == ["a", "d"]


def test_the_highest_of_a_score_are_taken_and_of_equals_the_first(tmp_path):
    path = sealed(tmp_path, [pair("a"), pair("b"), pair("c"), pair("d")])
    report = reported(path, {"noise": [0.5, 0.9, 0.5, NAN]})
    step = Drop(highest=Highest(score="noise", count=2))
    assert prompts(cleaned(path, step, report=report)) == ["c", "d"]


def test_a_finding_that_the_report_does_not_have_names_no_rows(tmp_path):
    path = sealed(tmp_path, [pair("a"), pair("b")])
    result = planned(path, Drop(rows=Filter(finding="absent")), report=reported(path))
    assert result.changes_nothing


def test_a_score_that_the_report_does_not_have_is_a_sentence(tmp_path):
    path = sealed(tmp_path, [pair("a"), pair("b")])
    with pytest.raises(BadRecipe, match="no score leak"):
        planned(path, Drop(rows=Filter(bounds=(Bounds(score="leak", low=0.5),))), report=reported(path))


def test_flip_turns_answers_and_position_and_says_so(tmp_path):
    path = sealed(tmp_path, [pair("a", "x", "y", position=1, label=0.7, extra={"k": 1}), pair("b", "x", "y")])
    first, second = cleaned(path, Flip(rows=Filter(rows=(0,))))
    assert texts([first, second]) == [("y", "x"), ("x", "y")]
    assert (first.pair.position, first.pair.label) == (2, 0.7)
    assert first.pair.extra == {"k": 1, "alignapp_flipped": True}
    assert (second.pair.position, second.pair.extra) == (0, {})


def test_flipped_twice_is_as_it_was(tmp_path):
    path = sealed(tmp_path, [pair("a", "x", "y")])
    assert planned(path, Flip(), Flip()).changes_nothing


def test_a_demonstration_cannot_be_flipped(tmp_path):
    path = sealed(tmp_path, [pair("a", rejected=None), pair("b")])
    result = planned(path, Flip())
    assert result.effects[0].rows.tolist() == [1]


def test_soften_sets_a_value(tmp_path):
    path = sealed(tmp_path, [pair("a"), pair("b")])
    assert [row.pair.label for row in cleaned(path, Soften(rows=Filter(rows=(1,)), value=0.75))] == [1.0, 0.75]


def test_soften_by_noise_takes_the_rest_to_one_and_leaves_rows_without_a_score(tmp_path):
    """1 - 0.3 = 0.7; 1 - 1 = 0 is not a label, so the lowest one stands; no score: as it was."""
    path = sealed(tmp_path, [pair("a"), pair("b"), pair("c")])
    report = reported(path, {"noise": [0.3, 1.0, NAN]})
    labels = [row.pair.label for row in cleaned(path, Soften(to="noise"), report=report)]
    assert labels == pytest.approx([0.7, 0.01, 1.0])


def test_soften_by_noise_of_a_pair_turned_over_before_takes_the_score_itself(tmp_path):
    """Wrong with 0.9 as it was sent, so right with 0.9 once turned over."""
    path = sealed(tmp_path, [pair("a")])
    report = reported(path, {"noise": [0.9]})
    assert cleaned(path, Flip(), Soften(to="noise"), report=report)[0].pair.label == pytest.approx(0.9)


def test_soften_by_rate_takes_the_mean_noise_of_the_version(tmp_path):
    """(0.1 + 0.3) / 2 = 0.2 of the labels are expected to be wrong."""
    path = sealed(tmp_path, [pair("a"), pair("b"), pair("c")])
    report = reported(path, {"noise": [0.1, 0.3, NAN]})
    labels = [row.pair.label for row in cleaned(path, Soften(to="rate"), report=report)]
    assert labels == pytest.approx([0.8, 0.8, 0.8])


def test_weight_is_set_or_multiplied(tmp_path):
    path = sealed(tmp_path, [pair("a", weight=2.0), pair("b", weight=2.0)])
    steps = (
        Weight(rows=Filter(rows=(0,)), value=0.5),
        Weight(rows=Filter(rows=(1,)), how="multiply", value=0.25),
    )
    assert [row.pair.weight for row in cleaned(path, *steps)] == [0.5, 0.5]


def test_merge_keeps_the_first_of_exact_repeats_with_their_weights(tmp_path):
    path = sealed(tmp_path, [pair("a", line=1), pair("b", line=2), pair("a", line=3, weight=2.5)])
    first, second = cleaned(path, Merge())
    assert (first.pair.line, first.pair.weight) == (1, 3.5)
    assert (second.pair.line, second.pair.weight) == (2, 1.0)


def test_merge_can_count_a_group_once(tmp_path):
    path = sealed(tmp_path, [pair("a", weight=3.0), pair("a")])
    assert [row.pair.weight for row in cleaned(path, Merge(weight="one"))] == [1.0]


def test_merge_averages_the_labels_of_different_annotators_by_weight(tmp_path):
    """(1 · 1.0 + 3 · 0.6) / 4 = 0.7."""
    rows = [pair("a", annotator="ann", label=1.0), pair("a", annotator="bea", label=0.6, weight=3.0)]
    [row] = cleaned(sealed(tmp_path, rows), Merge())
    assert row.pair.label == pytest.approx(0.7)
    assert row.pair.weight == 4.0


def test_merge_keeps_the_label_where_one_annotator_repeats_himself(tmp_path):
    rows = [pair("a", annotator="ann", label=1.0), pair("a", annotator="ann", label=0.6)]
    assert cleaned(sealed(tmp_path, rows), Merge())[0].pair.label == 1.0


def test_merge_of_later_copies_alone_goes_into_the_first_row(tmp_path):
    """The finding lists rows 1 and 2; what they repeat, row 0, stays."""
    path = sealed(tmp_path, [pair("a"), pair("a"), pair("a"), pair("b")])
    report = reported(path, found={"repeats": [1, 2]})
    rows = cleaned(path, Merge(rows=Filter(finding="repeats")), report=report)
    assert [(p, row.pair.weight) for p, row in zip(prompts(rows), rows, strict=True)] == [("a", 3.0), ("b", 1.0)]


def test_merge_of_near_duplicates_goes_by_the_reports_groups(tmp_path):
    path = sealed(tmp_path, [pair("a"), pair("a!"), pair("b"), pair("a?")])
    report = reported(path, {"duplicate_of": [-1, 0, -1, 0]})
    rows = cleaned(path, Merge(alike="near"), report=report)
    assert [(p, row.pair.weight) for p, row in zip(prompts(rows), rows, strict=True)] == [("a", 3.0), ("b", 1.0)]


def test_rows_turned_over_before_are_merged_as_they_stand(tmp_path):
    path = sealed(tmp_path, [pair("a", "x", "y"), pair("a", "y", "x")])
    assert planned(path, Merge()).changes_nothing
    assert texts(cleaned(path, Flip(rows=Filter(rows=(1,))), Merge())) == [("x", "y")]


def test_conflicts_go_to_the_majority(tmp_path):
    """Two rows for x over y, one against; the row about another prompt is untouched."""
    rows = [pair("a", "x", "y"), pair("a", "y", "x"), pair("a", "x", "y"), pair("b", "y", "x")]
    left = cleaned(sealed(tmp_path, rows), SplitConflicts(votes="rows"))
    assert texts(left) == [("x", "y"), ("x", "y"), ("y", "x")]


def test_copies_without_a_name_are_one_vote(tmp_path):
    """Three rows for x over y may be one and its copies: one vote each way decides nothing."""
    rows = [pair("a", "x", "y"), pair("a", "x", "y"), pair("a", "x", "y"), pair("a", "y", "x"), pair("b")]
    assert prompts(cleaned(sealed(tmp_path, rows), SplitConflicts())) == ["b"]


def test_an_annotator_has_one_vote_however_many_rows(tmp_path):
    """Ann says x three times; Ben and Cem say y: 2 to 1 for y."""
    said = [("x", "y", "ann")] * 3 + [("y", "x", "ben"), ("y", "x", "cem")]
    rows = [pair("a", one, other, annotator=name) for one, other, name in said]
    assert texts(cleaned(sealed(tmp_path, rows), SplitConflicts())) == [("y", "x")] * 2
    assert texts(cleaned(sealed(tmp_path, rows), SplitConflicts(votes="rows"))) == [("x", "y")] * 3


def test_a_source_votes_where_no_annotator_is_named(tmp_path):
    """Two sources for x, one source (twice) for y."""
    said = [("x", "y", "web"), ("x", "y", "lab"), ("y", "x", "log"), ("y", "x", "log")]
    rows = [pair("a", one, other, source=name) for one, other, name in said]
    assert texts(cleaned(sealed(tmp_path, rows), SplitConflicts())) == [("x", "y")] * 2


def test_an_annotator_who_says_both_counts_by_the_mean(tmp_path):
    """Ann: x, x, y, which is (1 + 1 - 1) / 3 for x; Ben: y with label 0.6, which is 0.2 for y. x leads by 0.13."""
    rows = [pair("a", *sides, annotator="ann") for sides in (("x", "y"), ("x", "y"), ("y", "x"))]
    rows.append(pair("a", "y", "x", annotator="ben", label=0.6))
    assert texts(cleaned(sealed(tmp_path, rows), SplitConflicts())) == [("x", "y")] * 2


def test_weights_and_labels_count_as_votes(tmp_path):
    """x over y: 1 · (2 · 0.9 - 1) = 0.8; y over x: 2 · (2 · 0.8 - 1) = 1.2: y wins."""
    rows = [pair("a", "x", "y", label=0.9), pair("a", "y", "x", label=0.8, weight=2.0)]
    assert texts(cleaned(sealed(tmp_path, rows), SplitConflicts())) == [("y", "x")]


def test_equal_votes_leave_both_out(tmp_path):
    rows = [pair("a", "x", "y"), pair("a", "y", "x"), pair("b")]
    assert prompts(cleaned(sealed(tmp_path, rows), SplitConflicts())) == ["b"]


def test_equal_votes_can_keep_both_as_even(tmp_path):
    rows = [pair("a", "x", "y"), pair("a", "y", "x"), pair("b")]
    left = cleaned(sealed(tmp_path, rows), SplitConflicts(otherwise="even"))
    assert [row.pair.label for row in left] == [0.5, 0.5, 1.0]


def test_a_cycle_gives_up_its_weakest_edge(tmp_path):
    """x > y twice, y > z twice, z > x once: the last one goes."""
    edges = ["xy", "xy", "yz", "yz", "zx"]
    left = cleaned(sealed(tmp_path, [pair("a", *edge) for edge in edges]), SplitConflicts(votes="rows"))
    assert texts(left) == [("x", "y"), ("x", "y"), ("y", "z"), ("y", "z")]


def test_a_cycle_of_equal_votes_goes_as_a_whole_and_what_hangs_on_it_stays(tmp_path):
    rows = [pair("a", *edge) for edge in ("xy", "yz", "zx", "xw")]
    assert texts(cleaned(sealed(tmp_path, rows), SplitConflicts())) == [("x", "w")]


def test_an_order_without_a_cycle_is_left_alone(tmp_path):
    rows = [pair("a", *edge) for edge in ("xy", "yz", "xz")]
    assert planned(sealed(tmp_path, rows), SplitConflicts()).changes_nothing


def test_a_resplit_keeps_clusters_and_prompts_on_one_side(tmp_path):
    """Ten clusters of ten rows at 20 %: two whole clusters are held out; prompt 5 asks the same in other case."""
    pairs = [pair(f"Question {n}") for n in range(100)]
    path = sealed(tmp_path, [*pairs, pair("QUESTION  5")])
    clusters = [n // 10 for n in range(100)] + [-1]
    rows = cleaned(path, Resplit(share=0.2), report=reported(path, {"cluster": clusters}))
    sides: dict[int, set[str]] = {}
    for row, cluster in zip(rows, clusters, strict=True):
        sides.setdefault(cluster, set()).add(row.split)
    assert all(len(side) == 1 for side in sides.values())
    assert rows[5].split == rows[100].split
    assert sum(row.split == "held_out" for row in rows) in (20, 11)


def test_a_resplit_without_clusters_goes_by_prompts(tmp_path):
    path = sealed(tmp_path, [pair("a"), pair("a", "Other."), pair("b"), pair("c")])
    rows = cleaned(path, Resplit(share=0.5))
    assert rows[0].split == rows[1].split
    assert {row.split for row in rows} == {"train", "held_out"}


def test_held_out_rows_stay_held_out(tmp_path):
    path = sealed(tmp_path, [pair(f"Q{n}") for n in range(40)], share=0.5)
    before = planned(path, Drop(rows=Filter(rows=(0,)))).before.held_out.tolist()
    rows = cleaned(path, Drop(rows=Filter(rows=(0,))), Soften())
    assert [row.split == "held_out" for row in rows] == before[1:]
