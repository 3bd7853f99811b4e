"""From a held seat to a booked one: who learns, who pays, and the money that came."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core import clock, scope
from app.core.audit import note
from app.core.crash import crash_point
from app.core.events import announce
from app.core.money import Money
from app.core.states import move_to
from app.domains.accounts.models import Person
from app.domains.booking import events, queries
from app.domains.booking.errors import TrialTaken
from app.domains.booking.models import (
    ATTENDED,
    BOOKED,
    CANCELLED,
    HELD,
    LAPSED,
    MISSED,
    SCHEDULED,
    STUDENT,
    Lesson,
    Seat,
)
from app.domains.booking.policies import Interval
from app.domains.booking.queries import PlaceOfSeat
from app.domains.booking.service.holds import check_held, check_may_hold, lapse_expired_seats
from app.domains.booking.service.occupation import (
    Claim,
    claims_of,
    is_expired,
    is_group,
    lapse,
    lock_seat,
    occupy,
    prolong,
    slot_taken,
    vacate,
    vacate_student,
)
from app.domains.catalog.models import TRIAL
from app.domains.earnings import service as earnings
from app.domains.payments import service as payments
from app.domains.payments.models import OPEN, Order, OrderLine
from app.domains.tenancy import queries as tenancy

KIND = "seat"  # what order lines say of themselves
BY_ITSELF = "WeMaster"  # who gives back what was paid for nothing


def begin_checkout(
    seat: Seat | PlaceOfSeat, *, payer: Person, student: Person, actor: str, locale: str
) -> Order:
    """Say who learns and who pays, and get the order to pay; again for the same people it is the same order.
    The student's time is held too. Raises HoldExpired, SlotTaken (the student is somewhere else then),
    TooManyHolds (it was a visitor's until now), TrialTaken."""
    order = queries.order_of_seat_for_update(seat.line_id)
    seat, lesson = lock_seat(seat, people=[student.id])
    check_held(seat)
    if seat.actor != actor:
        check_may_hold(actor)
    if lesson.offering.kind == TRIAL and queries.has_tried(student.id, lesson.tutor_id):
        raise TrialTaken
    if seat.student_id != student.id:
        _take_time(seat, lesson, student)
    if order is None and seat.line_id is not None:  # placed while we waited for the seat
        # Orders are locked first: whoever has this one may be waiting for the people that we hold.
        order = queries.order_of_seat_for_update(seat.line_id, nowait=True)
    if order is not None and order.status == OPEN and order.expires_at > clock.now():
        if order.payer_id != payer.id:
            payments.cancel_order(order)
            order = None
    else:
        order = None
    if order is None:
        order = _place_order(seat, lesson, payer=payer, actor=actor, locale=locale)
        seat.line_id = order.lines[0].id
    # At the end, so that the seat is written once.
    if seat.student_id != student.id:
        note(seat, "student chosen")
    seat.payer_id, seat.student_id, seat.actor = payer.id, student.id, actor
    return order


def _take_time(seat: Seat, lesson: Lesson, student: Person) -> None:
    """A student's, instead of the one's who was chosen before. Raises SlotTaken."""
    if seat.student_id is not None:
        vacate_student(seat)
    claim = Claim(STUDENT, student.id, Interval(lesson.starts_at, lesson.ends_at), seat.id)
    if not occupy(lesson, [claim], expires_at=seat.expires_at):
        raise slot_taken(
            lesson.tutor_id,
            lesson.ends_at - lesson.starts_at,
            after=lesson.starts_at,
            student_id=student.id,
            message=_l("%(name)s has another lesson at that time.", name=student.full_name),
        )


def _place_order(seat: Seat, lesson: Lesson, *, payer: Person, actor: str, locale: str) -> Order:
    assert seat.expires_at is not None, "what is held has an end"
    rate = lesson.offering.tax_rate
    line = payments.NewLine(
        kind=KIND,
        description=_description(lesson, locale),
        quantity=1,
        unit=seat.price,
        tax_rate_bp=rate.rate_bp if rate else 0,
        tax_code=rate.code if rate else "",
    )
    return payments.place_order(
        actor=actor, payer=payer, lines=[line], expires_at=seat.expires_at, locale=locale
    )


def _description(lesson: Lesson, locale: str) -> str:
    """What an order and its receipt say was bought, with the time in the tutor's zone."""
    begins = format_datetime(
        lesson.starts_at,
        "d MMM y, HH:mm (VV)",
        tzinfo=ZoneInfo(lesson.timezone),
        locale=locale,
    )
    if Locale.parse(locale).text_direction == "rtl":
        begins = f"\u2068{begins}\u2069"  # beside a title in Latin letters it keeps its own order
    return f"{lesson.offering.title}, {lesson.variant.name}, {begins}"[:300]


def confirm_seat(seat: Seat | PlaceOfSeat, *, line: OrderLine, was_expired: bool) -> bool:
    """Its line is paid: the seat is booked and its price shared. Paid too late, it is booked if time and
    place are still free; else it is lost, and the money goes back by itself (False). Again changes nothing.

    `was_expired` is what the order says; whether the seat is still held is looked up here, under the locks.
    """
    seat, lesson = lock_seat(seat)
    if seat.line_id != line.id:  # it was ordered anew, and this order was paid all the same
        give_back_line(line, reason=_("Another order for the same place was paid or is open."))
        return False
    if seat.status in {BOOKED, ATTENDED, MISSED}:
        return True
    if _is_obtained(seat, lesson):
        _book(seat, lesson, line, was_expired=was_expired)
        return True
    if seat.status == HELD:
        lapse(seat, lesson)
    give_back_line(line, reason=_("The time was taken before the payment arrived."))
    announce(events.SeatLost(tenant_id=seat.tenant_id, seat_id=seat.id, order_id=line.order_id))
    return False


def give_back_line(line: OrderLine, *, reason: str) -> None:
    """What was paid for a line that nobody can have any more goes back, all of it."""
    left = line.gross - Money(line.refunded_minor, line.currency)
    if left.minor:
        payments.request_refund(line, amount=left, reason=reason, by=BY_ITSELF)


def _is_obtained(seat: Seat, lesson: Lesson) -> bool:
    """Whether time and place are this seat's: still held, or free and taken again."""
    if seat.status == HELD and not is_expired(seat) and lesson.status in {HELD, SCHEDULED}:
        prolong(seat, lesson, expires_at=None)
        return True
    if seat.status == CANCELLED or lesson.starts_at <= clock.now():
        return False
    if not _has_place(seat, lesson):
        return False
    vacate(seat, lesson)
    claims = claims_of(lesson, student_id=seat.student_id, seat_id=seat.id)
    if not occupy(lesson, claims, expires_at=None):
        return False
    if seat.status != HELD:
        lesson.taken += 1
    return True


def _has_place(seat: Seat, lesson: Lesson) -> bool:
    """In a group class others may have the last place; a lesson of one's own is as it was."""
    if not is_group(lesson):
        return lesson.status in {HELD, LAPSED}
    if lesson.status != SCHEDULED:
        return False
    if seat.status == HELD:
        return True  # nobody else has claimed it, or it would have lapsed
    lapse_expired_seats(lesson)
    return lesson.taken < lesson.capacity


def _book(seat: Seat, lesson: Lesson, line: OrderLine, *, was_expired: bool) -> None:
    """The earning first, which reads its terms: seat, lesson and earning are then written at once."""
    earnings.accrue(
        seat_id=seat.id,
        tutor_id=lesson.tutor_id,
        description=line.description,
        gross=line.gross,
        tax=Money(line.tax_minor, line.currency),
        tax_rate_bp=line.tax_rate_bp,
        platform_fee_bp=tenancy.platform_fee_of(scope.tenant_id()),
    )
    move_to(seat, BOOKED)
    seat.booked_at, seat.expires_at = clock.now(), None
    note(seat, "booked late" if was_expired else "booked")
    if lesson.status != SCHEDULED:
        move_to(lesson, SCHEDULED)
    lesson.sequence += 1
    crash_point("seat.booked")
    announce(events.SeatBooked(tenant_id=seat.tenant_id, seat_id=seat.id))
