"""Files of one prompt or row per line, as small uploads hold them: is it one, and if not, what is it?"""

from __future__ import annotations

from training.preferences.sources.files import UTF8_MARK
from training.preferences.sources.packing import packing
from training.preferences.sources.rows import UnreadableFile

BOM = UTF8_MARK


def refuse_foreign(head: bytes) -> None:
    """Raises UnreadableFile when the first bytes of a file show that it cannot be lines of UTF-8."""
    if kind := packing(head):
        raise UnreadableFile(f"This is a {kind} archive. Unpack it and upload the file inside.")
    if head.startswith(b"PAR1"):
        raise UnreadableFile("This is a Parquet file. Convert it to JSON Lines first.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile("This is text in UTF-16. Save it as UTF-8.")


def hint(head: bytes) -> str:
    """A guess at what a file without any usable row is, as a sentence, or nothing."""
    start = head.removeprefix(BOM).lstrip()
    if start.startswith(b"["):
        return "The file begins with '[': it looks like one JSON array; write one object per line instead."
    if start.startswith(b"{") and start.partition(b"\n")[0].strip() == b"{":
        return "The file looks like indented JSON; write each object on one line."
    return ""
