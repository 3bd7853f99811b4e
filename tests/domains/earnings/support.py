"""What the tests of earnings share: sales that were paid, at a standing business time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.core import clock
from app.core.money import Money, half_up
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.earnings import jobs, service
from app.domains.earnings.models import Earning
from app.domains.ledger import service as ledger
from app.domains.ledger.models import CUSTOMER_FUNDS, PROVIDER_BALANCE
from app.domains.ledger.service import Line
from tests.support.world import Company, World

AT = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@contextmanager
def at(world: World, when: dt.datetime = AT, company: Company | None = None) -> Iterator[Any]:
    """An edge's transaction in a company, at this business time."""
    scope = tenant_scope((company or world.anna).id)
    with world.app.app_context(), scope, clock.frozen(when), transaction() as session:
        yield session


def tax_in(gross: Money, rate_bp: int) -> Money:
    """The tax that is inside a price."""
    return Money(half_up(gross.minor * rate_bp, 10_000 + rate_bp), gross.currency)


def sell(
    tutor_id: int,
    *,
    seat_id: int = 1,
    gross: Money | None = None,
    tax_rate_bp: int = 1900,
    platform_fee_bp: int = 500,
    description: str = "Piano, 60 minutes",
) -> Earning:
    """A seat that was paid for and confirmed, as payments and booking do it."""
    gross = eur(6000) if gross is None else gross
    if gross.minor:
        ledger.post(
            key=f"capture:{seat_id}",
            kind="capture",
            memo=description,
            source=("payment", seat_id),
            lines=[Line(PROVIDER_BALANCE, gross), Line(CUSTOMER_FUNDS, -gross)],
        )
    return service.accrue(
        seat_id=seat_id,
        tutor_id=tutor_id,
        description=description,
        gross=gross,
        tax=tax_in(gross, tax_rate_bp),
        tax_rate_bp=tax_rate_bp,
        platform_fee_bp=platform_fee_bp,
    )


def clear_due(world: World, when: dt.datetime) -> None:
    """The recurring job, at this business time."""
    with world.app.app_context(), clock.frozen(when):
        jobs.clear_due()
