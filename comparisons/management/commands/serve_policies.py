"""`manage.py serve_policies`: start vLLM and keep every policy on its root loaded."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, close_old_connections

from comparisons.serving.keeper import Keeper
from training.models import Policy, PolicyKind

SECONDS_BETWEEN_LOOKS = 3.0


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT, and leaves no process behind."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--policy", type=int, help="id of the policy to serve (default: the oldest with adapters)")
        parser.add_argument("--port", type=int, default=settings.VLLM_PORT, help="port of the engine to start")
        parser.add_argument("--url", default="", help="look after an engine run elsewhere instead of starting one")

    def handle(self, *args: Any, **options: Any) -> None:
        check_policy(options["policy"])
        told_to_end = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: told_to_end.set())
        keeper = Keeper(port=options["port"], attach_url=options["url"], policy_id=options["policy"], say=self.say)
        try:
            while not told_to_end.is_set():
                self.look(keeper)
                told_to_end.wait(SECONDS_BETWEEN_LOOKS)
        finally:
            self.say("stopping")
            keeper.stop()

    def look(self, keeper: Keeper) -> None:
        """One tick; a database that is away for a moment must not end the engine."""
        close_old_connections()
        try:
            keeper.tick()
        except OperationalError as error:
            self.say(f"the database did not answer ({error}); trying again")

    def say(self, line: str) -> None:
        self.stdout.write(f"serving: {line}")
        self.stdout.flush()


def check_policy(pk: int | None) -> None:
    """Raise CommandError unless the policy exists and is no reward model."""
    if pk is None:
        return
    policy = Policy.objects.filter(pk=pk).first()
    if policy is None:
        raise CommandError(f"There is no policy {pk}. The Policies page lists their numbers.")
    if policy.kind == PolicyKind.REWARD:
        raise CommandError(f"{policy.name} is a reward model: it gives no answers to serve. Choose a policy.")
