"""Which policies an engine serves: every adapter on its root, loaded under its immutable name and tried out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.db.models import Q, QuerySet
from django.utils import timezone

from comparisons.models import Endpoint, ServedPolicy, ServedState
from training.models import Policy, PolicyKind

from .gateway import Engine, Failed, Refused

# A policy that failed is tried again: its folder may have been on a disk that was away.
TRY_AGAIN = timedelta(minutes=1)


def policies_on(root: Policy) -> QuerySet[Policy]:
    """The root and every adapter on it, the oldest first."""
    return Policy.objects.filter(Q(pk=root.pk) | Q(base=root, kind=PolicyKind.ADAPTER)).order_by("created_at", "pk")


def reconcile(endpoint: Endpoint, engine: Engine, say: Callable[[str], None]) -> None:
    """Bring the engine's adapters in line with the policies in the database; raises EngineDown."""
    names = set(engine.models())
    rows = {served.policy_id: served for served in endpoint.served.all()}
    for policy in policies_on(endpoint.root):
        served = rows.get(policy.pk) or ServedPolicy.objects.create(endpoint=endpoint, policy=policy)
        if served.state == ServedState.UP and policy.served_name in names:
            continue
        if served.state != ServedState.FAILED or is_due(served):
            serve(served, policy, engine, loaded=policy.served_name in names, say=say)


def is_due(served: ServedPolicy) -> bool:
    return served.tried_at is None or served.tried_at < timezone.now() - TRY_AGAIN


def serve(served: ServedPolicy, policy: Policy, engine: Engine, *, loaded: bool, say: Callable[[str], None]) -> None:
    """Load the policy unless it is, let it say something, and store how that went."""
    served.tried_at = timezone.now()
    try:
        if not loaded:
            check_adapter(policy, served.endpoint)
            engine.load(policy.served_name, policy.path)
        if not engine.try_out(policy.served_name).tokens:
            raise Refused("it answers with nothing at all")
    except (Refused, Failed) as failure:
        served.state, served.error = ServedState.FAILED, f"{policy.name} cannot be served: {failure}"
    else:
        served.state, served.error, served.loaded_at = ServedState.UP, "", timezone.now()
    served.save(update_fields=["state", "error", "tried_at", "loaded_at"])
    say(f"serves {policy.served_name}" if served.state == ServedState.UP else served.error)


def check_adapter(policy: Policy, endpoint: Endpoint) -> None:
    """Raise Refused for what vLLM would refuse with a stack trace."""
    if policy.lora_rank > endpoint.max_lora_rank:
        raise Refused(
            f"its LoRA rank is {policy.lora_rank}, and this engine was started for at most {endpoint.max_lora_rank}. "
            f"Set VLLM_MAX_LORA_RANK={policy.lora_rank} and start serve_policies again."
        )
    if not Path(policy.path, "adapter_config.json").is_file():
        raise Refused(f"there is no adapter in {policy.path}. Put its files back, or train it again.")
