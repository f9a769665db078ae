"""Downloads of any size in little memory.

Under ASGI Django reads a synchronous iterator to its end before it sends the first byte, so what
is streamed here is an asynchronous one that fetches each chunk in a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Self

from django.db import connections
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

CHUNK_BYTES = 256 * 1024
log = logging.getLogger(__name__)


def streamed(chunks: Iterator[bytes], filename: str, content_type: str) -> StreamingHttpResponse:
    """A download whose bytes are made while they are sent."""
    response = StreamingHttpResponse(InThread(chunks), content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, filename)
    response["X-Accel-Buffering"] = "no"
    return response


def file_download(path: Path, filename: str, content_type: str, *, keep: bool = True) -> StreamingHttpResponse:
    """A file as a download; one that is not kept loses its name at once and its bytes when the download ends.

    Of a file that is still being written it is what it holds now.
    """
    file = path.open("rb")
    size = path.stat().st_size
    if not keep:
        path.unlink()
    response = streamed(_FileChunks(file, size), filename, content_type)
    response["Content-Length"] = str(size)
    return response


def in_chunks(lines: Iterator[str]) -> Iterator[bytes]:
    """Lines joined to chunks worth sending."""
    pending: list[str] = []
    size = 0
    for line in lines:
        pending.append(line)
        size += len(line)
        if size >= CHUNK_BYTES:
            yield "".join(pending).encode()
            pending, size = [], 0
    if pending:
        yield "".join(pending).encode()


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


class Outlet:
    """A file that can only be written, for libraries that write files: its bytes are taken away as they come."""

    closed = False

    def __init__(self) -> None:
        self.written = 0
        self.waiting: list[bytes] = []

    def write(self, data: Any) -> int:
        self.waiting.append(bytes(data))
        self.written += len(self.waiting[-1])
        return len(self.waiting[-1])

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written stays to be taken."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self.waiting = b"".join(self.waiting), []
        return taken


class InThread:
    """Asynchronous chunks from synchronous ones, all made in one thread, to which their database connection belongs.

    Django closes it when the response ends, however early: then the chunks end in that thread, and it with them. It is
    no asynchronous generator, because one that is given up midway is ended by the garbage collector, anywhere.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.thread = ThreadPoolExecutor(1)
        self.closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await asyncio.get_running_loop().run_in_executor(self.thread, next, self.chunks, None)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def close(self) -> None:
        """Waits for nothing: a chunk that is being made is made before."""
        if not self.closed:
            self.closed = True
            self.thread.submit(self._end)
            self.thread.shutdown(wait=False)

    def _end(self) -> None:
        try:
            if close := getattr(self.chunks, "close", None):
                close()
        except Exception:
            log.exception("A download did not end well")
        finally:
            connections.close_all()


class _FileChunks:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.left = size

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if chunk := self.file.read(min(CHUNK_BYTES, self.left)):
            self.left -= len(chunk)
            return chunk
        self.close()
        raise StopIteration

    def close(self) -> None:
        self.file.close()
