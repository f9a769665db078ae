"""Several statements in one message to PostgreSQL, whose round trips are what a small request mostly waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection


@contextmanager
def pipelined() -> Iterator[None]:
    """Within, a statement is sent and not waited for until a row is asked of it or of a later one, or the block ends.

    PostgreSQL carries them out in their order, each when the one before is done, waiting for locks included; an error
    of any is raised when something waits. Therefore what gives no rows comes first, and a transaction is around the
    block, never within. Rows are asked for before anything in the block changes them: SQLite, which needs no pipeline,
    reads them only then.
    """
    if connection.vendor != "postgresql" or not psycopg.Pipeline.is_supported():
        yield
        return
    connection.ensure_connection()
    wire = connection.connection
    if wire.pgconn.pipeline_status:  # an inner block would wait at its end
        yield
        return
    with connection.wrap_database_errors, wire.pipeline():
        yield
