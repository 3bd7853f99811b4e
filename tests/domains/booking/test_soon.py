"""The next free times of several tutors at once: as each tutor's own page offers them, at a fixed price."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.booking import queries
from app.domains.booking.queries.soon import AHEAD, soonest, timetables
from app.domains.catalog import queries as catalog
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.support import lived
from tests.support.statements import assert_statements
from tests.support.world import World


@pytest.fixture
def shop(world: World) -> World:
    with clock.frozen(NOW):
        lived.publish(world)
        lived.publish(world, title="Grammar")
        lived.publish(world, kind="group", title="Evening class", capacity=3)
    return world


def test_they_are_what_each_offering_offers(shop: World) -> None:
    tutor = shop.anna.people["tutor"]
    with clock.frozen(NOW), shop.app.app_context(), tenant_scope(shop.anna.id):
        found = soonest([tutor, 999_999], each=6)
        assert len(found) == 6
        for one in found:
            offered = queries.slots(
                catalog.offering(one.offering.id), one.variant, since=NOW, until=NOW + AHEAD
            )
            assert one.slot in offered
        first = queries.slots(
            catalog.offering(found[0].offering.id), found[0].variant, since=NOW, until=NOW + AHEAD
        )[0]
        assert found[0].slot == first
        starts = [one.slot.starts_at for one in found]
        assert starts == sorted(set(starts))
        assert {one.offering.title for one in found} == {"Conversation", "Grammar"}, "they take turns"


def test_what_is_taken_is_left_out(shop: World) -> None:
    tutor = shop.anna.people["tutor"]

    def first() -> dt.datetime:
        with clock.frozen(NOW), shop.app.app_context(), tenant_scope(shop.anna.id):
            return soonest([tutor], each=1)[0].slot.starts_at

    before = first()
    with clock.frozen(NOW):
        [offering] = lived.read(
            shop, lambda: [o for o, _ in catalog.offerings_of(tutor) if o.title == "Grammar"]
        )
        lived.hold(shop, offering, before)
    assert first() >= before + HOUR


def test_tables_are_those_of_one_tutor(shop: World) -> None:
    tutor = shop.anna.people["tutor"]
    with clock.frozen(NOW), shop.app.app_context(), tenant_scope(shop.anna.id):
        many = timetables([tutor], since=NOW, until=NOW + 7 * DAY)[tutor]
        one = queries.timetable(tutor, since=NOW, until=NOW + 7 * DAY)
        for since in (NOW, MONDAY):
            until = NOW + 7 * DAY
            assert many.slots(HOUR, since, until) == one.slots(HOUR, since, until)
            assert one.slots(HOUR, NOW, until)


def test_it_costs_two_statements(shop: World) -> None:
    people = shop.anna.people
    with clock.frozen(NOW), shop.app.app_context(), tenant_scope(shop.anna.id):
        with assert_statements(db.engine, 2):
            soonest([people["tutor"], people["student"]], each=3)
        with assert_statements(db.engine, 1):
            soonest([people["student"]], each=3)


def test_the_storefront_leads_into_the_picker(shop: World) -> None:
    with clock.frozen(NOW):
        visitor = shop.browser(shop.anna.host)
        page = visitor.get("/").text
        assert "Free soon" in page
        assert "All times by the clock in Europe/Berlin" in page
        links = re.findall(r'class="card wm-soon-time" href="([^"]+)"', page)
        assert links
        target = visitor.get(links[0].replace("&amp;", "&"))
        assert target.status_code == 200
        at = re.search(r'<time datetime="([^"]+)"', page)
        assert at
        assert at[1] in target.text, "the very time can be chosen there"
        tutor = visitor.get("/tutors/tutor-anna").text
        assert "Next free:" in tutor
        zone = shop.browser(shop.anna.host)
        zone.get(f"{links[0].split('?')[0]}?zone=Asia/Tokyo")
        assert "All times by the clock in Asia/Tokyo" in zone.get("/").text
