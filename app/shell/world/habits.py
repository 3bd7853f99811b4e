"""What learners of a demo company do: they try, book, pay, move, cancel, come or stay away, and write."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from app.domains.catalog.models import GROUP, ONE_TO_ONE, TRIAL
from app.shell.world.deeds import (
    CARD,
    DECLINED_FIRST,
    GAVE_UP,
    SECURE,
    Books,
    Bounces,
    CallsOff,
    Cancels,
    Deed,
    Disputes,
    GivesDate,
    Looks,
    Marks,
    Moves,
    Rounds,
    SeatRef,
)
from app.shell.world.diary import Diary
from app.shell.world.model import Company, Offer, Size, Tutor
from app.shell.world.opinions import opinions
from app.shell.world.talk import Talk

MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
AHEAD = 2
NOTICE = 5 * HOUR
WEEKLY, IN_GROUPS, NOW_AND_THEN = "weekly", "in groups", "now and then"
# A holiday in the middle of the quarter, when many are away.
SEASON = {-7: 0.45, -6: 0.7, -2: 1.1, -1: 1.15, 0: 1.15, 1: 0.85, 2: 0.45}


@dataclass(frozen=True)
class _Session:
    offer: Offer
    starts_at: dt.datetime


class Habits:
    """Plans learner by learner; whoever comes later finds the times that are left."""

    def __init__(
        self,
        company: Company,
        diary: Diary,
        tutors: Sequence[Tutor],
        offers: Sequence[Offer],
        comes: Mapping[str, dt.datetime],
        now: dt.datetime,
        size: Size,
    ) -> None:
        self.company, self.diary, self.now, self.size = company, diary, now, size
        self.tutors = {tutor.name: tutor for tutor in tutors}
        self.comes = comes
        self.sold = [offer for offer in offers if offer.becomes == "published"]
        # Two days after a tutor came their offers are published, whatever the hour.
        self.sells_from = {name: came + 3 * DAY for name, came in comes.items()}
        self.talk = Talk(company, diary, now)
        self.sessions = self._dates()
        self.taken: Counter[_Session] = Counter()
        self.came: defaultdict[tuple[str, dt.datetime], list[tuple[SeatRef, bool]]] = defaultdict(list)
        self.refunded: list[tuple[dt.datetime, SeatRef]] = []
        self.attended: list[tuple[dt.datetime, SeatRef]] = []

    # -- Dates of groups -----------------------------------------------------------------------------------

    def _dates(self) -> list[_Session]:
        found = []
        for offer in self.sold:
            for week in range(-self.size.weeks, AHEAD + 2):
                for day, hour in offer.meets:
                    start = self.diary.at(week, day, hour * 60)
                    if start < self.sells_from[offer.tutor] + 3 * DAY:
                        continue
                    found.append(_Session(offer, start))
                    self.diary.take(offer.tutor, start, offer.variants[0][1])
        return found

    def _given(self) -> list[Deed]:
        """A date is given three weeks ahead, or as soon as the class is published."""
        return [
            GivesDate(
                max(s.starts_at - 21 * DAY, self.sells_from[s.offer.tutor] + n * MINUTE),
                s.offer.title,
                s.starts_at,
            )
            for n, s in enumerate(self.sessions)
        ]

    # -- One learner ---------------------------------------------------------------------------------------

    def of(self, name: str, payer: str, comes: dt.datetime, rng: Random) -> list[Deed]:
        tutor = self._tutor(name, payer, comes, rng)
        if tutor is None:
            return []
        is_face = payer in self.company.faces.values()
        kind = WEEKLY if is_face else rng.choices((WEEKLY, IN_GROUPS, NOW_AND_THEN), (5, 2, 3))[0]
        begins = max(comes, self.sells_from[tutor.name]) + rng.randrange(2, 30) * HOUR
        found, begins = self._tries(name, payer, tutor, begins, rng)
        for week in range(self.diary.week_of(begins), AHEAD + 1):
            eager = self.size.pace * self.company.pace * SEASON.get(week, 0.85 + 0.015 * week)
            chance = eager * {WEEKLY: 0.82, IN_GROUPS: 0.25, NOW_AND_THEN: 0.22}[kind]
            if rng.random() < min(0.95, chance * (1.2 if is_face else 1)):
                found += self._alone(name, payer, tutor, week, begins, rng)
            chance = eager * {WEEKLY: 0.1, IN_GROUPS: 0.75, NOW_AND_THEN: 0.18}[kind]
            if rng.random() < chance:
                found += self._with_others(name, payer, week, begins, rng)
            if not is_face and rng.random() < 0.02:
                break  # they have learned what they wanted, or lost heart
        return [*found, *self._looks_forward(name, payer, tutor, rng)] if is_face else found

    def _looks_forward(self, name: str, payer: str, tutor: Tutor, rng: Random) -> list[Deed]:
        """Whoever signs in as a role has lessons to come, booked last week: for the next two."""
        offer = next((x for x in self.sold if x.kind == ONE_TO_ONE and x.tutor == tutor.name), None)
        found: list[Deed] = []
        for week in (1, 2) if offer is not None else ():
            assert offer is not None
            begins = self.diary.at(week, 0, 0)
            starts = self._starts(tutor, name, offer, (week,), begins)
            if starts:
                start = starts[rng.randrange(min(6, len(starts)))]
                for who in (tutor.name, name):
                    self.diary.take(who, start, offer.variants[0][1])
                at = self.diary.daytime(self.diary.at(-1, 3 + week, 0), rng)
                found.append(Books(at, SeatRef(name, payer, offer.title, 0, start)))
        return found

    def _tutor(self, name: str, payer: str, comes: dt.datetime, rng: Random) -> Tutor | None:
        first = next(iter(self.tutors.values()))
        if name in self.company.faces.values() or payer in self.company.faces.values():
            return first
        here = [t for t in self.tutors.values() if self.sells_from[t.name] <= comes + 10 * DAY]
        return rng.choices(here, [t.pull for t in here])[0] if here else first

    def _tries(
        self, name: str, payer: str, tutor: Tutor, begins: dt.datetime, rng: Random
    ) -> tuple[list[Deed], dt.datetime]:
        """Most take the free trial first, where there is one, and go on some days later."""
        trial = next((x for x in self.sold if x.kind == TRIAL and x.tutor == tutor.name), None)
        if trial is None or rng.random() < 0.2:
            return [], begins
        week, after = self.diary.week_of(begins), begins + rng.randrange(30, 90) * HOUR
        starts = self._starts(tutor, name, trial, (week, week + 1), after)
        if not starts:
            return [], begins
        start = starts[rng.randrange(min(6, len(starts)))]
        found = self._booked(SeatRef(name, payer, trial.title, 0, start), trial, begins, rng)
        return found, start + 2 * HOUR

    def _starts(
        self, tutor: Tutor, name: str, offer: Offer, weeks: Iterable[int], after: dt.datetime
    ) -> list[dt.datetime]:
        minutes = max(variant[1] for variant in offer.variants)
        return [x for w in weeks for x in self.diary.free_starts(tutor, name, w, minutes, after=after)]

    def _alone(
        self, name: str, payer: str, tutor: Tutor, week: int, begins: dt.datetime, rng: Random
    ) -> list[Deed]:
        offers = [x for x in self.sold if x.kind == ONE_TO_ONE and x.tutor == tutor.name]
        offer = offers[0] if len(offers) == 1 or rng.random() < 0.7 else rng.choice(offers[1:])
        starts = self._starts(tutor, name, offer, (week,), begins + 8 * HOUR)
        if not starts:
            return []
        # The same hour every week where it is free: people have a rhythm.
        usual = rng.random() < 0.75
        start = starts[hash_of(name) % len(starts)] if usual else rng.choice(starts)
        variant = 0 if len(offer.variants) == 1 or rng.random() < 0.75 else 1
        seat = SeatRef(name, payer, offer.title, variant, start)
        return self._booked(seat, offer, self._when(start, begins, rng), rng)

    def _with_others(self, name: str, payer: str, week: int, begins: dt.datetime, rng: Random) -> list[Deed]:
        here = [
            s
            for s in self.sessions
            if self.diary.week_of(s.starts_at) == week
            and s.starts_at > begins + 12 * HOUR
            and self.taken[s] < s.offer.capacity
            and self.diary.is_free(name, s.starts_at, s.offer.variants[0][1])
        ]
        if not here:
            return []
        session = here[hash_of(name) % len(here)]
        self.taken[session] += 1
        given = max(begins, session.starts_at - 20 * DAY, self.sells_from[session.offer.tutor] + 2 * HOUR)
        seat = SeatRef(name, payer, session.offer.title, 0, session.starts_at)
        return self._booked(seat, session.offer, self._when(session.starts_at, given, rng), rng)

    def _when(self, start: dt.datetime, begins: dt.datetime, rng: Random) -> dt.datetime:
        """Some days ahead, at some waking hour."""
        wished = self.diary.daytime(
            start - rng.choices((1, 2, 3, 5, 8, 12, 16), (3, 4, 4, 4, 4, 3, 2))[0] * DAY, rng
        )
        latest = start - NOTICE - rng.randrange(120) * MINUTE
        return min(max(wished, begins + rng.randrange(10, 50) * MINUTE), latest)

    # -- One seat ------------------------------------------------------------------------------------------

    def _booked(self, seat: SeatRef, offer: Offer, at: dt.datetime, rng: Random) -> list[Deed]:
        minutes = offer.variants[seat.variant][1]
        is_free = not offer.variants[seat.variant][2]
        pays = CARD if is_free else rng.choices((CARD, DECLINED_FIRST, SECURE, GAVE_UP), (90, 5, 3.5, 1.5))[0]
        if offer.kind != GROUP:
            self.diary.take(offer.tutor, seat.starts_at, minutes)
        found: list[Deed] = [Books(at, seat, pays)]
        if pays == GAVE_UP:
            return [*found, Rounds(at + 16 * MINUTE)]
        self.diary.take(seat.learner, seat.starts_at, minutes)
        found += self.talk.around(seat, offer, booked_at=at, rng=rng)
        return found + self._goes(seat, offer, at, minutes, rng)

    def _goes(self, seat: SeatRef, offer: Offer, at: dt.datetime, minutes: int, rng: Random) -> list[Deed]:
        """What becomes of it."""
        roll, start = rng.random(), seat.starts_at
        reason = rng.choice(self.company.why_cancelled)
        early, late = start - rng.randrange(26, 70) * HOUR, start - rng.randrange(2, 20) * HOUR
        if roll < 0.05 and early > at + HOUR:
            self.refunded.append((early, seat))
            return [Cancels(early, seat, reason)]
        if roll < 0.075 and late > at + HOUR:
            return [Cancels(late, seat, reason)]
        if roll < 0.1 and late > at + HOUR and offer.kind == ONE_TO_ONE:
            return [CallsOff(late, seat, rng.choice(self.company.why_called_off))]
        if roll < 0.16 and offer.kind == ONE_TO_ONE and start - 30 * HOUR > at + HOUR:
            moved = self._moved(seat, offer, start - rng.randrange(14, 29) * HOUR, minutes, rng)
            if moved is not None:
                return [moved, *self._ends(seat, offer, moved.to, minutes, rng)]
        return self._ends(seat, offer, start, minutes, rng)

    def _moved(self, seat: SeatRef, offer: Offer, at: dt.datetime, minutes: int, rng: Random) -> Moves | None:
        week = self.diary.week_of(seat.starts_at)
        starts = self._starts(self.tutors[offer.tutor], seat.learner, offer, (week, week + 1), at + 20 * HOUR)
        if not starts:
            return None
        to = starts[rng.randrange(min(8, len(starts)))]
        self.diary.take(offer.tutor, to, minutes)
        self.diary.take(seat.learner, to, minutes)
        return Moves(at, seat, to)

    def _ends(self, seat: SeatRef, offer: Offer, start: dt.datetime, minutes: int, rng: Random) -> list[Deed]:
        """Marked later, together with all others in the lesson; or nobody says anything."""
        came = rng.random() >= 0.045
        if self.tutors[offer.tutor].marks or not came:
            self.came[offer.title, start + minutes * MINUTE].append((seat, came))
        if came:
            self.attended.append((start + minutes * MINUTE, seat))
        return []

    # -- Everybody -----------------------------------------------------------------------------------------

    def of_all(self, rng: Random, *, first_week: int) -> list[Deed]:
        """What belongs to no single learner: dates, marks, visitors who only look, trouble with banks."""
        found = self._given()
        tutor_of = {offer.title: offer.tutor for offer in self.sold}
        for (title, ended), came in sorted(self.came.items(), key=lambda item: (item[0][1], item[0][0])):
            said = ended + rng.randrange(2, 200) * MINUTE
            # The last evening's lessons wait to be marked.
            if ended < self.now - 20 * HOUR or rng.random() < 0.4:
                found.append(Marks(said, tutor_of[title], tuple(came)))
        found += opinions(self.company, self.attended, self.sold, rng=rng)
        return [*found, *self._visitors(rng, first_week), *self._trouble(rng), *self.talk.last_words(rng)]

    def _visitors(self, rng: Random, first_week: int) -> list[Deed]:
        found: list[Deed] = []
        alone = [offer for offer in self.sold if offer.kind == ONE_TO_ONE]
        for number in range(3 * self.size.weeks):
            week = first_week + 1 + number // 3
            offer = rng.choice(alone)
            tutor = self.tutors[offer.tutor]
            starts = self._starts(tutor, "", offer, (week,), self.sells_from[offer.tutor] + 3 * DAY)
            if starts:
                start = rng.choice(starts)
                at = self.diary.daytime(start - rng.randrange(1, 4) * DAY, rng)
                found += [Looks(at, offer.title, start, number), Rounds(at + 12 * MINUTE)]
        return found

    def _trouble(self, rng: Random) -> list[Deed]:
        """A payment that its bank took back a week ago, and a refund that did not arrive."""
        found: list[Deed] = []
        paid = {offer.title: bool(offer.variants[0][2]) for offer in self.sold}
        faces = self.company.faces.values()
        strangers = [(at, s) for at, s in self.attended if paid[s.offer] and s.payer not in faces]
        recent = [
            s for at, s in sorted(strangers, key=_moment) if self.now - 20 * DAY < at < self.now - 9 * DAY
        ]
        if recent:
            found.append(Disputes(self.now - 6 * DAY, rng.choice(recent)))
        back = [(at, s) for at, s in self.refunded if paid[s.offer] and s.payer not in faces]
        late = [(at, s) for at, s in sorted(back, key=_moment) if at < self.now - 3 * DAY]
        if late:
            found.append(Bounces(max(late[-1][0] + 2 * DAY, self.now - 2 * DAY), late[-1][1]))
        return found


def hash_of(name: str) -> int:
    """The same in every process, unlike `hash`."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(name))


def _moment(item: tuple[dt.datetime, SeatRef]) -> tuple[dt.datetime, str]:
    return item[0], item[1].learner
