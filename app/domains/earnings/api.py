"""`/api/v1/teaching/earnings`: what the caller has earned by teaching, down to the books."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from app.core.errors import Invalid, NotFound
from app.core.ids import row_id
from app.core.money import Money
from app.core.rights import TENANT
from app.core.web.describing import (
    MOMENT,
    TEXT,
    WHOLE,
    YES_NO,
    Json,
    in_path,
    list_of,
    ok,
    one_of,
    operation,
    or_null,
    query,
    record,
    ref,
)
from app.core.web.site import site
from app.core.web.viewing import on_tenant, signed_in
from app.domains.accounts.models import TUTOR
from app.domains.earnings import queries
from app.domains.earnings.models import STATUS_NAMES, Earning
from app.domains.earnings.queries import SEAT
from app.domains.ledger import queries as ledger

bp = Blueprint("earnings_api", __name__)

MOST_ROWS, MOST_PAGES = 100, 1_000_000


@bp.get("/api/v1/teaching/earnings")
def earnings() -> Any:
    """A page of the caller's earnings, newest first, and their sums in the books; amounts in minor units."""
    tutor_id = _tutor_id()
    status = request.args.get("status")
    if status is not None and status not in STATUS_NAMES:
        raise Invalid(field="status")
    page, size = _number("page", 1, MOST_PAGES), _number("size", 50, MOST_ROWS)
    found = queries.of_tutor(tutor_id, status=status, page=page, size=size)
    totals = queries.totals_of(tutor_id, site().currency or "")
    return jsonify(
        {
            "totals": {
                "pending": _money(totals.pending),
                "cleared": _money(totals.cleared),
                "given_back": _money(totals.given_back),
                "next_clears_at": _iso(totals.next_clears_at),
            },
            "result": [{**_json(row.earning), "sold_at": row.sold_at.isoformat()} for row in found.rows],
            "count": found.count,
            "page": page,
            "size": size,
        }
    )


@bp.get("/api/v1/teaching/earnings/<id:earning_id>")
def earning(earning_id: int) -> Any:
    """One of the caller's, with every entry of the books that is about it: debits are positive."""
    found = queries.own(_tutor_id(), earning_id)
    entries = [
        {
            "id": entry.id,
            "kind": entry.kind,
            "occurred_at": entry.occurred_at.isoformat(),
            "postings": [
                {"account": posting.account.code, **_money(posting.amount)} for posting in entry.postings
            ],
        }
        for entry in ledger.entries_of(SEAT, found.seat_id)
    ]
    return jsonify({**_json(found), "entries": entries})


def _tutor_id() -> int:
    """Raises SignInNeeded, NotFound for whoever does not teach here."""
    on_tenant()
    who = signed_in()
    if who.person_id is None or TUTOR not in who.role_keys:
        raise NotFound
    return who.person_id


def _number(name: str, default: int, most: int) -> int:
    number = row_id(request.args.get(name, str(default)))
    if number is None or not 1 <= number <= most:
        raise Invalid(field=name)
    return number


def _json(found: Earning) -> Json:
    return {
        "id": found.id,
        "description": found.description,
        "status": found.status,
        "is_held": found.is_held,
        "reason": found.reason,
        "currency": found.currency,
        "gross": found.gross_minor,
        "tax": found.tax_minor,
        "platform_fee": found.platform_minor,
        "company_share": found.tenant_minor,
        "tutor_share": found.tutor_minor,
        "given_back": found.refunded_minor,
        "earned_at": _iso(found.earned_at),
        "clears_at": _iso(found.clears_at),
        "cleared_at": _iso(found.cleared_at),
    }


def _money(amount: Money) -> Json:
    return {"minor": amount.minor, "currency": amount.currency}


def _iso(at: Any) -> str | None:
    return at.isoformat() if at is not None else None


# -- As OpenAPI describes it -------------------------------------------------------------------------------

SURFACES = frozenset({TENANT})

_TAG = "Teaching"
_MONEY: Json = {"minor": WHOLE, "currency": TEXT}
_EARNING: Json = {
    "id": WHOLE,
    "description": TEXT,
    "status": one_of(STATUS_NAMES),
    "is_held": YES_NO,
    "reason": or_null(TEXT),
    "currency": TEXT,
    **dict.fromkeys(("gross", "tax", "platform_fee", "company_share", "tutor_share", "given_back"), WHOLE),
    **dict.fromkeys(("earned_at", "clears_at", "cleared_at"), or_null(MOMENT)),
}

SCHEMAS: Json = {
    "earnings.earning": record({**_EARNING, "sold_at": MOMENT}),
    "earnings.entry": record(
        {
            "id": WHOLE,
            "kind": TEXT,
            "occurred_at": MOMENT,
            "postings": list_of(record({"account": TEXT, **_MONEY})),
        }
    ),
    "earnings.explained": record({**_EARNING, "entries": list_of(ref("earnings.entry"))}),
    "earnings.page": record(
        {
            "totals": record(
                {
                    **dict.fromkeys(("pending", "cleared", "given_back"), record(_MONEY)),
                    "next_clears_at": or_null(MOMENT),
                }
            ),
            "result": list_of(ref("earnings.earning")),
            "count": WHOLE,
            "page": WHOLE,
            "size": WHOLE,
        }
    ),
}

PATHS: Json = {
    "/api/v1/teaching/earnings": {
        "get": operation(
            _TAG,
            "What one has earned",
            ok(ref("earnings.page")),
            parameters=[
                query("status", one_of(STATUS_NAMES), "Those in this state only."),
                query("page", {**WHOLE, "minimum": 1, "maximum": MOST_PAGES, "default": 1}, "From 1 on."),
                query("size", {**WHOLE, "minimum": 1, "maximum": MOST_ROWS, "default": 50}, "Rows a page."),
            ],
        )
    },
    "/api/v1/teaching/earnings/{earning_id}": {
        "parameters": [in_path("earning_id", WHOLE)],
        "get": operation(_TAG, "One earning, down to the books", ok(ref("earnings.explained"))),
    },
}
