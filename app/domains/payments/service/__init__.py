"""Writes of payments: `orders` are placed, `collecting` records what the provider says of their money,
`refunds` gives it back, `disputes` follows the banks, `receipts` are numbered, `webhooks` are kept."""

from app.domains.payments.service.collecting import (
    note_asked,
    note_unknown,
    open_payment,
    record_payment,
    void_unmade,
)
from app.domains.payments.service.disputes import record_dispute
from app.domains.payments.service.orders import (
    NewLine,
    cancel_order,
    expire_order,
    pay_free,
    place_order,
    renew_order,
)
from app.domains.payments.service.refunds import (
    note_refund_asked,
    record_refund,
    refuse_refund,
    request_refund,
    try_again,
)

__all__ = [
    "NewLine",
    "cancel_order",
    "expire_order",
    "note_asked",
    "note_refund_asked",
    "note_unknown",
    "open_payment",
    "pay_free",
    "place_order",
    "record_dispute",
    "record_payment",
    "record_refund",
    "refuse_refund",
    "renew_order",
    "request_refund",
    "try_again",
    "void_unmade",
]
