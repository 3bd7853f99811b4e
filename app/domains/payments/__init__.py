"""Payments owns orders, their lines, allocations, payments, refunds, disputes, receipts and webhooks in.
An order line knows its kind, quantity and price, never a lesson."""
