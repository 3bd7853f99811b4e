"""Rows of a company in every table that can hold some, and words in them that nobody else may ever read."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from typing import Any

import psycopg
from flask import Flask
from sqlalchemy import delete, select

from app.core import clock
from app.core.idempotency import IdempotencyKey
from app.core.import_drafts import ImportDraft
from app.core.outbox import DEAD, Outbox
from app.core.rights import TENANT
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import HandoverTicket, RefreshToken, UserSession
from app.domains.booking.models import Occupation
from app.domains.earnings.models import Earning
from app.domains.messaging.policies import key_of
from app.domains.payments.models import OrderLine
from app.domains.tenancy.models import TenantDomain
from app.providers.mail.mock import MockMailMessage
from tests.domains.booking import samples as booking
from tests.domains.catalog import samples as catalog
from tests.domains.messaging import samples as messaging
from tests.domains.notifications import samples as notifications
from tests.support.databases import Database
from tests.support.entries import SAMPLES, unique
from tests.support.paths import WORD_COLUMNS
from tests.support.world import Company

# Every canary ends in it, and no request ever says it. No token holds two dots, so none holds it by chance.
SECRET = "zq..jx"
COLOUR = "#be41be"
CANARIES = (SECRET, COLOUR)
LARGE = 4_000_000

# Read by machines: with a word of ours in it, a page of bert's breaks before it can tell anything.
CODED = ("image_key", "locale", "timezone")

TEXT_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL), nullif(a.atttypmod, -1) - 4
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
   AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype, 'text[]'::regtype)
 ORDER BY 1, 2
"""
WITH_TENANT = """
SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname = 'tenant_id' ORDER BY 1
"""


class Rows:
    """A company's rows: those with its `tenant_id`, itself, and the accounts of nobody else's people."""

    def __init__(self, connection: psycopg.Connection[Any], company: Company) -> None:
        self.connection, self.company = connection, company
        self.tables = [name for (name,) in connection.execute(WITH_TENANT)]

    def where(self, table: str) -> str | None:
        """The condition in SQL, or None where the table holds nothing of a company's."""
        if table == "tenant":
            return f"id = {self.company.id}"
        if table == "ab_user":
            return (
                f"id IN (SELECT user_id FROM membership WHERE tenant_id = {self.company.id})"
                f" AND id NOT IN (SELECT user_id FROM membership WHERE tenant_id <> {self.company.id})"
            )
        return f"tenant_id = {self.company.id}" if table in self.tables else None

    def ids(self) -> dict[str, list[int]]:
        """The ids of its rows by table."""
        return {
            name: self._column(f"SELECT id FROM {name} WHERE {self.where(name)} ORDER BY id")
            for name in self.all
        }

    def checksums(self) -> dict[str, str]:
        """One digest of all its rows for each table."""
        query = "SELECT md5(coalesce(string_agg(r::text, '|' ORDER BY r::text), '')) FROM {} r WHERE {}"
        return {name: self._column(query.format(name, self.where(name)))[0] for name in self.all}

    @property
    def all(self) -> list[str]:
        return [*self.tables, "tenant", "ab_user"]

    def words(self) -> dict[str, str]:
        """The public word of its last row by `table.column`."""
        return {
            f"{table}.{name}": self._column(
                f"SELECT {name} FROM {table} WHERE {self.where(table)} ORDER BY id DESC LIMIT 1"
            )[0]
            for table, name in sorted(WORD_COLUMNS)
        }

    def _column(self, query: str) -> list[Any]:
        return [row[0] for row in self.connection.execute(query)]


def leap(database: Database) -> None:
    """From here on all rows get ids that no row had before, in any table."""
    with database.connect() as connection:
        sequences = connection.execute("SELECT oid::regclass FROM pg_class WHERE relkind = 'S'").fetchall()
        for (name,) in sequences:
            connection.execute("SELECT setval(%s, %s)", [name, LARGE])


def fill(app: Flask, company: Company) -> dict[str, str]:
    """At least one row in each table that has a `tenant_id`; the tokens that would open some of them."""
    tokens = {name: secrets.token_urlsafe(32) for name in ("session", "refresh", "ticket", "nonce")}
    with app.app_context():
        for entry in app.extensions["admin"].entries:
            if TENANT in entry.surfaces:
                with tenant_scope(company.id), transaction() as session:
                    SAMPLES[entry.slug].row(session, unique())
        with tenant_scope(company.id), transaction() as session:
            settle(session, company)
        with platform_scope("rows for the isolation tests"), transaction() as session:
            for row in _plumbing(session, company, tokens):
                row.tenant_id = company.id
                session.add(row)
    return tokens


def settle(session: Any, company: Company) -> None:
    """What the company's own people see on their pages: the tutor teaches the student, the guardian paid,
    and they wrote to each other."""
    tutor, student, guardian = (company.people[role] for role in ("tutor", "student", "guardian"))
    word = unique()
    seat = booking.seat(session, word)
    earning = session.scalars(select(Earning).where(Earning.seat_id == seat.id)).one()
    order = session.get_one(OrderLine, seat.line_id).order
    session.execute(delete(Occupation).where(Occupation.lesson_id == seat.lesson_id))
    profile = catalog.profile(session, unique())
    hours = booking.schedule(session, unique())
    profile.person_id = hours.tutor_id = seat.lesson.tutor_id = seat.lesson.offering.tutor_id = tutor
    seat.student_id, seat.payer_id, order.payer_id, earning.tutor_id = student, guardian, guardian, tutor
    talk = messaging.message(session, unique()).conversation
    talk.tutor_id, talk.student_id, talk.key = tutor, student, key_of(tutor, student)
    for person_id in (tutor, student, guardian):
        notifications.notification(session, unique()).person_id = person_id


def _plumbing(session: Any, company: Company, tokens: dict[str, str]) -> list[Any]:
    """Rows of the tables that no company's own people administer."""
    now = clock.machine_now()
    later, word, user_id = now + dt.timedelta(days=1), unique(), company.accounts["manager"]
    signin = UserSession(
        token_hash=_hashed(tokens["session"]), user_id=user_id, tenant_id=company.id, kind="api",
        created_at=now, last_seen_at=now, expires_at=later, ip="192.0.2.1", agent="test",
    )  # fmt: skip
    session.add(signin)
    session.flush()
    return [
        RefreshToken(
            session_id=signin.id, token_hash=_hashed(tokens["refresh"]), issued_at=now, expires_at=later
        ),
        HandoverTicket(
            user_id=user_id, token_hash=_hashed(tokens["ticket"]), nonce_hash=_hashed(tokens["nonce"]),
            expires_at=later,
        ),
        TenantDomain(host=f"{word}.example", note="test", activated_at=now),
        IdempotencyKey(
            actor=f"u:{user_id}", route="POST /x", key=word, body_hash=b"x" * 32, status=201, answer={},
            made_at=now,
        ),
        Outbox(
            event_id=uuid.uuid4(), handler=f"test.{word}", name="x", payload={}, status=DEAD, attempts=8,
            announced_at=now, due_at=later, last_error="gave up",
        ),
        SAMPLES["provider-events"].row(session, word),
        ImportDraft(
            user_id=user_id, entry="people", filename="people.csv", content=b"full_name\n", count=1, made_at=now
        ),
        MockMailMessage(
            message_id=f"<{word}@test>", copies=1, recipient="x@x.test", subject="x", text="x", html="x",
            headers={}, sent_at=now,
        ),
    ]  # fmt: skip


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def plant(database: Database, company: Company, *, keep: str) -> set[str]:
    """Put a canary into every text of the company's rows; returns the columns whose constraints refuse one.

    The account with the address `keep` stays what it is, so that somebody can still sign in; so do the words
    that requests ask for.
    """
    refused = set()
    with database.connect() as connection:
        rows = Rows(connection, company)
        connection.execute("SET session_replication_role = replica")  # some tables refuse changes
        connection.execute("UPDATE tenant SET brand = jsonb_build_object('primary', %s::text) WHERE id = %s",
                           [COLOUR, company.id])  # fmt: skip
        for table, column, kind, length in connection.execute(TEXT_COLUMNS).fetchall():
            where = rows.where(table)
            if where is None or (table, column) in {("ab_user", "password"), *WORD_COLUMNS}:
                continue
            if column in CODED or (length is not None and length < len(SECRET)):
                continue
            if table == "ab_user":
                where += f" AND email <> '{keep}'"
            if not _plant(connection, table, column, kind, length or 300, where):
                refused.add(f"{table}.{column}")
    return refused


def _plant(
    connection: psycopg.Connection[Any], table: str, column: str, kind: str, length: int, where: str
) -> bool:
    """Small letters where capitals are refused, and a path where those are; False where all are."""
    place = f"{table}-{column}".replace("_", "-")
    for word in ("CANARY-BERT", "canary-bert", "/canary-bert"):
        text = f"right('{word}-{place}-' || id || '{SECRET}', {length})"
        value = {
            "jsonb": f"{column} || jsonb_build_object('canary', jsonb_build_array({text}, {text}))",
            "text[]": f"array_append({column}, {text})",
        }.get(kind, text)
        try:
            connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {where}")
        except psycopg.errors.CheckViolation:
            continue
        return True
    return False
