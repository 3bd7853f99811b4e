"""Payments, what they paid, and how money goes back; and what the provider told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

from app.core.rights import PLATFORM
from app.core.viewer import Viewer
from app.core.web.entry import Action, Related
from app.domains.payments import jobs, models, policies, service
from app.domains.payments.admin.common import Kept, amounts, money
from app.domains.payments.models import Allocation, Dispute, Payment, ProviderEvent, Refund
from app.domains.payments.service import webhooks

SOURCES = (
    (models.CARD, _l("Card")),
    (models.WALLET, _l("Wallet")),
    (models.FREE, _l("Free")),
)


def _ask(row: Payment, _data: Mapping[str, Any], _by: Viewer) -> str:
    jobs.ask_payment(row.id)
    return ""


class PaymentEntry(Kept):
    model = Payment
    label, plural = _l("Payment"), _l("Payments")
    lead = _l("What was asked of the payment provider, and what it says.")
    icon, rank = "credit-card", 20
    columns = ("code", "order", "amount_minor", "status", "captured_at")
    details = (
        "code",
        "order",
        "provider",
        "provider_ref",
        "status",
        "amount_minor",
        "captured_minor",
        "refunded_minor",
        "fee_minor",
        "failure_code",
        "captured_at",
        "asked_at",
        "created_at",
    )
    search = ("code", "provider_ref")
    found_by = ("=code", "=provider_ref")
    filters = ("status", "order_id", "captured_at")
    choices = {"status": tuple(models.PAYMENT_STATUS.items())}
    labels = {
        "order": _l("Order"),
        "order_id": _l("Order"),
        "provider": _l("Provider"),
        "provider_ref": _l("Number at the provider"),
        "amount_minor": _l("Amount"),
        "captured_minor": _l("Received"),
        "refunded_minor": _l("Refunded"),
        "fee_minor": _l("Provider's fee"),
        "failure_code": _l("Declined because"),
        "captured_at": _l("Received on"),
        "asked_at": _l("Provider last asked"),
    }
    formats = amounts("amount_minor", "captured_minor", "refunded_minor", "fee_minor")
    actions = (
        Action(
            "ask",
            _l("Ask the provider now"),
            _ask,
            done=_l("This is how it stands at the provider."),
            icon="refresh",
            text=_l("What the provider says is taken over at once; otherwise that happens by itself."),
            when=lambda row: row.status in policies.UNDER_WAY or row.fee_minor is None,
            own_scope=True,
        ),
    )
    related = (
        Related("refunds", "payment_id", _l("Refunds")),
        Related("disputes", "payment_id", _l("Disputes")),
        Related("allocations", "payment_id", _l("What it paid"), told=False),
    )
    sections = (
        (_l("Money"), ("amount_minor", "captured_minor", "refunded_minor", "fee_minor", "captured_at")),
        (_l("At the provider"), ("provider", "provider_ref", "failure_code", "asked_at")),
    )
    deeds = {
        "created": _l("asked for the payment"),
        models.PENDING: _l("heard that the payment is under way"),
        models.CAPTURED: _l("heard from the provider that the money came in"),
        models.FAILED: _l("heard from the provider that the payment failed"),
        models.UNKNOWN: _l("got no answer about the payment"),
    }
    empty_title = _l("No payments yet")

    def title_of(self, row: Payment) -> str:
        return f"{money(row.amount_minor, row).text} ({row.code})"


class AllocationEntry(Kept):
    model = Allocation
    label, plural = _l("Allocation"), _l("Allocations")
    lead = _l("By which payment each line was paid.")
    icon = "link"
    columns = ("line", "source", "payment", "amount_minor", "refunded_minor")
    filters = ("source", "line_id", "payment_id")
    choices = {"source": SOURCES}
    labels = {
        "line": _l("Order line"),
        "line_id": _l("Order line"),
        "payment": _l("Payment"),
        "payment_id": _l("Payment"),
        "source": _l("Paid by"),
        "amount_minor": _l("Amount"),
        "refunded_minor": _l("Refunded"),
    }
    formats = amounts("amount_minor", "refunded_minor")
    rare = True

    def title_of(self, row: Allocation) -> str:
        return str(money(row.amount_minor, row).text)


def _try_again(row: Refund, _data: Mapping[str, Any], _by: Viewer) -> str:
    service.try_again(row)
    return ""


class RefundEntry(Kept):
    model = Refund
    label, plural = _l("Refund"), _l("Refunds")
    lead = _l("Money on its way back to customers. Cancelling a lesson makes them.")
    icon, rank = "refresh", 30
    waits = ("status", (models.FAILED,))
    columns = ("code", "line", "amount_minor", "status", "requested_at")
    details = (
        "code",
        "payment",
        "line",
        "amount_minor",
        "status",
        "reason",
        "requested_by",
        "requested_at",
        "done_at",
        "failure_code",
        "provider_ref",
    )
    search = ("code", "provider_ref")
    filters = ("status", "payment_id", "line_id", "requested_at")
    choices = {"status": tuple(models.REFUND_STATUS.items())}
    labels = {
        "line": _l("For"),
        "line_id": _l("Order line"),
        "payment": _l("Payment"),
        "payment_id": _l("Payment"),
        "amount_minor": _l("Amount"),
        "requested_by": _l("Asked for by"),
        "requested_at": _l("Asked for"),
        "done_at": _l("Ended"),
        "failure_code": _l("Failed because"),
        "provider_ref": _l("Number at the provider"),
    }
    formats = amounts("amount_minor")
    actions = (
        Action(
            "try-again",
            _l("Try again"),
            _try_again,
            done=_l("The refund is on its way again."),
            icon="refresh-alert",
            text=_l("The same amount is sent back once more."),
            when=lambda row: row.status == models.FAILED,
        ),
    )
    primary = "try-again"
    deeds = {
        "created": _l("asked for the refund"),
        models.SUBMITTED: _l("handed the refund to the provider"),
        models.SUCCEEDED: _l("heard from the provider that the refund went out"),
        models.FAILED: _l("heard from the provider that the refund failed"),
    }
    empty_title = _l("No refunds yet")

    def title_of(self, row: Refund) -> str:
        return f"{money(row.amount_minor, row).text} ({row.code})"


class DisputeEntry(Kept):
    model = Dispute
    label, plural = _l("Dispute"), _l("Disputes")
    lead = _l("Payments that a customer's bank took back. Answer them on the provider's pages.")
    icon, rank = "alert-triangle", 40
    waits = ("status", (models.OPEN,))
    columns = ("provider_ref", "payment", "amount_minor", "reason", "status", "opened_at")
    details = (*columns, "closed_at", "fee_minor")
    search = ("provider_ref",)
    filters = ("status", "payment_id", "opened_at")
    choices = {"status": tuple(models.DISPUTE_STATUS.items())}
    labels = {
        "provider_ref": _l("Number at the provider"),
        "payment": _l("Payment"),
        "payment_id": _l("Payment"),
        "amount_minor": _l("Amount"),
        "fee_minor": _l("Provider's fee"),
        "opened_at": _l("Opened"),
        "closed_at": _l("Decided"),
    }
    formats = amounts("amount_minor", "fee_minor")
    tones = {"status": {models.OPEN: "warning", models.WON: "success", models.LOST: "danger"}}
    empty_title = _l("No disputes")
    empty_text = _l("No customer's bank has taken a payment back.")


def _process_again(row: ProviderEvent, _data: Mapping[str, Any], _by: Viewer) -> str:
    webhooks.process_again(row)
    return ""


class ProviderEventEntry(Kept):
    model = ProviderEvent
    label, plural = _l("Provider's message"), _l("Provider's messages")
    lead = _l("What payment providers told us, as it came in. It is harmless to work one off again.")
    icon = "inbox"
    surfaces = frozenset({PLATFORM})
    columns = ("type", "status", "received_at", "tenant_id", "note")
    details = (
        "type",
        "provider",
        "event_ref",
        "object_ref",
        "payment_ref",
        "status",
        "note",
        "tenant_id",
        "received_at",
        "processed_at",
        "payload",
    )
    search = ("type", "event_ref", "object_ref", "payment_ref")
    filters = ("status", "tenant_id", "received_at")
    choices = {"status": tuple(models.EVENT_STATUS.items())}
    labels = {
        "type": _l("About"),
        "provider": _l("Provider"),
        "event_ref": _l("Message at the provider"),
        "object_ref": _l("Object at the provider"),
        "payment_ref": _l("Payment at the provider"),
        "received_at": _l("Came in"),
        "processed_at": _l("Worked off"),
    }
    actions = (
        Action(
            "process",
            _l("Work off again"),
            _process_again,
            done=_l("It is worked off again in a moment."),
            icon="refresh-alert",
            text=_l("What is true at the provider now is asked for and taken over."),
            bulk=True,
        ),
    )
    empty_title = _l("No messages yet")
