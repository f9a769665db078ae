"""Every rule fires on a hand-made run and stays silent on its healthy twin, which differs in what the rule is about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import CONFIG_CLASSES, Method, RunConfig, parse_config
from training.diagnosis import Alarm, alarms, catalogue
from training.diagnosis.evidence import PAIR_SELECTORS, SAMPLE_SELECTORS
from training.launching.config_fields import nest

STEPS = [0, 20, 40, 60, 80]


def series(**curves: list[float]) -> dict[str, tuple[list[int], list[float]]]:
    """held_out__loss=[...] is the metric held_out/loss at the steps 0, 20, 40, ..."""
    return {name.replace("__", "/"): (STEPS[: len(values)], values) for name, values in curves.items()}


def open_alarms(method: str, config: Mapping[str, Any] = MappingProxyType({}), /, **curves: Any) -> dict[str, Alarm]:
    found = alarms(series(**curves), parse_config(method, dict(config)))
    return {alarm.name: alarm for alarm in found}


LEARNT: dict[str, list[float]] = {
    "held_out__margin_gain": [0, 1, 2, 3, 4],
    "held_out__implicit_reward_accuracy": [0, 0.6, 0.65, 0.7, 0.72],
}
REGION: dict[str, list[float]] = {"held_out__pessimistic_share": [0.5] * 5}
RANKED: dict[str, list[float]] = {"held_out__reference_ranking_accuracy": [0.5] * 5}
GAP: dict[str, list[float]] = {"held_out__contradicted_share": [0, 0.2, 0.15, 0.1, 0.1]}
LENGTH: dict[str, list[float]] = {
    "reward_held_out__length_correlation": [0, 0.2, 0.4, 0.5, 0.5],
    "reward_held_out__accuracy_longer_chosen": [0.9] * 5,
}
JUDGED: dict[str, list[float]] = {"held_out__ranking_accuracy": [0.5, 0.64, 0.62, 0.6, 0.58]}

# name: method, settings, what both runs have, what the sick one has, what the healthy one has instead
CASES: dict[str, tuple[str, dict[str, Any], dict[str, list[float]], dict[str, list[float]], dict[str, list[float]]]] = {
    "undesirable_region": (
        "dpo",
        {},
        REGION,
        {"held_out__undesirable_share": [0, 0.15, 0.12, 0.1, 0.1]},
        {"held_out__undesirable_share": [0, 0.15, 0.08, 0.05, 0.04]},
    ),
    "ranking_not_improved": (
        "dpo",
        {},
        LEARNT | RANKED,
        {"held_out__ranking_accuracy": [0.5, 0.5, 0.51, 0.5, 0.5]},
        {"held_out__ranking_accuracy": [0.5, 0.52, 0.55, 0.6, 0.62]},
    ),
    "likelihood_displacement": (
        "dpo",
        {},
        LEARNT,
        {"held_out__chosen_displacement_per_token": [0, -0.05, -0.1, -0.2, -0.3]},
        {"held_out__chosen_displacement_per_token": [0, -0.01, 0.0, -0.02, -0.03]},
    ),
    "label_noise": (
        "dpo",
        {},
        LEARNT,
        {"held_out__contradicted_share": [0, 0.45, 0.42, 0.4, 0.4]},
        {"held_out__contradicted_share": [0, 0.35, 0.25, 0.2, 0.15]},
    ),
    "generalisation_gap": (
        "dpo",
        {"epochs": 4},
        GAP | {"train__implicit_reward_accuracy": [0.5, 0.7, 0.8, 0.95, 0.97]},
        {"held_out__implicit_reward_accuracy": [0, 0.65, 0.7, 0.7, 0.7]},
        {"held_out__implicit_reward_accuracy": [0, 0.65, 0.78, 0.9, 0.93]},
    ),
    "overfitting": (
        "sft",
        {},
        {},
        {"held_out__loss": [3.0, 2.0, 2.05, 2.2, 2.4]},
        {"held_out__loss": [3.0, 2.0, 1.9, 1.95, 1.9]},
    ),
    "margin_without_accuracy": (
        "dpo",
        {},
        {"held_out__margin_gain": [0, 1, 2, 3, 4]},
        {"held_out__implicit_reward_accuracy": [0, 0.65, 0.7, 0.7, 0.7]},
        {"held_out__implicit_reward_accuracy": [0, 0.6, 0.65, 0.7, 0.75]},
    ),
    "kl_without_gain": (
        "dpo",
        {},
        {"held_out__implicit_reward_accuracy": [0, 0.7, 0.69, 0.68, 0.68]},
        {"own__kl": [0, 2, 4, 8, 12]},
        {"own__kl": [0, 2, 2.1, 2, 2.2]},
    ),
    "length_drift": (
        "rlhf",
        {},
        {"own__length": [20, 22, 24, 28, 30]},
        {"own__length_ratio": [1, 1.1, 1.2, 1.4, 1.5]},
        {"own__length_ratio": [1, 1.1, 1.2, 1.15, 1.1]},
    ),
    "diversity_collapse": (
        "rlhf",
        {},
        {},
        {"own__entropy": [2.0, 1.5, 1.2, 0.8, 0.5]},
        {"own__entropy": [2.0, 1.8, 1.6, 1.5, 1.4]},
    ),
    "length_bias": (
        "reward",
        {},
        LENGTH,
        {"reward_held_out__accuracy_shorter_chosen": [0.5, 0.5, 0.4, 0.3, 0.3]},
        {"reward_held_out__accuracy_shorter_chosen": [0.5, 0.6, 0.7, 0.8, 0.8]},
    ),
    "miscalibrated": (
        "reward",
        {"epochs": 3},
        {"reward_held_out__ece_by_chance": [0.04] * 5, "reward_held_out__temperature": [1, 1.2, 1.5, 2, 2]},
        {"reward_held_out__ece": [0.05, 0.06, 0.08, 0.12, 0.15]},
        {"reward_held_out__ece": [0.05, 0.06, 0.04, 0.05, 0.05]},
    ),
    "members_disagree": (
        "reward",
        {"members": 2},
        {},
        {"reward_held_out__disagreement": [0.25]},
        {"reward_held_out__disagreement": [0.08]},
    ),
    "over_optimisation": (
        "rlhf",
        {"kl_beta": 0.0},
        JUDGED,
        {"own__score": [0, 0.8, 1.0, 1.2, 1.4]},
        {"own__score": [0, 0.8, 0.8, 0.8, 0.82]},
    ),
    "truncation": (
        "rlhf",
        {},
        {},
        {"rollout__truncated_share": [0.1, 0.12, 0.2, 0.3, 0.3]},
        {"rollout__truncated_share": [0.3, 0.12, 0.2, 0.05, 0.02]},
    ),
    "zero_spread": (
        "rlhf",
        {},
        {},
        {"rollout__zero_spread_share": [0.1, 0.2, 0.3, 0.4, 0.6]},
        {"rollout__zero_spread_share": [0.1, 0.2, 0.3, 0.2, 0.4]},
    ),
    "clipping": (
        "rlhf",
        {"updates_per_batch": 4},
        {},
        {"rollout__clip_share": [0.1, 0.2, 0.4, 0.4, 0.5]},
        {"rollout__clip_share": [0.05, 0.1, 0.1, 0.1, 0.1]},
    ),
    "sampler_gap": (
        "rlhf",
        {"sampler": "vllm"},
        {},
        {"rollout__sampler_gap": [0.06, 0.07, 0.1, 0.1, 0.1]},
        {"rollout__sampler_gap": [0.001] * 5},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_rule_fires(name):
    method, config, both, sick, _ = CASES[name]
    assert name in open_alarms(method, config, **both, **sick)


@pytest.mark.parametrize("name", CASES)
def test_the_rule_is_silent_on_the_healthy_twin(name):
    method, config, both, _, healthy = CASES[name]
    assert name not in open_alarms(method, config, **both, **healthy)


@pytest.mark.parametrize("name", CASES)
def test_an_alarm_can_be_shown_and_its_remedies_launched(name):
    """Its measure is in the catalogue, its evidence can be selected, and every remedy is a valid configuration."""
    method, config, both, sick, _ = CASES[name]
    alarm = open_alarms(method, config, **both, **sick)[name]
    assert catalogue.measure(alarm.measure).definition
    if alarm.evidence:
        assert alarm.evidence.selector in (SAMPLE_SELECTORS if alarm.evidence.file == "own" else PAIR_SELECTORS)
    for remedy in alarm.remedies:
        if remedy.method:
            assert remedy.button
            parse_config(remedy.method, nest(remedy.changes))


def test_all_rules_are_tried():
    from training.diagnosis import RULES

    assert len(CASES) == len(RULES)


def test_the_documentation_names_every_alarm():
    documented = (Path(__file__).resolve().parents[3] / "docs" / "diagnostics.md").read_text()
    assert [name for name in CASES if f"`{name}`" not in documented] == []


def test_the_cause_holds_the_numbers():
    alarm = open_alarms("dpo", **REGION, held_out__undesirable_share=[0, 0.15, 0.21])["undesirable_region"]
    assert "21 % of the held-out pairs" in alarm.cause
    assert "wrong" in alarm.cause
    assert (alarm.level, alarm.since) == ("error", 20)


def test_one_look_alone_raises_no_alarm():
    assert not open_alarms("dpo", **REGION, held_out__undesirable_share=[0, 0.01, 0.21])


def test_dpo_is_led_to_constrained_cpo_and_constrained_cpo_to_more_time():
    sick = {"held_out__undesirable_share": [0, 0.2, 0.2]}
    [dpo] = open_alarms("dpo", **REGION, **sick)["undesirable_region"].remedies
    [cpo] = open_alarms("cpo", {"epochs": 2}, **REGION, **sick)["undesirable_region"].remedies
    assert (dpo.method, dpo.changes) == (Method.CPO, {"margin": "hard", "floor": 0.0})
    assert (cpo.method, cpo.changes) == (Method.CPO, {"epochs": 4.0})


def test_a_run_that_steps_end_is_lengthened_by_steps():
    """Where max_steps is set, epochs are ignored."""
    sick = {"held_out__undesirable_share": [0, 0.2, 0.2]}
    [cpo] = open_alarms("cpo", {"max_steps": 50}, **REGION, **sick)["undesirable_region"].remedies
    assert (cpo.changes, cpo.button) == ({"max_steps": 100}, "Train 100 steps")


def test_a_larger_beta_is_advised_only_where_it_holds_the_policy():
    """SimPO and contrastive CPO have no reference; their β scales the gap."""
    _, _, both, sick, _ = CASES["margin_without_accuracy"]
    changed = {
        method: {key for remedy in alarm.remedies for key in remedy.changes}
        for method in ("dpo", "cpo", "simpo", "contrastive_cpo")
        for alarm in [open_alarms(method, **both, **sick)["margin_without_accuracy"]]
    }
    assert changed["dpo"] == changed["cpo"] == {"max_steps", "beta"}
    assert changed["simpo"] == changed["contrastive_cpo"] == {"max_steps"}


def test_ipo_is_not_told_to_normalise_by_length_which_it_does():
    [remedy] = open_alarms("dpo", {"loss": "ipo"}, own__length_ratio=[1, 1.4, 1.5])["length_drift"].remedies
    assert remedy.changes == {"beta": 0.2}


def test_a_reward_for_short_answers_is_not_remedied_by_a_price_on_long_ones():
    curves: dict[str, list[float]] = {
        "reward_held_out__accuracy_longer_chosen": [0.3] * 5,
        "reward_held_out__accuracy_shorter_chosen": [0.9] * 5,
    }
    long, short = (
        open_alarms("rlhf", **curves, reward_held_out__length_correlation=[0, sign * 0.5, sign * 0.5])["length_bias"]
        for sign in (1, -1)
    )
    assert long.remedies[1].changes == {"length_penalty": 0.02}
    assert "the shorter answer" in long.remedies[0].sentence
    assert [remedy.changes for remedy in short.remedies] == [{}]
    assert "the longer answer" in short.remedies[0].sentence


@pytest.mark.parametrize(
    "config, temperature, advised",
    [({"epochs": 3}, 2.0, True), ({"epochs": 3}, 0.5, False), ({"epochs": 3, "max_steps": 9}, 2.0, False)],
    ids=["too sure", "not sure enough", "epochs ignored"],
)
def test_fewer_passes_are_advised_to_a_reward_model_that_is_too_sure(config, temperature, advised):
    curves = {"reward_held_out__ece": [0.2] * 3, "reward_held_out__temperature": [temperature] * 3}
    remedies = open_alarms("reward", config, **curves)["miscalibrated"].remedies
    assert ({"epochs": 1.0} in [remedy.changes for remedy in remedies]) == advised


@pytest.mark.parametrize(
    "config, change",
    [
        ({"sampler": "vllm"}, {"sampler": "transformers"}),
        ({"sampler": "vllm", "precision": "bf16"}, {"precision": "fp32"}),
        ({"precision": "bf16"}, {"precision": "fp32"}),
        ({}, {}),
    ],
)
def test_a_gap_of_the_sampler_is_remedied_by_what_closes_it(config, change):
    """In bf16 the trainer's own loop, which decodes in fp32, has one as well."""
    [remedy] = open_alarms("rlhf", config, rollout__sampler_gap=[0.06] * 3)["sampler_gap"].remedies
    assert remedy.changes == change


def test_without_kl_over_optimisation_is_remedied_by_one():
    """methods.md: the published default of 0.05 nats is where to begin."""
    _, config, both, sick, _ = CASES["over_optimisation"]
    alarm = open_alarms("rlhf", config, **both, **sick)["over_optimisation"]
    assert alarm.remedies[0].changes == {"kl_beta": 0.05}
    assert "β of the KL is 0" in alarm.cause


def test_a_gap_with_sure_contradictions_is_laid_to_labels_and_without_to_learning_by_heart():
    _, config, both, sick, _ = CASES["generalisation_gap"]
    noisy = both | {"held_out__contradicted_share": [0, 0.4, 0.4, 0.4, 0.4]}
    assert "flipped labels" in open_alarms("dpo", config, **noisy, **sick)["generalisation_gap"].cause
    by_heart = open_alarms("dpo", config, **both, **sick)["generalisation_gap"]
    assert "by heart" in by_heart.cause
    assert by_heart.remedies[0].changes == {"epochs": 2.0}


@pytest.mark.parametrize("batch_size, opens", [(8, False), (9, True)])
def test_a_model_that_has_seen_few_pairs_accuses_no_label(batch_size: int, opens: bool):
    """500 pairs are 63 steps of 8, with one look after them (step 80), and 56 of 9, with two; an alarm takes two."""
    noisy = {"held_out__contradicted_share": [0, 0.45, 0.45, 0.45, 0.45]}
    assert ("label_noise" in open_alarms("dpo", {"batch_size": batch_size}, **noisy)) == opens


def test_in_rlhf_it_is_the_reward_model_that_learns_labels_and_is_trained_less():
    """The policy's own contradictions on held-out pairs say nothing of the labels there."""
    noisy = {"reward_held_out__contradicted_share": [0, 0.4, 0.4]}
    assert "label_noise" in open_alarms("rlhf", **noisy)
    assert "label_noise" not in open_alarms("rlhf", held_out__contradicted_share=[0, 0.4, 0.4])
    rising = open_alarms("rlhf", reward_held_out__loss=[0.7, 0.5, 0.6, 0.7])["overfitting"]
    assert rising.remedies[0].changes == {"reward.epochs": 0.5}


def test_without_a_reference_the_gap_is_that_of_the_ranking():
    curves = {"train__ranking_accuracy": [0.5, 0.8, 0.9, 0.95], "held_out__ranking_accuracy": [0.5, 0.6, 0.6, 0.6]}
    assert "generalisation_gap" in open_alarms("simpo", **curves)


def test_labels_that_are_smoothed_enough_are_not_smoothed_again():
    _, _, both, sick, _ = CASES["label_noise"]
    remedies = open_alarms("dpo", {"label_smoothing": 0.3}, **both, **sick)["label_noise"].remedies
    assert not any(remedy.method for remedy in remedies)


def test_the_loss_of_robust_dpo_is_unbounded_and_so_no_sign_of_overfitting():
    rising = {"held_out__loss": [-3.0, -2.0, -1.5, -1.0]}
    assert "overfitting" in open_alarms("dpo", **rising)
    assert "overfitting" not in open_alarms("dpo", {"loss": "robust", "label_smoothing": 0.1}, **rising)


def test_short_answers_are_a_drift_too():
    alarm = open_alarms("dpo", own__length_ratio=[1, 0.9, 0.75, 0.7])["length_drift"]
    assert alarm.title == "Answers grow shorter"
    assert alarm.evidence is not None
    assert alarm.evidence.selector == "shorter"


def test_the_gravest_alarm_comes_first():
    found = alarms(
        series(own__length_ratio=[1, 0.7, 0.7], held_out__contradicted_share=[0, 0.4, 0.4]), parse_config("dpo", {})
    )
    assert [alarm.level for alarm in found] == ["error", "warning"]


NAMES = sorted({name.replace("__", "/") for _, _, both, sick, _ in CASES.values() for name in both | sick})
VALUES = st.lists(st.floats(-1e6, 1e6), max_size=6)


@given(
    method=st.sampled_from([m for m in Method if m.trains]),
    values=st.dictionaries(st.sampled_from(NAMES), VALUES),
)
def test_no_series_makes_a_rule_fail(method: Method, values: dict[str, list[float]]):
    """Looks of different metrics need not agree in number: a run may have died between them."""
    config: RunConfig = CONFIG_CLASSES[method]()
    curves = {name: (list(range(len(points))), points) for name, points in values.items()}
    for alarm in alarms(curves, config):
        assert alarm.cause
        for remedy in alarm.remedies:
            if remedy.method:
                parse_config(remedy.method, nest(remedy.changes))
