"""The out-of-fold model: no prompt judges itself, and the order of the answers does not matter."""

from __future__ import annotations

import numpy as np
import pytest

from training.preferences.noise import model as model_of_pairs
from training.preferences.noise.estimate import log_likelihood
from training.preferences.noise.model import OutOfFold, Prior, folds_of

TOPICS = 40


def pairs(count: int = 800, topics: int = TOPICS):
    """Each prompt asks for one of some words, and the answer that names it is the better one."""
    rng = np.random.default_rng(0)
    asked = rng.integers(topics, size=count)
    other = (asked + rng.integers(1, topics, size=count)) % topics
    prompts = [f"question {n} about topic{topic}" for n, topic in enumerate(asked)]
    return prompts, [f"answer{topic}" for topic in asked], [f"answer{topic}" for topic in other]


def test_one_prompt_is_in_one_fold_whatever_its_case_and_space():
    assert len(set(folds_of(["Who are you?", "who  are you? ", "WHO ARE YOU?"]).tolist())) == 1


def test_which_answers_fit_which_prompts_is_learnt_from_other_prompts():
    """Nothing in an answer alone tells the better one: every word is chosen as often as rejected."""
    prompts, chosen, rejected = pairs()
    model = OutOfFold.fit(prompts, chosen, rejected, np.ones(len(prompts)))
    assert (model.margins(prompts, chosen, rejected) > 0).mean() > 0.9


def test_many_wrong_labels_do_not_make_the_model_shy_of_what_holds_for_one_topic_alone():
    """With three labels in ten turned round it sides with the truth on 86 %; 84 % when log-loss chose the prior."""
    prompts, chosen, rejected = pairs(topics=100)
    signs = np.where(np.random.default_rng(1).random(len(prompts)) < 0.3, -1.0, 1.0)
    model = OutOfFold.fit(prompts, chosen, rejected, signs)
    assert model.prior.crosses > 1
    assert (model.margins(prompts, chosen, rejected) > 0).mean() > 0.85


def test_the_likelihood_of_margins_counts_what_sureness_tells_and_not_their_scale():
    margins = np.random.default_rng(0).normal(1, 2, size=2_000)
    shuffled = np.random.default_rng(1).permutation(np.abs(margins)) * np.sign(margins)
    assert log_likelihood(margins) == pytest.approx(log_likelihood(7 * margins), rel=1e-6)
    assert log_likelihood(margins) > log_likelihood(shuffled)


def test_answers_that_change_places_change_the_sign():
    prompts, chosen, rejected = pairs(300)
    model = OutOfFold.fit(prompts, chosen, rejected, np.ones(300))
    swapped = model.margins(prompts, rejected, chosen)
    assert model.margins(prompts, chosen, rejected) == pytest.approx(-swapped, abs=1e-4)


def test_a_prompt_is_judged_by_a_model_that_has_not_seen_it(monkeypatch):
    """Turning round the label of the first prompt's pairs changes the fits of the other folds, never its own. The
    prior is held fixed: it is chosen for all folds together."""
    monkeypatch.setattr(model_of_pairs, "_best_prior", lambda *_: Prior(0.4, 1.0))
    prompts, chosen, rejected = pairs(300)
    signs = np.ones(300)
    signs[0] = -1
    models = [OutOfFold.fit(prompts, chosen, rejected, each) for each in (np.ones(300), signs)]
    first, second = (model.margins(prompts[:1], chosen[:1], rejected[:1]) for model in models)
    assert first == pytest.approx(second)


def test_the_same_pairs_give_the_same_margins():
    prompts, chosen, rejected = pairs(300)
    first, second = (OutOfFold.fit(prompts, chosen, rejected, np.ones(300)) for _ in range(2))
    assert np.array_equal(first.margins(prompts, chosen, rejected), second.margins(prompts, chosen, rejected))


def test_a_single_prompt_cannot_be_judged_by_others():
    with pytest.raises(ValueError, match="same prompt"):
        OutOfFold.fit(["x"] * 9, ["good"] * 9, ["bad"] * 9, np.ones(9))
