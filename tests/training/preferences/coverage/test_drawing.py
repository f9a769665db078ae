"""The map: the planted hole is found first, nothing is found where nothing is, and strange prompts do no harm."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.training.preferences.pairs import pair
from training.preferences.checks.coverage import topics_of_the_prompts
from training.preferences.checks.findings import Family, Level
from training.preferences.coverage import drawing
from training.preferences.coverage.prompts import HEAD, TAIL, different_prompts, excerpt, excerpts
from training.preferences.coverage.sketch import sketch
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import ReportSettings, Survey, survey
from training.world.islands import UNCOVERED_CHAIN, Attribute, build_world
from training.world.suites import Suite, divide_prompts


def surveyed(folder: Path, prompts: Sequence[str], target: Sequence[str] = (), model: str = "") -> Survey:
    """What the rule leaves behind; the database of the survey is closed."""
    sealed = seal_pairs([pair(prompt, line=n) for n, prompt in enumerate(prompts)], folder, PromptSplit())
    targets = {"sample:1": list(target)} if target else {}
    with survey(sealed.path, ReportSettings(embedding_model=model), targets=targets) as subject:
        topics_of_the_prompts(subject)
        return subject


def finding(subject: Survey):
    [found] = list(subject.found)
    return found


@pytest.fixture(autouse=True)
def small_picture(monkeypatch):
    """Placing fifteen hundred points takes seconds, and what is found does not depend on it."""
    monkeypatch.setattr(drawing, "POINTS", 150)


def test_the_islands_that_no_pair_asks_about_are_the_first_uncovered_topic(tmp_path):
    world = build_world()
    prompts = divide_prompts(world)
    asked = [*prompts.suites[Suite.IN_DISTRIBUTION], *prompts.suites[Suite.UNCOVERED]]
    found = finding(surveyed(tmp_path, [q.text for q in prompts.pairs], [q.text for q in asked]))
    first = found.picture["topics"][0]
    assert first["uncovered"]
    assert first["data"] == 0
    assert all(world.islands[asked[place].island].chain == UNCOVERED_CHAIN for place in first["places"])


def test_a_kind_of_question_that_is_taken_out_is_uncovered(tmp_path):
    prompts = divide_prompts(build_world())
    asked = prompts.suites[Suite.IN_DISTRIBUTION]
    kept = [q.text for q in prompts.pairs if q.attribute is not Attribute.EXPORT]
    found = finding(surveyed(tmp_path, kept, [q.text for q in asked]))
    missed = [topic for topic in found.picture["topics"] if topic["uncovered"]]
    assert {asked[place].attribute for topic in missed for place in topic["places"]} == {Attribute.EXPORT}
    assert found.count >= 0.9 * sum(q.attribute is Attribute.EXPORT for q in asked)
    assert found.harms[Family.DPO].level is Level.WARNING


def test_two_halves_of_one_source_miss_nothing(tmp_path):
    prompts = [q.text for q in divide_prompts(build_world()).pairs]
    random.Random(0).shuffle(prompts)
    found = finding(surveyed(tmp_path, prompts[:500], prompts[500:]))
    assert (found.count, found.level) == (0, Level.INFO)
    assert found.picture["auc"][1] < 0.55


def test_without_a_target_the_topics_are_only_shown(tmp_path):
    subject = surveyed(tmp_path, [q.text for q in divide_prompts(build_world()).pairs])
    found = finding(subject)
    assert found.level is Level.INFO
    assert sum(topic["data"] for topic in found.picture["topics"]) == 840
    assert subject.notes["embeddings"].startswith("TF-IDF")


def test_every_row_has_a_topic_and_a_place_that_its_prompt_shares(tmp_path):
    subject = surveyed(tmp_path, [f"question {n % 60} about {n % 7}" for n in range(420)])
    cluster, x = subject.scores["cluster"], subject.scores["map_x"]
    assert cluster.dtype == np.int32
    assert x.dtype == np.float32
    assert cluster[:7].tolist() == [cluster[n] for n in range(7)]
    assert len(cluster) == len(x) == 420
    same: dict[tuple[int, int], tuple[int, float]] = {}
    for number in range(420):
        key = (number % 60, number % 7)
        assert same.setdefault(key, (cluster[number], x[number])) == (cluster[number], x[number])


def test_the_same_version_gives_the_same_map(tmp_path):
    prompts = [q.text for q in divide_prompts(build_world()).pairs][:300]
    one, other = (finding(surveyed(tmp_path, prompts, prompts[:100])).picture for _ in range(2))
    assert json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize(
    "prompts",
    [
        ["?!"] * 60,
        ["?" * (n + 1) for n in range(60)],
        ["hello"] * 60,
        [f"word{n}" for n in range(60)],
        ["x" * 100_000 + str(n) for n in range(60)],
        [f"你好世界{n}" for n in range(60)],
    ],
)
def test_strange_prompts_do_no_harm(tmp_path, prompts):
    subject = surveyed(tmp_path, prompts, ["hello there", "?"])
    assert (subject.scores["cluster"] >= 0).all()
    assert np.isfinite(subject.scores["map_x"]).all()
    sketch(finding(subject).picture)


def test_one_prompt_and_one_target_prompt_make_a_map(tmp_path):
    assert finding(surveyed(tmp_path, ["hello"], ["hello"])).picture["target_prompts"] == 1


def test_a_handful_of_prompts_without_a_target_makes_no_finding(tmp_path):
    assert not len(surveyed(tmp_path, ["a", "b", "c"]).found)


def test_most_of_the_target_uncovered_speaks_against_offline_training(tmp_path):
    data = [f"tell me about castle {n} and tower {n % 9}" for n in range(300)]
    target = [f"integrate polynomial {n} over interval {n % 9}" for n in range(300)]
    found = finding(surveyed(tmp_path, data, target))
    assert found.harms[Family.DPO].level is found.harms[Family.CPO].level is Level.ERROR
    assert found.harms[Family.RLHF].level is Level.WARNING
    assert found.picture["auc"][0] > 0.95


def test_prompts_are_numbered_by_their_first_row_and_cut_alike_here_and_in_the_database(tmp_path):
    texts = ["short", "ä" * (HEAD + TAIL) + "end", "short", "x" * (HEAD + TAIL)]
    sealed = seal_pairs([pair(text) for text in texts], tmp_path, PromptSplit())
    with survey(sealed.path) as subject:
        prompts = different_prompts(subject.database)
        read = [text for some in excerpts(subject.database, prompts) for text in some.texts]
    assert prompts.first.tolist() == [0, 1, 3]
    assert prompts.of_row.tolist() == [0, 1, 0, 2]
    assert prompts.rows.tolist() == [2, 1, 1]
    assert read == [excerpt(texts[0]), excerpt(texts[1]), excerpt(texts[3])]
    assert read[1].endswith("ääend")


def test_a_model_that_cannot_be_loaded_is_said_and_words_are_compared_instead(tmp_path):
    subject = surveyed(tmp_path, [f"question {n}" for n in range(60)], model=str(tmp_path / "nowhere"))
    assert "TF-IDF" in subject.notes["embeddings"]
    assert "nowhere gave no embeddings: There is no folder" in subject.notes["embeddings"]
