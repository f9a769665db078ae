"""Features of pairs: antisymmetric, alike in every batch, and what the prompt's words add."""

from __future__ import annotations

import numpy as np

from training.preferences.noise.features import Features, Texts
from training.preferences.noise.words import difference, phrases, words_of

PROMPTS = [f"capital of Island{n % 3}?" for n in range(30)]
FIRST = [f"It is Town{n % 3}, I think." for n in range(30)]
SECOND = [f"Town{(n + 1) % 3}" for n in range(30)]


def test_marks_stand_alone_and_case_does_not_count():
    """ "Hi, you!" has four parts; "HI" hashes as "hi" does; an empty text has none."""
    words = words_of(["Hi, you!", "", "HI"])
    assert words.counts.tolist() == [4, 0, 1]
    assert words.hashes[0] == words.hashes[4]


def test_scripts_without_spaces_are_cut_into_letters():
    assert words_of(["東京です"]).counts.tolist() == [4]


def test_phrases_do_not_reach_from_one_text_into_the_next():
    """Three words make two phrases, one word none, two words one."""
    assert phrases(words_of(["a b c", "d", "e f"])).counts.tolist() == [2, 0, 1]


def test_words_that_both_answers_have_cancel_out():
    """Of "a b" and "b c" remain a (+1) and c (-1)."""
    assert sorted(difference(words_of(["a b"]), words_of(["b c"]), 17).data.tolist()) == [-1, 1]


def test_answers_that_change_places_change_the_sign_of_every_feature():
    features = Features.fit(Texts.read(PROMPTS, FIRST, SECOND))
    one = features.matrix(Texts.read(PROMPTS, FIRST, SECOND))
    other = features.matrix(Texts.read(PROMPTS, SECOND, FIRST))
    assert one.nnz
    assert abs(one + other).max() < 1e-6


def test_a_row_does_not_depend_on_the_rows_beside_it():
    features = Features.fit(Texts.read(PROMPTS, FIRST, SECOND))
    together = features.matrix(Texts.read(PROMPTS, FIRST, SECOND))
    alone = features.matrix(Texts.read(PROMPTS[7:8], FIRST[7:8], SECOND[7:8]))
    assert np.allclose(together[7].toarray(), alone.toarray(), atol=1e-6)


def test_the_same_answers_to_another_prompt_are_another_row():
    features = Features.fit(Texts.read(PROMPTS, FIRST, SECOND))
    rows = features.matrix(Texts.read(["capital of Island0?", "capital of Island1?"], ["Town0"] * 2, ["Town1"] * 2))
    assert abs(rows[0] - rows[1]).max() > 0.1


def test_empty_texts_are_rows_without_features_that_do_no_harm():
    features = Features.fit(Texts.read(PROMPTS, FIRST, SECOND))
    assert np.isfinite(features.matrix(Texts.read([""], [""], [""])).data).all()
