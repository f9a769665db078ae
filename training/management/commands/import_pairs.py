"""manage.py import_pairs FILE --dataset NAME: a JSON Lines file becomes a sealed dataset version."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.models import ImportJob, ImportState
from training.preferences.importing import dataset_named, import_file
from training.preferences.splits import DEFAULT_SHARE


class Command(BaseCommand):
    help = "Import preference pairs (prompt, chosen, rejected) or demonstrations (prompt, completion) from JSON Lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="JSON Lines in UTF-8; plain or conversational, as TRL reads them")
        parser.add_argument("--dataset", required=True, metavar="NAME", help="made if there is none of this name")
        parser.add_argument(
            "--held-out", type=float, default=DEFAULT_SHARE, metavar="SHARE", help="of the prompts, 0 to 0.5"
        )

    def handle(self, *args: Any, file: Path, dataset: str, held_out: float, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        if not 0 <= held_out <= 0.5:
            raise CommandError("--held-out must lie between 0 and 0.5.")
        job = import_file(file, dataset_named(dataset), held_out_share=held_out, on_progress=self.show)
        if job.rejected:
            self.stderr.write(f"Rows that could not be used: {job.rejected:,}, listed in {job.rejects_path}")
        if job.state != ImportState.SUCCEEDED or job.version is None:
            raise CommandError(job.error or "The import was cancelled.")
        version = job.version
        self.stdout.write(f"{version}: {version.train_rows:,} rows to train on, {version.held_out_rows:,} held out")
        self.stdout.write(version.sha256)

    def show(self, job: ImportJob) -> None:
        share = job.bytes_read / job.bytes_total if job.bytes_total else 0
        self.stderr.write(f"{share:4.0%}  {job.accepted:,} accepted, {job.rejected:,} not usable")
