"""What becomes of lessons: cancelled, moved, called off, marked, and given a date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from app.core import clock
from app.domains.booking import queries
from app.domains.booking import service as booking
from app.domains.catalog import queries as catalog
from app.shell.simulation.hands import DAY, HOUR, Deed, Hands
from app.shell.simulation.market import Firm, Somebody
from app.shell.simulation.model import CUSTOMER
from app.shell.simulation.rules import Lesson, Offer, Seat, may_move


@dataclass
class Changing(Hands):
    """What customers and tutors do about lessons."""

    def cancels(self, firm: Firm) -> Deed:
        seat = self._some_seat(firm, "booked", lambda seat: seat.lesson.starts_at > clock.now())
        if seat is None:
            return
        who, text = self._owner(firm, seat), f"seat {seat.id} is cancelled"
        outcome = yield from self.insist(text, lambda: self._cancel(firm, who, seat))
        late = ("cannot_cancel",) if seat.status != "booked" or seat.lesson.starts_at <= clock.now() else ()
        disputed = ("disputed_payment", "nothing_to_refund") if self.model.stands_disputed(seat.line) else ()
        self.expect(text, outcome, *(disputed or ("ok",)), *late)

    def _cancel(self, firm: Firm, who: Somebody, seat: Seat) -> None:
        with self.inside(firm, who):
            booking.cancel_seat(queries.seat(seat.id), by=CUSTOMER, reason="ill")

    def moves(self, firm: Firm) -> Deed:
        now = clock.now()
        seat = self._some_seat(firm, "booked", lambda seat: seat.lesson.starts_at > now)
        if seat is None:
            return
        to: dt.datetime | Lesson | None
        if seat.lesson.offer.is_group:
            dates = [
                lesson for lesson in self._classes(firm)
                if lesson.offer is seat.lesson.offer and lesson is not seat.lesson and lesson.starts_at > now
            ]  # fmt: skip
            to = self.rng.choice(dates) if dates else None
        else:
            to = self._free_time(firm, seat.lesson.offer)
        if to is None:
            return
        who, text, may = self._owner(firm, seat), f"seat {seat.id} is moved", may_move(seat, now)
        outcome = self.click(text, lambda: self._move(firm, who, seat, to))
        self.expect(text, outcome, *(("ok", "slot_taken", "no_seat_left") if may else ("cannot_move",)))
        yield from ()

    def _move(self, firm: Firm, who: Somebody, seat: Seat, to: dt.datetime | Lesson) -> None:
        with self.inside(firm, who):
            row = queries.seat(seat.id)
            if isinstance(to, Lesson):
                booking.move_seat(row, lesson_id=to.id, by=CUSTOMER)
            else:
                booking.move_seat(row, starts_at=to, by=CUSTOMER)

    def calls_off(self, firm: Firm) -> Deed:
        lessons = [
            lesson for lesson in self.model.lessons.values()
            if lesson.offer.company is firm.company and lesson.status == "scheduled"
            and lesson.starts_at > clock.now() - HOUR
        ]  # fmt: skip
        if not lessons:
            return
        lesson = self.rng.choice(lessons)
        text, tutor = f"lesson {lesson.id} is called off", self._tutor(firm, lesson.offer)
        outcome = self.click(text, lambda: self._call_off(firm, tutor, lesson))
        marked = any(seat.status in {"attended", "missed"} for seat in lesson.seats)
        self.expect(text, outcome, "cannot_cancel" if marked else "ok")
        yield from ()

    def _call_off(self, firm: Firm, tutor: Somebody, lesson: Lesson) -> None:
        with self.inside(firm, tutor):
            booking.cancel_lesson(queries.lesson(lesson.id), by="tutor", reason="flu")

    def marks(self, firm: Firm) -> Deed:
        """A tutor says who came, to some of the lessons that are over; or says it otherwise."""
        for _lesson in range(3):
            seat = self._some_seat(firm, "booked", lambda seat: seat.lesson.ends_at <= clock.now())
            seat = seat or self._some_seat(
                firm, "attended", lambda seat: seat.lesson.ends_at > clock.now() - 6 * DAY
            )
            if seat is None:
                return
            attended = self.rng.random() < 0.85
            work = partial(self._mark, firm, self._tutor(firm, seat.lesson.offer), seat, attended=attended)
            text = f"seat {seat.id} is marked {'attended' if attended else 'missed'}"
            self.expect(text, self.click(text, work), "ok")
            yield self._pause(1)

    def _mark(self, firm: Firm, tutor: Somebody, seat: Seat, *, attended: bool) -> None:
        with self.inside(firm, tutor):
            booking.mark_attendance(queries.seat(seat.id), attended=attended)

    def gives_date(self, firm: Firm) -> Deed:
        """A class meets, at a time on the tutor's own clock; some nights that time does not exist."""
        offer = self.rng.choice([offer for offer in firm.offers if offer.is_group])
        tutor, zone = self._tutor(firm, offer), ZoneInfo(firm.zone_of(offer.tutor))
        day = clock.now().astimezone(zone).date() + self.rng.randint(1, 12) * DAY
        hour = self.rng.choice([2, 2, 3, 10, 18, 19])
        wall = dt.datetime(day.year, day.month, day.day, hour, 30, tzinfo=zone, fold=self.rng.randint(0, 1))
        exists = wall.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
        is_free = self.model.tutor_is_free(offer, wall.astimezone(dt.UTC), clock.now())
        text = f"{firm.place.slug}: class {offer.id} meets {wall:%d %H:%M}"
        outcome = self.click(text, lambda: self._give_date(firm, tutor, offer, wall))
        self.expect(text, outcome, "not_offered" if not exists else "ok" if is_free else "slot_taken")
        yield from ()

    def _give_date(self, firm: Firm, tutor: Somebody, offer: Offer, wall: dt.datetime) -> None:
        with self.inside(firm, tutor):
            offering, variant = catalog.offering(offer.id), catalog.variants_of(offer.id)[0]
            booking.schedule_session(offering=offering, variant=variant, starts_at=wall)

    def takes_day_off(self, firm: Firm) -> Deed:
        tutor = self.rng.choice(firm.tutors)
        on = clock.now().date() + self.rng.randint(3, 15) * DAY

        def work() -> None:
            with self.inside(firm, tutor):
                schedule = queries.schedule_of(tutor.person_id)
                assert schedule is not None, "every tutor has hours"
                booking.set_override(schedule, on_date=on, remark="away")

        self.click(f"{firm.place.slug}: {tutor.name} is away on {on}", work)
        yield from ()
