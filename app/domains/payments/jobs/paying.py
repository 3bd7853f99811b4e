"""Paying at the provider: started, looked at, called off."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import current_app

from app.core import clock, ids, scope
from app.core.crash import crash_point
from app.core.events import Delivery
from app.core.outside import ProviderDeferred, ProviderUnavailable
from app.core.transaction import transaction
from app.domains.payments import policies, queries, service
from app.domains.payments.errors import AlreadyPaid, OrderClosed
from app.domains.payments.models import CAPTURED, OPEN, PAID, Payment
from app.domains.payments.queries import PaymentSeen, ToMake
from app.providers.payments import PaymentProvider, PaymentRefused, PaymentRequest, ProviderPayment

GIVEN_UP_AFTER = dt.timedelta(hours=1)
# Somebody else is just making the same payment: how long to wait for it, in steps.
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)


def provider() -> PaymentProvider:
    found: PaymentProvider = current_app.extensions["payments"]
    return found


@dataclass(frozen=True)
class Checkout:
    """Where the payer goes on: to `url`, or to our own page with the provider's form in it."""

    url: str | None
    client_secret: str
    publishable_key: str


def start_payment(order_id: int) -> Payment:
    """The payment of an order at the provider, made now or found as it is: always the same one.

    Opens its own transactions; call it outside of any. Raises AlreadyPaid, OrderClosed, ProviderUnavailable
    (nothing is lost: call it again), PaymentRefused.
    """
    with transaction():
        wanted = service.open_payment(order_id, provider=provider().name)
    crash_point("checkout.opened")
    try:
        seen = _made(wanted)
    except PaymentRefused as refusal:
        with transaction():
            service.void_unmade(wanted.id, why=refusal.reason or "refused")
        raise
    except ProviderUnavailable:
        with transaction():
            service.note_unknown(wanted.id)
        raise
    crash_point("checkout.made")
    with transaction():
        payment = service.record_payment(wanted.id, seen)
    if payment.order.status == PAID:
        raise AlreadyPaid
    if payment.order.status != OPEN:  # its time ran out while the provider was thinking
        call_off(payment.id)
        raise OrderClosed
    return payment


def checkout_of(payment: Payment, *, return_url: str) -> Checkout:
    """How the payer pays a payment that was started."""
    assert payment.provider_ref is not None, "it was started"
    assert payment.client_secret is not None, "it was started"
    url = provider().checkout_url(_as_seen(payment.provider_ref, payment), return_url)
    return Checkout(url, payment.client_secret, provider().publishable_key)


def payer_page_origin() -> str | None:
    """The other host that a payer is sent to; None where the form is in our own page."""
    nothing = Payment(client_secret="", amount_minor=1, currency="EUR", created_at=clock.machine_now())
    url = provider().checkout_url(_as_seen("", nothing), "")
    return None if url is None else "{0.scheme}://{0.netloc}".format(urlsplit(url))


def _as_seen(ref: str, payment: Payment) -> ProviderPayment:
    return ProviderPayment(
        id=ref,
        status="requires_payment_method",
        client_secret=payment.client_secret or "",
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        captured_minor=0,
        refunded_minor=0,
        fee_minor=None,
        fee_currency=None,
        failure_code=None,
        metadata={},
        created_at=payment.created_at,
    )


def _made(wanted: ToMake) -> ProviderPayment:
    """The payment, just read, at the provider: looked at, or made under its own key, which makes it once."""
    for pause in _PAUSES:
        try:
            return _looked_at_or_made(wanted)
        except ProviderDeferred:
            time.sleep(pause)
            wanted = queries.payment_to_make(wanted.id)  # by now it may be known there
    return _looked_at_or_made(wanted)


def _looked_at_or_made(wanted: ToMake) -> ProviderPayment:
    request = PaymentRequest(
        amount_minor=wanted.amount_minor,
        currency=wanted.currency,
        reference=policies.reference_of(scope.tenant_id(), wanted.code),
        description=wanted.order_code,
        metadata={"order": wanted.order_code},
        idempotency_key=wanted.code,
    )
    scope.release()
    ref = wanted.provider_ref
    return provider().retrieve_payment(ref) if ref else provider().create_payment(request)


def ask_payment(payment_id: int) -> Payment:
    """Ask the provider how a payment stands, and take it over. One that it does not know is made if its order
    can still be paid, and given up after an hour. Opens its own transactions."""
    return ask(queries.payment_seen(payment_id))


def ask(known: PaymentSeen) -> Payment:
    """As `ask_payment`, for whoever has just read it."""
    if known.provider != provider().name:
        return queries.payment(known.id)  # of a provider that is not in use any more
    seen = _found(known)
    if seen is None:
        return _nothing_found(known.id)
    crash_point("payment.found")
    with transaction():
        payment = service.record_payment(known.id, seen)
    if payment.status in policies.UNDER_WAY and payment.order.status != OPEN:
        return call_off(known.id)
    return payment


def _found(known: PaymentSeen) -> ProviderPayment | None:
    reference = policies.reference_of(scope.tenant_id(), known.code)
    scope.release()
    ref = known.provider_ref
    return provider().retrieve_payment(ref) if ref else provider().find_payment(reference)


def _nothing_found(payment_id: int) -> Payment:
    payment = queries.payment(payment_id)
    if policies.is_payable(payment.order, clock.now()):
        seen = _made(queries.payment_to_make(payment_id))
        crash_point("payment.made_after_all")
        with transaction():
            return service.record_payment(payment_id, seen)
    with transaction():
        if payment.created_at < clock.machine_now() - GIVEN_UP_AFTER:
            service.void_unmade(payment_id, why="never made")
        else:
            service.note_unknown(payment_id)
    return queries.payment(payment_id)


def call_off(payment_id: int) -> Payment:
    """Nobody shall pay this any more; where somebody did, that counts. Opens its own transactions."""
    payment = queries.payment(payment_id)
    if payment.status not in policies.UNDER_WAY or payment.provider_ref is None:
        return payment
    ref, code = payment.provider_ref, payment.code
    scope.release()
    try:
        # A new key each time: the same one would repeat an old refusal.
        seen = provider().cancel_payment(ref, f"{code}-off-{ids.code(8)}")
    except PaymentRefused:
        seen = provider().retrieve_payment(ref)
    crash_point("payment.called_off")
    with transaction():
        return service.record_payment(payment_id, seen)


def call_off_payments(delivery: Delivery) -> None:
    """LATER of OrderExpired and OrderCancelled."""
    order = queries.order(delivery.event.order_id)
    payment = queries.payment_under_way(order.id)
    if order.status in {OPEN, PAID} or payment is None or payment.status == CAPTURED:
        return
    if payment.provider_ref is None:
        ask_payment(payment.id)
    else:
        call_off(payment.id)
