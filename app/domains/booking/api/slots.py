"""`GET /api/v1/catalog/offerings/<slug>/slots`: what can be booked."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Blueprint, jsonify, request

from app.core import clock
from app.core.ids import row_id
from app.core.web.viewing import on_tenant
from app.domains.booking import queries
from app.domains.booking.api.common import BadArgument, check_arguments, date, iso, stretch
from app.domains.booking.queries.offered import OfferingSeen, VariantSeen, offering_seen, slots_of
from app.domains.catalog.models import GROUP

WEEK = dt.timedelta(days=7)


def slots(slug: str) -> Any:
    """The free times from `since` to before `until` (31 days at most, else the next seven) of a `variant`; of
    a group class its dates with the seats that are left. 404 for what is not published."""
    on_tenant()
    check_arguments({"variant", "since", "until"})
    since, until = stretch(since=clock.now(), default=WEEK)
    seen = offering_seen(slug, since, until)
    variant = _variant(seen)
    if seen.kind == GROUP:
        return jsonify({"slots": [], "dates": _dates(seen.id, since, until)})
    found = slots_of(seen, variant, since=since, until=until)
    free = [{"starts_at": iso(slot.starts_at), "ends_at": iso(slot.ends_at)} for slot in found]
    return jsonify({"slots": free, "dates": []})


def _variant(seen: OfferingSeen) -> VariantSeen:
    """The first one where none is asked for. Raises BadArgument."""
    asked = request.args.get("variant")
    if not asked:
        return seen.variant(None)
    variant = seen.variant(row_id(asked))
    if str(variant.id) != asked:
        raise BadArgument(field="variant")
    return variant


def _dates(offering_id: int, since: dt.datetime, until: dt.datetime) -> list[dict[str, Any]]:
    return [
        date(session)
        for session in queries.available_sessions(offering_id)
        if since <= session.lesson.starts_at < until
    ]


def add_to(bp: Blueprint) -> None:
    bp.add_url_rule("/api/v1/catalog/offerings/<slug>/slots", view_func=slots)
