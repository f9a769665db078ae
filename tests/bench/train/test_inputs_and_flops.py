"""What both sides train on, and how much work it is."""

from __future__ import annotations

import pytest

from bench.train import flops
from bench.train.flops import Lengths
from bench.train.inputs import BATCH, FEWEST_WORDS, MOST_WORDS, PAIRS, Shape, pairs

SMALL = Shape(hidden=4, layers=2, feed_forward=8, vocabulary=10, heads=2)


def test_pairs_are_the_same_every_time_and_have_the_promised_lengths():
    rows = pairs()
    assert rows == pairs()
    assert len(rows) == PAIRS
    words = [len(row[name][0]["content"].split()) for row in rows for name in ("prompt", "chosen", "rejected")]
    assert min(words) >= FEWEST_WORDS
    assert max(words) <= MOST_WORDS


def test_pairs_of_a_batch_are_alike_in_length():
    longest = [n.prompt + max(n.answers) for n in map(flops.lengths, pairs())]
    batches = [longest[i : i + BATCH] for i in range(0, PAIRS, BATCH)]
    assert all(max(batch) - min(batch) <= 24 for batch in batches[1:-1])


def test_a_layers_matrices_are_counted_by_hand():
    """Queries and output 2 * 4 * 4 = 32, keys and values 2 * 4 * 4 = 32, feed-forward 3 * 4 * 8 = 96."""
    assert flops.layer_weights(SMALL) == 160


def test_fewer_key_heads_make_smaller_matrices():
    """One of two heads: keys and values 2 * 4 * 2 = 16 instead of 32."""
    assert flops.layer_weights(Shape(4, 2, 8, vocabulary=10, heads=2, key_heads=1)) == 144


def test_the_work_on_a_pair_is_counted_by_hand():
    """Prompt of 2, answers of 1 and 3: 6 tokens, seen 3 + (1 + 1 * 2) + (6 + 3 * 2) = 18.

    Layers 2 * (6 * 160 * 6 + 12 * 4 * 18) = 2 * (5760 + 864) = 13248; head 6 * 10 * 4 * 4 = 960.
    """
    assert flops.ours(SMALL, [Lengths(2, (1, 3))]) == 13248 + 960


def test_frozen_weights_have_no_gradient_of_their_own():
    """4 instead of 6 per weight: 2 * (4 * 160 * 6 + 864) + 4 * 10 * 4 * 4."""
    assert flops.ours(SMALL, [Lengths(2, (1, 3))], frozen=True) == 2 * (3840 + 864) + 640


def test_a_plain_layout_encodes_the_prompt_for_each_answer_and_every_position_meets_the_head():
    """Sequences of 3 and 5 tokens, seen 6 and 15: 2 * (960 * 8 + 48 * 21) + 240 * 8."""
    assert flops.plain(SMALL, [Lengths(2, (1, 3))]) == pytest.approx(2 * (7680 + 1008) + 1920)
