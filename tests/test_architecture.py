"""The four rules of docs/ARCHITECTURE.md, checked on the code as it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("alignapp", "training", "comparisons")
HEAVY = ("torch", "transformers", "peft", "vllm")
SHELLS = ("views", "tasks.py", "management/commands", "api.py")


def python_files(*folders: str) -> list[Path]:
    return [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "migrations" not in path.parts
    ]


def imported_modules(path: Path) -> set[str]:
    """Top-level names that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def in_engine(path: Path) -> bool:
    return path.is_relative_to(ROOT / "training" / "engine")


def test_training_never_imports_comparisons():
    offenders = [str(path) for path in python_files("training") if "comparisons" in imported_modules(path)]
    assert offenders == []


def test_the_engine_never_imports_django_or_the_models():
    for path in python_files("training/engine"):
        assert not imported_modules(path) & {"django", "alignapp", "comparisons", "celery"}, path
        assert "training.models" not in path.read_text(), path


def test_torch_is_imported_by_the_engine_alone():
    offenders = [
        str(path) for path in python_files(*PACKAGES) if not in_engine(path) and imported_modules(path) & set(HEAVY)
    ]
    assert offenders == []


def modules_of_the_web_process() -> list[str]:
    """URL configuration, tasks and models: what every web and worker process imports."""
    names = ["alignapp.urls", "alignapp.asgi"]
    for path in python_files(*PACKAGES):
        relative = path.relative_to(ROOT)
        if path.name == "tasks.py" or relative.parts[1:2] == ("models",):
            names.append(".".join(relative.with_suffix("").parts).removesuffix(".__init__"))
    return names


def test_no_web_or_worker_module_loads_torch_even_indirectly():
    program = (
        "import django, importlib, sys; django.setup();"
        f"[importlib.import_module(name) for name in {modules_of_the_web_process()!r}];"
        f"sys.exit(','.join(name for name in {HEAVY!r} if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["services.py", "utils.py", "helpers.py", "manager.py"])
def test_no_file_has_a_name_that_says_nothing(name: str):
    assert [path for path in python_files(*PACKAGES, "bench", "tooling") if path.name == name] == []


def shells() -> list[Path]:
    return [
        path for path in python_files(*PACKAGES) if any(f"/{part}" in f"/{path.relative_to(ROOT)}" for part in SHELLS)
    ]


def test_shells_hold_no_arithmetic_libraries_and_no_queries_by_hand():
    """Views, tasks and commands parse, authorise, call one function and render: no numpy, raw SQL or HTTP client."""
    for path in shells():
        assert not imported_modules(path) & {"numpy", "scipy", "httpx", "duckdb", "pyarrow"}, path
        assert ".raw(" not in path.read_text(), path


def test_no_view_task_or_command_function_is_longer_than_forty_lines():
    too_long = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in shells()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 40
    ]
    assert too_long == []


def test_only_the_queue_changes_the_state_of_a_run():
    """One truth per fact: `state=` is never written to a run outside training/runs/queue.py."""
    for path in python_files(*PACKAGES):
        if path != ROOT / "training" / "runs" / "queue.py":
            assert "RunState." not in path.read_text() or ".update(state=" not in path.read_text(), path


def test_coroutines_are_run_in_a_thread_of_their_own():
    """Playwright leaves an event loop running in the thread of the tests, in which no other may be run."""
    calls = {
        path.relative_to(ROOT).as_posix()
        for path in python_files("tests", *PACKAGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.run"
    }
    assert calls == set(), "give asyncio.run to a thread, as tests.streams.completed does"
