"""What money and seats must be, by pencil and paper: the independent model.

Nothing of the house is imported here, on purpose: rules and arithmetic are written a second time, in another
way. `model.Model` is told what became of each row, and says by these rules whether that may be.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

HOLDING = ("held", "booked", "attended", "missed")  # a seat that takes a place
HOLD_LIFE = dt.timedelta(minutes=10)


class Difference(Exception):
    """House and model disagree; the text says about what."""


def shared(amount: int, weights: list[int]) -> list[int]:
    """By largest remainder: round down, then a unit each to those who lost most, of equals the first."""
    if not amount:
        return [0] * len(weights)
    exact = [Fraction(amount * weight, sum(weights)) for weight in weights]
    parts = [int(share) for share in exact]
    lost = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in lost[: amount - sum(parts)]:
        parts[place] += 1
    return parts


def rounded(exact: Fraction) -> int:
    """The nearest whole number, halves up."""
    return int(exact + Fraction(1, 2))


@dataclass(frozen=True)
class Terms:
    """What tutors get from a moment on; `tutor` is None for all who have no terms of their own."""

    since: dt.datetime
    tutor: int | None
    share_bp: int
    hold_days: int


@dataclass
class Company:
    """`step` is the smallest amount that the provider moves in its currency."""

    id: int
    currency: str
    step: int
    fee_bp: int
    free_until: dt.timedelta
    late_bp: int
    move_until: dt.timedelta
    max_moves: int
    terms: list[Terms] = field(default_factory=list)

    def terms_of(self, tutor: int, now: dt.datetime) -> tuple[int, int]:
        """Share in hundredths of a percent, and days of hold."""
        for whose in (tutor, None):
            theirs = [found for found in self.terms if found.tutor == whose and found.since <= now]
            if theirs:
                last = max(theirs, key=lambda found: found.since)
                return last.share_bp, last.hold_days
        return 7_000, 7


@dataclass(frozen=True)
class Offer:
    id: int
    company: Company
    tutor: int
    kind: str
    minutes: int
    price: int
    tax_bp: int
    capacity: int
    before: dt.timedelta
    after: dt.timedelta

    @property
    def is_group(self) -> bool:
        return self.kind == "group"


@dataclass
class Lesson:
    id: int
    offer: Offer
    starts_at: dt.datetime
    ends_at: dt.datetime
    status: str
    seats: list[Seat] = field(default_factory=list)

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime]:
        """What it takes of its tutor's time."""
        return self.starts_at - self.offer.before, self.ends_at + self.offer.after


@dataclass
class Earning:
    """tax, platform, company, tutor"""

    shares: list[int]
    hold_days: int
    status: str = "pending"
    clears_at: dt.datetime | None = None
    is_held: bool = False
    given_back: int = 0


@dataclass
class Seat:
    id: int
    lesson: Lesson
    status: str
    expires_at: dt.datetime | None
    student: int | None = None
    line: int | None = None
    counts_from: dt.datetime | None = None
    moves: int = 0
    refunded: int = 0
    earning: Earning | None = None

    @property
    def price(self) -> int:
        return self.lesson.offer.price

    @property
    def company(self) -> Company:
        return self.lesson.offer.company

    def takes(self, now: dt.datetime) -> bool:
        """Whether its place is its own at this moment: a hold that ran out has none any more."""
        if self.status == "held":
            return self.expires_at is not None and self.expires_at > now
        return self.status in HOLDING


@dataclass
class Line:
    """What was ordered, its payment at the provider, and what went back of it."""

    id: int
    seat: int
    gross: int
    is_paid: bool = False
    captured: int = 0
    is_lost: bool = False
    refunds: dict[tuple[int, str], tuple[str, int]] = field(default_factory=dict)

    @property
    def going_back(self) -> int:
        """Asked for, on its way or back."""
        last = {number: refund for (number, _code), refund in self.refunds.items()}
        return sum(amount for status, amount in last.values() if status != "failed")


class Books:
    """Balances by company, account, currency and person: debits less credits."""

    def __init__(self) -> None:
        self.balances: dict[tuple[int, str, str, int | None], int] = defaultdict(int)

    def move(self, company: Company, *moves: tuple[str, int | None, int]) -> None:
        if sum(minor for _code, _person, minor in moves):
            raise Difference(f"the model's own entry is uneven: {moves}")
        for code, person, minor in moves:
            self.balances[company.id, code, company.currency, person] += minor

    def filled(self) -> dict[tuple[int, str, str, int | None], int]:
        return {key: minor for key, minor in self.balances.items() if minor}


# -- Rules, each a function of what is known ---------------------------------------------------------------


def sale(offer: Offer, now: dt.datetime) -> Earning:
    """How the price of one seat is shared when it is sold now."""
    company = offer.company
    tax = rounded(Fraction(offer.price * offer.tax_bp, 10_000 + offer.tax_bp))
    share_bp, hold_days = company.terms_of(offer.tutor, now)
    share_bp = min(share_bp, 10_000 - company.fee_bp)
    weights = [company.fee_bp, share_bp, 10_000 - company.fee_bp - share_bp]
    platform, tutor, rest = shared(offer.price - tax, weights)
    return Earning([tax, platform, rest, tutor], hold_days)


def is_late(seat: Seat, now: dt.datetime) -> bool:
    """Whether it costs something to cancel now. A lesson that was moved late counts from where it was."""
    start = min(seat.lesson.starts_at, seat.counts_from or seat.lesson.starts_at)
    return now > start - seat.company.free_until


def goes_back(seat: Seat, now: dt.datetime, *, by_customer: bool) -> int:
    """What a cancellation now gives back, in what the provider can move."""
    company = seat.company
    share_bp = company.late_bp if by_customer and is_late(seat, now) else 10_000
    due = max(0, rounded(Fraction(seat.price * share_bp, 10_000)) - seat.refunded)
    return due // company.step * company.step


def may_move(seat: Seat, now: dt.datetime) -> bool:
    starts_at = seat.lesson.starts_at
    in_time = now < starts_at and now <= starts_at - seat.company.move_until
    return seat.status == "booked" and in_time and seat.moves < seat.company.max_moves


def overlap(one: tuple[dt.datetime, dt.datetime], other: tuple[dt.datetime, dt.datetime]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


class Calendars:
    """Who is where: asked before something is taken, and afterwards."""

    def __init__(self) -> None:
        self.lessons: dict[int, Lesson] = {}
        self.seats: dict[int, Seat] = {}

    def taken(self, lesson: Lesson, now: dt.datetime) -> list[Seat]:
        """The seats that take a place in a lesson."""
        return [seat for seat in lesson.seats if seat.takes(now)]

    def is_held(self, lesson: Lesson, now: dt.datetime) -> bool:
        """Whether it takes its tutor's time: a class always, another while somebody has its place."""
        if lesson.offer.is_group:
            return lesson.status in {"scheduled", "done"}
        return bool(self.taken(lesson, now))

    def tutor_is_free(
        self, offer: Offer, starts_at: dt.datetime, now: dt.datetime, *, but: Lesson | None = None
    ) -> bool:
        span = starts_at - offer.before, starts_at + dt.timedelta(minutes=offer.minutes) + offer.after
        return not any(
            overlap(span, lesson.span) and self.is_held(lesson, now)
            for lesson in self.lessons.values()
            if lesson.offer.tutor == offer.tutor and lesson is not but
        )

    def student_is_free(
        self,
        student: int,
        starts_at: dt.datetime,
        ends_at: dt.datetime,
        now: dt.datetime,
        *,
        but: Seat | None = None,
    ) -> bool:
        return not any(
            overlap((starts_at, ends_at), (seat.lesson.starts_at, seat.lesson.ends_at))
            for seat in self.seats.values()
            if seat.student == student and seat is not but and seat.takes(now)
        )

    def is_obtainable(self, seat: Seat, now: dt.datetime) -> bool:
        """Whether a seat that is not held any more can still be had by whoever has paid for it."""
        lesson = seat.lesson
        if seat.status == "cancelled" or lesson.starts_at <= now:
            return False
        if lesson.offer.is_group:
            others = [other for other in self.taken(lesson, now) if other is not seat]
            has_place = lesson.status == "scheduled" and len(others) < lesson.offer.capacity
        else:
            has_place = self.tutor_is_free(lesson.offer, lesson.starts_at, now, but=lesson)
        return has_place and (
            seat.student is None
            or self.student_is_free(seat.student, lesson.starts_at, lesson.ends_at, now, but=seat)
        )
