"""Payments by Stripe, through its own library at the API version that the library was made for."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote

import requests
import stripe
from requests.adapters import HTTPAdapter
from stripe.params import (
    PaymentIntentCancelParams,
    PaymentIntentCreateParams,
    RefundCreateParams,
)

from app.core import clock
from app.core.outside import Breaker, ProviderDeferred, ProviderUnavailable, breaker
from app.providers.payments.base import (
    TOLERANCE_SECONDS,
    BadEvent,
    BadSignature,
    PaymentRefused,
    PaymentRequest,
    PaymentStatus,
    ProviderDispute,
    ProviderEvent,
    ProviderFee,
    ProviderPayment,
    ProviderRefund,
    RefundRequest,
    RefundStatus,
)
from app.providers.payments.units import from_stripe, to_stripe

T = TypeVar("T")

CONNECT_SECONDS, READ_SECONDS = 5.0, 12.0  # somebody looks at a page meanwhile; what is made is found again
AT_ONCE = 8  # of WEB_THREADS' 32
_NAME = "payments"
_INTENTS = "/v1/payment_intents"
_FEE = ["latest_charge.balance_transaction"]
_RECENT = 100
# Of several payments with one reference the one that went furthest is meant.
_FURTHEST = ("succeeded", "processing", "requires_action", "requires_payment_method", "canceled")
# We neither confirm nor capture by hand; these are what such a payment would be to its payer.
_STATUS: dict[str, PaymentStatus] = {
    "requires_confirmation": "requires_payment_method",
    "requires_capture": "processing",
}


class StripeProvider:
    """See `PaymentProvider`. `api_base` replaces Stripe's address."""

    name = "stripe"

    def __init__(
        self,
        *,
        secret_key: str,
        publishable_key: str,
        webhook_secret: str,
        api_base: str = "",
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
        proxies: bool = True,
        guard: Breaker | None = None,
    ) -> None:
        self.publishable_key = publishable_key
        self.is_test = secret_key.startswith(("sk_test_", "rk_test_"))
        self._webhook_secret = webhook_secret
        self._guard = guard or breaker(_NAME, at_once=AT_ONCE)
        self._stripe = stripe.StripeClient(
            secret_key,
            stripe_version=stripe.api_version,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            max_network_retries=0,  # the outbox tries again
            http_client=stripe.RequestsClient(timeout=timeout, session=_session(proxies=proxies)),
        )

    def checkout_url(self, payment: ProviderPayment, return_url: str) -> str | None:
        return None

    def create_payment(self, request: PaymentRequest) -> ProviderPayment:
        params: PaymentIntentCreateParams = {
            "amount": to_stripe(request.amount_minor, request.currency),
            "currency": request.currency.lower(),
            "description": request.description,
            "metadata": {**request.metadata, "reference": request.reference},
            "automatic_payment_methods": {"enabled": True},
            # Stripe's default captures later than it says "succeeded", and the fee would not be known then.
            "capture_method": "automatic",
            "expand": _FEE,
        }
        if request.receipt_email:
            params["receipt_email"] = request.receipt_email
        return self._call(lambda: _payment(self._post(_INTENTS, params, request.idempotency_key)))

    def retrieve_payment(self, payment_id: str) -> ProviderPayment:
        path = f"{_INTENTS}/{quote(payment_id, safe='')}"
        return self._call(lambda: _payment(self._ask("get", path, expand=_FEE)))

    def find_payment(self, reference: str) -> ProviderPayment | None:
        found = self._call(lambda: self._search(reference) or self._among_recent(reference))
        return min(found, key=lambda payment: _FURTHEST.index(payment.status), default=None)

    def cancel_payment(self, payment_id: str, idempotency_key: str) -> ProviderPayment:
        params: PaymentIntentCancelParams = {"cancellation_reason": "abandoned", "expand": _FEE}
        path = f"{_INTENTS}/{quote(payment_id, safe='')}/cancel"
        try:
            return self._call(lambda: _payment(self._post(path, params, idempotency_key)))
        except PaymentRefused as refusal:
            if refusal.reason != "payment_intent_unexpected_state":
                raise
            present = self.retrieve_payment(payment_id)
            if present.status != "canceled":
                raise
            return present

    def create_refund(self, request: RefundRequest) -> ProviderRefund:
        params: RefundCreateParams = {
            "payment_intent": request.payment_id,
            "amount": to_stripe(request.amount_minor, request.currency),
            "metadata": {**request.metadata, "reference": request.reference},
        }
        return self._call(
            lambda: _refund(
                self._stripe.v1.refunds.create(params, {"idempotency_key": request.idempotency_key})
            )
        )

    def retrieve_refund(self, refund_id: str) -> ProviderRefund:
        return self._call(lambda: _refund(self._stripe.v1.refunds.retrieve(refund_id)))

    def refunds_of(self, payment_id: str) -> tuple[ProviderRefund, ...]:
        def read() -> tuple[ProviderRefund, ...]:
            page = self._stripe.v1.refunds.list({"payment_intent": payment_id, "limit": _RECENT})
            return tuple(_refund(refund) for refund in page.auto_paging_iter())[::-1]

        return self._call(read)

    def retrieve_dispute(self, dispute_id: str) -> ProviderDispute:
        return self._call(lambda: _dispute(self._stripe.v1.disputes.retrieve(dispute_id)))

    def read_event(self, body: bytes, signature: str) -> ProviderEvent:
        self._verify(body, signature)
        try:
            return _event(json.loads(body))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise BadEvent from error

    def _verify(self, body: bytes, signature: str) -> None:
        """By the library, except for the age: that is measured by our machine time."""
        verifier = stripe.WebhookSignature
        try:
            verifier.verify_header(body, signature, self._webhook_secret)
            signed_at, _signatures = verifier._get_timestamp_and_signatures(signature, "v1")
        except (stripe.SignatureVerificationError, UnicodeError, TypeError) as error:
            raise BadSignature from error
        if signed_at < clock.machine_now().timestamp() - TOLERANCE_SECONDS:
            raise BadSignature

    def _search(self, reference: str) -> list[ProviderPayment]:
        page = self._stripe.v1.payment_intents.search(
            {
                "query": f"metadata['reference']:'{reference}'",
                "limit": _RECENT,
                "expand": [f"data.{path}" for path in _FEE],
            }
        )
        return [_payment(intent.to_dict()) for intent in page.data]

    def _among_recent(self, reference: str) -> list[ProviderPayment]:
        """Stripe's search knows a payment up to a minute late; its list knows it at once."""
        page = self._stripe.v1.payment_intents.list(
            {"limit": _RECENT, "expand": [f"data.{path}" for path in _FEE]}
        )
        payments = [_payment(intent.to_dict()) for intent in page.data]
        return [payment for payment in payments if payment.metadata.get("reference") == reference]

    def _post(self, path: str, params: Mapping[str, Any], idempotency_key: str) -> Mapping[str, Any]:
        return self._ask("post", path, idempotency_key=idempotency_key, **params)

    def _ask(self, method: str, path: str, **params: Any) -> Mapping[str, Any]:
        """The answer as it is. Each purchase asks twice, and to make the library's objects of all that is in
        it costs more than to ask."""
        answer = self._stripe.raw_request(method, path, **params).data
        if not isinstance(answer, dict):
            raise stripe.APIError("the answer is no object")
        return answer

    def _call(self, work: Callable[[], T]) -> T:
        return self._guard.call(lambda: _translated(work))


def _session(*, proxies: bool) -> requests.Session:
    """One pool of connections for all threads. It goes nowhere that an answer would send it."""
    session = requests.Session()
    session.trust_env = proxies
    session.max_redirects = 0
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=32))
    return session


def _translated(work: Callable[[], T]) -> T:
    """The library's errors as ours. What concerns our account (key, rights) is Stripe's being away: the
    operator mends it, and the delivery is then tried again."""
    try:
        return work()
    except (stripe.InvalidRequestError, stripe.IdempotencyError, stripe.CardError) as error:
        raise PaymentRefused(_NAME, _detail(error), reason=error.code or _code(error)) from error
    except stripe.StripeError as error:
        # Another request holds the same key or object; Stripe itself is well.
        busy = error.http_status == 409 or _code(error) == "lock_timeout"
        raise (ProviderDeferred if busy else ProviderUnavailable)(_NAME, _detail(error)) from error


def _code(error: stripe.StripeError) -> str:
    return str(getattr(error.error, "code", None) or "")


def _detail(error: stripe.StripeError) -> str:
    status = error.http_status or type(error).__name__
    return f"{status} {_code(error)} {error.user_message or ''}"[:300]


def _payment(intent: Mapping[str, Any]) -> ProviderPayment:
    """What is not expanded is an id, or not there."""
    currency = intent["currency"].upper()
    charge = _expanded(intent, "latest_charge")
    booked = _expanded(charge, "balance_transaction")
    fee_minor, fee_currency = None, None
    if booked:
        fee_currency = booked["currency"].upper()
        fee_minor = from_stripe(booked["fee"], fee_currency)
    failure = intent.get("last_payment_error") or {}
    return ProviderPayment(
        id=intent["id"],
        status=_STATUS.get(intent["status"], cast("PaymentStatus", intent["status"])),
        client_secret=intent.get("client_secret") or "",
        amount_minor=from_stripe(intent["amount"], currency),
        currency=currency,
        captured_minor=from_stripe(intent["amount_received"], currency),
        refunded_minor=from_stripe(charge["amount_refunded"], currency) if charge else 0,
        fee_minor=fee_minor,
        fee_currency=fee_currency,
        failure_code=failure.get("decline_code") or failure.get("code"),
        metadata={str(name): str(value) for name, value in (intent.get("metadata") or {}).items()},
        created_at=_at(intent["created"]),
    )


def _expanded(thing: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = thing.get(name)
    return found if isinstance(found, Mapping) else {}


def _refund(refund: stripe.Refund) -> ProviderRefund:
    currency = refund.currency.upper()
    return ProviderRefund(
        id=refund.id,
        payment_id=_id(refund.payment_intent),
        amount_minor=from_stripe(refund.amount, currency),
        currency=currency,
        status=cast("RefundStatus", refund.status),
        metadata=_metadata(refund.metadata),
        failure_code=_optional(refund, "failure_reason"),
    )


def _dispute(dispute: stripe.Dispute) -> ProviderDispute:
    currency = dispute.currency.upper()
    return ProviderDispute(
        id=dispute.id,
        payment_id=_id(dispute.payment_intent),
        amount_minor=from_stripe(dispute.amount, currency),
        currency=currency,
        status=dispute.status,
        reason=dispute.reason,
        fees=tuple(_fee(moved) for moved in dispute.balance_transactions),
    )


def _fee(moved: stripe.BalanceTransaction) -> ProviderFee:
    currency = moved.currency.upper()
    return ProviderFee(moved.id, from_stripe(moved.fee, currency), currency)


def _event(event: dict[str, Any]) -> ProviderEvent:
    if event["object"] != "event":
        raise ValueError("not an event")
    thing = event["data"]["object"]
    is_payment = thing["object"] == "payment_intent"
    payment = thing["id"] if is_payment else thing.get("payment_intent")
    metadata = thing.get("metadata") or {}
    return ProviderEvent(
        id=str(event["id"]),
        type=str(event["type"]),
        created_at=_at(event["created"]),
        object_id=str(thing.get("id") or ""),  # a balance has none
        object_type=str(thing["object"]),
        payment_id=(payment["id"] if isinstance(payment, dict) else payment) or None,
        metadata={str(name): str(value) for name, value in metadata.items()},
        api_version=event.get("api_version"),
        livemode=bool(event["livemode"]),
    )


def _optional(thing: stripe.StripeObject | None, name: str) -> str | None:
    """A member that the answer may lack altogether; the library raises for those."""
    return getattr(thing, name, None)


def _id(thing: Any) -> str:
    return thing if isinstance(thing, str) else str(getattr(thing, "id", None) or "")


def _metadata(metadata: Any) -> dict[str, str]:
    return {} if metadata is None else {str(k): str(v) for k, v in metadata.to_dict().items()}


def _at(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
