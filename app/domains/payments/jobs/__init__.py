"""What calls the provider and the store: between transactions, never inside one; each safe to run twice."""

from app.domains.payments.jobs.documents import drawn, receipt_pdf
from app.domains.payments.jobs.listening import process_event
from app.domains.payments.jobs.paying import (
    Checkout,
    ask,
    ask_payment,
    call_off,
    call_off_payments,
    checkout_of,
    payer_page_origin,
    provider,
    start_payment,
)
from app.domains.payments.jobs.recurring import expire_orders, resolve_unknown
from app.domains.payments.jobs.refunding import ask_refund, submit_refund

__all__ = [
    "Checkout",
    "ask",
    "ask_payment",
    "ask_refund",
    "call_off",
    "call_off_payments",
    "checkout_of",
    "drawn",
    "expire_orders",
    "payer_page_origin",
    "process_event",
    "provider",
    "receipt_pdf",
    "resolve_unknown",
    "start_payment",
    "submit_refund",
]
