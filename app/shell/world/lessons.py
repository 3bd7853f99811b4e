"""What becomes of lessons in a demo company: booked and paid, moved, cancelled, marked, disputed."""

from __future__ import annotations

from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select

from app.core import audit, clock
from app.core.db import db
from app.core.errors import NotFound
from app.core.rounds import for_each_row
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.booking import queries
from app.domains.booking import service as booking
from app.domains.booking.models import Lesson, Seat
from app.domains.catalog import queries as catalog
from app.domains.catalog.models import GROUP, Offering
from app.domains.earnings import queries as earning_queries
from app.domains.earnings import service as earnings
from app.domains.payments import queries as payment_queries
from app.domains.payments import service as payments
from app.domains.payments.models import SUCCEEDED, Order, Payment, Refund
from app.shell.world import deeds
from app.shell.world.deeds import SeatRef
from app.shell.world.house import WEBHOOKS_FOR, House

BATCH = 500


def give_date(house: House, deed: deeds.GivesDate) -> None:
    with tenant_scope(house.tenant_id):
        offering = house.offering(deed.offer)
        tutor = str(offering.tutor)
        if _session(offering, deed.starts_at) is not None:
            return
    with house.inside(tutor):
        offering = house.offering(deed.offer)
        booking.schedule_session(
            offering=offering,
            variant=catalog.variants_of(offering.id)[0],
            starts_at=deed.starts_at,
        )


def book(house: House, deed: deeds.Books) -> None:
    """Held, ordered and paid, as on the pages. What costs something needs the simulator."""
    ref = deed.seat
    with tenant_scope(house.tenant_id):
        offering = house.offering(ref.offer)
        price = catalog.variants_of(offering.id)[ref.variant].price_minor
        if house.seat_id(ref) is not None or (price and house.till is None):
            return
    with house.inside(ref.payer):
        seat, order = _ordered(house, ref)
        if not price:
            payments.pay_free(order)
    house.follow_ups.carry_out()
    if price and house.till is not None:
        by_post = deed.at > house.now - WEBHOOKS_FOR
        with tenant_scope(house.tenant_id):
            house.till.pay(order.id, deed.pays, by_post=by_post)
    if deed.pays != deeds.GAVE_UP:
        house.seats[ref] = seat.id


def _ordered(house: House, ref: SeatRef) -> tuple[queries.PlaceOfSeat, Order]:
    offering = house.offering(ref.offer)
    actor = f"u:{house.login(ref.payer).user_id}"
    if offering.kind == GROUP:
        lesson = _session(offering, ref.starts_at)
        assert lesson is not None, "a group has dates before somebody books one"
        seat = booking.hold_seat(lesson_id=lesson.id, actor=actor)
    else:
        variant = catalog.variants_of(offering.id)[ref.variant]
        seat = booking.hold_slot(offering=offering, variant=variant, starts_at=ref.starts_at, actor=actor)
    order = booking.begin_checkout(
        seat,
        payer=house.person(ref.payer),
        student=house.person(ref.learner),
        actor=actor,
        locale=house.company.locale,
    )
    return seat, order


def _session(offering: Offering, starts_at: object) -> Lesson | None:
    found = select(Lesson).where(Lesson.offering_id == offering.id, Lesson.starts_at == starts_at)
    return db.session.scalars(found.order_by(Lesson.id).limit(1)).one_or_none()


def look(house: House, deed: deeds.Looks) -> None:
    """Held by somebody who is not signed in, and that was all."""
    visitor = f"v:{uuid5(NAMESPACE_OID, f'{house.seed} {house.company.slug} {deed.number}').hex}"
    with (
        audit.acting(audit.Actor("visitor", None, "Visitor")),
        tenant_scope(house.tenant_id),
        transaction(),
    ):
        offering = house.offering(deed.offer)
        variant = catalog.variants_of(offering.id)[0]
        booking.hold_slot(offering=offering, variant=variant, starts_at=deed.starts_at, actor=visitor)


def move(house: House, deed: deeds.Moves) -> None:
    with house.inside(deed.seat.payer):
        seat = _seat(house, deed.seat)
        if seat.lesson.starts_at != deed.to:
            booking.move_seat(seat, starts_at=deed.to, by=deed.seat.payer)


def cancel(house: House, deed: deeds.Cancels) -> None:
    with house.inside(deed.seat.payer):
        seat = _seat(house, deed.seat)
        if seat.cancelled_at is None:
            booking.cancel_seat(seat, by=deed.seat.payer, reason=deed.reason)


def call_off(house: House, deed: deeds.CallsOff) -> None:
    with tenant_scope(house.tenant_id):
        tutor = str(house.offering(deed.seat.offer).tutor)
    with house.inside(tutor):
        seat = _seat(house, deed.seat)
        if seat.cancelled_at is None:
            booking.cancel_lesson(queries.lesson(seat.lesson_id), by=tutor, reason=deed.reason)


def mark(house: House, deed: deeds.Marks) -> None:
    with house.inside(deed.tutor):
        for ref, came in deed.came:
            booking.mark_attendance(_seat(house, ref), attended=came)


def _seat(house: House, ref: SeatRef) -> Seat:
    """Raises NotFound for one that was not bought."""
    found = house.seat_id(ref)
    if found is None:
        raise NotFound
    return queries.seat(found)


def go_round(house: House, _deed: deeds.Rounds) -> None:
    """The recurring work of the house, for this company alone: the others live at another time."""
    with tenant_scope(house.tenant_id):
        for_each_row(queries.expired_holds(BATCH), lambda row: booking.lapse_hold(queries.seat(row)))
        orders = [row_id for _tenant, row_id in payment_queries.expired_orders(clock.now(), BATCH)]
        for_each_row(orders, lambda row: payments.expire_order(payment_queries.order(row)))
        for_each_row(queries.unmarked_lessons(BATCH), lambda row: booking.auto_mark(queries.lesson(row)))
        with transaction():
            for earning in earning_queries.due_for_update(clock.now(), BATCH):
                earnings.clear(earning)


def dispute(house: House, deed: deeds.Disputes) -> None:
    if house.till is not None:
        with tenant_scope(house.tenant_id):
            payment = _payment(house, deed.seat)
            if payment is not None:
                house.till.dispute(payment)


def bounce(house: House, deed: deeds.Bounces) -> None:
    """A refund that arrived comes back."""
    if house.till is None:
        return
    with tenant_scope(house.tenant_id):
        payment = _payment(house, deed.seat)
        refund = (
            payment
            and db.session.scalars(
                select(Refund).where(Refund.payment_id == payment.id, Refund.status == SUCCEEDED).limit(1)
            ).one_or_none()
        )
        if payment is not None and refund is not None:
            house.till.bounce(refund, payment.provider_ref or "")


def _payment(house: House, ref: SeatRef) -> Payment | None:
    seat = _seat(house, ref)
    if seat.line_id is None:
        return None
    order_id = payment_queries.line(seat.line_id).order_id
    return next((row for row in payment_queries.payments_of(order_id) if row.captured_minor), None)
