"""Registering base models: what a folder must hold before a run may start from it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from django.utils.text import slugify

from alignapp.accounts.models import User
from training.digests import folder_digest
from training.models import Policy, PolicyKind

# An owner and a model, or one of the hub's oldest models; no other characters are allowed there.
HUB_NAME = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class UnusableModel(ValueError):
    """A location that no run could start from; the message says why and what to do."""


def register_base(name: str, location: str, user: User | None) -> Policy:
    """Register a model folder, or a hub name where a hub is reachable; raises UnusableModel with a sentence."""
    try:
        folder = Path(location).expanduser()
        if folder.is_absolute() or folder.exists():
            check_folder(folder)
            check_weights(folder)
            location, digest = str(folder.resolve()), folder_digest(folder)
        else:
            digest = _hub_digest(location)
    except OSError as error:
        raise UnusableModel(f"{location} cannot be read: {error.strerror}. Check the path and its rights.") from error
    except RuntimeError as error:
        raise UnusableModel(f"{location} names a home folder that nobody has. Write the whole path.") from error
    return _register(name, PolicyKind.BASE, location, digest, user)


def register_untrained(name: str, folder: Path, user: User | None) -> Policy:
    """Register a folder with config.json and tokenizer but no weights, from which SFT can train from scratch."""
    check_folder(folder)
    return _register(name, PolicyKind.UNTRAINED, str(folder.resolve()), folder_digest(folder), user)


def check_folder(folder: Path) -> None:
    """Raise UnusableModel unless the folder describes a causal model and has a tokenizer with a chat template."""
    if not folder.is_dir():
        raise UnusableModel(f"There is no folder {folder} on this machine. Check the path for typing errors.")
    config = _read_json(folder / "config.json", "a Hugging Face model folder has one beside its weights")
    if not any("CausalLM" in name or "LMHead" in name for name in config.get("architectures") or ()):
        raise UnusableModel(f"config.json in {folder} names no causal language model under 'architectures'.")
    tokenizer = _read_json(folder / "tokenizer_config.json", "save the tokenizer into the same folder")
    if not (tokenizer.get("chat_template") or (folder / "chat_template.jinja").exists()):
        raise UnusableModel(
            f"The tokenizer in {folder} has no chat template, so prompts cannot be written in the model's own form. "
            "Add chat_template to tokenizer_config.json."
        )


def _register(name: str, kind: PolicyKind, location: str, digest: str, user: User | None) -> Policy:
    served_name = f"{kind}-{slugify(name)[:60] or 'model'}-{digest[:8]}"
    values = {"name": name, "kind": kind, "location": location, "digest": digest, "created_by": user}
    policy, is_new = Policy.objects.get_or_create(served_name=served_name, defaults=values)
    if not is_new:
        raise UnusableModel(f"{name} with exactly these files is registered already.")
    return policy


def check_weights(folder: Path) -> None:
    """Raise UnusableModel unless the folder holds weights in safetensors."""
    if not any(folder.glob("*.safetensors")):
        raise UnusableModel(
            f"{folder} holds no .safetensors file. Pickled weights are not loaded; save the model with "
            "save_pretrained, which writes safetensors."
        )


def _read_json(path: Path, hint: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise UnusableModel(f"{path.parent} has no {path.name}: {hint}.") from None
    except ValueError as error:
        raise UnusableModel(f"{path} is not valid JSON ({error}).") from None
    if not isinstance(found, dict):
        raise UnusableModel(f"{path} holds no JSON object. Save the model again with save_pretrained.")
    return found


def _hub_digest(name: str) -> str:
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise UnusableModel(
            f"There is no folder {name} on this machine, and HF_HUB_OFFLINE forbids fetching a model of that name. "
            "Give the path of a folder, or unset HF_HUB_OFFLINE."
        )
    if not HUB_NAME.fullmatch(name):
        raise UnusableModel(
            f"There is no folder {name} on this machine, and no model on the hub can be called so: a name there is "
            "like Qwen/Qwen2.5-0.5B-Instruct. Check it for typing errors."
        )
    return hashlib.sha256(f"hub:{name}".encode()).hexdigest()
