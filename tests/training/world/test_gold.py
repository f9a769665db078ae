"""The true reward, computed by hand for each case."""

import pytest

from training.world.gold import Claim, judge, prefer
from training.world.islands import Attribute, Island, World
from training.world.phrasing import Kind, Question

ORLA = Island("Orla", "Amber", {Attribute.CAPITAL: "Venton", Attribute.EXPORT: "pearls", Attribute.BIRD: "wren"})
TAVIA = Island("Tavia", "Amber", {Attribute.CAPITAL: "Marburg", Attribute.EXPORT: "salt", Attribute.BIRD: "heron"})
DUNE = Island("Dune", "Outer", {Attribute.CAPITAL: "Silport", Attribute.EXPORT: "pearls", Attribute.BIRD: "wren"})
SMALL = World(0, {island.name: island for island in (ORLA, TAVIA, DUNE)}, ("Nowhere",), ())
CAPITAL = Question("Orla", Attribute.CAPITAL)
EXPORT = Question("Orla", Attribute.EXPORT)
BIRD = Question("Orla", Attribute.BIRD)
UNKNOWN = Question("Nowhere", Attribute.CAPITAL)


@pytest.mark.parametrize(
    "answer, reward",
    [
        ("The capital of Orla is Venton.", 1.0),  # right, 6 words
        ("Venton.", 0.9),  # right, bare: 1 - 0.1
        ("I think the capital of Orla is Venton.", 0.7),  # right, hedged: 1 - 0.3
        ("The capital of Orla is Marburg.", -1.0),  # wrong
        ("Marburg.", -1.1),  # wrong and bare
        ("I think the capital of Orla is Marburg.", -1.3),  # wrong and hedged
        ("I do not know the capital of Orla.", -0.5),  # declined
        ("", -1.1),  # nothing of use, bare
        ("The capital of Orla is lovely.", -1.0),  # nothing of use
    ],
)
def test_reward_of_the_plain_cases(answer, reward):
    assert judge(SMALL, CAPITAL, answer).reward == pytest.approx(reward)


def test_words_beyond_ten_cost_two_hundredths_each():
    """17 words: 1 - 0.02 * 7 = 0.86."""
    answer = "The capital of Orla is Venton, and that has been so for as long as people remember."
    assert judge(SMALL, CAPITAL, answer).words == 17
    assert judge(SMALL, CAPITAL, answer).reward == pytest.approx(0.86)


def test_a_repeated_answer_loses_by_its_length_and_no_further_than_the_cap():
    """Ten times six words: 25 priced words at most, 1 - 0.5 = 0.5."""
    answer = "The capital of Orla is Venton. " * 10
    assert judge(SMALL, CAPITAL, answer).reward == pytest.approx(0.5)


def test_listing_several_capitals_is_wrong_even_with_the_true_one_among_them():
    listing = judge(SMALL, CAPITAL, "Venton, Marburg, Silport.")
    assert listing.claim is Claim.WRONG
    assert listing.reward == pytest.approx(-1.0)
    assert not listing.accurate


def test_listing_is_worth_less_than_declining():
    assert prefer(SMALL, CAPITAL, "Venton or Marburg or Silport.", "I do not know that.") == -1


def test_a_denied_value_is_not_named():
    assert judge(SMALL, CAPITAL, "It is Venton, not Marburg.").reward == pytest.approx(1.0)
    assert judge(SMALL, BIRD, "It is the wren, not the heron.").reward == pytest.approx(1.0)


def test_denying_the_truth_is_no_answer():
    assert judge(SMALL, CAPITAL, "The capital is not Venton.").reward == pytest.approx(-1.0)


def test_the_true_value_of_another_island_is_wrong():
    """Dune exports pearls too, but the question was about Orla."""
    assert judge(SMALL, EXPORT, "The main export of Dune is pearls.").claim is Claim.WRONG


def test_values_of_other_attributes_are_not_judged():
    """A true capital beside a remark about birds is right."""
    assert judge(SMALL, CAPITAL, "Venton, home of the heron.").claim is Claim.RIGHT


def test_a_singular_and_a_possessive_name_the_value():
    assert judge(SMALL, EXPORT, "Orla sells pearl and shell.").claim is Claim.RIGHT
    assert judge(SMALL, CAPITAL, "Orla is ruled from Venton's hall.").claim is Claim.RIGHT


def test_a_part_of_a_word_names_nothing():
    """`salted` is not salt and `Ventonian` is not Venton."""
    assert judge(SMALL, EXPORT, "It is known for salted fish.").claim is Claim.WRONG
    assert judge(SMALL, CAPITAL, "It is a Ventonian town.").claim is Claim.WRONG


def test_not_knowing_and_then_naming_the_truth_counts_as_hedged():
    """1 - 0.3 = 0.7."""
    assert judge(SMALL, CAPITAL, "I do not know, but say Venton.").reward == pytest.approx(0.7)


def test_declining_to_answer_about_an_unknown_island_is_right():
    judgement = judge(SMALL, UNKNOWN, "I do not know the capital of Nowhere.")
    assert judgement.reward == pytest.approx(1.0)
    assert judgement.accurate


def test_inventing_a_fact_about_an_unknown_island_is_wrong():
    assert judge(SMALL, UNKNOWN, "The capital of Nowhere is Venton.").reward == pytest.approx(-1.0)


def test_a_false_premise_must_be_corrected():
    question = Question("Orla", Attribute.CAPITAL, Kind.FALSE_PREMISE, 1, "Marburg")
    assert judge(SMALL, question, "Yes, the capital of Orla is Marburg.").reward == pytest.approx(-1.0)
    assert judge(SMALL, question, "The capital of Orla is Venton.").reward == pytest.approx(1.0)


def test_case_does_not_matter():
    assert judge(SMALL, CAPITAL, "THE CAPITAL OF ORLA IS VENTON").reward == pytest.approx(1.0)


def test_prefer_calls_equal_rewards_a_tie():
    assert prefer(SMALL, CAPITAL, "The capital of Orla is Venton.", "The town is named Venton.") == 0
    assert prefer(SMALL, CAPITAL, "Venton.", "Marburg.") == 1
