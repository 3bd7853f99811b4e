"""Pages of booking: from an offering's free times to the lesson, for those who learn and those who teach."""

from app.domains.booking.portal import (
    availability,
    checkout,
    learn,
    moving,
    offering,
    sessions,
    teach,
)

BLUEPRINTS = (
    offering.bp,
    checkout.bp,
    learn.bp,
    moving.bp,
    teach.bp,
    availability.bp,
    sessions.bp,
)
