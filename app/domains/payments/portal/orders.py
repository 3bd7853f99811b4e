"""`/orders/<code>`: what became of an order; `/account/orders/`: all of one's own."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for

from app.core import clock, scope
from app.core.errors import DomainError
from app.core.ids import row_id
from app.core.moments import moment
from app.core.web.viewing import login_required, on_tenant, signed_in
from app.domains.payments import jobs, policies, queries
from app.domains.payments.models import Order
from app.domains.payments.portal.access import enter, order_of_viewer
from app.domains.payments.portal.views import refund_views, sum_sentences, view_of

log = logging.getLogger(__name__)

bp = Blueprint("orders", __name__, template_folder="../templates")

ASKED_AGAIN_AFTER = dt.timedelta(seconds=2)


@bp.get("/orders/<code>")
def show(code: str) -> Any:
    """How an order stands, in words. On the way back from the provider it is asked at once, so that nobody
    waits for a message of its; what it wrote into the address goes, since a key is in it."""
    order = enter(code)
    if not isinstance(order, Order):
        return order
    if "payment_intent" in request.args:
        _up_to_date(order, unless_asked_within=dt.timedelta())
        return redirect(url_for("orders.show", code=order.code))
    order = _up_to_date(order)
    receipts = queries.receipts_of([order.id])[order.id]
    refunds = queries.refunds_of_order(order.id) if any(line.refunded_minor for line in order.lines) else ()
    return render_template(
        "payments/order.html",
        order=view_of(order, receipts),
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
    count, rows = (0, []) if who.person_id is None else _orders_of(who.person_id, page)
    pages = max(1, -(-count // queries.PAGE))
    if page > pages:
        return redirect(url_for("orders.mine", page=pages))
    documents = queries.receipts_of([order.id for order in rows])
    return render_template(
        "payments/orders.html",
        orders=[view_of(order, documents[order.id]) for order in rows],
        count=count,
        moment=moment,
        previous_url=url_for("orders.mine", page=page - 1) if page > 1 else None,
        next_url=url_for("orders.mine", page=page + 1) if page < pages else None,
    )


def _orders_of(person_id: int, page: int) -> tuple[int, list[Order]]:
    count, rows = queries.orders_of(person_id, now=clock.now(), page=page)
    return count, list(rows)


def _up_to_date(order: Order, *, unless_asked_within: dt.timedelta = ASKED_AGAIN_AFTER) -> Order:
    """As the provider says now, unless it was asked just before or is away."""
    code = order.code
    waiting = [p for p in order.payments if p.status in policies.UNDER_WAY and p.provider_ref]
    since = clock.machine_now() - unless_asked_within
    for payment in waiting:
        if payment.asked_at is None or payment.asked_at <= since:
            scope.release()
            try:
                jobs.ask_payment(payment.id)
            except DomainError:
                log.warning("payment %s can't be asked for just now", payment.id, exc_info=True)
    return queries.order_by_code(code) if waiting else order
