"""How people act: clicks that succeed, are refused, or die with their process, and what people know.

A click that fails because something is away, or whose process died, is clicked again or given up. What comes
of it is not noted here: the witness sees it in the rows. A refusal that the model did not expect is a
Difference.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from app.core import audit, clock
from app.core.errors import DomainError
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.booking import queries
from app.domains.catalog import queries as catalog
from app.domains.payments import queries as payment_queries
from app.domains.payments.models import Payment
from app.shell.simulation.market import Firm, Somebody
from app.shell.simulation.model import Model
from app.shell.simulation.provider import Provider
from app.shell.simulation.rules import Difference, Lesson, Offer, Seat
from app.shell.simulation.weather import Killed, Weather

Deed = Generator[dt.timedelta, None, None]
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
# What a click may end with that nobody is to blame for.
AWAY = frozenset({"provider_unavailable", "contended"})


@dataclass
class Hands:
    """`say` writes a line into the journal, `look` has the witness see what became of it."""

    rng: random.Random
    firms: list[Firm]
    model: Model
    provider: Provider
    weather: Weather
    say: Callable[[str], None]
    look: Callable[[], None]
    open_disputes: list[str]

    # -- Clicks --------------------------------------------------------------------------------------------

    @contextmanager
    def inside(self, firm: Firm, by: Somebody) -> Iterator[None]:
        """An edge's transaction, in somebody's name."""
        with (
            audit.acting(audit.Actor("user", by.user_id, by.name)),
            tenant_scope(firm.tenant_id),
            transaction(),
        ):
            yield

    def click(self, text: str, work: Callable[[], Any]) -> str:
        """Do it once: "ok", the code of a refusal, or "killed"."""
        self.weather.strike()
        try:
            with self.weather.deadly():
                work()
            outcome = "ok"
        except Killed:
            outcome = "killed"
        except DomainError as refusal:
            outcome = refusal.code
        self.say(f"{text}: {outcome}")
        self.look()
        return outcome

    def insist(self, text: str, work: Callable[[], Any]) -> Generator[dt.timedelta, None, str]:
        """Click until there is an answer, or they have had enough."""
        outcome = self.click(text, work)
        for _try in range(3):
            if outcome not in {"killed", *AWAY} or self.rng.random() < 0.3:
                break
            yield dt.timedelta(seconds=self.rng.randint(5, 100))
            outcome = self.click(f"{text}, again", work)
        return outcome

    def expect(self, text: str, outcome: str, *allowed: str) -> bool:
        """Whether it went well. Raises Difference for an outcome that the model did not expect."""
        if outcome not in {"killed", *AWAY, *allowed}:
            raise Difference(f"{text} ended with {outcome}; expected was {' or '.join(allowed)}")
        return outcome == "ok"

    # -- Who and what --------------------------------------------------------------------------------------

    def _uuid(self) -> Any:
        return uuid.UUID(int=self.rng.getrandbits(128), version=4)

    def _pause(self, minutes: int) -> dt.timedelta:
        return dt.timedelta(seconds=self.rng.randint(5, minutes * 60))

    def _classes(self, firm: Firm) -> list[Lesson]:
        return [
            lesson
            for lesson in self.model.lessons.values()
            if lesson.offer.is_group and lesson.offer.company is firm.company and lesson.status == "scheduled"
        ]

    def _some_seat(
        self, firm: Firm, status: str | tuple[str, ...], suits: Callable[[Seat], bool]
    ) -> Seat | None:
        wanted = (status,) if isinstance(status, str) else status
        found = [
            seat
            for seat in self.model.seats.values()
            if seat.status in wanted and seat.company is firm.company and suits(seat)
        ]
        return self.rng.choice(found) if found else None

    def _owner(self, firm: Firm, seat: Seat) -> Somebody:
        return next(who for who in firm.customers if seat.student in who.learners)

    def _tutor(self, firm: Firm, offer: Offer) -> Somebody:
        return next(tutor for tutor in firm.tutors if tutor.person_id == offer.tutor)

    def _payment(self, firm: Firm, line: int) -> Payment | None:
        with tenant_scope(firm.tenant_id):
            found = payment_queries.payments_of(payment_queries.line(line).order_id)
            return found[-1] if found else None

    def _free_time(self, firm: Firm, offer: Offer) -> dt.datetime | None:
        """One that the house offers; the model must agree that it is free, and within working hours."""
        now = clock.now()
        since = now + self.rng.choice([0, 0, 1, 2, 5]) * DAY
        with tenant_scope(firm.tenant_id):
            offering = catalog.offering(offer.id)
            variant = catalog.variants_of(offer.id)[0]
            found = queries.slots(offering, variant, since=since, until=since + 2 * DAY)
        if not found:
            return None
        # What somebody else has let lapse, and may still pay for, is wanted most.
        found_at = [slot.starts_at for slot in found]
        left = {seat.lesson.starts_at for seat in self.model.seats.values() if seat.status == "lapsed"}
        starts_at = self.rng.choice([at for at in found_at if at in left] or found_at)
        if not self.model.tutor_is_free(offer, starts_at, now):
            raise Difference(f"{starts_at} is offered, and its tutor is busy")
        first, last = firm.hours_of(offer.tutor)
        local = starts_at.astimezone(ZoneInfo(firm.zone_of(offer.tutor)))
        if not first <= local.hour * 60 + local.minute < last:
            raise Difference(f"{starts_at} is offered, and is {local:%H:%M} at its tutor's")
        return starts_at
