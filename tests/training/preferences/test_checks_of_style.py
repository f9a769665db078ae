"""Length, style and set phrases as tells of the better answer: found where planted, silent where there is none."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from tests.training.preferences.pairs import pair
from training.preferences.checks.artefacts import Trait, telling, traits_of_better_answers
from training.preferences.checks.findings import Level
from training.preferences.checks.lengths import longer_answers_win
from training.preferences.checks.markup import FEATURES, features_of
from training.preferences.checks.style import mirrored_auc, style_tells_the_better_answer
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import survey


@pytest.fixture
def examined(tmp_path):
    """Applies one rule to pairs; its finding if any, and the scores."""

    def examine(rule, pairs):
        with survey(seal_pairs(pairs, tmp_path, PromptSplit(0)).path) as subject:
            rule(subject)
        return next(iter(subject.found), None), subject.scores

    return examine


def plain_pairs(count: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Prompt and two answers of 10 to 30 random words each; neither is better."""
    draw = random.Random(seed)
    texts = [" ".join(f"w{draw.randrange(300)}" for _ in range(draw.randint(10, 30))) for _ in range(2 * count)]
    return [(f"prompt {number}", texts[2 * number], texts[2 * number + 1]) for number in range(count)]


def biased_by_length(count: int, share: float) -> list:
    """In exactly this share of the pairs the longer answer is chosen."""
    made = []
    for number, (prompt, one, other) in enumerate(plain_pairs(count)):
        shorter, longer = sorted((one, f"{other} more"), key=len)
        wins = (number * 7919) % count < share * count
        made.append(pair(prompt, longer, shorter) if wins else pair(prompt, shorter, longer))
    return made


def test_a_length_bias_of_60_to_40_is_found_with_2000_pairs(examined):
    found, _ = examined(longer_answers_win, biased_by_length(2000, 0.6))
    assert found.level is Level.WARNING


def test_a_length_that_always_wins_is_balanced_by_no_weight(examined):
    found, _ = examined(longer_answers_win, biased_by_length(200, 1.0))
    assert found.action.startswith("No weight balances this, because the longer answer always wins:")
    assert found.actions == ()


def test_longer_answers_that_win_every_other_time_are_no_bias(examined):
    found, _ = examined(longer_answers_win, biased_by_length(2000, 0.5))
    assert (found.level, found.rows) == (Level.INFO, ())


def test_a_label_below_one_half_makes_the_other_answer_the_winner(examined):
    """Three pairs: the longer one wins as chosen, wins as rejected, and one is undecided."""
    pairs = [pair("x", "long", "s"), pair("y", "s", "long", label=0.2), pair("z", "long", "s", label=0.5)]
    found, _ = examined(longer_answers_win, pairs)
    assert (found.count, found.total) == (2, 2)


def features(text: str) -> dict[str, float]:
    """Counts, not their logarithms."""
    values = features_of([text])[:, 0]
    return {name: round(float(np.expm1(value)), 3) for name, value in zip(FEATURES, values, strict=True)}


def test_markup_is_counted():
    text = "# Title\n\n**Bold** and `code`!\n- one 12\n- two?\n1. https://example.org \N{GRINNING FACE}"
    counts = features(text)
    expected = {"headings": 1, "bold text": 1, "code": 1, "exclamation marks": 1, "list items": 3, "questions": 1}
    assert {name: counts[name] for name in expected} == expected
    assert (counts["links"], counts["emojis"], counts["numbers"], counts["paragraphs"]) == (1, 1, 2, 1)
    assert counts["length"] == pytest.approx(len(text), rel=1e-4)


def test_openings_are_told_apart():
    both = features_of(["Sure, here it is.", "I'm sorry, I cannot.", "I think so.", "It is."])[-3:]
    assert both.T.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]]


def test_area_under_the_curve_of_mirrored_pairs_by_hand():
    """Scores 3, 1, -2: s_i + s_j > 0 for (3, 1) and (3, -2), not for (1, -2): 2 of 3. The shares h are 1, 1/2, 1/2,
    their squared distances from 2/3 sum to 1/9 + 1/36 + 1/36 = 1/6, so the spread is 1.96 * 2 * sqrt(1/6) / 3."""
    area, low, high = mirrored_auc(np.array([3.0, 1.0, -2.0]), np.arange(3, dtype=np.uint64))
    assert area == pytest.approx(2 / 3)
    assert low == pytest.approx(2 / 3 - 1.959964 * 2 * (1 / 6) ** 0.5 / 3)
    assert high == 1.0


def test_pairs_of_one_prompt_widen_the_interval():
    scores = np.random.default_rng(0).normal(0.3, 1, 200)
    apart = mirrored_auc(np.repeat(scores, 2), np.arange(400, dtype=np.uint64))
    together = mirrored_auc(np.repeat(scores, 2), np.repeat(np.arange(200, dtype=np.uint64), 2))
    assert together[0] == apart[0]
    assert together[2] - together[1] == pytest.approx(2**0.5 * (apart[2] - apart[1]))


def in_bold(count: int, share: float, **more) -> list:
    """One answer of every pair holds bold text; in this share of them it is the chosen one."""
    made = []
    for number, (prompt, one, other) in enumerate(plain_pairs(count)):
        bold, wins = f"{one} **{other[:4]}**", (number * 7919) % count < share * count
        made.append(pair(prompt, bold, other, **more) if wins else pair(prompt, other, bold, **more))
    return made


def test_style_that_decides_is_found_with_what_it_goes_by(examined):
    found, scores = examined(style_tells_the_better_answer, in_bold(600, 0.8))
    assert found.level is Level.WARNING
    assert found.picture["bars"][0] | {"low": 0, "high": 0} == {
        "label": "bold text",
        "share": 0.8,
        "low": 0,
        "high": 0,
        "count": 600,
    }
    assert np.mean(scores["style"] > 0.5) == pytest.approx(0.8, abs=0.05)


def test_turned_labels_turn_the_bias_round_but_not_the_score_of_an_answer(examined):
    """Bold is rejected by label in 80 %, so style speaks against the chosen answer that has it."""
    found, scores = examined(style_tells_the_better_answer, in_bold(600, 0.8, label=0.1))
    assert found.picture["bars"][0]["share"] == pytest.approx(0.2)
    assert np.mean(scores["style"] < 0.5) == pytest.approx(0.8, abs=0.05)


def test_style_that_decides_nothing_is_said_to_say_little(examined):
    found, _ = examined(style_tells_the_better_answer, [pair(*texts) for texts in plain_pairs(600)])
    assert (found.level, found.rows) == (Level.INFO, ())


def test_a_handful_of_pairs_says_nothing_of_style(examined):
    assert examined(style_tells_the_better_answer, in_bold(50, 1.0)) == (None, {})


def test_exact_chance_and_false_discoveries_by_hand():
    """17 of 20 by chance: 2 (1 + 20 + 190 + 1140) / 2^20 = 0.00258; 15 of 20: 0.0414. With 40 more traits of p = 1 the
    limits are 0.05 / 42 and 0.1 / 42 = 0.00238, so neither is kept; with 10 more 0.00417 and 0.00833 keep the first."""
    assert Fraction(2 * (1 + 20 + 190 + 1140), 2**20) < Fraction(26, 10_000)
    strong, weak = Trait("opening", "sure", 17, 20), Trait("opening", "well", 15, 20)
    even = [Trait("opening", f"even{number}", 10, 20) for number in range(40)]
    assert telling([strong, weak, *even]) == []
    assert telling([strong, weak, *even[:10]]) == [strong]


def test_a_longer_opening_replaces_the_one_it_begins_with():
    short, longer = Trait("opening", "that", 95, 100), Trait("opening", "that is", 90, 95)
    assert telling([short, longer]) == [longer]


def test_an_opening_of_the_better_answers_is_found_with_its_rows(examined):
    texts = plain_pairs(300)
    pairs = [pair(p, f"Great question! {one}" if n < 60 else one, other) for n, (p, one, other) in enumerate(texts)]
    found, _ = examined(traits_of_better_answers, pairs)
    assert found.level is Level.WARNING
    [bar] = found.picture["bars"]
    assert bar["label"] == 'the opening "great question" (an agreeing opening, exclamation marks)'
    assert found.rows == tuple(range(60))


def test_a_form_and_its_words_are_one_trait_and_what_goes_its_own_way_another(examined):
    """60 better answers begin with an apology, 40 others hold a link: two traits, not an apology twice."""
    pairs = [
        pair(p, {True: f"I'm sorry, but {one}", False: f"{one} https://w.org"}[n < 60] if n < 100 else one, other)
        for n, (p, one, other) in enumerate(plain_pairs(300))
    ]
    found, _ = examined(traits_of_better_answers, pairs)
    labels = [bar["label"] for bar in found.picture["bars"]]
    assert labels == ['the opening "i\'m sorry but" (an apologetic opening, an opening with I)', "links"]
    assert found.count == 60


def test_openings_on_both_sides_alike_are_no_artefact(examined):
    pairs = [
        pair(p, f"Well, {one}" if n % 2 else one, other if n % 2 else f"Well, {other}")
        for n, (p, one, other) in enumerate(plain_pairs(300))
    ]
    assert examined(traits_of_better_answers, pairs)[0] is None


def test_the_rows_of_every_trait_can_be_asked_for(tmp_path):
    """40 better answers open with "sure", the worse ones of 40 other pairs with "sorry"."""
    sure = [pair(f"p{n}", f"Sure, {n}.", f"So {n}.") for n in range(40)]
    sorry = [pair(f"q{n}", f"Thus {n}.", f"Sorry, {n}.") for n in range(40)]
    with survey(seal_pairs([*sure, *sorry], tmp_path, PromptSplit()).path) as subject:
        traits_of_better_answers(subject)
    rows = subject.found.rows
    assert rows['artefacts: the opening "sure"'].rows.tolist() == list(range(40))
    assert rows['artefacts: the opening "sorry"'].rows.tolist() == list(range(40, 80))


def test_pairs_that_length_decides_are_balanced_by_their_weight(tmp_path):
    """60 longer and 40 shorter answers win: 60 · 40/60 = 40, so by weight it is one half."""
    longer = [pair(f"p{n}", "aaa", "b", weight=40 / 60) for n in range(60)]
    shorter = [pair(f"q{n}", "a", "bbb") for n in range(40)]
    with survey(seal_pairs([*longer, *shorter], tmp_path, PromptSplit()).path) as subject:
        longer_answers_win(subject)
    [found] = subject.found
    assert found.level is Level.INFO
    assert found.share is not None
    assert found.share[0] == pytest.approx(0.5)
