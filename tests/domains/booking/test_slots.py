"""What is offered, read from the database: three statements, and nothing that a hold would then refuse."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from flask import Flask

from app.core.db import db
from app.core.errors import Invalid
from app.core.scope import tenant_scope
from app.domains.accounts.models import Person
from app.domains.booking import events, queries, service
from app.domains.booking.errors import NotOffered, SlotTaken
from app.domains.booking.models import AvailabilityOverride, AvailabilityRule
from app.domains.booking.service import NewTerms, Stretch
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW, School, add_hours, at
from tests.support.statements import assert_statements, count_statements


def starts(school: School, since: dt.datetime, until: dt.datetime) -> list[dt.datetime]:
    with tenant_scope(school.tenant_id):
        found = queries.slots(school.offering, school.variant, since=since, until=until)
    return [slot.starts_at for slot in found]


def test_two_weeks_are_one_statement(school: School) -> None:
    for number in range(6):
        school.hold(MONDAY + number * DAY, actor=f"v:{number}")
    school.do(lambda: service.set_override(schedule(school), on_date=MONDAY.date()) and None)
    with tenant_scope(school.tenant_id):
        offering, variant = school.offering, school.variant
        with assert_statements(db.engine, 1):
            found = queries.slots(offering, variant, since=NOW, until=NOW + 14 * DAY)
    assert len(found) > 200


def test_a_year_is_one_statement_too(school: School) -> None:
    with tenant_scope(school.tenant_id):
        offering, variant = school.offering, school.variant
        with count_statements(db.engine) as seen:
            found = queries.slots(
                offering,
                variant,
                since=dt.datetime.min.replace(tzinfo=dt.UTC),
                until=dt.datetime.max.replace(tzinfo=dt.UTC),
            )
    assert len(seen) == 1
    # As far as the tutor looks ahead, the last day whole.
    assert found[-1].starts_at == dt.datetime(2027, 3, 12, 18, tzinfo=dt.UTC)


def test_what_is_offered_is_held_and_what_is_not_is_refused(school: School) -> None:
    """Random times: the list, the explanation and the hold agree."""
    school.do(
        lambda: (
            add_hours(
                school.tutor_id,
                step_minutes=15,
                buffer_after_minutes=15,
                rules=[
                    Stretch(0, 545, 720),
                    Stretch(0, 780, 1000),
                    Stretch(1, 1380, 1440),
                    Stretch(2, 0, 120),
                ],
            )
            and None
        )
    )
    dice = random.Random(7)
    for number in range(4):
        offered = starts(school, MONDAY - 2 * HOUR, MONDAY + 4 * DAY)
        school.hold(dice.choice(offered), actor=f"v:{number}")
    offered = starts(school, MONDAY - 2 * HOUR, MONDAY + 4 * DAY)
    assert offered
    outcomes = set()
    for number in range(60):
        moment = MONDAY + dice.randrange(0, 4 * 288) * 5 * MINUTE
        with tenant_scope(school.tenant_id):
            why = queries.why_not_offered(school.offering, school.variant, moment)
        assert (why is None) == (moment in offered)
        outcomes.add(why)
        if why == "taken":
            with pytest.raises(SlotTaken):
                school.hold(moment, actor=f"v:other{number}")
        elif why is not None:
            with pytest.raises(NotOffered) as refused:
                school.hold(moment, actor=f"v:other{number}")
            assert refused.value.data == {"why": why}
    assert school.hold(offered[0], actor="v:last")
    assert {"outside_hours", "step"} <= outcomes


def test_holds_that_ran_out_are_offered_again_before_anybody_cleared_them(school: School) -> None:
    school.hold()
    assert MONDAY not in starts(school, MONDAY, MONDAY + HOUR)
    with at(NOW + 10 * MINUTE):
        assert MONDAY in starts(school, MONDAY, MONDAY + HOUR)


def test_a_date_of_ones_own_replaces_the_week(school: School) -> None:
    def override() -> None:
        service.set_override(schedule(school), on_date=MONDAY.date(), stretches=[(600, 660), (900, 1020)])

    school.do(override)
    found = starts(school, MONDAY - 12 * HOUR, MONDAY + 12 * HOUR)
    assert [moment.hour for moment in found] == [9, 14, 14, 15]
    school.do(
        lambda: service.set_override(schedule(school), on_date=MONDAY.date(), remark="Holiday") and None
    )
    assert starts(school, MONDAY - 12 * HOUR, MONDAY + 12 * HOUR) == []
    school.do(lambda: service.remove_override(schedule(school), on_date=MONDAY.date()))
    assert len(starts(school, MONDAY - 12 * HOUR, MONDAY + 12 * HOUR)) == 23
    assert school.do(lambda: db.session.query(AvailabilityOverride).count()) == 0


def schedule(school: School):  # type: ignore[no-untyped-def]
    found = queries.schedule_of(school.tutor_id)
    assert found is not None
    return found


def test_the_week_is_written_as_it_is_meant(school: School) -> None:
    def week() -> list[tuple[int, int, int]]:
        service.set_week(
            schedule(school), rules=[Stretch(0, 720, 800), Stretch(0, 540, 720), Stretch(4, 0, 1440)]
        )
        return [(r.weekday, r.starts_minute, r.ends_minute) for r in schedule(school).rules]

    assert school.do(week) == [(0, 540, 800), (4, 0, 1440)]
    kept = school.do(lambda: [row.id for row in db.session.query(AvailabilityRule)])
    assert school.do(week) == [(0, 540, 800), (4, 0, 1440)]
    assert school.do(lambda: [row.id for row in db.session.query(AvailabilityRule)]) == kept
    assert school.heard.of(events.AvailabilityChanged)[-1].tutor_id == school.tutor_id


@pytest.mark.parametrize(
    "rule",
    [Stretch(7, 0, 60), Stretch(-1, 0, 60), Stretch(0, 60, 60), Stretch(0, -1, 60), Stretch(0, 0, 1441)],
)
def test_what_is_no_working_time_is_refused(school: School, rule: Stretch) -> None:
    words = "must end after it begins" if rule.weekday == 0 else "not a day of the week"
    with pytest.raises(Invalid, match=words) as refused:
        school.do(lambda: service.set_week(schedule(school), rules=[rule]))
    assert refused.value.field == ("rules" if rule.weekday == 0 else "weekday")
    if rule.weekday == 0:
        span = (rule.starts_minute, rule.ends_minute)
        with pytest.raises(Invalid):
            school.do(
                lambda: (
                    service.set_override(schedule(school), on_date=MONDAY.date(), stretches=[span]) and None
                )
            )


def test_so_many_stretches_make_a_day(school: School) -> None:
    """Those that overlap are one, whichever ends later."""

    def write(stretches: list[tuple[int, int]]) -> list[tuple[int | None, int | None, str | None]]:
        day, remark = MONDAY.date(), f" {'r' * 121} "
        service.set_override(schedule(school), on_date=day, stretches=stretches, remark=remark)
        found = queries.overrides_of(schedule(school).id, day)
        return [(row.starts_minute, row.ends_minute, row.note) for row in found]

    note = "r" * 120
    school.heard.all.clear()
    assert school.do(lambda: write([(60, 300), (100, 200), (310, 320)])) == [
        (60, 300, note),
        (310, 320, note),
    ]
    most = [(60 * hour, 60 * hour + 30) for hour in range(24)]
    assert len(school.do(lambda: write(most))) == 24
    with pytest.raises(Invalid, match="Too many working times") as refused:
        school.do(lambda: write([*most, (45, 50)]))
    assert refused.value.field == "rules"
    assert school.do(lambda: write([])) == [(None, None, note)]
    told = school.heard.of(events.AvailabilityChanged)
    assert len(told) == 3
    assert {(event.tenant_id, event.tutor_id) for event in told} == {(school.tenant_id, school.tutor_id)}
    school.do(lambda: service.remove_override(schedule(school), on_date=MONDAY.date()))
    assert len(school.heard.of(events.AvailabilityChanged)) == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Europe/Atlantis"),
        ("buffer_before_minutes", -1),
        ("buffer_after_minutes", 241),
        ("notice_minutes", 43_201),
        ("horizon_days", 0),
        ("horizon_days", 366),
        ("step_minutes", 7),
    ],
)
def test_terms_have_their_bounds(school: School, field: str, value: object) -> None:
    def work() -> None:
        tutor = db.session.get_one(Person, school.tutor_id)
        service.set_schedule(tutor, terms=NewTerms(**{"timezone": "Europe/Berlin", field: value}))

    words = {"timezone": "not a time zone", "step_minutes": "one of the steps"}.get(field, "Between [01] and")
    with pytest.raises(Invalid, match=words) as refused:
        school.do(work)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "terms",
    [
        NewTerms("Asia/Kathmandu", 0, 0, 0, 1, 5),
        NewTerms("Europe/Berlin", 240, 240, 43_200, 365, 60),
        NewTerms("Europe/Berlin"),
    ],
)
def test_terms_up_to_their_bounds(school: School, terms: NewTerms) -> None:
    def work() -> None:
        service.set_schedule(db.session.get_one(Person, school.tutor_id), terms=terms)

    school.do(work)
    with tenant_scope(school.tenant_id):
        kept = schedule(school)
        assert [getattr(kept, name) for name in vars(terms)] == list(vars(terms).values())
    if terms != NewTerms("Europe/Berlin"):
        assert school.history("availability_schedule", kept.id)[-1] == ("working hours changed", None)


def test_no_schedule_no_slots(school: School) -> None:
    def work() -> None:
        nobody = Person(full_name="Nora New")
        db.session.add(nobody)
        db.session.flush()
        school.offering.tutor_id = nobody.id

    school.do(work)
    assert starts(school, NOW, NOW + 14 * DAY) == []
    with pytest.raises(NotOffered) as refused:
        school.hold()
    assert refused.value.data == {"why": "outside_hours"}


def test_the_zone_is_the_tutors(school: School, app: Flask) -> None:
    assert app
    school.do(
        lambda: add_hours(school.tutor_id, timezone="Asia/Kathmandu", rules=[Stretch(0, 600, 660)]) and None
    )
    assert starts(school, MONDAY - 12 * HOUR, MONDAY + 12 * HOUR) == [
        dt.datetime(2027, 1, 18, 4, 15, tzinfo=dt.UTC)
    ]
