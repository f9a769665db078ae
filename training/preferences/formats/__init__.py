"""From a source row to pairs, one module per format.

| module         | rows                                                                                  |
|----------------|---------------------------------------------------------------------------------------|
| pairs.py       | prompt, chosen, rejected; whole conversations; demonstrations (TRL's forms)           |
| transcripts.py | "\\n\\nHuman: …\\n\\nAssistant: …" as in HH-RLHF                                      |
| rated.py       | several rated answers per prompt, as in UltraFeedback and Argilla's data sets         |
| battles.py     | two models, two answers, one winner, as in the arena's logs                           |

| also           | what it holds                                                                         |
|----------------|---------------------------------------------------------------------------------------|
| roles.py       | what a column can be, and the names it goes by                                        |
| mapping.py     | Mapping: format, columns and rules, as confirmed by a person and stored               |
| facts.py       | the optional columns: annotator, source, time, position, tags, weight, label, margin  |
| messages.py    | conversations in a row's values                                                       |
| lines.py       | whether a file is lines of text (prompt lists)                                        |
| recognition.py | which format a sample of rows has, and what it would become                           |

A row is accepted when it gives at least one pair, and otherwise refused with a sentence: accepted + refused = rows.
"""

from __future__ import annotations

from training.preferences.formats.conversion import Converter, convert, converter, interpret, read_line
from training.preferences.formats.lines import BOM, hint, refuse_foreign
from training.preferences.formats.mapping import Mapping, Pairing, Ties
from training.preferences.formats.recognition import Previewed, Recognition, preview, proposed, recognise
from training.preferences.formats.roles import ROLES, Format, Role
from training.preferences.sources.json_text import parse_object
from training.preferences.sources.rows import UnreadableFile, printable

__all__ = [
    "BOM",
    "ROLES",
    "Converter",
    "Format",
    "Mapping",
    "Pairing",
    "Previewed",
    "Recognition",
    "Role",
    "Ties",
    "UnreadableFile",
    "convert",
    "converter",
    "hint",
    "interpret",
    "parse_object",
    "preview",
    "printable",
    "proposed",
    "read_line",
    "recognise",
    "refuse_foreign",
]
