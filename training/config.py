"""Frozen, typed run configurations: one class per method, shared by form, API, command line and engine.

Imports neither Django nor torch, so that a web form, a worker and a trainer can all validate with
the same rules. Unknown keys are refused: a setting that nothing reads is a bug.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Passes = Annotated[float, Field(gt=0, le=10_000)]
Fraction = Annotated[float, Field(ge=0, le=1)]

ADVANCED: dict[str, Any] = {"advanced": True}


class Method(StrEnum):
    """The methods a run can train with; facts about a method live with its name."""

    SFT = "sft"
    DPO = "dpo"
    CPO = "cpo"
    RLHF = "rlhf"

    @property
    def label(self) -> str:
        return METHOD_LABELS[self]

    @property
    def short(self) -> str:
        """The method in a word or two; never a bare "CPO", which names two different methods."""
        return "Constrained CPO" if self is Method.CPO else self.value.upper()

    @property
    def needs_preferences(self) -> bool:
        """Whether every training row must hold a rejected answer beside the chosen one."""
        return self is not Method.SFT


METHOD_LABELS = {
    Method.SFT: "Supervised fine-tuning",
    Method.DPO: "DPO",
    Method.CPO: "Constrained CPO",
    Method.RLHF: "RLHF (reward model, RLOO)",
}


class Frozen(BaseModel):
    """A value that cannot change after validation and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class TrainingConfig(Frozen):
    """What every method needs to know about optimisation, precision and checkpoints."""

    learning_rate: Positive = Field(1e-4, description="Peak step size of AdamW, reached after the warm-up.")
    epochs: Passes = Field(1.0, description="Passes over the training rows. Ignored when a step limit is set.")
    max_steps: int = Field(
        0, ge=0, le=100_000_000, description="Stop after this many optimizer steps; 0 means: as the epochs say."
    )
    batch_size: Count = Field(32, description="Rows (pairs, or prompts for RLHF) per optimizer step.")
    tokens_per_pass: int = Field(
        8192,
        ge=256,
        description="Tokens of one forward pass. Larger batches are split; the result is the same, memory is less.",
        json_schema_extra=ADVANCED,
    )
    max_length: int = Field(512, ge=16, description="Longest prompt plus answer in tokens; longer answers are cut.")
    tuning: Literal["lora", "full"] = Field(
        "lora",
        description="LoRA trains a small adapter that shares the served base model; full trains every weight.",
    )
    lora_rank: int = Field(64, ge=1, le=512, description="Rank of the adapter. The server must be started for it.")
    lora_alpha: Positive = Field(
        128.0, description="Scale of the adapter: its output is multiplied by alpha / rank.", json_schema_extra=ADVANCED
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="Number format of the matrix products.", json_schema_extra=ADVANCED
    )
    warmup_ratio: Fraction = Field(
        0.1, description="Share of the steps in which the step size rises.", json_schema_extra=ADVANCED
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="How the step size falls after the warm-up.", json_schema_extra=ADVANCED
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0, description="AdamW's pull of the weights towards zero.", json_schema_extra=ADVANCED
    )
    max_grad_norm: Positive = Field(
        1.0, description="Gradients longer than this are scaled down to it.", json_schema_extra=ADVANCED
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="Fixes data order, initial adapter and sampling.",
        json_schema_extra=ADVANCED,
    )
    evaluate_every: Count = Field(
        20, description="Steps between looks at the held-out pairs.", json_schema_extra=ADVANCED
    )
    checkpoint_every: Count = Field(
        50, description="Steps between checkpoints, from which a stopped run resumes.", json_schema_extra=ADVANCED
    )
    sample_count: int = Field(
        4,
        ge=0,
        le=64,
        description="Prompts answered at every checkpoint and shown on the run page.",
        json_schema_extra=ADVANCED,
    )
    memory_limit_gib: float = Field(
        0.0,
        ge=0,
        description="Refuse to start above this estimate; 0 means: what the device has.",
        json_schema_extra=ADVANCED,
    )

    @model_validator(mode="after")
    def _alpha_needs_rank(self) -> Self:
        if self.tuning == "lora" and self.lora_alpha > 64 * self.lora_rank:
            raise ValueError("lora_alpha is more than 64 times lora_rank: lower it, or raise the rank")
        return self


class SFTConfig(TrainingConfig):
    """Next-token likelihood of the chosen answer."""

    method: Literal[Method.SFT] = Method.SFT
    from_scratch: bool = Field(
        False,
        description="Start from random weights of the model folder's config.json instead of its weights (full only).",
        json_schema_extra=ADVANCED,
    )

    @model_validator(mode="after")
    def _scratch_is_full(self) -> Self:
        if self.from_scratch and self.tuning != "full":
            raise ValueError("from_scratch trains every weight: set tuning to full")
        return self


class DPOConfig(TrainingConfig):
    """Direct Preference Optimization (arXiv 2305.18290, eq. 7)."""

    method: Literal[Method.DPO] = Method.DPO
    beta: Positive = Field(
        0.1, description="Strength of the pull towards the reference: smaller lets the policy move further."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="Assumed share of flipped labels (conservative DPO).", json_schema_extra=ADVANCED
    )


class CPOConfig(TrainingConfig):
    """Constrained Preference Optimization (arXiv 2605.20834): DPO with a floor under the reference margin."""

    method: Literal[Method.CPO] = Method.CPO
    beta: Positive = Field(0.1, description="As in DPO. With length-normalised log-probabilities 2 to 2.5 is usual.")
    margin: Literal["hard", "smooth"] = Field(
        "hard", description="Hard: the target never lies below the floor. Smooth: softplus in place of the maximum."
    )
    floor: float = Field(
        0.0, description="Hard floor m: the chosen answer must end at least e^m times as likely as the rejected one."
    )
    gamma: float = Field(0.5, description="Smooth margin: where the bend lies.", json_schema_extra=ADVANCED)
    tau: Positive = Field(2.0, description="Smooth margin: sharpness of the bend.", json_schema_extra=ADVANCED)
    alpha: Positive = Field(
        1.0, description="Smooth margin: divides the margin; below 1 over-corrects.", json_schema_extra=ADVANCED
    )
    length_normalised: bool = Field(
        False, description="Use mean instead of summed log-probabilities.", json_schema_extra=ADVANCED
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="Assumed share of flipped labels.", json_schema_extra=ADVANCED
    )


class RewardConfig(Frozen):
    """Bradley-Terry reward model that RLHF trains first."""

    learning_rate: Positive = Field(1e-3, description="Peak step size of the reward model.")
    epochs: Passes = Field(1.0, description="Passes over the pairs; reward models overfit quickly.")
    batch_size: Count = Field(32, description="Pairs per step of the reward model.")
    centring: Annotated[float, Field(ge=0)] = Field(
        0.01,
        description="Weight of (r_chosen + r_rejected)^2, which keeps rewards around zero.",
        json_schema_extra=ADVANCED,
    )


class RLHFConfig(TrainingConfig):
    """Reward model, then RLOO (arXiv 2402.14740) with the k1 KL estimate inside the reward."""

    method: Literal[Method.RLHF] = Method.RLHF
    reward: RewardConfig = Field(default_factory=RewardConfig, description="The reward model that is trained first.")
    kl_beta: Annotated[float, Field(ge=0)] = Field(
        0.05, description="Price of a nat of distance from the reference. 0 invites over-optimisation."
    )
    group_size: int = Field(4, ge=2, description="Answers sampled per prompt; each is judged against the others.")
    max_new_tokens: Count = Field(64, description="Longest sampled answer in tokens.")
    temperature: Positive = Field(1.0, description="Sampling temperature of the rollouts.", json_schema_extra=ADVANCED)
    missing_eos_penalty: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Taken from the reward of an answer that was cut off.", json_schema_extra=ADVANCED
    )
    reward_clip: Positive = Field(
        10.0, description="Rewards beyond plus or minus this are clipped.", json_schema_extra=ADVANCED
    )


MethodConfig = Annotated[SFTConfig | DPOConfig | CPOConfig | RLHFConfig, Field(discriminator="method")]

CONFIG_CLASSES: dict[Method, type[TrainingConfig]] = {
    Method.SFT: SFTConfig,
    Method.DPO: DPOConfig,
    Method.CPO: CPOConfig,
    Method.RLHF: RLHFConfig,
}


class RunSpec(Frozen):
    """Everything a trainer process may know; written to RUN_DIR/config.json when a run is claimed."""

    run_id: str = Field(description="Identity of the run, repeated in the artifact.")
    attempt: Count = Field(1, description="Counts claims; written with every event so that a stale trainer shows.")
    model_path: str = Field(description="Folder or hub name of the model to start from.")
    model_digest: str = Field("", description="Digest of that model; with the data's it names cached reference values.")
    data_path: Path = Field(description="Sealed Parquet file (training/preferences/store.py describes its columns).")
    data_sha256: str = Field(description="Its SHA-256, checked before the first step.")
    cache_dir: Path = Field(description="Where reference log-probabilities may be reused across runs.")
    config: MethodConfig


def parse_config(method: str, values: dict[str, Any]) -> TrainingConfig:
    """Validate `values` as the configuration of `method`; raises pydantic.ValidationError with one entry per fault."""
    return CONFIG_CLASSES[Method(method)].model_validate({**values, "method": Method(method)})
