"""The hottest statements find their rows by an index, however many there are: as the application's role, under
row-level security, with the planner's own choice among many companies."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from app.core import clock, pool
from app.core.db import db
from app.core.errors import NotFound
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.domains.accounts import queries as accounts
from app.domains.accounts.service import signin
from app.domains.booking import queries as booking
from app.domains.booking.models import TUTOR
from app.domains.booking.policies import Interval
from app.domains.booking.queries.locks import in_the_way
from app.domains.booking.queries.offered import offering_seen
from app.domains.booking.queries.tables import timetables
from app.domains.booking.queries.to_hold import to_hold
from app.domains.booking.service import hold_slot
from app.domains.booking.service.occupation import Claim, occupy
from app.domains.catalog import queries as catalog
from app.domains.catalog.queries import SearchArgs
from app.domains.payments import queries as payments
from app.shell.portal_menu import unread_counts
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.support import lived
from tests.support.databases import Database
from tests.support.world import World

# Of other companies, so that a scan of a whole table costs more than its index.
MANY = """
CREATE TEMP TABLE more ON COMMIT DROP AS
  SELECT t.id AS tenant_id, g FROM tenant t CROSS JOIN generate_series(1, 3000) g WHERE t.slug = 'bert';
INSERT INTO person (id, tenant_id, full_name, created_at, changed_at)
  SELECT 1000000 + g, tenant_id, 'Person ' || g, '2027-01-01', '2027-01-01' FROM more;
INSERT INTO membership (tenant_id, user_id, person_id, role_key, status, created_at, changed_at)
  SELECT tenant_id, 1000000 + g, 1000000 + g, 'tutor', 'active', '2027-01-01', '2027-01-01' FROM more;
INSERT INTO availability_schedule (id, tenant_id, tutor_id, timezone, buffer_before_minutes,
    buffer_after_minutes, notice_minutes, horizon_days, step_minutes, created_at, changed_at)
  SELECT 1000000 + g, tenant_id, 1000000 + g, 'UTC', 0, 0, 0, 60, 30, '2027-01-01', '2027-01-01' FROM more;
INSERT INTO availability_rule (tenant_id, schedule_id, weekday, starts_minute, ends_minute)
  SELECT tenant_id, 1000000 + g, 1, 540, 1080 FROM more;
INSERT INTO availability_override (tenant_id, schedule_id, on_date)
  SELECT tenant_id, 1000000 + g, '2027-02-01' FROM more;
INSERT INTO offering (id, tenant_id, tutor_id, kind, status, title, slug, summary, description, level, language,
    capacity, version, published_at, created_at, changed_at)
  SELECT 1000000 + g, tenant_id, 1000000 + g, 'one_to_one', 'published', 'Lessons ' || g, 'lessons-' || g, '', '',
         'all', 'en', 1, 1, '2027-01-01', '2027-01-01', '2027-01-01' FROM more;
INSERT INTO variant (tenant_id, offering_id, name, duration_minutes, price_minor, currency, position, is_active,
    created_at, changed_at)
  SELECT tenant_id, 1000000 + g, 'Hour', 60, 4000, 'EUR', 0, true, '2027-01-01', '2027-01-01' FROM more;
INSERT INTO lesson (id, tenant_id, code, offering_id, variant_id, tutor_id, status, starts_at, ends_at, timezone,
    capacity, taken, sequence, created_at, changed_at)
  SELECT 1000000 + g, tenant_id, 'L' || g, 1000000 + g, 1, 1000000 + g, 'scheduled', '2027-02-01', '2027-02-01 01:00',
         'UTC', 1, 1, 0, '2027-01-01', '2027-01-01' FROM more;
INSERT INTO seat (tenant_id, code, lesson_id, student_id, payer_id, line_id, actor, status, renewals, price_minor,
    currency, policy, moves, booked_at, refund_minor, created_at, changed_at)
  SELECT tenant_id, 'S' || g, 1000000 + g, 1000000 + g, 1000000 + g, 1000000 + g, 'u:1', 'booked', 0, 4000, 'EUR', '{}', 0, '2027-01-01', 0,
         '2027-01-01', '2027-01-01' FROM more;
INSERT INTO occupation (tenant_id, resource_kind, resource_id, during, lesson_id)
  SELECT tenant_id, 'tutor', 1000000 + g, '[2027-02-01 00:00+00, 2027-02-01 01:00+00)', 1000000 + g FROM more;
INSERT INTO sales_order (id, tenant_id, code, payer_id, actor, status, currency, total_minor, locale, placed_at,
    expires_at, created_at, changed_at)
  SELECT 1000000 + g, tenant_id, 'O' || g, 1000000 + g, 'u:1', 'paid', 'EUR', 4000, 'en', '2027-01-01',
         '2027-01-01', '2027-01-01', '2027-01-01' FROM more;
INSERT INTO order_line (id, tenant_id, order_id, kind, description, quantity, unit_minor, gross_minor, net_minor,
    tax_minor, tax_rate_bp, tax_code, currency, refunded_minor, created_at, changed_at)
  SELECT 1000000 + g, tenant_id, 1000000 + g, 'seat', '', 1, 4000, 4000, 4000, 0, 0, '', 'EUR', 0, '2027-01-01',
         '2027-01-01' FROM more;
INSERT INTO payment (id, tenant_id, order_id, provider, code, status, currency, amount_minor, captured_minor,
    refunded_minor, created_at, changed_at)
  SELECT 1000000 + g, tenant_id, 1000000 + g, 'mock', 'P' || g, 'captured', 'EUR', 4000, 4000, 0, '2027-01-01',
         '2027-01-01' FROM more;
INSERT INTO receipt (tenant_id, code, kind, number, order_id, issued_at, document)
  SELECT tenant_id, 'R' || g, 'receipt', g, 1000000 + g, '2027-01-01', '{}' FROM more;
INSERT INTO conversation (id, tenant_id, key, tutor_id, student_id, last_seq, created_at, changed_at)
  SELECT 1000000 + g, tenant_id, 'C' || g, 1000000 + g, 2000000 + g, 1, '2027-01-01', '2027-01-01' FROM more;
INSERT INTO notification (tenant_id, person_id, kind, key, data, url, happened_at)
  SELECT tenant_id, 1000000 + g, 'booked', 'N' || g, '{}', '/', '2027-01-01' FROM more;
INSERT INTO user_session (token_hash, user_id, tenant_id, kind, created_at, last_seen_at, expires_at)
  SELECT decode(lpad(to_hex(g), 64, '0'), 'hex'), 1000000 + g, tenant_id, 'web', '2027-01-01', '2027-01-01',
         '2028-01-01' FROM more;
"""
# A rush: as many hold something of one company at once.
HELD_BY_OTHERS = """
INSERT INTO seat (tenant_id, code, lesson_id, actor, status, expires_at, renewals, price_minor, currency, policy,
    moves, refund_minor, created_at, changed_at)
  SELECT t.id, 'H' || g, 3000000 + g, 'v:' || 100 + g, 'held', '2028-01-01', 0, 4000, 'EUR', '{}', 0, 0,
         '2027-01-01', '2027-01-01'
  FROM tenant t CROSS JOIN generate_series(1, 3000) g WHERE t.slug = 'anna'
"""
FILLED = frozenset(re.findall(r"INSERT INTO ([a-z_]+)", MANY))


def fill(database: Database, statements: str, tables: Iterable[str]) -> None:
    """Rows without what they point at, and PostgreSQL knows how many there are."""
    with psycopg.connect(
        dbname=database.name, host=str(database.servers.socket_dir), user="postgres"
    ) as owner:
        owner.execute("SET LOCAL session_replication_role = replica")
        owner.execute(statements)
    with database.connect() as owner:
        owner.execute(f"ANALYZE {', '.join(sorted(tables))}")


@pytest.fixture
def shop(world: World, database: Database) -> Iterator[World]:
    """Anna's offering, booked once, beside three thousand of everything that is bert's."""
    with clock.frozen(NOW):
        offering = lived.publish(world)
        lived.book(world, offering)
        fill(database, MANY, FILLED)
        yield world


def plans_of(engine: Engine, work: Callable[[], Any]) -> dict[str, str]:
    """By statement, how PostgreSQL goes about it in this very transaction."""
    found: dict[str, str] = {}

    def explain(
        _connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, *_rest: Any
    ) -> None:
        if (
            statement.lstrip().startswith(("SELECT", "INSERT INTO occupation", "WITH new_lesson"))
            and "set_config" not in statement
        ):
            first = context.execution_options.get(pool.AFTER)
            with cursor.connection.cursor() as other:
                if first:  # it will be a transaction by itself, and so is this
                    other.execute(*first)
                other.execute(f"EXPLAIN {statement}", parameters)
                found[statement] = "\n".join(row[0] for row in other.fetchall())
                if first:
                    cursor.connection.rollback()

    event.listen(engine, "before_cursor_execute", explain)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    return found


def tutor(shop: World) -> int:
    return shop.anna.people["tutor"]


def first_lesson(shop: World) -> int:
    return booking.seats_of_people({shop.anna.people["student"]}, since=NOW)[0].lesson_id


def take_time(shop: World) -> None:
    lesson = booking.lesson(first_lesson(shop))
    occupy(lesson, [Claim(TUTOR, tutor(shop), Interval(MONDAY + DAY, MONDAY + DAY + HOUR))], expires_at=NOW)
    db.session.rollback()


def hold_a_time() -> None:
    offering = catalog.published("conversation")
    with contextlib.suppress(LookupError), transaction():
        hold_slot(offering=offering, variant=offering.variants[0], starts_at=MONDAY + DAY, actor="v:1")
        raise LookupError


def nothing_found(read: Callable[[str], Any], code: str) -> None:
    with contextlib.suppress(NotFound):
        read(code)


HOT: dict[str, Callable[[World], Any]] = {
    "an offering's page": lambda shop: offering_seen("conversation", NOW, NOW + 14 * DAY),
    "what is booked": lambda shop: catalog.published("conversation"),
    "what is held": lambda _shop: to_hold("conversation", 1),
    "a time that is held": lambda _shop: to_hold("conversation", 1, MONDAY),
    "a hold": lambda _shop: hold_a_time(),
    "a class that is held": lambda shop: booking.class_to_hold(first_lesson(shop)),
    "free times": lambda shop: booking.timetable(tutor(shop), since=NOW, until=NOW + 14 * DAY),
    "free times of several": lambda shop: timetables([tutor(shop), 1], since=NOW, until=NOW + 14 * DAY),
    "who is where": lambda shop: in_the_way([(tutor(shop), booking_span())]),
    "whose time is taken": take_time,
    "what somebody holds": lambda shop: booking.held_by("v:1"),
    "a seat by its code": lambda _shop: nothing_found(booking.place_of_code, "A" * 40),
    "a reservation's page": lambda _shop: nothing_found(booking.seat_reserved, "A" * 40),
    "an order's page": lambda _shop: nothing_found(payments.order_seen, "A" * 20),
    "somebody's orders": lambda shop: payments.orders_of(shop.anna.people["student"], now=NOW),
    "a line's seat": lambda _shop: booking.places_of_line(1),
    "what is unread": lambda shop: unread_counts(
        Viewer(1, 1, "", "", frozenset(), shop.anna.id, person_id=shop.anna.people["student"])
    ),
    "the search": lambda shop: catalog.search(SearchArgs()),
    "the search by words": lambda shop: catalog.search(SearchArgs(text="talk", level="all", sort="price")),
    "who teaches": lambda shop: catalog.tutors(20),
    "who looks": lambda shop: accounts.viewer_of_session(
        signin.hashed("nobody's"), tenant_id=shop.anna.id, ip=None
    ),
    "a person's lessons": lambda shop: booking.seats_of_people(
        {shop.anna.people["student"]}, since=NOW, limit=50
    ),
    "a tutor's lessons": lambda shop: booking.lessons_of_tutor(tutor(shop), since=NOW, until=NOW + 14 * DAY),
}


def booking_span() -> Any:
    return Interval(MONDAY, MONDAY + HOUR)


def test_no_large_table_is_read_as_a_whole(shop: World) -> None:
    wrong = []
    with shop.app.app_context(), tenant_scope(shop.anna.id):
        for what, work in HOT.items():
            found = plans_of(db.engine, lambda work=work: work(shop))  # type: ignore[misc]
            assert found, what
            for statement, plan in found.items():
                scanned = set(re.findall(r"Seq Scan on ([a-z_]+)", plan)) & FILLED
                if scanned:
                    wrong.append(f"{what} reads all of {scanned}:\n{statement}\n{plan}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("what", ["a hold", "what somebody holds"])
def test_what_others_hold_is_not_looked_through(shop: World, database: Database, what: str) -> None:
    fill(database, HELD_BY_OTHERS, ["seat"])
    with shop.app.app_context(), tenant_scope(shop.anna.id):
        found = plans_of(db.engine, lambda: HOT[what](shop))
    plans = [plan for statement, plan in found.items() if "seat.actor =" in statement]
    assert plans
    assert all("on ix_seat_held_by" in plan or "using ix_seat_held_by" in plan for plan in plans), plans
