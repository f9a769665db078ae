"""The methods a run can have, and the facts about each that do not depend on its settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Makes(StrEnum):
    """What a run of a method leaves behind."""

    POLICY = "policy"
    REWARD_MODEL = "reward model"
    INSPECTION = "inspection"


class Method(StrEnum):
    """What a run does. Two of these are called CPO in print, so a bare "CPO" is never shown."""

    SFT = "sft"
    DPO = "dpo"
    CPO = "cpo"
    CONTRASTIVE_CPO = "contrastive_cpo"
    SIMPO = "simpo"
    REWARD = "reward"
    RLHF = "rlhf"
    INSPECTION = "inspection"

    @property
    def label(self) -> str:
        """The method as lists and headings name it."""
        return _FACTS[self].label

    @property
    def short(self) -> str:
        """The method in a word or two."""
        return _FACTS[self].short

    @property
    def makes(self) -> Makes:
        return _FACTS[self].makes

    @property
    def trains(self) -> bool:
        """Whether weights change; an inspection only looks."""
        return self.makes is not Makes.INSPECTION

    @property
    def needs_preferences(self) -> bool:
        """Whether every training row must hold a rejected answer beside the chosen one."""
        return self is not Method.SFT

    @property
    def has_reference(self) -> bool:
        """Whether the loss compares the policy with the model that it started from."""
        return self in {Method.DPO, Method.CPO, Method.RLHF}


@dataclass(frozen=True, slots=True)
class _Facts:
    label: str
    short: str
    makes: Makes = Makes.POLICY


_FACTS = {
    Method.SFT: _Facts("Supervised fine-tuning", "SFT"),
    Method.DPO: _Facts("DPO", "DPO"),
    Method.CPO: _Facts("Constrained CPO", "Constrained CPO"),
    Method.CONTRASTIVE_CPO: _Facts("Contrastive CPO", "Contrastive CPO"),
    Method.SIMPO: _Facts("SimPO", "SimPO"),
    Method.REWARD: _Facts("Reward model", "Reward model", Makes.REWARD_MODEL),
    Method.RLHF: _Facts("RLHF", "RLHF"),
    Method.INSPECTION: _Facts("Inspection", "Inspection", Makes.INSPECTION),
}
