"""Run configurations seen field by field: names, labels, defaults, faults as sentences. Django-free.

A nested configuration is flattened with dots (`reward.learning_rate`), which is how forms, links and tables name it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from training.config import CONFIG_CLASSES, Method, PolicyConfig

LABELS = {
    "max_steps": "Step limit",
    "max_length": "Longest text",
    "lora_rank": "LoRA rank",
    "lora_alpha": "LoRA alpha",
    "max_grad_norm": "Gradient limit",
    "warmup_ratio": "Warm-up share",
    "sample_count": "Sample answers",
    "memory_limit_gib": "Memory limit (GiB)",
    "beta": "β",
    "kl_beta": "β of the KL",
    "gamma": "γ",
    "tau": "τ",
    "alpha": "α",
    "floor": "Floor m",
    "group_size": "Answers per prompt",
    "max_new_tokens": "Longest answer",
    "missing_eos_penalty": "Cut-off penalty",
    "length_normalised": "Length-normalised",
    "nll_weight": "Weight of the likelihood",
    "nll_per": "Likelihood per",
    "use_margin": "Use the margin column",
    "members": "Reward models",
    "rules": "Rules",
    "gae_lambda": "λ of the advantages",
    "devices": "Devices",
    "probe_prompts": "Probed prompts",
    "best_of": "Answers per prompt",
    "best_of_prompts": "Prompts for best of n",
    "rows": "Pairs",
}
VALUE_LABELS = {
    "lora": "LoRA adapter",
    "full": "Every weight",
    "hard": "Hard floor",
    "smooth": "Smooth margin",
    "cosine": "Cosine",
    "linear": "Linear",
    "constant": "Constant",
    "sigmoid": "Sigmoid",
    "robust": "Robust",
    "ipo": "IPO",
    "rloo": "RLOO",
    "grpo": "GRPO",
    "dr_grpo": "Dr. GRPO",
    "ppo": "PPO",
    "token": "Token",
    "answer": "Answer",
    "transformers": "Transformers",
    "vllm": "vLLM",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that a person can set; `path` is its dotted name."""

    path: str
    info: FieldInfo
    common: bool

    @property
    def group(self) -> str:
        """The nested configuration that it belongs to, or the empty string."""
        return self.path.rpartition(".")[0]

    @property
    def label(self) -> str:
        name = self.path.rpartition(".")[2]
        return LABELS.get(name, name.replace("_", " ").capitalize())

    @property
    def advanced(self) -> bool:
        return self._marked("advanced")

    @property
    def lines(self) -> bool:
        """Whether its value is several lines of text."""
        return self._marked("lines")

    def _marked(self, mark: str) -> bool:
        extra = self.info.json_schema_extra
        return isinstance(extra, dict) and bool(extra.get(mark))

    @property
    def default(self) -> Any:
        return self.info.get_default(call_default_factory=True)

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed words, empty when it is not a choice."""
        return get_args(self.info.annotation) if get_origin(self.info.annotation) is Literal else ()


def settings_of(method: Method) -> list[Setting]:
    """Every setting of a method, in the order of its class; those that all methods share are marked."""
    return list(_walk(CONFIG_CLASSES[method]))


def _walk(config_class: type[BaseModel], group: str = "") -> Iterator[Setting]:
    for name, info in config_class.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _walk(annotation, f"{name}.")
        elif name != "method":
            yield Setting(f"{group}{name}", info, common=not group and name in PolicyConfig.model_fields)


def flatten(values: Mapping[str, Any], group: str = "") -> dict[str, Any]:
    """{"reward": {"epochs": 1}} -> {"reward.epochs": 1}; the method itself is left out."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{group}{name}.")
        elif name != "method":
            flat[f"{group}{name}"] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of `flatten`, one level deep."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        group, _, name = path.rpartition(".")
        (nested.setdefault(group, {}) if group else nested)[name] = value
    return nested


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting with the value that a run has, and whether it differs from the default."""

    setting: Setting
    value: Any

    @property
    def changed(self) -> bool:
        return bool(self.value != self.setting.default)

    @property
    def text(self) -> str:
        return value_text(self.value)

    @property
    def default_text(self) -> str:
        return value_text(self.setting.default)


def values_of(method: Method, config: Mapping[str, Any]) -> list[SettingValue]:
    """The settings of a frozen configuration: first what was changed, then the method's own, then the common ones."""
    flat = flatten(config)
    values = [SettingValue(setting, flat[setting.path]) for setting in settings_of(method) if setting.path in flat]
    return sorted(values, key=lambda value: (not value.changed, value.setting.common))


def value_text(value: Any) -> str:
    """A value as people write it: yes and no, and no exponent where a plain number is as short."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number_text(value)
    return VALUE_LABELS.get(value, str(value))


def raw_text(value: Any) -> str:
    """A value as forms and links carry it."""
    if isinstance(value, bool):
        return str(value).lower()
    return number_text(value) if isinstance(value, float) else str(value)


def number_text(value: float) -> str:
    """1.0 -> '1', 0.0001 -> '0.0001', 1e-06 -> '0.000001'."""
    plain = f"{value:.12f}".rstrip("0").rstrip(".")
    return plain if float(plain) == value else repr(value)


def faults(error: ValidationError, method: Method) -> dict[str, str]:
    """What is wrong, by dotted name (empty for the whole), each as a sentence."""
    settings = {setting.path: setting for setting in settings_of(method)}
    found: dict[str, str] = {}
    for detail in error.errors():
        path = ".".join(str(part) for part in detail["loc"]) or _first_word(detail, settings)
        found.setdefault(path, sentence(detail, settings.get(path)))
    return found


def _first_word(detail: ErrorDetails, settings: Mapping[str, Setting]) -> str:
    """The validators of whole configurations begin their message with the setting to look at."""
    word = str(detail.get("ctx", {}).get("error", "")).partition(" ")[0]
    return word if word in settings else ""


def sentence(detail: ErrorDetails, setting: Setting | None) -> str:
    """One fault in words."""
    kind = detail["type"]
    limits = {name: value_text(limit) for name, limit in detail.get("ctx", {}).items()}
    example = value_text(setting.default) if setting else "1"
    words = {
        "greater_than": f"Must be greater than {limits.get('gt')}; {detail['input']} is not.",
        "greater_than_equal": f"Must be {limits.get('ge')} or more; {detail['input']} is not.",
        "less_than": f"Must be less than {limits.get('lt')}; {detail['input']} is not.",
        "less_than_equal": f"Must be {limits.get('le')} or less; {detail['input']} is not.",
        "literal_error": f"Must be {limits.get('expected')}; {detail['input']!r} is not.",
        "bool_parsing": f"Must be true or false; {detail['input']!r} is neither.",
        "int_parsing": f"Must be a whole number, such as {example}; {detail['input']!r} is not.",
        "int_from_float": f"Must be a whole number, such as {example}; {detail['input']!r} is not.",
        "float_parsing": f"Must be a number, such as {example}; {detail['input']!r} is not.",
        "finite_number": f"Must be a finite number, such as {example}.",
        "extra_forbidden": "There is no setting of this name; check the link or form that sent it.",
        "value_error": _capitalised(str(limits.get("error", ""))),
    }
    return words.get(kind) or _capitalised(detail["msg"])


def _capitalised(message: str) -> str:
    name, space, rest = message.partition(" ")
    return f"{LABELS.get(name, name[:1].upper() + name[1:].replace('_', ' '))}{space}{rest}".rstrip(".") + "."
