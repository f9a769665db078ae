"""Values of every pair against TRL 1.16's own trainers: same weights, same rows, its tokens, collator and loss.

What TRL does otherwise, and why we do not follow (found in its code of this version):
- its DPO loss `sigmoid` ignores label_smoothing; ours is conservative then (the last DPO test shows it)
- likelihood terms (`sft` of DPO, cpo_alpha of CPO) are means over all tokens of a batch, so what a pair weighs depends
  on its neighbours; ours are means over each answer's tokens. One pair a batch makes them equal, as here
- label smoothing leaves its likelihood terms alone; ours expects the rejected answer there too, by the same label
- smoothing in SimPO flips the sign of the whole argument, margin included; ours swaps the answers
- `simpo` keeps cpo_alpha at 1 unless told otherwise, which is CPO-SimPO

TRL takes some ten seconds to import: everything that needs it stands here, in one process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.training.engine.conftest import THINGS, assistant, save_model, user
from training.config import ContrastiveCPOConfig, DPOConfig, SimPOConfig
from training.engine import contrastive_cpo, dpo, simpo
from training.engine.data import Template
from training.engine.logprobs import answer_log_probs
from training.engine.packing import Example
from training.engine.pairwise import Pairs
from training.engine.policy import Policy, load_policy
from training.engine.policy_gradients import rloo_advantages

datasets = pytest.importorskip("datasets")
trl = pytest.importorskip("trl")
pytestmark = pytest.mark.xdist_group("trl")

ROWS = [
    {
        "prompt": user(f"What colour is the {thing}?" + " Tell me." * (i % 3)),
        "chosen": assistant("It is red." + " Quite red." * (i % 3)),
        "rejected": assistant("Maybe blue," * (1 + i % 2) + " or not."),
    }
    for i, thing in enumerate(THINGS)
]
PLAIN: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "per_device_train_batch_size": 1,
    "report_to": [],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A policy and a reference with other weights."""
    folder = tmp_path_factory.mktemp("parity")
    save_model(folder / "policy")
    model = load(save_model(folder / "reference"))
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.03 * torch.randn_like(parameter)
    model.save_pretrained(folder / "reference")
    return {"policy": folder / "policy", "reference": folder / "reference", "trl": folder / "trl"}


def load(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


@pytest.fixture(scope="module")
def policy(folders) -> Policy:
    return load_policy(str(folders["policy"]), DPOConfig())


@pytest.fixture(scope="module")
def examples(policy) -> list[Example]:
    chosen, rejected = (
        Template(policy.tokenizer).encode([row["prompt"] for row in ROWS], [row[side] for row in ROWS])
        for side in ("chosen", "rejected")
    )
    return [Example(p, (c, r)) for p, c, r in zip(*chosen, rejected[1], strict=True)]


@pytest.fixture(scope="module")
def pairs(policy, folders, examples) -> Pairs:
    """What the engine knows of the rows, computed packed, all in one batch."""
    reference = load_policy(str(folders["reference"]), DPOConfig())
    with torch.no_grad():
        ours, theirs = (answer_log_probs(p, p.collate(examples)).view(-1, 2) for p in (policy, reference))
    lengths = tensor([[len(answer) for answer in example.answers] for example in examples])
    return Pairs(ours, theirs, lengths, torch.ones(len(ROWS)), torch.zeros(len(ROWS)))


def dpo_losses(folders, policy: Policy, **options: Any) -> Tensor:
    """The loss of every row by TRL's trainer, one row a batch."""
    trainer = trl.DPOTrainer(
        load(folders["policy"]),
        load(folders["reference"]),
        trl.DPOConfig(str(folders["trl"]), **PLAIN, **options),
        train_dataset=datasets.Dataset.from_list(ROWS),
        processing_class=policy.tokenizer,
    )
    return _losses(trainer)


def cpo_losses(folders, policy: Policy, **options: Any) -> Tensor:
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    trainer = CPOTrainer(
        load(folders["policy"]),
        CPOConfig(str(folders["trl"]), **PLAIN, **options),
        train_dataset=datasets.Dataset.from_list(ROWS),
        processing_class=policy.tokenizer,
    )
    return _losses(trainer)


def _losses(trainer: Any) -> Tensor:
    trainer.model.eval()
    with torch.no_grad():
        batches = [trainer.data_collator([row]) for row in trainer.train_dataset]
        return torch.stack([trainer.compute_loss(trainer.model, batch).reshape(()) for batch in batches])


def agree(ours: Tensor, theirs: Tensor) -> bool:
    return torch.allclose(ours, theirs, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ({"beta": 0.1}, {"beta": 0.1}),
        ({"beta": 0.1, "loss": "ipo"}, {"beta": 0.1, "loss_type": ["ipo"]}),
        ({"beta": 2, "length_normalised": True}, {"beta": 2.0, "loss_type": ["sigmoid_norm"]}),
        (
            {"beta": 0.1, "loss": "robust", "label_smoothing": 0.2},
            {"beta": 0.1, "loss_type": ["robust"], "label_smoothing": 0.2},
        ),
        ({"beta": 0.1, "nll_weight": 0.5}, {"beta": 0.1, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]}),
        ({"beta": 0.1}, {"beta": 0.1, "label_smoothing": 0.2}),
    ],
    ids=["sigmoid", "ipo", "length-normalised", "robust", "with likelihood", "sigmoid ignores smoothing in TRL"],
)
def test_dpo_gives_the_values_of_trl(folders, policy, pairs, ours, theirs):
    assert agree(dpo.pair_loss(pairs, DPOConfig(**ours)), dpo_losses(folders, policy, **theirs))


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ({}, {}),
        ({"beta": 0.05, "nll_weight": 0}, {"beta": 0.05, "cpo_alpha": 0.0}),
        (
            {"label_smoothing": 0.2, "nll_weight": 0, "beta": 0.05},
            {"label_smoothing": 0.2, "cpo_alpha": 0.0, "beta": 0.05},
        ),
    ],
    ids=["default", "preference alone", "smoothed"],
)
def test_contrastive_cpo_gives_the_values_of_trl(folders, policy, pairs, ours, theirs):
    found = contrastive_cpo.pair_loss(pairs, ContrastiveCPOConfig(**ours))
    assert agree(found, cpo_losses(folders, policy, **theirs))


@pytest.mark.parametrize("weight", [0.0, 1.0], ids=["simpo", "cpo-simpo"])
def test_simpo_gives_the_values_of_trl(folders, policy, pairs, weight):
    found = simpo.pair_loss(pairs, SimPOConfig(beta=2.5, gamma=0.7, nll_weight=weight))
    options = {"loss_type": "simpo", "beta": 2.5, "simpo_gamma": 0.7, "cpo_alpha": weight}
    assert agree(found, cpo_losses(folders, policy, **options))


def test_rloo_advantages_are_those_of_trl(folders, policy):
    """TRL's own rollouts under rewards that differ between the answers to a prompt."""
    config = trl.RLOOConfig(
        str(folders["trl"]),
        **PLAIN | {"per_device_train_batch_size": 8},
        num_generations=4,
        max_completion_length=8,
        beta=0.0,
    )
    seen: list[float] = []

    def reward(completions: list[Any], **_: Any) -> list[float]:
        seen.extend(len(str(completion)) / 7 + i % 3 for i, completion in enumerate(completions))
        return seen[-len(completions) :]

    trainer = trl.RLOOTrainer(
        load(folders["policy"]),
        reward,
        config,
        train_dataset=datasets.Dataset.from_list([{"prompt": row["prompt"]} for row in ROWS]),
        processing_class=policy.tokenizer,
    )
    group = [row for row in trainer.train_dataset for _ in range(4)][:8]
    advantages = trainer._generate_and_score_completions(group)["advantages"]
    assert agree(rloo_advantages(tensor(seen).view(-1, 4)).flatten(), advantages)
