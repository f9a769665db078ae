"""The line of a text that a listing shows: its beginning, or the part in which it differs from another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.training.preferences.pairs import pair
from training.preferences.browsing.excerpts import SHOWN, Excerpt, excerpts, first_difference
from training.preferences.records import Message, Pair

ALIKE = "It is told that " + "the old council met on every island " * 10


def line(excerpt: Excerpt) -> str:
    """As it is shown, with what differs in brackets."""
    pieces = "".join(f"[{piece.text}]" if piece.differs else piece.text for piece in excerpt.pieces)
    return f"{'…' * excerpt.is_later}{pieces}{'…' * excerpt.is_cut}"


@given(st.text("ab", max_size=40), st.text("ab", max_size=40))
def test_texts_begin_alike_up_to_their_first_difference(one: str, other: str) -> None:
    same = first_difference(one, other)
    assert one[:same] == other[:same]
    assert one[same : same + 1] != other[same : same + 1] or same == len(one) == len(other)


def test_a_row_alone_is_shown_by_its_beginnings_without_marks() -> None:
    shown = excerpts(pair("What is Aro?", "x" * 300, "A town."))
    assert line(shown.prompt) == "What is Aro?"
    assert line(shown.chosen) == "x" * SHOWN + "…"
    assert shown.rejected is not None
    assert line(shown.rejected) == "A town."


def test_answers_of_a_pair_that_begin_alike_are_shown_where_they_differ() -> None:
    """The lead begins after the first blank of " met on every island in ", 24 characters."""
    shown = excerpts(pair("Q", f"{ALIKE}in spring.", f"{ALIKE}in autumn."))
    assert line(shown.chosen) == "…met on every island in [spring]."
    assert shown.rejected is not None
    assert line(shown.rejected) == "…met on every island in [autumn]."


def test_every_text_of_a_row_is_shown_where_it_differs_from_the_row_beside_it() -> None:
    one, other = pair(f"{ALIKE}, why?", "Yes, Teku.", ALIKE), pair(f"{ALIKE}, how?", "Yes, Aro.", ALIKE)
    shown = excerpts(one, other)
    assert line(shown.prompt).endswith("island , [why]?")
    assert line(shown.chosen) == "Yes, [Teku]."
    assert shown.rejected is not None
    assert line(shown.rejected) == ALIKE[:SHOWN] + "…"


def test_a_word_that_one_text_has_more_moves_no_mark_to_the_end_of_the_excerpt() -> None:
    tail = " ".join(f"word{number}" for number in range(200))
    shown = excerpts(pair("Q", f"{ALIKE}really {tail}"), pair("Q", f"{ALIKE}{tail}"))
    assert [piece.text.strip() for piece in shown.chosen.pieces if piece.differs] == ["really"]


def test_an_earlier_turn_is_shown_where_only_that_differs() -> None:
    one, other = (
        Pair((Message("user", f"I live on {name}."), Message("user", "Now?")), (Message("assistant", "Go."),), None)
        for name in ("Aro", "Teku")
    )
    assert line(excerpts(one, other).prompt) == "I live on [Aro]. Now?"
    assert excerpts(one, other).rejected is None


def test_a_text_that_goes_on_where_another_ends_shows_the_end_of_both() -> None:
    longer, shorter = pair("Q", f"{ALIKE}for days."), pair("Q", ALIKE.strip())
    assert line(excerpts(longer, shorter).chosen).endswith("every island[ for days.]")
    assert line(excerpts(shorter, longer).chosen).startswith("…")
    assert line(excerpts(shorter, longer).chosen).endswith("on every island")
