"""Reads of payments. The `_for_update` ones give the row as it is now, locked; locks are taken in the order
order, payment, line, allocation."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Select, and_, bindparam, extract, func, inspect, literal, or_, select, union_all
from sqlalchemy.orm import Mapper, contains_eager, joinedload, raiseload, selectinload

from app.core.db import Model, UtcDateTime, db
from app.core.errors import NotFound
from app.domains.accounts.models import Person
from app.domains.payments.models import (
    CAPTURED,
    CARD,
    CREATED,
    FAILED,
    LOST,
    OPEN,
    PAID,
    PENDING,
    RECEIPT,
    REQUESTED,
    SUBMITTED,
    SUCCEEDED,
    UNKNOWN,
    Allocation,
    Dispute,
    Order,
    OrderLine,
    Payment,
    ProviderEvent,
    Receipt,
    Refund,
)

PAGE = 20
FIRST_WAIT, LONGEST_WAIT = dt.timedelta(seconds=30), dt.timedelta(hours=1)
REFUND_WAIT = dt.timedelta(minutes=5)  # until then the outbox tries by itself

_CODE = re.compile(r"[0-9A-Z]{20}", re.ASCII)

Row = TypeVar("Row", bound=Model)


def _one(query: Select[Row]) -> Row:
    found: Row | None = db.session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def _locked(model: type[Row], row_id: int) -> Row:
    found: Row | None = db.session.scalars(_lock(inspect(model)), {"row": row_id}).one_or_none()
    if found is None:
        raise NotFound
    return found


@lru_cache(maxsize=32)
def _lock(mapper: Mapper[Any]) -> Select[Any]:
    model = mapper.class_
    query = select(model).where(model.id == bindparam("row")).with_for_update(of=model)
    return query.execution_options(populate_existing=True)


# -- Orders ------------------------------------------------------------------------------------------------

_WITH_ALL = (
    selectinload(Order.lines),
    selectinload(Order.payments),
    joinedload(Order.payer),
    raiseload("*"),
)


_BY_CODE = (
    select(Order)
    .where(Order.code == bindparam("code"))
    .options(*_WITH_ALL)
    .execution_options(populate_existing=True)
)


def order(order_id: int) -> Order:
    """Raises NotFound."""
    return _one(select(Order).where(Order.id == order_id))


def order_by_code(code: str) -> Order:
    """With its lines, payments and payer, as they are now. Raises NotFound."""
    code = code.upper()
    if not _CODE.fullmatch(code):
        raise NotFound
    found: Order | None = db.session.scalars(_BY_CODE, {"code": code}).one_or_none()
    if found is None:
        raise NotFound
    return found


def order_alone(code: str) -> Order:
    """As `order_by_code`, without what belongs to it: to ask whose it is, and go on with it."""
    code = code.upper()
    if not _CODE.fullmatch(code):
        raise NotFound
    found: Order | None = db.session.scalars(_ALONE, {"code": code}).one_or_none()
    if found is None:
        raise NotFound
    return found


_ALONE = (
    select(Order)
    .where(Order.code == bindparam("code"))
    .options(raiseload("*"))
    .execution_options(populate_existing=True)
)


def order_for_update(order_id: int) -> Order:
    """Raises NotFound."""
    return _locked(Order, order_id)


def order_of_line(line_id: int) -> Order:
    """Raises NotFound."""
    return _one(
        select(Order)
        .join(OrderLine, (OrderLine.order_id == Order.id) & (OrderLine.tenant_id == Order.tenant_id))
        .where(OrderLine.id == line_id)
    )


def payer_of(order_id: int) -> Person | None:
    return db.session.scalars(
        select(Person)
        .join(Order, (Order.payer_id == Person.id) & (Order.tenant_id == Person.tenant_id))
        .where(Order.id == order_id)
    ).one_or_none()


def line(line_id: int) -> OrderLine:
    """With its order. Raises NotFound."""
    return _one(select(OrderLine).where(OrderLine.id == line_id).options(joinedload(OrderLine.order)))


def line_for_update(line_id: int) -> OrderLine:
    """Raises NotFound."""
    return _locked(OrderLine, line_id)


def lines_of(order_id: int) -> Sequence[OrderLine]:
    return db.session.scalars(
        select(OrderLine).where(OrderLine.order_id == order_id).order_by(OrderLine.id)
    ).all()


def orders_of(person_id: int, *, now: dt.datetime, page: int = 1) -> tuple[int, Sequence[Order]]:
    """What somebody bought or can still pay, newest first: how many, and one page of them."""
    mine = select(Order).where(
        Order.payer_id == person_id,
        or_(Order.status == PAID, (Order.status == OPEN) & (Order.expires_at > now)),
    )
    count = db.session.scalar(select(func.count()).select_from(mine.subquery())) or 0
    rows = db.session.scalars(
        mine.order_by(Order.id.desc())
        .limit(PAGE)
        .offset((page - 1) * PAGE)
        .options(*_WITH_ALL)
        .execution_options(populate_existing=True)
    ).all()
    return int(count), rows


def expired_orders(now: dt.datetime, limit: int) -> Sequence[tuple[int, int]]:
    """Open orders whose time has run out, of all tenants, as (tenant, order); in the platform's scope."""
    query = select(Order.tenant_id, Order.id).where(Order.status == OPEN, Order.expires_at <= now)
    return [(row[0], row[1]) for row in db.session.execute(query.order_by(Order.expires_at).limit(limit))]


# -- Payments ----------------------------------------------------------------------------------------------


def payment(payment_id: int) -> Payment:
    """With its order. Raises NotFound."""
    return _one(
        select(Payment)
        .where(Payment.id == payment_id)
        .options(joinedload(Payment.order))
        .execution_options(populate_existing=True)
    )


def payment_for_update(payment_id: int) -> Payment:
    """Raises NotFound."""
    return _locked(Payment, payment_id)


_WITH_ORDER = (
    select(Order, Payment)
    .join(Payment, (Payment.order_id == Order.id) & (Payment.tenant_id == Order.tenant_id))
    .where(Payment.id == bindparam("payment"))
    .options(contains_eager(Payment.order))
    .with_for_update(of=[Order, Payment])  # in this order, as everywhere
    .execution_options(populate_existing=True)
)


def payment_with_order_for_update(payment_id: int) -> tuple[Order, Payment]:
    """Both locked, the order first, as they are now. Raises NotFound."""
    found = db.session.execute(_WITH_ORDER, {"payment": payment_id}).one_or_none()
    if found is None:
        raise NotFound
    return found[0], found[1]


def payment_under_way(order_id: int) -> Payment | None:
    """The one payment of an order that may still take money, or has taken it."""
    return db.session.scalars(_UNDER_WAY, {"order": order_id}).one_or_none()


_UNDER_WAY = select(Payment).where(
    Payment.order_id == bindparam("order"),
    Payment.status.in_((CREATED, UNKNOWN, PENDING, FAILED, CAPTURED)),
)


def payments_of(order_id: int) -> Sequence[Payment]:
    return db.session.scalars(select(Payment).where(Payment.order_id == order_id).order_by(Payment.id)).all()


def payment_by_reference(tenant_id: int, code: str) -> int | None:
    """The number of a tenant's payment; in the platform's scope, where it is not known yet whose it is."""
    return db.session.scalar(select(Payment.id).where(Payment.tenant_id == tenant_id, Payment.code == code))


def is_of_our_making(tenant_id: int, code: str, *, provider: str, ref: str) -> bool:
    """Whether this object of the provider is a tenant's payment that we know of, or are making just now: its
    answer is on the way, or `unresolved` has it asked for. In the platform's scope."""
    found = select(Payment.id).where(
        Payment.tenant_id == tenant_id,
        Payment.code == code,
        Payment.provider == provider,
        or_(Payment.provider_ref == ref, and_(Payment.provider_ref.is_(None), Payment.status == CREATED)),
    )
    return db.session.scalar(found) is not None


def unresolved(now: dt.datetime, limit: int) -> Sequence[tuple[int, str, int]]:
    """Payments and refunds of which the provider should be asked again, of all tenants, as (tenant, kind,
    number); in the platform's scope. The longer one has been waiting, the more rarely it is asked for."""
    asked_of_payment = func.coalesce(Payment.asked_at, Payment.created_at)
    due = union_all(
        _waiting(Payment, asked_of_payment, FIRST_WAIT, now).where(
            Payment.status.in_((CREATED, UNKNOWN, PENDING))
        ),
        _waiting(Refund, Refund.changed_at, REFUND_WAIT, now).where(
            Refund.status.in_((REQUESTED, SUBMITTED))
        ),
    ).subquery()
    rows = db.session.execute(select(due).order_by(due.c.asked_at).limit(limit))
    return [(row.tenant_id, row.kind, row.id) for row in rows]


def _waiting(model: Any, asked: Any, first_wait: dt.timedelta, now: dt.datetime) -> Select[Any]:
    """All in seconds. It waits for a quarter of the time that it was asked for already."""
    waited = extract("epoch", literal(now, UtcDateTime) - asked)
    wait = func.greatest(extract("epoch", asked - model.created_at) / 4, first_wait.total_seconds())
    columns = (
        model.tenant_id,
        literal(model.__tablename__).label("kind"),
        model.id,
        asked.label("asked_at"),
    )
    return select(*columns).where(waited >= func.least(wait, LONGEST_WAIT.total_seconds()))


# -- Allocations and refunds -------------------------------------------------------------------------------


def allocations_for_update(line_id: int) -> Sequence[Allocation]:
    """By which payments a line was paid by card, in the order in which refunds take from them."""
    return db.session.scalars(
        select(Allocation)
        .where(Allocation.line_id == line_id, Allocation.source == CARD)
        .order_by(Allocation.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def refund(refund_id: int) -> Refund:
    """With its payment. Raises NotFound."""
    return _one(
        select(Refund)
        .where(Refund.id == refund_id)
        .options(joinedload(Refund.payment))
        .execution_options(populate_existing=True)
    )


def refund_for_update(refund_id: int) -> Refund:
    """Raises NotFound."""
    return _locked(Refund, refund_id)


def refund_by_code(code: str) -> Refund | None:
    return db.session.scalars(select(Refund).where(Refund.code == code)).one_or_none()


def refunds_of_order(order_id: int) -> Sequence[Refund]:
    """Oldest first."""
    return db.session.scalars(
        select(Refund)
        .join(Payment, (Payment.id == Refund.payment_id) & (Payment.tenant_id == Refund.tenant_id))
        .where(Payment.order_id == order_id)
        .order_by(Refund.id)
        .execution_options(populate_existing=True)
    ).all()


def refunded_of_line(line_id: int, *, but_not: int) -> int:
    """How much of a line had gone back before this refund did."""
    total = select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
        Refund.line_id == line_id, Refund.status == SUCCEEDED, Refund.id != but_not
    )
    return int(db.session.scalar(total) or 0)


# -- Disputes ----------------------------------------------------------------------------------------------


def dispute_by_ref(provider_ref: str) -> Dispute | None:
    return db.session.scalars(select(Dispute).where(Dispute.provider_ref == provider_ref)).one_or_none()


def standing_dispute(payment_id: int) -> Dispute | None:
    """One that keeps a payment from being refunded: its bank looks into it, or took the money already."""
    standing = select(Dispute).where(Dispute.payment_id == payment_id, Dispute.status.in_((OPEN, LOST)))
    return db.session.scalars(standing.order_by(Dispute.id.desc()).limit(1)).one_or_none()


# -- Receipts ----------------------------------------------------------------------------------------------


def receipt(receipt_id: int) -> Receipt:
    """Raises NotFound."""
    return _one(select(Receipt).where(Receipt.id == receipt_id))


def receipt_for_update(receipt_id: int) -> Receipt:
    """Raises NotFound."""
    return _locked(Receipt, receipt_id)


def receipt_by_code(code: str) -> Receipt:
    """Raises NotFound."""
    return _one(select(Receipt).where(Receipt.code == code))


def receipts_of(order_ids: Sequence[int]) -> dict[int, list[Receipt]]:
    """The documents of each of these orders, oldest first."""
    found: dict[int, list[Receipt]] = {order_id: [] for order_id in order_ids}
    query = select(Receipt).where(Receipt.order_id.in_(order_ids)).order_by(Receipt.id)
    for document in db.session.scalars(query):
        found[document.order_id].append(document)
    return found


def receipt_of_order(order_id: int) -> Receipt | None:
    return db.session.scalars(
        select(Receipt).where(Receipt.order_id == order_id, Receipt.kind == RECEIPT)
    ).one_or_none()


def note_of_refund(refund_id: int) -> Receipt | None:
    return db.session.scalars(select(Receipt).where(Receipt.refund_id == refund_id)).one_or_none()


# -- Events of a provider, in the platform's scope -----------------------------------------------------------


def provider_event(event_id: int) -> ProviderEvent:
    """Raises NotFound."""
    query = select(ProviderEvent).where(ProviderEvent.id == event_id)
    return _one(query.execution_options(populate_existing=True))


def provider_event_for_update(event_id: int) -> ProviderEvent:
    """Raises NotFound."""
    return _locked(ProviderEvent, event_id)
