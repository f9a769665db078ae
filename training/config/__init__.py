"""Frozen, typed run configurations: one class per method, shared by form, API, command line and engine.

methods.py  the methods and the facts about each      base.py   what every run shares
pairs.py    methods that learn from pairs             rlhf.py   reward model and policy gradient
spec.py     RunSpec, what a trainer process may know

Imports neither Django nor torch, so that a web form, a worker and a trainer can all validate with the same rules.
Unknown keys are refused: a setting that nothing reads is a bug.
"""

from training.config.base import Frozen, PolicyConfig, RunConfig, TrainingConfig
from training.config.methods import Makes, Method
from training.config.pairs import (
    ContrastiveCPOConfig,
    CPOConfig,
    DPOConfig,
    PairConfig,
    RewardModelConfig,
    SFTConfig,
    SimPOConfig,
)
from training.config.rlhf import PPOConfig, RewardConfig, RewardRule, RLHFConfig
from training.config.spec import CONFIG_CLASSES, InspectionConfig, MethodConfig, RunSpec, parse_config

__all__ = [
    "CONFIG_CLASSES",
    "CPOConfig",
    "ContrastiveCPOConfig",
    "DPOConfig",
    "Frozen",
    "InspectionConfig",
    "Makes",
    "Method",
    "MethodConfig",
    "PPOConfig",
    "PairConfig",
    "PolicyConfig",
    "RLHFConfig",
    "RewardConfig",
    "RewardModelConfig",
    "RewardRule",
    "RunConfig",
    "RunSpec",
    "SFTConfig",
    "SimPOConfig",
    "TrainingConfig",
    "parse_config",
]
