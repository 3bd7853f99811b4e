"""What catalog announces."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class OfferingSubmitted(Event):
    offering_id: int
    revision_id: int


@dataclass(frozen=True)
class OfferingReturned(Event):
    offering_id: int
    revision_id: int


@dataclass(frozen=True)
class OfferingPublished(Event):
    """Its approved content is live; also when a later revision replaced it."""

    offering_id: int
    revision_id: int


@dataclass(frozen=True)
class OfferingChanged(Event):
    """Paused, resumed or archived: what caches remember of it is old."""

    offering_id: int


@dataclass(frozen=True)
class ReviewWritten(Event):
    """Somebody who was there says how it was. Changing it later is not told again."""

    review_id: int


@dataclass(frozen=True)
class ReviewReplied(Event):
    """Its tutor answered."""

    review_id: int


@dataclass(frozen=True)
class ReviewModerated(Event):
    """The company hid it, or shows it again."""

    review_id: int
