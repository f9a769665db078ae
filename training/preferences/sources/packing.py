"""What a file is packed in, and its content as a stream: bounded, checked to the end, never more than asked for.

Streams are generators of pieces behind `PieceStream`, so that a limit, an unpacking and a change of encoding can
stand behind one another. A packed file that ends early or whose check sum is wrong raises UnreadableFile when reading
comes there: what was read before must not be used.
"""

from __future__ import annotations

import bz2
import codecs
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from training.preferences.sources.rows import MIB, Limits, UnreadableFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER = MIB
# Packed bytes given to a decoder at once. bzip2 and zstd reach 1:20,000 and more, so that this bounds what one call
# can unpack to some 64 MiB.
SIP = 2048
XZ_MEMORY = 256 * MIB
# Zip archives made on a Mac hold a shadow of every file.
SHADOWS = ("__MACOSX/", ".DS_Store")
# A table of contents of so many bytes lists thousands of files.
LONGEST_CONTENTS = 4 * MIB


def _zstd_decoder() -> Any:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


DECODERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY),
    "zstd": _zstd_decoder,
}
MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x50\x2a\x4d\x18", "zstd"),  # pzstd begins with a frame to be skipped
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # one that holds nothing
)


def packing(head: bytes) -> str:
    """The name of the packing that a file's first bytes show, or nothing."""
    return next((name for magic, name in MAGIC if head.startswith(magic)), "")


class PieceStream(io.RawIOBase):
    """Reads from pieces of bytes, none of them empty."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces
        self.rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the whole buffer unless the pieces end."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):
            if not self.rest:
                self.rest = memoryview(next(self.pieces, b""))
                if not self.rest:
                    break
            taken = min(len(view) - filled, len(self.rest))
            view[filled : filled + taken] = self.rest[:taken]
            self.rest = self.rest[taken:]
            filled += taken
        return filled


def as_stream(pieces: Iterator[bytes]) -> io.BufferedReader:
    """The pieces as a buffered binary file."""
    return io.BufferedReader(PieceStream(pieces), BUFFER)


def unpacked(packed: BinaryIO, name: str, size: int, limits: Limits) -> tuple[Iterator[bytes], str]:
    """The content of a packed file of `size` bytes in pieces, and the name of the file inside where it is known."""
    if name == "zip":
        pieces, inside = _the_only_file(packed)
    else:
        pieces, inside = _decoded(packed, name), ""
    return _limited(pieces, size, limits), inside


def _limited(pieces: Iterator[bytes], packed: int, limits: Limits) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        limits.check_unpacked(total, packed)
        yield piece


def _decoded(packed: BinaryIO, name: str) -> Iterator[bytes]:
    """Every member of the archive, one after the other, each to its check sum."""
    decoder, begun = DECODERS[name](), False
    while sip := packed.read(SIP):
        while sip:
            if not begun:
                sip = sip.lstrip(b"\0")  # padding between and after members
                begun = bool(sip)
                continue
            if piece := _decode(decoder, sip, name):
                yield piece
            sip = b""
            if decoder.eof:
                sip, decoder, begun = decoder.unused_data, DECODERS[name](), False
    if begun:
        raise UnreadableFile(
            f"The {name} archive ends before its content does: it was cut off on its way. Send the whole file."
        )


def _decode(decoder: Any, sip: bytes, name: str) -> bytes:
    try:
        piece: bytes = decoder.decompress(sip)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, MemoryError) as error:
        raise _damaged(name) from error
    except Exception as error:  # zstandard.ZstdError, whose module is loaded only where it is needed
        if type(error).__name__ != "ZstdError":
            raise
        raise _damaged(name) from error
    return piece


def _damaged(name: str) -> UnreadableFile:
    return UnreadableFile(f"The {name} archive is damaged: its content cannot be unpacked. Pack it again and send it.")


def _the_only_file(packed: BinaryIO) -> tuple[Iterator[bytes], str]:
    _refuse_long_contents(packed)
    try:
        archive = zipfile.ZipFile(packed)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableFile(
            "The zip archive is damaged or cut off: its table of contents is missing. Send the whole file."
        ) from error
    names = [
        entry.filename
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith(SHADOWS) and not entry.filename.endswith(SHADOWS)
    ]
    if "xl/workbook.xml" in names:
        raise UnreadableFile("This is an Excel workbook. Save the sheet as CSV in UTF-8 and import that.")
    if len(names) != 1:
        raise UnreadableFile(_not_one(names))
    return _entry(archive, names[0]), names[0]


def _not_one(names: list[str]) -> str:
    if not names:
        return "The zip archive holds no file."
    shown = ", ".join(repr(name[:60]) for name in names[:8])
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return f"The zip archive holds {len(names):,} files: {shown}{more}. Import them one by one."


def _refuse_long_contents(packed: BinaryIO) -> None:
    """Raises UnreadableFile before a list of a million files is taken into memory."""
    size = packed.seek(0, io.SEEK_END)
    packed.seek(max(0, size - 66_000))
    end = packed.read()
    packed.seek(0)
    found = end.rfind(b"PK\x05\x06")
    if found >= 0 and LONGEST_CONTENTS < int.from_bytes(end[found + 12 : found + 16], "little") < 0xFFFFFFFF:
        raise UnreadableFile("The zip archive holds thousands of files. Import them one by one.")


def _entry(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    try:
        # zipfile unpacks what it reads of other kinds whole: a kibibyte of bzip2 may hold gigabytes.
        if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotImplementedError
        with archive.open(name) as file:
            while piece := file.read(BUFFER):
                yield piece
    except NotImplementedError as error:
        raise UnreadableFile("The zip archive is packed in a way that cannot be read. Pack it again.") from error
    except RuntimeError as error:  # how zipfile asks for a password
        raise UnreadableFile("The zip archive is encrypted. Unpack it and import the file inside.") from error
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise _damaged("zip") from error


# --- Encodings ----------------------------------------------------------------------------------------------------

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding(head: bytes) -> str:
    """utf-16 or utf-32 where the byte order mark says so, else nothing: UTF-8 is what is expected."""
    return next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), "")


def as_utf8(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Text in another encoding, in pieces of UTF-8; half a surrogate stays one, and its row is refused."""
    decoder = codecs.getincrementaldecoder(name)(errors="surrogatepass")
    ended = False
    while not ended:
        chunk = stream.read(BUFFER)
        ended = not chunk
        try:
            text = decoder.decode(chunk, final=ended)
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                f"The text begins as {name.upper()} and then is not: the file is damaged. Save it as UTF-8."
            ) from error
        if text:
            yield text.encode(errors="surrogatepass")
