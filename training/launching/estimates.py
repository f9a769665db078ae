"""What a run will take, before it starts: steps, memory and arithmetic, from config.json and a look at the data.

Imports neither Django nor torch. The formulae are rough on purpose and written out where they stand; a factor of two is
good, and the launch page prefers what earlier runs measured (training/throughput.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import Method, RLHFConfig, TrainingConfig

GIB = 1024**3
# An average over common tokenizers and English text; it is what the page calls a guess.
CHARACTERS_PER_TOKEN = 4.0
# Share of the device's matrix-product rate that training and generation reach.
TRAINING_EFFICIENCY = 0.3
GENERATION_EFFICIENCY = 0.05
# The interpreter, torch and its libraries before any weight is loaded.
RUNTIME_BYTES = int(0.5 * GIB)
# Logits that exist at one time, as training/engine/logprobs.py cuts them.
LOGITS = 1 << 24


class NoShape(ValueError):
    """A model whose size cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a causal transformer. `attention` is heads times head size, `keys` the same for the key heads."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    attention: int
    keys: int
    vocabulary: int

    def adapter_parameters(self, rank: int) -> int:
        """Trained parameters of LoRA on every linear layer: rank times (inputs + outputs), summed."""
        projections = 2 * (self.hidden + self.attention) + 2 * (self.hidden + self.keys)
        feed_forward = 3 * (self.hidden + self.intermediate)
        return self.layers * rank * (projections + feed_forward)

    @property
    def saved_per_token(self) -> int:
        """Numbers that one token leaves behind in all layers for the backward pass, without recomputation.

        Inputs of two norms and two blocks, queries, attention output, keys, values, and four vectors of the gated
        feed-forward block. For a Llama (intermediate 2.7 times hidden) this is 17 times hidden a layer, which at two
        bytes is the 34 of Korthikanti et al. (arXiv 2205.05198, eq. 2 without the score matrix).
        """
        return self.layers * (4 * self.hidden + 2 * self.attention + 2 * self.keys + 4 * self.intermediate)


@dataclass(frozen=True, slots=True)
class DataShape:
    """Training rows, different prompts among them, mean lengths in tokens; `rejected` is 0 for demonstrations."""

    rows: int
    prompts: int
    prompt: float
    chosen: float
    rejected: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes. Bytes by part, and floating-point operations of training and of sampling answers."""

    visits: int
    steps: int
    tokens: int
    memory: dict[str, int]
    training_flops: float
    sampling_flops: float

    @property
    def memory_bytes(self) -> int:
        return sum(self.memory.values())

    def seconds(self, flops_per_second: float) -> float:
        """Duration at a measured rate of matrix products."""
        training = self.training_flops / (flops_per_second * TRAINING_EFFICIENCY)
        return training + self.sampling_flops / (flops_per_second * GENERATION_EFFICIENCY)


def read_shape(folder: Path) -> ModelShape:
    """Sizes of the model in a folder; raises NoShape with a sentence when there is none to read."""
    try:
        config = json.loads((folder / "config.json").read_text())
        return _shape(config.get("text_config", config), count_parameters(folder.glob("*.safetensors")))
    except FileNotFoundError:
        raise NoShape(f"There is no config.json in {folder}.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoShape(f"config.json in {folder} does not describe a causal transformer ({error}).") from None


def count_parameters(files: Iterable[Path]) -> int:
    """Exact number of parameters, from the headers of safetensors files; 0 when there are none."""
    return sum(_header_parameters(path) for path in files)


def _header_parameters(path: Path) -> int:
    """The format: eight bytes of length, little-endian, then that many bytes of JSON."""
    with path.open("rb") as file:
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _shape(config: dict[str, Any], parameters: int) -> ModelShape:
    """Sizes under the names of Llama's family, or of GPT-2's where those are missing."""
    hidden = int(config.get("hidden_size") or config["n_embd"])
    heads = int(config.get("num_attention_heads") or config["n_head"])
    head = int(config.get("head_dim") or hidden // heads)
    shape = ModelShape(
        parameters=parameters,
        layers=int(config.get("num_hidden_layers") or config["n_layer"]),
        hidden=hidden,
        intermediate=int(config.get("intermediate_size") or config.get("n_inner") or 4 * hidden),
        attention=heads * head,
        keys=int(config.get("num_key_value_heads") or heads) * head,
        vocabulary=int(config["vocab_size"]),
    )
    return shape if parameters else _with_counted_parameters(shape, tied=bool(config.get("tie_word_embeddings")))


def _with_counted_parameters(shape: ModelShape, *, tied: bool) -> ModelShape:
    """Count from the sizes, for a model whose weights are not here."""
    attention = 2 * shape.hidden * (shape.attention + shape.keys)
    layer = attention + 3 * shape.hidden * shape.intermediate + 2 * shape.hidden
    embeddings = shape.vocabulary * shape.hidden * (1 if tied else 2)
    total = embeddings + shape.layers * layer + shape.hidden
    return ModelShape(
        total, shape.layers, shape.hidden, shape.intermediate, shape.attention, shape.keys, shape.vocabulary
    )


def visited_rows(config: TrainingConfig, data: DataShape) -> int:
    """Rows that the optimizer sees: the step limit's worth, or what the epochs come to. RLHF visits prompts."""
    if config.max_steps:
        return config.max_steps * config.batch_size
    return max(1, round(config.epochs * (data.prompts if isinstance(config, RLHFConfig) else data.rows)))


def estimate(method: Method, config: TrainingConfig, model: ModelShape, data: DataShape) -> Estimate:
    """Steps, memory and arithmetic of a run."""
    visits = visited_rows(config, data)
    row = _row_tokens(method, config, data)
    training, sampling = _flops(method, config, model, data, visits, row)
    steps = math.ceil(visits / config.batch_size)
    return Estimate(visits, steps, int(visits * row), _memory(method, config, model, row), training, sampling)


def _row_tokens(method: Method, config: TrainingConfig, data: DataShape) -> float:
    """Tokens that go through the model for one row: a demonstration, a pair, or a group of sampled answers."""
    limit = config.max_length
    if isinstance(config, RLHFConfig):
        return config.group_size * min(data.prompt + config.max_new_tokens, limit)
    # A prompt is encoded once for both answers.
    prompt = min(data.prompt, limit)
    answers = min(data.chosen, limit - prompt)
    return prompt + answers + (min(data.rejected, limit - prompt) if method.needs_preferences else 0)


def _memory(method: Method, config: TrainingConfig, model: ModelShape, row: float) -> dict[str, int]:
    """Bytes by part; AdamW keeps two fp32 numbers beside each trained weight and its gradient.

    Under LoRA the frozen base lies in the run's precision, and reference and reward model share it. Weights trained in
    full lie in fp32 (bf16 adds the copy that autocast keeps); RLHF then holds policy, reference and reward model.
    """
    number = 2 if config.precision == "bf16" else 4
    full = config.tuning == "full"
    trained = model.parameters if full else model.adapter_parameters(config.lora_rank)
    copies = 3 if full and method is Method.RLHF else 1
    weight = (4 if number == 4 else 6) if full else number
    # Batches larger than one pass are split, but never within a row.
    tokens = max(row, min(config.batch_size * row, config.tokens_per_pass))
    logits = 2 * 4 * min(tokens * model.vocabulary, LOGITS)
    return {
        "Weights": copies * weight * model.parameters + (0 if full else 4 * trained),
        "Gradients": 4 * trained,
        "AdamW": 8 * trained,
        "Activations": int(tokens * model.saved_per_token * number + logits),
        "Runtime": RUNTIME_BYTES,
    }


def _flops(
    method: Method, config: TrainingConfig, model: ModelShape, data: DataShape, visits: int, row: float
) -> tuple[float, float]:
    """Operations of training and of sampling: per token and parameter 2 forward, 2 to the inputs, 2 to the weights.

    A frozen weight needs no last two. The reference costs one more forward pass over every row that is used: once for
    cached log-probabilities, at every step for sampled answers.
    """
    per_token = (6 if config.tuning == "full" else 4) * model.parameters
    if not isinstance(config, RLHFConfig):
        reference = 2 * model.parameters * min(visits, data.rows) * row if method.needs_preferences else 0
        return per_token * visits * row + reference, 0.0
    pair = data.prompt + data.chosen + data.rejected
    reward_model = per_token * config.reward.epochs * data.rows * pair
    judging = 4 * model.parameters * visits * row
    sampling = 2 * model.parameters * visits * config.group_size * config.max_new_tokens
    return reward_model + per_token * visits * row + judging, sampling
