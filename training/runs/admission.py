"""What may be queued: data, base and reward model that fit the method. Every refusal is a sentence with its remedy."""

from __future__ import annotations

from training.config import Method, RunConfig
from training.launching.data_verdict import DataVerdict, data_verdict
from training.models import DatasetVersion, Policy, PolicyKind


class Refused(Exception):
    """A run that cannot be queued or changed; the message says why and what to do."""


def check(
    method: Method,
    config: RunConfig,
    version: DatasetVersion,
    base: Policy,
    reward_model: Policy | None,
    inspected: Policy | None,
    override_reason: str = "",
) -> DataVerdict | None:
    """Raise Refused for the first thing that does not fit; returns what the report on the data says, if it is asked."""
    _check_data(method, version)
    found = _checked_verdict(method, version, override_reason)
    _check_base(config, base)
    check_reward_model(method, config, base, reward_model)
    _check_inspected(method, base, inspected)
    return found


def _check_data(method: Method, version: DatasetVersion) -> None:
    if method.needs_preferences and version.kind != DatasetVersion.Kind.PREFERENCES:
        raise Refused(
            f"{version} holds demonstrations without rejected answers, and {method.label} needs pairs. Choose another "
            "version."
        )


def _checked_verdict(method: Method, version: DatasetVersion, override_reason: str) -> DataVerdict | None:
    found = data_verdict(method, version)
    if found and found.needs_reason and not override_reason.strip():
        raise Refused(f"{found.sentence} {found.remedy}, or say why this run is to be launched all the same.")
    return found


def _check_base(config: RunConfig, base: Policy) -> None:
    if base.kind == PolicyKind.ADAPTER:
        raise Refused(f"{base.name} is an adapter. Choose the model under it, {base.root.name}, as the base.")
    if base.kind == PolicyKind.REWARD:
        raise Refused(f"{base.name} is a reward model: it scores answers and gives none. Choose a policy as the base.")
    if base.kind == PolicyKind.UNTRAINED and not getattr(config, "from_scratch", False):
        raise Refused(f"{base.name} has no weights yet. Train it by SFT with from_scratch, or choose another base.")


def check_reward_model(method: Method, config: RunConfig, base: Policy, model: Policy | None) -> None:
    """Raise Refused unless a reward model is there where it is needed, nowhere else, and fits the base."""
    wants_margin = bool(getattr(config, "reward_margin", False))
    if model is None:
        if wants_margin:
            raise Refused("The reward margin is taken from a reward model. Choose one, or turn the reward margin off.")
        return
    if method is not Method.RLHF and not wants_margin:
        raise Refused(f"{method.label} reads no reward model with these settings. Leave it out.")
    if model.kind != PolicyKind.REWARD:
        raise Refused(f"{model.name} is not a reward model. Choose one, or leave the choice empty.")
    if not same_weights(model.root, base):
        raise Refused(
            f"The reward model {model.name} was trained on {model.root.name}, and this run starts from {base.name}: "
            "their vocabularies and hidden states need not agree. Choose that base, or another reward model."
        )


def _check_inspected(method: Method, base: Policy, inspected: Policy | None) -> None:
    if method is not Method.INSPECTION:
        if inspected is not None:
            raise Refused(f"{method.label} inspects nothing. Queue an inspection instead.")
        return
    if inspected is None:
        raise Refused("An inspection needs something to look at. Choose a policy or a reward model.")
    if inspected != base and not (inspected.base and same_weights(inspected.base, base)):
        raise Refused(f"{inspected.name} was not trained from {base.name}. Choose the base it was trained from.")


def same_weights(one: Policy, other: Policy) -> bool:
    """Whether two registered models are the same files, under whatever names."""
    return one.pk == other.pk or one.digest == other.digest
