"""How the API reads and answers: strict bodies, repeats that do no harm, rows as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _l

from app.core.errors import Invalid, NotFound
from app.core.money import Money
from app.core.viewer import Viewer
from app.core.web.api_body import body
from app.core.web.viewing import on_tenant, signed_in
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import TUTOR, Person
from app.domains.booking import queries
from app.domains.booking.errors import NoSeatLeft
from app.domains.booking.forms import LESSON_CODE, SEAT_CODE, moment
from app.domains.booking.models import ATTENDED, BOOKED, CANCELLED, MISSED, Lesson, Seat

__all__ = ["body"]  # beside what is defined here

Json = dict[str, Any]
THEIRS = frozenset({BOOKED, ATTENDED, MISSED, CANCELLED})
LONGEST = dt.timedelta(days=31)
MOST_DATES = 5  # that a refusal names


class BadTime(Invalid):
    code, message = "bad_time", _l("Please give a time with its offset, like 2027-01-18T09:00:00Z.")


class TooWide(Invalid):
    code, message = "too_wide", _l("At most 31 days at a time, please.")


class BadArgument(Invalid):
    code, status = "bad_query", 400
    message = _l("This address asks for something that does not exist.")


# -- Who asks ----------------------------------------------------------------------------------------------


def member() -> tuple[Viewer, Person]:
    """The bearer of the token, a person of this company. Raises SignInNeeded, NotFound."""
    on_tenant()
    who = signed_in()
    if who.person_id is None:
        raise NotFound
    return who, accounts.person(who.person_id)


def tutor() -> tuple[Viewer, int]:
    """Raises SignInNeeded, NotFound for whoever does not teach here."""
    on_tenant()
    who = signed_in()
    if who.person_id is None or TUTOR not in who.role_keys:
        raise NotFound
    return who, who.person_id


def actor_of(who: Viewer) -> str:
    return f"u:{who.user_id}"


def seat_of(code: str) -> Seat:
    """Raises NotFound."""
    if not SEAT_CODE.fullmatch(code):
        raise NotFound
    return queries.seat_by_code(code)


def own_hold(code: str, who: Viewer) -> Seat:
    """What the caller's account holds or held. Raises NotFound."""
    seat = seat_of(code)
    if seat.actor != actor_of(who):
        raise NotFound
    return seat


def own_seat(code: str, person_id: int) -> Seat:
    """A booked seat of the caller's: learnt in, paid for, or of a child of theirs. Raises NotFound."""
    seat = seat_of(code)
    if seat.status not in THEIRS:
        raise NotFound
    if person_id in {seat.student_id, seat.payer_id}:
        return seat
    if seat.student_id in {child.id for child in accounts.children_of(person_id)}:
        return seat
    raise NotFound


def own_lesson(code: str, tutor_id: int) -> Lesson:
    """Raises NotFound."""
    if not LESSON_CODE.fullmatch(code):
        raise NotFound
    lesson = queries.lesson_by_code(code)
    if lesson.tutor_id != tutor_id:
        raise NotFound
    return lesson


# -- What is asked -----------------------------------------------------------------------------------------


def time_in(values: Mapping[str, Any], name: str) -> dt.datetime:
    """Raises BadTime."""
    found = moment(values.get(name))
    if found is None:
        raise BadTime(field=name)
    return found


def check_arguments(known: set[str]) -> None:
    """What would be ignored looks as if it had worked. Raises BadArgument."""
    if unknown := set(request.args) - known:
        raise BadArgument(field=min(unknown))


def stretch(*, since: dt.datetime, default: dt.timedelta) -> tuple[dt.datetime, dt.datetime]:
    """(`since`, `until`) of the query string. Raises BadTime, TooWide."""
    first = time_in(request.args, "since") if request.args.get("since") else since
    last = time_in(request.args, "until") if request.args.get("until") else first + default
    if last - first > LONGEST:
        raise TooWide(field="until")
    return first, last


# -- What is answered --------------------------------------------------------------------------------------


def iso(at: dt.datetime | None) -> str | None:
    return at.astimezone(dt.UTC).isoformat() if at is not None else None


def money(amount: Money) -> Json:
    return {"minor": amount.minor, "currency": amount.currency}


def person(found: Person | None) -> Json | None:
    return {"id": found.id, "name": found.full_name} if found is not None else None


def date(found: queries.Session) -> Json:
    """A date of a group class, as it can be booked."""
    return {
        "lesson": found.lesson.code,
        "variant": found.lesson.variant_id,
        "starts_at": iso(found.lesson.starts_at),
        "ends_at": iso(found.lesson.ends_at),
        "left": max(found.left, 0),
    }


def no_seat_left(offering_id: int) -> NoSeatLeft:
    """The refusal, with the other dates of the class; asked for after what was refused."""
    free = [date(found) for found in queries.available_sessions(offering_id) if found.left > 0]
    return NoSeatLeft(dates=free[:MOST_DATES])


def lesson(found: Lesson) -> Json:
    return {
        "code": found.code,
        "offering": {"slug": found.offering.slug, "title": found.offering.title},
        "variant": {"id": found.variant.id, "name": found.variant.name},
        "tutor": person(found.tutor),
        "starts_at": iso(found.starts_at),
        "ends_at": iso(found.ends_at),
        "timezone": found.timezone,
        "status": found.status,
        "place": found.place,
    }


def seat(found: Seat) -> Json:
    return {
        "code": found.code,
        "status": found.status,
        "lesson": lesson(found.lesson),
        "student": person(found.student),
        "price": money(found.price),
        "policy": found.policy,
        "moves": found.moves,
        "expires_at": iso(found.expires_at),
        "booked_at": iso(found.booked_at),
        "cancelled_at": iso(found.cancelled_at),
        "refunded": money(Money(found.refund_minor, found.currency)),
    }
