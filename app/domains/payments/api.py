"""`/api/v1/orders/<code>`: a payer's app looks at its order and pays it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, url_for

from app.core import clock, scope
from app.core.errors import NotFound
from app.core.money import Money
from app.core.rights import TENANT
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.api_once import kept_afterwards
from app.core.web.describing import (
    ADDRESS,
    KEY_HEADER,
    MOMENT,
    TEXT,
    WHOLE,
    Json,
    body,
    in_path,
    list_of,
    ok,
    one_of,
    operation,
    or_null,
    record,
    ref,
)
from app.core.web.site import site
from app.core.web.viewing import on_tenant, signed_in
from app.domains.payments import jobs, policies, queries, service
from app.domains.payments.models import RECEIPT_KINDS
from app.domains.payments.queries import OrderSeen
from app.domains.payments.service.receipts import title_of

bp = Blueprint("payments_api", __name__)


@bp.get("/api/v1/orders/<code>")
def order(code: str) -> Any:
    """An order of the caller's with its lines and documents. Amounts are in minor units."""
    return jsonify(_json(_order_of(_payer(), code)))


@bp.post("/api/v1/orders/<code>/pay")
def pay(code: str) -> Any:
    """Start paying: where the payer goes on (`checkout_url`), or what the provider's form in the app needs
    (`client_secret`, `publishable_key`). Again it is the same payment; with the same `Idempotency-Key` also
    the same answer."""
    who = _payer()
    order_id = _order_of(who, code).id
    return kept_afterwards(who, lambda: (200, _started(order_id)))


def _payer() -> Viewer:
    """Raises NotFound on the platform's host, SignInNeeded."""
    on_tenant()
    return signed_in()


def _order_of(who: Viewer, code: str) -> OrderSeen:
    found = queries.order_seen(code)
    if not policies.belongs_to(found, person_id=who.person_id, actors={f"u:{who.user_id}"}):
        raise NotFound
    return found


def _started(order_id: int) -> dict[str, Any]:
    order = queries.order(order_id)
    if not order.total_minor:
        with transaction():
            service.pay_free(order)
        return {"state": "paid"}
    scope.release()
    payment = jobs.start_payment(order_id)
    back = f"{site().url}{url_for('orders.show', code=order.code)}"
    checkout = jobs.checkout_of(payment, return_url=back)
    if checkout.url is not None:
        return {"checkout_url": checkout.url}
    return {"client_secret": checkout.client_secret, "publishable_key": checkout.publishable_key}


def _json(order: OrderSeen) -> dict[str, Any]:
    return {
        "code": order.code,
        "state": policies.state_of(order, clock.now()),
        "currency": order.currency,
        "total_minor": order.total_minor,
        "total": str(Money(order.total_minor, order.currency)),
        "placed_at": order.placed_at.isoformat(),
        "expires_at": order.expires_at.isoformat(),
        "paid_at": order.paid_at.isoformat() if order.paid_at else None,
        "lines": [
            {
                "description": line.description,
                "quantity": line.quantity,
                "gross_minor": line.gross_minor,
                "net_minor": line.net_minor,
                "tax_minor": line.tax_minor,
                "tax_rate_bp": line.tax_rate_bp,
                "refunded_minor": line.refunded_minor,
            }
            for line in order.lines
        ],
        "receipts": [
            {
                "kind": receipt.kind,
                "label": title_of(receipt),
                "url": f"{site().url}{url_for('documents.receipt', code=receipt.code)}",
            }
            for receipt in order.receipts
        ],
    }


# -- As OpenAPI describes it -------------------------------------------------------------------------------

SURFACES = frozenset({TENANT})

_TAG = "Orders"
_MINOR: Json = {**WHOLE, "minimum": 0, "description": "Minor units of the order's currency."}
_LINE = record(
    {
        "description": TEXT,
        "quantity": WHOLE,
        "gross_minor": _MINOR,
        "net_minor": _MINOR,
        "tax_minor": _MINOR,
        "tax_rate_bp": {**WHOLE, "description": "Hundredths of a percent."},
        "refunded_minor": _MINOR,
    }
)
_RECEIPT = record({"kind": one_of(RECEIPT_KINDS), "label": TEXT, "url": ADDRESS})

SCHEMAS: Json = {
    "payments.order": record(
        {
            "code": TEXT,
            "state": one_of(policies.STATES),
            "currency": TEXT,
            "total_minor": _MINOR,
            "total": {**TEXT, "description": "The same in words: 40.00 EUR."},
            "placed_at": MOMENT,
            "expires_at": {**MOMENT, "description": "It can be paid until then."},
            "paid_at": or_null(MOMENT),
            "lines": list_of(_LINE),
            "receipts": list_of(_RECEIPT),
        }
    ),
    "payments.start": {
        "oneOf": [
            {**body({"checkout_url": ADDRESS}), "description": "Send the payer's browser there."},
            {
                **body({"client_secret": TEXT, "publishable_key": TEXT}),
                "description": "For the provider's form in the app.",
            },
            {**body({"state": {"const": "paid"}}), "description": "It cost nothing."},
        ]
    },
}

PATHS: Json = {
    "/api/v1/orders/{code}": {
        "parameters": [in_path("code")],
        "get": operation(_TAG, "One's own order", ok(ref("payments.order"))),
    },
    "/api/v1/orders/{code}/pay": {
        "parameters": [in_path("code")],
        "post": operation(
            _TAG, "Start paying, or go on with it", ok(ref("payments.start")), parameters=[KEY_HEADER]
        ),
    },
}
