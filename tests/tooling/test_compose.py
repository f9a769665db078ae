"""docker-compose.yml and Dockerfile say only what exists; no engine is needed to check that."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
# Of the compose specification: the keys a service here may have, and what a healthcheck may hold.
SERVICE_KEYS = {
    *("image", "build", "command", "environment", "init", "restart", "volumes", "depends_on", "networks", "ports"),
    *("healthcheck", "stop_grace_period", "shm_size", "profiles", "deploy"),
}
HEALTHCHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
DURATION = re.compile(r"(\d+h)?(\d+m)?(\d+s)?")
# Read by libraries and not by the settings.
LIBRARY_VARIABLES = {"HF_HUB_OFFLINE"}


def test_every_process_of_the_architecture_has_a_service():
    assert {"web", "worker-cpu", "worker-live", "worker-gpu", "beat", "redis", "postgres", "vllm"} <= SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_holds_only_keys_of_the_specification(name: str):
    assert SERVICES[name].keys() <= SERVICE_KEYS
    assert SERVICES[name].get("healthcheck", {}).keys() <= HEALTHCHECK_KEYS


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_refers_to_is_declared(name: str):
    service = SERVICES[name]
    named = {mount.split(":")[0] for mount in service.get("volumes", []) if mount[0].isalpha()}

    assert set(service.get("networks", [])) <= COMPOSE["networks"].keys()
    assert named <= COMPOSE["volumes"].keys()
    assert service.get("depends_on", {}).keys() <= SERVICES.keys()
    assert all("healthcheck" in SERVICES[other] for other in waits_for(service, "service_healthy"))


@pytest.mark.parametrize("name", SERVICES)
def test_durations_are_durations(name: str):
    service = SERVICES[name]
    check = service.get("healthcheck", {})
    durations = [service.get("stop_grace_period"), *(check.get(key) for key in ("interval", "timeout", "start_period"))]

    assert all(DURATION.fullmatch(duration) for duration in durations if duration)


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_every_lasting_service_has_a_healthcheck(name: str):
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", OURS)
def test_a_command_names_a_module_or_management_command_that_exists(name: str):
    for command in commands(SERVICES[name]["command"]):
        match command:
            case ["python", "manage.py", subcommand, *_]:
                assert subcommand in get_commands()
            case ["python", "-m", "celery", *rest]:
                assert "alignapp" in rest
            case ["python", "-OO", "-m", module, *_]:
                assert importlib.util.find_spec(module)
            case _:
                pytest.fail(f"{name} runs {command}")


@pytest.mark.parametrize("name", OURS)
def test_the_variables_are_the_ones_that_the_settings_read(name: str):
    sources = [*(ROOT / "alignapp").glob("*.py"), *(ROOT / "comparisons").rglob("*.py")]
    read = set(re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', "\n".join(path.read_text() for path in sources)))

    assert set(SERVICES[name]["environment"]) - LIBRARY_VARIABLES <= read


@pytest.mark.parametrize("name", ["web", "worker-cpu", "worker-live", "beat", "redis", "postgres", "migrate"])
def test_the_common_services_run_in_both_profiles(name: str):
    assert "profiles" not in SERVICES[name]


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_each_profile_has_one_trainer_and_one_engine(profile: str):
    chosen = [service for service in SERVICES.values() if service.get("profiles") == [profile]]

    assert [service["image"] for service in chosen] == [f"alignapp:{profile}"] * 2
    assert {service["build"]["args"]["DEVICE"] for service in chosen} == {profile}
    assert len([service for service in chosen if "serve_policies" in service["command"]]) == 1
    assert len([service for service in chosen if "-Q gpu" in service["command"]]) == 1


def test_only_the_web_pages_are_published_and_only_to_this_host():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert SERVICES["web"]["ports"] == ["${BIND:-127.0.0.1}:${PORT:-8000}:8000"]


def test_a_trainer_has_time_for_its_checkpoint():
    """The trainer may take TRAINER_STOP_GRACE seconds; the container must be given more."""
    for name in ("worker-gpu", "worker-gpu-without-gpu"):
        service = SERVICES[name]
        assert int(service["stop_grace_period"].rstrip("s")) > int(service["environment"]["TRAINER_STOP_GRACE"])


def test_no_secret_has_a_default():
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD"):
        assert set(re.findall(rf"\${{{name}(.)", TEXT)) == {":"}
        assert f"${{{name}:-" not in TEXT


def test_the_image_runs_as_another_user_than_root_and_copies_what_exists():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = [source for words in copied for source in words if not source.startswith("--")]

    assert "USER alignapp" in lines
    assert all((ROOT / source).exists() for source in sources)


def test_the_health_page_that_web_is_asked_for_exists(client: Any, db: None):
    path = re.search(r"127\.0\.0\.1:8000(/[^\"]*)\"", SERVICES["web"]["healthcheck"]["test"][-1])

    assert path is not None
    assert client.get(path[1]).status_code == 200


def test_the_procfile_names_the_same_processes():
    lines = (ROOT / "Procfile").read_text().splitlines()
    local = {line.split(":")[0]: shlex.split(line.split(": exec ")[1]) for line in lines}

    for name in ("web", "worker-cpu", "worker-live", "worker-gpu", "beat", "vllm"):
        assert local[name][:4] == shlex.split(SERVICES[name]["command"])[:4]


def test_the_shell_scripts_parse():
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci/run")]).returncode == 0


def waits_for(service: dict[str, Any], condition: str) -> list[str]:
    """The services that `service` waits for in this way."""
    return [name for name, wait in service.get("depends_on", {}).items() if wait["condition"] == condition]


def commands(command: str) -> list[list[str]]:
    """The words of each command, also of several in a shell."""
    words = shlex.split(command)
    if words[:2] == ["sh", "-c"]:
        return [shlex.split(part) for part in words[2].split("&&")]
    return [words]
