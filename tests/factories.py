"""Rows for tests, made with plain functions: every argument has a default that works."""

from __future__ import annotations

import itertools
from typing import Any

from alignapp.accounts.models import Role, User
from training.config import Method, parse_config
from training.models import Dataset, DatasetVersion, Policy, PolicyKind, Run
from training.preferences import reporting
from training.runs import queue

_numbers = itertools.count(1)


def make_user(name: str = "", role: str = Role.RESEARCHER, **fields: Any) -> User:
    """A person who can log in with the password 'secret'."""
    user = User(username=name or f"user{next(_numbers)}", role=role, **fields)
    user.set_unusable_password()
    user.save()
    return user


def make_version(dataset: Dataset | None = None, **fields: Any) -> DatasetVersion:
    """A dataset version row; there is no file behind its digest."""
    number = next(_numbers)
    dataset = dataset or Dataset.objects.create(slug=f"data{number}", name=f"Data {number}")
    values: dict[str, Any] = {
        "number": dataset.versions.count() + 1,
        "kind": DatasetVersion.Kind.PREFERENCES,
        "sha256": f"{number:064x}",
        "size_bytes": 1000,
        "rows": 100,
        "train_rows": 90,
        "held_out_rows": 10,
    }
    return DatasetVersion.objects.create(dataset=dataset, **(values | fields))


def make_policy(kind: str = PolicyKind.BASE, base: Policy | None = None, **fields: Any) -> Policy:
    """A policy row; there is no folder behind it unless `location` names one."""
    number = next(_numbers)
    if kind == PolicyKind.ADAPTER and base is None:
        base = make_policy()
    values: dict[str, Any] = {
        "name": f"Policy {number}",
        "location": f"/nowhere/policy{number}",
        "digest": f"{number:064x}",
        "served_name": f"policy-{number}",
    }
    return Policy.objects.create(kind=kind, base=base, **(values | fields))


def make_run(method: str = "dpo", config: dict[str, Any] | None = None, **fields: Any) -> Run:
    """A queued run, made by the queue itself; on a version without a report, which most are here, with a reason."""
    values: dict[str, Any] = {
        "dataset_version": fields.pop("dataset_version", None) or make_version(),
        "base": fields.pop("base", None) or make_policy(),
        "name": f"Run {next(_numbers)}",
        "user": fields.pop("user", None),
        "priority": fields.pop("priority", 0.0),
    }
    if reporting.stored_report(values["dataset_version"]) is None:
        values["override_reason"] = "made by a test"
    run = queue.create(method=Method(method), config=parse_config(method, config or {}), **(values | fields))
    assert run.state == "queued"
    return run
