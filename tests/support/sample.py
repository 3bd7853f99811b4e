"""What a sample of an admin entry is, and the rows that many samples need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domains.accounts.models import Person
from tests.support.world import World

Form = Mapping[str, Any]


@dataclass(frozen=True)
class Sample:
    """`row(session, n)` adds a row and what it points at; `form(world, n)` is a valid add form; `change` is
    a valid edit of one column; `wrong` fails at the field it names; `actions` fills in what they ask."""

    row: Callable[[Any, str], Any]
    form: Callable[[World, str], dict[str, Any]] | None = None
    change: Form | None = None
    wrong: Form | None = None
    actions: Mapping[str, Form] = field(default_factory=dict)


def add(session: Any, row: Any) -> Any:
    session.add(row)
    session.flush()
    return row


def person(session: Any, word: str, who: str = "Person") -> Person:
    return add(session, Person(full_name=f"{who} {word}", email=f"{word}@people.test", phone="+49 30 1234"))
