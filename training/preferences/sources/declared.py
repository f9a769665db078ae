"""The files that a data set says it consists of: only those of its own folder or repository may be read.

The library follows whatever stands in a card or beside the data: absolute paths of this machine, `..`, addresses of any
server. So the words are looked at before it sees them, and what it made of them before anything is read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from training.preferences.sources.rows import UnreadableFile

if TYPE_CHECKING:
    from datasets import DatasetBuilder

CARD, MORE = "README.md", ".huggingface.yaml"
NAMING = ("data_files", "data_dir")
SPLITS, STATE = "dataset_dict.json", "state.json"


def check_folder(folder: Path) -> None:
    """Raise UnreadableFile when the cards of a folder name files elsewhere."""
    cards = (folder / name for name in (CARD, MORE))
    _check_cards((path for path in cards if path.is_file()), folder.name)


def check_repository(name: str) -> None:
    """Raise UnreadableFile when the cards of a data set on the hub name files elsewhere; errors of the hub are its own.

    The cards come from the hub's cache when the library asks for them once more.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    found = []
    for card in (CARD, MORE):
        try:
            found.append(Path(hf_hub_download(name, card, repo_type="dataset")))
        except LocalEntryNotFoundError as error:
            if constants.HF_HUB_OFFLINE:
                continue
            raise ConnectionError(f"the hub does not give its {card}") from error
        except EntryNotFoundError:
            continue
    _check_cards(found, name)


def check_saved(folder: Path) -> None:
    """Raise UnreadableFile when what `save_to_disk` wrote beside the data names splits or files elsewhere."""
    parts = [folder]
    if (folder / SPLITS).is_file():
        splits = [str(split) for split in _json(folder / SPLITS).get("splits", [])]
        _check(splits, folder.name)
        parts = [folder / split for split in splits]
    for part in parts:
        if (part / STATE).is_file():
            files = _json(part / STATE).get("_data_files") or []
            _check((str(file["filename"]) for file in files), folder.name)


def check_resolved(builder: DatasetBuilder, name: str, roots: Iterable[str]) -> None:
    """Raise UnreadableFile when the library found a file that is not below one of `roots`."""
    allowed = tuple(f"{root.rstrip('/')}/" for root in roots)
    for files in (builder.config.data_files or {}).values():
        for file in files:
            place = str(file).rsplit("::", 1)[-1]
            normal = place if "://" in place else os.path.normpath(place)
            if not normal.startswith(allowed) or ".." in normal.split("/"):
                _refuse(str(file), name)


def _check_cards(cards: Iterable[Path], name: str) -> None:
    for card in cards:
        values = _values(card, name)
        configs = values.get("configs") if isinstance(values, dict) else None
        for config in configs if isinstance(configs, list) else []:
            if isinstance(config, dict):
                _check((word for key in NAMING for word in _words(config.get(key))), name)


def _values(card: Path, name: str) -> Any:
    """What a card says to programs, read as the library reads it: what one takes for words the other must too."""
    import yaml
    from huggingface_hub import DatasetCard

    try:
        if card.name == CARD:
            return DatasetCard.load(card).data.to_dict()
        return yaml.safe_load(card.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableFile(f"The {card.name} of {name[:80]!r} cannot be read, so its files are not known.") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise UnreadableFile(f"{path.name} cannot be read, so the files of the data set are not known.") from error
    return values if isinstance(values, dict) else {}


def _words(value: Any) -> Iterator[str]:
    """Every text in a value, of whatever shape. YAML may name one part a billion times: each is looked at once."""
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict | list) and id(part) not in seen:
            seen.add(id(part))
            waiting += part.values() if isinstance(part, dict) else part


def _check(named: Iterable[str], name: str) -> None:
    for word in named:
        parts = re.split(r"[/\\]", word) if word else ["."]
        if ":" in parts[0] or "::" in word or parts[0] in {"", "~"} or ".." in parts:
            _refuse(word, name)


def _refuse(file: str, name: str) -> NoReturn:
    raise UnreadableFile(f"{name[:80]} names a file outside of itself: {file[:200]!r}. Nothing is read.")
