"""A sealed file as a Hugging Face folder in one zip: README.md with the data card, and a Parquet file per split.

Unpacked, `datasets.load_dataset(folder)` reads it; its rows are in TRL's conversational form. The zip is made while it
is sent, from copies that vanish with it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings

from training.downloads import Outlet, chunks_of
from training.preferences import store
from training.preferences.splits import HELD_OUT, TRAIN

MAY_BE_READ = 0o644 << 16  # as unzip reads it


def zipped(sealed: Path, name: str, title: str, card: str, *, demonstrations: bool = False) -> Iterator[bytes]:
    """The bytes of the zip, whose only folder is `name`; `card` is Markdown without a head.

    `sealed` has at least the columns of a sealed file that its readers see.
    """
    with TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as place:
        files = _copies(sealed, Path(place), demonstrations)
        outlet = Outlet()
        with zipfile.ZipFile(outlet, "w") as archive:
            archive.writestr(_entry(f"{name}/README.md"), head(title, list(files)) + card)
            yield outlet.take()
            for split, path in files.items():
                with archive.open(_entry(f"{name}/data/{split}.parquet"), "w", force_zip64=True) as member:
                    for chunk in chunks_of(path):
                        member.write(chunk)
                        yield outlet.take()
        yield outlet.take()


def head(title: str, splits: list[str]) -> str:
    """The YAML that tells the hub and `datasets` what the folder holds."""
    files = "".join(f"      - split: {split}\n        path: data/{split}.parquet\n" for split in splits)
    quoted = json.dumps(title, ensure_ascii=False)
    configs = f"configs:\n  - config_name: default\n    data_files:\n{files}"
    return f"---\npretty_name: {quoted}\ntags:\n  - preference-pairs\n  - trl\n{configs}---\n\n"


def _copies(sealed: Path, place: Path, demonstrations: bool) -> dict[str, Path]:
    """A Parquet file for each split that has rows."""
    files = {split: place / f"{split}.parquet" for split in (TRAIN, HELD_OUT)}
    copied = {
        split: store.copy_for_trl(sealed, path, plain=False, demonstrations=demonstrations, split=split)
        for split, path in files.items()
    }
    return {split: path for split, path in files.items() if copied[split]}


def _entry(name: str) -> zipfile.ZipInfo:
    """Without a time, so that the same rows give the same bytes."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = MAY_BE_READ
    return entry
