"""Where a policy comes from: the chain of runs, data and bases back to a registered model."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from training.models import Policy, Run

# Policies on policies: nobody reads a longer chain, and a broken one must not turn for ever.
LONGEST = 50


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A policy on the way back, and the run that made it (None for a registered model)."""

    policy: Policy
    run: Run | None


def ancestors(policy: Policy) -> list[Ancestor]:
    """From the registered model at the beginning to the policy itself."""
    chain: deque[Ancestor] = deque()
    current: Policy | None = policy
    while current is not None and len(chain) < LONGEST:
        run = current.run
        chain.appendleft(Ancestor(current, run))
        before = run.base_id if run else current.base_id
        current = _with_run(before) if before else None
    return list(chain)


def _with_run(pk: int) -> Policy:
    return Policy.objects.select_related("run__dataset_version__dataset").get(pk=pk)
