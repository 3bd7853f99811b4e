"""What the platform's first page adds up across companies; in the platform's scope."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from app.core.db import db

_SOLD = """
    SELECT e.tenant_id, a.currency,
           coalesce(sum(p.amount_minor) FILTER (WHERE a.code = 'customer_funds'), 0)::bigint AS takings,
           coalesce(-sum(p.amount_minor) FILTER (WHERE a.code = 'platform_fee'), 0)::bigint AS fee
    FROM ledger_entry e
      JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
      JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
    WHERE e.kind IN ('sale', 'giveback') AND e.occurred_at >= :since
    GROUP BY e.tenant_id, a.currency
"""


def takings_by_currency(*, since: dt.datetime) -> Sequence[Row[Any]]:
    """What all companies sold since then less what they gave back, and the platform's share, per currency."""
    query = f"""
        SELECT currency, sum(takings)::bigint AS takings, sum(fee)::bigint AS fee FROM ({_SOLD}) sold
        GROUP BY currency ORDER BY sum(takings) DESC
    """  # noqa: S608 - our own constant
    return db.session.execute(text(query), {"since": since}).all()


def companies(*, since: dt.datetime, now: dt.datetime, most: int) -> Sequence[Row[Any]]:
    """The companies that sold most, then by name: takings, fee, lessons to come and people of each."""
    query = f"""
        SELECT t.id, t.name, t.status, t.currency,
               coalesce(s.takings, 0) AS takings, coalesce(s.fee, 0) AS fee,
               (SELECT count(*) FROM lesson l WHERE l.tenant_id = t.id AND l.status = 'scheduled'
                   AND l.starts_at >= :now) AS lessons,
               (SELECT count(*) FROM person m WHERE m.tenant_id = t.id) AS people
        FROM tenant t LEFT JOIN ({_SOLD}) s ON s.tenant_id = t.id AND s.currency = t.currency
        WHERE t.status <> 'closed' ORDER BY coalesce(s.takings, 0) DESC, t.name LIMIT :most
    """  # noqa: S608 - our own constant
    return db.session.execute(text(query), {"since": since, "now": now, "most": most}).all()
