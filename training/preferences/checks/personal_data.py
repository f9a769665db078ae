"""Simple patterns of personal data. They find what has a form: no names, no addresses, and not everything."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from training.preferences.checks.findings import Level, harms, part_of
from training.preferences.intervals import wilson
from training.preferences.survey import TEXTS_PER_BATCH, Survey

NOTABLE = 0.001
"""Heuristic: from this share of rows on (lower bound) any kind is worth a warning; bank data always is."""

GRAVE = ("IBAN", "card number")

# What any of the patterns needs; the database looks for it first, and only these rows are read.
CANDIDATES = r"@[A-Za-z0-9-]+\.|[+0-9(][0-9 ()./-]{7,}[0-9]|[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}|(?:[0-9A-Fa-f]{1,4}:){3}"
ROWS = f"""
SELECT row, whole FROM (
    SELECT row, concat_ws(chr(10), text_of(prompt), text_of(chosen), text_of(rejected)) AS whole FROM pairs
) WHERE regexp_matches(whole, '{CANDIDATES}')
"""
RESERVED = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|org|net))?|invalid|test|localhost)$", re.IGNORECASE)
# Written for films and examples; nobody answers there.
FICTITIOUS = re.compile(r"555\D?01\d\d$")


def _is_mail(text: str) -> bool:
    return not RESERVED.search(text.rpartition("@")[2])


def _is_phone(text: str) -> bool:
    return 8 <= len(_digits(text)) <= 15 and not FICTITIOUS.search(text)


def _is_iban(text: str) -> bool:
    """ISO 13616: letters become numbers, the first four characters go to the end, the remainder by 97 is 1."""
    plain = text.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _is_card(text: str) -> bool:
    """Luhn's checksum (ISO/IEC 7812) and a length and first digit that issuers use."""
    digits = [int(digit) for digit in _digits(text)]
    if not 13 <= len(digits) <= 19 or digits[0] not in {2, 3, 4, 5, 6} or len(set(digits)) == 1:
        return False
    doubled = [
        digit if place % 2 == 0 else (2 * digit - 1) % 9 + 1 if digit else 0 for place, digit in enumerate(digits[::-1])
    ]
    return sum(doubled) % 10 == 0


def _is_address(text: str) -> bool:
    """A public address; those of private networks, documentation and loops name nobody."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


@dataclass(frozen=True, slots=True)
class Kind:
    """A form that personal data has, and what must hold of a match."""

    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool]


# A match of an earlier kind is none of a later one: an IBAN's digits are no telephone number.
KINDS = (
    Kind(
        "e-mail address",
        re.compile(r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"),
        _is_mail,
    ),
    Kind("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), _is_iban),
    Kind("card number", re.compile(r"(?<![\d.+-])\d(?:[ -]?\d){12,18}(?![\d.-]?\d)"), _is_card),
    Kind(
        "IP address",
        re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{1,4})(?![\w.:]\w)"),
        _is_address,
    ),
    Kind(
        "telephone number",
        re.compile(
            r"(?<![\w.+-])(?:\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,5}"  # international
            r"|(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}"  # North America
            r"|0\d{2,4}[ /]\d{5,9})(?![\w-])"  # with a trunk prefix
        ),
        _is_phone,
    ),
)


def personal_data(survey: Survey) -> None:
    """E-mail addresses, telephone numbers, IBANs, card numbers and public IP addresses, counted by kind."""
    rows: dict[str, list[int]] = defaultdict(list)
    examples: dict[str, str] = {}
    occurrences: dict[str, int] = defaultdict(int)
    for row, text in _candidates(survey):
        for kind, found in _matches(text):
            rows[kind] += [row] if rows[kind][-1:] != [row] else []
            occurrences[kind] += 1
            examples.setdefault(kind, masked(found))
    if rows:
        _add(survey, rows, occurrences, examples)


def _candidates(survey: Survey) -> Iterator[tuple[int, str]]:
    for batch in survey.database.cursor().sql(ROWS).to_arrow_reader(TEXTS_PER_BATCH):
        columns = batch.to_pydict()
        yield from zip(columns["row"], columns["whole"], strict=True)


def _matches(text: str) -> Iterator[tuple[str, str]]:
    """(kind, match) of everything in a text; what was taken for one kind is blanked for the next."""
    for kind in KINDS:
        for match in list(kind.pattern.finditer(text)):
            if kind.holds(match[0]):
                yield kind.name, match[0]
                text = text[: match.start()] + "\0" * len(match[0]) + text[match.end() :]


def masked(text: str) -> str:
    """'j•••@•••••.c•m' for 'jane@acme.com': first and last characters and what is not a letter or digit stay."""
    inner = re.sub(r"[^\W_]", "•", text[1:-1])
    return f"{text[0]}{inner}{text[-1]}"


def _add(survey: Survey, rows: dict[str, list[int]], occurrences: dict[str, int], examples: dict[str, str]) -> None:
    every = sorted({row for found in rows.values() for row in found})
    grave = any(kind in rows for kind in GRAVE) or wilson(len(every), survey.rows)[0] > NOTABLE
    by_number = sorted(rows, key=lambda kind: -len(rows[kind]))
    table: list[list[Any]] = [[kind, len(rows[kind]), occurrences[kind], examples[kind]] for kind in by_number]
    kinds = ", ".join(f"{kind} ({len(rows[kind]):,})" for kind in by_number)
    survey.found.add(
        "personal_data",
        f"What looks like personal data stands in some rows: {kinds}.",
        harms=harms(
            Level.WARNING if grave else Level.INFO,
            dpo="A policy can repeat word for word what it was trained on, rejected answers included.",
            cpo="A policy can repeat word for word what it was trained on; chosen answers are pushed hardest.",
            rlhf="The reward model may pay for such details, and the prompts are sampled from again and again.",
        ),
        action="Look at the rows; leave out what belongs to real people before the data travels further.",
        threshold=f"A warning above {NOTABLE:.1%} of the rows (lower bound), a heuristic, or with any "
        f"{' or '.join(GRAVE)}.",
        actions=("drop",),
        count=len(every),
        total=survey.rows,
        rows=every,
        picture={
            "kind": "table",
            "columns": ["Kind", "Rows", "Times", "For example, masked"],
            "rows": table,
            "filters": [{"finding": part_of("personal_data", kind)} for kind in by_number],
        },
        parts={kind: rows[kind] for kind in by_number},
    )
