"""Keeps one vLLM up and its policies loaded: the loop behind `manage.py serve_policies`.

The keeper owns the engine's Endpoint row. It either starts the engine itself, or attaches to one run elsewhere (the
vllm service of docker-compose), where it only reconciles.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from comparisons.models import Endpoint, EndpointState, ServedState
from training.models import Policy, PolicyKind

from .adapters import reconcile
from .engine_process import EnginePlan, EngineProcess, largest_rank
from .gateway import Engine, EngineDown, Unavailable

LONGEST_PAUSE = 60.0  # seconds between two starts of an engine that keeps dying
ROOTS = (PolicyKind.BASE, PolicyKind.FULL)
PATIENCE = 90.0  # seconds an engine that was up may leave its keeper without an answer


class Keeper:
    """Call `tick` every few seconds and `stop` at the end; `say` gets a line whenever something has changed."""

    def __init__(
        self, *, port: int = 0, attach_url: str = "", policy_id: int | None = None, say: Callable[[str], None] = print
    ) -> None:
        self.port, self.attach_url, self.policy_id = port, attach_url.rstrip("/"), policy_id
        self.url = self.attach_url or f"http://127.0.0.1:{port}"
        # Where workers reach it: they may run in other containers, to which this one's loopback is nothing.
        is_default = not attach_url and port == settings.VLLM_PORT
        self.address = settings.VLLM_URL.rstrip("/") if is_default else self.url
        self.engine = Engine(self.url)
        self.endpoint: Endpoint | None = None
        self.process: EngineProcess | None = None
        self.deaths = 0
        self.started = self.answered = self.start_again = 0.0  # monotonic seconds
        self._say, self._said = say, ""

    def tick(self) -> None:
        """Look at the database and the engine once, and do what is due."""
        root = choose_root(self.policy_id, self.endpoint.root if self.endpoint else None)
        if root is None:
            self.say("waiting for a policy: train one, or register a model folder")
        elif self.endpoint is None or self.endpoint.root_id != root.pk:
            self.take(root)
        elif self.process is None and not self.attach_url:
            self.start()
        elif self.process and self.process.status is not None:
            self.bury(self.process.obituary())
        else:
            self.look()

    def stop(self) -> None:
        """End the engine, if it is ours, and say so in the database."""
        self.end_process()
        if self.endpoint:
            self.mark_down("serve_policies was stopped. Start it again to serve policies.")
        self.engine.close()

    def say(self, line: str) -> None:
        """A line per change, not per look."""
        if line != self._said:
            self._said = line
            self._say(line)

    # --- Starting and ending ------------------------------------------------------------------------------------------

    def take(self, root: Policy) -> None:
        """Begin to serve another root."""
        self.end_process()
        values = {
            "root": root,
            "state": EndpointState.STARTING,
            "error": "",
            "engine": "vLLM",
            "max_lora_rank": largest_rank(settings.VLLM_MAX_LORA_RANK),
            "started_at": timezone.now(),
            "kept_at": timezone.now(),
        }
        self.endpoint, _ = Endpoint.objects.update_or_create(url=self.address, defaults=values)
        self.endpoint.served.exclude(policy=root).exclude(policy__base=root).delete()
        self.deaths, self.start_again, self.answered = 0, 0.0, 0.0
        self.forget()
        if not self.attach_url:
            self.start()

    def forget(self) -> None:
        """A fresh engine has loaded nothing, and may take what the one before refused."""
        assert self.endpoint is not None
        self.endpoint.served.update(state=ServedState.WAITING, error="", tried_at=None, loaded_at=None)

    def start(self) -> None:
        """Start the engine, unless its last death was too short ago or something else has its port."""
        assert self.endpoint is not None
        if time.monotonic() < self.start_again:
            return self.touch()
        if port_is_taken(self.port):
            return self.bury(f"Port {self.port} is taken by another process. End it, or set VLLM_PORT to a free port.")
        root = self.endpoint.root
        plan = EnginePlan(root.path, root.served_name, self.port, self.endpoint.max_lora_rank)
        name = "engine.log" if self.port == settings.VLLM_PORT else f"engine-{self.port}.log"
        self.process = EngineProcess(plan, Path(settings.HOME) / "log" / name)
        self.started, self.answered = time.monotonic(), 0.0
        self.endpoint.started_at = timezone.now()
        self.forget()
        self.touch(state=EndpointState.STARTING)
        self.say(f"starting vLLM with {root.served_name} (about half a minute; its log is {self.process.log})")
        return None

    def bury(self, reason: str) -> None:
        """Note why the engine is gone, and when to start the next one."""
        self.end_process()
        pause = min(2.0 * 2**self.deaths, LONGEST_PAUSE)
        self.deaths += 1
        self.start_again = time.monotonic() + pause
        self.mark_down(reason)
        self.say(f"{reason} Next start in {pause:.0f} s.")

    def end_process(self) -> None:
        if self.process:
            self.process.stop()
            self.process = None

    # --- Looking after it ---------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Ask the engine how it is; when it is up, load what is missing."""
        assert self.endpoint is not None
        try:
            if not self.engine.is_healthy():
                raise EngineDown(self.url, "its health check fails")
            if self.endpoint.state != EndpointState.UP:
                self.mark_up()
            reconcile(self.endpoint, self.engine, self.say)
        except Unavailable as down:
            self.miss(str(down))
        else:
            self.answered = time.monotonic()
            self.deaths = 0
            self.touch(seen=True)

    def miss(self, reason: str) -> None:
        """The engine did not answer: it starts, is very busy, or hangs."""
        assert self.endpoint is not None
        if self.attach_url:
            self.mark_down(reason)
            self.say(f"waiting for the engine: {reason}")
        elif self.answered and time.monotonic() - self.answered > PATIENCE:
            self.bury(f"vLLM has not answered for {PATIENCE:.0f} s and was ended.")
        else:
            self.touch()

    def mark_up(self) -> None:
        assert self.endpoint is not None
        models = self.engine.models()
        if self.endpoint.root.served_name not in models:
            raise EngineDown(self.url, f"it serves {', '.join(models)} instead of {self.endpoint.root.served_name}")
        self.endpoint.version = self.engine.version()
        self.endpoint.max_model_len = models[self.endpoint.root.served_name]
        self.touch(state=EndpointState.UP)
        took = f" after {time.monotonic() - self.started:.0f} s" if self.process else ""
        self.say(f"vLLM {self.endpoint.version} is up at {self.url}{took}")

    def mark_down(self, reason: str) -> None:
        assert self.endpoint is not None
        self.touch(state=EndpointState.DOWN, error=reason)
        self.endpoint.served.filter(state=ServedState.UP).update(state=ServedState.WAITING, loaded_at=None)

    def touch(self, *, state: str = "", error: str = "", seen: bool = False) -> None:
        """Leave a sign of life in the endpoint's row, with a new state if there is one."""
        assert self.endpoint is not None
        self.endpoint.kept_at = timezone.now()
        if seen:
            self.endpoint.seen_at = self.endpoint.kept_at
        if state:
            self.endpoint.state, self.endpoint.error = state, error
        self.endpoint.save()


def choose_root(policy_id: int | None, current: Policy | None) -> Policy | None:
    """The policy an engine should be started with.

    The one asked for; else the current one while it has adapters; else the oldest that has adapters, the current one,
    the oldest at all. Policies without weights on this machine are passed over, unless one was asked for.
    """
    if policy_id is not None:
        return current or Policy.objects.get(pk=policy_id).root
    roots = list(filter(has_weights, Policy.objects.filter(kind__in=ROOTS).order_by("created_at", "pk")))
    adapted = set(Policy.objects.filter(kind=PolicyKind.ADAPTER).values_list("base", flat=True))
    preferred = [root for root in roots if root.pk in adapted]
    if current and (current in preferred or not preferred):
        return current
    return next(iter([*preferred, *roots]), None)


def has_weights(policy: Policy) -> bool:
    """Whether there is a folder with safetensors, or the location is the name of a model on a hub."""
    path = Path(policy.path)
    return any(path.glob("*.safetensors")) if path.is_dir() else not path.is_absolute()


def port_is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
