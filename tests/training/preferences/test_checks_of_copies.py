"""Near copies, copies across the split, contradictions, circles and leaks: found where planted, silent elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.preferences.pairs import pair
from training.preferences.checks.contradictions import pairs_labelled_both_ways
from training.preferences.checks.cycles import preferences_in_a_circle
from training.preferences.checks.duplicates import repeated_rows
from training.preferences.checks.findings import Finding, Level
from training.preferences.checks.leaks import evaluation_prompts_in_the_data
from training.preferences.checks.near_duplicates import nearly_repeated_rows
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import survey


@pytest.fixture
def examined(tmp_path):
    """Applies one rule to pairs; what it found by name, with all its rows, groups and scores."""

    def examine(rule, pairs, share=0.0, **prompt_sets):
        with survey(seal_pairs(pairs, tmp_path, PromptSplit(share)).path, **prompt_sets) as subject:
            rule(subject)
        return {finding.rule: finding for finding in subject.found}, subject.found.rows, subject.scores

    return examine


def words(first: int, count: int) -> str:
    return " ".join(f"w{number}" for number in range(first, first + count))


def long_pair(number: int, **more):
    """Prompt of 20 words, answers of 40; no word in common with other numbers'."""
    return pair(words(1000 * number, 20), words(1000 * number + 100, 40), words(1000 * number + 200, 40), **more)


def with_word(text: str, place: int) -> str:
    changed = text.split()
    changed[place] = "changed"
    return " ".join(changed)


def changed(number: int, *places: int):
    """The same pair with words of the chosen answer changed."""
    chosen = words(1000 * number + 100, 40)
    for place in places:
        chosen = with_word(chosen, place)
    return pair(words(1000 * number, 20), chosen, words(1000 * number + 200, 40))


def test_rows_with_one_word_changed_are_near_duplicates(examined):
    """88 shingles each, five of them changed: 83 / 93 = 0.89."""
    found, rows, scores = examined(nearly_repeated_rows, [long_pair(0), long_pair(1), changed(0, 20)])
    assert (found["near_duplicates"].count, found["near_duplicates"].total) == (2, 3)
    assert rows["near_duplicates"].rows.tolist() == [0, 2]
    assert rows["near_duplicates"].groups.tolist() == [0, 0]
    assert scores["duplicate_of"].tolist() == [0, -1, 0]


def test_rows_with_three_words_changed_far_apart_are_not(examined):
    """15 of 88 shingles changed: 73 / 103 = 0.71."""
    found, _, scores = examined(nearly_repeated_rows, [long_pair(0), changed(0, 8, 20, 32)])
    assert not found
    assert scores["duplicate_of"].tolist() == [-1, -1]


def test_a_pair_that_is_turned_round_is_no_copy(examined):
    turned = pair(words(0, 20), words(200, 40), words(100, 40))
    assert not examined(nearly_repeated_rows, [long_pair(0), turned])[0]


def test_short_questions_that_differ_in_one_word_are_no_copies(examined):
    pairs = [pair("What is the capital of Pelund?", "Aro."), pair("What is the capital of Terund?", "Aro.")]
    assert not examined(nearly_repeated_rows, pairs)[0]


def test_exact_repeats_alone_are_left_to_their_own_finding_and_still_scored(examined):
    found, _, scores = examined(nearly_repeated_rows, [long_pair(0), long_pair(0)])
    assert not found
    assert scores["duplicate_of"].tolist() == [0, 0]


def test_rows_that_differ_in_case_and_punctuation_are_near_duplicates(examined):
    found, *_ = examined(nearly_repeated_rows, [pair("The same?", "Yes, it is."), pair("the  same", "yes it is")])
    assert found["near_duplicates"].count == 2


def test_many_equal_rows_with_few_changed_ones_are_one_group(examined):
    """More rows than are compared with each other in a bucket."""
    pairs = [changed(0, 20), *[long_pair(0)] * 100, changed(0, 30)]
    _, rows, _ = examined(nearly_repeated_rows, pairs)
    assert rows["near_duplicates"].groups.tolist() == [0] * 102


def test_held_out_rows_with_a_copy_in_training_are_found(examined):
    """The prompts differ in their last word, so that the hash puts them on different sides."""
    pairs = [
        pair(f"{words(1000 * n, 20)} {end}", words(1000 * n + 100, 40), words(1000 * n + 200, 40))
        for n in range(40)
        for end in ("one", "two")
    ]
    found, rows, _ = examined(nearly_repeated_rows, pairs, share=0.3)
    crossing = rows["split_duplicates"]
    assert found["split_duplicates"].level is Level.WARNING
    assert 0 < len(crossing.rows) < found["split_duplicates"].total
    assert set(crossing.groups) <= set(rows["near_duplicates"].groups)


def test_demonstrations_are_compared_too(examined):
    pairs = [pair(words(0, 20), words(100, 40), None), pair(words(0, 20), with_word(words(100, 40), 39), None)]
    assert examined(nearly_repeated_rows, pairs)[0]["near_duplicates"].count == 2


def test_repeats_are_grouped_by_the_row_they_repeat_and_a_turned_label_is_no_repeat(examined):
    pairs = [pair("x"), pair("y"), pair("x"), pair("y"), pair("x"), pair("x", label=0.2)]
    _, rows, _ = examined(repeated_rows, pairs)
    assert rows["repeats"].rows.tolist() == [2, 3, 4]
    assert rows["repeats"].groups.tolist() == [0, 1, 0]


def test_contradictions_are_found_across_case_and_white_space(examined):
    pairs = [pair("The  question?", "Yes.", "No."), pair("other", "a", "b"), pair("the question?", "no.", "YES. ")]
    _, rows, _ = examined(pairs_labelled_both_ways, pairs)
    assert rows["contradictions"].rows.tolist() == [0, 2]
    assert rows["contradictions"].groups.tolist() == [0, 0]


def test_a_label_below_one_half_contradicts_the_same_pair_and_agrees_with_the_turned_one(examined):
    agreeing = [pair("x", "a", "b"), pair("x", "b", "a", label=0.1)]
    opposed = [pair("y", "a", "b"), pair("y", "a", "b", label=0.1)]
    undecided = [pair("z", "a", "b"), pair("z", "b", "a", label=0.5)]
    _, rows, _ = examined(pairs_labelled_both_ways, [*agreeing, *opposed, *undecided])
    assert rows["contradictions"].rows.tolist() == [2, 3]


def circle(prompt: str, *answers: str):
    return [pair(prompt, one, other) for one, other in zip(answers, [*answers[1:], answers[0]], strict=True)]


def test_circles_of_three_and_four_are_found_apart(examined):
    found, rows, _ = examined(
        preferences_in_a_circle, [*circle("x", "a", "b", "c"), pair("x", "a", "d"), *circle("y", "a", "b", "c", "d")]
    )
    assert rows["cycles"].rows.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert rows["cycles"].groups.tolist() == [0, 0, 0, 4, 4, 4, 4]
    assert "2 circles" in found["cycles"].sentence


def test_contradictions_are_no_circles_even_in_a_row(examined):
    """a and b, b and c both ways: all three can reach each other, yet no circle is longer than two."""
    pairs = [pair("x", *sides) for sides in (("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"))]
    assert not examined(preferences_in_a_circle, pairs)[0]


def test_a_circle_through_a_contradicted_pair_is_found(examined):
    _, rows, _ = examined(preferences_in_a_circle, [*circle("x", "a", "b", "c"), pair("x", "b", "a")])
    assert rows["cycles"].rows.tolist() == [1, 2]


def test_a_ranking_and_the_same_answers_to_other_prompts_are_no_circle(examined):
    pairs = [pair("x", "a", "b"), pair("x", "b", "c"), pair("x", "a", "c"), pair("y", "c", "a")]
    assert not examined(preferences_in_a_circle, pairs)[0]


def test_a_label_below_one_half_closes_a_circle(examined):
    pairs = [pair("x", "a", "b"), pair("x", "b", "c"), pair("x", "a", "c", label=0.2)]
    assert examined(preferences_in_a_circle, pairs)[0]["cycles"].count == 3


@pytest.mark.parametrize("others, level", [(17, Level.WARNING), (16, Level.ERROR)])
def test_a_circle_counts_as_one_wrong_label(examined, others, level):
    """Three pairs on one circle among 20 or 19: 1 / 20 = 5 % of the labels is not above the limit, 1 / 19 is."""
    circle = [pair("Q?", "A", "B"), pair("Q?", "B", "C"), pair("Q?", "C", "A")]
    pairs = [*circle, *(pair(f"prompt {n}", "good", "evil") for n in range(others))]
    assert examined(preferences_in_a_circle, pairs)[0]["cycles"].level is level


LONG = "My friend lives on Zilmora. What is the seat of government there?"


def leaks_of(examined, prompts, evaluation) -> tuple[Finding | None, list[int], list[float]]:
    found, rows, scores = examined(
        evaluation_prompts_in_the_data,
        [pair(prompt) for prompt in prompts],
        evaluations={"suite:one": evaluation, "suite:other": ["Entirely unrelated."]},
        names={"suite:one": "Our prompts", "suite:other": "Others"},
    )
    leaking = rows["leaks"].rows.tolist() if "leaks" in rows else []
    return found.get("leaks"), leaking, np.round(scores["leak"].astype(float), 3).tolist()


def test_a_prompt_of_the_evaluation_is_a_leak_whatever_its_case_and_punctuation(examined):
    found, rows, scores = leaks_of(examined, ["what is  X", "What is Y?"], ["What is X?"])
    assert (rows, scores) == ([0], [1.0, 0.0])
    assert found is not None
    assert "1 of 1 prompts of “Our prompts”" in found.sentence
    assert found.picture is not None
    assert found.picture["rows"] == [["Our prompts", 1, 1, 1]]
    assert found.picture["keys"] == ["suite:one"]


def test_a_prompt_within_a_longer_one_is_a_leak(examined):
    _, rows, scores = leaks_of(examined, [f"{words(0, 50)} {LONG} {words(100, 50)}"], [LONG])
    assert (rows, scores) == ([0], [1.0])


def test_runs_of_eight_words_must_cover_more_than_half(examined):
    """Of 20 words the first 11 are covered (0.55), then the first 10 (0.5)."""
    prompts = [f"{words(0, 11)} and so on", f"{words(0, 10)} and so on"]
    assert leaks_of(examined, prompts, [words(0, 20)])[1:] == ([0], [0.55, 0.5])


def test_two_runs_that_overlap_count_their_words_once(examined):
    """Words 0 to 8 and 12 to 19 of 20: 9 + 8 = 17 of 20."""
    prompt = f"{words(0, 9)} between {words(12, 8)}"
    assert leaks_of(examined, [prompt], [words(0, 20)])[1:] == ([0], [0.85])


def test_a_prompt_of_seven_words_leaks_only_as_a_whole(examined):
    seven = words(0, 7)
    assert leaks_of(examined, [f"{seven} more", seven], [seven])[1] == [1]


def test_the_template_of_an_evaluation_set_is_no_leak(examined):
    """Eleven prompts begin with the same nine words of ten."""
    evaluation = [f"{words(0, 9)} name{number}" for number in range(11)]
    assert leaks_of(examined, [f"{words(0, 9)} another", evaluation[3]], evaluation)[1] == [1]


def test_without_an_evaluation_set_nothing_is_scored(examined):
    assert examined(evaluation_prompts_in_the_data, [pair()]) == ({}, {}, {})
