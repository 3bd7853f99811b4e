"""`/orders/<code>`: what became of an order; `/account/orders/`: all of one's own."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for

from app.core import clock
from app.core.errors import DomainError
from app.core.ids import row_id
from app.core.moments import moment
from app.core.web.viewing import login_required, on_tenant, signed_in
from app.domains.payments import jobs, policies, queries
from app.domains.payments.portal.access import enter, order_of_viewer
from app.domains.payments.portal.views import refund_views, sum_sentences, view_of
from app.domains.payments.queries import OrderSeen

log = logging.getLogger(__name__)

bp = Blueprint("orders", __name__, template_folder="../templates")

ASKED_AGAIN_AFTER = dt.timedelta(seconds=2)


@bp.get("/orders/<code>")
def show(code: str) -> Any:
    """How an order stands, in words. On the way back from the provider it is asked at once, so that nobody
    waits for a message of its; what it wrote into the address goes, since a key is in it."""
    order = enter(code)
    if not isinstance(order, OrderSeen):
        return order
    if "payment_intent" in request.args:
        _ask(order, unless_asked_within=dt.timedelta())
        return redirect(url_for("orders.show", code=order.code))
    order = _up_to_date(order)
    refunds = queries.refunds_of_order(order.id) if any(line.refunded_minor for line in order.lines) else ()
    return render_template(
        "payments/order.html",
        order=view_of(order),
        refunds=refund_views(refunds),
        why=sum_sentences(order) if order.total_minor else (),
    )


@bp.get("/orders/<code>/state")
def state(code: str) -> Any:
    """The same in one word, for the page that waits."""
    return jsonify({"state": policies.state_of(_up_to_date(order_of_viewer(code)), clock.now())})


@bp.get("/account/orders/")
@login_required
def mine() -> Any:
    """What somebody bought, with its receipts."""
    on_tenant()
    who = signed_in()
    page = min(row_id(request.args.get("page", "1")) or 1, 10_000)
    nothing: tuple[int, list[OrderSeen]] = (0, [])
    theirs = who.person_id
    count, rows = nothing if theirs is None else queries.orders_of(theirs, now=clock.now(), page=page)
    pages = max(1, -(-count // queries.PAGE))
    if page > pages:
        return redirect(url_for("orders.mine", page=pages))
    return render_template(
        "payments/orders.html",
        orders=[view_of(order) for order in rows],
        count=count,
        moment=moment,
        previous_url=url_for("orders.mine", page=page - 1) if page > 1 else None,
        next_url=url_for("orders.mine", page=page + 1) if page < pages else None,
    )


def _up_to_date(order: OrderSeen) -> OrderSeen:
    """As the provider says now, unless it was asked just before or is away."""
    return queries.order_seen(order.code) if _ask(order, unless_asked_within=ASKED_AGAIN_AFTER) else order


def _ask(order: OrderSeen, *, unless_asked_within: dt.timedelta) -> bool:
    """Have what is under way looked at, the provider willing: whether it may be otherwise now."""
    since = clock.machine_now() - unless_asked_within
    due = [p for p in order.payments if p.provider_ref and (p.asked_at is None or p.asked_at <= since)]
    for payment in due:
        try:
            jobs.ask(payment)
        except DomainError:
            log.warning("payment %s can't be asked for just now", payment.id, exc_info=True)
    return bool(due)
