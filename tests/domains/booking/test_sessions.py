"""Dates of group classes: what is kept of one, and why one is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from app.core.db import db
from app.core.errors import Invalid
from app.core.scope import tenant_scope
from app.domains.accounts.models import Person
from app.domains.booking import events, queries, service
from app.domains.booking.errors import NotOffered, SlotTaken
from app.domains.booking.models import SCHEDULED
from app.domains.catalog.models import ARCHIVED, GROUP, Offering, Variant
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW, School, add_hours, add_offering


def schedule(school: School, starts_at: dt.datetime = MONDAY, **more: Any) -> int:
    """Of the group class, where no other is named."""
    how = {"offering": school.group_id, "variant": school.group_variant_id, **more}
    offering = db.session.get_one(Offering, how.pop("offering"))
    variant = db.session.get_one(Variant, how.pop("variant"))
    return service.schedule_session(offering=offering, variant=variant, starts_at=starts_at, **how).id


def test_what_is_kept_of_a_date(school: School) -> None:
    lesson_id = school.do(lambda: schedule(school, place=f" {'p' * 301} "))
    with tenant_scope(school.tenant_id):
        lesson = queries.lesson(lesson_id)
        assert (lesson.offering_id, lesson.variant_id) == (school.group_id, school.group_variant_id)
        assert (lesson.tutor_id, lesson.status, len(lesson.code)) == (school.tutor_id, SCHEDULED, 10)
        assert (lesson.starts_at, lesson.ends_at) == (MONDAY, MONDAY + HOUR)
        assert (lesson.timezone, lesson.place) == ("Europe/Berlin", "p" * 300)
        assert (lesson.capacity, lesson.taken) == (5, 0), "as many as the class usually has"
    assert school.history("lesson", lesson_id) == [("scheduled", None)]
    (event,) = school.heard.of(events.LessonScheduled)
    assert (event.tenant_id, event.lesson_id) == (school.tenant_id, lesson_id)
    with pytest.raises(SlotTaken) as refused:
        school.do(lambda: schedule(school, MONDAY + 30 * MINUTE))
    assert refused.value.data["alternatives"][0] == (MONDAY + HOUR).isoformat()
    empty = school.do(lambda: schedule(school, MONDAY + DAY, place=" "))
    with tenant_scope(school.tenant_id):
        assert queries.lesson(empty).place is None


def test_whoever_has_no_hours_teaches_in_the_companys_zone(school: School) -> None:
    def work() -> tuple[str, str]:
        tutor = Person(full_name="Nora New")
        db.session.add(tutor)
        db.session.flush()
        offering, variant = add_offering(tutor.id, kind=GROUP, capacity=5)
        first = queries.lesson(schedule(school, offering=offering, variant=variant))
        add_hours(tutor.id, timezone="Asia/Kathmandu")
        second = queries.lesson(schedule(school, MONDAY + DAY, offering=offering, variant=variant))
        return first.timezone, second.timezone

    assert school.do(work) == ("Europe/Berlin", "Asia/Kathmandu")


@pytest.mark.parametrize(("capacity", "fits"), [(0, False), (1, True), (500, True), (501, False)])
def test_so_many_seats(school: School, capacity: int, fits: bool) -> None:
    if fits:
        assert school.do(lambda: schedule(school, capacity=capacity))
        return
    with pytest.raises(Invalid, match="Between 1 and 500 seats") as refused:
        school.do(lambda: schedule(school, capacity=capacity))
    assert refused.value.field == "capacity"


def test_a_date_is_refused_and_why(school: School) -> None:
    def why(starts_at: dt.datetime = MONDAY, **more: Any) -> str:
        with pytest.raises(NotOffered) as refused:
            school.do(lambda: schedule(school, starts_at, **more))
        return str(refused.value.data["why"])

    assert why(offering=school.offering_id, variant=school.variant_id) == "by_slot"
    assert why(variant=school.variant_id) == "not_published"
    assert why(NOW) == "past"
    with school.inside() as session:
        session.get_one(Variant, school.group_variant_id).is_active = False
    assert why() == "not_published"
    with school.inside() as session:
        session.get_one(Variant, school.group_variant_id).is_active = True
        session.get_one(Offering, school.group_id).status = ARCHIVED
    assert why() == "not_published"
