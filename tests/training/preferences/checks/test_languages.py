"""The mix of languages is told, a single language is not."""

from __future__ import annotations

import pytest

from tests.training.preferences.checks.examining import examined
from tests.training.preferences.pairs import pair
from training.preferences.checks import languages
from training.preferences.checks.findings import Level
from training.preferences.checks.languages import UNKNOWN, languages_of_prompts

ENGLISH = "Could you please tell me what the capital of this island is, and how many people live there? ({})"
GERMAN = "Kannst du mir bitte sagen, wie die Hauptstadt dieser Insel heißt und wie viele Menschen dort leben? ({})"


def test_a_second_language_is_found_with_its_rows(tmp_path):
    pairs = [pair((GERMAN if n % 5 == 0 else ENGLISH).format(n)) for n in range(100)]
    survey = examined(languages_of_prompts, pairs, tmp_path)
    [found] = survey.found
    assert (found.rule, found.level, found.count, found.total) == ("languages", Level.INFO, 20, 100)
    assert found.rows == tuple(range(0, 100, 5))
    assert survey.scores["language"].tolist()[:3] == ["de", "en", "en"]


def test_one_language_says_nothing(tmp_path):
    assert len(examined(languages_of_prompts, [pair(ENGLISH.format(n)) for n in range(50)], tmp_path).found) == 0


def test_a_prompt_too_short_to_tell_is_of_no_language(tmp_path):
    survey = examined(languages_of_prompts, [pair("2 + 2 = ?"), pair("ok"), pair(ENGLISH)], tmp_path)
    assert survey.scores["language"].tolist() == [UNKNOWN, UNKNOWN, "en"]


@pytest.mark.parametrize(
    "prompt, code", [("请写一首关于春天的诗", "zh"), ("Расскажи мне о столице этого острова", "ru")]
)
def test_other_scripts_are_told_by_few_letters(tmp_path, prompt, code):
    assert examined(languages_of_prompts, [pair(prompt)], tmp_path).scores["language"].tolist() == [code]


def test_of_many_rows_some_are_looked_at_and_the_finding_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(languages, "LOOKED_AT", 100)
    monkeypatch.setattr(languages, "AFFORDED", 399)
    pairs = [pair((GERMAN if n % 2 else ENGLISH).format(n)) for n in range(400)]
    survey = examined(languages_of_prompts, pairs, tmp_path)
    [found] = survey.found
    assert 50 < found.total < 160
    assert "drawn at random" in found.sentence
    assert survey.scores["language"].tolist().count("") == 400 - found.total
    assert found.actions == ()
    assert f"the other {400 - found.total} rows have none" in survey.notes["languages"]


def test_where_the_rows_drawn_are_mixed_all_are_looked_at(tmp_path, monkeypatch):
    """Nothing that a filter or a step could miss: all 200 German rows are found, and can be dropped."""
    monkeypatch.setattr(languages, "LOOKED_AT", 100)
    survey = examined(
        languages_of_prompts, [pair((GERMAN if n % 2 else ENGLISH).format(n)) for n in range(400)], tmp_path
    )
    [found] = survey.found
    assert (found.count, found.total, found.actions) == (200, 400, ("drop",))
    assert (list(survey.scores["language"]).count("de"), survey.notes) == (200, {})
    assert found.picture is not None
    assert [bar["filter"] for bar in found.picture["bars"]] == [{"language": "en"}, {"language": "de"}]


def test_of_one_language_no_more_rows_are_looked_at_and_a_note_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(languages, "LOOKED_AT", 100)
    survey = examined(languages_of_prompts, [pair(ENGLISH.format(n)) for n in range(400)], tmp_path)
    assert len(survey.found) == 0
    assert "drawn at random" in survey.notes["languages"]
