"""A sealed version under examination: what rules may ask of it, each worked out once and in bounded memory.

A rule takes a `Survey`. It asks SQL of `database` (view `pairs`: the sealed file with all columns; table `measures`:
one small row per pair, store.MEASURES), reads texts in batches, adds a finding to `found`, may leave a score per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.config.base import Frozen
from training.preferences import store
from training.preferences.checks.findings import Findings, RowNumbers, whole_number

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TEXTS_PER_BATCH = 8_192

# A version is stored in order and DuckDB keeps it; to sort it would hold a million rows' texts at once.
TEXTS = """
SELECT row, text_of(prompt) AS prompt, text_of(chosen) AS chosen, text_of(rejected) AS rejected
FROM pairs WHERE {condition}
"""


class ReportSettings(Frozen):
    """What a report is asked to look at beside the version itself. Keys of prompt sets: see prompt_sets.py."""

    tokenizer: str = ""
    """Folder of a model whose tokenizer counts lengths; empty: none is chosen and lengths are characters."""
    max_length: int = 1024
    """Tokens after which a run would cut prompt and answer off, as in training.config."""
    target: str = ""
    """Prompt set that the version should cover; empty: none."""
    evaluation: tuple[str, ...] = ()
    """Prompt sets that must not occur in the version."""
    embedding_model: str = ""
    """Folder of a model that embeds prompts; empty: TF-IDF and SVD."""
    base: str = ""
    """Digest of the base model whose reference check belongs to the report; empty: none."""
    contents: dict[str, str] = {}
    """By key, what the prompt sets hold (prompt_sets.PromptSet.digest): a report is about prompts, not about names."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Some rows of a version as plain text: what their turns say, joined by blank lines."""

    rows: RowNumbers
    prompts: list[str]
    chosen: list[str]
    rejected: list[str | None]


Progress = Callable[[str], None]
"""Called with what is being done now, in a few words."""


@dataclass
class Survey:
    """See the module. `targets` and `evaluations` hold the prompts of the settings' prompt sets, by key; `names` says
    what people call them."""

    path: Path
    database: DuckDBPyConnection
    settings: ReportSettings = field(default_factory=ReportSettings)
    targets: Mapping[str, list[str]] = field(default_factory=dict)
    evaluations: Mapping[str, list[str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = lambda _: None
    found: Findings = field(default_factory=Findings)
    scores: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @cached_property
    def rows(self) -> int:
        return whole_number(self.database, "SELECT count(*) FROM measures")

    @cached_property
    def pairs(self) -> int:
        """Rows that have a rejected answer."""
        return whole_number(self.database, "SELECT count(*) FROM measures WHERE is_pair")

    def texts(self, condition: str = "true") -> Iterator[Texts]:
        """All rows that meet a condition on `pairs` (SQL of this package), in order, some thousands at a time."""
        cursor = self.database.cursor()
        reader = cursor.sql(TEXTS.format(condition=condition)).to_arrow_reader(TEXTS_PER_BATCH)
        for batch in reader:
            columns = batch.to_pydict()
            rows = np.asarray(columns["row"], np.int64)
            yield Texts(rows, columns["prompt"], columns["chosen"], columns["rejected"])

    def score(self, name: str, values: np.ndarray[Any, Any]) -> None:
        """Leave one value per row of the version, in row order (NaN, -1 or "" where there is none), to sort and filter
        by: it becomes the column `name` of the file of scores beside the version."""
        if len(values) != self.rows:
            raise ValueError(f"score {name} has {len(values)} values for {self.rows} rows")
        self.scores[name] = values


@contextmanager
def survey(
    path: Path,
    settings: ReportSettings | None = None,
    *,
    targets: Mapping[str, list[str]] | None = None,
    evaluations: Mapping[str, list[str]] | None = None,
    names: Mapping[str, str] | None = None,
    progress: Progress = lambda _: None,
) -> Iterator[Survey]:
    """Open a sealed file for examination."""
    with store.measured(path) as database:
        sets = (targets or {}, evaluations or {}, names or {})
        yield Survey(path, database, settings or ReportSettings(), *sets, progress)
