"""What the tests of booking's pages and API share: browsers, codes, and what is booked in the background."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from werkzeug.test import TestResponse

from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Guardianship, Person
from app.domains.booking import queries
from app.domains.booking.models import Lesson, Seat
from app.domains.catalog.models import GROUP, Offering
from tests.domains.booking.support import MONDAY, Heard, School, add_hours, add_offering
from tests.support.world import Browser, World

T = TypeVar("T")

# What nobody who uses the pages sends.
HOSTILE = [
    "",
    " ",
    "1e309",
    "NaN",
    "now",
    "2027-01-18",
    "2027-01-18T09:00",  # no offset
    "2027-01-18T09:00:00+99:00",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2027-02-30T09:00:00+00:00",
    "2027-01-18T09:00:00+00:00\x00",
    "２０２７-01-18T09:00:00+00:00",
    "2" * 5000,
    "'; DROP TABLE seat; --",
    "<script>alert(1)</script>",
]


@dataclass
class Stage:
    world: World
    school: School

    def browser(self, role: str | None = None) -> Browser:
        """A browser on anna's host, signed in as somebody or a visitor's."""
        anna = self.world.anna
        return self.world.browser(anna.host, anna.email(role) if role else None)

    def foreigner(self, role: str) -> Browser:
        bert = self.world.bert
        return self.world.browser(bert.host, bert.email(role))

    def inside(self, work: Callable[[], T]) -> T:
        """In an app context, in anna's scope; each with its own transactions."""
        with self.world.app.app_context():
            return work()

    def read(self, work: Callable[[], T]) -> T:
        with self.world.app.app_context(), tenant_scope(self.school.tenant_id):
            return work()

    @property
    def offering(self) -> Offering:
        return self.read(lambda: self.school.offering)

    @property
    def group(self) -> Offering:
        return self.read(lambda: db.session.get_one(Offering, self.school.group_id))

    @property
    def path(self) -> str:
        return f"/o/{self.offering.slug}"

    def seat(self, code: str) -> Seat:
        return self.read(lambda: queries.seat_by_code(code))

    def code_of(self, seat_id: int) -> str:
        return self.read(lambda: queries.seat(seat_id)).code

    def lesson(self, lesson_id: int) -> Lesson:
        return self.read(lambda: queries.lesson(lesson_id))

    def booked(self, starts_at: dt.datetime = MONDAY, **more: Any) -> str:
        """The code of a paid seat of anna's student; anna's guardian paid."""
        return self.code_of(self.inside(lambda: self.school.book(starts_at, **more)))

    def child(self, name: str = "Mia") -> int:
        """A child of anna's guardian."""

        def work() -> int:
            with self.school.inside():
                child = Person(full_name=name)
                db.session.add(child)
                db.session.flush()
                guardian_id = self.world.anna.people["guardian"]
                db.session.add(Guardianship(guardian_id=guardian_id, child_id=child.id))
                return child.id

        return self.inside(work)

    def hold(self, browser: Browser, starts_at: dt.datetime | str = MONDAY, **more: Any) -> TestResponse:
        """What clicking a time does."""
        text = starts_at if isinstance(starts_at, str) else starts_at.isoformat()
        data = {"variant": str(self.school.variant_id), "starts_at": text, **more}
        return browser.post(f"{self.path}/hold", page=self.path, **data)

    def held(self, browser: Browser, starts_at: dt.datetime = MONDAY) -> str:
        """The code of the hold that clicking a time makes."""
        return code_in(self.hold(browser, starts_at))


def open_school(world: World, heard: Heard) -> School:
    """Anna's company as a school: a tutor with hours, an offering and a group class."""
    anna = world.anna
    with world.app.app_context(), tenant_scope(anna.id), transaction():
        other = Person(full_name="Olaf Other")
        db.session.add(other)
        db.session.flush()
        school = School(
            anna.id,
            anna.people["tutor"],
            anna.people["student"],
            other.id,
            anna.people["guardian"],
            heard=heard,
        )
        add_hours(school.tutor_id)
        school.offering_id, school.variant_id = add_offering(school.tutor_id)
        school.group_id, school.group_variant_id = add_offering(school.tutor_id, kind=GROUP, capacity=5)
    return school


def code_in(answer: TestResponse) -> str:
    assert answer.status_code == 302, answer.text
    found = re.search(r"/checkout/([0-9A-Z]{40})$", answer.headers["Location"])
    assert found, answer.headers["Location"]
    return found.group(1)


def offered(page: str) -> list[str]:
    """The times that a page's buttons send."""
    return re.findall(r'name="starts_at" value="([^"]+)"', page)


def words_of(page: str) -> str:
    """What a person reads, white space made one."""
    body = page.split("<main", 1)[-1].split("</main>")[0]
    text = re.sub(r"<[^>]+>", " ", re.sub(r"<(svg|script)\b.*?</\1>", " ", body, flags=re.DOTALL))
    return re.sub(r"\s+", " ", text).replace("&#39;", "'").replace("&amp;", "&")
