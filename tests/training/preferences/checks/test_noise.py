"""The rule about wrong labels, on sealed versions with known ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from tests.training.preferences.pairs import pair
from training.preferences.checks.findings import Level
from training.preferences.checks.judgements import judge
from training.preferences.checks.noise import TRIADS, _by_name, labels_that_look_wrong
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import survey
from training.world.demonstrations import demonstrations
from training.world.islands import build_world
from training.world.pairs import PairRow, PairRule, preference_pairs
from training.world.suites import divide_prompts


@cache
def world_rows(rate: float) -> Sequence[PairRow]:
    """Pairs of the demo world's demonstrations as answers, this share of the labels turned round."""
    world = build_world(0)
    prompts = divide_prompts(world)
    answers = defaultdict(list)
    asked = {question.text: question for question in prompts.pairs}
    for row in demonstrations(world, prompts):
        if row["prompt"] in asked:
            answers[asked[row["prompt"]]].append(row["chosen"])
    return preference_pairs(world, prompts, answers, PairRule(error_rate=rate))


def examined(pairs, folder):
    with survey(seal_pairs(pairs, folder, PromptSplit(0.1)).path) as subject:
        labels_that_look_wrong(subject)
        return next(iter(subject.found), None), subject.scores["noise"]


def as_pairs(rows):
    return [pair(row["prompt"], row["chosen"], row["rejected"]) for row in rows]


@cache
def judged(rate: float):
    with TemporaryDirectory() as folder:
        return examined(as_pairs(world_rows(rate)), Path(folder))


@pytest.mark.parametrize(
    "rate, level", [(0.0, Level.INFO), (0.1, Level.WARNING), (0.2, Level.WARNING), (0.3, Level.ERROR)]
)
def test_the_share_of_wrong_labels_is_told_within_five_points(rate, level):
    finding, _ = judged(rate)
    true = np.mean([row["mislabelled"] for row in world_rows(rate)])
    assert finding is not None
    assert finding.share is not None
    assert finding.share[0] == pytest.approx(true, abs=0.05)
    assert finding.level is level


def test_wrong_labels_have_the_higher_scores():
    """A wrong label outranks a right one in 85 of 100 cases at least; the first ten rows listed are all wrong."""
    from sklearn.metrics import roc_auc_score

    finding, noise = judged(0.2)
    wrong = [row["mislabelled"] for row in world_rows(0.2)]
    assert finding is not None
    assert roc_auc_score(wrong, noise) >= 0.85
    assert all(wrong[row] for row in finding.rows[:10])
    assert np.all(np.diff(noise[list(finding.rows)]) <= 0)


def test_a_label_below_one_half_says_the_opposite(tmp_path):
    """Every pair written the other way round with a label of 0.1 gives the same finding."""
    rows = world_rows(0.2)
    turned = [pair(row["prompt"], row["rejected"], row["chosen"], label=0.1) for row in rows]
    first, second = judged(0.2)[0], examined(turned, tmp_path)[0]
    assert first is not None
    assert second is not None
    assert second.share == pytest.approx(first.share, abs=0.02)


def test_labels_by_the_toss_of_a_coin_are_not_named_a_rate(tmp_path):
    """Nothing can be learnt from them, so none is accused: no score. That they hold nothing is said all the same."""
    rng = np.random.default_rng(0)
    words = rng.integers(50, size=(600, 2))
    pairs = [pair(f"prompt {n}", f"word{a} x", f"word{b} y") for n, (a, b) in enumerate(words) if rng.random() < 0.5]
    pairs += [pair(f"request {n}", f"word{a} y", f"word{b} x") for n, (a, b) in enumerate(words) if rng.random() < 0.5]
    finding, noise = examined(pairs, tmp_path)
    assert finding is not None
    assert finding.level is not Level.INFO
    assert finding.share is None
    assert "cannot be told" in finding.sentence
    assert np.isnan(noise).all()


def threes(rate: float, prompts: int = 400):
    """Three answers a prompt, each judged against both others; words say nothing of which is better."""
    rng, pairs, turned = np.random.default_rng(1), [], []
    for number in range(prompts):
        answers = [f"answer {word}" for word in rng.permutation(3_000)[:3]]  # the first is the best
        for better, worse in ((0, 1), (1, 2), (0, 2)):
            turned.append(bool(rng.random() < rate))
            chosen, rejected = (worse, better) if turned[-1] else (better, worse)
            pairs.append(pair(f"prompt {number}", answers[chosen], answers[rejected]))
    return pairs, turned


def test_circles_tell_the_rate_where_other_prompts_do_not(tmp_path):
    """Of 400 threes about 0.2 · 0.8 run in a circle; a finding that rests on them says so."""
    pairs, turned = threes(0.2)
    finding, noise = examined(pairs, tmp_path)
    assert finding is not None
    assert finding.share is not None
    assert finding.share[0] == pytest.approx(np.mean(turned), abs=0.05)
    assert "of 400 times that three answers were all judged against each other" in finding.sentence
    assert np.isfinite(noise).all()


def test_the_threes_of_a_prompt_are_counted_as_by_hand(tmp_path):
    """Prompt p: A, B, C, D with A > B > C > A (a circle), A > D, B > D (A, B, D: none); C and D were not judged.

    Prompt q: a contradicted pair is left out, so no three is left.
    """
    said = [("A", "B"), ("B", "C"), ("C", "A"), ("A", "D"), ("B", "D"), ("A", "B")]
    pairs = [pair("p", *two) for two in said]
    pairs += [pair("q", *two) for two in [("A", "B"), ("B", "C"), ("A", "C"), ("C", "A")]]
    with survey(seal_pairs(pairs, tmp_path, PromptSplit(0)).path) as subject:
        judge(subject)
        counted = subject.database.execute(TRIADS).fetchall()
    assert [record[1:] for record in counted] == [(2, 1)]


def test_rows_without_a_rejected_answer_have_no_score(tmp_path):
    rows = as_pairs(world_rows(0.1))
    _, noise = examined([pair("alone", rejected=None), *rows], tmp_path)
    assert np.isnan(noise[0])
    assert not np.isnan(noise[1:]).any()


@pytest.mark.parametrize(
    "pairs", [[pair(f"{n}", "a", "b") for n in range(50)], [pair("x", f"{n}", "b") for n in range(300)]]
)
def test_few_pairs_or_a_single_prompt_say_nothing(pairs, tmp_path):
    finding, noise = examined(pairs, tmp_path)
    assert finding is None
    assert np.isnan(noise).all()


def test_the_same_version_gives_the_same_scores(tmp_path):
    assert np.array_equal(examined(as_pairs(world_rows(0.2)), tmp_path)[1], judged(0.2)[1])


def test_the_mean_score_is_shown_by_source_and_by_annotator_the_noisiest_first(tmp_path):
    """Scores 0.2 and 0.4 of one source, 0.9 of the other: means 0.3 ± 1.96 · 0.1 / √2, and 0.9."""
    pairs = [pair(f"p{n}", source=source, annotator="ann") for n, source in enumerate(["a", "a", "b", ""])]
    with survey(seal_pairs(pairs, tmp_path, PromptSplit(0)).path) as subject:
        [picture] = _by_name(subject, np.array([0.2, 0.4, 0.9, np.nan], np.float32))
    noisiest, other = picture["bars"]
    assert (noisiest["label"], other["label"], other["count"]) == ("b", "a", 2)
    assert [other["low"], other["share"], other["high"]] == pytest.approx([0.1614, 0.3, 0.4386], abs=1e-4)
    assert other["filter"] == {"source": "a"}
