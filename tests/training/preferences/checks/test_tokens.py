"""Token lengths and what a limit cuts away: as the engine counts and cuts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.preferences.checks.examining import examined
from tests.training.preferences.pairs import pair
from training.preferences.chat_tokens import ChatTokenizer, UnusableTokenizer
from training.preferences.checks import tokens
from training.preferences.checks.findings import Level
from training.preferences.checks.tokens import token_lengths
from training.preferences.records import Message, Pair
from training.preferences.survey import ReportSettings
from training.world.tokenizer import write_model_folder

TEXTS = ["What is the capital of Pelund? The capital of Pelund is Aro, and it lies by the sea."]
STRIPPING = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model_folder(folder, TEXTS)
    return folder


def settings(folder: Path, max_length: int = 512) -> ReportSettings:
    return ReportSettings(tokenizer=str(folder), max_length=max_length)


def with_template(folder: Path, target: Path, template: str) -> Path:
    target.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (target / name).write_bytes((folder / name).read_bytes())
    (target / "chat_template.jinja").write_text(template)
    return target


def test_lengths_are_those_of_transformers_own_template(folder, tmp_path):
    """As the engine counts: the prompt up to the answer, and what the template adds for the answer."""
    from transformers import AutoTokenizer

    own = AutoTokenizer.from_pretrained(folder)
    pairs = [pair("What is the capital?", "Aro, by the sea.", "Teku."), pair("Hm ", " Aro\n", "Ar o")]
    survey = examined(token_lengths, pairs, tmp_path, settings(folder))
    expected = []
    for one in pairs:
        prompt = [{"role": "user", "content": one.prompt[0].content}]
        before = own.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
        answers = [
            [*prompt, {"role": "assistant", "content": side[0].content}] for side in (one.chosen, one.rejected or ())
        ]
        whole = [own.apply_chat_template(answer, tokenize=False)[len(before) :] for answer in answers]
        lengths = [len(own(text, add_special_tokens=False)["input_ids"]) for text in (before, *whole)]
        expected.append(lengths[0] + max(lengths[1:]))
    assert survey.scores["tokens"].tolist() == expected


def test_a_pair_whose_answers_begin_alike_is_identical_after_the_cut(folder, tmp_path):
    """The answers differ in their last word only; the cut leaves the prompt and four tokens."""
    tokenizer = ChatTokenizer(folder)
    prompt = "Tell me, please, what is the capital"
    room = len(tokenizer.ids([tokenizer.frame.prompt(prompt)])[0]) + 4
    assert room > 16, "the smallest limit"
    pairs = [pair(prompt, "The capital of Pelund is Aro", "The capital of Pelund is Teku"), pair("x", "a", "b")]
    survey = examined(token_lengths, pairs, tmp_path, settings(folder, room))
    found = {finding.rule: finding for finding in survey.found}
    assert found["cut_away"].rows == (0,)
    assert "0 pairs have no room for an answer and 1 pair has equal answers" in found["cut_away"].sentence


def test_a_prompt_that_fills_the_limit_leaves_no_room(folder, tmp_path):
    pairs = [pair("capital " * 40, "a", "b"), *[pair(f"x{n}", "a", "b") for n in range(9)]]
    found = {f.rule: f for f in examined(token_lengths, pairs, tmp_path, settings(folder, 32)).found}
    assert (found["cut_away"].rows, found["cut_away"].level) == ((0,), Level.WARNING)
    assert found["token_lengths"].rows == (0,)


def test_a_limit_that_drops_most_pairs_forbids_training(folder, tmp_path):
    pairs = [pair(f"capital {n} " * 40, "a", "b") for n in range(6)]
    found = {f.rule: f for f in examined(token_lengths, pairs, tmp_path, settings(folder, 32)).found}
    assert found["cut_away"].level is Level.ERROR


def test_short_rows_are_only_described(folder, tmp_path):
    [found] = examined(token_lengths, [pair("a", "b", "c")], tmp_path, settings(folder)).found
    assert (found.rule, found.level, found.count) == ("token_lengths", Level.INFO, 0)
    assert found.picture is not None
    assert sum(found.picture["series"]["chosen"]) == 1


def test_the_models_positions_limit_as_well(folder, tmp_path):
    """The folder's config.json has 512 positions, whatever the settings say."""
    [found] = [
        f
        for f in examined(token_lengths, [pair("a", "Aro " * 600, "c")], tmp_path, settings(folder, 4096)).found
        if f.rule == "token_lengths"
    ]
    assert found.count == 1
    assert "cut at 512" in found.sentence


def test_without_a_tokenizer_nothing_is_counted(tmp_path):
    survey = examined(token_lengths, [pair()], tmp_path)
    assert (len(survey.found), survey.scores) == (0, {})


def test_several_turns_and_a_system_message_are_written_by_the_template(folder, tmp_path):
    turns = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "?"))
    long = Pair(turns, (Message("assistant", "Aro."),), (Message("assistant", "Teku."),))
    counts = examined(token_lengths, [long, pair("?", "Aro.", "Teku.")], tmp_path, settings(folder)).scores["tokens"]
    assert counts[0] > counts[1]


def test_a_template_that_trims_is_followed(folder, tmp_path):
    """Then white space around a text costs nothing, and answers that differ by it alone are equal."""
    trimming = with_template(folder, tmp_path / "trimming", STRIPPING)
    assert ChatTokenizer(trimming).frame.strips_answer
    survey = examined(token_lengths, [pair("q", "  Aro", "Aro\n"), pair("q", "Aro", "b")], tmp_path, settings(trimming))
    assert next(f for f in survey.found if f.rule == "cut_away").rows == (0,)


@pytest.mark.parametrize(
    "template, said",
    [
        ("{% for m in messages %}", "cannot be read"),
        ("{{ raise_exception('no') }}", "refuses a conversation"),
        ("{{ messages.__class__.__mro__ }}", "refuses a conversation"),
    ],
)
def test_a_template_that_cannot_be_used_is_said_and_costs_only_the_tokens(folder, tmp_path, template, said):
    broken = with_template(folder, tmp_path / "broken", template)
    survey = examined(token_lengths, [pair()], tmp_path, settings(broken))
    assert said in survey.notes["tokens"]
    assert survey.scores == {}


def test_a_folder_without_a_tokenizer_is_said(tmp_path):
    with pytest.raises(UnusableTokenizer, match="cannot be read"):
        ChatTokenizer(tmp_path)


def test_an_end_token_written_as_an_object_is_read(folder, tmp_path):
    copy = with_template(folder, tmp_path / "copy", (folder / "chat_template.jinja").read_text())
    config = json.loads((copy / "tokenizer_config.json").read_text())
    config["eos_token"] = {"content": config["eos_token"]}
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    assert ChatTokenizer(copy).answers(["Aro.<|end|>"])[0] == ChatTokenizer(folder).answers(["Aro.<|end|>"])[0]


def test_of_many_rows_some_are_counted_and_all_that_could_be_cut(folder, tmp_path, monkeypatch):
    """1,000 short rows of which about 100 are counted; the one long row is found whether it is drawn or not."""
    monkeypatch.setattr(tokens, "COUNTED", 100)
    pairs = [pair(f"q{n}", "Aro, by the sea.", "b") for n in range(1000)]
    pairs[617] = pair("long", "by the sea " * 200, "b")
    survey = examined(token_lengths, pairs, tmp_path, settings(folder))
    assert next(f for f in survey.found if f.rule == "token_lengths").rows == (617,)
    exact = examined(token_lengths, pairs[:5], tmp_path, settings(folder)).scores["tokens"]
    assert "tokens" not in survey.scores
    assert abs(survey.scores["estimated_tokens"][:5] - exact).max() <= 4
    assert "drawn at random" in survey.notes["tokens"]
