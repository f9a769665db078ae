"""`manage.py demo`: prepare the demo workspace, tell how to get in, then wait until the demo is stopped."""

from __future__ import annotations

import os
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from comparisons.demo import workspace
from comparisons.demo.preparing import preparing
from comparisons.demo.waiting import Progress, StageFailed


class Command(BaseCommand):
    """The guide of `make demo`: its lines are what the person at the terminal sees."""

    help = "Prepare the demo workspace and print its address and log-ins; used by `make demo`."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, tell, wait."""
        address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
        self.stdout.write(workspace.greeting(address))
        try:
            with preparing(Progress(self.stdout.write)) as tell:
                workspace.prepare(workspace.Workspace(tell))
        except StageFailed as failure:
            raise CommandError(str(failure)) from None
        self.stdout.write(workspace.invitation(address))
        signal.pause()
