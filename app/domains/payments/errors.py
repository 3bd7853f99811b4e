"""What payments refuses."""

from flask_babel import lazy_gettext as _l

from app.core.errors import Conflict, DomainError, Invalid


class OrderClosed(Conflict):
    code, message = "order_closed", _l("This order can't be paid any more.")


class AlreadyPaid(Conflict):
    code, message = "already_paid", _l("This order is paid already.")


class RefundTooLarge(Invalid):
    code, message = "refund_too_large", _l("That is more than is left to be refunded.")


class DisputedPayment(Conflict):
    code, message = (
        "disputed_payment",
        _l("This payment is disputed; until that is decided nothing is refunded."),
    )


class BadWebhook(DomainError):
    code, status, message = "bad_webhook", 400, _l("This message can't be trusted.")
