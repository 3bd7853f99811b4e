"""Payments: opened for an order, and moved by what the provider says, forwards only.

What it says may come twice, late and in any order (an answer, a webhook, a look at it): whatever comes,
the same end is reached, since each move asks what is true now.
"""

from __future__ import annotations

import logging

from app.core import clock, ids, scope
from app.core.adding import Added, Addition
from app.core.crash import crash_point
from app.core.db import db
from app.core.events import announce
from app.core.money import Money
from app.core.states import move_to
from app.domains.ledger import service as ledger
from app.domains.ledger.models import CUSTOMER_FUNDS, PROCESSING_FEES, PROVIDER_BALANCE
from app.domains.ledger.service import Line
from app.domains.payments import events, policies, queries
from app.domains.payments.errors import UnlikeOurs
from app.domains.payments.models import (
    CAPTURED,
    CARD,
    CREATED,
    PAID,
    UNKNOWN,
    VOIDED,
    Allocation,
    Order,
    OrderLine,
    Payment,
)
from app.domains.payments.queries import ToMake
from app.domains.payments.service import receipts
from app.domains.payments.service.orders import check_payable
from app.providers.payments import ProviderPayment

log = logging.getLogger(__name__)

LONGEST_REASON = 60


def open_payment(order_id: int, *, provider: str) -> ToMake:
    """The payment that collects this order: the one under way, else a new one. Raises AlreadyPaid,
    OrderClosed."""
    order = queries.order_to_pay(order_id)
    check_payable(order)
    under_way = queries.payment_to_make_of(order.id)
    if under_way is not None and under_way.provider == provider:
        return under_way
    if under_way is not None:  # of a provider that is not in use any more
        move_to(queries.payment_for_update(under_way.id), VOIDED)  # written before the new one is
    code = ids.code(20)
    (payment_id,) = _OPEN_PAYMENT.write(
        {
            "order_id": order.id,
            "provider": provider,
            "code": code,
            "status": CREATED,
            "currency": order.currency,
            "amount_minor": order.total_minor,
            "captured_minor": 0,
            "refunded_minor": 0,
        }
    )
    assert payment_id is not None, "nothing stands in its way"
    return ToMake(payment_id, code, provider, None, order.total_minor, order.currency, order.code)


_OPEN_PAYMENT = Addition(
    Added(
        Payment,
        [
            *("order_id", "provider", "code", "status", "currency", "amount_minor"),
            *("captured_minor", "refunded_minor"),
        ],
    )
)


def note_unknown(payment_id: int) -> None:
    """The provider did not answer when it was asked to make this payment: there may be one."""
    _order, payment = _locked(payment_id)
    if payment.status == CREATED:
        move_to(payment, UNKNOWN)
    _note_asked(payment)


def note_asked(payment_id: int) -> None:
    """The provider is being asked for this payment."""
    _note_asked(queries.payment_for_update(payment_id))


def void_unmade(payment_id: int, *, why: str) -> None:
    """The provider has no such payment, and there will be none: another try is another payment."""
    _order, payment = _locked(payment_id)
    if payment.provider_ref is None and payment.status in {CREATED, UNKNOWN}:
        payment.failure_code = why[:LONGEST_REASON]
        move_to(payment, VOIDED)


def record_payment(payment_id: int, seen: ProviderPayment) -> Payment:
    """Take over what the provider says of a payment now; it comes with its order. When its money is here, the
    books, the lines, the order and the receipt say so, and OrderPaid is announced. Raises UnlikeOurs."""
    order, payment = _locked(payment_id)
    _check_alike(payment, seen)
    payment.provider_ref = seen.id
    payment.client_secret = seen.client_secret or payment.client_secret
    if payment.status != CAPTURED:  # which nobody need ask for again
        _note_asked(payment)
    status = policies.status_of(seen)
    if status in Payment.MOVES[payment.status]:
        payment.failure_code = (seen.failure_code or "")[:LONGEST_REASON] or None
        if status == CAPTURED:
            _capture(order, payment, seen)
        else:
            move_to(payment, status)
    elif payment.status == CAPTURED:
        _book_fee(order, payment, _new_fee(payment, seen))
    return payment


def _locked(payment_id: int) -> tuple[Order, Payment]:
    return queries.payment_with_order_for_update(payment_id)


def _check_alike(payment: Payment, seen: ProviderPayment) -> None:
    alike = seen.currency == payment.currency and seen.amount_minor == payment.amount_minor
    is_whole = seen.status != "succeeded" or seen.captured_minor == payment.amount_minor
    if not alike or not is_whole or payment.provider_ref not in {None, seen.id}:
        log.error("payment %s is not what the provider holds as %s", payment.id, seen.id)
        raise UnlikeOurs


def _capture(order: Order, payment: Payment, seen: ProviderPayment) -> None:
    was_expired = not policies.is_payable(order, clock.now())
    with db.session.no_autoflush:  # all of it is written at once
        lines = queries.lines_of(order.id)
    move_to(payment, CAPTURED)
    payment.captured_minor = seen.captured_minor
    payment.captured_at = order.paid_at = clock.now()
    fee = _new_fee(payment, seen)
    move_to(order, PAID)
    db.session.add_all(_allocation(line, payment) for line in lines)
    db.session.flush()  # who fulfils the lines may have to give the money back at once
    ledger.post(
        key=f"capture:{payment.id}",
        kind="capture",
        memo=order.code,
        source=("payment", payment.id),
        lines=[Line(PROVIDER_BALANCE, payment.amount), Line(CUSTOMER_FUNDS, -payment.amount)],
    )
    _book_fee(order, payment, fee)
    crash_point("capture.posted")
    announce(events.OrderPaid(scope.tenant_id(), order.id, was_expired=was_expired))
    crash_point("capture.fulfilled")
    receipts.issue_receipt(order)  # last: the counter is everybody's


def _allocation(line: OrderLine, payment: Payment) -> Allocation:
    """All of the line by this payment."""
    return Allocation(
        line_id=line.id,
        payment_id=payment.id,
        source=CARD,
        amount_minor=line.gross_minor,
        refunded_minor=0,
        currency=line.currency,
    )


def _new_fee(payment: Payment, seen: ProviderPayment) -> Money | None:
    """What the provider keeps for it, when that is known for the first time. One in another currency than the
    books' stays out of them."""
    if payment.fee_minor is not None or seen.fee_minor is None or seen.fee_currency != payment.currency:
        return None
    payment.fee_minor = seen.fee_minor
    return Money(seen.fee_minor, payment.currency)


def _book_fee(order: Order, payment: Payment, fee: Money | None) -> None:
    if fee is not None and fee.minor:
        ledger.post(
            key=f"fee:{payment.id}",
            kind="fee",
            memo=order.code,
            source=("payment", payment.id),
            lines=[Line(PROCESSING_FEES, fee), Line(PROVIDER_BALANCE, -fee)],
        )


def _note_asked(payment: Payment) -> None:
    """The audit trail does not tell of it (`Payment.QUIET`): it would fill with it."""
    payment.asked_at = clock.machine_now()
