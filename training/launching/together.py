"""What several methods would do with the same budget: recipes, configurations, forecasts, and a line that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.config import Method, RLHFConfig, TrainingConfig
from training.launching.budgets import Budget, Equal, answers_per_step, configs
from training.launching.config_fields import SettingValue, flatten, values_of
from training.launching.data_verdict import DataVerdict, data_verdict
from training.launching.estimates import NoShape, read_shape
from training.launching.presets import LORA, SMALL, preset
from training.launching.throughput import Forecast, data_shape, forecast, model_folder
from training.models import DatasetVersion, Policy, Run, RunState

TOGETHER = (Method.DPO, Method.CPO, Method.RLHF)
COMPARABLE = (*TOGETHER, Method.CONTRASTIVE_CPO, Method.SIMPO)
LATEST = "latest"
SMALL_MODEL = 100_000_000
# Needs a registered reward model, which methods under comparison do not get.
NOT_TOGETHER = {"reward_margin"}

Recipe = Mapping[str, Any]
"""A method's settings without the budget: dotted names to values."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One method's run before it is queued. `forecast` is None where the base's size or the data cannot be read."""

    method: Method
    config: TrainingConfig
    forecast: Forecast | None
    verdict: DataVerdict | None

    @property
    def answers_per_step(self) -> int:
        return answers_per_step(self.config)

    @property
    def changed(self) -> list[SettingValue]:
        """The method's own settings that differ from their defaults."""
        values = values_of(self.method, self.config.model_dump(mode="json"))
        return [value for value in values if value.changed and not value.setting.common]


# --- Recipes ----------------------------------------------------------------------------------------------------------


def recipes(methods: Sequence[Method], base: Policy, source: str) -> dict[Method, Recipe]:
    """Settings of each method: a preset's, or (`latest`) those of its latest run from this base that succeeded."""
    return {method: _recipe(method, base, source) for method in methods}


def _recipe(method: Method, base: Policy, source: str) -> Recipe:
    if source == LATEST and (run := latest_run(method, base)):
        return {name: value for name, value in flatten(run.config).items() if name not in NOT_TOGETHER}
    chosen = preset(method, suited(base) if source == LATEST else source)
    return chosen.values if chosen else {}


def smoothed(chosen: Mapping[Method, Recipe], share: float) -> dict[Method, Recipe]:
    """The same, assuming that this share of labels is wrong; a reward model (RLHF) knows no such setting."""
    share_of = {"label_smoothing": share}
    return {method: recipe if method == Method.RLHF else {**recipe, **share_of} for method, recipe in chosen.items()}


def latest_run(method: Method, base: Policy) -> Run | None:
    """The latest run of the method from this base that succeeded."""
    runs = Run.objects.filter(method=method, base=base, state=RunState.SUCCEEDED)
    return runs.order_by("-finished_at").first()


def suited(base: Policy) -> str:
    """The preset for a model of this size; for small ones where the size cannot be read."""
    try:
        return LORA if read_shape(model_folder(base)).parameters > SMALL_MODEL else SMALL
    except NoShape:
        return SMALL


# --- Plans ------------------------------------------------------------------------------------------------------------


def plans(chosen: Mapping[Method, Recipe], budget: Budget, base: Policy, version: DatasetVersion) -> list[Plan]:
    """What each method would do; raises pydantic.ValidationError for a recipe that is no configuration."""
    try:
        material = read_shape(model_folder(base)), data_shape(version)
    except NoShape:
        material = None
    made = configs(chosen, budget, version.train_rows, material)
    return [
        Plan(
            method,
            config,
            forecast(method, config, base, version) if material else None,
            data_verdict(method, version),
        )
        for method, config in made.items()
    ]


def equality(made: Sequence[Plan], budget: Budget) -> str:
    """What is equal between the planned runs and what is not, in sentences."""
    sampled = next((plan for plan in made if isinstance(plan.config, RLHFConfig)), None)
    paired = [plan for plan in made if plan is not sampled]
    told = [_same_data(paired)] if len(paired) > 1 else []
    if sampled and paired:
        told.append(_by_time(sampled, paired[0]) if budget.equal == Equal.TIME else _by_answers(sampled, paired[0]))
    return " ".join(told)


def _same_data(paired: Sequence[Plan]) -> str:
    first = paired[0].config
    return (
        f"{_listed([plan.method.label for plan in paired])} take the same {first.max_steps:,} optimizer steps of "
        f"{first.batch_size:,} pairs: the same pairs in the same order, and so the same tokens."
    )


def _by_answers(sampled: Plan, paired: Plan) -> str:
    prompts, answers = sampled.config.batch_size, sampled.answers_per_step
    same = "as many" if answers == paired.answers_per_step else f"against {paired.answers_per_step:,}"
    longer = _ratio(sampled, paired)
    slower = f", about {longer:.{0 if longer >= 10 else 1}f} times the work" if longer else ""
    return (
        f"RLHF takes as many steps, each on {prompts:,} prompts and {answers:,} sampled answers ({same}); it samples "
        f"them and first trains a reward model on the same pairs{slower}."
    )


def _by_time(sampled: Plan, paired: Plan) -> str:
    if sampled.forecast is None:
        return "The size of the base cannot be read, so RLHF keeps all its steps instead of ending with the others."
    steps, of = sampled.config.max_steps, paired.config.max_steps
    return (
        f"RLHF takes {steps:,} of {of:,} steps: about what fits into the time of {paired.method.label}, its reward "
        "model and its sampling included."
    )


def _ratio(one: Plan, other: Plan) -> float | None:
    """How many times as long one run takes, by counted operations."""
    if one.forecast is None or other.forecast is None:
        return None
    return one.forecast.estimate.seconds(1.0) / other.forecast.estimate.seconds(1.0)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
