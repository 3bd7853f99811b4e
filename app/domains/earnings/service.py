"""Writes of earnings, one function per verb. Figures and the ledger change in the same transaction."""

from __future__ import annotations

import datetime as dt

from flask_babel import lazy_gettext as _l

from app.core import clock
from app.core.audit import note
from app.core.crash import crash_point
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import announce
from app.core.money import Money
from app.core.states import move_to
from app.domains.accounts.models import Person
from app.domains.earnings import events, policies, queries
from app.domains.earnings.errors import AlreadyReversed, BeginsInThePast, InForce, MoreThanLeft
from app.domains.earnings.models import CLEARED, PENDING, REVERSED, CommissionPlan, Earning
from app.domains.earnings.policies import Shares
from app.domains.ledger import queries as ledger_queries
from app.domains.ledger import service as ledger
from app.domains.ledger.models import (
    CUSTOMER_FUNDS,
    PLATFORM_FEE,
    TAX_PAYABLE,
    TENANT_REVENUE,
    TUTOR_CLEARED,
    TUTOR_PENDING,
)
from app.domains.ledger.service import Line

LONGEST_TEXT, LONGEST_REASON = 300, 200
A_MOMENT = dt.timedelta(minutes=2)  # between filling in a form to the minute, and sending it


def accrue(
    *,
    seat_id: int,
    tutor_id: int,
    description: str,
    gross: Money,
    tax: Money,
    tax_rate_bp: int,
    platform_fee_bp: int,
) -> Earning:
    """A seat was sold: share its price, by the terms of now. Once for each seat: a repeat changes nothing.

    What was free earns nothing and makes no entry. Raises ValueError for a tax that the price can't hold.
    """
    is_sold, terms = queries.terms_of_sale(seat_id, tutor_id, clock.now())
    known = queries.of_seat(seat_id) if is_sold else None
    if known is not None:
        return known
    shares = policies.split_sale(
        gross, tax=tax, platform_fee_bp=platform_fee_bp, tutor_share_bp=terms.tutor_share_bp
    )
    earning = Earning(
        seat_id=seat_id,
        tutor_id=tutor_id,
        plan_id=terms.plan_id,
        description=description[:LONGEST_TEXT],
        status=PENDING,
        currency=gross.currency,
        refunded_minor=0,
        tutor_share_bp=terms.tutor_share_bp,
        platform_fee_bp=platform_fee_bp,
        tax_rate_bp=tax_rate_bp,
        hold_days=terms.hold_days,
        is_held=False,
    )
    _set_shares(earning, shares)
    db.session.add(earning)
    if gross.minor:
        _post_sale(earning, shares)
    return earning


def _post_sale(earning: Earning, shares: Shares) -> None:
    ledger.post(
        key=f"sale:{earning.seat_id}",
        kind="sale",
        memo=earning.description,
        source=(queries.SEAT, earning.seat_id),
        lines=[Line(CUSTOMER_FUNDS, shares.gross), *_lines(-1, shares, TUTOR_PENDING, earning.tutor_id)],
    )


def give_back(*, seat_id: int, amount: Money, reason: str) -> Earning:
    """Some or all of what is left of a sale goes back to the customer: each gives in proportion, the tutor
    also after clearing. With all of it the earning is reversed.

    Raises NotFound, AlreadyReversed, MoreThanLeft, Invalid (below zero).
    """
    earning = queries.of_seat_for_update(seat_id)
    if earning.status == REVERSED:
        raise AlreadyReversed
    if amount.minor < 0:
        raise Invalid(field="amount")
    held = policies.shares_of(earning)
    if amount > held.gross:
        raise MoreThanLeft
    if amount.minor:
        _post_giveback(earning, held.part(amount), reason)
    if amount == held.gross:
        move_to(earning, REVERSED)
        earning.clears_at = None
    if amount.minor or earning.status == REVERSED:
        earning.reason = reason[:LONGEST_REASON]
        note(earning, "given back", reason=reason)
    return earning


def _post_giveback(earning: Earning, given: Shares, reason: str) -> None:
    before = ledger_queries.count_of(queries.SEAT, earning.seat_id, "giveback")
    account = TUTOR_CLEARED if earning.status == CLEARED else TUTOR_PENDING
    ledger.post(
        key=f"giveback:{earning.seat_id}:{before + 1}",
        kind="giveback",
        memo=f"{earning.description}: {reason}",
        source=(queries.SEAT, earning.seat_id),
        lines=[*_lines(1, given, account, earning.tutor_id), Line(CUSTOMER_FUNDS, -given.gross)],
    )
    _set_shares(earning, policies.shares_of(earning) - given)
    earning.refunded_minor += given.gross.minor


def start_clearing(*, seat_id: int, ended_at: dt.datetime) -> None:
    """The lesson took place: from its end on the time runs after which the earning clears. Once: a repeat
    changes nothing, nor is there anything to clear of what was given back. Raises NotFound."""
    earning = queries.of_seat_for_update(seat_id)
    if earning.earned_at is not None or earning.status != PENDING:
        return
    earning.earned_at = ended_at
    earning.clears_at = ended_at + dt.timedelta(days=earning.hold_days)
    note(earning, "earned")


def hold(seat_id: int) -> None:
    """Its payment is disputed: it does not clear until `unhold`. Raises NotFound."""
    _set_held(seat_id, held=True)


def unhold(seat_id: int) -> None:
    """The dispute is over; what is overdue clears with the next run. Raises NotFound."""
    _set_held(seat_id, held=False)


def _set_held(seat_id: int, *, held: bool) -> None:
    earning = queries.of_seat_for_update(seat_id)
    if earning.is_held != held:
        earning.is_held = held
        note(earning, "held" if held else "released")


def clear(earning: Earning) -> bool:
    """What was pending is the tutor's, if its time has come and nothing holds it; whether it was. The row is
    locked already, as `queries.due_for_update` gives it."""
    if not policies.may_clear(earning, at=clock.now()):
        return False
    if earning.tutor_minor:
        ledger.post(
            key=f"clear:{earning.id}",
            kind="clear",
            memo=earning.description,
            source=(queries.SEAT, earning.seat_id),
            lines=[
                Line(TUTOR_PENDING, earning.amount, earning.tutor_id),
                Line(TUTOR_CLEARED, -earning.amount, earning.tutor_id),
            ],
        )
    crash_point("clear.posted")
    move_to(earning, CLEARED)
    earning.cleared_at = clock.now()
    note(earning, "cleared")
    announce(events.EarningCleared(tenant_id=earning.tenant_id, earning_id=earning.id))
    return True


def plan_commission(
    *,
    name: str,
    person: Person | None,
    tutor_share_bp: int,
    hold_days: int,
    valid_from: dt.datetime | None = None,
) -> CommissionPlan:
    """Terms for one tutor, or without a person for all, from a moment on, which is now unless it is said.
    Raises BeginsInThePast, Invalid."""
    plan = CommissionPlan()
    _set_terms(plan, name, person, tutor_share_bp, hold_days, valid_from)
    db.session.add(plan)
    return plan


def change_plan(
    plan: CommissionPlan,
    *,
    name: str,
    person: Person | None,
    tutor_share_bp: int,
    hold_days: int,
    valid_from: dt.datetime | None = None,
) -> CommissionPlan:
    """Terms that are not in force yet can be others. Raises InForce, BeginsInThePast, Invalid."""
    plan = queries.plan_for_update(plan.id)
    _check_open(plan)
    _set_terms(plan, name, person, tutor_share_bp, hold_days, valid_from)
    return plan


def drop_plan(plan: CommissionPlan) -> None:
    """Terms that never came into force are forgotten. Raises InForce."""
    plan = queries.plan_for_update(plan.id)
    _check_open(plan)
    db.session.delete(plan)


def _check_open(plan: CommissionPlan) -> None:
    if plan.valid_from <= clock.now():
        raise InForce


def _set_terms(
    plan: CommissionPlan,
    name: str,
    person: Person | None,
    tutor_share_bp: int,
    hold_days: int,
    valid_from: dt.datetime | None,
) -> None:
    now = clock.now()
    if not name.strip():
        raise Invalid(field="name")
    if not 0 <= tutor_share_bp <= policies.WHOLE_BP:
        raise Invalid(_l("Between 0 and 100 percent, please."), field="tutor_share_bp")
    if not 0 <= hold_days <= policies.LONGEST_HOLD_DAYS:
        raise Invalid(
            _l("Between 0 and %(most)s days, please.", most=policies.LONGEST_HOLD_DAYS), field="hold_days"
        )
    if valid_from is not None and valid_from < now - A_MOMENT:
        raise BeginsInThePast(field="valid_from")
    plan.name, plan.person = name.strip(), person
    plan.tutor_share_bp, plan.hold_days = tutor_share_bp, hold_days
    plan.valid_from = max(valid_from or now, now)


def _lines(sign: int, shares: Shares, tutor_account: str, tutor_id: int) -> list[Line]:
    return [
        Line(TAX_PAYABLE, shares.tax * sign),
        Line(PLATFORM_FEE, shares.platform * sign),
        Line(TENANT_REVENUE, shares.tenant * sign),
        Line(tutor_account, shares.tutor * sign, tutor_id),
    ]


def _set_shares(earning: Earning, shares: Shares) -> None:
    earning.gross_minor = shares.gross.minor
    earning.tax_minor, earning.platform_minor = shares.tax.minor, shares.platform.minor
    earning.tenant_minor, earning.tutor_minor = shares.tenant.minor, shares.tutor.minor
