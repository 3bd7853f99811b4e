"""What can be done with a PaymentIntent, and what follows from it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from app.core import clock
from app.core.money import Money, exponent
from app.providers.payments.simulator import cards, disputes, shapes
from app.providers.payments.simulator.params import Params
from app.providers.payments.simulator.refusals import Refusal, card_refused, missing, unexpected_state
from app.providers.payments.simulator.store import Change, Object, Store, now
from app.providers.payments.units import from_stripe, stripe_step

LARGEST = 99_999_999
# Stripe's published minimum charges, in its units.
_SMALLEST = {
    "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50,
    "GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300,
    "NZD": 50, "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "USD": 50,
}  # fmt: skip
CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "processing")
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_AUTHENTICATION_FAILED = (
    "We are unable to authenticate your payment method. "
    "Please choose a different payment method and try again."
)


def create(change: Change, params: Params) -> Object:
    amount, currency = params.integer("amount"), params.needed("currency").upper()
    _check_amount(amount, currency)
    assert amount is not None
    automatic = params.inner("automatic_payment_methods")
    enabled = automatic is not None and automatic.flag("enabled") is True
    if automatic is not None:
        automatic.choice("allow_redirects", "always", "never")
        automatic.done()
    given: dict[str, Any] = {
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True} if enabled else None,
        "capture_method": params.choice("capture_method", "automatic", "automatic_async")
        or "automatic_async",
        "description": params.text("description", longest=1000),
        "metadata": params.metadata(),
        "receipt_email": params.text("receipt_email", longest=800),
        "payment_method_types": params.texts("payment_method_types") or ["card"],
    }
    method_id, confirm = params.text("payment_method"), params.flag("confirm")
    return_url = params.text("return_url")
    params.done()
    intent = shapes.payment_intent(amount, currency.lower(), **given)
    if method_id is not None:
        intent["payment_method"] = use_method(change, method_id)["id"]
        intent["status"] = "requires_confirmation"
    change.put(intent)
    change.tell("payment_intent.created", intent)
    return confirm_with(change, intent, None, return_url) if confirm else intent


def confirm(change: Change, intent: Object, params: Params) -> Object:
    method_id, data = params.text("payment_method"), params.inner("payment_method_data")
    return_url = params.text("return_url")
    params.skip("use_stripe_sdk", "off_session")
    params.done()
    method = None
    if data is not None:
        method = create_method(change, data)
    elif method_id is not None:
        method = use_method(change, method_id)
    return confirm_with(change, intent, method, return_url)


def confirm_with(change: Change, intent: Object, method: Object | None, return_url: str | None) -> Object:
    """Try to take the money. A decline is kept, and raised as a Refusal by `declined` afterwards."""
    if intent["status"] not in CONFIRMABLE:
        already = "it has already succeeded after being previously confirmed"
        why = already if intent["status"] == "succeeded" else f"it has a status of {intent['status']}"
        raise unexpected_state(f"You cannot confirm this PaymentIntent because {why}.", intent)
    if method is None and intent["payment_method"]:
        method = change.get(intent["payment_method"])
    if method is None:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the PaymentIntent with a payment method and then confirm it again, or confirm it again "
            "directly with a payment method or ConfirmationToken.",
            intent,
        )
    intent |= {"last_payment_error": None, "payment_method": method["id"], "next_action": None}
    card = _card(change, method)
    if card.code is not None:
        return _decline(change, intent, method, card)
    if card.needs_authentication:
        intent |= {"status": "requires_action", "next_action": _next_action(change, intent, return_url)}
        change.put(intent)
        change.tell("payment_intent.requires_action", intent)
        return intent
    return _succeed(change, intent, method, authenticated=False)


def authenticate(change: Change, intent: Object, *, passed: bool) -> Object:
    """The payer's answer to 3-D Secure; of no effect when nobody asked."""
    method = change.get(intent["payment_method"] or "")
    if intent["status"] != "requires_action" or method is None:
        return intent
    intent["next_action"] = None
    if passed:
        return _succeed(change, intent, method, authenticated=True)
    error = {
        "code": "payment_intent_authentication_failure", "message": _AUTHENTICATION_FAILED,
        "type": "invalid_request_error",
    }  # fmt: skip
    return _back_to_start(change, intent, method, error)


def cancel(change: Change, intent: Object, params: Params) -> Object:
    reason = params.choice(
        "cancellation_reason", "duplicate", "fraudulent", "requested_by_customer", "abandoned"
    )
    params.done()
    if intent["status"] not in CANCELABLE:
        allowed = (
            "requires_payment_method, requires_capture, requires_confirmation, requires_action, processing"
        )
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be canceled: {allowed}.",
            intent,
        )
    intent |= {
        "status": "canceled", "canceled_at": now(), "cancellation_reason": reason, "next_action": None,
    }  # fmt: skip
    change.put(intent)
    change.tell("payment_intent.canceled", intent)
    return intent


def declined(intent: Object) -> Refusal | None:
    """The 402 that goes with an intent whose last attempt was declined."""
    error = intent["last_payment_error"]
    if error is None or error["type"] != "card_error":
        return None
    more = {
        name: value for name, value in error.items() if name not in {"type", "message", "code", "doc_url"}
    }
    return Refusal(
        402,
        error["message"],
        type="card_error",
        code=error["code"],
        saved=True,
        payment_intent=intent,
        **more,
    )


def by_secret(store: Store, secret: str) -> Object | None:
    """The intent that a payer's page is about."""
    found = store.get(secret.partition("_secret_")[0])
    known = found is not None and found["object"] == "payment_intent" and found["client_secret"] == secret
    return found if known else None


def create_method(change: Change, params: Params) -> Object:
    """A payment method from a card's data; of the number only the last four digits are kept."""
    if params.needed("type") != "card":
        raise Refusal(400, "The simulator takes cards only.", param="type")
    data = params.inner("card")
    if data is None:
        raise Refusal(400, "Missing required param: card.", code="parameter_missing", param="card")
    number, month, year = data.needed("number"), data.needed("exp_month"), data.needed("exp_year")
    cvc = data.text("cvc")
    data.done()
    params.skip("billing_details", "allow_redisplay", "metadata")
    params.done()
    return enter_card(change, number, month, year, cvc)


def enter_card(change: Change, number: str, month: str, year: str, cvc: str | None) -> Object:
    try:
        card = cards.accept(number, month, year, cvc, clock.machine_now().date())
    except cards.CardProblem as problem:
        raise card_refused(problem) from None
    return _keep_method(change, card, int(month), cards.full_year(year))


def use_method(change: Change, method_id: str) -> Object:
    """One made before, or a fresh one of Stripe's ready-made test methods."""
    if method_id in cards.BY_TOKEN:
        return _keep_method(change, cards.BY_TOKEN[method_id], 12, clock.machine_now().year + 3)
    method = change.get(method_id)
    if method is None or method["object"] != "payment_method":
        raise missing("PaymentMethod", method_id, "payment_method")
    return method


def _keep_method(change: Change, card: cards.TestCard, exp_month: int, exp_year: int) -> Object:
    method = change.put(shapes.payment_method(card, exp_month, exp_year))
    change.keep_private(method["id"], token=card.token)
    return method


def _card(change: Change, method: Object) -> cards.TestCard:
    return cards.BY_TOKEN[change.private(method["id"])["token"]]


def _next_action(change: Change, intent: Object, return_url: str | None) -> Object:
    if return_url is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    query = urlencode({"return_url": return_url})
    url = f"{change.page_base}/pay/{intent['client_secret']}/authenticate?{query}"
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}


def _succeed(change: Change, intent: Object, method: Object, *, authenticated: bool) -> Object:
    charged = shapes.charge(intent, method, refused=None, authenticated=authenticated)
    booked = shapes.balance_transaction(
        charged,
        amount=charged["amount"],
        type="charge",
        fee=shapes.fee(charged["amount"], intent["currency"].upper()),
    )
    charged["balance_transaction"] = booked["id"]
    intent |= {
        "status": "succeeded", "amount_received": intent["amount"], "latest_charge": charged["id"],
        "next_action": None,
    }  # fmt: skip
    for item in (booked, charged, intent):
        change.put(item)
    change.tell("charge.succeeded", charged)
    change.tell("payment_intent.succeeded", intent)
    if _card(change, method).is_disputed:
        disputes.open_dispute(change, charged, "fraudulent")
    return intent


def _decline(change: Change, intent: Object, method: Object, card: cards.TestCard) -> Object:
    charged = change.put(shapes.charge(intent, method, refused=card, authenticated=False))
    intent["latest_charge"] = charged["id"]
    change.tell("charge.failed", charged)
    error = {
        "charge": charged["id"], "code": card.code, "decline_code": card.decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{str(card.code).replace('_', '-')}",
        "message": card.message, "type": "card_error",
    }  # fmt: skip
    return _back_to_start(change, intent, method, error)


def _back_to_start(change: Change, intent: Object, method: Object, error: Object) -> Object:
    """The payer may try again with another card, on the same intent."""
    intent |= {
        "status": "requires_payment_method", "payment_method": None, "next_action": None,
        "last_payment_error": {**error, "payment_method": method},
    }  # fmt: skip
    change.put(intent)
    change.tell("payment_intent.payment_failed", intent)
    return intent


def _check_amount(amount: int | None, currency: str) -> None:
    if amount is None:
        raise Refusal(400, "Missing required param: amount.", code="parameter_missing", param="amount")
    try:
        exponent(currency)
    except ValueError:
        raise Refusal(400, f"Invalid currency: {currency.lower()[:10]}.", param="currency") from None
    least = _SMALLEST.get(currency, 1)
    if amount < least:
        shown = Money(from_stripe(least, currency), currency).format("en")
        raise Refusal(
            400,
            f"Amount must be at least {shown} {currency.lower()}",
            code="amount_too_small",
            param="amount",
        )
    if amount > LARGEST:
        shown = Money(from_stripe(LARGEST, currency), currency).format("en")
        raise Refusal(400, f"Amount must be no more than {shown}", code="amount_too_large", param="amount")
    if amount % stripe_step(currency):
        raise Refusal(
            400, f"Invalid amount: {currency} is charged in steps of {stripe_step(currency)}.", param="amount"
        )
