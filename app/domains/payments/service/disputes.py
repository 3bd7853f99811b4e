"""Disputes: a customer's bank takes a payment back, and decides some weeks later."""

from __future__ import annotations

from app.core import clock, scope
from app.core.db import db
from app.core.events import announce
from app.core.money import Money
from app.core.states import move_to
from app.domains.ledger import queries as books
from app.domains.ledger import service as ledger
from app.domains.ledger.models import DISPUTE_LOSSES, DISPUTES_HELD, PROCESSING_FEES, PROVIDER_BALANCE
from app.domains.ledger.service import Line
from app.domains.payments import events, queries
from app.domains.payments.errors import UnlikeOurs
from app.domains.payments.models import LOST, OPEN, WON, Dispute, Payment
from app.providers.payments import ProviderDispute, ProviderFee

# The provider's words for a mere question of a bank, for which no money is taken.
_INQUIRY = "warning_"


def record_dispute(payment_id: int, seen: ProviderDispute) -> Dispute | None:
    """Take over what the provider says of a dispute now: its money is held, returned or lost, and its fees
    are booked. None for a bank's mere question. Raises UnlikeOurs."""
    queries.order_for_update(queries.payment(payment_id).order_id)
    payment = queries.payment_for_update(payment_id)
    if seen.payment_id != payment.provider_ref or seen.currency != payment.currency:
        raise UnlikeOurs
    if seen.status.startswith(_INQUIRY):
        return None
    dispute = queries.dispute_by_ref(seen.id) or _open(payment, seen)
    outcome = {"won": WON, "lost": LOST}.get(seen.status)
    if outcome is not None and dispute.status == OPEN:
        _close(dispute, outcome)
    for fee in seen.fees:
        _book_fee(dispute, fee)
    return dispute


def _open(payment: Payment, seen: ProviderDispute) -> Dispute:
    dispute = Dispute(
        payment_id=payment.id,
        provider_ref=seen.id,
        status=OPEN,
        reason=seen.reason[:60],
        amount_minor=seen.amount_minor,
        currency=seen.currency,
        fee_minor=0,
        opened_at=clock.now(),
    )
    db.session.add(dispute)
    db.session.flush()  # the books and the event name it
    amount = Money(dispute.amount_minor, dispute.currency)
    _post(dispute, "dispute", [Line(DISPUTES_HELD, amount), Line(PROVIDER_BALANCE, -amount)])
    announce(events.DisputeOpened(scope.tenant_id(), dispute.id))
    return dispute


def _close(dispute: Dispute, outcome: str) -> None:
    move_to(dispute, outcome)
    dispute.closed_at = clock.now()
    amount = Money(dispute.amount_minor, dispute.currency)
    if outcome == WON:
        _post(dispute, "dispute_won", [Line(PROVIDER_BALANCE, amount), Line(DISPUTES_HELD, -amount)])
    else:
        _post(dispute, "dispute_lost", [Line(DISPUTE_LOSSES, amount), Line(DISPUTES_HELD, -amount)])
    announce(events.DisputeClosed(scope.tenant_id(), dispute.id, won=outcome == WON))


def _book_fee(dispute: Dispute, fee: ProviderFee) -> None:
    """Once for each movement, whenever it is heard of. One in another currency than the books' stays out."""
    key = f"dispute-fee:{dispute.id}:{fee.id}"
    if not fee.minor or fee.currency != dispute.currency or books.entry_by_key(key) is not None:
        return
    dispute.fee_minor += fee.minor
    amount = Money(fee.minor, fee.currency)
    _post(dispute, "dispute_fee", [Line(PROCESSING_FEES, amount), Line(PROVIDER_BALANCE, -amount)], key=key)


def _post(dispute: Dispute, kind: str, lines: list[Line], *, key: str = "") -> None:
    ledger.post(
        key=key or f"{kind.replace('_', '-')}:{dispute.id}",
        kind=kind,
        memo=dispute.reason,
        source=("dispute", dispute.id),
        lines=lines,
    )
