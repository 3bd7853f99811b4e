"""`/api/v1/lessons`: the caller's own lessons and those of their children, and what can be done with them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from app.core import clock, idempotency
from app.core.errors import Conflict, Invalid, NotFound
from app.core.web.api_once import done_once
from app.domains.accounts import queries as accounts
from app.domains.booking import policies, queries, service
from app.domains.booking.api import common
from app.domains.booking.api.common import (
    BadArgument,
    body,
    check_arguments,
    iso,
    member,
    money,
    no_seat_left,
    own_seat,
    time_in,
)
from app.domains.booking.errors import NoSeatLeft
from app.domains.booking.forms import LESSON_CODE, MOST_REASON
from app.domains.booking.models import Seat
from app.domains.booking.queries import pages

MOST = 100


class RefundChanged(Conflict):
    """`data["refund"]` is what it would be now; nothing was cancelled."""

    code = "refund_changed"


def lessons() -> Any:
    """`when`: coming (what is left out means that) or past; 100 at most, the nearest first."""
    _who, caller = member()
    check_arguments({"when"})
    when = request.args.get("when") or "coming"
    if when not in {"coming", "past"}:
        raise BadArgument(field="when")
    people = {caller.id, *(child.id for child in accounts.children_of(caller.id))}
    now = clock.now()
    if when == "coming":
        found = queries.seats_of_people(people, since=now, limit=MOST)
    else:
        found = queries.seats_of_people(people, until=now, latest_first=True, limit=MOST)
    return jsonify({"result": [common.seat(seat) for seat in found]})


def one(code: str) -> Any:
    """With what can still be done, until when."""
    _who, caller = member()
    return jsonify(_shown(own_seat(code, caller.id)))


def preview(code: str) -> Any:
    """What would go back if it were cancelled now: what cancelling gives back."""
    _who, caller = member()
    return jsonify(_refund(own_seat(code, caller.id)))


def cancel(code: str) -> Any:
    """`reason` is for the tutor; with `expected_minor` it is cancelled only if just that goes back (409)."""
    who, caller = member()
    given = body({"reason": str, "expected_minor": int}, optional=True)
    reason, expected = given.get("reason"), given.get("expected_minor")
    if reason is not None and len(reason) > MOST_REASON:
        raise Invalid(field="reason")
    seat = own_seat(code, caller.id)

    def work() -> idempotency.Answer:
        refunded = service.cancel_seat(seat, by=who.actor.label, reason=reason)
        if expected is not None and refunded.minor != expected:
            raise RefundChanged(refund=money(refunded))
        return 200, {**_shown(queries.seat(seat.id)), "refund": money(refunded)}

    return done_once(who, work)


def move(code: str) -> Any:
    """To another time (`starts_at`), or to another date of the class (`lesson`); 409 with `alternatives`, or
    the class's other `dates`."""
    who, caller = member()
    given = body({"starts_at": str, "lesson": str})
    seat = own_seat(code, caller.id)
    offering_id = seat.lesson.offering_id
    if (given.get("starts_at") is None) == (given.get("lesson") is None):
        raise Invalid(field="starts_at")

    def work() -> idempotency.Answer:
        if given.get("lesson") is not None:
            if not LESSON_CODE.fullmatch(given["lesson"]):
                raise NotFound
            lesson_id = pages.session_of(offering_id, given["lesson"])
            service.move_seat(seat, lesson_id=lesson_id, by=who.actor.label)
        else:
            service.move_seat(seat, starts_at=time_in(given, "starts_at"), by=who.actor.label)
        return 200, _shown(queries.seat(seat.id))

    try:
        return done_once(who, work)
    except NoSeatLeft as error:
        raise no_seat_left(offering_id) from error


def _shown(seat: Seat) -> common.Json:
    """`cancel.why` and `move.why` say why it can't be done; null where it can."""
    starts_at, now = seat.lesson.starts_at, clock.now()
    return {
        **common.seat(seat),
        "cancel": {
            "why_not": policies.why_not_cancelled(seat, starts_at, now),
            "free_until": iso(policies.refund_start(seat, starts_at)),
        },
        "move": {
            "why_not": policies.why_not_moved(seat, starts_at, now),
            "until": iso(policies.move_deadline(seat, starts_at)),
        },
    }


def _refund(seat: Seat) -> common.Json:
    due = policies.refund_due(seat, seat.lesson.starts_at, clock.now())
    return {"refund": money(due.amount), "share_bp": due.share_bp, "why": due.why}


def add_to(bp: Blueprint) -> None:
    base = "/api/v1/lessons"
    bp.add_url_rule(base, view_func=lessons)
    bp.add_url_rule(f"{base}/<code>", endpoint="lesson", view_func=one)
    bp.add_url_rule(f"{base}/<code>/refund-preview", endpoint="refund_preview", view_func=preview)
    bp.add_url_rule(f"{base}/<code>/cancel", view_func=cancel, methods=["POST"])
    bp.add_url_rule(f"{base}/<code>/move", view_func=move, methods=["POST"])
