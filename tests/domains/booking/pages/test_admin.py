"""Booking in the admin: what a manager sees, calls off and sets up for a tutor."""

from __future__ import annotations

from typing import Any

from app.core import clock
from app.core.db import db
from app.domains.booking import queries
from app.domains.booking.admin import ADMIN
from app.domains.booking.models import BOOKED, CANCELLED, Lesson, Occupation, SeatMove
from tests.domains.booking.pages.support import Stage, words_of
from tests.domains.booking.support import DAY, HOUR, MONDAY
from tests.support.statements import count_statements


def first(stage: Stage, model: type[Any]) -> int:
    return stage.read(lambda: db.session.query(model).order_by(model.id).first().id)


def rules(stage: Stage) -> list[tuple[int, int, int]]:
    def read() -> list[tuple[int, int, int]]:
        schedule = queries.schedule_of(stage.school.tutor_id)
        assert schedule is not None
        return [(r.weekday, r.starts_minute, r.ends_minute) for r in schedule.rules]

    return stage.read(read)


def test_every_list_and_record_can_be_looked_at(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    seat = stage.seat(code)
    stage.inside(lambda: stage.school.move(seat.id, MONDAY + DAY))
    manager = stage.world.manager()
    lists = {entry: manager.get(f"{entry().url}/") for entry in ADMIN}
    assert {page.status_code for page in lists.values()} == {200}
    records = {
        f"/admin/all-lessons/{seat.lesson_id}": ("Tutor anna", "Scheduled", "1/1", "Whose time it takes"),
        f"/admin/seats/{seat.id}": ("Student anna", "Booked", "€40.00", "Free until 1 day before", "Moved"),
        f"/admin/seat-moves/{first(stage, SeatMove)}": ("Jan 19, 2027",),
        f"/admin/occupations/{first(stage, Occupation)}": ("Jan 19, 2027",),
    }
    for path, parts in records.items():
        page = manager.get(path)
        assert page.status_code == 200, path
        for part in parts:
            assert part in words_of(page.text), (path, part)
    assert code not in manager.get("/admin/seats/").text, "a hold's code is a key"


def test_only_managers_look(stage: Stage) -> None:
    for role in ("student", "guardian", "tutor"):
        browser = stage.browser(role)
        assert {browser.get(f"{entry().url}/").status_code for entry in ADMIN} == {403}, role
    stranger = stage.world.manager(stage.world.bert)
    stage.booked(MONDAY)
    assert stranger.get(f"/admin/all-lessons/{first(stage, Lesson)}").status_code == 404


def test_lists_filter_by_state_and_date(stage: Stage) -> None:
    stage.booked(MONDAY)
    manager = stage.world.manager()
    assert "Maths" in manager.get("/admin/all-lessons/?status=scheduled&starts_at.from=2027-01-18").text
    assert "Maths" not in words_of(manager.get("/admin/all-lessons/?status=cancelled").text)
    assert "Student anna" in manager.get(f"/admin/seats/?student_id={stage.school.student_id}").text
    assert manager.get("/admin/seats/?status=sold").status_code == 400


def test_calling_a_lesson_off_gives_everything_back(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    path = f"/admin/all-lessons/{stage.seat(code).lesson_id}/do/cancel"
    manager = stage.world.manager()
    assert manager.post(path, reason="").status_code == 422
    with clock.frozen(MONDAY - HOUR):
        assert manager.post(path, reason="The tutor is ill").status_code == 302
    seat = stage.seat(code)
    assert (seat.status, seat.refund_minor) == (CANCELLED, 4000)
    token = manager.csrf("/account/")
    assert manager.post_raw(path, {"csrf_token": token, "reason": "again"}).status_code == 409


def test_cancelling_for_a_customer_goes_by_their_policy(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    seat_id = stage.seat(code).id
    manager = stage.world.manager()
    with clock.frozen(MONDAY - HOUR):
        assert "€20.00" in words_of(manager.get(f"/admin/seats/{seat_id}").text)
        assert manager.post(f"/admin/seats/{seat_id}/do/cancel", reason="Rang us up").status_code == 302
    seat = stage.seat(code)
    assert (seat.status, seat.refund_minor) == (CANCELLED, 2000)


def test_the_company_may_give_everything_back_for_one(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    place = stage.code_of(
        stage.inside(lambda: stage.school.book_place(stage.school.session(MONDAY + DAY, capacity=3)))
    )
    manager = stage.world.manager()
    with clock.frozen(MONDAY - HOUR):
        path = f"/admin/seats/{stage.seat(code).id}/do/call-off"
        assert manager.post(path, reason="Our fault").status_code == 302
        in_class = manager.get(f"/admin/seats/{stage.seat(place).id}")
        assert "give everything back" not in words_of(in_class.text).split("History")[0]
    assert stage.seat(code).refund_minor == 4000
    assert stage.seat(place).status == BOOKED


def test_states_and_money_are_nobody_s_to_type_in(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    seat = stage.seat(code)
    manager = stage.world.manager()
    token = manager.csrf("/account/")
    for path in (
        f"/admin/seats/{seat.id}",
        f"/admin/all-lessons/{seat.lesson_id}",
        "/admin/seats",
        "/admin/occupations",
    ):
        for what in ("edit", "delete", "add"):
            data = {"csrf_token": token, "status": "attended", "refund_minor": "4000"}
            assert manager.post_raw(f"{path}/{what}", data).status_code in {403, 404}, (path, what)
    assert (stage.seat(code).status, stage.seat(code).refund_minor) == (BOOKED, 0)


def test_a_manager_sets_up_a_tutor_s_hours(stage: Stage) -> None:
    manager = stage.world.manager()
    terms = {
        "timezone": "Asia/Tokyo", "buffer_before_minutes": "5", "buffer_after_minutes": "10",
        "notice_minutes": "60", "horizon_days": "30", "step_minutes": "15",
    }  # fmt: skip
    person = stage.world.anna.people["manager"]
    made = manager.post("/admin/availability-schedules/add", tutor=str(person), **terms)
    assert made.status_code == 302, words_of(made.text)
    schedule = made.headers["Location"].rsplit("/", 1)[1]
    wrong = manager.post(
        "/admin/availability-schedules/add", tutor=str(person), **{**terms, "step_minutes": "7"}
    )
    assert wrong.status_code == 422
    add = {"schedule": schedule, "weekday": "0", "starts_minute": "09:00", "ends_minute": "12:00"}
    for rule in (add, {**add, "starts_minute": "12:00", "ends_minute": "24:00"}):
        assert manager.post("/admin/availability-rules/add", **rule).status_code == 302
    page = words_of(manager.get("/admin/availability-rules/").text)
    assert "09:00" in page
    assert "24:00" in page
    for hours in (("12:00", "09:00"), ("25:00", "26:00"), ("x", "y"), ("1e309", "NaN")):
        bad = {**add, "starts_minute": hours[0], "ends_minute": hours[1]}
        assert manager.post("/admin/availability-rules/add", **bad).status_code == 422, hours
    day = {
        "schedule": schedule,
        "on_date": "2027-01-20",
        "starts_minute": "",
        "ends_minute": "",
        "note": "Holiday",
    }
    off = manager.post("/admin/availability-overrides/add", **day)
    assert off.status_code == 302
    assert "Holiday" in manager.get("/admin/availability-overrides/").text
    assert manager.post(f"{off.headers['Location']}/delete").status_code == 302
    assert "Holiday" not in words_of(manager.get("/admin/availability-overrides/").text)


def test_a_rule_that_is_deleted_leaves_the_others(stage: Stage) -> None:
    manager = stage.world.manager()
    before = rules(stage)
    rows = stage.read(lambda: queries.schedule_of(stage.school.tutor_id).rules)  # type: ignore[union-attr]
    assert manager.post(f"/admin/availability-rules/{rows[0].id}/delete").status_code == 302
    assert rules(stage) == before[1:]


def test_lists_take_few_statements_however_many_rows(stage: Stage) -> None:
    for number in range(2):
        stage.booked(MONDAY + number * DAY)
    manager = stage.world.manager()
    with stage.world.app.app_context():
        engine = db.engine
    paths = ("/admin/all-lessons/", "/admin/seats/", "/admin/occupations/")

    def count() -> list[int]:
        found = []
        for path in paths:
            manager.get(path)
            with count_statements(engine) as seen:
                manager.get(path)
            found.append(len(seen))
        return found

    few = count()
    for number in range(2, 5):
        stage.booked(MONDAY + number * DAY)
    assert count() == few
