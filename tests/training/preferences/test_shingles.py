"""Shingles, their sets and their bands, against sets of strings and against datasketch."""

from __future__ import annotations

import random

import numpy as np
from datasketch import MinHash, MinHashLSH

from training.preferences.checks.near_duplicates import SIMILAR, first_of_group
from training.preferences.checks.shingles import (
    BAND_ROWS,
    BANDS,
    bands_of,
    sets_of,
    shingles_of,
    similarities,
    words_of,
)


def sets(texts):
    owners, _, shingles = shingles_of(words_of(texts))
    return sets_of(owners, shingles, len(texts))


def similarity(one: str, other: str) -> float:
    return float(similarities(sets([one, other]), np.array([0]), np.array([1]))[0])


def strings(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def texts_with_copies(count: int, seed: int = 0) -> list[str]:
    """Random texts of 12 to 60 words, each followed by a copy with one or two words changed."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        words = [f"w{draw.randrange(500)}" for _ in range(draw.randint(12, 60))]
        made.append(" ".join(words))
        for _ in range(draw.randint(1, 2)):
            words[draw.randrange(len(words))] = "changed"
        made.append(" ".join(words))
    return made


def test_words_are_counted_without_case_punctuation_and_white_space():
    words = words_of(["Hello, World!", "hello\n  world", "", None, "...", "你好吗 foo"])
    assert words.counts.tolist() == [2, 2, 0, 0, 0, 4]
    assert words.hashes[:2].tolist() == words.hashes[2:4].tolist()


def test_full_width_letters_are_the_same_words():
    assert words_of(["ＡＢＣ"]).hashes.tolist() == words_of(["abc"]).hashes.tolist()


def test_a_text_of_six_words_has_two_shingles_and_a_shorter_one_has_one():
    owners, places, _ = shingles_of(words_of(["a b c d e f", "a b", ""]))
    assert owners.tolist() == [0, 0, 1]
    assert places.tolist() == [0, 1, 6]


def test_without_shorter_ones_a_text_of_two_words_has_none():
    assert not len(shingles_of(words_of(["a b"]), shorter=False)[0])


def test_similarity_of_texts_whose_last_of_ten_words_differs():
    """Six shingles each, five in common: 5 / 7."""
    assert similarity("a b c d e f g h i j", "a b c d e f g h i x") == 5 / 7


def test_similarity_counts_sets_so_that_repeats_do_not_matter():
    assert similarity("a a a a a a a a", "a a a a a") == 1.0


def test_similarities_equal_those_of_sets_of_strings():
    texts = texts_with_copies(40)
    one, other = np.triu_indices(len(texts), 1)
    expected = [
        len(strings(texts[i]) & strings(texts[j])) / len(strings(texts[i]) | strings(texts[j]))
        for i, j in zip(one, other, strict=True)
    ]
    assert similarities(sets(texts), one, other).tolist() == expected


def test_two_sets_share_a_minimum_as_often_as_they_are_similar():
    """P(a band agrees) = s^6; at s = 15/21 = 0.714 that is 0.133, of 300 x 21 bands 837, here within 5 of its 27."""
    texts = []
    for number in range(300):
        words = [f"n{number}p{place}" for place in range(22)]
        texts += [" ".join(words), " ".join([*words[:-3], "x", "y", "z"])]
    keys = bands_of(sets(texts))
    agreeing = int((keys[::2] == keys[1::2]).sum())
    expected = 300 * BANDS * (15 / 21) ** BAND_ROWS
    assert abs(agreeing - expected) < 5 * expected**0.5


def test_groups_are_those_of_datasketch_verified_by_exact_similarity():
    texts = texts_with_copies(100, seed=1)
    subject = sets(texts)
    index = MinHashLSH(num_perm=BANDS * BAND_ROWS, params=(BANDS, BAND_ROWS))
    shingled = [[" ".join(run).encode() for run in strings(text)] for text in texts]
    hashes = MinHash.bulk(shingled, num_perm=BANDS * BAND_ROWS)
    for number, minhash in enumerate(hashes):
        index.insert(number, minhash)
    pairs = [(i, j) for i, minhash in enumerate(hashes) for j in index.query(minhash) if i < j]
    one, other = np.array(pairs).T
    alike = {pair for pair, s in zip(pairs, similarities(subject, one, other), strict=True) if s >= SIMILAR}
    first = first_of_group(subject, bands_of(subject))
    # Copies come in twos, so a group is a pair.
    assert {(int(f), i) for i, f in enumerate(first) if f >= 0 and f != i} == alike
    assert len(alike) > 10


def test_a_chain_of_alike_texts_is_one_group_named_by_its_first():
    """Each text is one word further along: neighbours share 29 of 31 shingles, the ends 26 of 34."""
    words = [f"w{number}" for number in range(40)]
    texts = [" ".join(words[start : start + 34]) for start in range(5)]
    first = first_of_group(sets(["something else", *texts]), bands_of(sets(["something else", *texts])))
    assert first.tolist() == [-1, 1, 1, 1, 1, 1]


def test_texts_without_words_are_like_no_other():
    subject = sets(["...", "!!!", "", "a"])
    assert first_of_group(subject, bands_of(subject)).tolist() == [-1, -1, -1, -1]
