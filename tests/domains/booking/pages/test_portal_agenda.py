"""The calendars: the list that works without a script, and what the script asks for; nothing of anybody else's."""

from __future__ import annotations

import datetime as dt
from typing import Any

from app.core import clock
from app.core.db import db
from app.domains.booking import queries, service
from app.domains.booking.models import BOOKED
from tests.domains.booking.pages.support import HOSTILE, Stage, words_of
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY
from tests.support.statements import count_statements
from tests.support.world import Browser

JSON = {"Accept": "application/json"}
WEEK = "from=2027-01-18&until=2027-01-24"


def ask(browser: Browser, path: str, query: str = WEEK) -> dict[str, Any]:
    answer = browser.get(f"{path}?{query}", headers=JSON)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def lessons(
    browser: Browser, path: str = "/learn/calendar/events", query: str = WEEK
) -> list[dict[str, Any]]:
    return [event for event in ask(browser, path, query)["events"] if event["kind"] == "lesson"]


def move(browser: Browser, code: str, starts_at: dt.datetime) -> Any:
    token = browser.csrf("/account/")
    data = {"csrf_token": token, "starts_at": starts_at.isoformat()}
    return browser.post_raw(f"/learn/lessons/{code}/move", data, headers=JSON)


# -- Who learns --------------------------------------------------------------------------------------------


def test_a_student_s_lessons_by_their_clock(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    stage.booked(MONDAY + 7 * DAY)
    student = stage.browser("student")
    (event,) = lessons(student)
    assert (event["id"], event["start"], event["end"]) == (code, "2027-01-18T10:00:00", "2027-01-18T11:00:00")
    assert event["url"] == f"/learn/lessons/{code}"
    assert event["state"] == "Booked"
    assert event["move_url"] == f"/learn/lessons/{code}/move"
    assert event["people"] == "Tutor anna"
    student.get("/o/x?zone=Asia/Tokyo")  # not asked there
    student.get(f"{stage.path}?zone=Asia/Tokyo")
    (event,) = lessons(student)
    assert event["start"] == "2027-01-18T18:00:00"


def test_a_lesson_over_midnight_is_in_both_days(stage: Stage) -> None:
    stage.booked(MONDAY)
    student = stage.browser("student")
    student.get(f"{stage.path}?zone=Pacific/Auckland")  # 22:00 to 23:00 there
    student.get(f"{stage.path}?zone=Australia/Lord_Howe")  # 20:00
    student.get(f"{stage.path}?zone=Pacific/Chatham")  # 22:45 to 23:45
    student.get(f"{stage.path}?zone=Pacific/Apia")  # 22:00
    student.get(f"{stage.path}?zone=Pacific/Kiritimati")  # 23:00 to 00:00
    assert len(lessons(student, query="from=2027-01-18&until=2027-01-18")) == 1
    assert lessons(student, query="from=2027-01-19&until=2027-01-19") == [], "it ends where the day begins"


def test_the_list_says_the_same_without_a_script(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    page = student.get("/learn/calendar/?from=2027-01-18")
    assert page.status_code == 200
    words = words_of(page.text).replace("\u202f", " ")
    assert "Monday, January 18" in words
    assert "10:00 AM – 11:00 AM" in words
    assert "Europe/Berlin" in words
    assert f'href="/learn/lessons/{code}"' in page.text
    assert f'href="/learn/lessons/{code}/move"' in page.text
    assert "No lessons in these days." in words_of(student.get("/learn/calendar/?from=2028-01-18").text)
    for text in HOSTILE:
        assert student.get("/learn/calendar/", query_string={"from": text}).status_code == 200, text


def test_a_guardian_sees_children_s_and_nobody_else_s(stage: Stage) -> None:
    stage.booked(MONDAY, student_id=(mia := stage.child("Mia")))
    stage.booked(MONDAY + DAY)
    (event,) = [e for e in lessons(stage.browser("guardian")) if e["people"].endswith("Mia")]
    assert event["people"] == "Tutor anna · Mia"
    assert mia
    assert [e["start"][:10] for e in lessons(stage.browser("student"))] == ["2027-01-19"]
    assert lessons(stage.browser("manager")) == []
    assert lessons(stage.foreigner("guardian")) == []
    assert stage.browser().get(f"/learn/calendar/events?{WEEK}").status_code == 302


def test_what_is_no_stretch_of_days_is_refused(stage: Stage) -> None:
    student = stage.browser("student")
    for query in (
        "", "from=2027-01-18", "from=2027-01-18&until=2027-01-17", "from=2027-01-18&until=2027-06-18",
        "from=0001-01-01&until=0001-01-02", "from=9999-12-30&until=9999-12-31", "from=x&until=y",
    ):  # fmt: skip
        for path in ("/learn/calendar/events", "/teach/calendar/events"):
            who = stage.browser("tutor") if path.startswith("/teach") else student
            assert who.get(f"{path}?{query}", headers=JSON).status_code == 422, query
    for text in HOSTILE:
        answer = student.get(
            "/learn/calendar/events", query_string={"from": text, "until": text}, headers=JSON
        )
        assert answer.status_code in {200, 422}, text


# -- Moving ------------------------------------------------------------------------------------------------


def test_free_times_are_those_of_the_move_page(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    stage.booked(MONDAY + 2 * HOUR, student_id=stage.school.other_id)
    student = stage.browser("student")
    found = ask(student, f"/learn/calendar/free/{code}", "from=2027-01-18&until=2027-01-18")["times"]

    def offered() -> list[str]:
        seat = queries.seat_by_code(code)
        slots = queries.pages.slots_to_move(seat, since=MONDAY - 10 * HOUR, until=MONDAY + 14 * HOUR)
        return [slot.starts_at.isoformat() for slot in slots]

    assert [each["value"] for each in found] == stage.read(offered)
    assert {each["field"] for each in found} == {"starts_at"}
    assert "2027-01-18T12:00:00" not in {each["start"] for each in found}, "somebody else's"
    assert found[0]["words"].replace("\u202f", " ") == "Monday, January 18, 8:00 AM – 9:00 AM"


def test_what_can_t_be_moved_has_no_times(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    path = f"/learn/calendar/free/{code}"
    with clock.frozen(MONDAY - HOUR):
        assert ask(student, path)["times"] == []
        (event,) = lessons(student)
        assert event["move_url"] == event["free_url"] == ""
        assert event["notes"][0].startswith("The time to move it ended")
    for other in (stage.browser("tutor"), stage.foreigner("student")):
        assert other.get(f"{path}?{WEEK}", headers=JSON).status_code == 404


def test_late_moves_are_told_what_they_keep(stage: Stage) -> None:
    stage.booked(MONDAY)
    student = stage.browser("student")
    late = "Free cancellation is over for this lesson, and moving it does not bring it back."
    assert late not in lessons(student)[0]["notes"]
    with clock.frozen(MONDAY - 13 * HOUR):
        assert late in lessons(student)[0]["notes"]


def test_a_class_moves_to_its_other_dates(stage: Stage) -> None:
    first, second, full = (
        stage.inside(lambda at=at, n=n: stage.school.session(at, n))
        for at, n in ((MONDAY, 3), (MONDAY + DAY, 3), (MONDAY + 2 * DAY, 1))
    )
    stage.inside(lambda: stage.school.book_place(full, student_id=stage.school.other_id))
    code = stage.code_of(stage.inside(lambda: stage.school.book_place(first)))
    found = ask(stage.browser("student"), f"/learn/calendar/free/{code}")["times"]
    assert [(each["field"], each["value"]) for each in found] == [("lesson", stage.lesson(second).code)]


def test_the_calendar_moves_through_the_same_door(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    answer = move(student, code, MONDAY + 4 * HOUR)
    assert answer.status_code == 200
    said = answer.get_json()["message"].replace("\u202f", " ")
    assert said == "Moved. Your lesson is now on Monday, January 18, 2:00 PM."
    again = move(student, code, MONDAY + 4 * HOUR)
    assert again.status_code == 200, "sent twice it is one move"
    assert len(stage.read(lambda: queries.moves_of(queries.seat_by_code(code).id))) == 1


def test_a_refusal_says_why(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    stage.booked(MONDAY + 2 * HOUR, student_id=stage.school.other_id)
    student = stage.browser("student")
    for at, status, words in (
        (MONDAY + 2 * HOUR, 409, "This time has just been taken."),
        (MONDAY - 8 * DAY, 422, "This time is over."),
    ):
        answer = move(student, code, at)
        assert (answer.status_code, answer.get_json()["message"][: len(words)]) == (status, words)
    with clock.frozen(MONDAY - HOUR):
        late = move(student, code, MONDAY + DAY)
        assert late.status_code == 409
        assert late.get_json()["message"].startswith("The time to move it ended")
    assert stage.seat(code).lesson.starts_at == MONDAY
    assert stage.seat(code).status == BOOKED


# -- Who teaches -------------------------------------------------------------------------------------------


def test_a_tutor_sees_lessons_hours_dates_and_what_is_kept_free(stage: Stage) -> None:
    def terms() -> None:
        with stage.school.inside():
            schedule = queries.schedule_of(stage.school.tutor_id)
            assert schedule is not None
            schedule.buffer_after_minutes = 15
            service.set_override(schedule, on_date=MONDAY.date() + DAY, stretches=[(600, 720)])
            service.set_override(schedule, on_date=MONDAY.date() + 2 * DAY, remark="Away")

    stage.inside(terms)
    stage.booked(MONDAY)
    lesson_id = stage.inside(lambda: stage.school.session(MONDAY + 4 * HOUR, 3))
    stage.inside(lambda: stage.school.book_place(lesson_id))
    events = ask(stage.browser("tutor"), "/teach/calendar/events")["events"]
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_kind.setdefault(event["kind"], []).append(event)
    one, group = by_kind["lesson"]
    assert (one["people"], one["seats"]) == ("Student anna", "")
    assert (group["people"], group["seats"]) == ("Student anna", "1 of 3 seats")
    assert one["move_url"] == "", "tutors move nobody's lesson"
    assert [(e["start"], e["end"]) for e in by_kind["buffer"]][0] == (
        "2027-01-18T10:00:00",
        "2027-01-18T11:15:00",
    )
    hours = {e["start"][:10]: (e["start"][11:16], e["end"][11:16]) for e in by_kind["hours"]}
    assert hours["2027-01-18"] == ("08:00", "20:00")
    assert hours["2027-01-19"] == ("10:00", "12:00")
    assert "2027-01-20" not in hours
    dates = [(e["start"], e["title"].replace("\u202f", " "), e["people"]) for e in by_kind["date"]]
    assert dates == [
        ("2027-01-19", "Other hours: 10:00 AM – 12:00 PM", ""), ("2027-01-20", "Day off", "Away"),
    ]  # fmt: skip
    page = words_of(stage.browser("tutor").get("/teach/calendar/?from=2027-01-18").text)
    assert "1 of 3 seats" in page


def test_what_is_over_is_not_to_come_though_nobody_has_marked_it(stage: Stage) -> None:
    def pause() -> None:
        with stage.school.inside():
            schedule = queries.schedule_of(stage.school.tutor_id)
            assert schedule is not None
            schedule.buffer_after_minutes = 15

    stage.inside(pause)
    stage.booked(MONDAY)
    stage.booked(MONDAY + 4 * HOUR)
    student, tutor = stage.browser("student"), stage.browser("tutor")
    with clock.frozen(MONDAY + HOUR - MINUTE):  # it is not over
        assert [event["state"] for event in lessons(student)] == ["Booked", "Booked"]
    with clock.frozen(MONDAY + HOUR):
        assert [(event["state"], event["tone"]) for event in lessons(student)] == [
            ("Over", "info"), ("Booked", "success"),
        ]  # fmt: skip
        events = ask(tutor, "/teach/calendar/events")["events"]
    taught = [(event["state"], event["tone"]) for event in events if event["kind"] == "lesson"]
    assert taught == [("Over", "info"), ("Scheduled", "success")]
    # The pause after it is not over yet; a minute after its end it is of no use to anybody.
    assert [event["end"][11:16] for event in events if event["kind"] == "buffer"] == ["11:15", "15:15"]
    with clock.frozen(MONDAY + HOUR + 15 * MINUTE):
        events = ask(tutor, "/teach/calendar/events")["events"]
    assert [event["end"][11:16] for event in events if event["kind"] == "buffer"] == ["15:15"]


def test_a_tutor_s_calendar_is_theirs(stage: Stage) -> None:
    stage.booked(MONDAY)
    for browser in (stage.browser("student"), stage.browser("manager")):
        assert browser.get("/teach/calendar/").status_code == 404
        assert browser.get(f"/teach/calendar/events?{WEEK}").status_code == 404
    assert lessons(stage.foreigner("tutor"), "/teach/calendar/events") == []


def test_whoever_just_holds_a_time_is_not_named(stage: Stage) -> None:
    lesson_id = stage.inside(lambda: stage.school.session(MONDAY, 3))
    stage.inside(lambda: stage.school.hold_seat(lesson_id))
    tutor = stage.browser("tutor")
    (event,) = lessons(tutor, "/teach/calendar/events")
    assert (event["people"], event["seats"]) == ("Somebody who is just booking", "1 of 3 seats")
    with clock.frozen(clock.now() + 11 * MINUTE):
        (event,) = lessons(tutor, "/teach/calendar/events")
    assert (event["people"], event["seats"]) == ("Nobody yet", "0 of 3 seats")


# -- Statements --------------------------------------------------------------------------------------------


def test_few_statements_however_many_lessons(stage: Stage) -> None:
    student, tutor = stage.browser("student"), stage.browser("tutor")
    with stage.world.app.app_context():
        engine = db.engine
    seen: dict[str, list[int]] = {}
    for number in range(2):
        code = stage.booked(MONDAY + number * DAY)
        if number:
            for more in range(2, 6):
                stage.booked(MONDAY + more * DAY)
        for who, path in (
            (student, "/learn/calendar/events"), (tutor, "/teach/calendar/events"),
            (student, f"/learn/calendar/free/{code}"),
        ):  # fmt: skip
            with count_statements(engine) as statements:
                ask(who, path)
            seen.setdefault(path.rsplit("/", 1)[0] if "free" in path else path, []).append(len(statements))
    # The viewer, the seats. The viewer; lessons, their seats; the schedule, its rules and dates; what is taken.
    # The viewer, the seat, the schedule with its rules, its dates, twice who is busy when.
    assert seen["/learn/calendar/events"] == [2, 2]
    assert seen["/teach/calendar/events"] == [7, 7]
    assert max(seen["/learn/calendar/free"]) <= 7, seen
