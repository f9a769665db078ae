"""Settings that are known to be sensible, by method and size of model; the launch form offers them as buttons.

Values for small models start from what worked on the demo world, where LoRA wants step sizes near 1e-3 and a β of 0.5;
those for large ones are what the published recipes use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.config import Method


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of values that differ from the method's defaults, and when to take it."""

    slug: str
    name: str
    sentence: str
    values: dict[str, Any]


SMALL_LORA = {"lora_rank": 64, "lora_alpha": 128.0, "learning_rate": 1e-3, "epochs": 2.0, "max_length": 256}
LARGE_LORA = {"lora_rank": 16, "lora_alpha": 32.0, "precision": "bf16", "max_length": 1024}
LARGE_FULL = {"tuning": "full", "precision": "bf16", "batch_size": 64, "max_length": 1024, "learning_rate": 1e-6}

SMALL = "small-model"
LORA = "lora"
FULL = "full"

PRESETS: dict[Method, tuple[Preset, ...]] = {
    Method.SFT: (
        Preset(SMALL, "Small model", "Under about 100 million parameters: short texts, large steps.", SMALL_LORA),
        Preset(
            LORA,
            "LoRA, 1 to 8 billion",
            "An adapter on a common open model, in bf16 on one GPU.",
            LARGE_LORA | {"learning_rate": 1e-4},
        ),
        Preset(
            FULL,
            "Every weight",
            "Best when there are many demonstrations and memory for sixteen bytes a parameter.",
            LARGE_FULL | {"learning_rate": 1e-5},
        ),
    ),
    Method.DPO: (
        Preset(
            SMALL,
            "Small model",
            "Under about 100 million parameters; a firmer pull to the reference bears the larger steps.",
            SMALL_LORA | {"beta": 0.5},
        ),
        Preset(
            LORA,
            "LoRA, 1 to 8 billion",
            "An adapter on a common open model; the reference is the same model with the adapter off.",
            LARGE_LORA | {"learning_rate": 2e-5},
        ),
        Preset(
            "noisy-labels",
            "Noisy labels",
            "When raters disagree on about one pair in ten: assumes that share of the labels is flipped.",
            {"label_smoothing": 0.1},
        ),
        Preset(FULL, "Every weight", "Small steps over the whole model, as in the published recipes.", LARGE_FULL),
    ),
    Method.CPO: (
        Preset(
            SMALL,
            "Small model",
            "Under about 100 million parameters; hard floor at zero.",
            SMALL_LORA | {"beta": 0.5, "margin": "hard", "floor": 0.0},
        ),
        Preset(
            LORA,
            "LoRA, 1 to 8 billion",
            "An adapter on a common open model; hard floor at zero.",
            LARGE_LORA | {"learning_rate": 2e-5},
        ),
        Preset(
            "smooth",
            "Smooth margin",
            "The published form: mean log-probabilities, β 2.5, and a soft bend in place of the floor.",
            {"margin": "smooth", "length_normalised": True, "beta": 2.5, "gamma": 0.5, "tau": 2.0, "alpha": 1.0},
        ),
        Preset(FULL, "Every weight", "Small steps over the whole model, as in the published recipes.", LARGE_FULL),
    ),
    Method.CONTRASTIVE_CPO: (
        Preset(SMALL, "Small model", "Under about 100 million parameters: short texts, large steps.", SMALL_LORA),
        Preset(
            LORA, "LoRA, 1 to 8 billion", "An adapter on a common open model.", LARGE_LORA | {"learning_rate": 2e-5}
        ),
        Preset(FULL, "Every weight", "Small steps over the whole model, as in the published recipes.", LARGE_FULL),
    ),
    Method.SIMPO: (
        Preset(SMALL, "Small model", "Under about 100 million parameters: short texts, large steps.", SMALL_LORA),
        Preset(
            LORA, "LoRA, 1 to 8 billion", "An adapter on a common open model.", LARGE_LORA | {"learning_rate": 2e-5}
        ),
        Preset(FULL, "Every weight", "Small steps over the whole model, as in the published recipes.", LARGE_FULL),
    ),
    Method.REWARD: (
        Preset(
            SMALL,
            "Small model",
            "Under about 100 million parameters; one pass, because reward models overfit quickly.",
            SMALL_LORA | {"epochs": 1.0, "learning_rate": 2e-3},
        ),
        Preset(
            LORA,
            "LoRA, 1 to 8 billion",
            "An adapter and a head on a common open model.",
            LARGE_LORA | {"learning_rate": 1e-4},
        ),
        Preset(
            "pair-of-models",
            "Two models",
            "Where two reward models disagree, neither knows: costs twice the time.",
            {"members": 2},
        ),
        Preset(FULL, "Every weight", "Small steps over the whole model.", LARGE_FULL | {"learning_rate": 9e-6}),
    ),
    Method.RLHF: (
        Preset(
            SMALL,
            "Small model",
            "Under about 100 million parameters and answers of a sentence or two.",
            SMALL_LORA | {"epochs": 1.0, "learning_rate": 5e-4, "max_new_tokens": 48},
        ),
        Preset(
            LORA,
            "LoRA, 1 to 8 billion",
            "An adapter on a common open model; policy, reference and reward model share its weights.",
            LARGE_LORA | {"learning_rate": 1e-5, "reward.learning_rate": 1e-4, "max_new_tokens": 256},
        ),
        Preset(
            "cautious",
            "Cautious",
            "A dearer KL and more answers per prompt, when the reward model is trained on few pairs.",
            {"kl_beta": 0.15, "group_size": 8},
        ),
    ),
}


def preset(method: Method, slug: str) -> Preset | None:
    """The preset of that name, or None."""
    return next((candidate for candidate in PRESETS[method] if candidate.slug == slug), None)
