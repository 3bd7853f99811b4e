"""What people of a demo company do, a value for each deed; `at` is when it happens. People and offers have
their names only: the plan knows no rows yet."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from app.shell.world.model import Offer, Tutor

# How somebody pays.
CARD, SECURE, DECLINED_FIRST, GAVE_UP = "card", "secure", "declined first", "gave up"


@dataclass(frozen=True)
class SeatRef:
    """A place in a lesson as it was booked: who learns, who pays, what, and when it was to begin."""

    learner: str
    payer: str
    offer: str
    variant: int
    starts_at: dt.datetime


@dataclass(frozen=True)
class Deed:
    at: dt.datetime


@dataclass(frozen=True)
class Joins(Deed):
    """Invited, and in a moment later."""

    name: str
    email: str
    role: str


@dataclass(frozen=True)
class IsInvited(Deed):
    """Invited, and no answer yet."""

    name: str
    email: str


@dataclass(frozen=True)
class Registers(Deed):
    name: str
    email: str
    role: str


@dataclass(frozen=True)
class AddsChild(Deed):
    guardian: str
    name: str
    age: int


@dataclass(frozen=True)
class Visits(Deed):
    """Signs in, and looks at what there is to know."""

    name: str


@dataclass(frozen=True)
class Furnishes(Deed):
    """The manager decides on subjects, taxes, terms and shares."""


@dataclass(frozen=True)
class Settles(Deed):
    """A tutor says who they are, and when they work."""

    tutor: Tutor


@dataclass(frozen=True)
class TakesDayOff(Deed):
    tutor: str
    on_date: dt.date
    remark: str


@dataclass(frozen=True)
class Proposes(Deed):
    """A tutor writes an offer, and sends it in unless it is to stay a draft."""

    offer: Offer


@dataclass(frozen=True)
class Decides(Deed):
    """The manager publishes an offer, or sends it back."""

    offer: Offer


@dataclass(frozen=True)
class Pauses(Deed):
    offer: Offer


@dataclass(frozen=True)
class GivesDate(Deed):
    """A group meets then."""

    offer: str
    starts_at: dt.datetime


@dataclass(frozen=True)
class Books(Deed):
    seat: SeatRef
    pays: str = CARD


@dataclass(frozen=True)
class Looks(Deed):
    """A visitor holds a time, and thinks better of it. `number` tells visitors apart."""

    offer: str
    starts_at: dt.datetime
    number: int


@dataclass(frozen=True)
class Moves(Deed):
    seat: SeatRef
    to: dt.datetime


@dataclass(frozen=True)
class Cancels(Deed):
    seat: SeatRef
    reason: str


@dataclass(frozen=True)
class CallsOff(Deed):
    """A tutor can't come."""

    seat: SeatRef
    reason: str


@dataclass(frozen=True)
class Marks(Deed):
    """A tutor says who came."""

    tutor: str
    came: tuple[tuple[SeatRef, bool], ...]


@dataclass(frozen=True)
class Rounds(Deed):
    """What recurs is done: holds end, lessons are over, earnings clear."""


@dataclass(frozen=True)
class Disputes(Deed):
    """The payer's bank takes the money of a seat back."""

    seat: SeatRef


@dataclass(frozen=True)
class Bounces(Deed):
    """The payer's bank sends a refund of this seat back."""

    seat: SeatRef


@dataclass(frozen=True)
class Says(Deed):
    """`number` is the message's place in all that these two write."""

    tutor: str
    learner: str
    author: str
    text: str
    number: int


@dataclass(frozen=True)
class Reads(Deed):
    tutor: str
    learner: str
    reader: str


@dataclass(frozen=True)
class Reviews(Deed):
    """Whoever came says how it was; for a child its guardian does."""

    seat: SeatRef
    rating: int
    text: str


@dataclass(frozen=True)
class Replies(Deed):
    """The tutor answers what was said about this offer for this learner."""

    seat: SeatRef
    tutor: str
    text: str


@dataclass(frozen=True)
class Hides(Deed):
    """The manager takes a review off the pages."""

    seat: SeatRef
    reason: str
