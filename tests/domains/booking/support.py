"""What the tests of booking share: a tutor with hours and offerings, holds, payments and the books."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.events import Wiring
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.booking import events, policies, queries, reactions, service
from app.domains.booking.models import AvailabilitySchedule, Lesson, Occupation, Seat
from app.domains.booking.service import NewTerms, Stretch
from app.domains.catalog.models import GROUP, ONE_TO_ONE, PUBLISHED, Offering, Variant
from app.domains.earnings import queries as earnings
from app.domains.earnings.models import Earning
from app.domains.ledger import queries as ledger
from app.domains.payments import events as payment_events
from app.domains.payments import queries as payment_queries
from app.domains.payments import service as payments
from app.domains.payments.models import Order, Payment
from app.providers.payments import ProviderDispute, ProviderPayment
from tests.support.world import make_company

# A Monday, far from any change of clocks; everybody's Monday 10:00 in Berlin is 09:00 UTC.
NOW = dt.datetime(2027, 1, 11, 6, 0, tzinfo=dt.UTC)
MONDAY = dt.datetime(2027, 1, 18, 9, 0, tzinfo=dt.UTC)
HOUR, MINUTE, DAY = dt.timedelta(hours=1), dt.timedelta(minutes=1), dt.timedelta(days=1)
EVERY_DAY = [Stretch(day, 8 * 60, 20 * 60) for day in range(7)]
_numbers = itertools.count(1)


@dataclass
class Heard:
    """The events of booking, in the order in which they were announced."""

    all: list[Any] = field(default_factory=list)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.all if isinstance(event, kind)]


@dataclass
class School:
    """One company: a tutor in Berlin with a weekday's hours, an offering with a variant of an hour for 40.00,
    and two students. Everything is done in transactions of their own, as edges do it."""

    tenant_id: int
    tutor_id: int
    student_id: int
    other_id: int
    payer_id: int
    offering_id: int = 0
    variant_id: int = 0
    group_id: int = 0
    group_variant_id: int = 0
    heard: Heard = field(default_factory=Heard)

    @contextmanager
    def inside(self) -> Iterator[Any]:
        with tenant_scope(self.tenant_id), transaction() as session:
            yield session

    def do(self, work: Callable[[], Any]) -> Any:
        with self.inside():
            return work()

    @property
    def offering(self) -> Offering:
        return db.session.get_one(Offering, self.offering_id)

    @property
    def variant(self) -> Variant:
        return db.session.get_one(Variant, self.variant_id)

    def hold(self, starts_at: dt.datetime = MONDAY, actor: str = "v:a") -> int:
        """A held slot's seat."""
        return self.do(
            lambda: (
                service.hold_slot(
                    offering=self.offering, variant=self.variant, starts_at=starts_at, actor=actor
                ).id
            )
        )

    def session(self, starts_at: dt.datetime = MONDAY, capacity: int = 2) -> int:
        """A group class's date."""
        return self.do(
            lambda: (
                service.schedule_session(
                    offering=db.session.get_one(Offering, self.group_id),
                    variant=db.session.get_one(Variant, self.group_variant_id),
                    starts_at=starts_at,
                    capacity=capacity,
                ).id
            )
        )

    def hold_seat(self, lesson_id: int, actor: str = "v:a") -> int:
        return self.do(lambda: service.hold_seat(lesson_id=lesson_id, actor=actor).id)

    def checkout(self, seat_id: int, student_id: int | None = None, actor: str | None = None) -> int:
        """The order for a held seat, by an account that holds no other where none is named."""
        return self.do(
            lambda: (
                service.begin_checkout(
                    queries.seat(seat_id),
                    payer=db.session.get_one(Person, self.payer_id),
                    student=db.session.get_one(Person, student_id or self.student_id),
                    actor=actor or f"u:{seat_id}",
                    locale="en",
                ).id
            )
        )

    def pay(self, order_id: int) -> None:
        """The provider says that an order's money is here."""
        payment_id = self.start_payment(order_id)
        self.capture(payment_id)

    def start_payment(self, order_id: int) -> int:
        def work() -> int:
            order = db.session.get_one(Order, order_id)
            return payments.open_payment(order.id, provider="mock").id

        return self.do(work)

    def capture(self, payment_id: int) -> None:
        def work() -> None:
            payment = db.session.get_one(Payment, payment_id)
            seen = ProviderPayment(
                id=payment.provider_ref or f"pi_{payment.code}",
                status="succeeded",
                client_secret="secret",
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                captured_minor=payment.amount_minor,
                refunded_minor=0,
                fee_minor=None,
                fee_currency=None,
                failure_code=None,
                metadata={},
                created_at=clock.machine_now(),
            )
            payments.record_payment(payment_id, seen)

        self.do(work)

    def pay_free(self, order_id: int) -> None:
        self.do(lambda: payments.pay_free(db.session.get_one(Order, order_id)) and None)

    def book(self, starts_at: dt.datetime = MONDAY, student_id: int | None = None, actor: str = "v:a") -> int:
        """A paid seat."""
        seat_id = self.hold(starts_at, actor)
        self.pay(self.checkout(seat_id, student_id))
        return seat_id

    def book_place(self, lesson_id: int, student_id: int | None = None, actor: str = "v:a") -> int:
        """A paid place in a group class."""
        seat_id = self.hold_seat(lesson_id, actor)
        self.pay(self.checkout(seat_id, student_id))
        return seat_id

    def cancel(self, seat_id: int) -> int:
        return self.do(lambda: service.cancel_seat(queries.seat(seat_id), by="Sam", reason="ill").minor)

    def move(self, seat_id: int, starts_at: dt.datetime) -> None:
        self.do(lambda: service.move_seat(queries.seat(seat_id), starts_at=starts_at, by="Sam") and None)

    def seat(self, seat_id: int) -> Seat:
        """As it stands, readable outside of the transaction."""
        with tenant_scope(self.tenant_id):
            return queries.seat(seat_id)

    def lesson_of(self, seat_id: int) -> Lesson:
        return self.seat(seat_id).lesson

    def history(self, thing: str, thing_id: int) -> list[tuple[str, str | None]]:
        """What the trail says was done to a row of this table, and why; oldest first."""
        with tenant_scope(self.tenant_id):
            found = db.session.query(AuditEntry).filter_by(thing_type=thing, thing_id=thing_id)
            return [(entry.verb, entry.reason) for entry in found.order_by(AuditEntry.id)]

    def preview(self, seat_id: int, moment: dt.datetime) -> tuple[int, str]:
        """What would go back if it was cancelled then, and why."""
        seat = self.seat(seat_id)
        found = policies.refund_due(seat, seat.lesson.starts_at, moment)
        return found.amount.minor, found.why

    def earning(self, seat_id: int) -> Earning:
        with tenant_scope(self.tenant_id):
            found = earnings.of_seat(seat_id)
            assert found is not None
            return found

    def occupied(self) -> int:
        """How many stretches of anybody's time are taken."""
        with tenant_scope(self.tenant_id):
            return db.session.query(Occupation).count()

    def dispute(self, seat_id: int, status: str, ref: str = "dp_1") -> None:
        """What the provider says of the payment of a seat."""

        def work() -> None:
            order = payment_queries.order_of_line(queries.seat(seat_id).line_id or 0)
            (payment,) = payment_queries.payments_of(order.id)
            seen = ProviderDispute(
                id=ref,
                payment_id=payment.provider_ref or "",
                status=status,
                reason="fraudulent",
                amount_minor=payment.amount_minor,
                currency="EUR",
            )
            payments.record_dispute(payment.id, seen)

        self.do(work)

    def balance(self, code: str, person_id: int | None = None) -> int:
        with tenant_scope(self.tenant_id):
            return ledger.balance(code, "EUR", person_id).minor


def make_school(heard: Heard | None = None, slug: str = "anna") -> School:
    """In an app context."""
    anna = make_company(slug)
    with tenant_scope(anna.id), transaction():
        other = Person(full_name="Olaf Other")
        db.session.add(other)
        db.session.flush()
        school = School(
            anna.id,
            anna.people["tutor"],
            anna.people["student"],
            other.id,
            anna.people["guardian"],
            heard=heard or Heard(),
        )
        add_hours(school.tutor_id)
        school.offering_id, school.variant_id = add_offering(school.tutor_id)
        school.group_id, school.group_variant_id = add_offering(school.tutor_id, kind=GROUP, capacity=5)
    return school


def add_hours(tutor_id: int, **terms: Any) -> AvailabilitySchedule:
    """From 8 to 20, every day, in Berlin."""
    rules = terms.pop("rules", EVERY_DAY)
    tutor = db.session.get_one(Person, tutor_id)
    schedule = service.set_schedule(tutor, terms=NewTerms(**{"timezone": "Europe/Berlin", **terms}))
    return service.set_week(schedule, rules=rules)


def add_offering(
    tutor_id: int, kind: str = ONE_TO_ONE, capacity: int = 1, price: int = 4000, minutes: int = 60
) -> tuple[int, int]:
    """A published offering and its variant."""
    number = next(_numbers)
    offering = Offering(
        tutor_id=tutor_id,
        kind=kind,
        status=PUBLISHED,
        title=f"Maths {number}",
        slug=f"maths-{number}",
        capacity=capacity,
    )
    db.session.add(offering)
    db.session.flush()
    variant = Variant(
        offering_id=offering.id, name="Hour", duration_minutes=minutes, price_minor=price, currency="EUR"
    )
    db.session.add(variant)
    db.session.flush()
    return offering.id, variant.id


WIRED = {
    payment_events.OrderPaid: reactions.on_order_paid,
    payment_events.OrderExpired: reactions.on_order_expired,
    payment_events.DisputeOpened: reactions.on_dispute_opened,
    payment_events.DisputeClosed: reactions.on_dispute_closed,
}
BOOKING_EVENTS = [
    kind for kind in vars(events).values() if isinstance(kind, type) and kind.__module__ == events.__name__
]


def wire(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Heard:
    """Booking's own reactions, and an ear for what it announces."""
    heard = Heard()
    now = {kind: (handler,) for kind, handler in WIRED.items()}
    now.update(dict.fromkeys(BOOKING_EVENTS, (heard.all.append,)))
    monkeypatch.setitem(app.extensions, "wiring", Wiring(now, {}))
    return heard


@contextmanager
def at(moment: dt.datetime) -> Iterator[None]:
    """Business time stands still there."""
    with clock.frozen(moment):
        yield
