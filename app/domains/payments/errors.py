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


class WrongCurrency(Invalid):
    code, message = "wrong_currency", _l("Everything is sold in the company's own currency.")


class NotChargeable(Invalid):
    """Nothing to sell, more than fits, or off the step in which the provider moves this currency."""

    code, message = "not_chargeable", _l("This amount can't be charged.")


class UnlikeOurs(Conflict):
    """What the provider holds under our reference has another amount, currency or number than ours: nothing
    is taken from it, and trying again is useless."""

    code, message = "unlike_ours", _l("The payment service tells something else of this than we know.")
    permanent = True


class NothingToRefund(Conflict):
    code, message = "nothing_to_refund", _l("There is nothing to give back here any more.")


class BadWebhook(DomainError):
    code, status, message = "bad_webhook", 400, _l("This message can't be trusted.")
