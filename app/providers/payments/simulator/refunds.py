"""Money given back, and a refund that fails after all."""

from __future__ import annotations

from app.core.money import Money
from app.providers.payments.simulator import shapes
from app.providers.payments.simulator.disputes import is_lost_or_open
from app.providers.payments.simulator.params import Params
from app.providers.payments.simulator.refusals import Refusal, missing
from app.providers.payments.simulator.store import Change, Object
from app.providers.payments.units import from_stripe, stripe_step


def create(change: Change, params: Params) -> Object:
    charged = _charge(change, params.text("payment_intent"), params.text("charge"))
    amount, metadata = params.integer("amount"), params.metadata()
    reason = params.choice("reason", "duplicate", "fraudulent", "requested_by_customer")
    params.done()
    rest = charged["amount_captured"] - charged["amount_refunded"]
    amount = rest if amount is None else amount
    _check(change, charged, amount, rest)
    refund = shapes.refund(charged, amount, reason=reason, metadata=metadata)
    booked = change.put(shapes.balance_transaction(refund, amount=-amount, type="refund"))
    refund["balance_transaction"] = booked["id"]
    change.put(refund)
    before = _set_refunded(charged, charged["amount_refunded"] + amount)
    change.put(charged)
    change.tell("refund.created", refund)
    change.tell("charge.refunded", charged, before)
    # Card refunds are told of again when the banks have given them a number to ask for.
    before = {"destination_details": refund["destination_details"]}
    card = {**refund["destination_details"]["card"], "reference": "5550018", "reference_status": "available"}
    refund["destination_details"] = {"card": card, "type": "card"}
    change.put(refund)
    change.tell("refund.updated", refund, before)
    return refund


def fail(change: Change, refund: Object, reason: str) -> Object:
    """The bank sends the money back: the refund never was, and the charge's rest grows again."""
    charged = change.get(refund["charge"])
    if refund["status"] != "succeeded" or charged is None:
        raise Refusal(400, f"The refund {refund['id']} is {refund['status']}.")
    booked = change.put(shapes.balance_transaction(refund, amount=refund["amount"], type="refund_failure"))
    refund |= {"status": "failed", "failure_reason": reason, "failure_balance_transaction": booked["id"]}
    change.put(refund)
    before = _set_refunded(charged, charged["amount_refunded"] - refund["amount"])
    change.put(charged)
    change.tell("refund.updated", refund, {"status": "succeeded"})
    change.tell("refund.failed", refund)
    change.tell("charge.updated", charged, before)
    return refund


def _charge(change: Change, intent_id: str | None, charge_id: str | None) -> Object:
    if intent_id is not None:
        intent = change.get(intent_id)
        if intent is None or intent["object"] != "payment_intent":
            raise missing("payment_intent", intent_id, "payment_intent")
        charge_id = intent["latest_charge"] if intent["status"] == "succeeded" else None
        if charge_id is None:
            raise Refusal(
                400,
                f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
                param="payment_intent",
                saved=True,
            )
    if charge_id is None:
        raise Refusal(
            400,
            "One of the following params should be provided for this request: payment_intent or charge.",
        )
    charged = change.get(charge_id)
    if charged is None or charged["object"] != "charge":
        raise missing("charge", charge_id, "charge")
    return charged


def _check(change: Change, charged: Object, amount: int, rest: int) -> None:
    currency = charged["currency"].upper()
    if not charged["paid"]:
        raise Refusal(400, f"Charge {charged['id']} has failed; it can't be refunded.", saved=True)
    if amount < 1 and rest > 0:
        raise Refusal(
            400, "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer", param="amount",
        )  # fmt: skip
    if charged["disputed"] and is_lost_or_open(change, charged):
        raise Refusal(
            400,
            f"Charge {charged['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            saved=True,
        )
    if rest == 0:
        raise Refusal(
            400,
            f"Charge {charged['id']} has already been refunded.",
            code="charge_already_refunded",
            saved=True,
        )
    if amount > rest:
        asked, left = (Money(from_stripe(value, currency), currency).format("en") for value in (amount, rest))
        raise Refusal(
            400,
            f"Refund amount ({asked}) is greater than unrefunded amount on charge ({left})",
            param="amount",
            saved=True,
        )
    if amount % stripe_step(currency):
        raise Refusal(400, f"Invalid amount: {currency} is refunded in steps.", param="amount")


def _set_refunded(charged: Object, amount: int) -> Object:
    """Returns the members that changed, as they were."""
    after = {"amount_refunded": amount, "refunded": amount == charged["amount_captured"]}
    before = {name: charged[name] for name, value in after.items() if charged[name] != value}
    charged |= after
    return before
