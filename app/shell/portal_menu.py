"""The portal's own navigation: what each kind of person does here, in the order in which they do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from flask import g, request
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, select

from app.core import plain
from app.core.viewer import Viewer
from app.core.web.viewing import viewer
from app.domains.accounts.models import GUARDIAN, STUDENT, TUTOR
from app.domains.messaging import queries as messaging
from app.domains.notifications import queries as notifications


@dataclass(frozen=True)
class Place:
    """A page of the portal; `roles` are those whose way it is on, empty means everybody, visitors too."""

    label: LazyString | str
    url: str
    icon: str
    roles: frozenset[str] = frozenset()
    counts: str = ""


_UNREAD: Select[Any] = select(*[messaging.unread(), notifications.unread()])

LEARNERS, TUTORS = frozenset({STUDENT, GUARDIAN}), frozenset({TUTOR})
PLACES = (
    Place(_l("Find lessons"), "/search", "search"),
    Place(_l("My lessons"), "/learn/", "school", LEARNERS),
    Place(_l("Family"), "/family/", "users", frozenset({GUARDIAN})),
    Place(_l("Teaching"), "/teach/", "calendar", TUTORS),
    Place(_l("Hours"), "/teach/availability/", "clock", TUTORS),
    Place(_l("Offerings"), "/teach/offerings/", "book", TUTORS),
    Place(_l("Earnings"), "/teach/earnings/", "coin", TUTORS),
    Place(_l("Messages"), "/messages/", "message", LEARNERS | TUTORS, counts="messages"),
)


class Link(NamedTuple):
    """Equal where it looks alike: the menu is kept as it was drawn."""

    label: str
    url: str
    icon: str
    active: bool
    number: int = 0


def unread_counts(who: Viewer | None) -> dict[str, int]:
    """How much waits for this person: messages and notifications. One statement, once per page."""
    if who is None or who.person_id is None:
        return {}
    if "unread" not in g:
        [(messages, told)] = plain.rows(_UNREAD, person=who.person_id)
        g.unread = {"messages": messages, "notifications": told}
    found: dict[str, int] = g.unread
    return found


def portal_menu() -> tuple[Link, ...]:
    """The links for whoever looks. Of two that lead here the longer one is where we are."""
    who = viewer()
    roles = who.role_keys if who else frozenset()
    # A tutor who is nobody's student comes to teach: finding lessons would only be in the way.
    teaches = TUTOR in roles and not roles & LEARNERS
    places = [place for place in PLACES if (not place.roles and not teaches) or (place.roles & roles)]
    here = max((p.url for p in places if request.path.startswith(p.url)), key=len, default="")
    counts = unread_counts(who) if roles else {}
    return tuple(Link(str(p.label), p.url, p.icon, p.url == here, counts.get(p.counts, 0)) for p in places)
