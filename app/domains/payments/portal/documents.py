"""`/receipts/<code>.pdf`: a receipt, for whoever has its address."""

from __future__ import annotations

import datetime as dt
import logging
import re
from typing import Any

from flask import Blueprint, Response, request

from app.core import throttle
from app.core.db import db
from app.core.errors import NotFound
from app.core.outside import ProviderUnavailable
from app.core.throttle import Limit
from app.core.web.viewing import on_tenant
from app.domains.payments import jobs, queries
from app.domains.payments.models import Receipt
from app.domains.payments.service.receipts import CODE_LENGTH, number_of

log = logging.getLogger(__name__)

bp = Blueprint("documents", __name__)

GUESSES = Limit(20, dt.timedelta(minutes=10))
_CODE = re.compile(rf"[0-9A-Z]{{{CODE_LENGTH}}}", re.ASCII)


@bp.get("/receipts/<code>.pdf")
def receipt(code: str) -> Any:
    """The PDF. Its code can't be guessed; whoever tries is told to slow down."""
    on_tenant()
    found = _found(code)
    number, kind = number_of(found), found.kind.replace("_", "-")
    response = Response(_pdf(found), mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{kind}-{number}.pdf"'
    response.headers["Cache-Control"] = "private, no-store"
    # Its address is the key to it: nobody it leads to is told.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _found(code: str) -> Receipt:
    try:
        if not _CODE.fullmatch(code):
            raise NotFound
        return queries.receipt_by_code(code)
    except NotFound:
        throttle.hit(db.engine, f"receipt ip {throttle.network(request.remote_addr)}", GUESSES)
        raise


def _pdf(receipt: Receipt) -> bytes:
    try:
        return jobs.receipt_pdf(receipt)
    except ProviderUnavailable:
        log.warning("the store is away; receipt %s is drawn for this once", receipt.id)
        return jobs.drawn(receipt)
