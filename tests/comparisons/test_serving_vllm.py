"""Gateway, keeper and generation against real vLLM with a tiny random Llama and LoRA adapters on it.

One engine serves all tests of this file, started by the keeper itself; it takes at most two adapters into a batch and
three into memory, and there are five. Only the test that kills it makes it start again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from comparisons.design import CutOff, Design
from comparisons.generation import generate
from comparisons.models import Answer, Endpoint, EndpointState, Item, ServedPolicy, ServedState, StudyState
from comparisons.sampling import REFUSED, Sampling
from comparisons.serving import adapters, engine_process
from comparisons.serving.gateway import Question, answers
from comparisons.serving.keeper import Keeper
from tests.comparisons.serving_factories import make_waiting_study
from tests.factories import make_policy
from tooling.needs import free_port
from training.models import Policy, PolicyKind
from training.runs.process_groups import group_exists

pytestmark = [pytest.mark.vllm, pytest.mark.django_db, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = ("one", "two", "three", "four", "five")
START_SECONDS = 240
# Models with random weights never end an answer.
SHOWN = Design(cut_off=CutOff.SHOW)
GREEDY = Sampling(temperature=0.0, max_tokens=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base/, five adapters of rank 8 and one of rank 128."""
    made: Path = tmp_path_factory.mktemp("policies")
    program = str(ROOT / "tests/comparisons/make_tiny_policies.py")
    subprocess.run([sys.executable, program, str(made), *ADAPTERS, "wide:128"], check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def policies(folder: Path, django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Policy]]:
    """Rows for the folders, kept for the whole file."""
    with django_db_blocker.unblock():
        base = make_policy(location=str(folder / "base"), served_name="tiny-base", name="Tiny base")
        made = {"base": base}
        for name in (*ADAPTERS, "wide"):
            fields = {"location": str(folder / name), "lora_rank": 128 if name == "wide" else 8, "name": f"Tiny {name}"}
            made[name] = make_policy(PolicyKind.ADAPTER, base, served_name=f"dpo-{name}", method="dpo", **fields)
    yield made
    with django_db_blocker.unblock():
        Endpoint.objects.all().delete()
        for policy in reversed(made.values()):
            policy.delete()


@pytest.fixture(scope="module")
def keeper(policies: dict[str, Policy], django_db_blocker: Any) -> Iterator[Keeper]:
    """The keeper of a running engine with every adapter loaded."""
    patch = pytest.MonkeyPatch()
    patch.setattr(engine_process, "ADAPTERS_IN_BATCH", 2)
    patch.setattr(engine_process, "ADAPTERS_IN_MEMORY", 3)
    patch.setenv("OMP_NUM_THREADS", "1")
    with django_db_blocker.unblock():
        running = Keeper(port=free_port())
        tick_until(running, all_adapters_up)
    yield running
    group = running.process.group if running.process else 0
    with django_db_blocker.unblock():
        running.stop()
    patch.undo()
    wait_until(lambda: not group_exists(group), 10)  # zombies stay until the system's first process has seen them


def tick_until(keeper: Keeper, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not done():
        assert time.monotonic() < deadline, log_tail(keeper)
        keeper.tick()
        time.sleep(0.5)


def all_adapters_up() -> bool:
    return ServedPolicy.objects.up().count() == len(ADAPTERS) + 1


def log_tail(keeper: Keeper) -> str:
    return keeper.process.log.read_text()[-4000:] if keeper.process else "there is no engine"


def ask(keeper: Keeper, policy: Policy, text: str = "What is the capital of Pelund?") -> Question:
    return Question(keeper.url, policy.served_name, [{"role": "user", "content": text}], GREEDY)


# --- Serving ----------------------------------------------------------------------------------------------------------


def test_every_adapter_is_served_though_there_are_more_than_fit_into_a_batch_or_into_memory(
    keeper: Keeper, policies: dict[str, Policy]
):
    """Six policies ask at once, three times over; each gives one greedy answer of its own each time."""
    served = [policies["base"], *(policies[name] for name in ADAPTERS)]
    texts: dict[str, set[str]] = {policy.served_name: set() for policy in served}
    questions = [ask(keeper, policy) for policy in served] * 3
    for index, reply in answers(questions):
        assert reply.error == ""
        texts[questions[index].served_name].add(reply.text)
    assert {len(said) for said in texts.values()} == {1}
    assert len({said for each in texts.values() for said in each}) == len(served)


def test_the_endpoint_tells_what_the_engine_says_of_itself(keeper: Keeper):
    endpoint = Endpoint.objects.get(url=keeper.url)
    assert (endpoint.state, endpoint.version, endpoint.max_model_len) == (EndpointState.UP, "0.32.0", 256)
    assert endpoint.seen_at is not None


def test_a_rank_above_the_engines_is_refused_before_vllm_is_asked(keeper: Keeper, policies: dict[str, Policy]):
    served = ServedPolicy.objects.get(policy=policies["wide"])
    assert served.state == ServedState.FAILED
    assert "its LoRA rank is 128, and this engine was started for at most 64" in served.error


def test_what_vllm_itself_refuses_to_load_is_told_in_its_words(
    keeper: Keeper, policies: dict[str, Policy], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(adapters, "check_adapter", lambda policy, endpoint: None)
    served = ServedPolicy.objects.get(policy=policies["wide"])
    adapters.serve(served, policies["wide"], keeper.engine, loaded=False, say=lambda line: None)
    assert "LoRA rank 128 is greater than max_lora_rank 64" in served.error


# --- The gateway ------------------------------------------------------------------------------------------------------


def test_the_streamed_answer_is_the_one_vllm_gives_in_one_piece(keeper: Keeper, policies: dict[str, Policy]):
    question = ask(keeper, policies["one"])
    [(_, reply)] = answers([question])
    body = {"model": "dpo-one", "messages": question.messages, "temperature": 0, "max_tokens": 12}
    whole = httpx.post(f"{keeper.url}/v1/chat/completions", json=body, timeout=60).json()
    assert reply.text == whole["choices"][0]["message"]["content"]
    assert reply.finish_reason == whole["choices"][0]["finish_reason"]
    assert reply.tokens == whole["usage"]["completion_tokens"] > 0
    assert 0 < reply.first_token_seconds <= reply.total_seconds


def test_the_same_seed_draws_the_same_answer(keeper: Keeper, policies: dict[str, Policy]):
    base = ask(keeper, policies["two"])
    seeds = [1, 1, 2]
    questions = [
        Question(base.url, base.served_name, base.messages, Sampling(1.0, 1.0, 12, seed=seed)) for seed in seeds
    ]
    texts = {index: reply.text for index, reply in answers(questions, concurrency=1)}
    assert texts[0] == texts[1] != texts[2]


def test_a_prompt_longer_than_the_model_is_refused_with_the_reason(keeper: Keeper, policies: dict[str, Policy]):
    [(_, reply)] = answers([ask(keeper, policies["base"], "too long " * 400)])
    assert (reply.finish_reason, reply.text) == (REFUSED, "")
    assert "256" in reply.error


# --- Studies ----------------------------------------------------------------------------------------------------------


def test_a_study_gets_one_answer_per_policy_and_prompt_and_opens(keeper: Keeper, policies: dict[str, Policy]):
    contenders = [policies["base"], policies["one"], policies["two"]]
    study = make_waiting_study(contenders, *(f"What is island {number}?" for number in range(8)), design=SHOWN)
    generate(study.pk)
    study.refresh_from_db()
    assert (study.state, study.error) == (StudyState.OPEN, "")
    rows = Answer.objects.filter(contender__study=study)
    assert rows.count() == 3 * 8
    assert set(rows.values_list("engine_version", flat=True)) == {"0.32.0"}
    # 3 pairs of policies on 8 prompts.
    assert Item.objects.filter(study=study).count() == 3 * 8
    assert min(rows.values_list("first_token_seconds", flat=True)) > 0


def test_a_killed_engine_comes_back_with_its_adapters_and_the_study_goes_on(
    keeper: Keeper, policies: dict[str, Policy], monkeypatch: pytest.MonkeyPatch
):
    study = make_waiting_study(
        [policies["one"], policies["two"]],
        *(f"What is island {number}?" for number in range(6)),
        design=SHOWN,
    )
    assert keeper.process is not None
    first_group = keeper.process.group
    kill_engine_core(first_group)
    wait_until(lambda: keeper.process is not None and keeper.process.status is not None)

    generate(study.pk)
    study.refresh_from_db()
    assert study.state == StudyState.GENERATING
    assert "does not answer" in study.error
    keeper.tick()
    endpoint = Endpoint.objects.get(url=keeper.url)
    assert endpoint.state == EndpointState.DOWN
    assert endpoint.error.startswith("vLLM ended with status")
    wait_until(lambda: not group_exists(first_group), 10)
    generate(study.pk)
    study.refresh_from_db()
    assert study.error.startswith("The engine of Tiny one does not serve it now. vLLM ended with status")

    tick_until(keeper, all_adapters_up)
    generate(study.pk)
    study.refresh_from_db()
    assert (study.state, study.error) == (StudyState.OPEN, "")
    assert Answer.objects.filter(contender__study=study).count() == 2 * 6


def kill_engine_core(group: int) -> None:
    """SIGKILL to the process that holds the model, as the kernel does when memory runs out."""
    [core] = [pid for pid in children_of(group) if "EngineCore" in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(core, signal.SIGKILL)


def children_of(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def wait_until(done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_home(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an installation of its own, with one policy."""
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {"ALIGNAPP_HOME": str(home), "VLLM_PORT": str(free_port())}
    make_base = (
        "from training.models import Policy; Policy.objects.create("
        f"name='Tiny', kind='base', location={str(folder / 'base')!r}, digest='0' * 64, served_name='tiny')"
    )
    for command in (["migrate", "-v0"], ["shell", "-v0", "-c", make_base]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)
    return environment


def start_command(environment: dict[str, str]) -> tuple[subprocess.Popen[str], int]:
    """The running command and the process group of the vLLM it has started, which is on its way up."""
    command = [sys.executable, "manage.py", "serve_policies"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("serving: starting vLLM with tiny")
    [lifeline] = children_of(process.pid)
    [group] = children_of(lifeline)
    time.sleep(3)  # somewhere in the middle of vLLM's start
    assert group_exists(group)
    return process, group


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_takes_its_engine_along(own_home: dict[str, str], number: signal.Signals):
    process, group = start_command(own_home)
    process.send_signal(number)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 0
    assert output.splitlines()[-1] == "serving: stopping"
    wait_until(lambda: not group_exists(group), 10)


def test_a_killed_command_takes_its_engine_along_too(own_home: dict[str, str]):
    process, group = start_command(own_home)
    process.kill()
    process.communicate()
    wait_until(lambda: not group_exists(group), 40)
    assert not group_exists(group)


def test_a_policy_that_does_not_exist_is_refused_with_a_sentence(own_home: dict[str, str]):
    command = [sys.executable, "manage.py", "serve_policies", "--policy", "99"]
    done = subprocess.run(command, cwd=ROOT, env=own_home, capture_output=True, text=True)
    assert done.returncode == 1
    assert "There is no policy 99." in done.stderr


def test_the_log_of_the_engine_is_kept_in_the_home(keeper: Keeper):
    assert keeper.process is not None
    assert keeper.process.log.parent == Path(settings.HOME) / "log"
    assert "Application startup complete" in keeper.process.log.read_text()
