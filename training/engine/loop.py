"""The one optimizer loop: schedule, clipping, stop check, events, checkpoints. Methods differ only in their `Plan`.

Everything random within a step is a function of (seed, step), so a checkpoint needs no random state and a resumed
run repeats an uninterrupted one. A step that is not finite ends the run before it can move a weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from training.config import TrainingConfig
from training.engine import artifacts, checkpoints, distributed
from training.engine.checkpoints import Checkpoint
from training.engine.errors import EngineError, Stopped
from training.engine.run import Run, this_rank

LOGGED_POINTS = 200
"""About how many points a curve gets, however long the run is: steps in between are averaged."""

Metrics = dict[str, float]
Samples = list[dict[str, Any]]


def no_probe(step: int) -> Metrics:
    """For plans whose policy is not asked for answers of its own."""
    return {}


@dataclass(frozen=True, slots=True)
class Part:
    """One forward pass of a step. The parts of a step add up: to its loss, its metrics and its tokens.

    Of `maxima`, the largest over the parts is the step's.
    """

    loss: Tensor
    metrics: dict[str, Tensor]
    tokens: int
    maxima: dict[str, Tensor] = field(default_factory=dict)


Pending = Callable[[], Part]
"""A part that is still to be computed: devices that share a run compute some of a step's parts each."""


@dataclass(frozen=True)
class Plan:
    """What a method brings to the loop; `curves` and `checkpoints` name its metrics and its checkpoint folders."""

    config: TrainingConfig
    steps: int
    trained: dict[str, Tensor]
    parts: Callable[[int], Sequence[Pending]]
    evaluate: Callable[[], Metrics]
    samples: Callable[[], Samples]
    probe: Callable[[int], Metrics] = no_probe  # of the policy's own answers at a checkpoint; a function of the step
    updates: int = 1  # optimizer steps within a step: `parts` is called for each; checkpoints lie between steps
    stage: str = "training"
    curves: str = "train"
    checkpoints: str = "step"


@dataclass
class State:
    """What accumulates over steps and attempts, and is saved with every checkpoint."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    window: dict[str, float] = field(default_factory=dict)  # sums since the last point of the curves
    window_steps: int = 0
    peak_memory: int = 0  # bytes, over all attempts
    last: Metrics = field(default_factory=dict)


def optimise(run: Run, plan: Plan, state: State, checkpoint: Checkpoint | None) -> None:
    """Train until `plan.steps`, continuing from `checkpoint`; updates `state`.

    Raises Stopped after saving a checkpoint when the run was asked to stop, EngineError on a loss that is not finite.
    """
    run.stage(plan.stage, total_steps=plan.steps)
    optimizer = _optimizer(plan)
    if checkpoint is not None:
        restore(plan, optimizer, state, checkpoint)
    else:
        _look(run, plan, state)
        _probe(run, plan, state)
        _show_samples(run, plan, state)
    while state.step < plan.steps:
        _step(plan, optimizer, state)
        due = _due(plan, state.step)
        if state.step % max(1, plan.steps // LOGGED_POINTS) == 0 or due.end:
            _emit_window(run, state)
        if due.look:
            _look(run, plan, state)
        if due.checkpoint:  # before it is saved, so that a run that resumes from it has lost nothing
            _probe(run, plan, state)
        state.seconds += run.lap()
        stopping = run.stop.requested
        if due.checkpoint or stopping:
            _save(run, plan, optimizer, state)
        if due.checkpoint and not stopping:
            _show_samples(run, plan, state)
        if stopping and not due.end:
            raise Stopped


@dataclass(frozen=True, slots=True)
class _Due:
    look: bool
    checkpoint: bool
    end: bool


def _due(plan: Plan, step: int) -> _Due:
    end = step == plan.steps
    return _Due(end or step % plan.config.evaluate_every == 0, end or step % plan.config.checkpoint_every == 0, end)


def _optimizer(plan: Plan) -> torch.optim.AdamW:
    """AdamW; vectors (norms, biases) are not decayed."""
    matrices = [p for p in plan.trained.values() if p.ndim >= 2]
    vectors = [p for p in plan.trained.values() if p.ndim < 2]
    groups = [
        {"params": parameters, "weight_decay": decay}
        for shaped, decay in ((matrices, plan.config.weight_decay), (vectors, 0.0))
        for parameters in distributed.by_kind(shaped)
    ]
    return torch.optim.AdamW(groups, lr=plan.config.learning_rate, fused=True)


def learning_rate(config: TrainingConfig, step: int, steps: int) -> float:
    """Step size of step `step` (from 0): a linear rise over the warm-up, then the schedule down to 0 after the last."""
    warmup = int(config.warmup_ratio * steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "linear":
        return config.learning_rate * (1 - progress)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def seed_step(seed: int, step: int) -> None:
    """Make everything random that follows a function of (seed, step)."""
    torch.manual_seed(seed * 1_000_003 + step)


def _step(plan: Plan, optimizer: torch.optim.Optimizer, state: State) -> None:
    seed_step(plan.config.seed, state.step)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(plan.config, state.step, plan.steps)
    for _ in range(plan.updates):
        _update(plan, optimizer, state)
    state.step += 1


def _update(plan: Plan, optimizer: torch.optim.Optimizer, state: State) -> None:
    """One optimizer step on the parts of the current step."""
    sums, maxima = _backward(plan, state.step)
    distributed.sum_gradients(plan.trained.values())
    norm = distributed.clip_gradients(plan.trained.values(), plan.config.max_grad_norm)
    totals = [distributed.summed(_stacked(sums)), distributed.largest(_stacked(maxima)), norm.float()[None]]
    names = [*sums, *maxima, f"{plan.curves}/grad_norm"]
    values = torch.cat([total for total in totals if len(total)]).tolist()  # one wait for the device
    _check_finite(dict(zip(names, values, strict=True)), state.step + 1)
    tokens = names.index(TOKENS)
    state.tokens += int(values.pop(tokens))
    del names[tokens]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    _accumulate(state, names, values)
    _accumulate(state, [f"{plan.curves}/learning_rate"], [optimizer.param_groups[0]["lr"]])
    state.window_steps += 1


TOKENS = "tokens"


def _backward(plan: Plan, step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of this process's parts of the step; the sums and the maxima of what they report."""
    sums: dict[str, Tensor] = {}
    maxima: dict[str, Tensor] = {}
    for pending, counts in distributed.share(plan.parts(step)):
        part = pending()
        share = 1.0 if counts else 0.0
        (part.loss * share).backward()
        tokens = part.loss.new_tensor(part.tokens)
        for name, value in {f"{plan.curves}/loss": part.loss, **part.metrics, TOKENS: tokens}.items():
            sums[name] = sums.get(name, 0.0) + value.detach() * share
        for name, value in part.maxima.items():
            maxima[name] = torch.maximum(maxima.get(name, value), value)
    return distributed.aligned(sums, 0.0), distributed.aligned(maxima, -math.inf)


def _stacked(values: dict[str, Tensor]) -> Tensor:
    return torch.stack([value.float() for value in values.values()]) if values else torch.empty(0)


TOO_FAR = "Lower learning_rate, or train in fp32; the last checkpoint is from before this step."
BROKEN_START = (
    "Nothing was trained before it: the loss has a setting that is far out, such as beta, or the base is broken."
)


def _check_finite(values: Metrics, step: int) -> None:
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise EngineError(
            f"Step {step} gave {', '.join(broken)} that is not a finite number; no weight was changed by it.",
            TOO_FAR if step else BROKEN_START,
        )


def _accumulate(state: State, names: list[str], values: list[float]) -> None:
    for name, value in zip(names, values, strict=True):
        state.window[name] = state.window.get(name, 0.0) + value


def _emit_window(run: Run, state: State) -> None:
    means = {name: total / state.window_steps for name, total in state.window.items()}
    state.window, state.window_steps = {}, 0
    _emit(run, state, means)


def _emit(run: Run, state: State, values: Metrics) -> None:
    if values:
        state.last.update(values)
        run.events.emit("metrics", state.step, values=values)


def _look(run: Run, plan: Plan, state: State) -> None:
    with torch.no_grad():
        values = plan.evaluate()
    _check_finite(values, state.step)
    _emit(run, state, values)


def _probe(run: Run, plan: Plan, state: State) -> None:
    with torch.no_grad():
        values = plan.probe(state.step)
    _check_finite(values, state.step)
    _emit(run, state, values)


def _show_samples(run: Run, plan: Plan, state: State) -> None:
    samples = plan.samples()
    if samples:
        run.events.emit("samples", state.step, samples=samples)


def _save(run: Run, plan: Plan, optimizer: torch.optim.Optimizer, state: State) -> None:
    state.peak_memory = max(state.peak_memory, artifacts.peak_memory())
    payload = {
        "weights": distributed.to_save(plan.trained),
        "optimizer": {name: distributed.to_save(optimizer.state[p]) for name, p in _moved(plan, optimizer)},
        "state": dict(vars(state)),
    }
    if this_rank() == 0:
        folder = run.folder / "checkpoints"
        path = checkpoints.save(folder, plan.checkpoints, state.step, payload, run.identity, run.facts)
        run.events.emit("checkpoint", state.step, path=str(path.relative_to(run.folder)))
    distributed.wait_for_all()


def _moved(plan: Plan, optimizer: torch.optim.Optimizer) -> list[tuple[str, Tensor]]:
    """The weights that the optimizer has ever moved; a weight that no loss met has no moments."""
    return [(name, parameter) for name, parameter in plan.trained.items() if parameter in optimizer.state]


def restore(plan: Plan, optimizer: torch.optim.Optimizer, state: State, checkpoint: Checkpoint) -> None:
    """Put weights, optimizer and counts back to where the checkpoint was written."""
    with torch.no_grad():
        for name, parameter in plan.trained.items():
            parameter.copy_(distributed.like(checkpoint.state["weights"][name], parameter))
            for key, value in checkpoint.state["optimizer"].get(name, {}).items():
                spread = distributed.like(value, parameter) if value.ndim else value
                optimizer.state[parameter][key] = spread.to(parameter.device)
    for name, value in checkpoint.state["state"].items():
        setattr(state, name, value)
    checkpoint.state.clear()  # three copies of the weights, which the caller would hold to the end of the run


def find_checkpoint(run: Run, prefix: str) -> Checkpoint | None:
    """The newest whole checkpoint of this run; says so when a newer one is torn."""
    found, torn = checkpoints.latest(run.folder / "checkpoints", prefix, run.identity)
    for name in torn:
        run.events.notice(
            f"The checkpoint {name} is incomplete or of an older format; going on from the one before it.",
            level="warning",
        )
    if found is not None and found.facts.get("code") != run.facts["code"]:
        run.events.notice(
            f"Another version of the engine wrote the checkpoint {found.path.name}: the run goes on from it, and may "
            "not end as it would have without the stop.",
            level="warning",
        )
    return found
