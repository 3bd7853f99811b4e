"""How tutors are shown: what each may say, and whose pictures."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.core.audit import AuditEntry
from app.core.db import db
from app.core.errors import Invalid
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.catalog import queries, service
from app.domains.catalog.errors import ProfileExists
from app.domains.catalog.models import TutorProfile
from tests.domains.catalog.support import look, within
from tests.support.world import World

WORDS = {"headline": "Numbers, kindly", "bio": "Since 2001.", "languages": "English, German"}
LIMITS = [("headline", 160), ("bio", 10_000), ("languages", 200)]


def tutor(world: World) -> Person:
    found = db.session.get(Person, world.anna.people["tutor"])
    assert found is not None
    return found


def said(world: World) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        profile = queries.profile_of(world.anna.people["tutor"])
        assert profile is not None
        return {
            name: getattr(profile, name) for name in ("slug", "headline", "bio", "languages", "image_key")
        }

    return look(world, world.anna, work)


def describe(world: World, **changes: Any) -> None:
    values = {**WORDS, "image_key": None, **changes}
    within(world, world.anna, lambda: service.describe_tutor(tutor(world), **values))


def test_a_manager_adds_one_with_its_words(world: World) -> None:
    within(world, world.anna, lambda: service.add_profile(tutor(world), **WORDS))
    assert said(world) == {"slug": "tutor-anna", **WORDS, "image_key": None}
    with pytest.raises(ProfileExists) as refused:
        within(world, world.anna, lambda: service.add_profile(tutor(world), **WORDS))
    assert refused.value.field == "person"


def test_of_two_managers_who_add_it_at_once_the_second_hears_of_it(world: World) -> None:
    """Or the words of the first would be gone."""
    heard: list[Exception] = []

    def second() -> None:
        try:
            within(
                world,
                world.anna,
                lambda: service.add_profile(tutor(world), headline="", bio="", languages=""),
            )
        except ProfileExists as error:
            heard.append(error)

    late = threading.Thread(target=second)
    with world.app.app_context(), tenant_scope(world.anna.id), transaction():
        service.add_profile(tutor(world), **WORDS)
        late.start()
        late.join(0.5)  # it waits for us
        assert late.is_alive()
    late.join(10)
    assert len(heard) == 1
    assert said(world)["headline"] == WORDS["headline"]


def test_a_name_without_a_letter_of_ours_has_an_address(world: World) -> None:
    def work() -> None:
        tutor(world).full_name = "山田 太郎"
        service.profile_for(tutor(world))

    within(world, world.anna, work)
    assert said(world)["slug"] == "tutor"


def test_two_of_one_name_get_two_addresses(world: World) -> None:
    def work() -> list[str]:
        other = db.session.get(Person, world.anna.people["student"])
        assert other is not None
        other.full_name = tutor(world).full_name
        return [service.profile_for(tutor(world)).slug, service.profile_for(other).slug]

    assert within(world, world.anna, work) == ["tutor-anna", "tutor-anna-2"]


@pytest.mark.parametrize(("field", "most"), LIMITS)
def test_each_text_has_its_limit(world: World, field: str, most: int) -> None:
    describe(world, **{field: f" {'é' * most} "})
    assert said(world)[field] == "é" * most
    with world.app.test_request_context(headers={"Accept-Language": "en"}):
        with pytest.raises(Invalid) as refused:
            describe(world, **{field: "é" * (most + 1)})
        assert str(refused.value) == f"This is too long: {most} characters at most."
    assert refused.value.field == field
    describe(world, **{field: "  "})
    assert said(world)[field] is None


@pytest.mark.parametrize(
    "key", ["t{bert}/tutors/{name}", "t{anna}/receipts/{name}", "t{anna}/offerings/{name}", "../{name}", "x"]
)
def test_what_is_no_picture_of_a_tutor_s_is_refused(world: World, key: str) -> None:
    key = key.format(anna=world.anna.id, bert=world.bert.id, name="a" * 32)
    with world.app.test_request_context(headers={"Accept-Language": "en"}):
        with pytest.raises(Invalid) as refused:
            describe(world, image_key=key)
        assert str(refused.value) == "There is no such picture."
    assert refused.value.field == "image"
    describe(world, image_key=f"t{world.anna.id}/tutors/{'a' * 32}")
    assert said(world)["image_key"] == f"t{world.anna.id}/tutors/{'a' * 32}"


def test_the_trail_names_a_change(world: World) -> None:
    describe(world)

    def verbs() -> list[str]:
        found = db.session.query(AuditEntry).order_by(AuditEntry.id)
        return [row.verb for row in found if row.thing_type == TutorProfile.__tablename__]

    assert look(world, world.anna, verbs) == ["created", "profile changed"]
