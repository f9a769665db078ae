"""The two ways in which a run ends early on purpose."""

from __future__ import annotations


class EngineError(Exception):
    """The run cannot go on: `reason` says what happened and why, `remedy` what to change. Both are sentences."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} {remedy}")
        self.reason = reason
        self.remedy = remedy


class Stopped(Exception):
    """Someone asked the trainer to stop, or the process that started it is gone; its state is on disk."""
