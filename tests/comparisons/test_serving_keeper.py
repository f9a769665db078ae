"""The keeper's decisions: which root, what to load, what to write down. Starting vLLM itself: test_serving_vllm.py."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from comparisons.models import Endpoint, EndpointState, ServedPolicy, ServedState
from comparisons.serving.engine_process import EnginePlan, largest_rank, longest_conversation
from comparisons.serving.keeper import Keeper, choose_root
from tests.comparisons.scripted_engine import ScriptedEngine
from tests.comparisons.serving_factories import make_endpoint, make_family
from tests.factories import make_policy
from training.models import Policy, PolicyKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    scripted = ScriptedEngine("base")
    yield scripted
    scripted.stop()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def keeper(engine: ScriptedEngine, lines: list[str]) -> Iterator[Keeper]:
    """A keeper attached to an engine it did not start."""
    attached = Keeper(attach_url=engine.url, say=lines.append)
    yield attached
    attached.stop()


def with_weights(folder: Path, **fields: Any) -> Policy:
    folder.mkdir()
    (folder / "model.safetensors").touch()
    return make_policy(location=str(folder), **fields)


def with_adapter(folder: Path, base: Policy, **fields: Any) -> Policy:
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    return make_policy(PolicyKind.ADAPTER, base, location=str(folder), lora_rank=8, **fields)


# --- Which root -------------------------------------------------------------------------------------------------------


def test_without_a_policy_the_keeper_waits_and_says_so_once(keeper: Keeper, lines: list[str]):
    keeper.tick()
    keeper.tick()
    assert lines == ["waiting for a policy: train one, or register a model folder"]
    assert not Endpoint.objects.exists()


def test_the_oldest_root_is_served_until_another_one_has_adapters(tmp_path: Path):
    old, young = with_weights(tmp_path / "old"), with_weights(tmp_path / "young")
    assert choose_root(None, None) == old
    with_adapter(tmp_path / "adapter", young)
    assert choose_root(None, old) == young


def test_a_root_with_adapters_is_not_left_for_an_older_one(tmp_path: Path):
    old, young = with_weights(tmp_path / "old"), with_weights(tmp_path / "young")
    with_adapter(tmp_path / "a", young)
    with_adapter(tmp_path / "b", old)
    assert choose_root(None, young) == young
    assert choose_root(None, None) == old


def test_a_policy_without_weights_is_passed_over_unless_asked_for(tmp_path: Path):
    empty = make_policy(location=str(tmp_path))
    full = with_weights(tmp_path / "full", kind=PolicyKind.FULL)
    assert choose_root(None, None) == full
    assert choose_root(empty.pk, None) == empty


def test_an_adapter_that_is_asked_for_is_served_on_its_root(tmp_path: Path):
    base = with_weights(tmp_path / "base")
    assert choose_root(with_adapter(tmp_path / "a", base).pk, None) == base


# --- Reconciling ------------------------------------------------------------------------------------------------------


def test_adapters_are_loaded_under_their_names_and_tried_out(
    tmp_path: Path, engine: ScriptedEngine, keeper: Keeper, lines: list[str]
):
    base = with_weights(tmp_path / "base", served_name="base")
    with_adapter(tmp_path / "a", base, served_name="dpo-1")
    for _ in range(3):
        keeper.tick()
    assert engine.loaded == ["dpo-1"]
    assert engine.asked == {("base", "Hello"): 1, ("dpo-1", "Hello"): 1}
    assert set(ServedPolicy.objects.up().values_list("policy__served_name", flat=True)) == {"base", "dpo-1"}
    endpoint = Endpoint.objects.get()
    assert (endpoint.state, endpoint.version, endpoint.max_model_len) == (EndpointState.UP, "0.0.scripted", 256)
    assert lines == [f"vLLM 0.0.scripted is up at {engine.url}", "serves base", "serves dpo-1"]


def test_an_adapter_that_the_engine_has_lost_is_loaded_again(tmp_path: Path, engine: ScriptedEngine, keeper: Keeper):
    base = with_weights(tmp_path / "base", served_name="base")
    with_adapter(tmp_path / "a", base, served_name="dpo-1")
    keeper.tick()
    keeper.tick()
    engine.models.remove("dpo-1")
    keeper.tick()
    assert engine.loaded == ["dpo-1", "dpo-1"]


def test_a_rank_above_the_engines_is_refused_with_what_to_set(tmp_path: Path, engine: ScriptedEngine, keeper: Keeper):
    base = with_weights(tmp_path / "base", served_name="base")
    policy = with_adapter(tmp_path / "a", base, name="Wide", served_name="dpo-1")
    Policy.objects.filter(pk=policy.pk).update(lora_rank=128)
    keeper.tick()
    keeper.tick()
    served = ServedPolicy.objects.get(policy=policy)
    assert served.state == ServedState.FAILED
    assert served.error.startswith("Wide cannot be served: its LoRA rank is 128")
    assert "VLLM_MAX_LORA_RANK=128" in served.error
    assert engine.loaded == []


def test_a_missing_folder_is_named_and_tried_again_once_it_is_back(tmp_path: Path, keeper: Keeper):
    base = with_weights(tmp_path / "base", served_name="base")
    gone = make_policy(PolicyKind.ADAPTER, base, location=str(tmp_path / "gone"), served_name="dpo-1", lora_rank=8)
    keeper.tick()
    keeper.tick()
    served = ServedPolicy.objects.get(policy=gone)
    assert f"there is no adapter in {tmp_path / 'gone'}" in served.error
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "adapter_config.json").write_text("{}")
    ServedPolicy.objects.filter(pk=served.pk).update(tried_at=timezone.now() - timedelta(minutes=2))
    keeper.tick()
    served.refresh_from_db()
    assert (served.state, served.error) == (ServedState.UP, "")


# --- Down and up again ------------------------------------------------------------------------------------------------


def test_an_attached_engine_that_goes_away_is_down_until_it_is_back(
    tmp_path: Path, engine: ScriptedEngine, keeper: Keeper
):
    with_weights(tmp_path / "base", served_name="base")
    keeper.tick()
    keeper.tick()
    engine.healthy = False
    keeper.tick()
    endpoint = Endpoint.objects.get()
    assert (endpoint.state, endpoint.is_up) == (EndpointState.DOWN, False)
    assert "does not answer" in endpoint.trouble
    assert not ServedPolicy.objects.up().exists()
    engine.healthy = True
    keeper.tick()
    assert Endpoint.objects.get().is_up
    assert ServedPolicy.objects.up().count() == 1


def test_an_engine_with_another_model_is_not_taken_for_ours(tmp_path: Path, engine: ScriptedEngine, keeper: Keeper):
    with_weights(tmp_path / "base", served_name="sft-7")
    keeper.tick()
    keeper.tick()
    assert "serves base instead of sft-7" in Endpoint.objects.get().error


def test_a_keeper_that_stops_says_so(tmp_path: Path, keeper: Keeper):
    with_weights(tmp_path / "base", served_name="base")
    keeper.tick()
    keeper.tick()
    keeper.stop()
    endpoint = Endpoint.objects.get()
    assert (endpoint.state, endpoint.error) == (
        EndpointState.DOWN,
        "serve_policies was stopped. Start it again to serve policies.",
    )
    assert not ServedPolicy.objects.up().exists()


def test_a_keeper_that_fell_silent_serves_nothing_whatever_its_row_says():
    family = make_family("base", "dpo-1")
    endpoint = make_endpoint("http://127.0.0.1:1", family)
    assert ServedPolicy.objects.up().count() == 2
    Endpoint.objects.update(kept_at=timezone.now() - timedelta(minutes=2))
    endpoint.refresh_from_db()
    assert not ServedPolicy.objects.up().exists()
    assert "ended without a word" in endpoint.trouble


def test_a_taken_port_is_named_and_tried_again_later(tmp_path: Path, lines: list[str]):
    with_weights(tmp_path / "base")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        keeper = Keeper(port=other.getsockname()[1], say=lines.append)
        keeper.tick()
        keeper.tick()
    assert "is taken by another process" in Endpoint.objects.get().error
    assert len(lines) == 1
    assert lines[0].endswith("Next start in 2 s.")
    keeper.stop()


def test_workers_are_told_the_address_that_the_settings_name(tmp_path: Path, settings: Any, lines: list[str]):
    """In docker-compose the engine is `vllm` to the workers, whose own loopback interface has none."""
    with_weights(tmp_path / "base")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings.VLLM_PORT, settings.VLLM_URL = other.getsockname()[1], "http://vllm:8100"
        keeper = Keeper(port=settings.VLLM_PORT, say=lines.append)
        keeper.tick()
    assert Endpoint.objects.get().url == "http://vllm:8100"
    assert keeper.url == f"http://127.0.0.1:{settings.VLLM_PORT}"
    keeper.stop()


# --- The command line -------------------------------------------------------------------------------------------------


def test_the_rank_vllm_is_started_for_covers_the_wanted_one():
    assert [largest_rank(rank) for rank in (1, 9, 64, 65, 600)] == [1, 16, 64, 128, 512]


def test_the_engine_listens_on_the_loopback_interface_under_the_policys_name(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    command = EnginePlan(str(tmp_path), "base-1", 8123, 64).command
    options = dict(pairwise(command))
    assert (options["--host"], options["--port"], options["--served-model-name"]) == ("127.0.0.1", "8123", "base-1")
    assert (options["--max-lora-rank"], options["--max-model-len"]) == ("64", "512")


def test_the_engine_sees_neither_the_database_nor_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("DATABASE_URL", "SECRET_KEY", "BROKER_URL", "HF_TOKEN"):
        monkeypatch.setenv(name, "set")
    seen = EnginePlan(str(tmp_path), "base-1", 8123, 64).environment
    assert "HF_TOKEN" in seen
    assert not {"DATABASE_URL", "SECRET_KEY", "BROKER_URL"} & set(seen)


@pytest.mark.parametrize(
    "config, tokens",
    [
        ('{"max_position_embeddings": 131072}', 4096),
        ('{"n_positions": 1024}', 1024),
        ('{"text_config": {"max_position_embeddings": 2048}}', 2048),
        ("{}", 0),
        ("not json", 0),
    ],
)
def test_a_conversation_is_as_long_as_the_model_allows(tmp_path: Path, config: str, tokens: int):
    (tmp_path / "config.json").write_text(config)
    assert longest_conversation(tmp_path) == tokens
