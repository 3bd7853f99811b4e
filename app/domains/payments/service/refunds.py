"""Refunds: asked for, sent by a job, moved by what the provider says.

What is asked for is set aside at once, on allocation, line and payment, so that any number of refunds at
the same time never give back more than was paid; a refund that fails puts it back.
"""

from __future__ import annotations

from app.core import clock, ids, scope
from app.core.audit import note
from app.core.crash import crash_point
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import announce
from app.core.money import Money
from app.core.states import move_to
from app.domains.ledger import service as ledger
from app.domains.ledger.models import CUSTOMER_FUNDS, PROVIDER_BALANCE, REFUNDS_PENDING
from app.domains.ledger.service import Line
from app.domains.payments import events, policies, queries
from app.domains.payments.errors import DisputedPayment, NothingToRefund, RefundTooLarge, UnlikeOurs
from app.domains.payments.models import (
    FAILED,
    OPEN,
    REQUESTED,
    SUBMITTED,
    SUCCEEDED,
    Allocation,
    Order,
    OrderLine,
    Payment,
    Refund,
)
from app.domains.payments.service import receipts
from app.providers.payments import ProviderRefund, RefundStatus

_STATUS: dict[RefundStatus, str] = {
    "pending": SUBMITTED,
    "requires_action": SUBMITTED,
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "canceled": FAILED,
}


def request_refund(line: OrderLine, *, amount: Money, reason: str, by: str) -> list[Refund]:
    """Give back a part or all of what was paid for a line, on the ways it came; a job sends it. Nothing for a
    line that cost nothing. The amount is rounded down to what a provider can move.

    Raises RefundTooLarge, DisputedPayment, NothingToRefund (its bank took it), Invalid (negative, other
    currency).
    """
    if amount.minor < 0 or amount.currency != line.currency:
        raise Invalid(field="amount")
    line, allocations = _locked(line)
    if amount.minor > line.gross_minor - line.refunded_minor:
        raise RefundTooLarge(field="amount")
    rest = policies.in_steps(amount).minor
    made = []
    for allocation in allocations:
        part = min(rest, allocation.amount_minor - allocation.refunded_minor)
        if part:
            made.append(_refund(line, allocation, Money(part, line.currency), reason, by))
            rest -= part
    if rest:  # it was not paid yet, or not all of it by card
        raise RefundTooLarge(field="amount")
    return made


def _locked(line: OrderLine) -> tuple[OrderLine, list[Allocation]]:
    order = queries.order_for_update(line.order_id)
    for payment in queries.payments_of(order.id):
        queries.payment_for_update(payment.id)
    line = queries.line_for_update(line.id)
    return line, list(queries.allocations_for_update(line.id))


def _refund(line: OrderLine, allocation: Allocation, amount: Money, reason: str, by: str) -> Refund:
    assert allocation.payment_id is not None, "what was paid by card has its payment"
    payment = queries.payment_for_update(allocation.payment_id)
    _check_undisputed(payment)
    _set_aside(allocation, line, payment, amount.minor)
    refund = Refund(
        code=ids.code(20),
        payment_id=payment.id,
        line_id=line.id,
        status=REQUESTED,
        amount_minor=amount.minor,
        currency=line.currency,
        reason=reason[:200],
        requested_by=by[:200],
        requested_at=clock.now(),
    )
    db.session.add(refund)
    db.session.flush()  # the books and the event name it
    _ask_for(refund)
    return refund


def _check_undisputed(payment: Payment) -> None:
    standing = queries.standing_dispute(payment.id)
    if standing is not None:
        # What a bank took back for good would go back twice.
        raise DisputedPayment if standing.status == OPEN else NothingToRefund


def _set_aside(allocation: Allocation, line: OrderLine, payment: Payment, minor: int) -> None:
    """Or, of a negative amount, put it back."""
    allocation.refunded_minor += minor
    line.refunded_minor += minor
    payment.refunded_minor += minor


def _ask_for(refund: Refund) -> None:
    # By its code: tried again it has another one, and the money moves again.
    ledger.post(
        key=f"refund:{refund.code}",
        kind="refund",
        memo=refund.reason,
        source=("refund", refund.id),
        lines=[Line(CUSTOMER_FUNDS, refund.amount), Line(REFUNDS_PENDING, -refund.amount)],
    )
    crash_point("refund.posted")
    announce(events.RefundRequested(scope.tenant_id(), refund.id))


def record_refund(refund_id: int, seen: ProviderRefund) -> Refund:
    """Take over what the provider says of a refund now. When it succeeded, the books and a credit note say
    so; when it failed, its money is the customer's again. Raises UnlikeOurs."""
    order, payment, line, allocation, refund = _all_locked(refund_id)
    if (seen.currency, seen.amount_minor, seen.payment_id) != (
        refund.currency,
        refund.amount_minor,
        payment.provider_ref,
    ) or refund.provider_ref not in {None, seen.id}:
        raise UnlikeOurs
    refund.provider_ref = seen.id
    refund.changed_at = clock.machine_now()  # also when it was last asked for
    status = _STATUS[seen.status]
    if status in Refund.MOVES[refund.status]:
        if status == SUCCEEDED:
            _succeed(order, refund)
        elif status == FAILED:
            _fail(allocation, line, payment, refund, seen.failure_code or seen.status)
        else:
            move_to(refund, status)
    return refund


def note_refund_asked(refund_id: int) -> None:
    """The provider is being asked for this refund."""
    queries.refund_for_update(refund_id).changed_at = clock.machine_now()


def refuse_refund(refund_id: int, *, why: str) -> Refund:
    """The provider will never do it; its money is the customer's again."""
    _order, payment, line, allocation, refund = _all_locked(refund_id)
    if refund.status == REQUESTED and refund.provider_ref is None:
        _fail(allocation, line, payment, refund, why)
    return refund


def try_again(refund: Refund) -> Refund:
    """Send a failed refund once more, as a new one to the provider. Raises MoveNotAllowed, DisputedPayment,
    NothingToRefund (it went back in another way meanwhile)."""
    _order, payment, line, allocation, refund = _all_locked(refund.id)
    move_to(refund, REQUESTED)
    _check_undisputed(payment)
    left = min(
        allocation.amount_minor - allocation.refunded_minor,
        line.gross_minor - line.refunded_minor,
        payment.captured_minor - payment.refunded_minor,
    )
    if refund.amount_minor > left:
        raise NothingToRefund
    _set_aside(allocation, line, payment, refund.amount_minor)
    refund.code, refund.provider_ref = ids.code(20), None
    refund.failure_code = refund.done_at = None
    note(refund, "tried again")
    db.session.flush()
    _ask_for(refund)
    return refund


def _all_locked(refund_id: int) -> tuple[Order, Payment, OrderLine, Allocation, Refund]:
    found = queries.refund(refund_id)
    order = queries.order_for_update(found.payment.order_id)
    payment = queries.payment_for_update(found.payment_id)
    line = queries.line_for_update(found.line_id)
    allocations = queries.allocations_for_update(line.id)
    allocation = next(row for row in allocations if row.payment_id == payment.id)
    return order, payment, line, allocation, queries.refund_for_update(refund_id)


def _succeed(order: Order, refund: Refund) -> None:
    move_to(refund, SUCCEEDED)
    refund.failure_code, refund.done_at = None, clock.now()
    ledger.post(
        key=f"refunded:{refund.code}",
        kind="refunded",
        memo=refund.reason,
        source=("refund", refund.id),
        lines=[Line(REFUNDS_PENDING, refund.amount), Line(PROVIDER_BALANCE, -refund.amount)],
    )
    crash_point("refunded.posted")
    db.session.flush()
    announce(events.RefundSucceeded(scope.tenant_id(), refund.id))
    receipts.issue_credit_note(order, refund)  # last: the counter is everybody's


def _fail(allocation: Allocation, line: OrderLine, payment: Payment, refund: Refund, why: str) -> None:
    # Banks send money back days after it "arrived"; then it is at the provider again.
    held_in = PROVIDER_BALANCE if refund.status == SUCCEEDED else REFUNDS_PENDING
    move_to(refund, FAILED)
    refund.failure_code, refund.done_at = why[:60], clock.now()
    _set_aside(allocation, line, payment, -refund.amount_minor)
    ledger.post(
        key=f"refund-failed:{refund.code}",
        kind="refund_failed",
        memo=refund.reason,
        source=("refund", refund.id),
        lines=[Line(held_in, refund.amount), Line(CUSTOMER_FUNDS, -refund.amount)],
    )
    announce(events.RefundFailed(scope.tenant_id(), refund.id))
