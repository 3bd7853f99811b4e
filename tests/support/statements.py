"""Counted SQL: a page's cost that does not depend on the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

# What every transaction does and no query can save.
HOUSEKEEPING = re.compile(
    r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET\s+(LOCAL|CONSTRAINTS)|(SELECT\s+)?(pg_catalog\.)?set_config)\b",
    re.IGNORECASE,
)


@contextmanager
def count_statements(engine: Engine) -> Iterator[list[str]]:
    """The statements the engine sends within the block, in order, without the housekeeping."""
    seen: list[str] = []

    def remember(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not HOUSEKEEPING.match(statement):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", remember)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", remember)


@contextmanager
def assert_statements(engine: Engine, number: int) -> Iterator[list[str]]:
    """The block sends exactly so many statements; the failure lists them."""
    with count_statements(engine) as seen:
        yield seen
    listed = "\n".join(f"{place}. {statement}" for place, statement in enumerate(seen, 1))
    assert len(seen) == number, f"{len(seen)} statements instead of {number}:\n{listed}"
