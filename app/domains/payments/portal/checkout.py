"""`/pay/<code>`: what is to be paid, and the way to the provider."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, url_for
from flask_babel import gettext as _

from app.core import clock, scope
from app.core.outside import ProviderUnavailable
from app.core.transaction import transaction
from app.core.web import headers
from app.core.web.site import site
from app.domains.payments import jobs, policies, queries, service
from app.domains.payments.errors import AlreadyPaid, OrderClosed
from app.domains.payments.models import PENDING
from app.domains.payments.portal.access import enter, order_of_viewer
from app.domains.payments.portal.views import view_of
from app.domains.payments.queries import OrderSeen
from app.providers.payments import PaymentRefused

bp = Blueprint("checkout", __name__, template_folder="../templates")

_STRIPE = "https://js.stripe.com"
_STRIPE_FRAMES = f"{_STRIPE} https://*.js.stripe.com https://hooks.stripe.com"


@bp.get("/pay/<code>")
def pay(code: str) -> Any:
    """What is to be paid, until when, and the button."""
    order = enter(code)
    if not isinstance(order, OrderSeen):
        return order
    if not policies.is_payable(order, clock.now()):
        return redirect(url_for("orders.show", code=order.code))
    return _page(order)


@bp.post("/pay/<code>")
def start(code: str) -> Any:
    """To the provider. A double click, another tab and "back" all lead to the same payment."""
    order = order_of_viewer(code)
    order_id = order.id
    try:
        if not order.total_minor:
            with transaction():
                service.pay_free(queries.order(order_id))
            return redirect(url_for("orders.show", code=order.code))
        scope.release()
        payment = jobs.start_payment(order_id)
    except AlreadyPaid:
        flash(_("This order is paid already; you were not charged again."), "info")
        return redirect(url_for("orders.show", code=order.code))
    except OrderClosed:
        return redirect(url_for("orders.show", code=order.code))
    except ProviderUnavailable as error:
        return _away(code, error)
    except PaymentRefused:
        return _page(queries.order_seen(code), problem=_refused_words()), 422
    going_on = jobs.checkout_of(payment, return_url=return_url(order))
    return redirect(going_on.url or url_for("checkout.card", code=order.code))


@bp.get("/pay/<code>/card")
def card(code: str) -> Any:
    """The provider's form in our page, where the provider has no page of its own for the payer."""
    order = enter(code)
    if not isinstance(order, OrderSeen):
        return order
    payment = queries.payment_under_way(order.id)
    if (
        not policies.is_payable(order, clock.now())
        or payment is None
        or payment.client_secret is None
        or jobs.payer_page_origin() is not None
    ):
        return redirect(url_for("checkout.pay", code=order.code))
    checkout = jobs.checkout_of(payment, return_url=return_url(order))
    page = render_template(
        "payments/card.html", order=view_of(order), checkout=checkout, return_url=return_url(order)
    )
    return _with_stripe(make_response(page))


def return_url(order: OrderSeen) -> str:
    """Where the provider sends the payer back to."""
    return f"{site().url}{url_for('orders.show', code=order.code)}"


def _page(order: OrderSeen, *, problem: str = "") -> str:
    """The form leads to the provider's host, and browsers hold form-action against redirects too."""
    headers.let_forms_lead_to(jobs.payer_page_origin() if order.total_minor else None)
    return render_template(
        "payments/pay.html",
        order=view_of(order),
        is_free=not order.total_minor,
        is_test=jobs.provider().is_test,
        problem=problem,
    )


def _away(code: str, error: ProviderUnavailable) -> Any:
    """Nothing is lost: the order stays open, and the next try goes on with the same payment."""
    order = queries.order_seen(code)
    payment = queries.payment_under_way(order.id)
    # Before the provider said which payment it is, nobody can have paid it.
    nothing_charged = payment is None or payment.status != PENDING
    response = make_response(_page(order, problem=_away_words(nothing_charged=nothing_charged)), 503)
    response.headers["Retry-After"] = str(error.data.get("retry_after", 30))
    return response


def _away_words(*, nothing_charged: bool) -> str:
    if nothing_charged:
        return _(
            "The payment service does not answer right now. Nothing was charged. Please try again shortly."
        )
    return _(
        "The payment service does not answer right now. If you have paid already, we will know as soon as it"
        " does; you can't be charged twice. Otherwise please try again shortly."
    )


def _refused_words() -> str:
    return _("The payment service does not take this payment. Nothing was charged. Please tell the company.")


def _with_stripe(response: Response) -> Response:
    """Stripe's script and frames are let in on this page alone."""
    policy = headers.policy(g.get("form_targets", ""))
    policy = policy.replace("script-src 'self'", f"script-src 'self' {_STRIPE} https://*.js.stripe.com")
    policy = policy.replace("connect-src 'self'", "connect-src 'self' https://api.stripe.com")
    response.headers["Content-Security-Policy"] = f"{policy}; frame-src {_STRIPE_FRAMES}"
    response.headers["Permissions-Policy"] = (
        f'camera=(), geolocation=(), microphone=(), payment=(self "{_STRIPE}")'
    )
    return response
