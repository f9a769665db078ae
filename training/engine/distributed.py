"""Several devices of one host share a run: FSDP2 shards the policy, and each rank computes some parts of a step.

Methods do not know about ranks. A step is a list of parts that add up (loop.Part); every rank computes its share, and
gradients and metrics are summed, so that loss and update are those of one process but for rounding. Trained weights
that are not sharded (a score head, a reward model) are whole on every rank, and their gradients are summed.

What is looked at rather than trained on (held-out pairs, samples) every rank computes in full: the passes of sharded
weights are collective, and so their number must be the same everywhere. Only rank 0 writes.

Under FSDP2 weights keep their format and autocast does what it does in one process, so bf16 has the same effect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from training.engine.errors import EngineError
from training.engine.run import StopSignal, this_rank

if TYPE_CHECKING:
    from training.engine.policy import Policy

T = TypeVar("T")
P = ParamSpec("P")

PATIENCE = timedelta(hours=1)
"""How long a rank waits for the others, which may be waiting for rank 0 to write."""


def devices() -> int:
    """How many processes share the run; 1 where it was not started on several devices."""
    return dist.get_world_size() if dist.is_initialized() else 1


def connect(wanted: int) -> None:
    """Meet the other ranks; raises EngineError when they are not as many as the configuration says."""
    found = int(os.environ["WORLD_SIZE"])
    if found != wanted:
        raise EngineError(
            f"The run was configured for {wanted} devices and started on {found}.",
            "Start it with python -m training.engine RUN_DIR, which starts as many processes as are configured.",
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if _device() == "cuda" else "gloo", timeout=PATIENCE)


def disconnect() -> None:
    """Part from the other ranks when all have got here."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def wait_for_all() -> None:
    """Return when every rank has got here, so that what rank 0 wrote is there for all."""
    if dist.is_initialized():
        dist.barrier()


@dataclass
class SharedStop(StopSignal):
    """A stop that all ranks agree on. To ask is collective: every rank must ask at the same points of its work."""

    @property
    def requested(self) -> bool:
        wanted = torch.tensor(float(self.wanted or self.orphaned))
        dist.all_reduce(wanted)
        return bool(wanted > 0)


def agreed(value: T) -> T:
    """Rank 0's value, for what ranks might find different on disk while other runs write there."""
    if not dist.is_initialized():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def share(parts: Sequence[T]) -> Iterator[tuple[T, bool]]:
    """This rank's parts, and whether each counts.

    All ranks get the same number, because a pass is collective; where parts are missing the last one is repeated and
    must count nothing.
    """
    for first in range(0, len(parts), devices()):
        mine = first + this_rank()
        yield parts[min(mine, len(parts) - 1)], mine < len(parts)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def aligned(values: dict[str, Tensor], missing: float) -> dict[str, Tensor]:
    """The values under the names that any rank has, in one order; what a part measured, another may not have."""
    if not dist.is_initialized():
        return values
    every: list[list[str]] = [[]] * devices()
    dist.all_gather_object(every, list(values))
    names = sorted({name for names in every for name in names})
    return {name: values.get(name, torch.tensor(missing, device=_device())) for name in names}


def summed(values: Tensor) -> Tensor:
    """The sums of a vector over all ranks, in place."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def largest(values: Tensor) -> Tensor:
    """The maxima of a vector over all ranks, in place."""
    if dist.is_initialized() and len(values):
        dist.all_reduce(values, dist.ReduceOp.MAX)
    return values


def shard(policy: Policy) -> None:
    """Spread a policy's weights over the devices, layer by layer; does nothing on one device.

    The root holds what is outside the layers (embeddings, last norm, head). A loss calls the body and then the head,
    so both go through `Policy.as_forward`, which gathers the root as the model's own forward would.
    """
    if not dist.is_initialized():
        return
    mesh = init_device_mesh(policy.device.type, (devices(),))
    for layer in _layers(policy.model):
        fully_shard(layer, mesh=mesh)
    fully_shard(policy.model, mesh=mesh)
    for module in _sharded(policy.model):
        module.set_gradient_divide_factor(1.0)  # parts add up to the step's loss, so gradients are summed
        module.set_force_sum_reduction_for_comms(True)  # gloo knows no other way
    policy.model.call = MethodType(_call, policy.model)
    register_fsdp_forward_method(policy.model, "call")
    policy.sharded = True


def _call(_: nn.Module, function: Callable[..., T], *args: Any) -> T:
    return function(*args)


def _layers(model: nn.Module) -> list[nn.Module]:
    """The blocks of the transformer: the longest list of modules in it."""
    lists = [list(module) for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=[])


def _sharded(model: nn.Module) -> list[FSDPModule]:
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


@contextmanager
def gathered(policy: Policy) -> Iterator[None]:
    """Within, every rank holds all weights and may compute what and as often as it likes, as sampling does."""
    modules = _sharded(policy.model) if policy.sharded else []
    for module in modules:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    yield
    for module in modules:
        # The root's weights stay after a forward pass: the backward pass, which needs them first, follows at once.
        module.set_reshard_after_forward(module is not policy.model, recurse=False)
        module.reshard()


def on_whole_weights(function: Callable[Concatenate[Policy, P], T]) -> Callable[Concatenate[Policy, P], T]:
    """Call a function of a policy with all weights gathered; every rank returns what rank 0 found.

    Ranks draw the same numbers, but a last bit that differs gives another token, and then another number of passes.
    """

    def call(policy: Policy, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with gathered(policy):
            found = function(policy, *args, **kwargs)
        return agreed(found) if policy.sharded else found

    return call


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Sum the gradients of weights that are whole on every rank; FSDP has summed those of the others."""
    if not dist.is_initialized():
        return
    for parameter in parameters:
        if not isinstance(parameter, DTensor):
            # A rank may have computed nothing that this weight took part in.
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            dist.all_reduce(gradient)
            parameter.grad = gradient


def clip_gradients(parameters: Iterable[Tensor], most: float) -> Tensor:
    """Scale gradients together down to norm `most`; returns the norm that they had."""
    kinds = by_kind(parameters)
    if len(kinds) == 1 and not isinstance(kinds[0][0], DTensor):
        return nn.utils.clip_grad_norm_(kinds[0], most)
    norms = [full(nn.utils.get_total_norm([p.grad for p in kind if p.grad is not None])) for kind in kinds]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    for kind in kinds:
        nn.utils.clip_grads_with_norm_(kind, most, norm)
    return norm


def by_kind(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """Whole and sharded tensors, which one fused operation cannot take together; only what there is."""
    kinds: tuple[list[Tensor], list[Tensor]] = ([], [])
    for parameter in parameters:
        kinds[isinstance(parameter, DTensor)].append(parameter)
    return [kind for kind in kinds if kind]


def full(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded; collective."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def to_save(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The whole tensors for rank 0 to write, gathered one at a time; empty on the other ranks. Collective."""
    saved = {}
    for name, tensor in tensors.items():
        whole = full(tensor.detach())
        if this_rank() == 0:
            saved[name] = whole.cpu() if isinstance(tensor, DTensor) else whole
    return saved


def saved_weights(policy: Policy) -> dict[str, Tensor] | None:
    """What an artifact of sharded weights holds, for rank 0 to write; None where they can be taken from the modules."""
    if not policy.sharded:
        return None
    if policy.adapter is None:
        once = {name for name, _ in (*policy.model.named_parameters(), *policy.model.named_buffers())}  # tied weights
        return to_save({name: value for name, value in policy.model.state_dict().items() if name in once})
    return to_save({name: value for name, value in policy.adapter.state_dict().items() if "lora_" in name})


def like(value: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor, spread as `parameter` is; every rank must hold the same."""
    if not isinstance(parameter, DTensor):
        return value
    value = value.to(parameter.device)
    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
