"""`manage.py demo_check`: the demo's loop without a person, and its report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from comparisons.demo import check
from comparisons.demo.waiting import Progress, StageFailed


class Command(BaseCommand):
    """The guide of `make demo-check`; ends with status 1 and the reason when a stage fails."""

    help = "Go round the whole loop with simulated raters and write var/demo/report.json; used by `make demo-check`."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where the report goes, and which world is used."""
        parser.add_argument("--report", type=Path, default=settings.BASE_DIR / "var" / "demo" / "report.json")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the loop and tell where the report is."""
        address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
        report = check.Report(options["report"])
        try:
            check.run(address, report, Progress(self.stdout.write), options["seed"])
        except StageFailed as failure:
            raise CommandError(str(failure)) from None
        finally:
            self.stdout.write(f"The report is in {report.path}.")
