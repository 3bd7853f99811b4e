"""An order as its pages print it: words and amounts, worked out beforehand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import format_decimal
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core import clock
from app.core.locales import reader_locale
from app.core.moments import moment
from app.core.money import Money
from app.core.web.pages import ActionLink, Text
from app.domains.payments import policies
from app.domains.payments.models import (
    CANCELLED,
    EXPIRED,
    FAILED,
    PAID,
    REQUESTED,
    SUBMITTED,
    SUCCEEDED,
    Refund,
)
from app.domains.payments.queries import OrderSeen
from app.domains.payments.service.receipts import title_of


@dataclass(frozen=True)
class LineView:
    description: str
    quantity: str
    unit: str
    gross: str
    refunded: str


@dataclass(frozen=True)
class RefundView:
    """Money that goes back: how much, why, and how far it has come."""

    amount: str
    reason: str
    when: str
    state: Text
    tone: str


@dataclass(frozen=True)
class Standing:
    """How an order stands: a word for machines, and for people a tone, a title and what it means."""

    state: str
    tone: str
    icon: str
    title: Text
    text: Text


STANDINGS: Mapping[str, Standing] = {
    standing.state: standing
    for standing in (
        Standing(policies.PAYABLE, "info", "credit-card", _l("Not paid yet"), _l("Pay to make it yours.")),
        Standing(
            policies.WAITING,
            "info",
            "clock",
            _l("Waiting for the payment"),
            _l("As soon as the payment service tells us that you have paid, it says so here."),
        ),
        Standing(
            policies.DECLINED,
            "warning",
            "alert-triangle",
            _l("The payment was declined"),
            _l("Nothing was charged. Try again, or take another card."),
        ),
        Standing(
            policies.LATE,
            "info",
            "clock",
            _l("The time to pay is over"),
            _l(
                "If you have paid all the same, we will soon know: then it is yours, or you get all of your"
                " money back by itself."
            ),
        ),
        Standing(PAID, "success", "circle-check", _l("Paid"), _l("Thank you! It is yours now.")),
        Standing(
            policies.PARTLY_REFUNDED,
            "success",
            "circle-check",
            _l("Paid, and refunded in part"),
            _l("Refunds reach your card within some days."),
        ),
        Standing(
            policies.REFUNDED,
            "info",
            "refresh",
            _l("Refunded"),
            _l("All of your money is on its way back; it reaches your card within some days."),
        ),
        Standing(
            EXPIRED,
            "warning",
            "clock",
            _l("The time to pay is over"),
            _l("Nothing was charged, and what you had chosen is free again. You can choose anew."),
        ),
        Standing(CANCELLED, "secondary", "circle-x", _l("Given up"), _l("Nothing was charged.")),
    )
}


@dataclass(frozen=True)
class OrderView:
    """`booking_url` leads to what was booked with it, which is not known here."""

    code: str
    url: str
    booking_url: str
    lines: Sequence[LineView]
    taxes: Sequence[tuple[str, str]]
    total: str
    refunded: str
    placed_at: dt.datetime
    expires_at: dt.datetime
    seconds_left: int
    standing: Standing
    receipts: Sequence[ActionLink]

    @property
    def is_waiting(self) -> bool:
        return self.standing.state in {policies.WAITING, policies.LATE}

    @property
    def is_paid(self) -> bool:
        return self.standing.state in {PAID, policies.REFUNDED, policies.PARTLY_REFUNDED}

    @property
    def may_pay(self) -> bool:
        return self.standing.state in {policies.PAYABLE, policies.WAITING, policies.DECLINED}


def words(amount: Money) -> str:
    return amount.format(reader_locale())


def view_of(order: OrderSeen) -> OrderView:
    def amount(minor: int) -> str:
        return words(Money(minor, order.currency))

    refunded = sum(line.refunded_minor for line in order.lines)
    return OrderView(
        code=order.code,
        url=url_for("orders.show", code=order.code),
        booking_url=f"/orders/{order.code}/booking",
        lines=[
            LineView(
                line.description,
                format_decimal(line.quantity),
                amount(line.unit_minor) if line.quantity > 1 else "",
                amount(line.gross_minor),
                amount(line.refunded_minor) if line.refunded_minor else "",
            )
            for line in order.lines
        ],
        taxes=_taxes(order),
        total=words(order.total),
        refunded=amount(refunded) if refunded else "",
        placed_at=order.placed_at,
        expires_at=order.expires_at,
        seconds_left=max(0, int((order.expires_at - clock.now()).total_seconds())),
        standing=STANDINGS[policies.state_of(order, clock.now())],
        receipts=[
            ActionLink(
                receipt.kind,
                title_of(receipt),
                url_for("documents.receipt", code=receipt.code),
                "file-text",
            )
            for receipt in order.receipts
        ],
    )


REFUND_STANDINGS: Mapping[str, tuple[Text, str]] = {
    REQUESTED: (_l("on its way to the payment service"), "info"),
    SUBMITTED: (_l("on its way to you"), "info"),
    SUCCEEDED: (_l("sent; it reaches your card within some days"), "success"),
    FAILED: (_l("did not work yet; the company takes care of it"), "warning"),
}


def refund_views(refunds: Sequence[Refund]) -> list[RefundView]:
    """The latest first."""
    return [
        RefundView(
            words(Money(refund.amount_minor, refund.currency)),
            refund.reason,
            moment(refund.requested_at),
            *REFUND_STANDINGS[refund.status],
        )
        for refund in reversed(refunds)
    ]


def sum_sentences(order: OrderSeen) -> list[str]:
    """Why an order costs what it costs."""
    found = []
    for line in order.lines:
        gross, tax = Money(line.gross_minor, order.currency), Money(line.tax_minor, order.currency)
        if line.quantity > 1:
            found.append(
                _(
                    "%(what)s: %(quantity)s × %(price)s is %(sum)s.",
                    what=line.description,
                    quantity=format_decimal(line.quantity),
                    price=words(Money(line.unit_minor, order.currency)),
                    sum=words(gross),
                )
            )
        if line.tax_minor:
            found.append(
                _(
                    "The price of %(sum)s includes %(rate)s %% tax: %(net)s and %(tax)s of tax.",
                    sum=words(gross),
                    rate=format_decimal(line.tax_rate_bp / 100),
                    net=words(gross - tax),
                    tax=words(tax),
                )
            )
        elif line.gross_minor:
            found.append(_("No tax is charged on the price of %(sum)s.", sum=words(gross)))
    return [*found, _("There are no fees on top: you pay the price that was shown when you booked.")]


def _taxes(order: OrderSeen) -> list[tuple[str, str]]:
    """How much of each tax there is in the total."""
    found: dict[int, int] = {}
    for line in order.lines:
        if line.tax_minor:
            found[line.tax_rate_bp] = found.get(line.tax_rate_bp, 0) + line.tax_minor
    return [
        (
            _("Includes %(rate)s %% tax", rate=format_decimal(rate / 100)),
            words(Money(minor, order.currency)),
        )
        for rate, minor in sorted(found.items())
    ]
