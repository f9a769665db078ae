"""Losses and scores of every pair against TRL 1.16's RewardTrainer: same weights, same rows, its tokens and collator.

What TRL does otherwise, and why we do not follow (found in its code of this version): it knows no weights and no soft
labels; it finds the last token by `pad_token_id`, so it scores the token before the end where padding is the end
token; and its default has no centring, after which rewards drift.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from tests.training.engine.conftest import THINGS, assistant, save_model, user
from training.config import RewardModelConfig
from training.engine.data import Template
from training.engine.packing import Example
from training.engine.policy import load_policy, make_trainable
from training.engine.reward_artifacts import RewardModel, describe_base, fresh_head, save
from training.engine.reward_measures import pair_loss

datasets = pytest.importorskip("datasets")
trl = pytest.importorskip("trl")
pytestmark = pytest.mark.xdist_group("trl")

ROWS: list[dict[str, Any]] = [
    {
        "prompt": user(f"What colour is the {thing}?" + " Tell me." * (i % 3)),
        "chosen": assistant("It is red." + " Quite red." * (i % 3)),
        "rejected": assistant("Maybe blue," * (1 + i % 2) + " or not."),
        "margin": (i % 4) / 3,
    }
    for i, thing in enumerate(THINGS)
]
PLAIN: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "per_device_train_batch_size": len(ROWS),
    "report_to": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("parity")


@pytest.fixture(scope="module")
def model(folder) -> RewardModel:
    """Ours, trained in full; its artifact lies in `folder`/reward."""
    config = RewardModelConfig(tuning="full")
    base = load_policy(str(save_model(folder / "base")), config)
    facts = describe_base("base", base)
    make_trainable(base, config)
    ours = RewardModel(base, fresh_head(base, 0))
    save(ours, folder / "reward", facts)
    return ours


@pytest.fixture(scope="module")
def examples(model) -> list[Example]:
    template = Template(model.body.tokenizer)
    prompts = [row["prompt"] for row in ROWS]
    ids, chosen = template.encode(prompts, [row["chosen"] for row in ROWS])
    _, rejected = template.encode(prompts, [row["rejected"] for row in ROWS])
    rows = zip(ids, chosen, rejected, ROWS, strict=True)
    return [Example(p, (w, loser), margin=row["margin"]) for p, w, loser, row in rows]


@pytest.fixture(scope="module")
def theirs(model, folder) -> PreTrainedModel:
    return AutoModelForSequenceClassification.from_pretrained(folder / "reward", dtype=torch.float32).eval()


def trainer(model: RewardModel, classifier: PreTrainedModel, folder: Path, *, margin: bool, centring: float) -> Any:
    rows = ROWS if margin else [{k: v for k, v in row.items() if k != "margin"} for row in ROWS]
    arguments = trl.RewardConfig(str(folder / "trl"), center_rewards_coefficient=centring or None, **PLAIN)
    return trl.RewardTrainer(
        classifier,
        args=arguments,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=model.body.tokenizer,
    )


def rows_of(trainer: Any) -> list[dict[str, Any]]:
    wanted = {"chosen_ids", "rejected_ids", "margin"}
    return [{name: value for name, value in row.items() if name in wanted} for row in trainer.train_dataset]


def our_scores(model: RewardModel, examples: list[Example]) -> Tensor:
    return model.raw_scores(model.body.collate(examples)).view(-1, 2)


@pytest.mark.parametrize("margin", [False, True], ids=["no margin", "margin"])
@pytest.mark.parametrize("centring", [0.0, 0.01], ids=["not centred", "centred"])
def test_the_loss_of_every_pair_is_that_of_trl(model, theirs, examples, folder, margin, centring):
    config = RewardModelConfig(tuning="full", centring=centring, use_margin=margin)
    their = trainer(model, theirs, folder, margin=margin, centring=centring)
    with torch.no_grad():
        found = pair_loss(our_scores(model, examples), examples, config)
        expected = [their.compute_loss(theirs, their.data_collator([row])) for row in rows_of(their)]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-5, atol=0)


def test_the_scores_of_a_padded_batch_are_those_of_trl(model, theirs, examples, folder):
    their = trainer(model, theirs, folder, margin=False, centring=0)
    batch = their.data_collator(rows_of(their))
    with torch.no_grad():
        expected = theirs(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        found = our_scores(model, examples)
    torch.testing.assert_close(found.T.flatten(), expected.flatten(), rtol=1e-5, atol=1e-6)


def test_the_gradient_of_a_step_is_that_of_trl(model, theirs, examples, folder):
    """Of the mean over a batch, at the head and at the first layer, from where everything has been passed through."""
    config = RewardModelConfig(tuning="full", use_margin=True)
    their = trainer(model, theirs, folder, margin=True, centring=config.centring)
    their.compute_loss(theirs, their.data_collator(rows_of(their))).backward()
    pair_loss(our_scores(model, examples), examples, config).mean().backward()
    layers = (model.body.model.base_model.layers[0], theirs.base_model.layers[0])
    ours, expected = (layer.self_attn.q_proj.weight.grad for layer in layers)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(model.head.weight.grad, theirs.score.weight.grad, rtol=1e-4, atol=1e-6)
