"""Strict readers of environment variables: a wrong value stops the start with a sentence."""

from __future__ import annotations

import os

from django.core.exceptions import ImproperlyConfigured

# What trainers and engines must not inherit: they need neither the database nor the keys of the web application.
PRIVATE = ("DATABASE_URL", "SECRET_KEY", "BROKER_URL", "DJANGO_SETTINGS_MODULE")


def without_secrets() -> dict[str, str]:
    """The variables that a process which runs models may see."""
    return {name: value for name, value in os.environ.items() if name not in PRIVATE}


def text(name: str, default: str | None = None) -> str:
    """Return the variable, or the default; raises ImproperlyConfigured when there is neither."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set. Set it in the environment and start again.")
    return value


def boolean(name: str, default: bool) -> bool:
    """Read 'true' or 'false' (any case); anything else raises ImproperlyConfigured."""
    value = os.environ.get(name, "").strip().lower()
    if value not in {"", "true", "false"}:
        raise ImproperlyConfigured(f"{name} is {value!r}; write true or false.")
    return default if not value else value == "true"


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    """Read a whole number of at least `minimum`; anything else raises ImproperlyConfigured."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if not value.lstrip("-").isdigit() or int(value) < minimum:
        raise ImproperlyConfigured(f"{name} is {value!r}; write a whole number of {minimum} or more.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list, without empty entries."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]
