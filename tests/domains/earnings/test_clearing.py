"""When what is pending becomes the tutor's: after the days of its terms, unless it is held or was given back."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core import clock
from app.core.errors import NotFound
from app.domains.earnings import jobs, queries, service
from app.domains.earnings.events import EarningCleared
from app.domains.earnings.models import CLEARED, PENDING, REVERSED
from app.domains.ledger import queries as ledger
from app.domains.ledger.models import TUTOR_CLEARED, TUTOR_PENDING
from tests.domains.earnings.support import AT, DAY, at, clear_due, eur, sell
from tests.support.databases import Database
from tests.support.world import World

SECOND = dt.timedelta(seconds=1)


def status(world: World, seat_id: int = 1) -> str:
    with at(world):
        return queries.of_seat(seat_id).status


def test_an_earning_clears_when_its_days_are_over(world: World) -> None:
    tutor = world.anna.people["tutor"]
    with at(world):
        sell(tutor)
    clear_due(world, AT + 100 * DAY)
    assert status(world) == PENDING  # the lesson has not taken place
    with at(world):
        service.start_clearing(seat_id=1, ended_at=AT)
        found = queries.of_seat(1)
        assert (found.earned_at, found.clears_at) == (AT, AT + 7 * DAY)
    clear_due(world, AT + 7 * DAY - SECOND)
    assert status(world) == PENDING
    clear_due(world, AT + 7 * DAY)
    assert status(world) == CLEARED
    clear_due(world, AT + 8 * DAY)
    with at(world):
        assert queries.of_seat(1).cleared_at == AT + 7 * DAY
        assert [e.key for e in ledger.entries_of("seat", 1)] == ["sale:1", f"clear:{queries.of_seat(1).id}"]
        assert ledger.balance(TUTOR_PENDING, "EUR", tutor) == eur(0)
        assert ledger.balance(TUTOR_CLEARED, "EUR", tutor) == eur(-3529)


def test_the_days_begin_once(world: World) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
        service.start_clearing(seat_id=1, ended_at=AT)
    with at(world):
        service.start_clearing(seat_id=1, ended_at=AT + DAY)
        assert queries.of_seat(1).clears_at == AT + 7 * DAY
    with pytest.raises(NotFound), at(world):
        service.start_clearing(seat_id=2, ended_at=AT)


def test_what_was_given_back_does_not_clear(world: World) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
        sell(world.anna.people["tutor"], seat_id=2)
        service.start_clearing(seat_id=1, ended_at=AT)
        service.give_back(seat_id=1, amount=eur(6000), reason="Complaint")
        service.give_back(seat_id=2, amount=eur(6000), reason="Cancelled")
        service.start_clearing(seat_id=2, ended_at=AT)
        assert queries.of_seat(2).earned_at is None
    clear_due(world, AT + 8 * DAY)
    assert (status(world), status(world, 2)) == (REVERSED, REVERSED)


def test_what_is_held_waits(world: World) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
        service.start_clearing(seat_id=1, ended_at=AT)
        service.hold(1)
        service.hold(1)
    clear_due(world, AT + 8 * DAY)
    assert status(world) == PENDING
    with at(world):
        assert queries.totals_of(world.anna.people["tutor"], "EUR").held == eur(3529)
        service.unhold(1)
    clear_due(world, AT + 8 * DAY)
    assert status(world) == CLEARED
    for change in (service.hold, service.unhold):
        with pytest.raises(NotFound), at(world):
            change(2)


def test_all_companies_clear_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    for company, count in ((world.anna, 5), (world.bert, 2)):
        with at(world, company=company):
            for seat_id in range(1, count + 1):
                sell(company.people["tutor"], seat_id=seat_id)
                service.start_clearing(seat_id=seat_id, ended_at=AT)
    clear_due(world, AT + 7 * DAY)
    for company, count in ((world.anna, 5), (world.bert, 2)):
        with at(world, company=company):
            assert ledger.balance(TUTOR_CLEARED, "EUR") == eur(-3529 * count)
            assert ledger.balance(TUTOR_PENDING, "EUR") == eur(0)


def test_one_companys_trouble_does_not_keep_the_others_waiting(world: World, database: Database) -> None:
    for company in (world.anna, world.bert):
        with at(world, company=company):
            sell(company.people["tutor"])
            service.start_clearing(seat_id=1, ended_at=AT)
    with database.connect() as connection:  # an account of anna's that no entry can point at
        connection.execute(
            "ALTER TABLE ledger_account ADD CONSTRAINT trouble"
            f" CHECK (tenant_id <> {world.anna.id} OR code <> '{TUTOR_CLEARED}')"
        )
    try:
        with pytest.raises(ExceptionGroup) as raised:
            clear_due(world, AT + 7 * DAY)
        assert len(raised.value.exceptions) == 1
        assert status(world) == PENDING
        with at(world, company=world.bert):
            assert queries.of_seat(1).status == CLEARED
    finally:
        with database.connect() as connection:
            connection.execute("ALTER TABLE ledger_account DROP CONSTRAINT trouble")
    clear_due(world, AT + 7 * DAY)
    assert status(world) == CLEARED


def test_threads_clear_each_earning_once(world: World) -> None:
    tutor = world.anna.people["tutor"]
    with at(world):
        for seat_id in range(1, 21):
            sell(tutor, seat_id=seat_id)
            service.start_clearing(seat_id=seat_id, ended_at=AT)
    gate = threading.Barrier(4)

    def run(_number: int) -> None:
        with world.app.app_context():
            gate.wait(20)
            jobs.clear_due()

    with clock.frozen(AT + 7 * DAY), ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    with at(world):
        assert ledger.balance(TUTOR_CLEARED, "EUR", tutor) == eur(-3529 * 20)
        assert {queries.of_seat(seat_id).status for seat_id in range(1, 21)} == {CLEARED}


def test_clearing_against_giving_back_at_once(world: World) -> None:
    """Whichever comes first: the tutor's two accounts are even in the end, and the entry says which it was."""
    tutor = world.anna.people["tutor"]
    for seat_id in range(1, 9):
        with at(world):
            sell(tutor, seat_id=seat_id)
            service.start_clearing(seat_id=seat_id, ended_at=AT)
    gate = threading.Barrier(2)

    def clear() -> None:
        with world.app.app_context():
            gate.wait(20)
            jobs.clear_due()

    def give_back() -> None:
        gate.wait(20)
        for seat_id in range(8, 0, -1):
            with at(world, AT + 7 * DAY):
                service.give_back(seat_id=seat_id, amount=eur(6000), reason="Complaint")

    with clock.frozen(AT + 7 * DAY), ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(clear), pool.submit(give_back)):
            done.result()
    with at(world):
        assert ledger.balance(TUTOR_CLEARED, "EUR", tutor) == eur(0)
        assert ledger.balance(TUTOR_PENDING, "EUR", tutor) == eur(0)
        assert {queries.of_seat(seat_id).status for seat_id in range(1, 9)} == {REVERSED}


def test_that_it_cleared_is_announced(world: World) -> None:
    """To whoever listens: with a LATER handler it would stand in the outbox, with the earning's number."""
    heard: list[EarningCleared] = []
    wiring = world.app.extensions["wiring"]
    before = wiring.now.get(EarningCleared, ())
    wiring.now[EarningCleared] = (*before, heard.append)
    try:
        with at(world):
            sell(world.anna.people["tutor"])
            service.start_clearing(seat_id=1, ended_at=AT)
        clear_due(world, AT + 7 * DAY)
    finally:
        wiring.now[EarningCleared] = before
    with at(world):
        assert heard == [EarningCleared(tenant_id=world.anna.id, earning_id=queries.of_seat(1).id)]
