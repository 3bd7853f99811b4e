"""A demo company is lived: each deed of its plan is done by the services of the house, at its own time.

Both clocks of the house stand at the deed's moment while it is done, in this process only: what happened in
spring is in the books, the trail and the mails of spring, and no other process ever sees another time.
A life that was cut off goes on where it stopped. Its last deed is done again, and looks first what is there.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.errors import DomainError
from app.core.scope import tenant_scope
from app.shell.world import deeds, lessons, people, shop, words
from app.shell.world.follow_ups import followed_at_once
from app.shell.world.house import House
from app.shell.world.model import Company, Size
from app.shell.world.plan import plan
from app.shell.world.till import Till

log = logging.getLogger(__name__)

# Mails are sent, and lie in the mailbox, for the last days only.
MAILBOX = dt.timedelta(days=2)
SAY_EVERY_SECONDS = 2.0

DONE_BY: dict[type[deeds.Deed], Callable[[House, Any], None]] = {
    deeds.Joins: people.join,
    deeds.IsInvited: people.invite,
    deeds.Registers: people.register,
    deeds.AddsChild: people.add_child,
    deeds.Visits: people.visit,
    deeds.Furnishes: shop.furnish,
    deeds.Settles: shop.settle,
    deeds.TakesDayOff: shop.take_day_off,
    deeds.Proposes: shop.propose,
    deeds.Decides: shop.decide,
    deeds.Pauses: shop.pause,
    deeds.GivesDate: lessons.give_date,
    deeds.Books: lessons.book,
    deeds.Looks: lessons.look,
    deeds.Moves: lessons.move,
    deeds.Cancels: lessons.cancel,
    deeds.CallsOff: lessons.call_off,
    deeds.Marks: lessons.mark,
    deeds.Rounds: lessons.go_round,
    deeds.Disputes: lessons.dispute,
    deeds.Bounces: lessons.bounce,
    deeds.Says: words.say,
    deeds.Reads: words.read,
    deeds.Reviews: words.review,
    deeds.Replies: words.reply,
    deeds.Hides: words.hide,
}


@dataclass(frozen=True)
class Life:
    """One company's life: which, with which seed, and up to when."""

    company: Company
    tenant_id: int
    seed: str
    now: dt.datetime
    size: Size


@dataclass
class Lived:
    """How it went: how many deeds were done, and what was refused, which a good plan has none of."""

    done: int = 0
    refused: list[str] = field(default_factory=list)


def live(app: Flask, life: Life, *, till: Till | None, say: Callable[[str], None]) -> Lived:
    """Do all deeds that are not done yet. `till` is how they pay: without one they buy what is free."""
    lived, said = Lived(), time.monotonic()
    planned = plan(life.company, seed=life.seed, now=life.now, size=life.size)
    with app.app_context(), followed_at_once(mails_from=life.now - MAILBOX) as follow_ups:
        house = House(life.company, life.tenant_id, life.seed, life.now, follow_ups, till, life.size.pictures)
        stands_at = _stands_at(life.tenant_id)
        for deed in planned:
            if deed.at < stands_at:
                continue
            with _at(deed.at):
                _do(house, deed, lived)
            if time.monotonic() - said > SAY_EVERY_SECONDS:
                said = time.monotonic()
                say(f"{life.company.name}: {deed.at:%Y-%m-%d}, {lived.done} of {len(planned)} deeds")
    return lived


def _do(house: House, deed: deeds.Deed, lived: Lived) -> None:
    try:
        DONE_BY[type(deed)](house, deed)
        house.follow_ups.carry_out()
        lived.done += 1
    except DomainError as refusal:
        house.follow_ups.forget()
        if house.till is not None:  # without one nothing comes of what was not bought
            log.warning("a deed was refused: %s, %s", deed, refusal.code)
            lived.refused.append(f"{deed}: {refusal.code}")


@contextmanager
def _at(moment: dt.datetime) -> Iterator[None]:
    with clock.frozen(moment), clock.machine_frozen(moment):
        yield


def _stands_at(tenant_id: int) -> dt.datetime:
    """Up to where the company has lived: its trail says so."""
    with tenant_scope(tenant_id):
        found = db.session.scalar(select(func.max(AuditEntry.occurred_at)))
    return found or dt.datetime.min.replace(tzinfo=dt.UTC)
