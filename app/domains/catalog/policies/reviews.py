"""What holds for reviews: until when one can be changed, whose name stands under it, and what a rating is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l

from app.core.errors import Invalid
from app.domains.catalog.models import MOST_REVIEW_TEXT

EDITABLE_FOR = dt.timedelta(days=14)
LEAST, MOST = 1, 5
STARS = range(LEAST, MOST + 1)
GOOD = 4  # what a company's first page quotes
WORDS = {
    1: _l("Poor"),
    2: _l("Could be better"),
    3: _l("All right"),
    4: _l("Good"),
    5: _l("Excellent"),
}
# A single five is not better than forty that average 4.9: everybody begins with this many middling ones.
PRIOR_COUNT, PRIOR_SUM = 3, 12


@dataclass(frozen=True)
class Rating:
    """What all visible reviews of something say together."""

    count: int
    total: int

    @property
    def average(self) -> float:
        """Rounded to a tenth, half up, as it is shown; 0 without any."""
        return (20 * self.total + self.count) // (2 * self.count) / 10 if self.count else 0.0

    @property
    def halves(self) -> int:
        """Full and half stars to draw, in halves: 0 to 10."""
        return (4 * self.total + self.count) // (2 * self.count) if self.count else 0


def check_rating(rating: int) -> None:
    """Raises Invalid."""
    if not LEAST <= rating <= MOST:
        raise Invalid(_l("Please choose one to five stars."), field="rating")


def clean_text(text: str | None, *, field: str = "text") -> str:
    """Without blanks around it and with one kind of line ends. Raises Invalid for what is too long."""
    found = (text or "").replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(found) > MOST_REVIEW_TEXT:
        raise Invalid(
            _l("This is too long: %(most)s characters at most.", most=MOST_REVIEW_TEXT), field=field
        )
    return found


def editable_until(written_at: dt.datetime) -> dt.datetime:
    return written_at + EDITABLE_FOR


def short_name(full_name: str) -> str:
    """How people are called in public: “Maria S.” of Maria da Silva."""
    words = full_name.split()
    return f"{words[0]} {words[-1][0].upper()}." if len(words) > 1 else "".join(words)
