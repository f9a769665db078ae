"""Rows around serving, made with plain functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from comparisons.creation import create_study
from comparisons.models import Endpoint, EndpointState, ServedPolicy, ServedState, Study, Suite
from comparisons.suites import create_suite
from tests.factories import make_policy
from training.models import Policy, PolicyKind


def make_endpoint(url: str, policies: Sequence[Policy], state: str = EndpointState.UP) -> Endpoint:
    """An engine whose keeper wrote a moment ago, with its policies up."""
    now = timezone.now()
    endpoint = Endpoint.objects.create(
        url=url,
        root=policies[0].root,
        state=state,
        engine="vLLM",
        version="0.0",
        max_model_len=256,
        kept_at=now,
        seen_at=now,
    )
    for policy in policies:
        ServedPolicy.objects.create(endpoint=endpoint, policy=policy, state=ServedState.UP, loaded_at=now)
    return endpoint


def make_family(*names: str) -> list[Policy]:
    """A base and adapters on it, served under the given names."""
    base = make_policy(name=f"The {names[0]} policy", served_name=names[0])
    adapters = [
        make_policy(PolicyKind.ADAPTER, base, name=f"The {name} policy", served_name=name, method="dpo", lora_rank=8)
        for name in names[1:]
    ]
    return [base, *adapters]


def make_suite(*prompts: str, name: str = "Questions") -> Suite:
    return create_suite(name=name, prompts=[[{"role": "user", "content": prompt}] for prompt in prompts])


def make_waiting_study(policies: Sequence[Policy], *prompts: str, **fields: object) -> Study:
    """A study that waits for its answers."""
    values: dict[str, Any] = {"name": "Round one", "sampling": {"temperature": 0.7, "max_tokens": 32}, "item_limit": 0}
    return create_study(suites=[make_suite(*prompts)], policies=policies, **(values | fields))
