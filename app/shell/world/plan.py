"""The plan of a demo company's life: what its people do, from the day it opened until some days from now.

Pure, and the same for the same seed: it depends on the week that `now` is in, and on nothing else. Weeks are
numbered from that one, so what has happened already differs within a week, and what happens does not.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from random import Random

from app.domains.accounts.models import GUARDIAN, MANAGER, STUDENT, TUTOR
from app.domains.catalog.policies import slug_of
from app.shell.world.deeds import (
    AddsChild,
    Decides,
    Deed,
    Furnishes,
    IsInvited,
    Joins,
    Pauses,
    Proposes,
    Registers,
    Rounds,
    Settles,
    TakesDayOff,
    Visits,
)
from app.shell.world.diary import Diary
from app.shell.world.habits import Habits
from app.shell.world.model import Company, Family, Size, Tutor

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
AHEAD = 2  # weeks


@dataclass(frozen=True)
class Learner:
    """Somebody who learns, and who pays for it."""

    name: str
    payer: str
    comes: dt.datetime


def plan(company: Company, *, seed: str, now: dt.datetime, size: Size) -> list[Deed]:
    """All that happens up to `now`, in its order; the company opens with the first deed."""
    planner = _Planner(company, seed, now, size)
    deeds = [deed for deed in planner.deeds() if deed.at <= now]
    return sorted(deeds, key=lambda deed: deed.at)


def email_of(company: Company, name: str) -> str:
    """Who signs in as a role has its address, all others their own name's."""
    faces = {face: role for role, face in company.faces.items()}
    return f"{faces.get(name) or _local_part(name)}@{company.slug}.test"


def _local_part(name: str) -> str:
    return slug_of(name, fallback="person").replace("-", ".")


class _Planner:
    def __init__(self, company: Company, seed: str, now: dt.datetime, size: Size) -> None:
        self.company, self.seed, self.now, self.size = company, seed, now, size
        self.diary = Diary(company.timezone, now)
        self.tutors = company.tutors[: size.tutors]
        names = {tutor.name for tutor in self.tutors}
        self.offers = [offer for offer in company.offers if offer.tutor in names]
        self.comes = {tutor.name: self._comes(tutor) for tutor in self.tutors}
        self.days_off = {tutor.name: self._day_off(tutor) for tutor in self.tutors}

    def rng(self, *what: str) -> Random:
        return Random(":".join((self.seed, self.company.slug, *what)))  # noqa: S311 - a story, no secret

    def deeds(self) -> list[Deed]:
        learners = self._learners()
        found: list[Deed] = [*self._founding(), *self._teaching(), *self._coming(learners)]
        habits = Habits(self.company, self.diary, self.tutors, self.offers, self.comes, self.now, self.size)
        for learner in learners:
            found += habits.of(learner.name, learner.payer, learner.comes, self.rng("lessons", learner.name))
        found += habits.of_all(self.rng("all"), first_week=-self.size.weeks)
        return [*found, *self._visits(learners), *self._nights(), Rounds(self.now)]

    def _comes(self, tutor: Tutor) -> dt.datetime:
        weeks = min(tutor.joins, self.size.weeks)
        return self.diary.at(-weeks, 1, 10 * 60 + 7 * self.tutors.index(tutor))

    def _day_off(self, tutor: Tutor) -> dt.date:
        """Known from the start, so that nobody books it."""
        comes = self.comes[tutor.name]
        week = self.diary.week_of(comes) + self.rng("day off", tutor.name).randrange(3, 6)
        begins = self.diary.at(week, self.rng("weekday", tutor.name).randrange(5), 0)
        self.diary.take(tutor.name, begins, 24 * 60)
        return begins.astimezone(self.diary.zone).date()

    def _founding(self) -> list[Deed]:
        opens = self.diary.at(-self.size.weeks, 0, 9 * 60)
        manager = self.company.manager
        return [
            Joins(opens, manager, email_of(self.company, manager), MANAGER),
            Furnishes(opens + HOUR),
        ]

    def _teaching(self) -> list[Deed]:
        """Tutors come, say who they are, and propose what they teach; the manager answers a day later."""
        found: list[Deed] = []
        for tutor in self.tutors:
            comes = self.comes[tutor.name]
            found.append(Joins(comes, tutor.name, email_of(self.company, tutor.name), TUTOR))
            found.append(Settles(comes + HOUR, tutor))
            found.append(TakesDayOff(comes + 3 * HOUR, tutor.name, self.days_off[tutor.name], "Away"))
        for number, offer in enumerate(self.offers):
            proposed = self.comes[offer.tutor] + (2 + number % 5) * HOUR
            if offer.becomes != "published":
                proposed = self._late(number, offer.becomes)
            found.append(Proposes(proposed, offer))
            if offer.becomes in {"published", "returned", "paused"}:
                found.append(Decides(proposed + 18 * HOUR + 5 * number * dt.timedelta(minutes=1), offer))
            if offer.becomes == "paused":
                found.append(Pauses(proposed + 3 * DAY, offer))
        for number, name in enumerate(self.company.invited):
            invited = self.now - (2 + 8 * number) * DAY - 3 * HOUR  # the second one has run out by now
            found.append(IsInvited(invited, name, email_of(self.company, name)))
        return found

    def _late(self, number: int, becomes: str) -> dt.datetime:
        ago = {"submitted": 1, "returned": 4, "paused": 30, "draft": 6}[becomes]
        return self.diary.daytime(self.now - (ago + 1) * DAY, self.rng("late", str(number)))

    def _learners(self) -> list[Learner]:
        """More and more come; those who sign in as a role were among the first."""
        families = {family.guardian: family for family in self.company.families}
        people = self._mixed()
        found: list[Learner] = []
        span = self.size.weeks - 1
        for number, name in enumerate(people):
            rng = self.rng("comes", name)
            share = (number / max(1, len(people))) ** 1.3
            week = -self.size.weeks + 1 + int(share * span)
            comes = self.diary.daytime(self.diary.at(week, rng.randrange(7), 0), rng)
            family = families.get(name)
            for child, _age in family.children if family else ():
                found.append(Learner(child, name, comes))
            if family is None:
                found.append(Learner(name, name, comes))
        return found[: self.size.learners]

    def _mixed(self) -> list[str]:
        """Payers: adults and guardians in turn, as long as there are any."""
        adults = list(self.company.adults)
        guardians = [family.guardian for family in self.company.families]
        if not guardians:
            return adults
        every = max(1, round(len(guardians) / len(adults)))
        found: list[str] = []
        while adults or guardians:
            found += adults[:1] + guardians[:every]
            adults, guardians = adults[1:], guardians[every:]
        return found

    def _coming(self, learners: list[Learner]) -> list[Deed]:
        families: dict[str, Family] = {family.guardian: family for family in self.company.families}
        found: list[Deed] = []
        for name in dict.fromkeys(learner.payer for learner in learners):
            comes = next(learner.comes for learner in learners if learner.payer == name)
            role = GUARDIAN if name in families else STUDENT
            found.append(Registers(comes, name, email_of(self.company, name), role))
            for number, (child, age) in enumerate(families[name].children if name in families else ()):
                found.append(AddsChild(comes + (number + 1) * dt.timedelta(minutes=4), name, child, age))
        return found

    def _visits(self, learners: list[Learner]) -> list[Deed]:
        """Those who run it look in every week, the others every other month."""
        found: list[Deed] = []
        staff = [self.company.manager, *(tutor.name for tutor in self.tutors)]
        customers = list(dict.fromkeys(learner.payer for learner in learners))
        for name in (*staff, *customers):
            rng, is_staff = self.rng("visits", name), name in staff
            comes = self.comes.get(name) or next((x.comes for x in learners if x.payer == name), None)
            moment = (comes or self.diary.at(-self.size.weeks, 0, 12 * 60)) + DAY
            while moment < self.now - DAY:
                found.append(Visits(self.diary.daytime(moment, rng), name))
                moment += (rng.randrange(5, 9) if is_staff else rng.randrange(40, 70)) * DAY
        return found

    def _nights(self) -> list[Deed]:
        days = range(-7 * self.size.weeks + 2, 7 * AHEAD)
        return [Rounds(self.diary.at(0, day, 3 * 60 + 30)) for day in days]
