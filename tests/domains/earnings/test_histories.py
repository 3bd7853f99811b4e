"""Random histories of money against an independent model: plain dictionaries and fractions, none of our code.

A history is some sales of several tutors, given back in part and in full, before clearing and after it, held and
released, in EUR, JPY and KWD. After each one the books must say what the model says, to the minor unit.
"""

from __future__ import annotations

import datetime as dt
import os
import random
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from app.core import clock
from app.core.money import Money
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.earnings import jobs, queries, service
from app.domains.ledger import queries as ledger
from app.domains.ledger import service as ledger_service
from app.domains.ledger.service import Line
from tests.support.databases import Database
from tests.support.world import World

START = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
CURRENCIES = ("EUR", "JPY", "KWD")
SEED = int(os.environ.get("SEED", "20261103"))


# -- the model --------------------------------------------------------------------------------------------


def shared(amount: int, weights: list[int]) -> list[int]:
    """By largest remainder: round down, then a unit each to those who lost most, the first of equals first."""
    exact = [Fraction(amount * weight, sum(weights)) for weight in weights]
    parts = [int(share) for share in exact]
    lost = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in lost[: amount - sum(parts)]:
        parts[i] += 1
    return parts


def tax_inside(gross: int, rate_bp: int) -> int:
    exact = Fraction(gross * rate_bp, 10_000 + rate_bp)
    return int(exact + Fraction(1, 2))


@dataclass
class Seat:
    tutor: int
    currency: str
    shares: list[int]  # tax, platform, company, tutor
    hold_days: int
    state: str = "pending"
    clears_at: dt.datetime | None = None
    is_held: bool = False
    given_back: int = 0


@dataclass
class Model:
    """The same company, kept with pencil and paper."""

    balances: dict[tuple[str, str, int | None], int] = field(default_factory=lambda: defaultdict(int))
    seats: dict[int, Seat] = field(default_factory=dict)
    terms: dict[int, tuple[int, int]] = field(default_factory=dict)

    def _move(self, currency: str, moves: list[tuple[str, int | None, int]]) -> None:
        for code, person, minor in moves:
            self.balances[code, currency, person] += minor

    def sell(self, number: int, tutor: int, currency: str, gross: int, tax_bp: int, fee_bp: int) -> None:
        share_bp, hold_days = self.terms.get(tutor, (7_000, 7))
        tax = tax_inside(gross, tax_bp)
        rest = 10_000 - fee_bp
        share_bp = min(share_bp, rest)
        platform, own, company = shared(gross - tax, [fee_bp, share_bp, rest - share_bp])
        self.seats[number] = Seat(tutor, currency, [tax, platform, company, own], hold_days)
        self._move(
            currency,
            [
                ("provider_balance", None, gross),
                ("tax_payable", None, -tax),
                ("platform_fee", None, -platform),
                ("tenant_revenue", None, -company),
                ("tutor_pending", tutor, -own),
            ],
        )

    def give_back(self, number: int, minor: int) -> None:
        seat = self.seats[number]
        parts = shared(minor, seat.shares) if minor else [0, 0, 0, 0]
        account = "tutor_cleared" if seat.state == "cleared" else "tutor_pending"
        self._move(
            seat.currency,
            [
                ("tax_payable", None, parts[0]),
                ("platform_fee", None, parts[1]),
                ("tenant_revenue", None, parts[2]),
                (account, seat.tutor, parts[3]),
                ("customer_funds", None, -minor),
            ],
        )
        seat.shares = [has - part for has, part in zip(seat.shares, parts, strict=True)]
        seat.given_back += minor
        if sum(seat.shares) == 0:
            seat.state, seat.clears_at = "reversed", None

    def clear(self, now: dt.datetime) -> None:
        for seat in self.seats.values():
            if seat.state == "pending" and seat.clears_at and seat.clears_at <= now and not seat.is_held:
                own = seat.shares[3]
                self._move(
                    seat.currency, [("tutor_pending", seat.tutor, own), ("tutor_cleared", seat.tutor, -own)]
                )
                seat.state = "cleared"


# -- both live the same history ---------------------------------------------------------------------------


@dataclass
class Market:
    """The real thing and the model, told the same."""

    world: World
    rng: random.Random
    model: Model = field(default_factory=Model)
    tutors: list[int] = field(default_factory=list)
    now: dt.datetime = START
    numbers: int = 0

    def live(self) -> None:
        """One history: tutors of its own, some of them with terms of their own, and what happens to them."""
        with self.world.app.app_context():
            with tenant_scope(self.world.anna.id), clock.frozen(self.now), transaction() as session:
                self._hire(session)
                mine = [self._sell() for _sale in range(self.rng.randint(1, 4))]
                for number in mine:
                    self._something(number)
            self._wait()
            with tenant_scope(self.world.anna.id), clock.frozen(self.now), transaction():
                for number in (*mine, self._sell()):
                    self._something(number)
                    self._something(number)
            if self.rng.random() < 0.3:
                self._wait()

    def _hire(self, session: Any) -> None:
        people = [Person(full_name=f"Tutor {self.numbers}.{i}") for i in range(self.rng.randint(1, 3))]
        session.add_all(people)
        session.flush()
        self.tutors = [person.id for person in people]
        if self.rng.random() < 0.5:
            terms = self.rng.choice([0, 1, 3_333, 5_000, 9_750, 10_000, self.rng.randrange(10_001)])
            days = self.rng.choice([0, 1, 7, 30])
            service.plan_commission(name="Own", person=people[0], tutor_share_bp=terms, hold_days=days)
            self.model.terms[people[0].id] = (terms, days)

    def _sell(self) -> int:
        rng = self.rng
        self.numbers += 1
        number, tutor, currency = self.numbers, rng.choice(self.tutors), rng.choice(CURRENCIES)
        gross = rng.choice([0, 1, 2, 3, 99, 100, 6_000, rng.randrange(1, 10**6), rng.randrange(1, 10**12)])
        tax_bp, fee_bp = rng.choice([0, 700, 1_900, 2_550]), rng.choice([0, 500, 1_234, 5_000])
        amount = Money(gross, currency)
        if gross:
            ledger_service.post(
                key=f"capture:{number}",
                kind="capture",
                memo="",
                source=("payment", number),
                lines=[Line("provider_balance", amount), Line("customer_funds", -amount)],
            )
        service.accrue(
            seat_id=number,
            tutor_id=tutor,
            description=f"Lesson {number}",
            gross=amount,
            tax=Money(tax_inside(gross, tax_bp), currency),
            tax_rate_bp=tax_bp,
            platform_fee_bp=fee_bp,
        )
        self.model.sell(number, tutor, currency, gross, tax_bp, fee_bp)
        return number

    def _something(self, number: int) -> None:
        seat = self.model.seats[number]
        deed = self.rng.choice(["take place", "take place", "part", "all", "hold", "release", "nothing"])
        if deed == "take place":
            service.start_clearing(seat_id=number, ended_at=self.now)
            if seat.clears_at is None and seat.state == "pending":
                seat.clears_at = self.now + dt.timedelta(days=seat.hold_days)
        elif deed in {"part", "all"} and seat.state != "reversed":
            left = sum(seat.shares)
            minor = left if deed == "all" else self.rng.randint(0, left)
            service.give_back(seat_id=number, amount=Money(minor, seat.currency), reason=deed)
            self.model.give_back(number, minor)
        elif deed in {"hold", "release"}:
            (service.hold if deed == "hold" else service.unhold)(number)
            seat.is_held = deed == "hold"

    def _wait(self) -> None:
        self.now += dt.timedelta(hours=self.rng.choice([1, 24, 24 * 7, 24 * 8, 24 * 31]))
        with clock.frozen(self.now):
            jobs.clear_due()
        self.model.clear(self.now)

    # -- and must agree -----------------------------------------------------------------------------------

    def compare(self, *, everything: bool) -> None:
        """The books as a whole; and row by row, of those of the last history or of all there are."""
        with self.world.app.app_context(), tenant_scope(self.world.anna.id):
            rows = ledger.trial_balance()
            real = {(row.code, row.debit.currency, row.person_id): row.balance.minor for row in rows}
            wanted = dict(self.model.balances)
            assert {key: minor for key, minor in real.items() if minor} == {
                key: minor for key, minor in wanted.items() if minor
            }
            for currency, found in ledger.by_currency(rows).items():
                assert sum(row.balance.minor for row in found) == 0, currency
            numbers = self.model.seats if everything else range(max(1, self.numbers - 4), self.numbers + 1)
            for number in numbers:
                self._compare_seat(number)
            for tutor in self.tutors:
                self._compare_tutor(tutor)

    def _compare_seat(self, number: int) -> None:
        seat, row = self.model.seats[number], queries.of_seat(number)
        assert row is not None
        assert [row.tax_minor, row.platform_minor, row.tenant_minor, row.tutor_minor] == seat.shares
        assert (row.gross_minor, row.refunded_minor) == (sum(seat.shares), seat.given_back)
        assert (row.status, row.clears_at, row.is_held) == (seat.state, seat.clears_at, seat.is_held)

    def _compare_tutor(self, tutor: int) -> None:
        seats = [seat for seat in self.model.seats.values() if seat.tutor == tutor]
        for currency in CURRENCIES:
            totals = queries.totals_of(tutor, currency)
            assert totals.pending.minor == -self.model.balances["tutor_pending", currency, tutor]
            assert totals.cleared.minor == -self.model.balances["tutor_cleared", currency, tutor]
            pending = [s for s in seats if s.currency == currency and s.state == "pending"]
            assert totals.held.minor == sum(s.shares[3] for s in pending if s.is_held)
            assert totals.waiting.minor == sum(
                s.shares[3] for s in pending if not s.is_held and s.clears_at is None
            )
            assert totals.pending == totals.held + totals.waiting + totals.clearing


def analyze(database: Database) -> None:
    """As autovacuum would, which the tests' server has none of: plans made for empty tables crawl later."""
    with database.connect() as connection:
        connection.execute("ANALYZE ledger_account, ledger_entry, posting, earning, commission_plan, person")


def live(world: World, database: Database, count: int, *, compare_every: int) -> None:
    market = Market(world, random.Random(SEED))
    print(f"seed {SEED}: {count} histories")
    for number in range(1, count + 1):
        market.live()
        if number % compare_every == 0:
            analyze(database)
            market.compare(everything=False)
    market.compare(everything=True)
    with database.connect() as connection:
        uneven = connection.execute(
            "SELECT entry_id, currency FROM posting GROUP BY entry_id, currency HAVING sum(amount_minor) <> 0"
        ).fetchall()
        entries, postings = connection.execute(
            "SELECT (SELECT count(*) FROM ledger_entry), (SELECT count(*) FROM posting)"
        ).fetchone()
        kinds = dict(connection.execute("SELECT status, count(*) FROM earning GROUP BY status").fetchall())
    assert uneven == []
    assert kinds.keys() == {"pending", "cleared", "reversed"}
    print(f"{entries} entries, {postings} postings, earnings: {kinds}")


def test_random_histories_agree_with_the_model(world: World, database: Database) -> None:
    live(world, database, 80, compare_every=10)


@pytest.mark.soak
def test_two_thousand_histories_agree_with_the_model(world: World, database: Database) -> None:
    live(world, database, 2_000, compare_every=50)


def test_the_model_is_no_mirror(world: World, database: Database) -> None:
    """The control: a cent that the model does not know of is noticed."""
    market = Market(world, random.Random(1))
    market.live()
    market.compare(everything=True)
    with world.app.app_context(), tenant_scope(world.anna.id), transaction():
        ledger_service.post(
            key="stray",
            kind="capture",
            memo="",
            source=("payment", 0),
            lines=[Line("provider_balance", Money(1, "EUR")), Line("customer_funds", Money(-1, "EUR"))],
        )
    with pytest.raises(AssertionError):
        market.compare(everything=False)
