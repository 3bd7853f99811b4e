"""`/checkout/<code>`: from a held time to the order that is paid. A hold's code is the key to it: whoever has
it may go on with a visitor's hold once they have signed in; what an account holds is that account's."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _

from app.core import clock
from app.core.errors import NotFound
from app.core.locales import reader_locale
from app.core.money import Money
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web import headers
from app.core.web.csrf import keeps_text
from app.core.web.viewing import on_tenant, to_sign_in, viewer
from app.core.web.visitor import actor, actors
from app.domains.accounts.models import GUARDIAN
from app.domains.booking import queries, service
from app.domains.booking.errors import HoldExpired, HoldNotRenewable, SlotTaken, TooManyHolds, TrialTaken
from app.domains.booking.forms import SEAT_CODE, StudentForm
from app.domains.booking.models import BOOKED, CANCELLED, HELD, LAPSED, RELEASED, Seat
from app.domains.booking.portal import times
from app.domains.booking.portal.learners import Learners
from app.domains.booking.portal.picker import Time, alternatives
from app.domains.booking.portal.times import DateBlock
from app.domains.booking.portal.words import deadlines, money_words, price_words
from app.domains.booking.queries import SeatReserved
from app.domains.catalog.models import GROUP
from app.domains.payments import queries as payment_queries
from app.domains.payments import service as payments
from app.domains.payments.jobs import payer_page_origin
from app.domains.payments.policies import belongs_to, tax_within

bp = Blueprint("reservation", __name__, template_folder="../templates")

T = TypeVar("T", Seat, SeatReserved, queries.PlaceOfSeat)

_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)


@dataclass(frozen=True)
class Reserved:
    """What is held: the upper half of the page."""

    code: str
    url: str
    title: str
    variant: str
    tutor: str
    place: str
    when: str
    zone: str
    tutors_when: str
    tutors_zone: str
    date: DateBlock
    price: str
    tax: str
    deadlines: Sequence[str]
    offering_url: str
    hold_url: str
    variant_id: int
    is_group: bool


@dataclass(frozen=True)
class HoldClock:
    """How long it is held: until when, and so many seconds from now."""

    expires_at: dt.datetime
    until: str
    seconds_left: int
    may_renew: bool


@bp.get("/checkout/<code>")
def show(code: str) -> Any:
    """Who learns, what it costs and until when it is held; or what became of it."""
    seat = _enter(code)
    if not isinstance(seat, SeatReserved):
        return seat
    return _page(seat)


@bp.post("/checkout/<code>")
@keeps_text
def order(code: str) -> Any:
    """Say who learns; on to the payment, or straight to the lesson where it costs nothing."""
    place, who = _of_viewer(code, queries.place_of_code), viewer()
    if who is None:  # the sign-in ended meanwhile
        return redirect(url_for("accounts.login", next=url_for("reservation.show", code=place.code)))
    learners = Learners(who)
    form = learners.form(None)
    if not form.validate():
        return _page(_seen(code), form=form, status=422)
    try:
        with transaction():
            placed = service.begin_checkout(
                place,
                payer=learners.payer(),
                student=learners.chosen(form.student.data),
                actor=actor(),
                locale=str(reader_locale()),
            )
            is_free = not placed.total_minor
            if is_free:
                payments.pay_free(placed)
    except SlotTaken as error:
        form.show_refusal(error)
        found = alternatives(error.data.get("alternatives", ()), times.viewer_zone())
        return _page(_seen(code), form=form, others=found, status=error.status)
    except (TooManyHolds, TrialTaken) as error:
        form.show_refusal(error)
        return _page(_seen(code), form=form, status=error.status)
    except HoldExpired as error:
        return _page(_seen(code), status=error.status)
    if is_free:
        flash(_("It is booked. We have sent you a mail with everything you need."), "success")
        return redirect(url_for("learn.lesson", code=code.upper()))
    return redirect(url_for("reservation.check", code=code.upper()))


@bp.get("/checkout/<code>/check")
def check(code: str) -> Any:
    """Everything once more before it is paid: who, when, how much, and until when it can be cancelled."""
    seat = _enter(code)
    if not isinstance(seat, SeatReserved):
        return seat
    order_url = _order_url(seat, viewer(), "pay")
    if not _is_held(seat, clock.now()) or order_url is None or not seat.student or not seat.price_minor:
        return redirect(url_for("reservation.show", code=seat.code))
    # The button leads to the provider's host, and browsers hold form-action against redirects, too.
    headers.let_forms_lead_to(payer_page_origin())
    reserved = _reserved(seat)
    return render_template(
        "booking/check.html",
        reserved=reserved,
        learner=seat.student,
        clock=_clock(seat, clock.now(), reserved.zone),
        pay_url=order_url,
    )


@bp.get("/orders/<code>/booking")
def of_order(code: str) -> Any:
    """From an order, which knows no lessons, to what was booked with it: the check while it can be paid, what
    happens next once it is."""
    on_tenant()
    who, found = viewer(), payment_queries.order_seen(code)
    if not belongs_to(found, person_id=who.person_id if who else None, actors=actors()):
        raise NotFound
    seats = [seat for line in found.lines for seat in queries.seats_of_line(line.id)]
    if not seats:
        raise NotFound
    step = "check" if _is_held(seats[0], clock.now()) else "show"
    return redirect(url_for(f"reservation.{step}", code=seats[0].code))


@bp.post("/checkout/<code>/renew")
def renew(code: str) -> Any:
    """Ten minutes more, once."""
    seat = _of_viewer(code, queries.seat_by_code)
    try:
        with transaction():
            service.renew_hold(seat)
    except (HoldNotRenewable, HoldExpired) as error:
        flash(str(error), "warning")
    else:
        flash(_("You have ten minutes more."), "success")
    return redirect(url_for("reservation.show", code=seat.code))


@bp.post("/checkout/<code>/release")
def release(code: str) -> Any:
    """Give it up; others can have it at once."""
    seat = _of_viewer(code, queries.seat_by_code)
    slug = seat.lesson.offering.slug
    with transaction():
        service.release_hold(seat)
    flash(_("Your reservation is released."), "success")
    return redirect(url_for("booking.show", slug=slug))


# -- Whose it is -------------------------------------------------------------------------------------------


def _of_viewer(code: str, read: Callable[[str], T]) -> T:
    """The seat as it is read. Raises NotFound for a code that is none, or somebody else's."""
    on_tenant()
    if not SEAT_CODE.fullmatch(code.upper()):
        raise NotFound
    seat = read(code.upper())
    if not _is_open_to_viewer(seat):
        raise NotFound
    return seat


def _seen(code: str) -> SeatReserved:
    """What pages show of it. Raises NotFound."""
    return _of_viewer(code, queries.seat_reserved)


def _is_open_to_viewer(seat: Seat | SeatReserved | queries.PlaceOfSeat) -> bool:
    if seat.actor.startswith("v:") and seat.status in {HELD, LAPSED, RELEASED}:
        return True
    who = viewer()
    mine = who is not None and who.person_id is not None and who.person_id in {seat.payer_id, seat.student_id}
    return mine or seat.actor in actors()


def _enter(code: str) -> Any:
    """The seat; a visitor is asked to sign in for whatever they can't see, whether there is such a thing or
    not."""
    try:
        return _seen(code)
    except NotFound:
        if viewer() is None:
            return to_sign_in()
        raise


# -- The page ----------------------------------------------------------------------------------------------


def _page(
    seat: SeatReserved, *, form: StudentForm | None = None, others: Sequence[Time] = (), status: int = 200
) -> Any:
    who, now = viewer(), clock.now()
    reserved = _reserved(seat)
    if seat.status not in {HELD, LAPSED, RELEASED}:
        is_off = seat.status == CANCELLED
        page = render_template(
            "booking/checkout_done.html", reserved=reserved, is_off=is_off, **_next_steps(seat, who)
        )
        return page, status
    if not _is_held(seat, now):
        page = render_template(
            "booking/checkout_over.html",
            reserved=reserved,
            others=_others(seat, now, reserved.zone),
            was_released=seat.status == RELEASED,
            order_url=_order_url(seat, who),
        )
        return page, status
    learners = Learners(who)
    here = url_for("reservation.show", code=seat.code)
    page = render_template(
        "booking/checkout.html",
        reserved=reserved,
        clock=_clock(seat, now, reserved.zone),
        form=form or learners.form(seat),
        learners=learners.choices,
        others=others,
        may_book=who is not None and who.person_id is not None,
        is_guardian=who is not None and GUARDIAN in who.role_keys,
        is_free=not seat.price_minor,
        login_url=url_for("accounts.login", next=here),
        register_url=url_for("registration.register", next=here),
        child_url=url_for("family.add", next=here),
    )
    return page, status


def _is_held(seat: Seat | SeatReserved, now: dt.datetime) -> bool:
    return seat.status == HELD and seat.expires_at is not None and seat.expires_at > now


def _next_steps(seat: SeatReserved, who: Viewer | None) -> dict[str, Any]:
    """Where somebody goes who has booked; nothing for a lesson that is not theirs to see."""
    mine = who is not None and who.person_id in {seat.payer_id, seat.student_id}
    is_mine = mine and seat.student_id is not None
    message = f"/messages/with/{seat.tutor_id}/{seat.student_id}"
    file = url_for("learn.calendar_file", code=seat.code)
    return {
        "is_free": not seat.price_minor,
        "calendar_url": file if is_mine and seat.status == BOOKED else None,
        "message_url": message if is_mine else None,
        "order_url": _order_url(seat, who),
    }


def _clock(seat: SeatReserved, now: dt.datetime, zone: str) -> HoldClock:
    expires_at = seat.expires_at
    assert expires_at is not None, "what is held has an end"
    return HoldClock(
        expires_at=expires_at,
        until=times.time_words(expires_at, zone),
        seconds_left=max(0, int((expires_at - now).total_seconds())),
        may_renew=not seat.renewals,
    )


def _reserved(seat: SeatReserved) -> Reserved:
    zone = times.viewer_zone()
    differs = not times.same_clock(zone, seat.timezone, seat.starts_at)
    return Reserved(
        code=seat.code,
        url=url_for("reservation.show", code=seat.code),
        title=seat.title,
        variant=seat.variant,
        tutor=seat.tutor,
        place=_place_words(seat.place or ""),
        when=times.span_words(seat.starts_at, seat.ends_at, zone),
        zone=zone,
        date=times.date_block(seat.starts_at, zone),
        tutors_when=times.span_words(seat.starts_at, seat.ends_at, seat.timezone) if differs else "",
        tutors_zone=times.zone_words(seat.timezone),
        price=price_words(seat.price),
        tax=_tax_words(seat.price, seat.tax_rate_bp, seat.tax_name or "") if seat.tax_rate_bp else "",
        deadlines=deadlines(seat, zone),
        offering_url=url_for("booking.show", slug=seat.slug, variant=seat.variant_id),
        hold_url=url_for("booking.hold", slug=seat.slug),
        variant_id=seat.variant_id,
        is_group=seat.kind == GROUP,
    )


def _place_words(place: str) -> str:
    """A link to a call is for those alone who have booked."""
    return _("Online. You get the link with your booking.") if _LINK.search(place) else place


def _tax_words(price: Money, rate_bp: int, name: str) -> str:
    if not price.minor:
        return ""
    return _("%(tax)s of it is %(name)s.", tax=money_words(tax_within(price, rate_bp)), name=name)


def _others(seat: SeatReserved, now: dt.datetime, zone: str) -> list[Time]:
    """The next free times, the same one first where nobody has taken it."""
    if seat.kind == GROUP:
        return []
    found = queries.alternatives(
        seat.tutor_id,
        seat.ends_at - seat.starts_at,
        after=max(now, seat.starts_at),
        student_id=seat.student_id,
        count=6,
    )
    return alternatives(found, zone)


def _order_url(seat: SeatReserved, who: Viewer | None, what: str = "orders") -> str | None:
    """What was ordered for it, for whoever ordered: a payment may be under way."""
    if seat.order is None or who is None or seat.payer_id != who.person_id:
        return None
    return f"/{what}/{seat.order}"
