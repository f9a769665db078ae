"""What a version's makers say of it: a data card of plain facts, written as Markdown and shown on its page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from training.config.base import Frozen
from training.models import DatasetVersion

MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]<>#|~&])")


class Table(Frozen):
    """Rows of text under named columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Section(Frozen):
    """A heading with sentences, named facts, points, a table, and a text by somebody else, which is shown as it is."""

    title: str
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    points: tuple[str, ...] = ()
    table: Table | None = None
    quote: str = ""

    @property
    def markdown(self) -> str:
        return "\n\n".join(part for part in (f"## {escaped(self.title)}", *self._parts()) if part) + "\n"

    def _parts(self) -> Iterator[str]:
        yield escaped(self.text)
        yield "\n".join(f"- {escaped(name)}: {escaped(value)}" for name, value in self.facts)
        yield "\n".join(f"- {escaped(point)}" for point in self.points)
        if self.table:
            rows = (self.table.columns, ("---",) * len(self.table.columns), *self.table.rows)
            cells = [[cell if row is rows[1] else escaped(cell) for cell in row] for row in rows]
            yield "\n".join(f"| {' | '.join(row)} |" for row in cells)
        if self.quote:
            yield fenced(self.quote)


class Card(Frozen):
    """The whole card."""

    title: str
    lead: str
    sections: tuple[Section, ...]

    @property
    def markdown(self) -> str:
        """Without the YAML head of a hub's folder."""
        return "\n".join([f"# {escaped(self.title)}\n\n{escaped(self.lead)}\n", *(s.markdown for s in self.sections)])


def card_of(version: DatasetVersion) -> Card:
    """The card that a version was sealed with, and what its file holds; of other versions the latter alone."""
    stored = version.origin.get("card")
    made = Card.model_validate(stored) if stored else None
    lead = made.lead if made else f"{version.get_kind_display()}. Source: {version.origin.get('label', 'unknown')}."
    return Card(title=str(version), lead=lead, sections=(_file(version), *(made.sections if made else ())))


def _file(version: DatasetVersion) -> Section:
    facts = (
        (
            "Rows",
            f"{version.rows:,}, of which {version.train_rows:,} to train on and {version.held_out_rows:,} held out",
        ),
        ("Sealed", f"{version.created_at:%Y-%m-%d %H:%M} UTC"),
        ("SHA-256 of the sealed file", version.sha256),
    )
    return Section(title="File", facts=facts)


def escaped(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return MEANS_SOMETHING.sub(r"\\\1", " ".join(text.split()))


def fenced(text: str) -> str:
    """Text as a block in which nothing means anything; the fence is longer than any within."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
