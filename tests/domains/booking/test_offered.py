"""An offering's page is read in one statement of plain columns: it says what the rows of the models say."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select, update

from app.core import clock
from app.core.db import db
from app.core.errors import NotFound
from app.core.scope import tenant_scope
from app.domains.booking import queries
from app.domains.booking.models import AvailabilitySchedule
from app.domains.booking.queries.offered import offering_seen, slots_of
from app.domains.booking.queries.tables import NO_HOURS
from app.domains.catalog import policies as catalog
from app.domains.catalog.models import PAUSED, CancellationPolicy, Offering, TutorProfile, Variant
from app.domains.catalog.policies import BUILT_IN
from app.domains.catalog.service import settings
from tests.domains.booking.support import DAY, NOW
from tests.support import lived
from tests.support.statements import assert_statements
from tests.support.world import World

SLUG = "conversation"


@pytest.fixture
def shop(world: World) -> World:
    with clock.frozen(NOW):
        lived.publish(world)
    return world


def seen(shop: World, slug: str = SLUG) -> Any:
    return lived.read(shop, lambda: offering_seen(slug, NOW, NOW + 7 * DAY))


def test_it_says_what_the_models_say(shop: World) -> None:
    with lived.inside(shop) as session:
        profile = session.scalars(select(TutorProfile)).first()
        if profile is None:
            profile = TutorProfile(person_id=shop.anna.people["tutor"], slug="tutor-anna")
            session.add(profile)
        profile.headline, profile.image_key = "From the start", f"{shop.anna.id}/tutors/a.webp"
    found = seen(shop)

    def compare() -> None:
        row = db.session.scalars(select(Offering).where(Offering.slug == SLUG)).one()
        for name in ("id", "tutor_id", "kind", "title", "summary", "description", "level", "language"):
            assert getattr(found, name) == getattr(row, name), name
        assert (found.tutor, found.subject) == (row.tutor.full_name, row.subject.name)
        assert (found.profile.slug, found.profile.headline) == ("tutor-anna", "From the start")
        assert found.profile.image_key == f"{shop.anna.id}/tutors/a.webp"
        assert [(v.id, v.name, v.price) for v in found.variants] == [
            (v.id, v.name, v.price) for v in row.variants
        ]

    lived.read(shop, compare)


def test_the_policy_is_its_own_else_the_companys_else_ours(shop: World) -> None:
    def held() -> dict[str, Any]:
        default = db.session.scalars(select(CancellationPolicy).where(CancellationPolicy.is_default))
        row = db.session.scalars(select(Offering).where(Offering.slug == SLUG)).one()
        return catalog.policy_snapshot(row, default.one_or_none())

    with lived.inside(shop) as session:
        session.execute(update(Offering).values(policy_id=None))
        session.execute(update(CancellationPolicy).values(is_default=False))
    assert seen(shop).policy == lived.read(shop, held) == BUILT_IN
    with lived.inside(shop) as session:
        settings.add_policy(name="The company's", is_default=True, free_until_minutes=120)
        own = CancellationPolicy(name="Its own", free_until_minutes=60)
        session.add(own)
    assert seen(shop).policy == lived.read(shop, held)
    assert seen(shop).policy["name"] == "The company's"
    with lived.inside(shop) as session:
        session.execute(update(Offering).values(policy_id=own.id))
    assert seen(shop).policy == lived.read(shop, held)
    assert seen(shop).policy["name"] == "Its own"


def test_its_times_are_those_of_the_offering(shop: World) -> None:
    with clock.frozen(NOW), shop.app.app_context(), tenant_scope(shop.anna.id):
        with assert_statements(db.engine, 1):
            found = offering_seen(SLUG, NOW, NOW + 7 * DAY)
            times = slots_of(found, found.variants[-1], since=NOW, until=NOW + 7 * DAY)
        row = db.session.get_one(Offering, found.id)
        assert times == queries.slots(row, row.variants[-1], since=NOW, until=NOW + 7 * DAY)
        assert times
        assert found.variant(found.variants[-1].id) == found.variants[-1]
        assert found.variant(987_654) == found.variants[0]


def test_what_lies_beyond_is_asked_for(shop: World) -> None:
    """The time that was read with it is not taken for all there is."""
    with clock.frozen(NOW), shop.app.app_context(), tenant_scope(shop.anna.id):
        found = offering_seen(SLUG, NOW, NOW + DAY)
        row = db.session.get_one(Offering, found.id)
        for since, until, number in ((0, 1, 0), (0, 7, 1), (-2, 1, 0), (3, 9, 1)):
            span = {"since": NOW + since * DAY, "until": NOW + until * DAY}
            with assert_statements(db.engine, number):
                times = slots_of(found, found.variants[-1], **span)
            assert times == queries.slots(row, row.variants[-1], **span), span
        assert times


def test_nobody_without_hours_is_free(shop: World) -> None:
    with lived.inside(shop) as session:
        session.execute(delete(AvailabilitySchedule))
    found = seen(shop)
    assert found.timetable == NO_HOURS
    with clock.frozen(NOW):
        assert slots_of(found, found.variants[0], since=NOW, until=NOW + 7 * DAY) == []


def test_what_can_not_be_bought_is_not_found(shop: World) -> None:
    def nothing(slug: str = SLUG) -> None:
        with pytest.raises(NotFound):
            seen(shop, slug)

    for slug in ("nothing", "con\x00versation", "ü", ""):
        nothing(slug)
    with pytest.raises(NotFound):
        lived.read(shop, lambda: offering_seen(SLUG, NOW, NOW + 7 * DAY), shop.bert)
    with lived.inside(shop) as session:
        session.execute(update(Variant).values(is_active=False))
    nothing()
    with lived.inside(shop) as session:
        session.execute(update(Variant).values(is_active=True))
        session.execute(update(Offering).values(status=PAUSED))
    nothing()
