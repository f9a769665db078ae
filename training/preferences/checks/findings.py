"""What a rule found, and the collector all rules write into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from training.preferences.intervals import wilson

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A finding keeps the numbers of so many of its rows; its count is always the full one.
ROWS_KEPT = 500


class Level(StrEnum):
    """How much harm a finding does, worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's result. `rows` are the first of the `count` rows of the version it is about; `total` is of how many.

    `share` is count / total with its 95 % interval; None where the finding is not about a share.
    """

    rule: str
    level: Level
    sentence: str
    why: str
    action: str
    count: int
    total: int
    share: tuple[float, float, float] | None
    rows: tuple[int, ...]

    @property
    def percent(self) -> str:
        """ "62.5 % [55.1, 69.3]": the share with its interval; empty where there is none."""
        if self.share is None:
            return ""
        share, low, high = (100 * bound for bound in self.share)
        return f"{share:.1f} % [{low:.1f}, {high:.1f}]"


class Findings:
    """Collects findings; iterates them worst first."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(
        self,
        rule: str,
        level: Level,
        sentence: str,
        *,
        why: str,
        action: str,
        count: int,
        total: int,
        rows: Sequence[int] = (),
        is_share: bool = True,
    ) -> None:
        share = (count / total, *wilson(count, total)) if is_share and total else None
        self._found.append(Finding(rule, level, sentence, why, action, count, total, share, tuple(rows[:ROWS_KEPT])))

    def __iter__(self) -> Iterator[Finding]:
        order = list(Level)
        return iter(sorted(self._found, key=lambda finding: order.index(finding.level)))

    def __len__(self) -> int:
        return len(self._found)


def count_and_rows(database: DuckDBPyConnection, selection: str) -> tuple[int, list[int]]:
    """How many rows a query for row numbers yields, and the first ROWS_KEPT of them.

    `selection` is a query of this package's own rules, never of a user.
    """
    database.execute(f"CREATE OR REPLACE TEMP TABLE selected AS {selection}")
    count = whole_number(database, "SELECT count(*) FROM selected")
    kept = database.execute(f"SELECT row FROM selected ORDER BY row LIMIT {ROWS_KEPT}").fetchall()
    return count, [row for (row,) in kept]


def whole_number(database: DuckDBPyConnection, query: str) -> int:
    """The one number a query yields; nothing counts as 0."""
    record = database.execute(query).fetchone()
    return int(record[0] or 0) if record else 0


def counted(count: int, one: str, many: str) -> str:
    """`1 row repeats`, `1,204 rows repeat`."""
    return f"{count:,} {one if count == 1 else many}"
