"""What the database itself refuses, whatever the application says: books that do not balance, or that change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from app.core.money import Money
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.ledger import service
from app.domains.ledger.models import CUSTOMER_FUNDS, PROVIDER_BALANCE
from app.domains.ledger.service import Line
from tests.support.databases import Database
from tests.support.world import Company, World

ENTRY = (
    "INSERT INTO ledger_entry (tenant_id, key, kind, memo, source_kind, source_id, occurred_at, recorded_at)"
    " VALUES (%s, %s, 'capture', '', 'payment', 1, %s, %s) RETURNING id"
)
POSTING = (
    "INSERT INTO posting (tenant_id, entry_id, account_id, amount_minor, currency)"
    " VALUES (%s, %s, (SELECT id FROM ledger_account WHERE tenant_id = %s AND code = %s), %s, %s)"
)
AT = "2026-11-03T12:00:00Z"


def seed(world: World, company: Company) -> None:
    """One honest entry, and with it the accounts."""
    with world.app.app_context(), tenant_scope(company.id), transaction():
        service.post(
            key="capture:1", kind="capture", memo="", source=("payment", 1),
            lines=[Line(PROVIDER_BALANCE, Money(100, "EUR")), Line(CUSTOMER_FUNDS, Money(-100, "EUR"))],
        )  # fmt: skip


@pytest.fixture
def books(world: World) -> World:
    seed(world, world.anna)
    return world


ROLES = ("wm_app", "wm_platform", "wm_owner", "postgres")


@pytest.fixture(params=ROLES)
def session(request: pytest.FixtureRequest, books: World, database: Database) -> Iterator[Any]:
    """A transaction of each role, as it works: the application with its tenant set, the platform from it."""
    role = request.param
    with database.connect("wm_app" if role == "wm_platform" else role) as connection:
        connection.execute("BEGIN")
        if role == "wm_platform":
            connection.execute("SET LOCAL ROLE wm_platform")
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(books.anna.id)])
        yield connection, role
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.execute("ROLLBACK")


def write(connection: Any, tenant_id: int, *amounts: tuple[str, int, str]) -> int:
    (entry_id,) = connection.execute(ENTRY, [tenant_id, "by hand", AT, AT]).fetchone()
    for code, minor, currency in amounts:
        connection.execute(POSTING, [tenant_id, entry_id, tenant_id, code, minor, currency])
    return int(entry_id)


@pytest.mark.parametrize(
    "amounts",
    [
        [(PROVIDER_BALANCE, 100, "EUR"), (CUSTOMER_FUNDS, -99, "EUR")],
        [(PROVIDER_BALANCE, 100, "EUR")],
        [(PROVIDER_BALANCE, 100, "EUR"), (CUSTOMER_FUNDS, -100, "USD")],
        [],
    ],
    ids=["a cent short", "one side only", "two currencies", "no postings"],
)
def test_no_role_commits_an_entry_that_does_not_sum_to_zero(
    session: Any, books: World, amounts: list[tuple[str, int, str]]
) -> None:
    connection, _role = session
    write(connection, books.anna.id, *amounts)
    with pytest.raises(errors.IntegrityError, match="does not sum to zero"):
        connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM ledger_entry WHERE key = 'by hand'").fetchone()[0] == 0


def test_a_balanced_entry_is_committed(session: Any, books: World) -> None:
    """The control of the test above."""
    connection, _role = session
    write(connection, books.anna.id, (PROVIDER_BALANCE, 100, "EUR"), (CUSTOMER_FUNDS, -100, "EUR"))
    connection.execute("COMMIT")
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


@pytest.mark.parametrize("table", ["ledger_entry", "posting"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET tenant_id = tenant_id",
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
    ],
    ids=["update", "delete", "truncate"],
)
def test_no_role_changes_what_is_written(session: Any, table: str, statement: str) -> None:
    """By grant for application and platform, by trigger for those who own the tables."""
    connection, role = session
    refusal = errors.InsufficientPrivilege if role in {"wm_app", "wm_platform"} else errors.IntegrityError
    with pytest.raises(refusal):
        connection.execute(statement.format(table))


def test_a_posting_added_later_can_not_tip_an_old_entry(books: World, database: Database) -> None:
    with database.connect("wm_app") as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(books.anna.id)])
        (entry_id,) = connection.execute("SELECT id FROM ledger_entry WHERE key = 'capture:1'").fetchone()
        connection.execute(POSTING, [books.anna.id, entry_id, books.anna.id, PROVIDER_BALANCE, 1, "EUR"])
        with pytest.raises(errors.IntegrityError, match="does not sum to zero"):
            connection.execute("COMMIT")


@pytest.mark.parametrize("minor", [0, 2**63, -(2**63) - 1])
def test_amounts_are_not_nothing_and_fit(books: World, database: Database, minor: int) -> None:
    with database.connect("wm_app") as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(books.anna.id)])
        with pytest.raises((errors.CheckViolation, errors.NumericValueOutOfRange)):
            write(connection, books.anna.id, (PROVIDER_BALANCE, minor, "EUR"))


def test_a_posting_can_not_reach_another_companys_account(books: World, database: Database) -> None:
    seed(books, books.bert)
    with database.connect() as connection:  # as superuser: the key itself refuses, not only the row's policy
        entry_id = connection.execute(
            "SELECT id FROM ledger_entry WHERE tenant_id = %s", [books.anna.id]
        ).fetchone()[0]
        with pytest.raises(errors.ForeignKeyViolation):
            connection.execute(POSTING, [books.anna.id, entry_id, books.bert.id, PROVIDER_BALANCE, 1, "EUR"])


def test_an_account_is_there_once(books: World, database: Database) -> None:
    """Also one of nobody's: empty persons are not distinct."""
    again = (
        "INSERT INTO ledger_account (tenant_id, code, kind, currency, may_be_negative, created_at, changed_at)"
        " VALUES (%s, %s, 'asset', 'EUR', true, %s, %s)"
    )
    with database.connect() as connection, pytest.raises(errors.UniqueViolation):
        connection.execute(again, [books.anna.id, PROVIDER_BALANCE, AT, AT])
