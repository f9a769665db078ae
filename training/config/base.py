"""What every run is told: precision, lengths and memory; and, where it trains, optimisation and checkpoints."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Passes = Annotated[float, Field(gt=0, le=10_000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
FlipRate = Annotated[float, Field(ge=0, lt=0.5)]

ADVANCED: dict[str, Any] = {"advanced": True}


class Frozen(BaseModel):
    """A value that cannot change after validation and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class RunConfig(Frozen):
    """What a forward pass needs to know, whether or not anything is trained."""

    max_length: int = Field(512, ge=16, description="Longest prompt plus answer in tokens; longer answers are cut.")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="Number format of the matrix products.", json_schema_extra=ADVANCED
    )
    tokens_per_pass: int = Field(
        8192,
        ge=256,
        description="Tokens of one forward pass. Larger batches are split; the result is the same, memory is less.",
        json_schema_extra=ADVANCED,
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="Fixes data order, initial adapter and sampling.",
        json_schema_extra=ADVANCED,
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _no_half(cls, value: Any) -> Any:
        if isinstance(value, str) and value in {"fp16", "float16", "half"}:
            raise ValueError(
                "half precision (fp16) overflows where log-probabilities are summed, and CPUs have no fast form of it: "
                "choose bf16"
            )
        return value


class TrainingConfig(RunConfig):
    """What every method that trains needs to know about optimisation, devices and checkpoints."""

    learning_rate: Positive = Field(1e-4, description="Peak step size of AdamW, reached after the warm-up.")
    epochs: Passes = Field(1.0, description="Passes over the training rows. Ignored when a step limit is set.")
    max_steps: int = Field(
        0, ge=0, le=100_000_000, description="Stop after this many optimizer steps; 0 means: as the epochs say."
    )
    batch_size: Count = Field(32, description="Rows (pairs, or prompts for RLHF) per optimizer step.")
    least_label: Fraction = Field(
        0.0,
        description="Train only on pairs whose label is at least this: the share of raters, or what they were weighed "
        "to, for the chosen answer. 0 takes all; held-out pairs stay.",
        json_schema_extra=ADVANCED,
    )
    tuning: Literal["lora", "full"] = Field(
        "lora",
        description="LoRA trains a small adapter that shares the served base model; full trains every weight.",
    )
    lora_rank: int = Field(64, ge=1, le=512, description="Rank of the adapter. The server must be started for it.")
    lora_alpha: Positive = Field(
        128.0, description="Scale of the adapter: its output is multiplied by alpha / rank.", json_schema_extra=ADVANCED
    )
    devices: int = Field(
        1,
        ge=1,
        le=64,
        description="Devices of one host that share the run (FSDP2). The result is the same; each holds a part.",
        json_schema_extra=ADVANCED,
    )
    memory_limit_gib: float = Field(
        0.0,
        ge=0,
        description="Refuse to start above this estimate; 0 means: what the device has.",
        json_schema_extra=ADVANCED,
    )
    gradient_checkpointing: bool = Field(
        False,
        description="Recompute activations in the backward pass: much less memory, about a fifth more time.",
        json_schema_extra=ADVANCED,
    )
    warmup_ratio: Fraction = Field(
        0.1, description="Share of the steps in which the step size rises.", json_schema_extra=ADVANCED
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="How the step size falls after the warm-up.", json_schema_extra=ADVANCED
    )
    weight_decay: NotNegative = Field(
        0.0, description="AdamW's pull of the weights towards zero.", json_schema_extra=ADVANCED
    )
    max_grad_norm: Positive = Field(
        1.0, description="Gradients longer than this are scaled down to it.", json_schema_extra=ADVANCED
    )
    evaluate_every: Count = Field(
        20, description="Steps between looks at the held-out pairs.", json_schema_extra=ADVANCED
    )
    checkpoint_every: Count = Field(
        50, description="Steps between checkpoints, from which a stopped run resumes.", json_schema_extra=ADVANCED
    )

    @model_validator(mode="after")
    def _alpha_needs_rank(self) -> Self:
        if self.tuning == "lora" and self.lora_alpha > 64 * self.lora_rank:
            raise ValueError("lora_alpha is more than 64 times lora_rank: lower it, or raise the rank")
        return self


class PolicyConfig(TrainingConfig):
    """What a run that makes a policy also does: let it answer, for people to read and for diagnostics."""

    sample_count: int = Field(
        4,
        ge=0,
        le=64,
        description="Prompts answered at every checkpoint and shown on the run page.",
        json_schema_extra=ADVANCED,
    )
    probe_prompts: int = Field(
        32,
        ge=0,
        le=1024,
        description="Held-out prompts that the policy answers by sampling at every checkpoint, to measure KL, length, "
        "style and entropy of its own answers; 0 leaves these diagnostics out.",
        json_schema_extra=ADVANCED,
    )
