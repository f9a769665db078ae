"""manage.py import_pairs FILE --dataset NAME: preference data becomes a sealed dataset version.

With --hub NAME a data set of the Hugging Face hub takes the place of the file or folder.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from pydantic import ValidationError

from training.models import ImportJob, ImportState
from training.preferences.formats import Format, Mapping, Pairing, Ties, proposed, recognise
from training.preferences.importing import dataset_named, import_file, import_from_hub
from training.preferences.reading import HubAddress, first_rows
from training.preferences.sources import UnreadableFile
from training.preferences.splits import DEFAULT_SHARE


def role_and_column(text: str) -> tuple[str, str]:
    """`prompt=Question`, or `label=` for a column that is not to be used."""
    role, equals, column = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r} must be ROLE=COLUMN, such as prompt=question")
    return role.strip(), column


class Command(BaseCommand):
    help = (
        "Import preference data: pairs, demonstrations, transcripts, rated answers or battles, from JSON Lines, JSON, "
        "CSV or Parquet. The format is recognised from the first rows unless it is named."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", type=Path, nargs="?", help="a file, packed or not, or a folder as datasets reads them"
        )
        parser.add_argument("--hub", metavar="NAME", help="a Hugging Face data set instead, such as owner/name")
        parser.add_argument("--config", default="", help="of a data set or folder that has several")
        parser.add_argument("--split", default="", help="of a data set or folder, such as train")
        parser.add_argument("--dataset", required=True, metavar="NAME", help="made if there is none of this name")
        parser.add_argument(
            "--held-out", type=float, default=DEFAULT_SHARE, metavar="SHARE", help="of the prompts, 0 to 0.5"
        )
        parser.add_argument("--format", choices=[format.value for format in Format], help="how the rows are read")
        parser.add_argument(
            "--map",
            type=role_and_column,
            action="append",
            default=[],
            metavar="ROLE=COLUMN",
            help="which column is what, for those that are not recognised; ROLE= leaves a role without a column",
        )
        parser.add_argument("--pairing", choices=[rule.value for rule in Pairing], help="rated answers: which pairs")
        parser.add_argument("--gap", type=float, help="rated answers: least difference, for --pairing gap")
        parser.add_argument("--ties", choices=[rule.value for rule in Ties], help="battles: what a tie gives")

    def handle(
        self, *args: Any, file: Path | None, hub: str | None, dataset: str, held_out: float, **options: Any
    ) -> None:
        if (file is None) == (hub is None):
            raise CommandError("Name either a file or folder, or a data set with --hub.")
        if file is not None and not file.exists():
            raise CommandError(f"There is no file {file}.")
        if not 0 <= held_out <= 0.5:
            raise CommandError("--held-out must lie between 0 and 0.5.")
        asked = {"split": options["split"], "config": options["config"]}
        address = HubAddress(name=hub or str(file), **asked)
        mapping = self.mapping(file if file and file.is_file() else address, **options)
        settled: dict[str, Any] = {"mapping": mapping, "held_out_share": held_out, "on_progress": self.show}
        if file:
            job = import_file(file, dataset_named(dataset), **settled, **asked)
        else:
            job = import_from_hub(address, dataset_named(dataset), **settled)
        self._say(job)

    def _say(self, job: ImportJob) -> None:
        """How it ended; raises CommandError where that is without a version."""
        if job.rejected:
            self.stderr.write(f"Rows that could not be used: {job.rejected:,}, listed in {job.rejects_path}")
        if job.state != ImportState.SUCCEEDED or job.version is None:
            raise CommandError(job.error or "The import was cancelled.")
        version = job.version
        self.stdout.write(f"Read as: {version.origin['format']}. {version.origin.get('rule', '')}".strip())
        self.stdout.write(f"{version}: {version.train_rows:,} rows to train on, {version.held_out_rows:,} held out")
        self.stdout.write(version.sha256)

    def mapping(self, place: Path | HubAddress, **options: Any) -> Mapping | None:
        """What the options change about the recognised mapping; None when they change nothing."""
        rules = {name: options[name] for name in ("pairing", "gap", "ties") if options.get(name) is not None}
        named = dict(options.get("map") or [])
        if not (rules or named or options.get("format")):
            return None
        try:
            rows = first_rows(place)
            asked = options.get("format")
            found = proposed(Format(asked), rows) if asked else recognise(rows)[0].mapping
            columns = {role: column for role, column in (found.columns | named).items() if column}
            return Mapping.model_validate({"format": found.format, "columns": columns} | rules)
        except UnreadableFile as error:
            raise CommandError(f"{error} Nothing was imported.") from error
        except ValidationError as error:
            raise CommandError("; ".join(problem["msg"] for problem in error.errors())) from error

    def show(self, job: ImportJob) -> None:
        share = f"{job.bytes_read / job.bytes_total:4.0%}  " if job.bytes_total else ""
        self.stderr.write(f"{share}{job.accepted:,} rows accepted, {job.rejected:,} not usable")
