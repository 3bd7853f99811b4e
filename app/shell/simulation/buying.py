"""Buying: a time or a place is held, ordered and paid, or is not.

Each deed is a generator that says how long until it goes on.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.accounts import queries as accounts
from app.domains.booking import queries
from app.domains.booking import service as booking
from app.domains.booking.models import Seat as SeatRow
from app.domains.catalog import queries as catalog
from app.domains.payments import jobs
from app.domains.payments import queries as payment_queries
from app.domains.payments import service as payments
from app.shell.simulation.hands import HOUR, MINUTE, Deed, Hands
from app.shell.simulation.market import Firm, Somebody
from app.shell.simulation.rules import Lesson, Offer, Seat

KINDS = ("one_to_one", "one_to_one", "one_to_one", "trial")


@dataclass
class Buying(Hands):
    """What buyers do."""

    def buy(self, firm: Firm) -> Deed:
        """A time of a tutor's, from holding it to whatever comes of it."""
        kind = self.rng.choice(KINDS)
        offer = self.rng.choice([offer for offer in firm.offers if offer.kind == kind])
        starts_at = self._free_time(firm, offer)
        if starts_at is not None:
            yield from self._hold_and_pay(firm, offer, starts_at)

    def buys_place(self, firm: Firm) -> Deed:
        """A place in a class."""
        dates = [lesson for lesson in self._classes(firm) if lesson.starts_at > clock.now()]
        if dates:
            date = self.rng.choice(dates)
            yield from self._hold_and_pay(firm, date.offer, date)

    def tries_what_is_taken(self, firm: Firm) -> Deed:
        """Somebody asks for a time that another has; they must not get it."""
        taken = [
            lesson for lesson in self.model.lessons.values()
            if not lesson.offer.is_group and lesson.offer.company is firm.company
            and lesson.starts_at > clock.now() + 3 * HOUR and self.model.is_held(lesson, clock.now())
        ]  # fmt: skip
        if not taken:
            return
        lesson, who = self.rng.choice(taken), self.rng.choice(firm.customers)
        text = f"{firm.place.slug}: {who.name} wants the taken {lesson.starts_at:%d %H:%M}"
        mine = [seat for seat in self.model.taken(lesson, clock.now()) if self._is_theirs(firm, seat, who)]
        if mine:
            return
        outcome = self.click(text, lambda: self._hold(firm, who, lesson.offer, lesson.starts_at))
        self.expect(text, outcome, "slot_taken", "too_many_holds")
        yield from ()

    def _hold(self, firm: Firm, who: Somebody, offer: Offer, what: dt.datetime | Lesson) -> None:
        with self.inside(firm, who):
            if isinstance(what, Lesson):
                booking.hold_seat(lesson_id=what.id, actor=who.actor)
            else:
                offering, variant = catalog.offering(offer.id), catalog.variants_of(offer.id)[0]
                booking.hold_slot(offering=offering, variant=variant, starts_at=what, actor=who.actor)

    def _hold_and_pay(self, firm: Firm, offer: Offer, what: dt.datetime | Lesson) -> Deed:
        who = self.rng.choice(firm.customers)
        learner = self.rng.choice(who.learners)
        target = what if isinstance(what, Lesson) else None
        starts_at = target.starts_at if target else what
        text = f"{firm.place.slug}: {who.name} holds {offer.kind} {offer.id} at {starts_at:%d %H:%M}"
        known = set(self.model.seats)
        outcome = yield from self.insist(text, lambda: self._hold(firm, who, offer, target or what))
        full = target is not None and len(self.model.taken(target, clock.now())) >= offer.capacity
        allowed = ("no_seat_left",) if full else ()
        if target is not None and target.status != "scheduled":
            allowed = (*allowed, "not_offered")
        if not self.expect(text, outcome, "ok", "too_many_holds", *allowed):
            return
        with tenant_scope(firm.tenant_id):
            held = queries.held_by(who.actor)
        mine = [self.model.seats[seat.id] for seat in held if seat.id not in known]
        if not mine:
            return  # it was theirs already: the way back to a hold
        yield from self._check_out(firm, who, learner, mine[-1])

    def _check_out(self, firm: Firm, who: Somebody, learner: int, seat: Seat) -> Deed:
        """Who learns, and the order."""
        yield self._pause(3)
        if self.rng.random() < 0.08:
            return  # they walk away, and the hold lapses
        if self.rng.random() < 0.06:
            self.click(f"seat {seat.id} is given up", lambda: self._release(firm, who, seat))
            return
        lesson, text = seat.lesson, f"seat {seat.id} is ordered for {learner}"
        is_busy = not self.model.student_is_free(
            learner, lesson.starts_at, lesson.ends_at, clock.now(), but=seat
        )
        is_over = not seat.takes(clock.now())
        outcome = yield from self.insist(text, lambda: self._order(firm, who, learner, seat))
        allowed = ["ok", "trial_taken", "too_many_holds"]
        allowed += ["slot_taken"] if is_busy else []
        # One that is booked already, by a click whose process died after it, is not held any more either.
        allowed += ["hold_expired"] if is_over or seat.status != "held" or not seat.takes(clock.now()) else []
        if not self.expect(text, outcome, *allowed) or seat.status != "held":
            return
        yield self._pause(2)
        if self.rng.random() < 0.1 and seat.takes(clock.now()):
            self.click(f"seat {seat.id} is held for longer", lambda: self._renew(firm, who, seat))
        yield from self._pay(firm, who, seat)

    def _order(self, firm: Firm, who: Somebody, learner: int, seat: Seat) -> None:
        with self.inside(firm, who):
            order = booking.begin_checkout(
                queries.seat(seat.id),
                payer=accounts.person(who.person_id),
                student=accounts.person(learner),
                actor=who.actor,
                locale="en",
            )
            if not order.total_minor:
                payments.pay_free(order)

    def _release(self, firm: Firm, who: Somebody, seat: Seat) -> None:
        with self.inside(firm, who):
            booking.release_hold(queries.seat(seat.id))

    def _renew(self, firm: Firm, who: Somebody, seat: Seat) -> None:
        with self.inside(firm, who):
            booking.renew_hold(queries.seat(seat.id))

    # -- Paying --------------------------------------------------------------------------------------------

    def _pay(self, firm: Firm, who: Somebody, seat: Seat) -> Deed:
        """The button, the provider's page, and perhaps the way back."""
        if self.rng.random() < 0.06 or seat.line is None:
            return  # never presses it
        line, text = seat.line, f"seat {seat.id} is paid for"
        outcome = yield from self.insist(text, lambda: self._start(firm, line))
        self.expect(text, outcome, "ok", "already_paid", "order_closed")
        if outcome != "ok":
            return
        if self.rng.random() < 0.1:
            self.click(f"{text}, in another tab", lambda: self._start(firm, line))
        payment = self._payment(firm, line)
        if payment is None or payment.client_secret is None:
            return
        # Some take their time: longer than the hold.
        yield self._pause(4) if self.rng.random() < 0.7 else self.rng.randint(9, 60) * MINUTE
        how = self.rng.choices(
            ["card", "secure", "declined", "fails 3-D Secure", "walks away"], [70, 12, 8, 4, 6]
        )[0]
        self.say(f"{text}: {how}")
        if how == "walks away":
            return
        self.provider.pay(payment.client_secret, how)
        if how in {"declined", "fails 3-D Secure"} and self.rng.random() < 0.7:
            yield self._pause(2)
            self.provider.pay(payment.client_secret, "card")
        if self.rng.random() < 0.7:  # the others close the tab
            yield dt.timedelta(seconds=self.rng.randint(1, 9))
            yield from self.insist(f"{text}, and they come back", lambda: self._ask(firm, payment.id))

    def _start(self, firm: Firm, line: int) -> None:
        with tenant_scope(firm.tenant_id):
            jobs.start_payment(payment_queries.line(line).order_id)

    def _ask(self, firm: Firm, payment_id: int) -> None:
        with tenant_scope(firm.tenant_id):
            jobs.ask_payment(payment_id)

    def _is_theirs(self, firm: Firm, seat: Seat, who: Somebody) -> bool:
        with tenant_scope(firm.tenant_id):
            return bool(db.session.scalar(select(SeatRow.actor).where(SeatRow.id == seat.id)) == who.actor)
