"""The platform's figures, across companies; in the platform's scope. Amounts of different currencies are
never added up. A statement per function."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text

from app.core import clock
from app.core.db import db
from app.core.money import Money
from app.core.pool import PLANNED_ANEW
from app.domains.reporting.policies import Period

MOST = 8
QUIET_AFTER = dt.timedelta(days=30)
TENANTS, ACCOUNTS, LESSONS = "tenants", "accounts", "lessons"


def _bounds(period: Period) -> dict[str, object]:
    return {
        "zone": period.zone,
        "since": period.since,
        "now": period.now,
        "before_since": period.before_since,
        "before_until": period.before_until,
    }


# -- Money -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CurrencyTakings:
    """What all companies of a currency sold less what they gave back, and the platform's fee of it."""

    now: Money
    before: Money
    fee: Money
    by_day: dict[dt.date, int] = field(default_factory=dict)


_TAKINGS = text("""
    SELECT a.currency, (e.occurred_at AT TIME ZONE :zone)::date AS day, e.occurred_at >= :since AS is_now,
           coalesce(sum(p.amount_minor) FILTER (WHERE a.code = 'customer_funds'), 0)::bigint AS takings,
           coalesce(-sum(p.amount_minor) FILTER (WHERE a.code = 'platform_fee'), 0)::bigint AS fee
    FROM ledger_entry e
      JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
      JOIN ledger_account a ON a.id = p.account_id
    WHERE e.kind IN ('sale', 'giveback') AND e.occurred_at BETWEEN :before_since AND :now
      AND (e.occurred_at >= :since OR e.occurred_at <= :before_until)
      AND a.code IN ('customer_funds', 'platform_fee')
    GROUP BY 1, 2, 3
""")


def takings(period: Period) -> list[CurrencyTakings]:
    """By currency, the one in which most was sold first."""
    found: dict[str, list[Any]] = {}
    for row in db.session.execute(_TAKINGS, _bounds(period), execution_options=PLANNED_ANEW):
        found.setdefault(row.currency, []).append(row)
    sums = [_summed(currency, rows) for currency, rows in found.items()]
    return sorted(sums, key=lambda row: (-row.now.minor, row.now.currency))


def _summed(currency: str, rows: Sequence[Row[Any]]) -> CurrencyTakings:
    now = [row for row in rows if row.is_now]
    return CurrencyTakings(
        Money(sum(row.takings for row in now), currency),
        Money(sum(row.takings for row in rows if not row.is_now), currency),
        Money(sum(row.fee for row in now), currency),
        {row.day: row.takings for row in now},
    )


# -- Growth ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Growth:
    """How many came by day: companies and accounts when they were made, lessons when they took place."""

    by_day: dict[str, dict[dt.date, int]] = field(default_factory=dict)
    totals: dict[str, tuple[int, int]] = field(default_factory=dict)

    def now(self, what: str) -> int:
        return self.totals.get(what, (0, 0))[0]

    def before(self, what: str) -> int:
        return self.totals.get(what, (0, 0))[1]


_GROWTH = text("""
    SELECT what, (at AT TIME ZONE :zone)::date AS day, at >= :since AS is_now, count(*) AS rows
    FROM (
        SELECT 'tenants' AS what, created_at AS at FROM tenant
        UNION ALL
        SELECT 'accounts', created_on::timestamptz FROM ab_user
        UNION ALL
        SELECT 'lessons', starts_at FROM lesson
        WHERE status IN ('scheduled', 'done') AND taken > 0 AND ends_at <= :now AND starts_at >= :before_since
    ) found
    WHERE at BETWEEN :before_since AND :now AND (at >= :since OR at <= :before_until)
    GROUP BY 1, 2, 3
""")


def growth(period: Period) -> Growth:
    found = Growth()
    for row in db.session.execute(_GROWTH, _bounds(period), execution_options=PLANNED_ANEW):
        now, before = found.totals.get(row.what, (0, 0))
        if row.is_now:
            found.by_day.setdefault(row.what, {})[row.day] = row.rows
            found.totals[row.what] = (now + row.rows, before)
        else:
            found.totals[row.what] = (now, before + row.rows)
    return found


# -- Companies ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CompanyFigures:
    id: int
    name: str
    status: str
    takings: Money
    fee: Money
    lessons: int
    people: int


_COMPANIES = text("""
    SELECT busiest.*, coalesce(sold.takings, 0)::bigint AS takings, coalesce(sold.fee, 0)::bigint AS fee,
           (SELECT count(*) FROM person p WHERE p.tenant_id = busiest.id) AS people
    FROM (
        SELECT t.id, t.name, t.status, t.currency, coalesce(held.lessons, 0) AS lessons
        FROM tenant t LEFT JOIN (
            SELECT tenant_id, count(*) AS lessons FROM lesson
            WHERE status IN ('scheduled', 'done') AND taken > 0 AND ends_at <= :now AND starts_at >= :since
            GROUP BY tenant_id
        ) held ON held.tenant_id = t.id
        WHERE t.status <> 'closed' ORDER BY coalesce(held.lessons, 0) DESC, t.name, t.id LIMIT :most
    ) busiest CROSS JOIN LATERAL (
        SELECT sum(p.amount_minor) FILTER (WHERE a.code = 'customer_funds') AS takings,
               -sum(p.amount_minor) FILTER (WHERE a.code = 'platform_fee') AS fee
        FROM ledger_entry e
          JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
          JOIN ledger_account a ON a.id = p.account_id
        WHERE e.tenant_id = busiest.id AND e.kind IN ('sale', 'giveback')
          AND e.occurred_at BETWEEN :since AND :now AND a.currency = busiest.currency
          AND a.code IN ('customer_funds', 'platform_fee')
    ) sold
    ORDER BY busiest.lessons DESC, busiest.name, busiest.id
""")


def busiest_companies(period: Period) -> list[CompanyFigures]:
    """The companies that taught most (takings can't be compared across currencies)."""
    bounds = {"since": period.since, "now": period.now, "most": MOST}
    return [
        CompanyFigures(
            row.id,
            row.name,
            row.status,
            Money(row.takings, row.currency),
            Money(row.fee, row.currency),
            row.lessons,
            row.people,
        )
        for row in db.session.execute(_COMPANIES, bounds, execution_options=PLANNED_ANEW)
    ]


@dataclass(frozen=True)
class CompanyInNeed:
    """An active company, and what is wrong there."""

    id: int
    name: str
    has_tutor: bool
    is_quiet: bool
    failed_payments: int
    failed_refunds: int
    companies: int


_IN_NEED = text("""
    SELECT * FROM (
    WITH declined AS (
        SELECT tenant_id, count(*) AS payments FROM payment
        WHERE status = 'failed' AND created_at >= :since GROUP BY tenant_id
    ), stuck AS (
        SELECT tenant_id, count(*) AS refunds FROM refund WHERE status = 'failed' GROUP BY tenant_id
    ), seen AS (
        SELECT DISTINCT tenant_id FROM user_session
        WHERE tenant_id IS NOT NULL AND kind <> 'visit' AND last_seen_at >= :since
    ), taught AS (
        SELECT DISTINCT tenant_id FROM membership WHERE role_key = 'tutor' AND status = 'active'
    )
    SELECT *, count(*) OVER () AS companies FROM (
        SELECT t.id, t.name, h.tenant_id IS NOT NULL AS has_tutor,
               s.tenant_id IS NULL AND t.created_at < :since AS is_quiet,
               coalesce(d.payments, 0) AS failed_payments, coalesce(r.refunds, 0) AS failed_refunds
        FROM tenant t
          LEFT JOIN declined d ON d.tenant_id = t.id
          LEFT JOIN stuck r ON r.tenant_id = t.id
          LEFT JOIN seen s ON s.tenant_id = t.id
          LEFT JOIN taught h ON h.tenant_id = t.id
        WHERE t.status = 'active'
    ) found
    WHERE NOT has_tutor OR is_quiet OR failed_payments > 0 OR failed_refunds > 0
    ORDER BY failed_refunds DESC, failed_payments DESC, has_tutor, name, id LIMIT :most
    ) found
""")


def companies_in_need() -> list[CompanyInNeed]:
    """Companies without a tutor, where nobody has signed in for a month (machine time), or where payments or
    refunds fail: the worst first. `companies` is how many there are in all."""
    values = {"since": clock.machine_now() - QUIET_AFTER, "most": MOST}
    return [
        CompanyInNeed(*row) for row in db.session.execute(_IN_NEED, values, execution_options=PLANNED_ANEW)
    ]


# -- What stands now ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """Counts of this moment."""

    active: int
    suspended: int
    people: int
    accounts: int
    invited: int
    lessons: int
    disputes: int
    unknown_payments: int
    failed_refunds: int
    due: int
    dead: int


_STANDING = text("""
    SELECT (SELECT count(*) FROM tenant WHERE status = 'active') AS active,
           (SELECT count(*) FROM tenant WHERE status = 'suspended') AS suspended,
           (SELECT count(*) FROM person) AS people,
           (SELECT count(*) FROM ab_user) AS accounts,
           (SELECT count(*) FROM invitation WHERE status = 'pending'
               AND expires_at > :machine_now) AS invited,
           (SELECT count(*) FROM lesson WHERE status = 'scheduled' AND starts_at >= :now) AS lessons,
           (SELECT count(*) FROM dispute WHERE status = 'open') AS disputes,
           (SELECT count(*) FROM payment WHERE status = 'unknown') AS unknown_payments,
           (SELECT count(*) FROM refund WHERE status = 'failed') AS failed_refunds,
           (SELECT count(*) FROM outbox WHERE status = 'due') AS due,
           (SELECT count(*) FROM outbox WHERE status = 'dead') AS dead
""")


def standing() -> Standing:
    values = {"now": clock.now(), "machine_now": clock.machine_now()}
    return Standing(*db.session.execute(_STANDING, values, execution_options=PLANNED_ANEW).one())


@dataclass(frozen=True)
class Trouble:
    """Something of the machine that went wrong last: a delivery that gave up, or a recurring work's error."""

    kind: str
    id: int
    name: str
    error: str
    at: dt.datetime | None


_TROUBLES = text("""
    (SELECT 'delivery' AS kind, id, name, coalesce(last_error, '') AS error, due_at AS at FROM outbox
     WHERE status = 'dead' ORDER BY id DESC LIMIT :most)
    UNION ALL
    (SELECT 'schedule', id, name, last_error, last_run_at FROM schedule
     WHERE last_error IS NOT NULL ORDER BY last_run_at DESC NULLS LAST LIMIT :most)
    ORDER BY at DESC NULLS LAST LIMIT :most
""")


def last_troubles(most: int = 5) -> list[Trouble]:
    return [
        Trouble(*row) for row in db.session.execute(_TROUBLES, {"most": most}, execution_options=PLANNED_ANEW)
    ]
