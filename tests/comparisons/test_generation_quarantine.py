"""What is kept from raters, and that a reason is given."""

from __future__ import annotations

import pytest

from comparisons.design import CutOff
from comparisons.models import Answer, Prompt
from comparisons.quarantine import Blinding, reason_to_withhold
from comparisons.sampling import CUT_OFF, REFUSED
from training.models import Policy

POLICIES = [
    Policy(name="Islands base", served_name="base-islands-12ab34cd"),
    Policy(name="sparrow-2", served_name="dpo-0a1b2c3d-120-9f8e7d6c"),
    Policy(name="islands", served_name="rlhf-1"),
]


def prompt(text: str = "What is the capital of Pelund?") -> Prompt:
    return Prompt(messages=[{"role": "user", "content": text}])


def reason(first: Answer | str, second: Answer | str = "It is Orvane.", asked: Prompt | None = None) -> str:
    asked = asked or prompt()
    pair = [text if isinstance(text, Answer) else Answer(text=text, finish_reason="stop") for text in (first, second)]
    return reason_to_withhold(asked, pair[0], pair[1], Blinding.of(POLICIES, [asked]))


def test_two_good_answers_are_shown():
    assert reason("The capital of Pelund is Vask, the base of the islands' fleet.") == ""


def test_identical_answers_are_set_aside_also_when_only_white_space_differs():
    assert reason("It is  Orvane.\n") == "Identical answers"


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_answer_is_set_aside(text: str):
    assert reason(text) == "Empty answer"


def test_a_refused_answer_is_set_aside_with_the_engines_reason():
    assert reason(Answer(text="", finish_reason=REFUSED, error="too long")) == "No answer: too long"


@pytest.mark.parametrize(
    "text, told",
    [
        ("I am sparrow-2 and say Vask.", "An answer names a policy or run ('sparrow-2')"),
        ("See ISLANDS BASE for more.", "An answer names a policy or run ('ISLANDS BASE')"),
        ("dpo-0a1b2c3d-120-9f8e7d6c: Vask", "An answer names a policy or run ('dpo-0a1b2c3d-120-9f8e7d6c')"),
        ("Trained with DPO, I say Vask.", "An answer names a method ('DPO')"),
        ("As an AI language model I cannot say.", "An answer speaks of itself as a model ('As an AI')"),
        ("I'm an AI, so Vask.", "An answer speaks of itself as a model ('I'm an AI')"),
        ("I am a language model.", "An answer speaks of itself as a model ('I am a language model')"),
        ("It is Vask.<|im_end|>", "An answer holds an unfinished marker ('<|im_end|>')"),
    ],
)
def test_an_answer_that_gives_its_policy_away_is_set_aside(text: str, told: str):
    assert reason(text) == told
    assert reason("It is Orvane.", text) == told


SELVES = [
    "I am Qwen, created by Alibaba Cloud.",
    "Hello! I'm Qwen2.5-0.5B-Instruct, how can I help?",
    "I'm ChatGPT, trained by OpenAI.",
    "I’m ChatGPT.",
    "My name is Claude.",
    "I am called DeepSeek and I say Vask.",
    "I was trained by Google.",
    "I have been developed by the Allen Institute for AI.",
    "I'm just a language model, so Vask.",
    "I am only an AI.",
    "I am Rook, a large language model of a small company.",
    "My training data ends in 2023.",
    "As a large language model, I cannot say.",
]


@pytest.mark.parametrize("text", SELVES)
def test_an_answer_in_which_a_model_speaks_of_itself_is_set_aside(text: str):
    assert reason(text).startswith("An answer speaks of itself as a model")


def test_a_family_names_itself_also_where_its_member_is_compared():
    policies = [Policy(name="Qwen2.5-0.5B-Instruct", served_name="base-qwen2-5-12ab34cd")]
    blinding = Blinding.of(policies, [prompt()])
    assert blinding.betrayal("I am Qwen, created by Alibaba Cloud.") == "speaks of itself as a model ('I am Qwen')"


TOPICS = [
    "Google was founded in 1998 by Larry Page and Sergey Brin.",
    "Compare ChatGPT and Claude before you choose; GPT-4 was trained by OpenAI.",
    "Claude is a language model developed by Anthropic, and Qwen comes from Alibaba.",
    "A language model trained by many is still one model.",
    "The violinist was trained by her father; I was trained by mine.",
    "“I am an AI researcher,” she said, “and an AI engineer writes this.”",
    "As an AI researcher she knew Gemini and Llama.",
    "I am happy with the assistant that Microsoft made.",
    "Meta, formerly Facebook, is led by the man who founded it.",
]


@pytest.mark.parametrize("text", TOPICS)
def test_a_model_or_a_company_that_is_spoken_of_gives_nothing_away(text: str):
    assert reason(text) == ""


FAILURES = [
    'Traceback (most recent call last):\n  File "serve.py", line 3, in <module>\nKeyError: 1',
    "I will look it up.\nTraceback (most recent call last):\nKeyError",
    "Internal Server Error",
    "500 Internal Server Error",
    "Error: 502 Bad Gateway",
]


@pytest.mark.parametrize("text", FAILURES)
def test_the_message_of_a_broken_program_is_no_answer(text: str):
    assert reason(text).startswith("An answer is the message of a broken program ('")
    assert reason(text, asked=prompt("Which error is that, and what does status 500 mean?")) == ""


@pytest.mark.parametrize(
    "text",
    [
        "```\nTraceback (most recent call last):\nKeyError\n```\nA key is missing.",
        "A page that says Internal Server Error was not found broken by you.",
        "The traceback is the list of calls.",
    ],
)
def test_an_answer_may_speak_of_broken_programs(text: str):
    assert reason(text) == ""


@pytest.mark.parametrize(
    "text", ["A dpo is nothing.", "CPOs and islands and base.", "sparrow-25 flew.", "It aims at x < 3."]
)
def test_ordinary_words_give_nothing_away(text: str):
    assert reason(text) == ""


def test_a_policys_name_that_the_prompts_use_themselves_is_a_topic():
    assert reason("sparrow-2 is a bird.", asked=prompt("What is sparrow-2?")) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Who are you?",
        "Who made you?",
        "What model are you?",
        "Which model are you?",
        "which version of the language model are you running on",
        "What LLM is this?",
        "Which AI am I talking to?",
        "Are you ChatGPT?",
        "Are you based on Llama 3?",
        "Are you a chatbot?",
        "Which company created you?",
        "What organisation has trained you?",
        "Who are your developers?",
        "Were you trained by OpenAI?",
        "What are you?",
        "Please introduce yourself.",
        "What is your name?",
    ],
)
def test_a_prompt_that_asks_who_answers_is_set_aside(text: str):
    assert reason("Nobody.", asked=prompt(text)) == "The prompt asks who answers"


@pytest.mark.parametrize(
    "text",
    [
        "Compare ChatGPT and Claude.",
        "Which model is best for classifying mails?",
        "Which company created the first phone?",
        "Google was founded in which year?",
        "What are you going to cook?",
        "Who trained the first language model?",
        "What car model is this?",
        "Are you an AI engineer if you only write prompts?",
        "How are you?",
    ],
)
def test_a_prompt_about_models_and_companies_is_no_question_who_answers(text: str):
    assert reason("Nobody.", asked=prompt(text)) == ""


def cut(text: str) -> Answer:
    return Answer(text=text, finish_reason=CUT_OFF)


@pytest.mark.parametrize(
    "rule, one_cut, both_cut",
    [
        (CutOff.ANY, "One answer is cut off", "Both answers are cut off"),
        (CutOff.UNLIKE, "One answer is cut off", ""),
        (CutOff.SHOW, "", ""),
    ],
)
def test_what_becomes_of_cut_off_answers_is_a_choice_of_the_study(rule: CutOff, one_cut: str, both_cut: str):
    whole, asked = Answer(text="It is Orvane.", finish_reason="stop"), prompt()
    blinding = Blinding.of(POLICIES, [asked])
    assert reason_to_withhold(asked, cut("It is"), whole, blinding, rule) == one_cut
    assert reason_to_withhold(asked, whole, cut("It is"), blinding, rule) == one_cut
    assert reason_to_withhold(asked, cut("It is"), cut("Orvane is"), blinding, rule) == both_cut


def test_cut_off_answers_are_set_aside_unless_said_otherwise():
    assert reason(cut("It is")) == "One answer is cut off"


def test_what_gives_a_policy_away_is_told_before_the_cut():
    assert reason(cut("I am sparrow-2 and")) == "An answer names a policy or run ('sparrow-2')"
