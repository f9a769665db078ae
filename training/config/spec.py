"""The specification of a run: everything a trainer process may know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from training.config.base import ADVANCED, Count, Frozen, RunConfig
from training.config.methods import Method
from training.config.pairs import (
    ContrastiveCPOConfig,
    CPOConfig,
    DPOConfig,
    RewardModelConfig,
    SFTConfig,
    SimPOConfig,
)
from training.config.rlhf import RLHFConfig


class InspectionConfig(RunConfig):
    """A look at how a base model, a policy or a reward model ranks the pairs of a version; trains nothing."""

    method: Literal[Method.INSPECTION] = Method.INSPECTION
    rows: Count = Field(2048, description="Pairs to look at, drawn over the whole version; held-out ones come first.")
    best_of_prompts: int = Field(
        32,
        ge=0,
        le=1024,
        description="Prompts that the base answers by sampling, to see what choosing the best of n would reward; 0 "
        "leaves this out. A check of a reference needs none.",
        json_schema_extra=ADVANCED,
    )
    best_of: int = Field(
        16, ge=2, le=256, description="Answers sampled for each of those prompts.", json_schema_extra=ADVANCED
    )
    max_new_tokens: Count = Field(64, description="Longest sampled answer in tokens.", json_schema_extra=ADVANCED)


MethodConfig = Annotated[
    SFTConfig
    | DPOConfig
    | CPOConfig
    | ContrastiveCPOConfig
    | SimPOConfig
    | RewardModelConfig
    | RLHFConfig
    | InspectionConfig,
    Field(discriminator="method"),
]

CONFIG_CLASSES: dict[Method, type[RunConfig]] = {
    Method.SFT: SFTConfig,
    Method.DPO: DPOConfig,
    Method.CPO: CPOConfig,
    Method.CONTRASTIVE_CPO: ContrastiveCPOConfig,
    Method.SIMPO: SimPOConfig,
    Method.REWARD: RewardModelConfig,
    Method.RLHF: RLHFConfig,
    Method.INSPECTION: InspectionConfig,
}


class RunSpec(Frozen):
    """Everything a trainer process may know; written to RUN_DIR/config.json when a run is claimed."""

    run_id: str = Field(description="Identity of the run, repeated in the artifact.")
    attempt: Count = Field(1, description="Counts claims; written with every event so that a stale trainer shows.")
    model_path: str = Field(description="Folder or hub name of the whole model to start from, or below the adapter.")
    model_digest: str = Field("", description="Digest of that model; with the data's it names cached reference values.")
    policy_path: str = Field(
        "",
        description="Inspection: folder of the policy that is looked at, an adapter over the model or a whole model "
        "trained from it; empty for the model itself.",
    )
    policy_beta: float = Field(
        0.0, ge=0, description="Inspection: β of this policy's summed log-ratios; 0 where training had none on sums."
    )
    reward_model_path: str = Field(
        "", description="Folder of a trained reward model: for RLHF, for CPO's reward margin, or to be inspected."
    )
    reward_model_digest: str = Field("", description="Digest of that folder.")
    data_path: Path = Field(description="Sealed Parquet file (training/preferences/store.py describes its columns).")
    data_sha256: str = Field(description="Its SHA-256, checked before the first step.")
    cache_dir: Path = Field(description="Where reference log-probabilities may be reused across runs.")
    config: MethodConfig


def parse_config(method: str, values: dict[str, Any]) -> RunConfig:
    """Validate `values` as the configuration of `method`; raises pydantic.ValidationError with one entry per fault."""
    return CONFIG_CLASSES[Method(method)].model_validate({**values, "method": Method(method)})
