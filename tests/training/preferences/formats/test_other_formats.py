"""Transcripts, rated answers and battles: the pairs of a row, the rules, and what gives none."""

from __future__ import annotations

import pytest

from training.preferences.formats import Format, Mapping, Pairing, Ties, convert, proposed, recognise
from training.preferences.records import Message, Pair, Problem, RowProblem

HH = "\n\nHuman: Capital of Pelund?\n\nAssistant: "
ULTRA = {
    "instruction": "Capital of Pelund?",
    "completions": [
        {"response": "Teku.", "overall_score": 2, "model": "small"},
        {"response": "Aro.", "overall_score": 9, "model": "large"},
        {"response": "Aro, I think.", "overall_score": 7, "model": "middle"},
    ],
}
BATTLE = {"prompt": "Capital?", "model_a": "x", "model_b": "y", "response_a": "Aro.", "response_b": "Teku."}


def read(row: dict, **rules) -> list[Pair]:
    """The pairs of a row whose format and columns are recognised, under these rules."""
    mapping = recognise([row])[0].mapping
    return convert(row, mapping.model_copy(update=rules), 1)


def refused(row: dict, format: Format, **rules) -> RowProblem:
    with pytest.raises(RowProblem) as caught:
        convert(row, proposed(format, [row]).model_copy(update=rules), 1)
    assert str(caught.value).endswith(".")
    return caught.value


def texts(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.chosen[0].content, pair.rejected[0].content) for pair in pairs if pair.rejected]


# --- Transcripts --------------------------------------------------------------------------------------------------


def test_two_transcripts_share_their_prompt():
    start = "\n\nHuman: Hello\n\nAssistant: Hi.\n\nHuman: Capital of Pelund?\n\nAssistant: "
    [pair] = read({"chosen": f"{start}Aro.", "rejected": f"{start}Teku."})
    assert pair.prompt == (
        Message("user", "Hello"),
        Message("assistant", "Hi."),
        Message("user", "Capital of Pelund?"),
    )
    assert texts([pair]) == [("Aro.", "Teku.")]


def test_a_transcript_as_prompt_takes_plain_replies():
    [pair] = read({"prompt": HH.rstrip(), "chosen": f"{HH}Aro.", "rejected": f"{HH}Teku."})
    assert pair.prompt == (Message("user", "Capital of Pelund?"),)
    assert texts([pair]) == [("Aro.", "Teku.")]


def test_one_transcript_is_a_demonstration_of_its_last_turn():
    [pair] = read({"chosen": f"{HH}Aro."})
    assert (pair.chosen, pair.rejected) == ((Message("assistant", "Aro."),), None)


@pytest.mark.parametrize(
    "row, problem",
    [
        ({"chosen": f"{HH}Aro.", "rejected": f"{HH}Aro."}, Problem.IDENTICAL),
        ({"chosen": f"{HH}", "rejected": f"{HH}Teku."}, Problem.EMPTY),
        ({"chosen": f"{HH}Aro.\n\nHuman: Why?\n\nAssistant: So.", "rejected": f"{HH}Teku."}, Problem.ROLES),
        ({"chosen": f"Note.{HH}Aro.", "rejected": f"{HH}Teku."}, Problem.ROLES),
        ({"chosen": 3, "rejected": f"{HH}Teku."}, Problem.TYPE),
        ({"rejected": f"{HH}Teku."}, Problem.COLUMNS),
    ],
)
def test_a_transcript_that_gives_no_pair_is_refused(row, problem):
    mapping = Mapping(format=Format.TRANSCRIPTS, columns={"chosen": "chosen", "rejected": "rejected"})
    with pytest.raises(RowProblem) as caught:
        convert(row, mapping, 1)
    assert caught.value.problem == problem


# --- Rated answers ------------------------------------------------------------------------------------------------


def test_the_best_against_the_worst_keeps_the_gap_as_margin():
    """Ratings 2, 9, 7: best 9, worst 2, margin 9 - 2 = 7."""
    [pair] = read(ULTRA)
    assert (texts([pair]), pair.margin) == ([("Aro.", "Teku.")], 7)
    assert (pair.extra["chosen.model"], pair.extra["rejected.overall_score"]) == ("large", 2)


def test_the_best_against_each():
    pairs = read(ULTRA, pairing=Pairing.BEST_EACH)
    assert [(pair.margin, text) for pair, (_, text) in zip(pairs, texts(pairs), strict=True)] == [
        (2, "Aro, I think."),
        (7, "Teku."),
    ]


def test_every_two_that_are_far_enough_apart():
    """Differences 9-7 = 2, 9-2 = 7, 7-2 = 5; with a gap of 5: two pairs."""
    assert [pair.margin for pair in read(ULTRA, pairing=Pairing.GAP, gap=5)] == [7, 5]


def test_ratings_may_stand_beside_the_answers_and_be_written_as_text():
    row = {"input": "Capital?", "generations": ["Teku.", "Aro.", "Oh."], "ratings": ["2", 4.5, "N/A"], "model": "judge"}
    [pair] = read(row)
    assert (texts([pair]), pair.margin, pair.extra) == ([("Aro.", "Teku.")], 2.5, {"model": "judge"})


@pytest.mark.parametrize(
    "scores, rules, problem",
    [
        ([3, 3, 3], {}, Problem.TIE),
        ([3, 3.5, 3], {"pairing": Pairing.GAP, "gap": 1}, Problem.TIE),
        ([3, None, "N/A"], {}, Problem.RATINGS),
        ([3, 4], {}, Problem.RATINGS),
    ],
)
def test_ratings_that_prefer_nothing_are_refused(scores, rules, problem):
    row = {"prompt": "Capital?", "responses": ["a", "b", "c"], "ratings": scores}
    assert refused(row, Format.RATED, **rules).problem == problem


def test_answers_of_the_same_text_give_no_pair():
    row = {"prompt": "Capital?", "responses": ["a", "a"], "ratings": [1, 2]}
    assert refused(row, Format.RATED).problem == Problem.IDENTICAL


# --- Battles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("winner", ["model_a", "A", " Model A ", "left", "x"])
def test_the_winner_is_chosen_and_was_shown_first(winner):
    [pair] = read(BATTLE | {"winner": winner})
    assert (texts([pair]), pair.position, pair.label) == ([("Aro.", "Teku.")], 1, 1.0)
    assert pair.extra == {"chosen.model": "x", "rejected.model": "y"}


def test_where_model_b_won_the_chosen_answer_was_shown_second():
    [pair] = read(BATTLE | {"winner": "model_b", "judge": "ann", "tstamp": 1_700_000_000.5})
    assert (texts([pair]), pair.position, pair.annotator) == ([("Teku.", "Aro.")], 2, "ann")
    assert pair.extra == {"chosen.model": "y", "rejected.model": "x"}
    assert pair.at.startswith("2023-11-14T22:13:20")


def test_a_tie_is_refused_or_labelled_one_half_as_the_rule_says():
    row = BATTLE | {"winner": "tie"}
    assert refused(row, Format.BATTLES).problem == Problem.TIE
    assert [pair.label for pair in read(row, ties=Ties.HALF)] == [0.5]


@pytest.mark.parametrize("winner", ["tie (bothbad)", "both_bad", "bothbad"])
def test_both_bad_never_gives_a_pair(winner):
    assert "judged bad" in str(refused(BATTLE | {"winner": winner}, Format.BATTLES, ties=Ties.HALF))


def test_a_winner_that_nobody_knows_is_refused():
    assert refused(BATTLE | {"winner": "z"}, Format.BATTLES).problem == Problem.WINNER


def test_whole_conversations_share_the_question():
    def said(answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": "Capital?"}, {"role": "assistant", "content": answer}]

    [pair] = read({"conversation_a": said("Aro."), "conversation_b": said("Teku."), "winner": "model_b"})
    assert (pair.prompt, texts([pair])) == ((Message("user", "Capital?"),), [("Teku.", "Aro.")])


# --- Mappings -----------------------------------------------------------------------------------------------------


def test_one_column_cannot_be_two_things():
    with pytest.raises(ValueError, match="cannot be both"):
        Mapping(columns={"chosen": "a", "rejected": "a"})


def test_a_mapping_survives_being_stored():
    mapping = recognise([ULTRA])[0].mapping.model_copy(update={"pairing": Pairing.GAP, "gap": 0.5})
    assert Mapping.model_validate(mapping.model_dump(mode="json")) == mapping
