"""Readers of source files: bytes in, `Pair` or `Refusal` out, one per row, in bounded memory.

JSON Lines in TRL's forms, also mixed within a file:

| columns                         | meaning                                                               |
|---------------------------------|-----------------------------------------------------------------------|
| prompt, chosen, rejected        | a pair; each column is text or a list of {role, content}              |
| chosen, rejected (lists)        | a pair of whole conversations; what they share is the prompt          |
| prompt, completion / chosen     | a demonstration                                                       |
| weight (optional)               | a number above 0                                                      |
| label (optional)                | a number above 0, at most 1: P(chosen is the better answer)           |
| margin (optional)               | a number of 0 or more: how much better the better answer is           |
| any other                       | kept as `extra`                                                       |

Where `chosen` and `rejected` are lists that begin with the prompt, the prompt is taken off.
A line of nothing but white space is not a row: it is counted as blank, so lines = blank + rows and
rows = accepted + refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, TypeVar

from pydantic_core import from_json

from training.preferences.records import ROLES, Conversation, Message, Pair, Problem, Refusal, RowProblem, check

MAX_LINE_BYTES = 4 * 1024 * 1024
SHOWN_OF_LONG_LINE = 200
SKIP_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"

# The first bytes of files that people upload by mistake, with what to do about it.
FOREIGN_FILES = (
    (b"\x1f\x8b", "a gzip archive. Unpack it and upload the file inside"),
    (b"PK\x03\x04", "a zip archive. Unpack it and upload the file inside"),
    (b"BZh", "a bzip2 archive. Unpack it and upload the file inside"),
    (b"\xfd7zXZ\x00", "an xz archive. Unpack it and upload the file inside"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive. Unpack it and upload the file inside"),
    (b"PAR1", "a Parquet file. Convert it to JSON Lines first"),
    (b"\xff\xfe", "text in UTF-16. Save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16. Save it as UTF-8"),
)


# Optional columns that hold a number: the problem when they do not, and what is wanted.
NUMBERS = {
    "weight": (Problem.WEIGHT, "a number above 0"),
    "label": (Problem.LABEL, "a number above 0 and at most 1, the probability that chosen is the better answer"),
    "margin": (Problem.MARGIN, "a number of 0 or more"),
}


class UnreadableFile(ValueError):
    """The file as a whole is not something a reader exists for; the message is a sentence for people."""


def refuse_foreign(head: bytes) -> None:
    """Raises UnreadableFile when the first bytes of a file show that it cannot be JSON Lines."""
    for magic, description in FOREIGN_FILES:
        if head.startswith(magic):
            raise UnreadableFile(f"This is {description}.")


def hint(head: bytes) -> str:
    """A guess at what a file without any usable row is, as a sentence, or nothing."""
    start = head.removeprefix(BOM).lstrip()
    if start.startswith(b"["):
        return "The file begins with '[': it looks like one JSON array; write one object per line instead."
    if start.startswith(b"{") and start.partition(b"\n")[0].strip() == b"{":
        return "The file looks like indented JSON; write each object on one line."
    return ""


class JsonLines:
    """The rows of a JSON Lines file, read once, in order.

    `lines`, `blank` and `bytes` say how far the iteration has come. No more than one line of at
    most `limit` bytes is held in memory; a longer one is skipped and refused.
    """

    def __init__(self, stream: BinaryIO, limit: int = MAX_LINE_BYTES) -> None:
        self.stream = stream
        self.limit = limit
        self.lines = 0
        self.blank = 0
        self.bytes = 0

    def __iter__(self) -> Iterator[Pair | Refusal]:
        # One byte more than the limit tells a line that fills it from a line that exceeds it.
        while line := self.stream.readline(self.limit + 1):
            self.lines += 1
            self.bytes += len(line)
            if len(line) > self.limit and not line.endswith(b"\n"):
                yield self._skip(line)
                continue
            if self.lines == 1:
                line = line.removeprefix(BOM)
            line = line.strip()
            if line:
                yield read_line(line, self.lines)
            else:
                self.blank += 1

    def _skip(self, start: bytes) -> Refusal:
        size = len(start)
        while chunk := self.stream.readline(SKIP_BYTES):
            size += len(chunk)
            if chunk.endswith(b"\n"):
                break
        self.bytes += size - len(start)
        reason = f"The line holds {size:,} bytes; at most {self.limit:,} are read."
        return Refusal(self.lines, Problem.TOO_LONG, reason, printable(start[:SHOWN_OF_LONG_LINE]))


def read_line(line: bytes, number: int) -> Pair | Refusal:
    """One line of JSON (without its line end) as a pair, or the reason why it is none."""
    try:
        return interpret(parse_object(line), number)
    except RowProblem as problem:
        return Refusal(number, problem.problem, str(problem), printable(line))


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object on a line; raises RowProblem naming the place where it stops being one."""
    try:
        row = from_json(line, allow_inf_nan=False)
    except ValueError as error:
        raise _syntax_problem(line, str(error)) from error
    if not isinstance(row, dict):
        raise RowProblem(Problem.NOT_AN_OBJECT, f"The row must be a JSON object, found {kind_of(row)}.")
    return row


def _syntax_problem(line: bytes, message: str) -> RowProblem:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        byte = line[error.start]
        return RowProblem(
            Problem.ENCODING,
            f"Byte {error.start + 1} of the row (0x{byte:02x}) is not valid UTF-8. Save the file as UTF-8.",
        )
    message = message.replace("at line 1 column", "at byte")
    cut_off = " The row seems to be cut off." if message.startswith("EOF") else ""
    return RowProblem(Problem.SYNTAX, f"The row is not JSON: {message}.{cut_off}")


def interpret(row: Mapping[str, Any], line: int) -> Pair:
    """The pair a source row stands for; raises RowProblem where it stands for none."""
    answer_column = "chosen" if "chosen" in row else "completion"
    _require_columns(row, answer_column)
    chosen = _conversation(row[answer_column], answer_column, "assistant")
    rejected = None if row.get("rejected") is None else _conversation(row["rejected"], "rejected", "assistant")
    if "prompt" in row:
        prompt = _conversation(row["prompt"], "prompt", "user")
    else:
        assert rejected is not None, "_require_columns asks for a prompt where there is no rejected answer"
        prompt = _shared_prompt(chosen, rejected)
    used = {"prompt", answer_column, "rejected", *NUMBERS}
    pair = Pair(
        prompt=prompt,
        chosen=_without_prompt(chosen, prompt),
        rejected=None if rejected is None else _without_prompt(rejected, prompt),
        weight=_number(row, "weight", default=1.0),
        label=_number(row, "label", default=1.0),
        margin=_number(row, "margin", default=None),
        extra=_extra(row, used),
        line=line,
    )
    check(pair)
    return pair


def _require_columns(row: Mapping[str, Any], answer_column: str) -> None:
    missing = []
    if answer_column not in row:
        missing.append("'chosen' (or 'completion')")
    # A column that is meant but misspelt must not turn a file of pairs into demonstrations.
    if "rejected" not in row and any(name.strip().casefold() == "rejected" for name in row):
        missing.append("'rejected'")
    whole_conversations = isinstance(row.get(answer_column), list) and isinstance(row.get("rejected"), list)
    if "prompt" not in row and not whole_conversations:
        missing.append("'prompt'")
    if missing:
        plural = "Column" if len(missing) == 1 else "Columns"
        verb = "is" if len(missing) == 1 else "are"
        raise RowProblem(Problem.COLUMNS, f"{plural} {', '.join(missing)} {verb} missing; the row has {_names(row)}.")


def _names(row: Mapping[str, Any]) -> str:
    if not row:
        return "no columns"
    shown = [repr(name[:40]) for name in list(row)[:12]]
    return ", ".join(shown) + (f" and {len(row) - 12} more" if len(row) > 12 else "")


def _conversation(value: object, column: str, role: str) -> Conversation:
    if isinstance(value, str):
        return (Message(role, value),)
    if isinstance(value, list):
        return tuple(_message(item, column, position) for position, item in enumerate(value, start=1))
    raise RowProblem(Problem.TYPE, f"{column} must be text or a list of messages, found {kind_of(value)}.")


def _message(item: object, column: str, position: int) -> Message:
    if not isinstance(item, dict):
        raise RowProblem(
            Problem.TYPE,
            f"{column}, message {position}, must be an object with role and content, found {kind_of(item)}.",
        )
    role, content = item.get("role"), item.get("content")
    if not isinstance(content, str):
        raise RowProblem(Problem.TYPE, f"{column}, message {position}: content must be text, found {kind_of(content)}.")
    if not isinstance(role, str) or role not in ROLES:
        raise RowProblem(
            Problem.ROLES,
            f"{column}, message {position}: role must be system, user or assistant, found {_short(role)}.",
        )
    return Message(role, content)


def _shared_prompt(chosen: Conversation, rejected: Conversation) -> Conversation:
    """What two whole conversations have in common, up to the last user turn before they part."""
    shared = 0
    while shared < min(len(chosen), len(rejected)) and chosen[shared] == rejected[shared]:
        shared += 1
    if shared == len(chosen) == len(rejected):
        raise RowProblem(Problem.IDENTICAL, "chosen and rejected are the same text, so the row prefers nothing.")
    while shared and chosen[shared - 1].role != "user":
        shared -= 1
    if not shared:
        raise RowProblem(
            Problem.COLUMNS, "The row has no 'prompt', and chosen and rejected do not begin with the same user message."
        )
    return chosen[:shared]


def _without_prompt(answer: Conversation, prompt: Conversation) -> Conversation:
    begins_with_prompt = len(answer) > len(prompt) and answer[: len(prompt)] == prompt
    return answer[len(prompt) :] if begins_with_prompt else answer


N = TypeVar("N", float, None)


def _number(row: Mapping[str, Any], column: str, default: N) -> float | N:
    """The number in an optional column; what it may be is for `check` to say."""
    value = row.get(column)
    if value is None:
        return default
    problem, wanted = NUMBERS[column]
    if isinstance(value, bool) or not isinstance(value, int | float):
        remedy = "" if column == "weight" else " Rename the column if it means something else."
        raise RowProblem(problem, f"{column} must be {wanted}, found {kind_of(value)}.{remedy}")
    try:
        return float(value)
    except OverflowError:
        raise RowProblem(problem, f"{column} must be {wanted}, and finite; it is too large.") from None


def _extra(row: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    """The source's other columns, and what its messages hold beside role and content."""
    extra = {name: value for name, value in row.items() if name not in used}
    for column in used:
        value = row.get(column)
        if isinstance(value, list):
            for position, message in enumerate(value):
                if len(message) > 2:
                    extra |= {
                        f"{column}[{position}].{key}": message[key] for key in message if key not in ("role", "content")
                    }
    if not _is_finite(extra):
        raise RowProblem(Problem.TYPE, "A number outside the range of a double cannot be kept.")
    return extra


def _is_finite(value: object) -> bool:
    """Numbers such as 1e999 are JSON but become infinite on reading, and could not be written again."""
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(_is_finite(item) for item in value.values())
        case list():
            return all(_is_finite(item) for item in value)
    return True


def kind_of(value: object) -> str:
    """The JSON name of a value's type, with the value where it is short."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {_short(value)}" if value else "an empty text"
        case int() | float():
            return f"the number {_short(value)}"
        case list():
            return "a list"
    return "an object"


def _short(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def printable(line: bytes) -> str:
    """The row's text; bytes that are not UTF-8, and NUL, appear as \\x escapes."""
    return line.decode(errors="backslashreplace").replace("\0", r"\x00")
