"""Each rule finds what was planted and stays silent where there is nothing."""

from __future__ import annotations

import json

from tests.training.preferences.pairs import pair
from training.preferences.checks.findings import ROWS_KEPT, Level
from training.preferences.intervals import wilson
from training.preferences.report import BINS, Report, examine, place, report_on
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import survey


def report(pairs, tmp_path, share=0.1) -> Report:
    with survey(seal_pairs(pairs, tmp_path, PromptSplit(share)).path) as subject:
        return examine(subject)


def balanced(count: int) -> list:
    """Pairs without any fault: half of the chosen answers are one letter longer, no word goes with one side."""
    return [pair(f"prompt {n}", f"a{n}" + "!" * (n % 2), f"b{n}" + "!" * (1 - n % 2)) for n in range(count)]


def test_sound_pairs_give_no_warning(tmp_path):
    assert {finding.level for finding in report(balanced(100), tmp_path).findings} == {Level.INFO}


def test_repeated_rows_are_found_but_not_their_first(tmp_path):
    found = report([*balanced(10), *balanced(2)], tmp_path).finding("repeats")
    assert found is not None
    assert (found.count, found.rows, found.total) == (2, (10, 11), 12)


def test_pairs_labelled_both_ways_are_found(tmp_path):
    pairs = [*balanced(4), pair("x", "a", "b"), pair("x", "b", "a"), pair("y", "b", "a")]
    found = report(pairs, tmp_path).finding("contradictions")
    assert found is not None
    assert found.rows == (4, 5)
    assert found.level is Level.ERROR


def test_few_contradictions_are_a_warning(tmp_path):
    """2 of 102 pairs: below the 5 % from which they count as an error."""
    found = report([*balanced(100), pair("x", "a", "b"), pair("x", "b", "a")], tmp_path).finding("contradictions")
    assert found is not None
    assert found.level is Level.WARNING


def test_answers_that_differ_only_in_space_or_case_are_found(tmp_path):
    pairs = [*balanced(4), pair("x", "The  answer\n", "the answer"), pair("y", "Then", "There")]
    found = report(pairs, tmp_path).finding("near_identical")
    assert found is not None
    assert found.rows == (4,)


def test_demonstrations_among_pairs_are_found(tmp_path):
    found = report([*balanced(4), pair("x", rejected=None)], tmp_path).finding("no_rejected")
    assert found is not None
    assert found.rows == (4,)


def test_a_version_of_demonstrations_alone_has_no_such_fault(tmp_path):
    result = report([pair(str(n), "text", None) for n in range(4)], tmp_path)
    assert result.findings == ()
    assert result.median_rejected is None


def test_an_empty_held_out_split_is_found_with_its_cause(tmp_path):
    by_share = report(balanced(4), tmp_path, share=0).finding("nothing_held_out")
    by_prompt = report([pair("x", "a"), pair("x", "b")], tmp_path).finding("nothing_held_out")
    assert by_share is not None
    assert by_prompt is not None
    assert "share is 0" in by_share.sentence
    assert "one prompt" in by_prompt.sentence


def test_longer_answers_that_win_are_found(tmp_path):
    """60 of 100 unequal pairs: Wilson's interval is [0.502, 0.691], which excludes one half."""
    pairs = [pair(f"p{n}", "aaa", "b") if n < 60 else pair(f"p{n}", "a", "bbb") for n in range(100)]
    found = report([*pairs, pair("equal", "abc", "xyz")], tmp_path).finding("length_bias")
    assert found is not None
    assert (found.level, found.count, found.total) == (Level.WARNING, 60, 100)
    assert found.share is not None
    assert [round(bound, 3) for bound in found.share] == [0.6, 0.502, 0.691]


def test_shorter_answers_that_win_are_found(tmp_path):
    found = report([pair(f"p{n}", "a", "bbb") for n in range(100)], tmp_path).finding("length_bias")
    assert found is not None
    assert found.level is Level.WARNING
    assert found.sentence.startswith("The shorter answer")


def test_a_finding_counts_all_its_rows_and_names_the_first(tmp_path):
    found = report([pair()] * (ROWS_KEPT + 11), tmp_path).finding("repeats")
    assert found is not None
    assert found.count == ROWS_KEPT + 10
    assert len(found.rows) == ROWS_KEPT


def test_findings_come_worst_first(tmp_path):
    pairs = [pair("x", "aaa", "b"), pair("x", "b", "aaa"), pair("x", "b", "aaa")]
    levels = [finding.level for finding in report(pairs, tmp_path).findings]
    assert levels == sorted(levels, key=list(Level).index)
    assert levels[0] is Level.ERROR


def test_lengths_are_binned_with_the_long_tail_in_the_last_bin(tmp_path):
    """199 answers of 10 characters and one of 5,000: the 99th percentile is near 10, so bins are narrow."""
    pairs = [pair(f"p{n}", "x" * 10, "y" * 9) for n in range(199)] + [pair("long", "x" * 5000, "y")]
    lengths = report(pairs, tmp_path).lengths
    assert len(lengths.chosen) == len(lengths.rejected) == BINS
    assert sum(lengths.chosen) == sum(lengths.rejected) == 200
    assert lengths.chosen[-1] == 1
    assert lengths.chosen[10 // lengths.width] == 199


def test_a_report_survives_the_way_through_json(tmp_path):
    made = report([*balanced(10), *balanced(2)], tmp_path)
    assert Report.from_json(made.to_json()) == made


def test_a_stored_report_is_used_again_and_a_broken_one_made_anew(tmp_path):
    path = seal_pairs(balanced(10), tmp_path, PromptSplit()).path
    made = report_on(path)
    stored = place(path).report
    stored.write_text(made.to_json().replace('"prompts": 10', '"prompts": 11'))
    assert report_on(path).prompts == 11
    stored.write_text("{")
    assert report_on(path).prompts == 10


def test_wilsons_interval_agrees_with_the_textbook():
    """10 of 20: centre (0.5 + 1.9207/20) / (1 + 3.8415/20) = 0.5, half width 0.2007 (Newcombe 1998)."""
    low, high = wilson(10, 20)
    assert round(low, 4) == 0.2993
    assert round(high, 4) == 0.7007
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0


def test_every_finding_says_from_where_on_it_is_what_it_is(tmp_path):
    pairs = [*balanced(60), pair("x", "a", "b"), pair("x", "b", "a"), pair("x", "b", "a")]
    found = report(pairs, tmp_path).findings
    assert {"contradictions", "repeats", "length_bias"} <= {finding.rule for finding in found}
    assert [finding.rule for finding in found if not finding.threshold] == []


def test_the_json_says_the_level_of_a_finding_and_whether_its_rows_are_the_first_ones(tmp_path):
    made = report([pair()] * (ROWS_KEPT + 2), tmp_path)
    repeats = next(one for one in json.loads(made.to_json())["findings"] if one["rule"] == "repeats")
    assert (repeats["level"], repeats["rows_cut"], len(repeats["rows"])) == ("warning", True, ROWS_KEPT)
    assert Report.from_json(made.to_json()) == made


def test_circles_can_be_settled_by_votes(tmp_path):
    pairs = [pair("x", "a", "b"), pair("x", "b", "c"), pair("x", "c", "a"), *balanced(20)]
    found = report(pairs, tmp_path).finding("cycles")
    assert found is not None
    assert "split_conflicts" in found.actions
