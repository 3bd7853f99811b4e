"""What a demo company is made of: values only. The companies themselves are in modules of their own."""

from __future__ import annotations

from dataclasses import dataclass

from app.domains.accounts.models import GUARDIAN, MANAGER, STUDENT, TUTOR
from app.domains.booking.service import Stretch

MORNINGS, AFTERNOONS, EVENINGS, SCHOOL_DAYS, WEEKENDS, MIXED = (
    "mornings",
    "afternoons",
    "evenings",
    "school days",
    "weekends",
    "mixed",
)


def _stretches(days: tuple[int, ...], starts: int, ends: int) -> tuple[Stretch, ...]:
    return tuple(Stretch(day, starts * 60, ends * 60) for day in days)


# Working weeks that tutors have; Monday is 0.
WEEKS: dict[str, tuple[Stretch, ...]] = {
    MIXED: (
        *(Stretch(day, 9 * 60, 12 * 60 + 30) for day in range(5)),
        *_stretches((0, 2, 3), 15, 19),
        *_stretches((5,), 10, 14),
    ),
    MORNINGS: (*_stretches((0, 1, 2, 3, 4), 8, 13), *_stretches((4,), 15, 18)),
    AFTERNOONS: _stretches((0, 1, 2, 3), 13, 20),
    EVENINGS: (*_stretches((0, 1, 3), 16, 21), *_stretches((5,), 9, 15)),
    SCHOOL_DAYS: (*_stretches((0, 1, 2, 3, 4), 15, 20), *_stretches((5,), 9, 13)),
    WEEKENDS: (*_stretches((4,), 16, 21), *_stretches((5, 6), 9, 17)),
}


@dataclass(frozen=True)
class Tutor:
    """`look` is hair:colour:skin:whatever else, see `portraits`; `week` is one of WEEKS; `joins` is how many
    weeks ago they came, and `pull` how many choose them. `marks`: they say after each lesson who came, and
    do not leave it to the next day."""

    name: str
    headline: str
    bio: str
    languages: str
    look: str
    week: str = MIXED
    joins: int = 13
    pull: float = 1.0
    marks: bool = True
    share_bp: int | None = None


@dataclass(frozen=True)
class Offer:
    """`variants` are (name, minutes, price in minor units); a group meets at `meets`: (weekday, hour)s.
    `becomes` says where it stands today, and `reason` why it was sent back."""

    tutor: str
    kind: str
    subject: str
    title: str
    summary: str
    description: str
    variants: tuple[tuple[str, int, int], ...]
    level: str = "all"
    language: str = "en"
    capacity: int = 1
    meets: tuple[tuple[int, int], ...] = ()
    becomes: str = "published"
    reason: str = ""


@dataclass(frozen=True)
class Family:
    """A guardian and the children they book for: (name, age)."""

    guardian: str
    children: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Dialogue:
    """What a student (or whoever answers for them) and a tutor write; `{student}` and `{tutor}` are first
    names. `first` is for those who have just met."""

    lines: tuple[tuple[str, str], ...]
    first: bool = False


@dataclass(frozen=True)
class Terms:
    """A cancellation policy."""

    name: str
    free_until_minutes: int
    late_refund_bp: int
    move_until_minutes: int = 720
    max_moves: int = 2


@dataclass(frozen=True)
class Company:
    """A tenant with all that it is and sells. `pace` is how eagerly its students book; `adults` learn for
    themselves. `tax` is (name, code, rate in hundredths of a percent), the first one that of the offers."""

    slug: str
    name: str
    currency: str
    timezone: str
    locale: str
    color: str
    tagline: str
    contacts: tuple[tuple[str, str], ...]
    plan: str
    manager: str
    subjects: tuple[str, ...]
    taxes: tuple[tuple[str, str, int], ...]
    policies: tuple[Terms, ...]
    tutor_share_bp: int
    tutors: tuple[Tutor, ...]
    offers: tuple[Offer, ...]
    adults: tuple[str, ...]
    families: tuple[Family, ...] = ()
    dialogues: tuple[Dialogue, ...] = ()
    why_cancelled: tuple[str, ...] = ()
    why_called_off: tuple[str, ...] = ()
    praise: tuple[tuple[int, str], ...] = ()
    replies: tuple[str, ...] = ()
    invited: tuple[str, ...] = ()
    pace: float = 1.0

    @property
    def roles(self) -> tuple[str, ...]:
        return (MANAGER, TUTOR, STUDENT, *((GUARDIAN,) if self.families else ()))

    @property
    def faces(self) -> dict[str, str]:
        """Who signs in as each role."""
        found = {MANAGER: self.manager, TUTOR: self.tutors[0].name, STUDENT: self.adults[0]}
        return {**found, GUARDIAN: self.families[0].guardian} if self.families else found


@dataclass(frozen=True)
class Size:
    """How much of a world is lived: so many tutors with their offers, so many learners, weeks before today
    and after it. `pictures` are drawn or not."""

    tutors: int = 8
    learners: int = 60
    weeks: int = 13
    pace: float = 1.0
    pictures: bool = True


WHOLE = Size()
SMALL = Size(tutors=4, learners=14, weeks=5)
TINY = Size(tutors=1, learners=3, weeks=3, pace=1.6, pictures=False)
SIZES = {"whole": WHOLE, "small": SMALL, "tiny": TINY}
