"""What booking has to know of what is sold, however it was read."""

from __future__ import annotations

from typing import Protocol


class Sold(Protocol):
    """An offering."""

    id: int
    tutor_id: int
    kind: str
    status: str


class SoldVariant(Protocol):
    """A length of it, with its price."""

    id: int
    offering_id: int
    duration_minutes: int
    price_minor: int
    currency: str
    is_active: bool
