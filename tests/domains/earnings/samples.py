"""Rows and forms of the ledger's and the earnings' admin entries, for the tests that look at every entry."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from app.core import clock
from app.core.money import Money
from app.domains.accounts.models import Person
from app.domains.earnings import service as earnings
from app.domains.earnings.models import CommissionPlan, Earning
from app.domains.ledger import queries, service
from app.domains.ledger.models import CUSTOMER_FUNDS, TUTOR_PENDING, LedgerAccount, LedgerEntry, Posting
from app.domains.ledger.service import Line
from tests.support.sample import Sample
from tests.support.world import World

_seats = itertools.count(700_001)


def tutor(session: Any, word: str) -> Person:
    person = Person(full_name=f"Tutor {word}")
    session.add(person)
    session.flush()
    return person


def ledger_entry(session: Any, word: str) -> LedgerEntry:
    amount, seat_id = Money(6000, "EUR"), next(_seats)
    lines = [Line(CUSTOMER_FUNDS, amount), Line(TUTOR_PENDING, -amount, tutor(session, word).id)]
    made = service.post(
        key=f"sale:{word}", kind="sale", memo=f"Lesson {word}", source=("seat", seat_id), lines=lines
    )
    return queries.entry(made)


def posting(session: Any, word: str) -> Posting:
    return queries.postings_of(ledger_entry(session, word).id)[1]


def ledger_account(session: Any, word: str) -> LedgerAccount:
    return posting(session, word).account


def commission_plan(session: Any, word: str) -> CommissionPlan:
    """Terms to come, which can still be changed."""
    plan = earnings.plan_commission(
        name=f"Terms {word}",
        person=tutor(session, word),
        tutor_share_bp=7250,
        hold_days=5,
        valid_from=clock.now() + dt.timedelta(days=30),
    )
    session.flush()
    return plan


def earning(session: Any, word: str) -> Earning:
    gross = Money(6000, "EUR")
    made = earnings.accrue(
        seat_id=next(_seats),
        tutor_id=tutor(session, word).id,
        description=f"Lesson {word}",
        gross=gross,
        tax=Money(958, "EUR"),
        tax_rate_bp=1900,
        platform_fee_bp=500,
    )
    session.flush()
    return made


def commission_form(world: World, word: str) -> dict[str, Any]:
    return {
        "name": f"Terms {word}",
        "person": world.anna.people["tutor"],
        "tutor_share_bp": "72.5",
        "hold_days": 5,
        "valid_from": (clock.now() + dt.timedelta(days=30)).isoformat(timespec="seconds"),
    }


SAMPLES = {
    "commission-plans": Sample(
        commission_plan, commission_form, change={"hold_days": 9}, wrong={"tutor_share_bp": "101"}
    ),
    "earnings": Sample(earning),
    "ledger-accounts": Sample(ledger_account),
    "ledger-entries": Sample(ledger_entry),
    "postings": Sample(posting),
}
