"""Chargebacks: opened by a card or by hand, closed as won or lost."""

from __future__ import annotations

from app.providers.payments.simulator import shapes
from app.providers.payments.simulator.refusals import Refusal
from app.providers.payments.simulator.store import Change, Object

CLOSED = ("won", "lost")


def open_dispute(change: Change, charged: Object, reason: str) -> Object:
    """The bank takes the unrefunded rest back, and a fee on top."""
    if not charged["paid"] or charged["refunded"]:
        raise Refusal(400, f"There is nothing to dispute on charge {charged['id']}.")
    if charged["disputed"]:
        raise Refusal(400, f"Charge {charged['id']} is disputed already.")
    dispute = shapes.dispute(charged, reason)
    taken = shapes.balance_transaction(
        dispute, amount=-dispute["amount"], type="adjustment", fee=shapes.DISPUTE_FEE
    )
    dispute["balance_transactions"] = [change.put(taken)]
    charged["disputed"] = True
    change.put(charged)
    change.put(dispute)
    change.tell("charge.dispute.created", dispute)
    change.tell("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close(change: Change, dispute: Object, status: str) -> Object:
    """Won gives the money back (not the fee)."""
    if dispute["status"] in CLOSED or status not in CLOSED:
        raise Refusal(400, f"This dispute is {dispute['status']} and can't become {status}.", saved=True)
    before = {"status": dispute["status"]}
    dispute["status"] = status
    if status == "won":
        back = shapes.balance_transaction(dispute, amount=dispute["amount"], type="adjustment")
        dispute["balance_transactions"].append(change.put(back))
        dispute["is_charge_refundable"] = True
    change.put(dispute)
    change.tell("charge.dispute.closed", dispute, before)
    if status == "won":
        change.tell("charge.dispute.funds_reinstated", dispute)
    return dispute


def is_lost_or_open(change: Change, charged: Object) -> bool:
    return any(
        dispute["charge"] == charged["id"] and dispute["status"] != "won" for dispute in change.all("dispute")
    )
