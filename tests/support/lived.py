"""The main job lived through the services, on the test world: what is sold, and seats in each state.

Small steps that fit together (`publish`, `hold`, `place`, `pay`, `book`, …), each an edge's transaction of its
own, and `live`, a company in which everything has happened that can happen to a seat.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.booking import jobs as booking_jobs
from app.domains.booking import queries
from app.domains.booking import service as booking
from app.domains.booking.models import Lesson, Seat
from app.domains.catalog import queries as catalog_queries
from app.domains.catalog import service as catalog
from app.domains.catalog.models import GROUP, ONE_TO_ONE, TRIAL, Offering, Subject, TaxRate
from app.domains.catalog.policies.content import Content, VariantContent
from app.domains.catalog.service import settings
from app.domains.earnings import jobs as earnings_jobs
from app.domains.payments import jobs as payments_jobs
from app.domains.payments import queries as payment_queries
from app.domains.payments import service as payments
from app.domains.payments.models import Order, Payment, Refund
from app.providers.payments import ProviderDispute, ProviderRefund
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW, School, add_hours
from tests.support.world import Company, World

T = TypeVar("T")

TWO_LENGTHS = (("60 minutes", 60, 4000), ("90 minutes", 90, 5500))
HALF_AN_HOUR_FREE = (("30 minutes", 30, 0),)
TAX_BP = 1900
# Every lesson of `live` is over by then, and what was earned has cleared.
AFTERWARDS = MONDAY + 21 * DAY


@contextmanager
def inside(world: World, company: Company | None = None) -> Iterator[Any]:
    """An edge's transaction in a company, by default anna's."""
    with world.app.app_context(), tenant_scope((company or world.anna).id), transaction() as session:
        yield session


def read(world: World, work: Callable[[], T], company: Company | None = None) -> T:
    with world.app.app_context(), tenant_scope((company or world.anna).id):
        return work()


def school(world: World, company: Company | None = None, **more: Any) -> School:
    """The company as the tests of booking know it; its student pays for themselves."""
    people = (company or world.anna).people
    values = {"student_id": people["student"], "other_id": people["guardian"], "payer_id": people["student"]}
    return School((company or world.anna).id, people["tutor"], **{**values, **more})


# -- What is sold ------------------------------------------------------------------------------------------


def open_up(world: World, company: Company | None = None) -> None:
    """The tutor's hours, a subject, a tax, and terms: free until a day before, then half goes back."""
    company = company or world.anna
    with inside(world, company) as session:
        add_hours(company.people["tutor"])
        settings.add_subject(name="Languages")
        session.add(TaxRate(name="VAT 19 %", code="DE19", rate_bp=TAX_BP))
        settings.add_policy(
            name="A day ahead",
            is_default=True,
            free_until_minutes=24 * 60,
            late_refund_bp=5000,
            move_until_minutes=12 * 60,
            max_moves=2,
        )


def publish(
    world: World,
    *,
    kind: str = ONE_TO_ONE,
    title: str = "Conversation",
    variants: tuple[tuple[str, int, int], ...] = TWO_LENGTHS,
    capacity: int = 1,
    company: Company | None = None,
) -> Offering:
    """Drafted by the tutor, submitted, approved. The first one opens the company up."""
    company = company or world.anna
    if read(world, lambda: db.session.scalar(select(Subject.id).limit(1)), company) is None:
        open_up(world, company)
    with inside(world, company) as session:
        content = Content(
            title=title,
            summary="In a sentence.",
            description="At length.",
            subject_id=session.scalar(select(Subject.id).limit(1)),
            capacity=capacity,
            tax_rate_id=session.scalar(select(TaxRate.id).limit(1)),
            variants=tuple(VariantContent(*variant) for variant in variants),
        )
        tutor = session.get_one(Person, company.people["tutor"])
        offering = catalog.draft_offering(tutor, kind=kind, content=content)
        return catalog.approve(catalog.submit(offering), by="Manager")


def give_date(
    world: World, offering: Offering, starts_at: dt.datetime = MONDAY, *, company: Company | None = None
) -> Lesson:
    """A group class's date."""
    with inside(world, company):
        return booking.schedule_session(
            offering=catalog_queries.offering(offering.id),
            variant=catalog_queries.variants_of(offering.id)[0],
            starts_at=starts_at,
        )


# -- How it is bought --------------------------------------------------------------------------------------


def hold(
    world: World,
    what: Offering | Lesson,
    starts_at: dt.datetime = MONDAY,
    *,
    variant: int = 0,
    actor: str = "v:lived",
    company: Company | None = None,
) -> Seat:
    """A time of an offering, or a place at a group's date, for ten minutes."""

    def work() -> Seat:
        ours = school(world, company)
        if isinstance(what, Lesson):
            return ours.seat(ours.hold_seat(what.id, actor))
        with tenant_scope(ours.tenant_id):
            variant_id = catalog_queries.variants_of(what.id)[variant].id
        sold = dataclasses.replace(ours, offering_id=what.id, variant_id=variant_id)
        return sold.seat(sold.hold(starts_at, actor))

    with world.app.app_context():
        return work()


def place(
    world: World,
    seat: Seat,
    student: str = "student",
    *,
    payer: str | None = None,
    actor: str = "u:0",
    company: Company | None = None,
) -> Order:
    """The order for a held seat, for a person by their role; they pay for themselves unless it is said."""
    people = (company or world.anna).people
    ours = school(world, company, payer_id=people[payer or student])
    with world.app.app_context():
        order_id = ours.checkout(seat.id, people[student], actor)
        with tenant_scope(ours.tenant_id):
            return payment_queries.order(order_id)


def pay(world: World, order: Order, company: Company | None = None) -> None:
    """The provider says that its money is here; an order of nothing is simply paid."""
    ours = school(world, company)
    with world.app.app_context():
        if order.total_minor:
            ours.pay(order.id)
        else:
            ours.pay_free(order.id)


def book(
    world: World,
    what: Offering | Lesson,
    student: str = "student",
    starts_at: dt.datetime = MONDAY,
    **more: Any,
) -> Seat:
    """Held, ordered and paid; `more` is for `hold`."""
    company = more.get("company")
    seat = hold(world, what, starts_at, **more)
    pay(world, place(world, seat, student, company=company), company)
    return again(world, seat, company)


def again(world: World, seat: Seat, company: Company | None = None) -> Seat:
    """The seat as it stands now, with its lesson."""
    return read(world, lambda: queries.seat(seat.id), company)


# -- What becomes of it ------------------------------------------------------------------------------------


def cancel(world: World, seat: Seat, *, at: dt.datetime, company: Company | None = None) -> Seat:
    """By its student; what goes back is on its way."""
    with clock.frozen(at), inside(world, company):
        booking.cancel_seat(queries.seat(seat.id), by="Student", reason="ill")
    return again(world, seat, company)


def call_off(world: World, lesson: Lesson, *, at: dt.datetime, company: Company | None = None) -> None:
    """By the tutor."""
    with clock.frozen(at), inside(world, company):
        booking.cancel_lesson(queries.lesson(lesson.id), by="Tutor", reason="flu")


def move(
    world: World, seat: Seat, *, to: dt.datetime | Lesson, at: dt.datetime, company: Company | None = None
) -> Seat:
    with clock.frozen(at), inside(world, company):
        where: dict[str, Any] = {"lesson_id": to.id} if isinstance(to, Lesson) else {"starts_at": to}
        booking.move_seat(queries.seat(seat.id), by="Student", **where)
    return again(world, seat, company)


def mark(
    world: World, seat: Seat, *, attended: bool, at: dt.datetime | None = None, company: Company | None = None
) -> Seat:
    """After the lesson, unless it is said when."""
    with clock.frozen(at or again(world, seat, company).lesson.ends_at), inside(world, company):
        booking.mark_attendance(queries.seat(seat.id), attended=attended)
    return again(world, seat, company)


def review(
    world: World,
    offering: Offering,
    rating: int,
    text: str = "Clear and kind.",
    *,
    at: dt.datetime,
    student: str = "student",
    company: Company | None = None,
) -> None:
    """By a student who came."""
    with clock.frozen(at), inside(world, company) as session:
        person = session.get_one(Person, (company or world.anna).people[student])
        catalog.write_review(
            catalog_queries.offering(offering.id), student=person, author=person, rating=rating, text=text
        )


def refunds_arrive(
    world: World, *, status: str = "succeeded", at: dt.datetime | None = None, company: Company | None = None
) -> None:
    """The provider says so of all refunds that it was asked for."""
    with clock.frozen(at or clock.now()), inside(world, company) as session:
        for refund in session.scalars(select(Refund).where(Refund.status == "requested").order_by(Refund.id)):
            payments.record_refund(refund.id, _seen(refund, status))


def _seen(refund: Refund, status: str) -> ProviderRefund:
    return ProviderRefund(
        id=f"re_{refund.code}",
        payment_id=db.session.get_one(Payment, refund.payment_id).provider_ref or "",
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        status=status,  # type: ignore[arg-type]
        metadata={},
        failure_code="expired_or_canceled_card" if status == "failed" else None,
    )


def dispute(
    world: World,
    seat: Seat,
    status: str = "needs_response",
    *,
    at: dt.datetime | None = None,
    company: Company | None = None,
) -> None:
    """The bank of whoever paid for the seat takes the money back, or decides (`won`, `lost`)."""
    with clock.frozen(at or clock.now()), inside(world, company) as session:
        line = payment_queries.line(seat.line_id or 0)
        payment = session.scalars(select(Payment).where(Payment.order_id == line.order_id)).one()
        seen = ProviderDispute(
            id=f"dp_{payment.code}",
            payment_id=payment.provider_ref or "",
            amount_minor=payment.captured_minor - payment.refunded_minor,
            currency=payment.currency,
            status=status,
            reason="fraudulent",
        )
        payments.record_dispute(payment.id, seen)


def time_passes(world: World, to: dt.datetime) -> None:
    """The recurring work of business time, as it is done at that moment."""
    with clock.frozen(to), world.app.app_context():
        for work in (
            booking_jobs.lapse_holds,
            payments_jobs.expire_orders,
            booking_jobs.finish_lessons,
            earnings_jobs.clear_due,
        ):
            work()


# -- A whole life ------------------------------------------------------------------------------------------


@dataclass
class Life:
    """What a company sells, and its seats by what became of them."""

    offering: Offering
    group: Offering
    trial: Offering
    dates: tuple[Lesson, Lesson]
    seats: dict[str, Seat] = field(default_factory=dict)


def live(world: World, company: Company | None = None) -> Life:
    """Everything that can happen to a seat happens once, from `NOW` to `AFTERWARDS`."""
    of: dict[str, Any] = {"company": company}
    with clock.frozen(NOW):
        offering = publish(world, **of)
        group = publish(
            world, kind=GROUP, title="Evening class", variants=(("2 hours", 120, 2400),), capacity=3, **of
        )
        trial = publish(world, kind=TRIAL, title="First half hour", variants=HALF_AN_HOUR_FREE, **of)
        evening = MONDAY + 8 * HOUR
        dates = give_date(world, group, evening, **of), give_date(world, group, evening + DAY, **of)
        life = Life(offering, group, trial, dates)
        _buy(world, life, of)
    _let_happen(world, life, of)
    for moment in (NOW + HOUR, MONDAY + 7 * DAY, AFTERWARDS):
        time_passes(world, moment)
    with clock.frozen(AFTERWARDS):
        life.seats["booked"] = book(world, offering, starts_at=AFTERWARDS + 2 * DAY, **of)
        life.seats["held"] = hold(world, offering, AFTERWARDS + 3 * DAY, **of)
        life.seats["ordered"] = hold(world, offering, AFTERWARDS + 4 * DAY, **of)
        place(world, life.seats["ordered"], **of)
    life.seats = {name: again(world, seat, company) for name, seat in life.seats.items()}
    return life


def _buy(world: World, life: Life, of: dict[str, Any]) -> None:
    """At `NOW`: a lesson for each fate, one a day, the student's and the guardian's."""
    seats = life.seats
    for number, fate in enumerate(("attended", "missed", "cancelled", "late", "failed", "moved", "disputed")):
        seats[fate] = book(world, life.offering, starts_at=MONDAY + number * DAY, variant=number % 2, **of)
    seats["lost_dispute"] = book(world, life.offering, "guardian", MONDAY + 3 * HOUR, **of)
    seats["called_off"] = book(world, life.offering, "guardian", MONDAY + DAY + 3 * HOUR, **of)
    seats["tried"] = book(world, life.trial, starts_at=MONDAY + DAY + 5 * HOUR, **of)
    seats["placed"] = book(world, life.dates[0], **of)
    seats["another"] = book(world, life.dates[0], "guardian", **of)
    seats["lapsed"] = hold(world, life.offering, MONDAY + 8 * DAY, **of)
    place(world, seats["lapsed"], **of)
    seats["given_up"] = hold(world, life.offering, MONDAY + 9 * DAY, actor="v:other", **of)
    with inside(world, of["company"]):
        booking.release_hold(queries.seat(seats["given_up"].id))


def _let_happen(world: World, life: Life, of: dict[str, Any]) -> None:
    seats = life.seats
    _pay_too_late(world, life, of)
    for fate in ("disputed", "lost_dispute"):
        dispute(world, seats[fate], at=NOW + HOUR, **of)
    cancel(world, seats["cancelled"], at=NOW + DAY, **of)
    refunds_arrive(world, at=NOW + DAY, **of)
    cancel(world, seats["failed"], at=NOW + DAY, **of)
    refunds_arrive(world, status="failed", at=NOW + DAY, **of)
    cancel(world, seats["late"], at=seats["late"].lesson.starts_at - 2 * HOUR, **of)
    call_off(world, seats["called_off"].lesson, at=NOW + DAY, **of)
    move(world, seats["moved"], to=MONDAY + 11 * DAY, at=NOW + DAY, **of)
    move(world, seats["another"], to=life.dates[1], at=NOW + DAY, **of)
    mark(world, seats["attended"], attended=True, **of)
    mark(world, seats["missed"], attended=False, **of)
    mark(world, seats["lost_dispute"], attended=True, **of)
    review(world, life.offering, 4, at=MONDAY + DAY, **of)
    dispute(world, seats["lost_dispute"], "lost", at=MONDAY + 2 * DAY, **of)


def _pay_too_late(world: World, life: Life, of: dict[str, Any]) -> None:
    """When somebody else has the time already."""
    starts_at, seats, company = MONDAY + 10 * DAY, life.seats, of["company"]
    with clock.frozen(NOW), world.app.app_context():
        seats["lost"] = hold(world, life.offering, starts_at, actor="v:slow", **of)
        payment_id = school(world, company).start_payment(place(world, seats["lost"], **of).id)
    with clock.frozen(NOW + HOUR), world.app.app_context():
        seats["quick"] = book(world, life.offering, "guardian", starts_at, actor="v:quick", **of)
        school(world, company).capture(payment_id)
