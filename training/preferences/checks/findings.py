"""What a rule found, and the collector all rules write into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.intervals import wilson

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A finding in the report names so many of its rows; all of them stand in the file of rows beside it.
ROWS_KEPT = 500

RowNumbers = np.ndarray[Any, np.dtype[np.int64]]


class Level(StrEnum):
    """How much harm a finding does, worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Family(StrEnum):
    """Methods that a fault of the data hurts in the same way. DPO stands for all offline losses without a floor."""

    DPO = "dpo"
    CPO = "cpo"
    RLHF = "rlhf"

    @property
    def label(self) -> str:
        return {"dpo": "DPO", "cpo": "Constrained CPO", "rlhf": "RLHF"}[self]


@dataclass(frozen=True, slots=True)
class Harm:
    """What a finding does to one family of methods, in a sentence."""

    level: Level
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's result. `rows` are the first of the `count` rows of the version it is about; `total` is of how many.

    `share` is count / total, or a rule's own estimate, with its 95 % interval; None where the finding is not about a
    share. `actions` name cleaning actions (cleaning.recipes) that a page offers on its rows. `picture` is data for a
    chart or table. `threshold` says from where on its level is what it is, `parts` name kinds of its rows: those of one
    are found by `part_of(rule, part)`.
    """

    rule: str
    sentence: str
    harms: Mapping[Family, Harm]
    action: str
    actions: tuple[str, ...]
    count: int
    total: int
    share: tuple[float, float, float] | None
    rows: tuple[int, ...]
    picture: Mapping[str, Any] | None = None
    threshold: str = ""
    parts: tuple[str, ...] = ()

    @property
    def rows_cut(self) -> bool:
        """Whether `rows` are the first ones only."""
        return 0 < len(self.rows) < self.count

    @property
    def level(self) -> Level:
        """The worst that it does to any family."""
        return min((harm.level for harm in self.harms.values()), key=list(Level).index)

    @property
    def percent(self) -> str:
        """ "62.5 % [55.1, 69.3]": the share with its interval; empty where there is none."""
        if self.share is None:
            return ""
        share, low, high = (100 * bound for bound in self.share)
        places = 2 if 0 < share < 0.1 else 1  # One row of thousands is not 0.0 %.
        return f"{share:.{places}f} % [{low:.{places}f}, {high:.{places}f}]"

    @property
    def is_estimate(self) -> bool:
        """Whether `share` is a rule's own estimate and not count / total."""
        return self.share is not None and abs(self.share[0] - self.count / max(1, self.total)) > 1e-9


@dataclass(frozen=True, slots=True)
class FoundRows:
    """All rows of a finding; rows that belong together (copies, a cycle) share a group number."""

    rows: RowNumbers
    groups: RowNumbers | None = None


@dataclass
class Findings:
    """Collects findings and their rows; iterates them worst first."""

    rows: dict[str, FoundRows] = field(default_factory=dict)
    _found: list[Finding] = field(default_factory=list)

    def add(
        self,
        rule: str,
        sentence: str,
        *,
        harms: Mapping[Family, Harm],
        action: str,
        threshold: str,
        actions: Sequence[str] = (),
        count: int,
        total: int,
        rows: Sequence[int] | RowNumbers = (),
        groups: Sequence[int] | RowNumbers | None = None,
        is_share: bool = True,
        share: tuple[float, float, float] | None = None,
        picture: Mapping[str, Any] | None = None,
        parts: Mapping[str, Sequence[int] | RowNumbers] | None = None,
    ) -> None:
        """`rows` are all rows that the finding is about, in order; `groups` as long as they are; `parts` are those of
        its kinds by their names. `share` is given where it is estimated otherwise than by counting."""
        if share is None and is_share and total:
            share = (count / total, *wilson(count, total))
        numbers = np.asarray(rows, np.int64)
        if len(numbers):
            self.rows[rule] = FoundRows(numbers, None if groups is None else np.asarray(groups, np.int64))
        for part, of_part in (parts or {}).items():
            self.rows[part_of(rule, part)] = FoundRows(np.asarray(of_part, np.int64))
        self._found.append(
            Finding(
                rule,
                sentence,
                harms,
                action,
                tuple(actions),
                count,
                total,
                share,
                tuple(numbers[:ROWS_KEPT].tolist()),
                picture,
                threshold,
                tuple(parts or ()),
            )
        )

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.in_order(self._found))

    @staticmethod
    def in_order(findings: Sequence[Finding]) -> list[Finding]:
        """Worst first; equally bad ones by how many families they are as bad for, then by their share, then as they
        came."""
        order = list(Level)

        def key(finding: Finding) -> tuple[int, int, float]:
            level = finding.level
            alike = sum(harm.level == level for harm in finding.harms.values())
            return order.index(level), -alike, -(finding.share[0] if finding.share else 0)

        return sorted(findings, key=key)

    def __len__(self) -> int:
        return len(self._found)


def part_of(rule: str, part: str) -> str:
    """The name by which the rows of a part are found: "personal_data: IBAN"."""
    return f"{rule}: {part}"


def rule_of(name: str) -> str:
    """The rule that a finding or a part of one belongs to."""
    return name.partition(": ")[0]


def harms(level: Level, *, dpo: str, cpo: str, rlhf: str) -> dict[Family, Harm]:
    """The same level for every family, each with its own sentence."""
    return {Family.DPO: Harm(level, dpo), Family.CPO: Harm(level, cpo), Family.RLHF: Harm(level, rlhf)}


def row_numbers(database: DuckDBPyConnection, selection: str) -> RowNumbers:
    """The row numbers that a query yields, ascending. `selection` is a query of this package's own rules."""
    found: RowNumbers = database.execute(f"SELECT row FROM ({selection}) ORDER BY row").fetchnumpy()["row"]
    return found.astype(np.int64)


def whole_number(database: DuckDBPyConnection, query: str) -> int:
    """The one number a query yields; nothing counts as 0."""
    record = database.execute(query).fetchone()
    return int(record[0] or 0) if record else 0


def counted(count: int, one: str, many: str) -> str:
    """`1 row repeats`, `1,204 rows repeat`."""
    return f"{count:,} {one if count == 1 else many}"
