"""What the pool does with its connections. One that lay in it is asked whether it still lives only where
there is reason to doubt it: where its socket has something to read, since the server says nothing by itself
but goodbye, and where it lay for long, since a network may lose a connection in silence. A restart of
PostgreSQL heals by itself.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from psycopg import Column, Connection, Cursor, Error, IsolationLevel, generators
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Connection as CoreConnection
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

LONG_SECONDS = 5.0
# Statements whose plans PostgreSQL keeps, for each connection: more than all that is asked for often. Of
# psycopg's own hundred they would push each other out.
MOST_PREPARED = 300
_LAY_SINCE = "lay_since"
_USUAL = (None, IsolationLevel.READ_COMMITTED)  # as the server has it; SQLAlchemy names it after another one
# Execution options of a statement whose best plan depends on whose rows it reads and on how many of them are
# wanted: a list, a sum. A plan that is kept was made for a company of the usual size.
PLANNED_ANEW: Mapping[str, bool] = MappingProxyType({"planned_anew": True})
# The execution option of a statement that is a transaction by itself: the statement that this begins with,
# and its values. Both go on one way to the server and back; with BEGIN and COMMIT it would be three. Whoever
# asks for it (`plain.alone`) throws the connection away if anything goes wrong.
AFTER = "after"


class _Columns(Sequence[Column]):
    """A result's columns, described when somebody asks. SQLAlchemy does so once for each statement, and then
    remembers them; psycopg would describe them anew with each result."""

    def __init__(self, cursor: Cursor[Any], number: int) -> None:
        self._cursor, self._number = cursor, number

    def __len__(self) -> int:
        return self._number

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [Column(self._cursor, each) for each in range(self._number)[place]]
        return Column(self._cursor, range(self._number)[place])


class LeanCursor(Cursor[Any]):
    @property
    def description(self) -> Any:
        result = self.pgresult
        if result is None or result.status != ExecStatus.TUPLES_OK:
            return super().description
        return _Columns(self, result.nfields)


def prepare(connection: Connection[Any], _entry: ConnectionPoolEntry) -> None:
    """When a connection is made."""
    connection.prepared_max = MOST_PREPARED
    connection.cursor_factory = LeanCursor


def note(_connection: Any, entry: ConnectionPoolEntry) -> None:
    """When a connection comes back. What the pool knows of it ends with it."""
    entry.info[_LAY_SINCE] = time.monotonic()


def look(connection: Connection[Any], entry: ConnectionPoolEntry, _proxy: Any) -> None:
    """When a connection is taken. Raises InvalidatePoolError where it is dead: the pool then makes a new one,
    and trusts none of those that are as old."""
    lay_since = entry.info.get(_LAY_SINCE)
    if lay_since is None:  # it was made just now
        return
    if time.monotonic() - lay_since < LONG_SECONDS and not _is_readable(connection):
        return
    if not _answers(connection):
        raise InvalidatePoolError


def _is_readable(connection: Connection[Any]) -> bool:
    if connection.closed:
        return True
    socket = select.poll()
    socket.register(connection.fileno(), select.POLLIN)
    return bool(socket.poll(0))


def _answers(connection: Connection[Any]) -> bool:
    """It stays outside of any transaction, so that none has to be rolled back: with that psycopg would throw
    away what is prepared."""
    try:
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except Error:
        return False
    return True


def begin(connection: CoreConnection, first: bytes) -> bool:
    """Begin a transaction and run its `first` statement, which takes no values, on one way to the server and
    back. False where that is not done: where the transaction has begun, is to be of another kind, or
    where the server refuses. Whoever then runs the statement as usual hears what is wrong, if anything is."""
    driver: Any = connection.connection.driver_connection
    if driver.autocommit or driver.isolation_level not in _USUAL or driver.read_only is not None:
        return False
    if driver.pgconn.transaction_status != TransactionStatus.IDLE:
        return False
    try:
        with driver.lock:
            driver.pgconn.send_query(b"BEGIN; " + first)
            results = driver.wait(generators.execute(driver.pgconn))
        if [each.status for each in results] == [ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK]:
            return True
        driver.rollback()
    except Error:
        pass
    return False


# For the engine's option `pool_events`.
EVENTS: Sequence[tuple[Callable[..., None], str]] = (
    (prepare, "connect"),
    (note, "checkin"),
    (look, "checkout"),
)


@event.listens_for(Engine, "do_execute")
def run(cursor: Cursor[Any], statement: str, parameters: Any, context: Any) -> bool | None:
    """What asks to be planned anew is not prepared; what is to run alone goes with what it comes after."""
    options = context.execution_options if context is not None else {}
    prepare = False if "planned_anew" in options else None
    first = options.get(AFTER)
    if first is None:
        if prepare is None:
            return None
        cursor.execute(statement, parameters, prepare=prepare)
        return True
    driver: Any = cursor.connection
    driver.autocommit = True
    with driver.pipeline():
        driver.execute(*first, prepare=True)
        cursor.execute(statement, parameters, prepare=prepare)
    driver.autocommit = False
    return True
