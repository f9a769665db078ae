"""A reward model scores answers and gives none: nothing serves it, and no study can compare it."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from comparisons.forms.fields import comparable_policies
from comparisons.overview import engines
from comparisons.serving.adapters import policies_on
from comparisons.serving.keeper import choose_root
from tests.comparisons.serving_factories import make_endpoint
from tests.factories import make_policy, make_run
from training.models import PolicyKind

pytestmark = pytest.mark.django_db


def test_an_engine_serves_the_adapters_of_its_root_and_no_reward_model_on_it():
    base = make_policy()
    adapter = make_policy(PolicyKind.ADAPTER, base)
    make_policy(PolicyKind.REWARD, base)
    assert list(policies_on(base)) == [base, adapter]


def test_a_reward_model_is_not_offered_to_a_study():
    base = make_policy()
    make_policy(PolicyKind.REWARD, base)
    make_endpoint("http://127.0.0.1:1", [base])
    assert list(comparable_policies()) == [base]


def test_a_reward_model_is_no_root_to_start_an_engine_with(tmp_path):
    (tmp_path / "model.safetensors").touch()
    make_policy(PolicyKind.REWARD, make_policy(), location=str(tmp_path))
    assert choose_root(None, None) is None


def test_asking_for_a_reward_model_to_be_served_is_refused_in_a_sentence():
    judge = make_policy(PolicyKind.REWARD, make_policy(), name="Judge")
    with pytest.raises(CommandError, match="Judge is a reward model: it gives no answers"):
        call_command("serve_policies", policy=judge.pk)


def test_a_reward_model_alone_asks_for_no_engine():
    run = make_run("reward")
    make_policy(PolicyKind.REWARD, run.base, run=run)
    assert list(engines()) == []
