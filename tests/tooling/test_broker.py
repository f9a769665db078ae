"""The broker that every machine has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import redis

from tooling import broker


def test_the_bundled_broker_starts_and_answers_ping(broker_url: str):
    with redis.Redis.from_url(broker_url) as client:
        assert client.ping()


def test_the_broker_never_drops_a_message_to_save_memory(broker_url: str):
    with redis.Redis.from_url(broker_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_redis_server_on_path_comes_before_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = tmp_path / "redis-server"
    shutil.copy("/bin/true", server)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert broker.broker_binary() == server


def test_without_redis_on_path_the_bundled_valkey_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert broker.broker_binary().name == "valkey-server"
