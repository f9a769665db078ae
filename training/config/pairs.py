"""Methods that learn from rows as they are: demonstrations, or pairs of a chosen and a rejected answer."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from training.config.base import ADVANCED, FlipRate, NotNegative, PolicyConfig, Positive, TrainingConfig
from training.config.methods import Method


class SFTConfig(PolicyConfig):
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
            raise ValueError("from_scratch trains every weight: set tuning to full (every weight)")
        return self


class PairConfig(PolicyConfig):
    """What the losses on pairs share."""

    beta: Positive = Field(
        0.1, description="Strength of the pull towards the reference: smaller lets the policy move further."
    )
    label_smoothing: FlipRate = Field(
        0.0,
        description="Assumed share of flipped labels: each pair counts as flipped with this probability.",
        json_schema_extra=ADVANCED,
    )


class DPOConfig(PairConfig):
    """Direct Preference Optimization (arXiv 2305.18290, eq. 7) and its variants."""

    method: Literal[Method.DPO] = Method.DPO
    loss: Literal["sigmoid", "robust", "ipo"] = Field(
        "sigmoid",
        description="Sigmoid: DPO, conservative with label smoothing. Robust: unbiased when that share of labels is "
        "flipped. IPO: drives the mean log-ratio gap to 1 / (2 β) and no further.",
    )
    length_normalised: bool = Field(
        False,
        description="Use mean instead of summed log-probabilities (IPO always does). β of 2 to 10 is usual then.",
        json_schema_extra=ADVANCED,
    )
    nll_weight: NotNegative = Field(
        0.0,
        description="Weight of the chosen answer's negative log-likelihood per token, which keeps it likely.",
        json_schema_extra=ADVANCED,
    )

    @model_validator(mode="after")
    def _robust_needs_a_rate(self) -> Self:
        if self.loss == "robust" and self.label_smoothing == 0:
            raise ValueError("label_smoothing must be above 0 for the robust loss: it is the flip rate to correct for")
        return self


class CPOConfig(PairConfig):
    """Constrained Preference Optimization (arXiv 2605.20834): DPO with a floor under the reference margin."""

    method: Literal[Method.CPO] = Method.CPO
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
        False, description="Use mean instead of summed log-probabilities; β of 2 to 2.5 is usual then."
    )
    reward_margin: bool = Field(
        False,
        description="Credit each pair with its gap under a reward model, which must be chosen: only what that gap "
        "leaves of the floor is enforced.",
        json_schema_extra=ADVANCED,
    )


class ContrastiveCPOConfig(PairConfig):
    """Contrastive Preference Optimization (arXiv 2401.08417): no reference, held by the likelihood of the chosen."""

    method: Literal[Method.CONTRASTIVE_CPO] = Method.CONTRASTIVE_CPO
    beta: Positive = Field(0.1, description="Scale of the log-probability gap inside the sigmoid.")
    nll_weight: NotNegative = Field(1.0, description="Weight of the chosen answer's negative log-likelihood.")
    nll_per: Literal["token", "answer"] = Field(
        "token",
        description="Token: the mean over the answer's tokens, close to the authors' code, which takes it over a "
        "batch. Answer: the sum, as the paper writes it.",
        json_schema_extra=ADVANCED,
    )


class SimPOConfig(PairConfig):
    """SimPO (arXiv 2405.14734): length-normalised, no reference, a target margin."""

    method: Literal[Method.SIMPO] = Method.SIMPO
    beta: Positive = Field(2.0, description="Scale of the mean log-probability gap inside the sigmoid.")
    gamma: NotNegative = Field(1.0, description="Margin that the scaled gap must exceed.")
    nll_weight: NotNegative = Field(
        0.0,
        description="Weight of the chosen answer's negative log-likelihood per token; above 0 this is CPO-SimPO.",
        json_schema_extra=ADVANCED,
    )


class RewardModelConfig(TrainingConfig):
    """Bradley-Terry reward model: a scalar head on the base, trained on pairs."""

    method: Literal[Method.REWARD] = Method.REWARD
    centring: NotNegative = Field(
        0.01,
        description="Weight of (r_chosen + r_rejected)^2, which keeps rewards around zero.",
        json_schema_extra=ADVANCED,
    )
    use_margin: bool = Field(
        False,
        description="Demand that the gap exceed each pair's margin column; pairs without one have margin 0.",
        json_schema_extra=ADVANCED,
    )
    members: int = Field(
        1,
        ge=1,
        le=4,
        description="Reward models trained on different orders of the data. With two, their disagreement shows where "
        "neither knows; the first gives the scores.",
    )
    max_new_tokens: int = Field(
        64,
        ge=1,
        description="Longest answer sampled from the base to fix the scale of the rewards.",
        json_schema_extra=ADVANCED,
    )
