"""A company's figures, each defined here once. Money is sums of the ledger's postings, so that it agrees with
the trial balance to the minor unit; days are those of the company's calendar. A statement per function."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import text

from app.core import clock, scope
from app.core.db import db
from app.core.money import Money
from app.core.pool import PLANNED_ANEW
from app.domains.reporting.policies import Period

MOST_TUTORS, MOST_OFFERINGS = 10, 8


def _bounds(period: Period) -> dict[str, object]:
    """What every statement about a period is told. `tenant` is asked for beside row-level security: text goes
    past the filter of the ORM."""
    return {
        "tenant": scope.tenant_id(),
        "zone": period.zone,
        "since": period.since,
        "now": period.now,
        "before_since": period.before_since,
        "before_until": period.before_until,
    }


# -- Money -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Takings:
    """What was sold less what was given back of sales; by local day in minor units, and as sums of the period
    and of the one before."""

    currency: str
    sold_by_day: dict[dt.date, int]
    back_by_day: dict[dt.date, int]
    now: Money
    before: Money
    back: Money


_TAKINGS = text("""
    SELECT (e.occurred_at AT TIME ZONE :zone)::date AS day, e.occurred_at >= :since AS is_now,
           coalesce(sum(p.amount_minor) FILTER (WHERE e.kind = 'sale'), 0)::bigint AS sold,
           coalesce(-sum(p.amount_minor) FILTER (WHERE e.kind = 'giveback'), 0)::bigint AS back
    FROM ledger_entry e
      JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
      JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
    WHERE e.tenant_id = :tenant AND e.kind IN ('sale', 'giveback')
      AND e.occurred_at BETWEEN :before_since AND :now
      AND (e.occurred_at >= :since OR e.occurred_at <= :before_until)
      AND a.code = 'customer_funds' AND a.currency = :currency
    GROUP BY 1, 2
""")


def takings(period: Period, currency: str) -> Takings:
    """Sales and what was given back of them. What somebody has paid and did not get is no sale."""
    rows = db.session.execute(
        _TAKINGS, {**_bounds(period), "currency": currency}, execution_options=PLANNED_ANEW
    ).all()
    now = [row for row in rows if row.is_now]
    return Takings(
        currency,
        {row.day: row.sold for row in now},
        {row.day: row.back for row in now},
        Money(sum(row.sold - row.back for row in now), currency),
        Money(sum(row.sold - row.back for row in rows if not row.is_now), currency),
        Money(sum(row.back for row in now), currency),
    )


@dataclass(frozen=True)
class TopOffering:
    """What an offering brought in, and how many places of it were sold."""

    id: int
    title: str
    seats: int
    takings: Money


_TOP_OFFERINGS = text("""
    SELECT o.id, o.title, count(DISTINCT s.id) FILTER (WHERE e.kind = 'sale') AS seats,
           sum(p.amount_minor)::bigint AS takings
    FROM ledger_entry e
      JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
      JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
      JOIN seat s ON s.tenant_id = e.tenant_id AND s.id = e.source_id
      JOIN lesson l ON l.tenant_id = s.tenant_id AND l.id = s.lesson_id
      JOIN offering o ON o.tenant_id = l.tenant_id AND o.id = l.offering_id
    WHERE e.tenant_id = :tenant AND e.kind IN ('sale', 'giveback') AND e.source_kind = 'seat'
      AND e.occurred_at BETWEEN :since AND :now AND a.code = 'customer_funds' AND a.currency = :currency
    GROUP BY o.id, o.title ORDER BY takings DESC, o.title, o.id LIMIT :most
""")


def top_offerings(period: Period, currency: str) -> list[TopOffering]:
    """Those that brought in most."""
    bounds = {**_bounds(period), "currency": currency, "most": MOST_OFFERINGS}
    return [
        TopOffering(row.id, row.title, row.seats, Money(row.takings, currency))
        for row in db.session.execute(_TOP_OFFERINGS, bounds, execution_options=PLANNED_ANEW)
    ]


# -- Seats and students ------------------------------------------------------------------------------------

SOLD, CAME, MISSED, CANCELLED, LATE = "sold", "came", "missed", "cancelled", "late"


@dataclass(frozen=True)
class Seats:
    """How many seats by local day: SOLD when they were booked, CAME and MISSED when they were marked,
    CANCELLED when that was done; LATE are those of them of which some of the price was kept."""

    by_day: dict[str, dict[dt.date, int]] = field(default_factory=dict)
    totals: dict[str, tuple[int, int]] = field(default_factory=dict)

    def now(self, what: str) -> int:
        return self.totals.get(what, (0, 0))[0]

    def before(self, what: str) -> int:
        return self.totals.get(what, (0, 0))[1]


_SEATS = text("""
    SELECT v.what, (v.at AT TIME ZONE :zone)::date AS day, v.at >= :since AS is_now, count(*) AS seats
    FROM seat s CROSS JOIN LATERAL (VALUES
        ('sold', s.booked_at),
        ('came', CASE WHEN s.status = 'attended' THEN s.marked_at END),
        ('missed', CASE WHEN s.status = 'missed' THEN s.marked_at END),
        ('cancelled', CASE WHEN s.status = 'cancelled' THEN s.cancelled_at END),
        ('late', CASE WHEN s.status = 'cancelled' AND s.refund_minor < s.price_minor THEN s.cancelled_at END)
    ) v (what, at)
    WHERE s.tenant_id = :tenant AND greatest(s.booked_at, s.marked_at, s.cancelled_at) >= :before_since
      AND v.at BETWEEN :before_since AND :now AND (v.at >= :since OR v.at <= :before_until)
    GROUP BY 1, 2, 3
""")


def seats(period: Period) -> Seats:
    """What became of places in lessons."""
    found = Seats()
    for row in db.session.execute(_SEATS, _bounds(period), execution_options=PLANNED_ANEW):
        now, before = found.totals.get(row.what, (0, 0))
        if row.is_now:
            found.by_day.setdefault(row.what, {})[row.day] = row.seats
            found.totals[row.what] = (now + row.seats, before)
        else:
            found.totals[row.what] = (now, before + row.seats)
    return found


@dataclass(frozen=True)
class Students:
    """For how many somebody booked; `new` are those of them who had never had a lesson booked before."""

    booked: int
    new: int
    booked_before: int
    new_before: int

    @property
    def returning(self) -> int:
        return self.booked - self.new


_STUDENTS = text("""
    SELECT count(*) FILTER (WHERE now) AS booked, count(*) FILTER (WHERE now AND first >= :since) AS new,
           count(*) FILTER (WHERE before) AS booked_before,
           count(*) FILTER (WHERE before AND first >= :before_since) AS new_before
    FROM (
        SELECT min(booked_at) AS first, bool_or(booked_at BETWEEN :since AND :now) AS now,
               bool_or(booked_at BETWEEN :before_since AND :before_until) AS before
        FROM seat WHERE tenant_id = :tenant AND student_id IS NOT NULL AND booked_at IS NOT NULL
        GROUP BY student_id
    ) found
""")


def students(period: Period) -> Students:
    return Students(*db.session.execute(_STUDENTS, _bounds(period), execution_options=PLANNED_ANEW).one())


# -- Teaching ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TutorHours:
    """What a tutor taught, and for how long they could have been booked; in minutes."""

    id: int
    name: str
    lessons: int
    taught: int
    offered: int


@dataclass(frozen=True)
class Teaching:
    """Of all tutors together, and of those with most hours. A lesson was taught when it is over and somebody
    had a place in it."""

    lessons: int
    lessons_before: int
    taught: int
    offered: int
    tutors: Sequence[TutorHours]


# Hours are those of the week as it stands now (nobody keeps the former ones), from a tutor's first lesson on,
# by the calendar: that a day has an hour more or less when clocks change does not count.
_TEACHING = text("""
    SELECT * FROM (
    WITH taught AS (
        SELECT tutor_id, count(*) FILTER (WHERE starts_at >= :since) AS lessons,
               count(*) FILTER (WHERE starts_at < :since) AS lessons_before,
               coalesce(sum(extract(epoch FROM ends_at - starts_at) / 60)
                   FILTER (WHERE starts_at >= :since), 0)::bigint AS minutes
        FROM lesson
        WHERE tenant_id = :tenant AND status IN ('scheduled', 'done') AND taken > 0 AND ends_at <= :now
          AND starts_at >= :before_since AND (starts_at >= :since OR starts_at <= :before_until)
        GROUP BY tutor_id
    ), day AS (
        SELECT d::date AS day, extract(isodow FROM d)::int - 1 AS weekday
        FROM generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') d
    ), week AS (
        SELECT schedule_id, weekday, sum(ends_minute - starts_minute) AS minutes
        FROM availability_rule WHERE tenant_id = :tenant GROUP BY schedule_id, weekday
    ), special AS (
        SELECT schedule_id, on_date, coalesce(sum(ends_minute - starts_minute), 0) AS minutes
        FROM availability_override
        WHERE tenant_id = :tenant AND on_date BETWEEN CAST(:first AS date) AND CAST(:last AS date)
        GROUP BY schedule_id, on_date
    ), began AS (
        SELECT s.id, s.tutor_id, (
            SELECT (min(l.starts_at) AT TIME ZONE :zone)::date FROM lesson l
            WHERE l.tenant_id = :tenant AND l.tutor_id = s.tutor_id
        ) AS first_day
        FROM availability_schedule s WHERE s.tenant_id = :tenant
    ), offered AS (
        SELECT b.tutor_id, sum(coalesce(o.minutes, w.minutes, 0))::bigint AS minutes
        FROM began b CROSS JOIN day
          LEFT JOIN week w ON w.schedule_id = b.id AND w.weekday = day.weekday
          LEFT JOIN special o ON o.schedule_id = b.id AND o.on_date = day.day
        WHERE day.day >= coalesce(b.first_day, CAST(:first AS date))
        GROUP BY b.tutor_id
    )
    SELECT p.id, p.full_name, coalesce(t.lessons, 0) AS lessons, coalesce(t.minutes, 0) AS taught,
           coalesce(o.minutes, 0) AS offered,
           coalesce(sum(t.lessons) OVER (), 0)::bigint AS all_lessons,
           coalesce(sum(t.lessons_before) OVER (), 0)::bigint AS all_before,
           coalesce(sum(t.minutes) OVER (), 0)::bigint AS all_taught,
           coalesce(sum(o.minutes) OVER (), 0)::bigint AS all_offered
    FROM taught t FULL JOIN offered o ON o.tutor_id = t.tutor_id
      JOIN person p ON p.tenant_id = :tenant AND p.id = coalesce(t.tutor_id, o.tutor_id)
    ORDER BY taught DESC, offered DESC, p.full_name, p.id LIMIT :most
    ) found
""")


def teaching(period: Period) -> Teaching:
    """Taught hours beside offered ones."""
    bounds = {**_bounds(period), "first": period.first, "last": period.last, "most": MOST_TUTORS}
    rows = db.session.execute(_TEACHING, bounds, execution_options=PLANNED_ANEW).all()
    tutors = [TutorHours(row.id, row.full_name, row.lessons, row.taught, row.offered) for row in rows]
    if not rows:
        return Teaching(0, 0, 0, 0, ())
    first = rows[0]
    return Teaching(first.all_lessons, first.all_before, first.all_taught, first.all_offered, tutors)


# -- What stands now ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """Counts of this moment: what needs somebody, who is here, and what has been set up."""

    people: int
    members: int
    tutors: int
    learners: int
    invited: int
    pending: int
    tutors_invited: int
    subjects: int
    offerings: int
    lessons: int
    to_review: int
    to_mark: int
    failed_refunds: int
    unknown_payments: int
    open_orders: int
    open_minor: int
    disputes: int
    expired_invitations: int
    without_hours: int
    first_without_hours: int | None


_STANDING = text("""
    SELECT * FROM (
    WITH invited AS (
        SELECT count(*) FILTER (WHERE status = 'pending' AND expires_at > :machine_now) AS invited,
               count(*) FILTER (WHERE status = 'pending') AS pending,
               count(*) FILTER (WHERE role_key = 'tutor') AS tutors_invited,
               count(*) FILTER (WHERE status = 'pending' AND expires_at <= :machine_now) AS expired
        FROM invitation WHERE tenant_id = :tenant
    ), member AS (
        SELECT count(*) AS members, count(*) FILTER (WHERE role_key = 'tutor') AS tutors,
               count(*) FILTER (WHERE role_key IN ('student', 'guardian')) AS learners
        FROM membership WHERE tenant_id = :tenant AND status = 'active'
    ), idle AS (
        SELECT count(*) AS tutors, min(m.person_id) AS first
        FROM membership m
        WHERE m.tenant_id = :tenant AND m.status = 'active' AND m.role_key = 'tutor' AND NOT EXISTS (
            SELECT 1 FROM availability_schedule s
              JOIN availability_rule r ON r.tenant_id = s.tenant_id AND r.schedule_id = s.id
            WHERE s.tenant_id = :tenant AND s.tutor_id = m.person_id
        )
    ), waiting AS (
        SELECT count(*) AS orders, coalesce(sum(total_minor), 0)::bigint AS minor FROM sales_order
        WHERE tenant_id = :tenant AND status = 'open' AND expires_at > :now
    )
    SELECT (SELECT count(*) FROM person WHERE tenant_id = :tenant) AS people,
           member.members, member.tutors, member.learners,
           invited.invited, invited.pending, invited.tutors_invited,
           (SELECT count(*) FROM subject WHERE tenant_id = :tenant) AS subjects,
           (SELECT count(*) FROM offering WHERE tenant_id = :tenant AND status = 'published') AS offerings,
           (SELECT count(*) FROM lesson WHERE tenant_id = :tenant AND status = 'scheduled'
               AND starts_at >= :now) AS lessons,
           (SELECT count(*) FROM offering_revision WHERE tenant_id = :tenant
               AND status = 'submitted') AS to_review,
           (SELECT count(*) FROM lesson WHERE tenant_id = :tenant AND status = 'scheduled'
               AND ends_at < :now) AS to_mark,
           (SELECT count(*) FROM refund WHERE tenant_id = :tenant AND status = 'failed') AS failed_refunds,
           (SELECT count(*) FROM payment WHERE tenant_id = :tenant
               AND status = 'unknown') AS unknown_payments,
           waiting.orders AS open_orders, waiting.minor AS open_minor,
           (SELECT count(*) FROM dispute WHERE tenant_id = :tenant AND status = 'open') AS disputes,
           invited.expired AS expired_invitations, idle.tutors AS without_hours,
           idle.first AS first_without_hours
    FROM invited, member, idle, waiting
    ) found
""")


def standing() -> Standing:
    """As it is at this moment; one statement, so that all of it is of one."""
    values = {"tenant": scope.tenant_id(), "now": clock.now(), "machine_now": clock.machine_now()}
    return Standing(*db.session.execute(_STANDING, values, execution_options=PLANNED_ANEW).one())
