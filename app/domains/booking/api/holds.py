"""`/api/v1/holds`: a time is held, given up, or ordered."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from app.core import idempotency
from app.core.errors import Invalid, NotFound
from app.core.locales import reader_locale
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.api_once import done_once
from app.domains.accounts import queries as accounts
from app.domains.booking import queries, service
from app.domains.booking.api import common
from app.domains.booking.api.common import (
    body,
    iso,
    member,
    money,
    no_seat_left,
    own_hold,
    time_in,
)
from app.domains.booking.errors import NoSeatLeft
from app.domains.booking.forms import LESSON_CODE
from app.domains.booking.queries import pages
from app.domains.catalog import queries as catalog
from app.domains.payments import service as payments


def hold() -> Any:
    """Hold a time of a `variant` (`starts_at`) or a place in a class's date (`lesson`) for ten minutes: 201;
    409 with `alternatives`, or the class's other `dates`, where it is taken. The same again is the same
    hold."""
    who, _person = member()
    given = body({"offering": str, "variant": int, "starts_at": str, "lesson": str})

    def work() -> idempotency.Answer:
        seat = _held(given, who)
        return 201, common.seat(queries.seat(seat.id))

    try:
        return done_once(who, work)
    except NoSeatLeft as error:
        raise no_seat_left(catalog.published(given["offering"]).id) from error


def _held(given: dict[str, Any], who: Viewer) -> queries.PlaceOfSeat:
    offering = catalog.published(_text(given, "offering"))
    actor = common.actor_of(who)
    if given.get("lesson") is not None:
        if given.get("starts_at") is not None:
            raise Invalid(field="starts_at")
        code = given["lesson"]
        if not LESSON_CODE.fullmatch(code):
            raise NotFound
        return service.hold_seat(lesson_id=pages.session_of(offering.id, code), actor=actor)
    variant = next((v for v in offering.variants if v.id == given.get("variant")), None)
    if variant is None:
        raise Invalid(field="variant")
    starts_at = time_in(given, "starts_at")
    return service.hold_slot(offering=offering, variant=variant, starts_at=starts_at, actor=actor)


def _text(given: dict[str, Any], name: str) -> str:
    text = given.get(name)
    if not text:
        raise Invalid(field=name)
    return str(text)


def release(code: str) -> Any:
    """Give a hold up: 204, also where it is over already. What is booked is cancelled, not released: 404."""
    who, _person = member()
    seat = own_hold(code, who)
    if seat.status in common.THEIRS:
        raise NotFound
    with transaction():
        service.release_hold(seat)
    return Response(status=204)


def order(code: str) -> Any:
    """Say who learns (`student`: the caller or a child of theirs) and get the order to pay; what costs
    nothing is booked at once. Again it is the same order."""
    who, payer = member()
    seat = own_hold(code, who)
    given = body({"student": int})
    learners = {person.id: person for person in accounts.learners_for(payer.id)}
    student = learners.get(given.get("student") or 0)
    if student is None:
        raise Invalid(field="student")

    def work() -> idempotency.Answer:
        placed = service.begin_checkout(
            seat,
            payer=payer,
            student=student,
            actor=common.actor_of(who),
            locale=str(reader_locale()),
        )
        if not placed.total_minor:
            placed = payments.pay_free(placed)
        return 200, {
            "order": placed.code,
            "status": placed.status,
            "total": money(placed.total),
            "expires_at": iso(placed.expires_at),
        }

    return done_once(who, work)


def add_to(bp: Blueprint) -> None:
    bp.add_url_rule("/api/v1/holds", view_func=hold, methods=["POST"])
    bp.add_url_rule("/api/v1/holds/<code>", view_func=release, methods=["DELETE"])
    bp.add_url_rule("/api/v1/holds/<code>/order", view_func=order, methods=["POST"])
