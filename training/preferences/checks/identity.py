"""Which rules there are: a digest over the source of everything that decides what a report says.

Nobody has to raise a number when a rule changes. Comments, docstrings and layout do not count; another minor version
of Python may, as it may write syntax trees in another way, and reports are then made anew once.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# It writes the report, and imports every rule.
ENTRANCE = "training.preferences.report"


@cache
def rules_digest() -> str:
    """SHA-256 of the rules of this process's code."""
    return digest_of(ROOT, ENTRANCE)


def digest_of(root: Path, entrance: str) -> str:
    """SHA-256 over a module and all modules of its package that it imports, at whatever place, directly or not."""
    digest = hashlib.sha256()
    for name, tree in sorted(_sources(root, entrance).items()):
        _without_words(tree)
        digest.update(f"{name}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()


def modules(root: Path = ROOT, entrance: str = ENTRANCE) -> set[str]:
    """The names of the modules that the digest covers."""
    return set(_sources(root, entrance))


def _sources(root: Path, entrance: str) -> dict[str, ast.Module]:
    found: dict[str, ast.Module] = {}
    package = entrance.partition(".")[0]
    waiting = [entrance]
    while waiting:
        name = waiting.pop()
        path = _file(root, name)
        if path is None or name in found or name.partition(".")[0] != package:
            continue
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
        waiting += _imported(found[name], name if path.stem == "__init__" else name.rpartition(".")[0])
    return found


def _file(root: Path, name: str) -> Path | None:
    """The file of a module; None for what is no module, such as a name that is imported from one."""
    place = root.joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """The modules that a module imports, and the names from them, which may be modules too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _without_words(tree: ast.Module) -> None:
    """Take out docstrings, and the strings that stand under fields to describe them."""
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                setattr(node, block, [statement for statement in statements if not _is_text(statement)])


def _is_text(statement: ast.AST) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False
