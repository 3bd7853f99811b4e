"""Random histories of the books themselves against an independent model: a dictionary of whole numbers.

A history is thirty steps of two companies: entries of any shape, said again, taken back, taken back twice, refused,
and forgotten with their transaction, some under keys that the other company uses as well. After each one the books
must say what the model says.
"""

from __future__ import annotations

import itertools
import os
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.core.money import Money
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.ledger import queries, service
from app.domains.ledger.errors import ReversedAlready, Unbalanced
from app.domains.ledger.service import Line
from tests.support.databases import Database
from tests.support.world import World

SEED = int(os.environ.get("SEED", "20261126"))
STEPS = 30
CURRENCIES = ("EUR", "JPY", "KWD")
OWN = ("tutor_pending", "tutor_cleared", "wallet")  # an account for each person
SHARED = (
    *("provider_balance", "customer_funds", "platform_fee", "tax_payable", "refunds_pending"),
    *("tenant_revenue", "processing_fees", "disputes_held", "dispute_losses"),
)
LARGEST = 10**12

Amount = tuple[str, str, int | None, int]  # code, currency, person, minor units


class _ChangedMind(Exception):
    """Rolls back what was written since the transaction began."""


# -- the model --------------------------------------------------------------------------------------------


@dataclass
class Books:
    """One company's, with pencil and paper: what stands under each key, and what each account was debited and
    credited in all."""

    entries: dict[str, list[Amount]] = field(default_factory=dict)
    reversed_by: dict[str, str] = field(default_factory=dict)
    debit: dict[tuple[str, str, int | None], int] = field(default_factory=lambda: defaultdict(int))
    credit: dict[tuple[str, str, int | None], int] = field(default_factory=lambda: defaultdict(int))

    def write(self, key: str, amounts: Sequence[Amount]) -> None:
        if key in self.entries:
            return
        self.entries[key] = [amount for amount in amounts if amount[3]]
        self._add(key, 1)

    def take_back(self, key: str, by: str) -> None:
        self.reversed_by[key] = by
        self.write(by, [(code, currency, who, -minor) for code, currency, who, minor in self.entries[key]])

    def forget(self, keys: Sequence[str]) -> None:
        """What a transaction that rolled back had written."""
        for key in keys:
            self._add(key, -1)
            del self.entries[key]
        self.reversed_by = {key: by for key, by in self.reversed_by.items() if by in self.entries}

    def _add(self, key: str, times: int) -> None:
        for code, currency, who, minor in self.entries[key]:
            side = self.debit if minor > 0 else self.credit
            side[code, currency, who] += times * abs(minor)


# -- both live the same history ---------------------------------------------------------------------------


@dataclass
class Ledger:
    """The real thing and the model, told the same."""

    world: World
    rng: random.Random
    books: dict[int, Books] = field(default_factory=dict)
    people: dict[int, list[int]] = field(default_factory=dict)
    numbers: Any = field(default_factory=itertools.count)
    fresh: list[str] = field(default_factory=list)  # keys that stand since this transaction began
    deeds: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tenant_id: int = 0

    def live(self) -> None:
        """One history: new people in both companies, and thirty steps in some transactions of theirs."""
        with self.world.app.app_context():
            keys = [f"{next(self.numbers)}" for _ in range(STEPS)]
            for company in (self.world.anna, self.world.bert):
                self.books.setdefault(company.id, Books())
                with tenant_scope(company.id), transaction() as session:
                    people = [Person(full_name=f"Tutor {keys[0]}.{n}") for n in range(self.rng.randint(1, 2))]
                    session.add_all(people)
                    session.flush()
                    self.people[company.id] = [person.id for person in people]
            while keys:
                count = self.rng.randint(1, 12)
                some, keys = keys[:count], keys[count:]
                self.tenant_id = self.rng.choice((self.world.anna.id, self.world.bert.id))
                with tenant_scope(self.tenant_id):
                    self._transact(some)
            self._compare_people()

    def _transact(self, keys: list[str]) -> None:
        self.fresh = []
        try:
            with transaction():
                for key in keys:
                    self._step(key)
                if self.rng.random() < 0.1:
                    raise _ChangedMind
        except _ChangedMind:
            self.deeds["rolled back"] += 1
            self._mine.forget(self.fresh)

    @property
    def _mine(self) -> Books:
        return self.books[self.tenant_id]

    def _step(self, key: str) -> None:
        deed = self.rng.choice(["post"] * 4 + ["repeat", "reverse", "reverse", "again", "refuse", "theirs"])
        known = list(itertools.islice(reversed(self._mine.entries), 40))
        if deed in {"repeat", "reverse", "again"} and not known:
            deed = "post"
        self.deeds[deed] += 1
        if deed == "post":
            self._post(key)
        elif deed == "theirs":  # under a key that the other company may use: each has keys of its own
            others = next(books for tenant_id, books in self.books.items() if tenant_id != self.tenant_id)
            self._post(next(reversed(others.entries), key))
        elif deed == "repeat":
            self._post(self.rng.choice(known))
        elif deed == "refuse":
            self._refuse(key)
        else:
            self._reverse(self.rng.choice(known), key, twice=deed == "again")

    def _post(self, key: str, amounts: Sequence[Amount] = ()) -> None:
        amounts = amounts or self._amounts()
        if key not in self._mine.entries:
            self.fresh.append(key)
        made = service.post(
            key=key,
            kind="sale",
            memo="",
            source=("seat", int(key.partition(":")[0])),
            lines=[Line(code, Money(minor, currency), who) for code, currency, who, minor in amounts],
        )
        assert queries.entry(made).key == key
        self._mine.write(key, amounts)

    def _reverse(self, key: str, new: str, *, twice: bool) -> None:
        entry = queries.entry_by_key(key)
        assert entry is not None
        by, known = f"{new}:back", self._mine.reversed_by.get(key)
        if known is not None:
            with pytest.raises(ReversedAlready):
                service.reverse(entry, key=by, memo="")
            assert service.reverse(entry, key=known, memo="").key == known
            return
        self.fresh.append(by)
        made = service.reverse(entry, key=by, memo="")
        self._mine.take_back(key, by)
        if twice:
            assert service.reverse(entry, key=by, memo="once more").id == made.id

    def _refuse(self, key: str) -> None:
        """A unit too many, an account of nobody's that is somebody's, or one that the chart has not."""
        first, *rest = self._amounts()
        code, currency, who, minor = first
        wrong: tuple[Amount, type[Exception]] = self.rng.choice(
            [
                ((code, currency, who, minor + self.rng.choice([-1, 1])), Unbalanced),
                (("petty_cash", currency, None, minor), ValueError),
                (("wallet", currency, None, minor), ValueError),
                (("tax_payable", currency, self.people[self.tenant_id][0], minor), ValueError),
            ]
        )
        with pytest.raises(wrong[1]):
            self._post(key, [wrong[0], *rest])
        self.fresh.remove(key)

    def _amounts(self) -> list[Amount]:
        """Of one currency or two, each even; among them lines of nothing, and accounts that come twice."""
        found: list[Amount] = []
        for currency in self.rng.sample(CURRENCIES, self.rng.choice([1, 1, 1, 2])):
            minors = [self._minor() for _ in range(self.rng.randint(1, 4))]
            minors.append(-sum(minors))
            found += [(*self._account(currency), minor) for minor in minors]
        if not any(minor for *_account, minor in found):
            return self._amounts()
        return found if found[0][3] else found[::-1] if found[-1][3] else self._amounts()

    def _account(self, currency: str) -> tuple[str, str, int | None]:
        if self.rng.random() < 0.4:
            return self.rng.choice(OWN), currency, self.rng.choice(self.people[self.tenant_id])
        return self.rng.choice(SHARED), currency, None

    def _minor(self) -> int:
        size = self.rng.choice([0, 1, 99, 6_000, 10**6, LARGEST])
        return self.rng.randint(-size, size)

    # -- and must agree -----------------------------------------------------------------------------------

    def _compare_people(self) -> None:
        """Some accounts of those who are new, after each history."""
        for tenant_id, people in self.people.items():
            with tenant_scope(tenant_id):
                places = list(itertools.product(OWN, CURRENCIES, people))
                for code, currency, who in self.rng.sample(places, 3):
                    books, place = self.books[tenant_id], (code, currency, who)
                    wanted = books.debit[place] - books.credit[place]
                    assert queries.balance(code, currency, who).minor == wanted, (tenant_id, place)

    def compare(self, database: Database) -> None:
        """All accounts of both companies, and how many entries and postings there are."""
        with self.world.app.app_context():
            for tenant_id, books in self.books.items():
                with tenant_scope(tenant_id):
                    rows = queries.trial_balance()
                real = {
                    (row.code, row.debit.currency, row.person_id): (row.debit.minor, row.credit.minor)
                    for row in rows
                }
                wanted = {
                    place: (books.debit[place], books.credit[place])
                    for place in set(books.debit) | set(books.credit)
                }
                assert {place: sums for place, sums in real.items() if any(sums)} == {
                    place: sums for place, sums in wanted.items() if any(sums)
                }
        with database.connect() as connection:
            entries = dict(connection.execute("SELECT tenant_id, count(*) FROM ledger_entry GROUP BY 1"))
            postings = dict(connection.execute("SELECT tenant_id, count(*) FROM posting GROUP BY 1"))
            uneven = connection.execute(
                "SELECT entry_id, currency FROM posting GROUP BY 1, 2 HAVING sum(amount_minor) <> 0"
            ).fetchall()
        assert uneven == []
        assert entries == {tenant_id: len(books.entries) for tenant_id, books in self.books.items()}
        assert postings == {
            tenant_id: sum(map(len, books.entries.values())) for tenant_id, books in self.books.items()
        }


def live(world: World, database: Database, count: int) -> None:
    print(f"seed {SEED}: {count} histories of {STEPS} steps")
    ledger, often = Ledger(world, random.Random(SEED)), max(100, count // 20)
    for number in range(1, count + 1):
        ledger.live()
        if number == 10 or number % often == 0:  # each time all that was before as well
            with database.connect() as connection:  # as autovacuum would, which the tests' server has not
                connection.execute("ANALYZE ledger_account, ledger_entry, posting, person")
            ledger.compare(database)
            print(f"{number} agree")
    ledger.compare(database)
    entries = sum(len(books.entries) for books in ledger.books.values())
    print(f"{entries} entries, {dict(ledger.deeds)}")
    assert min(ledger.deeds.values()) >= min(count // 10, 3), "it is a market in which everything happens"


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(15, id="15"),
        pytest.param(2_000, id="2000", marks=pytest.mark.soak),
        pytest.param(20_000, id="20000", marks=pytest.mark.soak),
    ],
)
def test_random_histories_agree_with_the_model(world: World, database: Database, count: int) -> None:
    live(world, database, count)


def test_the_model_is_no_mirror(world: World, database: Database) -> None:
    """The control: a unit that the model does not know of is noticed, and so is an entry that it forgot."""
    ledger = Ledger(world, random.Random(1))
    ledger.live()
    ledger.compare(database)
    with world.app.app_context(), tenant_scope(world.anna.id), transaction():
        service.post(
            key="stray", kind="sale", memo="", source=("seat", 0),
            lines=[Line("provider_balance", Money(1, "EUR")), Line("customer_funds", Money(-1, "EUR"))],
        )  # fmt: skip
    with pytest.raises(AssertionError):
        ledger.compare(database)
