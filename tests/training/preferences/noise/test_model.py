"""The out-of-fold model: no prompt judges itself, and the order of the answers does not matter."""

from __future__ import annotations

import numpy as np
import pytest

from training.preferences.noise.model import OutOfFold, folds_of

TOPICS = 40


def pairs(count: int = 800):
    """Each prompt asks for one of forty words, and the answer that names it is the better one."""
    rng = np.random.default_rng(0)
    asked = rng.integers(TOPICS, size=count)
    other = (asked + rng.integers(1, TOPICS, size=count)) % TOPICS
    prompts = [f"question {n} about topic{topic}" for n, topic in enumerate(asked)]
    return prompts, [f"answer{topic}" for topic in asked], [f"answer{topic}" for topic in other]


def test_one_prompt_is_in_one_fold_whatever_its_case_and_space():
    assert len(set(folds_of(["Who are you?", "who  are you? ", "WHO ARE YOU?"]).tolist())) == 1


def test_which_answers_fit_which_prompts_is_learnt_from_other_prompts():
    """Nothing in an answer alone tells the better one: every word is chosen as often as rejected."""
    prompts, chosen, rejected = pairs()
    model = OutOfFold.fit(prompts, chosen, rejected, np.ones(len(prompts)))
    assert (model.margins(prompts, chosen, rejected) > 0).mean() > 0.9


def test_answers_that_change_places_change_the_sign():
    prompts, chosen, rejected = pairs(300)
    model = OutOfFold.fit(prompts, chosen, rejected, np.ones(300))
    swapped = model.margins(prompts, rejected, chosen)
    assert model.margins(prompts, chosen, rejected) == pytest.approx(-swapped, abs=1e-4)


def test_a_prompt_is_judged_by_a_model_that_has_not_seen_it():
    """Turning round the label of the first prompt's pairs changes the fits of the other folds, never its own."""
    prompts, chosen, rejected = pairs(300)
    signs = np.ones(300)
    signs[0] = -1
    models = [OutOfFold.fit(prompts, chosen, rejected, each) for each in (np.ones(300), signs)]
    assert models[0].inverse_penalty == models[1].inverse_penalty
    first, second = (model.margins(prompts[:1], chosen[:1], rejected[:1]) for model in models)
    assert first == pytest.approx(second)


def test_the_same_pairs_give_the_same_margins():
    prompts, chosen, rejected = pairs(300)
    first, second = (OutOfFold.fit(prompts, chosen, rejected, np.ones(300)) for _ in range(2))
    assert np.array_equal(first.margins(prompts, chosen, rejected), second.margins(prompts, chosen, rejected))


def test_a_single_prompt_cannot_be_judged_by_others():
    with pytest.raises(ValueError, match="same prompt"):
        OutOfFold.fit(["x"] * 9, ["good"] * 9, ["bad"] * 9, np.ones(9))
