"""What a reward model is, and its folder: `artifact/` of a reward run, `reward_model/` of an RLHF run.

- LoRA, kind `adapter`: a PEFT adapter of type SEQ_CLS whose head `score` is saved whole; PEFT loads it
- full, kind `model`: a Transformers folder with num_labels 1; AutoModelForSequenceClassification loads it
- full, kind `weights`: weights.safetensors by name, for architectures without such a class; loaded here only

In each: the tokenizer, and reward.json, written last: base, shift, scale, temperature, members, the files' sizes.
Further members of an ensemble lie in members/2, members/3, ..., each in the same form. Those loaders give raw scores.
Transformers looks for the last token by `pad_token_id`, which is left empty where the tokenizer pads with its end
token: it then takes one sequence at a time, and never the token before the end.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from training.engine.artifacts import write_atomically
from training.engine.errors import EngineError
from training.engine.packing import Batch, Example, pack
from training.engine.policy import Policy, frozen_copy
from training.engine.run import this_rank

FACTS, WEIGHTS, ADAPTER = "reward.json", "weights.safetensors", "adapter_model.safetensors"
SCORE = "score.weight"


@dataclass
class RewardModel:
    """A scalar head on a body of its own, whose LM head is not used.

    Three scales: *raw* is what Bradley-Terry was trained on; *calibrated*, (raw - shift) / scale, has mean 0 and
    standard deviation 1 over the base's own samples, and is what RLHF is rewarded with; raw gap / `temperature` is
    the log-odds that one answer is better than the other, as fitted on held-out pairs.
    """

    body: Policy
    head: nn.Linear
    shift: float = 0.0
    scale: float = 1.0
    temperature: float = 1.0
    others: tuple[RewardModel, ...] = ()

    def raw_scores(self, batch: Batch) -> Tensor:
        """The head on the last real token of every answer [answers], fp32, differentiable."""
        states = self.body.hidden_states(batch).index_select(0, batch.ends).float()
        raw: Tensor = self.head(states)
        return raw.squeeze(1)

    def scores(self, batch: Batch) -> Tensor:
        """Calibrated reward of every answer [answers]: standard deviations above the base's mean."""
        return (self.raw_scores(batch) - self.shift) / self.scale

    def member_scores(self, batch: Batch) -> Tensor:
        """Calibrated rewards by every member of the ensemble [members, answers]; the first row is `scores`."""
        return torch.stack([member.scores(batch) for member in (self, *self.others)])

    def log_odds(self, gaps: Tensor) -> Tensor:
        """Log-odds that the better-scored answer is the better one, of gaps of calibrated scores; any shape."""
        return gaps * (self.scale / self.temperature)

    def trained(self) -> dict[str, Tensor]:
        return {**dict(self.body.trained()), SCORE: self.head.weight}

    def freeze(self) -> None:
        for parameter in self.trained().values():
            parameter.requires_grad_(False)


def fresh_head(body: Policy, seed: int) -> nn.Linear:
    """Weights from N(0, 1/(d+1)), so that first scores have about unit variance."""
    width: int = body.model.get_output_embeddings().weight.shape[-1]
    head = nn.Linear(width, 1, bias=False)
    nn.init.normal_(head.weight, std=(width + 1) ** -0.5, generator=torch.Generator().manual_seed(seed))
    return head.to(body.device)


def describe_base(path: str, base: Policy) -> dict[str, str]:
    """What reward.json says of the base, and `load_reward_model` compares; `base` has no adapter yet."""
    return {"base": path, "fingerprint": _fingerprint(base)}


def _fingerprint(base: Policy) -> str:
    """What tells one base from another: shapes and first values of all its weights, and its vocabulary.

    In bf16, because the same base is loaded in fp32 or bf16, as the run's precision has it.
    """
    digest = hashlib.sha256(json.dumps(sorted(base.tokenizer.get_vocab().items())).encode())
    for parameter in base.model.base_model.parameters():
        digest.update(str(tuple(parameter.shape)).encode())
        first = parameter.detach().flatten()[:64].to(torch.bfloat16).view(torch.int16)
        digest.update(first.cpu().numpy().tobytes())
    return digest.hexdigest()


def _vocabulary(base: Policy) -> int:
    return int(base.model.get_input_embeddings().weight.shape[0])


def save(model: RewardModel, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the model's first member with `facts`, `describe_base` among them; rank 0's task alone."""
    if this_rank() > 0:
        return
    folder.mkdir(parents=True, exist_ok=True)
    kind = _save_weights(model, folder, str(facts["base"]))
    model.body.tokenizer.save_pretrained(folder)
    files = [path for path in folder.iterdir() if path.is_file() and path.name != FACTS]
    for path in files:
        path.chmod(0o644)  # safetensors makes files that another user cannot read
    own = {
        "kind": kind,
        "vocabulary": _vocabulary(model.body),
        "shift": model.shift,
        "scale": model.scale,
        "temperature": model.temperature,
        "members": 1,
        "files": {path.name: path.stat().st_size for path in sorted(files)},
    }
    write_atomically(folder / FACTS, json.dumps({**own, **facts}, indent=1))


def read_facts(folder: Path) -> dict[str, Any]:
    """reward.json of a whole folder; raises EngineError when something of it is missing or cut short."""
    remedy = "Train the reward model again, or restore its folder."
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        torn = [name for name, size in facts["files"].items() if (folder / name).stat().st_size != size]
    except (OSError, ValueError, KeyError) as error:
        raise EngineError(f"{folder} holds no whole reward model: {error}.", remedy) from error
    if torn:
        raise EngineError(f"{folder} holds no whole reward model: {', '.join(torn)} was cut short.", remedy)
    return facts


def load_reward_model(folder: Path, base: Policy, *, every_member: bool = True) -> RewardModel:
    """The frozen reward model of a folder; an adapter shares the weights of `base`, which is not changed.

    `base` is the model as loaded, without an adapter. Raises EngineError for a torn folder, and where the reward model
    was trained over another base or for another vocabulary.
    """
    if base.adapter is not None:
        raise ValueError("a reward model is loaded over a base without an adapter")
    facts = read_facts(folder)
    _check_base(folder, facts, base)
    model = _READERS[facts["kind"]](folder, base)
    model.shift, model.scale, model.temperature = facts["shift"], facts["scale"], facts["temperature"]
    model.freeze()
    if every_member:
        members = range(2, facts["members"] + 1)
        model.others = tuple(load_reward_model(folder / "members" / str(k), base) for k in members)
    return model


def _check_base(folder: Path, facts: dict[str, Any], base: Policy) -> None:
    remedy = "Choose a reward model that was trained over this base, or train one first."
    if facts["vocabulary"] != _vocabulary(base):
        raise EngineError(
            f"The reward model {folder.name} was trained for a vocabulary of {facts['vocabulary']} tokens, the base "
            f"has {_vocabulary(base)}.",
            remedy,
        )
    if facts["fingerprint"] != _fingerprint(base):
        raise EngineError(
            f"The reward model {folder.name} was trained over another base, {facts['base']}, than "
            f"{base.model.name_or_path}.",
            remedy,
        )


def _save_weights(model: RewardModel, folder: Path, base: str) -> str:
    """Write the weights in the best form that there is; returns its name."""
    if model.body.adapter is not None:
        _save_adapter(model, folder, base)
        return "adapter"
    classifier = as_classifier(model)
    if classifier is not None:
        classifier.save_pretrained(folder)
        return "model"
    weights = {**model.body.model.base_model.state_dict(), SCORE: model.head.weight}
    save_file(_contiguous(weights), folder / WEIGHTS)
    return "weights"


def _save_adapter(model: RewardModel, folder: Path, base: str) -> None:
    """The adapter as PEFT's sequence classification writes it: our causal model names its layers alike."""
    from peft import TaskType, get_peft_model_state_dict

    assert model.body.adapter is not None
    config = copy.copy(model.body.adapter.peft_config["default"])
    config.task_type, config.modules_to_save = TaskType.SEQ_CLS, ["score"]
    config.base_model_name_or_path, config.inference_mode = base, True
    config.target_modules = sorted(config.target_modules)  # a set's order, and so the digest, would vary
    config.save_pretrained(folder)
    weights = get_peft_model_state_dict(model.body.adapter, save_embedding_layers=False)
    weights[f"base_model.model.{SCORE}"] = model.head.weight
    save_file(_contiguous(weights), folder / ADAPTER)


def _contiguous(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}


def as_classifier(model: RewardModel) -> PreTrainedModel | None:
    """The same weights as Transformers' sequence classification model; None where it has none that scores alike."""
    causal = model.body.model
    config = copy.deepcopy(causal.config)
    config.num_labels = 1
    tokenizer = model.body.tokenizer
    pads_apart = tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
    config.get_text_config().pad_token_id = tokenizer.pad_token_id if pads_apart else None
    try:
        with torch.device("meta"):
            classifier: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    except ValueError:  # no such class
        return None
    prefix = causal.base_model_prefix
    if classifier.base_model_prefix != prefix or not isinstance(getattr(classifier, "score", None), nn.Linear):
        return None
    setattr(classifier, prefix, causal.base_model)
    classifier.score = model.head
    return classifier if _scores_alike(model, classifier.eval()) else None


@torch.no_grad()
def _scores_alike(model: RewardModel, classifier: PreTrainedModel) -> bool:
    padding = classifier.config.get_text_config().pad_token_id
    tokens = [i for i in range(_vocabulary(model.body)) if i != padding][-8:]
    batch = pack([Example(tuple(tokens[:4]), (tuple(tokens[4:]),))], packed=False).to(model.body.device)
    with model.body.autocast():
        found = classifier(input_ids=batch.tokens, attention_mask=batch.attention_mask(model.body.dtype)).logits
    return torch.allclose(found.flatten().float(), model.raw_scores(batch), rtol=1e-2, atol=1e-2)


def _read_adapter(folder: Path, base: Policy) -> RewardModel:
    from peft import LoraConfig, TaskType, get_peft_model, set_peft_model_state_dict

    body = frozen_copy(base, share_weights=True)
    config = LoraConfig.from_pretrained(str(folder))
    config.task_type, config.modules_to_save, config.inference_mode = TaskType.CAUSAL_LM, None, False
    weights = load_file(folder / ADAPTER)
    head = _head(weights.pop(f"base_model.model.{SCORE}"), body)
    body.adapter = get_peft_model(body.model, config).eval()
    set_peft_model_state_dict(body.adapter, weights)
    return RewardModel(body, head)


def _read_model(folder: Path, base: Policy) -> RewardModel:
    classifier = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    return _over(base, classifier.base_model.state_dict(), classifier.score.weight)


def _read_weights(folder: Path, base: Policy) -> RewardModel:
    weights = load_file(folder / WEIGHTS)
    return _over(base, weights, weights.pop(SCORE))


def _over(base: Policy, weights: Mapping[str, Tensor], score: Tensor) -> RewardModel:
    """The base's modules, prepared for its device as they are, with other weights."""
    body = frozen_copy(base, share_weights=True)
    copied = {name: weight.to(base.device, copy=True) for name, weight in weights.items()}
    body.model.base_model.load_state_dict(copied, assign=True)
    return RewardModel(body, _head(score, body))


def _head(weight: Tensor, body: Policy) -> nn.Linear:
    head = nn.Linear(weight.shape[1], 1, bias=False)
    head.weight = nn.Parameter(weight.detach().to(body.device, copy=True))
    return head


_READERS = {"adapter": _read_adapter, "model": _read_model, "weights": _read_weights}
