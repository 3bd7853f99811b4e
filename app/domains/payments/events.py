"""What payments announces."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class OrderPaid(Event):
    """Its money is here (or nothing was to be paid). NOW: whoever fulfils its lines does so in the same
    transaction; of an order whose time had run out they try to get the thing again, or give the money back.
    """

    order_id: int
    was_expired: bool


@dataclass(frozen=True)
class OrderExpired(Event):
    order_id: int


@dataclass(frozen=True)
class OrderCancelled(Event):
    """Given up before it was paid."""

    order_id: int


@dataclass(frozen=True)
class ProviderEventStored(Event):
    """A webhook lies in the table. `tenant_id` is None: it is not known yet whose it is."""

    provider_event_id: int


@dataclass(frozen=True)
class RefundRequested(Event):
    refund_id: int


@dataclass(frozen=True)
class RefundSucceeded(Event):
    refund_id: int


@dataclass(frozen=True)
class RefundFailed(Event):
    refund_id: int


@dataclass(frozen=True)
class ReceiptIssued(Event):
    receipt_id: int


@dataclass(frozen=True)
class DisputeOpened(Event):
    dispute_id: int


@dataclass(frozen=True)
class DisputeClosed(Event):
    dispute_id: int
    won: bool
