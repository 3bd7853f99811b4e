"""A sale's shares in the books, and given back again: before clearing, after it, in part and in full."""

from __future__ import annotations

import pytest

from app.core.errors import Invalid, NotFound
from app.core.money import CurrencyMismatch, Money
from app.core.scope import tenant_scope
from app.domains.earnings import queries, service
from app.domains.earnings.errors import AlreadyReversed, MoreThanLeft
from app.domains.earnings.models import CLEARED, PENDING, REVERSED
from app.domains.ledger import queries as ledger
from app.domains.ledger.models import (
    CUSTOMER_FUNDS,
    PLATFORM_FEE,
    TAX_PAYABLE,
    TENANT_REVENUE,
    TUTOR_CLEARED,
    TUTOR_PENDING,
)
from tests.domains.earnings.support import AT, DAY, at, clear_due, eur, sell
from tests.support.databases import Database
from tests.support.world import World


def standing(world: World) -> dict[str, int]:
    """What stands in the books, with what is owed above zero."""
    with world.app.app_context(), tenant_scope(world.anna.id):
        found = ledger.balances("EUR")
    codes = (CUSTOMER_FUNDS, TAX_PAYABLE, PLATFORM_FEE, TENANT_REVENUE, TUTOR_PENDING, TUTOR_CLEARED)
    return {code: -found[code].minor for code in codes if found[code].minor}


def test_a_sale_is_shared_in_the_books(world: World) -> None:
    tutor = world.anna.people["tutor"]
    with at(world):
        earning = sell(tutor)
    assert (earning.status, earning.gross_minor, earning.tutor_minor) == (PENDING, 6000, 3529)
    assert (earning.tax_minor, earning.platform_minor, earning.tenant_minor) == (958, 252, 1261)
    assert (earning.tutor_share_bp, earning.hold_days, earning.plan_id) == (7000, 7, None)
    assert (earning.earned_at, earning.clears_at) == (None, None)
    assert standing(world) == {
        TAX_PAYABLE: 958,
        PLATFORM_FEE: 252,
        TENANT_REVENUE: 1261,
        TUTOR_PENDING: 3529,
    }
    with at(world):
        (entry,) = ledger.entries_of("seat", 1)
        assert (entry.key, entry.kind, entry.memo, entry.occurred_at) == (
            "sale:1",
            "sale",
            "Piano, 60 minutes",
            AT,
        )
        assert ledger.balance(TUTOR_PENDING, "EUR", tutor) == eur(-3529)


def test_a_seat_earns_once(world: World) -> None:
    with at(world):
        first = sell(world.anna.people["tutor"])
    with at(world):
        again = sell(world.anna.people["tutor"], gross=eur(9900))
    assert again.id == first.id
    assert standing(world)[TUTOR_PENDING] == 3529


def test_what_was_free_makes_no_entry(world: World) -> None:
    with at(world):
        earning = sell(world.anna.people["tutor"], gross=eur(0))
        assert (earning.gross_minor, earning.tutor_minor, earning.status) == (0, 0, PENDING)
        assert ledger.entries_of("seat", 1) == []
    with at(world):
        service.start_clearing(seat_id=1, ended_at=AT)
    clear_due(world, AT + 7 * DAY)
    with at(world):
        assert queries.of_seat(1).status == CLEARED
        assert ledger.trial_balance() == []


def test_what_was_free_is_reversed_by_giving_back_nothing(world: World) -> None:
    with at(world):
        sell(world.anna.people["tutor"], gross=eur(0))
        assert service.give_back(seat_id=1, amount=eur(0), reason="Cancelled").status == REVERSED


def test_all_is_given_back(world: World) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
    with at(world, AT + DAY):
        earning = service.give_back(seat_id=1, amount=eur(6000), reason="Cancelled in time")
    assert (earning.status, earning.reason, earning.refunded_minor) == (REVERSED, "Cancelled in time", 6000)
    assert (earning.gross_minor, earning.tutor_minor) == (0, 0)
    assert standing(world) == {CUSTOMER_FUNDS: 6000}
    with at(world):
        assert [(e.key, e.kind, e.memo) for e in ledger.entries_of("seat", 1)] == [
            ("sale:1", "sale", "Piano, 60 minutes"),
            ("giveback:1:1", "giveback", "Piano, 60 minutes: Cancelled in time"),
        ]
        assert not any(row.balance.minor for row in ledger.trial_balance() if row.person_id)


def test_parts_are_given_back_in_proportion(world: World) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
    with at(world):
        earning = service.give_back(seat_id=1, amount=eur(3000), reason="Cancelled late")
    assert (earning.status, earning.refunded_minor, earning.gross_minor) == (PENDING, 3000, 3000)
    # Half of 958, 252, 1261 and 3529 is 479, 126, 630.5 and 1764.5: the earlier one gets the cent.
    assert standing(world) == {
        CUSTOMER_FUNDS: 3000,
        TAX_PAYABLE: 479,
        PLATFORM_FEE: 126,
        TENANT_REVENUE: 630,
        TUTOR_PENDING: 1765,
    }
    with at(world):
        earning = service.give_back(seat_id=1, amount=eur(3000), reason="Out of courtesy")
    assert (earning.status, earning.reason) == (REVERSED, "Out of courtesy")
    assert standing(world) == {CUSTOMER_FUNDS: 6000}
    with at(world):
        assert [e.key for e in ledger.entries_of("seat", 1)][1:] == ["giveback:1:1", "giveback:1:2"]


def test_after_clearing_the_tutor_owes(world: World) -> None:
    """What was cleared is debited, and the balance may fall below zero: another lesson pays it."""
    tutor = world.anna.people["tutor"]
    with at(world):
        sell(tutor)
        service.start_clearing(seat_id=1, ended_at=AT)
    clear_due(world, AT + 7 * DAY)
    with at(world):
        assert ledger.balance(TUTOR_CLEARED, "EUR", tutor) == eur(-3529)
        assert ledger.balance(TUTOR_PENDING, "EUR", tutor) == eur(0)
    with at(world, AT + 9 * DAY):
        earning = service.give_back(seat_id=1, amount=eur(1000), reason="Complaint")
        assert earning.status == CLEARED
    with at(world, AT + 9 * DAY):
        assert service.give_back(seat_id=1, amount=eur(5000), reason="Complaint").status == REVERSED
    assert standing(world) == {CUSTOMER_FUNDS: 6000}
    with at(world):
        totals = queries.totals_of(tutor, "EUR")
        assert (totals.pending, totals.cleared, totals.given_back) == (eur(0), eur(0), eur(3529))


@pytest.mark.parametrize(("minor", "error"), [(6001, MoreThanLeft), (-1, Invalid), (2**62, MoreThanLeft)])
def test_what_can_not_be_given_back_is_refused(world: World, minor: int, error: type[Exception]) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
    before = standing(world)
    with pytest.raises(error), at(world):
        service.give_back(seat_id=1, amount=eur(minor), reason="x")
    assert standing(world) == before


def test_nothing_is_given_back_twice(world: World) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
        service.give_back(seat_id=1, amount=eur(6000), reason="Cancelled")
    with pytest.raises(AlreadyReversed), at(world):
        service.give_back(seat_id=1, amount=eur(6000), reason="Cancelled")
    with pytest.raises(NotFound), at(world):
        service.give_back(seat_id=2, amount=eur(1), reason="Never sold")
    with pytest.raises(NotFound), at(world, company=world.bert):
        service.give_back(seat_id=1, amount=eur(1), reason="Another company's")
    assert standing(world) == {CUSTOMER_FUNDS: 6000}


def test_another_currency_is_a_fault(world: World) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
    with pytest.raises(CurrencyMismatch), at(world):
        service.give_back(seat_id=1, amount=Money(1, "USD"), reason="x")


def test_giving_back_nothing_of_something_changes_nothing(world: World) -> None:
    """A late cancellation without a refund: the tutor keeps what they earned."""
    with at(world):
        sell(world.anna.people["tutor"])
        earning = service.give_back(seat_id=1, amount=eur(0), reason="Too late")
    assert (earning.status, earning.reason, earning.refunded_minor) == (PENDING, None, 0)
    assert standing(world)[TUTOR_PENDING] == 3529


def test_each_change_stands_in_the_audit_trail(world: World, database: Database) -> None:
    with at(world):
        sell(world.anna.people["tutor"])
    with at(world):
        service.start_clearing(seat_id=1, ended_at=AT)
    with at(world):
        service.hold(1)
    with at(world):
        service.unhold(1)
    with at(world):
        service.give_back(seat_id=1, amount=eur(100), reason="Late start")
    clear_due(world, AT + 8 * DAY)
    with database.connect() as connection:
        found = connection.execute(
            "SELECT verb, reason FROM audit_entry WHERE thing_type = 'earning' ORDER BY id"
        ).fetchall()
    assert found == [
        ("created", None),
        ("earned", None),
        ("held", None),
        ("released", None),
        ("given back", "Late start"),
        ("cleared", None),
    ]
