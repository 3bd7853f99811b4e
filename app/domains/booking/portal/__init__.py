"""Pages of booking: from an offering's free times to the lesson, for those who learn and those who teach."""

from app.domains.booking.portal import (
    agenda,
    availability,
    checkout,
    learn,
    moving,
    offering,
    sessions,
    teach_home,
)

BLUEPRINTS = (
    offering.bp,
    checkout.bp,
    learn.bp,
    moving.bp,
    teach_home.bp,
    availability.bp,
    agenda.bp,
    sessions.bp,
)
