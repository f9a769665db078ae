"""The launch form: one field per setting of the method's configuration, checked by that same configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.forms import BoundField
from django.http import QueryDict
from pydantic import ValidationError

from alignapp.accounts.models import User
from training.config import Makes, Method, TrainingConfig, parse_config
from training.forms.settings import TRUE_WORDS, VersionChoice, initial_of, setting_field
from training.launching import config_fields
from training.launching.data_verdict import DataVerdict, data_verdict
from training.launching.estimates import NoShape
from training.launching.presets import preset
from training.launching.throughput import Forecast, MissingModel, forecast
from training.models import DatasetVersion, Policy, PolicyKind, Run
from training.quantities import gib
from training.runs import admission, inspections, queue
from training.runs.inspections import ReferenceCheck
from training.runs.names import free_name

RUN_FIELDS = ("name", "base", "dataset_version")
# Methods that may read a reward model, and what its absence means to them.
REWARD_MODELS = {Method.RLHF: "Train one first", Method.CPO: "None"}
# What a launch may carry beside the run's own fields and the settings.
OTHER_KEYS = {"csrfmiddlewaretoken", "preset"}
# Data smaller than the default batch may still be trained on: its only batch is then smaller.
DEFAULT_BATCH: int = TrainingConfig.model_fields["batch_size"].default


class BaseChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Whole models that a run can start from."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} · {obj.get_kind_display().lower()}"


class RewardModelChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Registered reward models, each with the base that it fits."""

    def __init__(self, without: str) -> None:
        super().__init__(
            queryset=Policy.objects.filter(kind=PolicyKind.REWARD).select_related("base"),
            required=False,
            label="Reward model",
            empty_label=without,
            help_text="A trained reward model on the same base; its scores are read as they are.",
            error_messages={"invalid_choice": "This is no registered reward model. Choose one of the list."},
        )

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} · on {obj.root.name}"


@dataclass(frozen=True, slots=True)
class LabelSmoothing:
    """The label smoothing that answers to how often labels are wrong, which `wrong` says for people."""

    value: float
    wrong: str

    @classmethod
    def advised(cls, version: DatasetVersion | None) -> LabelSmoothing | None:
        """What the makers of these pairs know of wrong labels; None where they know nothing."""
        value = version.origin.get("label_smoothing") if version else None
        return cls(float(value), str(version.origin.get("wrong_labels", ""))) if version and value else None


class LaunchForm(forms.Form):
    """Name, base, data and every setting of one method. `is_valid` sets `config`, `forecast` and `data_verdict`."""

    use_required_attribute = False
    ticket = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=160, required=False, help_text="How lists and charts call the run. Left empty, it is made up."
    )
    base = BaseChoice(
        queryset=Policy.objects.none(),
        label="Base policy",
        empty_label="Choose a model",
        help_text="The model that the run starts from.",
        error_messages={
            "required": "Choose the model to start from.",
            "invalid_choice": "This is no registered whole model. Choose one of the list, or register its folder.",
        },
    )
    dataset_version = VersionChoice(
        queryset=DatasetVersion.objects.select_related("dataset"),
        label="Dataset version",
        empty_label="Choose a version",
        help_text="Sealed: exactly these rows, whatever is imported later.",
        error_messages={
            "required": "Choose the data to train on.",
            "invalid_choice": "There is no such version. Choose one of the list, or import a file.",
        },
    )

    override_reason = forms.CharField(
        required=False,
        max_length=2000,
        label="Why launch it all the same",
        help_text="Kept with the run and shown on its page.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, method: Method, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.method = method
        self.fields["base"].queryset = _bases(method)  # type: ignore[attr-defined]
        if method.has_reference:
            self.fields["base"].help_text = "The model that the run starts from; it is also the reference."
        if not self.fields["base"].queryset.exists():  # type: ignore[attr-defined]
            self.fields["base"].help_text += " There is none yet. Register a model folder under Policies first."
        if not DatasetVersion.objects.exists():
            self.fields["dataset_version"].help_text += " There is none yet. Import a file under Datasets first."
        if method in REWARD_MODELS:
            self.fields["reward_model"] = RewardModelChoice(REWARD_MODELS[method])
        self.all_settings = config_fields.settings_of(method)
        self.fields |= {setting.path: setting_field(setting) for setting in self.all_settings}
        for setting in self.all_settings:
            self.fields[setting.path].initial = initial_of(setting)
        self.config: TrainingConfig | None = None
        self.data_verdict: DataVerdict | None = None
        self.forecast: Forecast | None = None
        self.forecast_problem = ""

    def clean(self) -> dict[str, Any]:
        """Validate the settings with the configuration class, then what only this server knows."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._refuse_unknown()
        self._parse(cleaned)
        self._check_rank()
        self._check_data(cleaned.get("dataset_version"))
        self._check_verdict(cleaned.get("dataset_version"))
        self._check_weights(cleaned.get("base"))
        self._check_reward_model(cleaned.get("base"), cleaned.get("reward_model"))
        self._check_size(cleaned.get("base"), cleaned.get("dataset_version"))
        return cleaned

    def _parse(self, cleaned: Mapping[str, Any]) -> None:
        given = {setting.path: cleaned.get(setting.path) for setting in self.all_settings}
        values = config_fields.nest({path: value for path, value in given.items() if value not in ("", None)})
        try:
            config = parse_config(self.method, values)
        except ValidationError as error:
            for path, sentence in config_fields.faults(error, self.method).items():
                self.add_error(path if path in self.fields else None, sentence)
        else:
            assert isinstance(config, TrainingConfig), "an inspection has a form of its own"
            self.config = config

    def _refuse_unknown(self) -> None:
        for key in sorted(set(self.data) - set(self.fields) - OTHER_KEYS):
            self.add_error(None, f"{self.method.label} has no setting called {key!r}. Take it out of what was sent.")

    def _check_rank(self) -> None:
        limit = settings.VLLM_MAX_LORA_RANK
        if (
            self.method.makes is Makes.POLICY
            and self.config
            and self.config.tuning == "lora"
            and self.config.lora_rank > limit
        ):
            self.add_error(
                "lora_rank",
                f"The server takes adapters of rank {limit} at most, so this one could not be served. "
                f"Lower the rank, or start the server with VLLM_MAX_LORA_RANK={self.config.lora_rank}.",
            )

    def _check_data(self, version: DatasetVersion | None) -> None:
        if not version:
            return
        if self.method.needs_preferences and version.kind != DatasetVersion.Kind.PREFERENCES:
            self.add_error(
                "dataset_version",
                f"{version} holds demonstrations without rejected answers. {self.method.label} needs pairs: choose "
                "another version, or train with supervised fine-tuning.",
            )
        elif not version.train_rows:
            self.add_error("dataset_version", f"{version} has no training rows. Choose another version.")
        elif self.config and self.config.batch_size > max(version.train_rows, DEFAULT_BATCH):
            self.add_error(
                "batch_size",
                f"{version} has {version.train_rows:,} training rows, so a batch of {self.config.batch_size:,} cannot "
                f"be filled. Lower it to {version.train_rows:,} or less.",
            )

    def _check_verdict(self, version: DatasetVersion | None) -> None:
        """A version that the report forbids, or that has none, needs a reason; the field for it appears with that."""
        self.data_verdict = found = data_verdict(self.method, version)
        self.fields["override_reason"].required = bool(found and found.needs_reason)
        if found and found.report is None:
            self.fields["override_reason"].label = "Why launch it unchecked"
        if found and found.needs_reason and not self.cleaned_data.get("override_reason"):
            needed = f"{found.remedy}, or say why the run is to be launched all the same."
            self.add_error("override_reason", forms.ValidationError(needed, code="required"))

    def _check_weights(self, base: Policy | None) -> None:
        from_scratch = getattr(self.config, "from_scratch", False)
        if base and self.config and base.kind == PolicyKind.UNTRAINED and not from_scratch:
            self.add_error(
                "base",
                f"{base.name} has no weights yet. Tick “From scratch” and train every weight, or choose another.",
            )

    def _check_reward_model(self, base: Policy | None, model: Policy | None) -> None:
        if not (base and self.config) or "reward_model" in self.errors:
            return
        try:
            admission.check_reward_model(self.method, self.config, base, model)
        except queue.Refused as refusal:
            self.add_error("reward_model", str(refusal))

    def _check_size(self, base: Policy | None, version: DatasetVersion | None) -> None:
        """Forecast the run when there is enough to go by, and refuse one that cannot fit."""
        if not (base and version and self.config):
            return
        try:
            self.forecast = forecast(self.method, self.config, base, version)
        except MissingModel as problem:
            self.add_error("base", f"{problem} Register the model again from where it lies now.")
        except NoShape as problem:
            self.forecast_problem = str(problem)
        if self.forecast and not self.forecast.fits:
            self.add_error(*_too_large(self.forecast, self.config))

    def save(self, user: User) -> Run:
        """Queue the run with its settings frozen; raises queue.Refused."""
        if self.config is None:
            raise ValueError("only a valid form can be saved")
        version: DatasetVersion = self.cleaned_data["dataset_version"]
        return queue.create(
            method=self.method,
            config=self.config,
            dataset_version=version,
            base=self.cleaned_data["base"],
            reward_model=self.cleaned_data.get("reward_model"),
            name=self.cleaned_data["name"] or free_name(self.method, version),
            user=user,
            run_id=self._run_id(self.config),
            override_reason=self.cleaned_data["override_reason"],
        )

    def _run_id(self, config: TrainingConfig) -> UUID | None:
        """The same for the same launch sent twice; another when something was changed since."""
        sent = self.cleaned_data
        if sent["ticket"] is None:
            return None
        rows = (sent["base"], sent["dataset_version"], sent.get("reward_model"))
        chosen = (sent["name"], *(str(row.pk) for row in rows if row), config.model_dump_json())
        return uuid5(sent["ticket"], "\0".join(chosen))

    @property
    def blockers(self) -> list[tuple[str, str]]:
        """What is wrong, by label, apart from choices that are still to be made."""
        return [
            (self._label_before(name, " ".join(error.messages)), " ".join(error.messages))
            for name, errors in self.errors.as_data().items()
            for error in errors
            if error.code != "required"
        ]

    def _label_before(self, name: str, message: str) -> str:
        """The label of the field, unless the message begins with it or the fault is of no one field."""
        label = str(self.fields[name].label or name) if name in self.fields else ""
        return "" if message.startswith(label) else label

    @property
    def reference(self) -> ReferenceCheck | None:
        """What is known of the chosen base as a reference for the chosen pairs."""
        return inspections.reference_check(self.method, *self._material)

    @property
    def can_check_reference(self) -> bool:
        return inspections.is_checkable(self.method, *self._material)

    @property
    def smoothing(self) -> LabelSmoothing | None:
        """What the makers of the chosen pairs know of wrong labels, while the form smooths less than that."""
        advised = LabelSmoothing.advised(self._material[1])
        smoothed = getattr(self.config, "label_smoothing", None)
        return advised if advised and smoothed is not None and smoothed < advised.value else None

    @property
    def _material(self) -> tuple[Policy | None, DatasetVersion | None]:
        chosen = getattr(self, "cleaned_data", {})
        return chosen.get("base"), chosen.get("dataset_version")

    # --- How the page arranges the fields ---------------------------------------------------------------------------

    @property
    def run_fields(self) -> list[BoundField]:
        return [self[name] for name in run_fields(self.method)]

    @property
    def method_fields(self) -> list[BoundField]:
        """What only this method has and most people look at."""
        return self._bound(lambda setting: not setting.common and not setting.group and not setting.advanced)

    @property
    def reward_fields(self) -> list[BoundField]:
        """What is read only where RLHF trains its reward model first."""
        return self._bound(lambda setting: setting.group == "reward")

    @property
    def ppo_fields(self) -> list[BoundField]:
        """What only one of RLHF's algorithms reads."""
        return self._bound(lambda setting: setting.group == "ppo")

    @property
    def reads_ppo(self) -> bool:
        return bool(self.ppo_fields) and self["algorithm"].value() == "ppo"

    @property
    def common_fields(self) -> list[BoundField]:
        return self._bound(lambda setting: setting.common and not setting.advanced)

    @property
    def advanced(self) -> list[BoundField]:
        return self._bound(lambda setting: setting.advanced and not setting.group)

    def _bound(self, wanted: Any) -> list[BoundField]:
        return [self[setting.path] for setting in self.all_settings if wanted(setting)]


def run_fields(method: Method) -> tuple[str, ...]:
    """Names of the fields that describe the run and are no settings."""
    return (*RUN_FIELDS, "reward_model") if method in REWARD_MODELS else RUN_FIELDS


def _bases(method: Method) -> QuerySet[Policy]:
    """Whole models; only SFT can start from one without weights."""
    whole = [PolicyKind.BASE, PolicyKind.FULL]
    return Policy.objects.filter(kind__in=[*whole, PolicyKind.UNTRAINED] if method is Method.SFT else whole)


def _too_large(expected: Forecast, config: TrainingConfig) -> tuple[str, str]:
    """The field that can help most, and the sentence."""
    memory = expected.estimate.memory
    need, have = gib(expected.estimate.memory_bytes), gib(expected.limit_bytes)
    sentence = f"The run needs about {need} and may use {have} ({expected.device.name})."
    if memory["Activations"] > expected.limit_bytes / 2:
        return (
            "tokens_per_pass",
            f"{sentence} Lower the tokens per pass; the batch is then split, with the same result.",
        )
    if config.tuning == "full":
        return "tuning", f"{sentence} Train a LoRA adapter instead, or choose a smaller base."
    return "base", f"{sentence} Choose a smaller base, or bf16 under “Advanced”."


def prefilled(method: Method, query: QueryDict) -> tuple[dict[str, Any], list[str]]:
    """Values for the form from a link (preset, then single settings), and its keys that are no settings."""
    defaults = {setting.path: setting.default for setting in config_fields.settings_of(method)}
    chosen = preset(method, query.get("preset", ""))
    texts = {path: config_fields.raw_text(value) for path, value in (chosen.values if chosen else {}).items()}
    own = run_fields(method)
    texts |= {key: str(value) for key, value in query.items() if key in defaults or key in own}
    values: dict[str, Any] = {
        key: text.lower() in TRUE_WORDS if isinstance(defaults.get(key), bool) else text for key, text in texts.items()
    }
    unknown = [key for key in query if key not in defaults and key not in own and key != "preset"]
    return values, unknown
