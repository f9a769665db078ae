"""What the pair methods share: each trains, labels and weights count, and batching changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, tensor

from tests.training.engine.conftest import colour_rows, events, train_here
from training.config import ContrastiveCPOConfig, CPOConfig, DPOConfig, SimPOConfig
from training.engine import contrastive_cpo, cpo, dpo, losses, simpo
from training.engine.packing import Example
from training.engine.pairwise import Known, Pairs

METHODS = ["dpo", "cpo", "contrastive_cpo", "simpo"]
QUIET = {"sample_count": 0, "probe_prompts": 0}


def some_pairs() -> Pairs:
    """Log-probabilities -6 and -12 against the reference's -8 and -10, over 2 and 4 tokens; label 1.

    Margins: 6 and 2. Means -3, -3, -4, -2.5: margins 0 and -1.5.
    """
    return Pairs(tensor([[-6.0, -12.0]]), tensor([[-8.0, -10.0]]), tensor([[2, 4]]), tensor([1.0]), tensor([0.0]))


def close(found: Tensor, *expected: float) -> bool:
    return torch.allclose(found, tensor(expected), rtol=1e-5)


def interleaved(rows: int) -> list[dict]:
    """Every other pair is held out, the first one too."""
    return [{**row, "split": "train" if i % 2 else "held_out"} for i, row in enumerate(colour_rows(rows))]


def curve(folder: Path, name: str) -> list[float]:
    return [e["values"][name] for e in events(folder, "metrics") if name in e["values"]]


# --- What each method makes of its settings ---------------------------------------------------------------------------


def test_dpo_takes_sums_or_means():
    """z = 0.25 (6 - 2) = 1: 0.313262. Means: z = 2 (0 + 1.5) = 3, log(1 + e^-3) = 0.048587."""
    assert close(dpo.pair_loss(some_pairs(), DPOConfig(beta=0.25)), 0.313262)
    assert close(dpo.pair_loss(some_pairs(), DPOConfig(beta=2, length_normalised=True)), 0.048587)


def test_ipo_always_takes_means():
    """Gap 0 + 1.5 = 1.5, wanted 1 / (2 * 0.5) = 1: 0.25."""
    assert close(dpo.pair_loss(some_pairs(), DPOConfig(beta=0.5, loss="ipo")), 0.25)


def test_dpo_adds_likelihood_per_token():
    """0.313262 + 0.5 * 6 / 2 = 1.813262."""
    assert close(dpo.pair_loss(some_pairs(), DPOConfig(beta=0.25, nll_weight=0.5)), 1.813262)


def test_robust_dpo_leaves_the_likelihood_of_the_rejected_answer_alone():
    """z = 1, e = 0.1: 1.125 * 0.313262 - 0.125 * 1.313262 = 0.188262, and 6 / 2 = 3 of the chosen answer alone; that
    of the rejected one is 12 / 3 = 4."""
    pairs = replace(some_pairs(), lengths=tensor([[2, 3]]))
    config = DPOConfig(beta=0.25, loss="robust", label_smoothing=0.1, nll_weight=1)
    assert close(dpo.pair_loss(pairs, config), 3.188262)


@pytest.mark.parametrize(
    "module, config",
    [
        (dpo, DPOConfig(beta=0.25, label_smoothing=0.1, nll_weight=1)),
        (contrastive_cpo, ContrastiveCPOConfig(beta=1 / 6, label_smoothing=0.1)),
    ],
)
def test_smoothing_weighs_the_likelihood_of_both_answers(module, config):
    """z = 1 in both: 0.9 * 0.313262 + 0.1 * 1.313262 = 0.413262, and 0.9 * 6 / 2 + 0.1 * 12 / 3 = 3.1."""
    pairs = replace(some_pairs(), lengths=tensor([[2, 3]]))
    assert close(module.pair_loss(pairs, config), 3.513262)


def test_constrained_cpo_reads_the_floor_when_hard_and_gamma_when_smooth():
    pairs = some_pairs()
    hard = losses.constrained_cpo(tensor([6.0]), tensor([2.0]), beta=0.25, floor=4.0)
    smooth = losses.constrained_cpo(tensor([6.0]), tensor([2.0]), beta=0.25, floor=3.0, tau=2.0, alpha=0.5)
    assert torch.equal(cpo.pair_loss(pairs, CPOConfig(beta=0.25, floor=4, gamma=9)), hard)
    config = CPOConfig(beta=0.25, margin="smooth", floor=9, gamma=3, tau=2, alpha=0.5)
    assert torch.equal(cpo.pair_loss(pairs, config), smooth)


def test_contrastive_cpo_weighs_likelihood_per_token_or_per_answer():
    """z = 0.25 * 6 = 1.5: log(1 + e^-1.5) = 0.201413; plus 6 / 2 = 3, or plus 6."""
    assert close(contrastive_cpo.pair_loss(some_pairs(), ContrastiveCPOConfig(beta=0.25)), 3.201413)
    config = ContrastiveCPOConfig(beta=0.25, nll_per="answer")
    assert close(contrastive_cpo.pair_loss(some_pairs(), config), 6.201413)


def test_simpo_takes_means():
    """z = 2 * 0 - 1 = -1: 1.313262; with likelihood 0.5 * 3 more."""
    assert close(simpo.pair_loss(some_pairs(), SimPOConfig()), 1.313262)
    assert close(simpo.pair_loss(some_pairs(), SimPOConfig(nll_weight=0.5)), 2.813262)


def test_facts_of_a_pair_are_found_by_its_row():
    known = Known({7: 0, 1: 1, 3: 2}, torch.arange(6.0).view(3, 2), tensor([0.0, 10.0, 20.0]), relative=True)
    examples = [Example((1,), ((2, 3), (4,)), label=0.5, row=3), Example((1,), ((2,), (4,)), row=1)]
    pairs = known.of(examples, torch.zeros(2, 2))
    assert pairs.reference.tolist() == [[4, 5], [2, 3]]
    assert pairs.reward_gaps.tolist() == [20, 10]
    assert (pairs.lengths.tolist(), pairs.labels.tolist()) == ([[2, 1], [1, 1]], [0.5, 1.0])


# --- Runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_the_preference(make_run, method):
    folder = make_run(method, learning_rate=1e-2, epochs=3, **QUIET)
    assert train_here(folder) == 0
    result = json.loads((folder / "result.json").read_text())
    assert result["metrics"]["held_out/margin_gain"] > 1
    assert result["metrics"]["held_out/loss"] < curve(folder, "held_out/loss")[0]


@pytest.mark.parametrize("method", METHODS)
def test_held_out_rows_may_stand_anywhere(make_run, method):
    assert train_here(make_run(method, rows=interleaved(12), max_steps=1, **QUIET)) == 0


@pytest.mark.parametrize("method", METHODS)
def test_the_split_into_passes_changes_nothing(make_run, method):
    rows = [
        {**row, "weight": 1 + i % 3, "label": 1 - 0.1 * (i % 4)} for i, row in enumerate(colour_rows(40, held_out=8))
    ]
    whole, parts = (
        make_run(method, name=name, rows=rows, max_steps=4, tokens_per_pass=most, tuning="full", **QUIET)
        for name, most in (("whole", 8192), ("parts", 256))
    )
    assert train_here(whole) == train_here(parts) == 0
    for name in ("train/loss", "train/grad_norm", "train/ranking_accuracy"):
        assert curve(parts, name) == pytest.approx(curve(whole, name), rel=1e-3), name


def test_only_the_ratio_of_weights_matters(make_run):
    losses_of = {}
    for scale in (1, 10):
        rows = [{**row, "weight": scale * (1.0 + i % 3)} for i, row in enumerate(colour_rows(24, held_out=4))]
        folder = make_run("dpo", name=f"scale-{scale}", rows=rows, max_steps=3, **QUIET)
        assert train_here(folder) == 0
        losses_of[scale] = curve(folder, "train/loss") + curve(folder, "held_out/loss")
    assert losses_of[10] == pytest.approx(losses_of[1], rel=1e-5)


def test_without_a_reference_nothing_is_compared_with_it_while_training(make_run):
    folder = make_run("simpo", max_steps=2, **QUIET)
    assert train_here(folder) == 0
    assert "train/margin_gain" not in {name for e in events(folder, "metrics") for name in e["values"]}
    assert curve(folder, "train/ranking_accuracy")


def test_pairs_labelled_the_wrong_way_round_pull_the_other_way_and_are_counted(make_run):
    """40 pairs with label 0.1 are 40 swapped pairs with label 0.9."""
    rows = [{**row, "label": 0.1} for row in colour_rows(40, held_out=8)]
    swapped = [
        {**row, "chosen": row["rejected"], "rejected": row["chosen"], "label": 0.9}
        for row in colour_rows(40, held_out=8)
    ]
    doubted, other = (
        make_run("dpo", rows=rows, max_steps=3, **QUIET),
        make_run("dpo", name="s", rows=swapped, max_steps=3, **QUIET),
    )
    assert train_here(doubted) == train_here(other) == 0
    assert curve(doubted, "held_out/loss") == pytest.approx(curve(other, "held_out/loss"), rel=1e-4)
    assert curve(doubted, "held_out/margin_gain")[-1] == pytest.approx(
        -curve(other, "held_out/margin_gain")[-1], rel=1e-3
    )
    [notice] = [e["message"] for e in events(doubted, "notice") if "label below 0.5" in e["message"]]
    assert notice.startswith("40 pairs")


def test_pairs_below_the_asked_label_are_not_trained_on_but_stay_held_out(make_run):
    """22 of the 32 pairs to train on have label 0.6 < 0.8, as have all 8 held-out ones: 10 are trained on."""
    rows = [{**row, "label": 0.9 if n < 10 else 0.6} for n, row in enumerate(colour_rows(40, held_out=8))]
    few, same = (
        make_run("dpo", rows=rows, max_steps=3, least_label=0.8, **QUIET),
        make_run("dpo", name="s", rows=rows[:10] + rows[32:], max_steps=3, **QUIET),
    )
    assert train_here(few) == train_here(same) == 0
    assert curve(few, "train/loss") == curve(same, "train/loss")
    assert curve(few, "held_out/loss") == curve(same, "held_out/loss")
    [notice] = [e["message"] for e in events(few, "notice") if "label below 0.8" in e["message"]]
    assert notice == "Dropped 22 of 40 rows: label below 0.8."


def test_even_labels_teach_dpo_nothing(make_run):
    """p = 0.5: the loss is least at z = 0, where training starts, so the gradient is zero."""
    folder = make_run(
        "dpo", rows=[{**row, "label": 0.5} for row in colour_rows(40)], max_steps=1, tuning="full", **QUIET
    )
    assert train_here(folder) == 0
    assert curve(folder, "train/grad_norm") == pytest.approx([0.0], abs=1e-5)


def test_held_out_loss_weighs_pairs_as_training_does(make_run):
    """The mean of two losses with weights 3 and 1 differs from their plain mean and lies at 3/4 of the way."""
    rows = colour_rows(10, held_out=2)
    found = {}
    for name, weights in {"first": (1e9, 1e-9), "second": (1e-9, 1e9), "both": (3.0, 1.0)}.items():
        weighted = [*rows[:8], *({**row, "weight": w} for row, w in zip(rows[8:], weights, strict=True))]
        folder = make_run("simpo", name=name, rows=weighted, max_steps=1, **QUIET)
        assert train_here(folder) == 0
        found[name] = curve(folder, "held_out/loss")[0]
    assert found["first"] != pytest.approx(found["second"], rel=0.01)
    assert found["both"] == pytest.approx(0.75 * found["first"] + 0.25 * found["second"], rel=1e-4)


# --- Constrained CPO with a reward model ------------------------------------------------------------------------------


def test_a_reward_margin_without_a_reward_model_is_refused(make_run):
    folder = make_run("cpo", reward_margin=True, **QUIET)
    assert train_here(folder) == 4
    [failed] = events(folder, "failed")
    assert "names no reward model" in failed["reason"]
    assert "switch reward_margin off" in failed["remedy"]


def test_reward_gaps_are_credited(make_run):
    """Every floor is out of reach, so the first loss falls exactly where the reward model gives pairs credit."""
    reward = make_run("reward", name="reward", learning_rate=1e-2, epochs=3, max_new_tokens=8)
    assert train_here(reward) == 0
    first = {}
    for credited in (False, True):
        folder = make_run("cpo", name=f"cpo-{credited}", floor=200, reward_margin=credited, max_steps=1, **QUIET)
        spec = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**spec, "reward_model_path": str(reward / "artifact")}))
        assert train_here(folder) == 0
        first[credited] = curve(folder, "held_out/loss")[0]
    assert first[True] < first[False]
