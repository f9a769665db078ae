"""Measured settings of the demo: how the base is made, how answers are drawn, and one configuration per method.

docs/world.md holds the figures these settings gave. DPO and constrained CPO share everything but the loss, so that a
difference between them is the method's.
"""

from typing import Any

from training.config import CPOConfig, DPOConfig, Method, RewardConfig, RLHFConfig, SFTConfig, TrainingConfig

MAX_TOKENS = 48
"""The longest demonstration has 31 tokens; more than this is a policy that does not stop."""

ANSWERS_PER_PROMPT = 6
"""Sampled per prompt for preference pairs; about five of them differ."""

PAIR_SAMPLING: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "max_tokens": MAX_TOKENS, "seed": 7}
SAMPLING: dict[str, Any] = {"temperature": 0.7, "top_p": 1.0, "max_tokens": MAX_TOKENS, "seed": 1}
"""How every policy answers a suite."""

_COMMON: dict[str, Any] = {"max_length": 128, "precision": "bf16"}
_LORA: dict[str, Any] = {
    **_COMMON,
    "tuning": "lora",
    "lora_rank": 64,
    "lora_alpha": 128.0,
    "learning_rate": 5e-4,
    "batch_size": 32,
}
_PAIRWISE: dict[str, Any] = {**_LORA, "beta": 0.3, "epochs": 2.0, "evaluate_every": 40, "checkpoint_every": 80}

BASE = SFTConfig(
    **_COMMON,
    from_scratch=True,
    tuning="full",
    learning_rate=3e-3,
    max_steps=400,
    batch_size=64,
    evaluate_every=50,
    checkpoint_every=200,
)
DPO = DPOConfig(**_PAIRWISE)
CPO = CPOConfig(**_PAIRWISE, margin="hard", floor=0.0)
RLHF = RLHFConfig(
    **_LORA,
    epochs=1.0,
    evaluate_every=12,
    checkpoint_every=12,
    kl_beta=0.1,
    group_size=4,
    max_new_tokens=MAX_TOKENS,
    reward=RewardConfig(learning_rate=2e-3, epochs=1.0, batch_size=32),
)
CONFIGS: dict[Method, TrainingConfig] = {Method.SFT: BASE, Method.DPO: DPO, Method.CPO: CPO, Method.RLHF: RLHF}

SECOND_ROUND = DPO.model_copy(update={"epochs": 4.0})
"""A study yields a few hundred pairs, a tenth of the first round's, hence more passes over them."""
