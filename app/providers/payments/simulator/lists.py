"""Lists and the search, newest first, a page at a time."""

from __future__ import annotations

import copy
import operator
import re
from collections.abc import Callable

from app.providers.payments.simulator.params import Params
from app.providers.payments.simulator.refusals import Refusal, missing
from app.providers.payments.simulator.store import Change, Object

MOST, USUAL = 100, 10
_FILTERS = {
    "payment_intent": (),
    "payment_method": ("type",),
    "charge": ("payment_intent",),
    "refund": ("payment_intent", "charge"),
    "dispute": ("payment_intent", "charge"),
    "event": ("type",),
    "balance_transaction": ("source", "type"),
}
_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
_BY_METADATA = re.compile(
    r"metadata\[(?P<quote>['\"])(?P<name>[^'\"]{1,40})(?P=quote)\]\s*:\s*"
    r"(?P<mark>['\"])(?P<value>[^'\"\\]{1,500})(?P=mark)"
)


def listed(change: Change, kind: str, params: Params, url: str) -> Object:
    wanted = {name: params.text(name) for name in _FILTERS[kind]}
    found = [
        item
        for item in change.all(kind)
        if all(value is None or item[name] == value for name, value in wanted.items())
    ]
    found = _created_within(found, params)
    limit, after = _limit(params), params.text("starting_after")
    params.done()
    if after is not None:
        ids = [item["id"] for item in found]
        if after not in ids:
            raise missing(kind, after, "starting_after")
        found = found[ids.index(after) + 1 :]
    return {
        "object": "list",
        "data": copy.deepcopy(found[:limit]),
        "has_more": len(found) > limit,
        "url": url,
    }


def searched(change: Change, params: Params, *, blind: bool) -> Object:
    """PaymentIntents by one metadata value: what of Stripe's query language is used here."""
    query, limit = params.needed("query"), _limit(params)
    params.done()
    asked = _BY_METADATA.fullmatch(query.strip())
    if asked is None:
        raise Refusal(400, "We were unable to parse your search query.", param="query")
    found = [] if blind else [
        intent
        for intent in change.all("payment_intent")
        if intent["metadata"].get(asked["name"]) == asked["value"]
    ]  # fmt: skip
    return {
        "object": "search_result",
        "data": copy.deepcopy(found[:limit]),
        "has_more": len(found) > limit,
        "next_page": None,
        "url": "/v1/payment_intents/search",
    }


def _limit(params: Params) -> int:
    limit = params.integer("limit")
    if limit is None:
        return USUAL
    if not 1 <= limit <= MOST:
        raise Refusal(400, f"Invalid limit: must be from 1 to {MOST}", param="limit")
    return limit


def _created_within(found: list[Object], params: Params) -> list[Object]:
    bounds = params.inner("created")
    if bounds is None:
        return found
    for name, holds in _ORDERS.items():
        bound = bounds.integer(name)
        if bound is not None:
            found = [item for item in found if holds(item["created"], bound)]
    bounds.done()
    return found
