"""`expand[]`: ids in an answer become the objects that they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.providers.payments.simulator.refusals import Refusal
from app.providers.payments.simulator.store import Object

DEEPEST = 4
_NAMES = frozenset(
    ["balance_transaction", "charge", "failure_balance_transaction", "latest_charge", "payment_intent"]
    + ["payment_method", "source"]
)


def expanded(body: Object, paths: list[str], get: Callable[[str], Object | None]) -> Object:
    """The same answer; raises Refusal for a path that leads nowhere."""
    for path in paths:
        if path.count(".") >= DEEPEST:
            raise Refusal(400, f"You cannot expand more than {DEEPEST} levels of a property: {path}")
        _expand(body, path.split("."), path, get)
    return body


def _expand(node: Any, names: list[str], path: str, get: Callable[[str], Object | None]) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(item, names, path, get)
        return
    if not names or node is None:
        return
    name, rest = names[0], names[1:]
    if not isinstance(node, dict) or name not in node:
        raise Refusal(400, f"This property cannot be expanded ({path}).", param="expand")
    value = node[name]
    if isinstance(value, str):
        if name not in _NAMES:
            raise Refusal(400, f"This property cannot be expanded ({path}).", param="expand")
        node[name] = value = get(value) or value
    _expand(value, rest, path, get)
