"""Entries: once for each key, zero-sum, with accounts that make themselves, and reversed at most once."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.core import clock
from app.core.db import db
from app.core.money import Money
from app.core.scope import ScopeError, release, tenant_scope
from app.core.transaction import transaction
from app.domains.ledger import queries, service
from app.domains.ledger.errors import ReversedAlready, Unbalanced
from app.domains.ledger.models import (
    CUSTOMER_FUNDS,
    PROVIDER_BALANCE,
    TENANT_REVENUE,
    TUTOR_CLEARED,
    TUTOR_PENDING,
    LedgerAccount,
    LedgerEntry,
)
from app.domains.ledger.service import Line
from tests.support.databases import Database
from tests.support.statements import assert_statements
from tests.support.world import World

AT = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def capture(minor: int = 6000, **more: Any) -> LedgerEntry:
    return queries.entry(post(minor, **more))


def post(minor: int = 6000, *, key: str = "capture:1", **more: Any) -> int:
    return service.post(
        key=key,
        kind="capture",
        memo="Order 1",
        source=("payment", 1),
        lines=[Line(PROVIDER_BALANCE, eur(minor)), Line(CUSTOMER_FUNDS, eur(-minor))],
        **more,
    )


def test_an_entry_is_posted_with_its_accounts(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        with transaction(), clock.frozen(AT):
            made = capture()
        (found,) = queries.entries_of("payment", 1)
        assert found is made
        assert (found.key, found.kind, found.memo, found.occurred_at) == (
            "capture:1",
            "capture",
            "Order 1",
            AT,
        )
        assert abs((found.recorded_at - clock.machine_now()).total_seconds()) < 60
        assert [(p.account.code, p.account.kind, p.amount) for p in found.postings] == [
            (PROVIDER_BALANCE, "asset", eur(6000)),
            (CUSTOMER_FUNDS, "liability", eur(-6000)),
        ]
        assert [p.account.may_be_negative for p in found.postings] == [True, False]
        assert queries.balance(CUSTOMER_FUNDS, "EUR") == eur(-6000)


def test_a_key_is_posted_once(world: World) -> None:
    """A repeat gets the entry that stands, whatever it says."""
    with world.app.app_context(), tenant_scope(world.anna.id):
        with transaction():
            first = capture()
        with transaction():
            again = capture(9900)
        assert again.id == first.id
        assert queries.balance(PROVIDER_BALANCE, "EUR") == eur(6000)
        assert len(queries.entries_of("payment", 1)) == 1


def test_a_company_posts_under_keys_of_its_own(world: World) -> None:
    with world.app.app_context():
        for company, minor in ((world.anna, 6000), (world.bert, 700)):
            with tenant_scope(company.id), transaction():
                capture(minor)
        for company, minor in ((world.anna, 6000), (world.bert, 700)):
            with tenant_scope(company.id):
                assert queries.balance(PROVIDER_BALANCE, "EUR") == eur(minor)
                assert [row.debit for row in queries.trial_balance()] == [eur(minor), eur(0)]


def together(world: World, count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run in so many threads at once, each with a transaction of its own."""
    gate = threading.Barrier(count)

    def run(number: int) -> Any:
        with world.app.app_context(), tenant_scope(world.anna.id):
            gate.wait(20)
            with transaction():
                return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_threads_with_one_key_post_once(world: World) -> None:
    """Accounts are opened by them as well: nobody fails, nothing is there twice."""
    ids = together(world, 6, lambda _number: capture().id)
    assert len(set(ids)) == 1
    with world.app.app_context(), tenant_scope(world.anna.id):
        assert queries.balance(CUSTOMER_FUNDS, "EUR") == eur(-6000)
        assert len(queries.trial_balance()) == 2


def test_threads_open_accounts_together(world: World) -> None:
    """Each names them in another order; none waits for ever, and each account is there once."""
    people = [world.anna.people[role] for role in ("tutor", "student", "guardian", "manager")]

    def pay(number: int) -> int:
        order = people[number % 4 :] + people[: number % 4]
        lines = [Line(TUTOR_PENDING, eur(-100), person) for person in order]
        return service.post(
            key=f"sale:{number}", kind="sale", memo="", source=("seat", number),
            lines=[Line(CUSTOMER_FUNDS, eur(400)), *(lines if number % 2 else reversed(lines))],
        )  # fmt: skip

    assert len(set(together(world, 8, pay))) == 8
    with world.app.app_context(), tenant_scope(world.anna.id):
        rows = queries.trial_balance()
        assert [(row.code, row.balance.minor) for row in rows] == [
            (CUSTOMER_FUNDS, 3200),
            *[(TUTOR_PENDING, -800)] * 4,
        ]
        assert [row.person for row in rows[1:]] == sorted(str(row.person) for row in rows[1:])
        assert queries.balance(TUTOR_PENDING, "EUR") == eur(-3200)
        assert queries.balance(TUTOR_PENDING, "EUR", people[0]) == eur(-800)
        assert queries.account_holders().keys() == set(people)


def test_an_entry_is_a_write_also_on_accounts_that_stand(world: World) -> None:
    """What an edge has written can't be committed in its midst, and nothing is written without one."""

    def post_and_release() -> None:
        post(key="capture:2")
        release()

    with world.app.app_context():
        with tenant_scope(world.anna.id), transaction():
            post(key="capture:1")
        with pytest.raises(ScopeError), tenant_scope(world.anna.id), transaction():
            post_and_release()
        with pytest.raises(AssertionError), tenant_scope(world.anna.id):
            post(key="capture:3")
        with tenant_scope(world.anna.id):
            found = [queries.entry_by_key(f"capture:{number}") is not None for number in (1, 2, 3)]
        assert found == [True, False, False]


def test_lines_of_nothing_are_dropped(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        with transaction():
            made = service.post(
                key="sale:1", kind="sale", memo="m" * 400, source=("seat", 1),
                lines=[
                    Line(CUSTOMER_FUNDS, eur(50)),
                    Line(TENANT_REVENUE, eur(0)),
                    Line(TUTOR_PENDING, eur(-50), world.anna.people["tutor"]),
                ],
            )  # fmt: skip
        entry = queries.entry(made)
        assert [p.account.code for p in entry.postings] == [CUSTOMER_FUNDS, TUTOR_PENDING]
        assert len(entry.memo) == 300


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([Line(PROVIDER_BALANCE, eur(10)), Line(CUSTOMER_FUNDS, eur(-9))], Unbalanced),
        ([Line(PROVIDER_BALANCE, eur(10)), Line(CUSTOMER_FUNDS, Money(-10, "USD"))], Unbalanced),
        ([Line(PROVIDER_BALANCE, eur(0)), Line(CUSTOMER_FUNDS, eur(0))], Unbalanced),
        ([], Unbalanced),
        ([Line("petty_cash", eur(10)), Line(CUSTOMER_FUNDS, eur(-10))], ValueError),
        ([Line(PROVIDER_BALANCE, eur(10), 1), Line(CUSTOMER_FUNDS, eur(-10))], ValueError),
        ([Line(PROVIDER_BALANCE, eur(10)), Line(TUTOR_CLEARED, eur(-10))], ValueError),
    ],
)
def test_what_does_not_belong_into_the_books_is_refused(
    world: World, lines: list[Line], error: type[Exception]
) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        with pytest.raises(error), transaction():
            service.post(key="x", kind="capture", memo="", source=("payment", 1), lines=lines)
        assert queries.entry_by_key("x") is None
        assert queries.trial_balance() == []


def test_an_entry_is_reversed_once(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        with transaction():
            entry = capture()
        with transaction():
            back = service.reverse(entry, key="dispute-won:1", memo="Dispute won")
        assert (back.reverses_id, back.kind, back.source_kind, back.source_id) == (
            entry.id, "reversal", "payment", 1,
        )  # fmt: skip
        assert [p.amount for p in queries.entry(back.id).postings] == [eur(-6000), eur(6000)]
        assert queries.balance(CUSTOMER_FUNDS, "EUR") == eur(0)
        with transaction():
            assert service.reverse(entry, key="dispute-won:1", memo="again").id == back.id
        with pytest.raises(ReversedAlready), transaction():
            service.reverse(entry, key="dispute-won:2", memo="again")
        assert len(queries.entries_of("payment", 1)) == 2


def test_threads_reverse_once(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction():
        entry = capture()
    ids = together(world, 4, lambda _number: service.reverse(entry, key="back", memo="").id)
    assert len(set(ids)) == 1
    with world.app.app_context(), tenant_scope(world.anna.id):
        assert queries.balance(PROVIDER_BALANCE, "EUR") == eur(0)


def test_a_statement_has_pages_newest_first(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        with transaction():
            for number in range(1, 6):
                capture(number * 100, key=f"capture:{number}")
        first = queries.statement(CUSTOMER_FUNDS, currency="EUR", size=2)
        last = queries.statement(CUSTOMER_FUNDS, currency="EUR", size=2, page=3)
        assert [line.amount.minor for line in first.lines] == [-500, -400]
        assert [line.amount.minor for line in last.lines] == [-100]
        assert (first.count, first.page, last.page) == (5, 1, 3)
        assert [len(line.entry.postings) for line in first.lines] == [2, 2]
        nothing = queries.statement(TUTOR_PENDING, world.anna.people["tutor"], currency="EUR")
        assert (list(nothing.lines), nothing.count) == ([], 0)


def test_currencies_have_books_of_their_own(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        with transaction():
            capture()
            for currency, minor in (("JPY", 6000), ("KWD", 6000)):
                service.post(
                    key=f"capture:{currency}", kind="capture", memo="", source=("payment", 2),
                    lines=[
                        Line(PROVIDER_BALANCE, Money(minor, currency)),
                        Line(CUSTOMER_FUNDS, Money(-minor, currency)),
                    ],
                )  # fmt: skip
        books = queries.by_currency(queries.trial_balance())
        assert list(books) == ["EUR", "JPY", "KWD"]
        for currency, rows in books.items():
            assert [row.code for row in rows] == [PROVIDER_BALANCE, CUSTOMER_FUNDS]
            assert sum(row.balance.minor for row in rows) == 0
            assert Money.total((row.debit for row in rows), currency) == Money(6000, currency)
        assert queries.balances("JPY")[CUSTOMER_FUNDS] == Money(-6000, "JPY")
        assert queries.balances("USD")[CUSTOMER_FUNDS] == Money(0, "USD")


def test_posting_costs_few_statements(world: World) -> None:
    """Entry and postings are one, the first time the accounts besides; a repeat finds the entry that stands."""
    with world.app.app_context(), tenant_scope(world.anna.id):
        with transaction():
            capture()
        with transaction(), assert_statements(db.engine, 1):
            post(key="capture:2")
        with transaction(), assert_statements(db.engine, 2):
            post(key="capture:2")


def test_that_an_account_opened_stands_in_the_audit_trail(world: World, database: Database) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction():
        capture()
    with database.connect() as connection:
        found = connection.execute(
            "SELECT a.verb, l.code FROM audit_entry a JOIN ledger_account l ON l.id = a.thing_id"
            " WHERE a.thing_type = 'ledger_account' ORDER BY l.code"
        ).fetchall()
    assert found == [("created", CUSTOMER_FUNDS), ("created", PROVIDER_BALANCE)]


def test_accounts_know_whether_they_may_be_negative(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        capture()
        assert {row.code: row.may_be_negative for row in session.query(LedgerAccount)} == {
            PROVIDER_BALANCE: True,
            CUSTOMER_FUNDS: False,
        }
