"""State machines: a table of allowed moves next to the model, and one way to move.

    class Tenant(Model):
        MOVES = {"active": frozenset({"suspended"}), "suspended": frozenset({"active"})}

Every state of the model is a key of its table; a final state has an empty set.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import ClassVar, Protocol

from flask_babel import lazy_gettext as _l

from app.core.errors import DomainError

Moves = Mapping[str, Set[str]]


class HasStates(Protocol):
    """What `move_to` asks of a model. `STATUS_NAMES`, where it is there, words the states for people."""

    MOVES: ClassVar[Moves]
    status: str


class MoveNotAllowed(DomainError):
    """`data` carries the two states as `before` and `after`."""

    code, status = "move_not_allowed", 409
    message = _l("This can't be done in its present state.")


def move_to(thing: HasStates, state: str) -> None:
    """Set `thing.status`; raises MoveNotAllowed unless the model's table allows the move.

    Staying where one is counts as a move: it needs its own entry. A state that is not in the
    table at all is a fault of ours (ValueError).
    """
    moves = type(thing).MOVES
    if state not in moves or thing.status not in moves:
        raise ValueError(f"{type(thing).__name__} knows no move from {thing.status!r} to {state!r}")
    if state not in moves[thing.status]:
        raise MoveNotAllowed(
            _l(
                "This can't go from “%(before)s” to “%(after)s”.",
                before=_in_words(thing, thing.status),
                after=_in_words(thing, state),
            ),
            before=thing.status,
            after=state,
        )
    thing.status = state


def _in_words(thing: HasStates, state: str) -> object:
    """The state's translated name; lazily, since a refusal may be shown in another language."""
    names: Mapping[str, object] = getattr(type(thing), "STATUS_NAMES", {})
    return names.get(state, state.replace("_", " "))


def reachable(moves: Moves, start: str) -> frozenset[str]:
    """Every state that can be reached from `start`, itself included; raises KeyError on an unknown one."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        state = waiting.pop()
        if state not in found:
            found.add(state)
            waiting.extend(moves[state])
    return frozenset(found)
