"""What the pages of a purchase show of a seat, in one statement of plain columns: each buyer opens them one
after the other. What has a name only is asked for by its key, as in `offered`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ScalarSelect, Select, and_, bindparam, select

from app.core import plain
from app.core.errors import NotFound
from app.core.money import Money
from app.domains.accounts.models import Person
from app.domains.booking.models import Lesson, Seat
from app.domains.catalog.models import Offering, TaxRate, Variant
from app.domains.payments.models import Order, OrderLine


@dataclass(frozen=True, slots=True)
class SeatReserved:
    """A seat with its lesson and what is taught. `tutor`, `student` and `variant` are names; `order` is the
    code of the order that was placed for it."""

    code: str
    status: str
    actor: str
    student_id: int | None
    payer_id: int | None
    expires_at: dt.datetime | None
    renewals: int
    price_minor: int
    currency: str
    policy: dict[str, Any]
    tutor_id: int
    variant_id: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    timezone: str
    place: str | None
    title: str
    slug: str
    kind: str
    variant: str
    tutor: str
    student: str | None
    tax_name: str | None
    tax_rate_bp: int | None
    order: str | None

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)


_SEAT = (
    "code",
    "status",
    "actor",
    "student_id",
    "payer_id",
    "expires_at",
    "renewals",
    "price_minor",
    "currency",
    "policy",
)
_LESSON = ("tutor_id", "variant_id", "starts_at", "ends_at", "timezone", "place")
_OFFERING = ("title", "slug", "kind")


def _named(column: Any, key: Any) -> ScalarSelect[Any]:
    """A column of the row that `key` points at."""
    of, pointing = column.table.c, key.table.c
    found = select(column).where(of.tenant_id == pointing.tenant_id, of.id == key)
    return found.scalar_subquery()


def _reserved() -> Select[Any]:
    """Made once."""
    seat, lesson, offering = Seat.__table__, Lesson.__table__, Offering.__table__
    person, rate = Person.__table__, TaxRate.__table__
    line, order = OrderLine.__table__, Order.__table__
    tutor, student = person.alias(), person.alias()
    placed = (
        select(order.c.code)
        .join(line, and_(line.c.order_id == order.c.id, line.c.tenant_id == order.c.tenant_id))
        .where(line.c.tenant_id == seat.c.tenant_id, line.c.id == seat.c.line_id)
    )
    return (
        select(
            *(seat.c[name] for name in _SEAT),
            *(lesson.c[name] for name in _LESSON),
            *(offering.c[name] for name in _OFFERING),
            _named(Variant.__table__.c.name, lesson.c.variant_id),
            _named(tutor.c.full_name, lesson.c.tutor_id),
            _named(student.c.full_name, seat.c.student_id),
            _named(rate.c.name, offering.c.tax_rate_id),
            _named(rate.c.rate_bp, offering.c.tax_rate_id),
            placed.scalar_subquery(),
        )
        .join(lesson, and_(lesson.c.id == seat.c.lesson_id, lesson.c.tenant_id == seat.c.tenant_id))
        .join(
            offering, and_(offering.c.id == lesson.c.offering_id, offering.c.tenant_id == lesson.c.tenant_id)
        )
        .where(seat.c.tenant_id == plain.tenant(), seat.c.code == bindparam("code"))
    )


_RESERVED = _reserved()


def seat_reserved(code: str) -> SeatReserved:
    """As the database says now. Raises NotFound."""
    for row in plain.rows(_RESERVED, code=code):
        return SeatReserved(*row)
    raise NotFound
