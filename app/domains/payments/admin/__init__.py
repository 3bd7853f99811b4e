"""Payments in the admin: orders and their money, to be looked at; what can be done is done by actions."""

from app.domains.payments.admin.orders import OrderEntry, OrderLineEntry, ReceiptCounterEntry, ReceiptEntry
from app.domains.payments.admin.payments import (
    AllocationEntry,
    DisputeEntry,
    PaymentEntry,
    ProviderEventEntry,
    RefundEntry,
)

ADMIN = (
    OrderEntry,
    PaymentEntry,
    RefundEntry,
    DisputeEntry,
    ReceiptEntry,
    OrderLineEntry,
    AllocationEntry,
    ReceiptCounterEntry,
    ProviderEventEntry,
)
