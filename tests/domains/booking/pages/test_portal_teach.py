"""A tutor's lessons, hours and class dates; and nothing of another tutor's."""

from __future__ import annotations

import datetime as dt
from typing import Any

from app.core import clock
from app.core.db import db
from app.domains.booking import queries
from app.domains.booking.models import (
    ATTENDED,
    BOOKED,
    CANCELLED,
    DONE,
    MISSED,
    AvailabilitySchedule,
    Lesson,
)
from tests.domains.booking.pages.support import HOSTILE, Stage, words_of
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, add_offering
from tests.support.statements import count_statements
from tests.support.world import Browser

AFTER = MONDAY + HOUR


def lesson_of(stage: Stage, code: str) -> Lesson:
    return stage.lesson(stage.seat(code).lesson_id)


def mark(browser: Browser, lesson: Lesson, seat: str, attended: str, **more: str) -> Any:
    page = f"/teach/lessons/{lesson.code}"
    return browser.post(f"{page}/attendance", page="/account/", seat=seat, attended=attended, **more)


# -- Lessons -----------------------------------------------------------------------------------------------


def test_everybody_else_finds_nothing_here(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    lesson = lesson_of(stage, code)
    paths = ("/teach/", f"/teach/lessons/{lesson.code}", "/teach/availability/", "/teach/sessions/")
    for browser in (stage.browser("student"), stage.browser("guardian"), stage.browser("manager")):
        assert [browser.get(path).status_code for path in paths] == [404] * 4
        token = {"csrf_token": browser.csrf("/account/")}
        for path in (
            f"{paths[1]}/attendance", f"{paths[1]}/cancel", paths[2], f"{paths[2]}dates", f"{paths[2]}dates/remove", paths[3],
        ):  # fmt: skip
            assert browser.post_raw(path, token).status_code == 404, path
    assert stage.foreigner("tutor").get(paths[1]).status_code == 404, "another company's tutor"
    assert stage.browser().get("/teach/").status_code == 302


def test_before_the_first_booking_there_is_something_to_do(stage: Stage) -> None:
    page = stage.browser("tutor").get("/teach/")
    assert "Nobody has booked yet" in page.text
    assert 'href="/teach/availability/"' in page.text


def test_what_comes_by_days_with_names(stage: Stage) -> None:
    stage.booked(MONDAY)
    stage.booked(MONDAY + 2 * HOUR, student_id=stage.school.other_id)
    stage.inside(lambda: stage.school.session(MONDAY + DAY, capacity=3))
    tutor = stage.browser("tutor")
    with clock.frozen(MONDAY - HOUR):
        words = words_of(tutor.get("/teach/").text)
    for part in (
        "Today, Monday, January 18",
        "Student anna",
        "Olaf Other",
        "Tomorrow, Tuesday",
        "0 of 3 seats",
    ):
        assert part in words, part
    assert "Did they come?" not in words


def test_a_hold_is_no_student_yet(stage: Stage) -> None:
    lesson = stage.lesson(stage.inside(lambda: stage.school.session(MONDAY)))
    stage.inside(lambda: stage.school.hold_seat(lesson.id))
    tutor = stage.browser("tutor")
    assert "Somebody who is just booking" in tutor.get(f"/teach/lessons/{lesson.code}").text
    with clock.frozen(MONDAY + HOUR):
        assert "Somebody who is just booking" not in tutor.get(f"/teach/lessons/{lesson.code}").text


def test_who_came_is_asked_first_and_marked_with_a_click(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    tutor = stage.browser("tutor")
    with clock.frozen(AFTER):
        words = words_of(tutor.get("/teach/").text)
        assert words.index("Did they come?") < words.index("Student anna")
        answer = mark(tutor, lesson_of(stage, code), code, "yes", next="/teach/")
        assert answer.headers["Location"] == "/teach/"
        assert "Did they come?" not in words_of(tutor.get("/teach/").text).replace("Student anna came.", "")
        assert stage.seat(code).status == ATTENDED
        assert lesson_of(stage, code).status == DONE
        mark(tutor, lesson_of(stage, code), code, "no")
    assert stage.seat(code).status == MISSED, "it can be corrected"


def test_of_whom_nothing_was_said_is_told(stage: Stage) -> None:
    """Of the lesson it is said that it is over, of a person that nobody has marked them yet."""
    lesson = f"/teach/lessons/{lesson_of(stage, stage.booked(MONDAY)).code}"
    tutor = stage.browser("tutor")
    with clock.frozen(MONDAY + HOUR - MINUTE):
        under_way = words_of(tutor.get(lesson).text)
    with clock.frozen(MONDAY + HOUR):
        over = words_of(tutor.get(lesson).text)
    assert "Booked" in under_way
    assert "Not marked yet" not in under_way
    assert "Over" in over
    assert "Not marked yet" in over
    assert "Booked" not in over


def test_marking_has_its_time(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    tutor, lesson = stage.browser("tutor"), lesson_of(stage, code)
    with clock.frozen(MONDAY - MINUTE):
        assert "Attended" not in words_of(tutor.get(f"/teach/lessons/{lesson.code}").text)
        mark(tutor, lesson, code, "yes")
        assert "once the lesson has begun" in tutor.get("/teach/").text
    assert stage.seat(code).status == BOOKED
    with clock.frozen(AFTER):
        mark(tutor, lesson, code, "yes")
    with clock.frozen(AFTER + 8 * DAY):
        assert "Did not come" not in words_of(tutor.get(f"/teach/lessons/{lesson.code}").text)
        mark(tutor, lesson, code, "no")
    assert stage.seat(code).status == ATTENDED


NEITHER = ["", "maybe", "1", "yes\x00"]


def test_what_is_neither_marks_nothing(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    tutor, lesson = stage.browser("tutor"), lesson_of(stage, code)
    for attended in NEITHER:
        with clock.frozen(AFTER):
            assert mark(tutor, lesson, code, attended).status_code == 404, attended
        assert stage.seat(code).status == BOOKED


def test_a_seat_of_another_lesson_is_not_marked_through_this_one(stage: Stage) -> None:
    code, other = stage.booked(MONDAY), stage.booked(MONDAY + DAY)
    with clock.frozen(AFTER + DAY):
        answer = mark(stage.browser("tutor"), lesson_of(stage, code), other, "yes")
    assert answer.status_code == 404
    assert stage.seat(other).status == BOOKED


def test_nobody_is_led_elsewhere(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    with clock.frozen(AFTER):
        answer = mark(stage.browser("tutor"), lesson_of(stage, code), code, "yes", next="https://evil.test/")
    assert answer.headers["Location"].startswith("/teach/lessons/")


def test_calling_a_lesson_off_gives_everybody_everything(stage: Stage) -> None:
    lesson_id = stage.inside(lambda: stage.school.session(MONDAY, capacity=3))
    codes = [
        stage.code_of(stage.inside(lambda who=who: stage.school.book_place(lesson_id, who, actor=f"v:{who}")))
        for who in (stage.school.student_id, stage.school.other_id)
    ]
    tutor, path = stage.browser("tutor"), f"/teach/lessons/{stage.lesson(lesson_id).code}/cancel"
    words = words_of(tutor.get(path).text)
    assert "2 people have booked." in words
    assert "€80.00 in all" in words
    assert tutor.post(path, reason="").status_code == 422
    assert tutor.post(path, reason="x" * 1001).status_code == 422
    assert stage.lesson(lesson_id).status != CANCELLED
    with clock.frozen(MONDAY - HOUR):  # late for customers, never for the tutor
        assert tutor.post(path, reason="Ill, sorry").status_code == 302
    assert [stage.seat(code).refund_minor for code in codes] == [4000, 4000]
    assert tutor.get(path).status_code == 302, "it is done"
    assert "Ill, sorry" in tutor.get(path.removesuffix("/cancel")).text


def test_after_somebody_was_marked_it_is_not_called_off(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    tutor, lesson = stage.browser("tutor"), lesson_of(stage, code)
    with clock.frozen(MONDAY + 30 * MINUTE):
        token = tutor.csrf(f"/teach/lessons/{lesson.code}/cancel")
        mark(tutor, lesson, code, "yes")
        answer = tutor.post_raw(f"/teach/lessons/{lesson.code}/cancel", {"csrf_token": token, "reason": "x"})
    assert answer.status_code == 302
    assert stage.seat(code).refund_minor == 0


def test_why_it_can_t_be_cancelled_is_said(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    lesson = lesson_of(stage, code)
    tutor = stage.browser("tutor")
    assert "can't be cancelled any more" not in words_of(tutor.get(f"/teach/lessons/{lesson.code}").text)
    with clock.frozen(AFTER):
        mark(tutor, lesson, code, "yes")
        words = words_of(tutor.get(f"/teach/lessons/{lesson.code}").text)
    assert "so it can't be cancelled any more" in words


def test_the_lists_take_few_statements_however_many_lessons(stage: Stage) -> None:
    for number in range(2):
        stage.booked(MONDAY + number * DAY)
    tutor = stage.browser("tutor")
    with stage.world.app.app_context():
        engine = db.engine
    with clock.frozen(MONDAY + 90 * MINUTE):
        tutor.get("/teach/")
        with count_statements(engine) as few:
            tutor.get("/teach/")
    for number in range(2, 6):
        stage.booked(MONDAY + number * DAY)
        stage.booked(MONDAY + number * DAY + 2 * HOUR, student_id=stage.school.other_id)
    with clock.frozen(MONDAY + 90 * MINUTE), count_statements(engine) as many:
        tutor.get("/teach/")
    # The viewer; what is to be marked and what comes, with seats and names each; what was; what was taught and
    # earned (three); the steps to a first booking; the top bar's two.
    assert len(few) == len(many) <= 13, "\n".join(many)


# -- Hours -------------------------------------------------------------------------------------------------

TERMS = {
    "timezone": "Europe/Berlin",
    "buffer_before_minutes": "0",
    "buffer_after_minutes": "15",
    "notice_minutes": "120",
    "horizon_days": "60",
    "step_minutes": "30",
}
HOURS = "/teach/availability/"


def schedule_of(stage: Stage) -> AvailabilitySchedule:
    found = stage.read(lambda: queries.schedule_of(stage.school.tutor_id))
    assert found is not None
    return found


def filled(**hours: str) -> dict[str, str]:
    """The week's fields as a browser sends them: those that are not filled in are empty."""
    names = (f"d{day}_{place}_{end}" for day in range(7) for place in range(3) for end in ("from", "to"))
    return {**dict.fromkeys(names, ""), **hours}


def week_of(stage: Stage) -> list[tuple[int, int, int]]:
    return [(r.weekday, r.starts_minute, r.ends_minute) for r in schedule_of(stage).rules]


def test_the_week_is_saved_as_it_was_filled_in(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    hours = {
        "d0_0_from": "09:00", "d0_0_to": "12:30", "d0_1_from": "14:00", "d0_1_to": "00:00",
        "d6_2_from": "7:05", "d6_2_to": "24:00",
    }  # fmt: skip
    assert tutor.post(HOURS, **TERMS, **filled(**hours)).status_code == 302
    assert week_of(stage) == [(0, 540, 750), (0, 840, 1440), (6, 425, 1440)]
    assert schedule_of(stage).buffer_after_minutes == 15
    page = tutor.get(HOURS).text
    assert 'value="09:00"' in page
    assert 'value="00:00"' in page, "the day's end"


NO_HOURS = [
    ({"d1_0_from": "12:00", "d1_0_to": "11:00"}, "It must end after it begins"),
    ({"d1_0_from": "12:00", "d1_0_to": "12:00"}, "It must end after it begins"),
    ({"d1_0_from": "12:00"}, "fill in both"),
    ({"d1_0_to": "12:00"}, "fill in both"),
    ({"d1_0_from": "25:00", "d1_0_to": "26:00"}, "Please write times like 09:30."),
    ({"d1_0_from": "9", "d1_0_to": "10"}, "Please write times like 09:30."),
    ({"d1_0_from": "1e309", "d1_0_to": "NaN"}, "Please write times like 09:30."),
    ({"d1_0_from": "٠٩:٠٠", "d1_0_to": "10:00"}, "Please write times like 09:30."),
    ({"d1_0_from": "0" * 5000, "d1_0_to": "10:00"}, "Please write times like 09:30."),
]


def test_what_are_no_hours_is_said_at_their_day(stage: Stage) -> None:
    before, tutor = week_of(stage), stage.browser("tutor")
    for hours, says in NO_HOURS:
        answer = tutor.post(HOURS, **TERMS, **filled(**hours))
        assert answer.status_code == 422, hours
        assert says in words_of(answer.text)
        assert "Tuesday," in words_of(answer.text)
        assert week_of(stage) == before


NO_TERMS = [
    {"timezone": "Mars/Olympus"},
    {"timezone": ""},
    {"timezone": "../etc/passwd"},
    {"buffer_after_minutes": "-5"},
    {"buffer_after_minutes": "1e309"},
    {"notice_minutes": "9" * 400},
    {"horizon_days": "0"},
    {"horizon_days": "99999"},
    {"step_minutes": "7"},
    {"step_minutes": ""},
]


def test_terms_that_are_none_are_refused(stage: Stage) -> None:
    before, tutor = schedule_of(stage), stage.browser("tutor")
    for wrong in NO_TERMS:
        answer = tutor.post(HOURS, **{**TERMS, **filled(), **wrong})
        assert answer.status_code == 422, wrong
        after = schedule_of(stage)
        assert (after.timezone, after.step_minutes) == (before.timezone, before.step_minutes)
        assert week_of(stage) != []


def test_a_first_week_opens_the_hours(stage: Stage) -> None:
    """Bert's tutor has none yet."""
    tutor = stage.foreigner("tutor")
    assert "You have no hours yet" in words_of(tutor.get(HOURS).text)
    dates = tutor.post(f"{HOURS}dates", page=HOURS, on_date="2027-01-20", is_off="y")
    assert dates.headers["Location"] == HOURS
    assert tutor.post(HOURS, **TERMS, **filled(d0_0_from="10:00", d0_0_to="12:00")).status_code == 302
    words = words_of(tutor.get(HOURS).text).replace("\u202f", " ")
    assert "Mon, Jan 11 3 times: 10:00 AM to 11:00 AM" in words


def test_a_date_that_differs_and_the_week_again(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    off = tutor.post(f"{HOURS}dates", page=HOURS, on_date="2027-01-18", is_off="y", remark="Holiday")
    assert off.status_code == 302
    words = words_of(tutor.get(HOURS).text)
    assert "Monday, January 18" in words
    assert "Day off" in words
    assert "Holiday" in words
    assert "Nothing is free" in stage.browser().get(f"{stage.path}?day=2027-01-18").text
    other = tutor.post(
        f"{HOURS}dates",
        page=HOURS,
        on_date="2027-01-18",
        from_0="10:00",
        to_0="11:00",
        from_1="15:00",
        to_1="16:00",
    )
    assert other.status_code == 302
    assert "10:00 AM – 11:00 AM, 3:00 PM – 4:00 PM" in words_of(tutor.get(HOURS).text)
    again = tutor.post(f"{HOURS}dates/remove", page=HOURS, on_date="2027-01-18")
    assert again.status_code == 302
    assert schedule_of(stage).overrides == []


NO_DAYS = [
    {"on_date": "2027-02-30", "is_off": "y"},
    {"on_date": "", "is_off": "y"},
    {"on_date": "2027-01-10", "is_off": "y"},
    {"on_date": "9999-12-31", "is_off": "y"},
    {"on_date": "0001-01-01", "is_off": "y"},
    {"on_date": "2027-01-18"},
    {"on_date": "2027-01-18", "from_0": "10:00"},
    {"on_date": "2027-01-18", "from_0": "12:00", "to_0": "10:00"},
    {"on_date": "2027-01-18", "is_off": "y", "remark": "x" * 121},
    {"on_date": "2027-01-18", "is_off": "y", "remark": "\x00"},
]


def test_a_date_that_is_none_is_refused(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    for date in NO_DAYS:
        assert tutor.post(f"{HOURS}dates", page=HOURS, **date).status_code == 422, date
        assert schedule_of(stage).overrides == []


NO_DATES = ["", "x", "2027-02-30", "\x00", "9" * 5000]


def test_removing_what_is_no_date_is_nothing(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    for text in NO_DATES:
        answer = tutor.post(f"{HOURS}dates/remove", page=HOURS, on_date=text)
        assert answer.status_code == 404, text


# -- Class dates -------------------------------------------------------------------------------------------

SESSIONS = "/teach/sessions/"


def add(stage: Stage, browser: Browser, **more: str) -> Any:
    data = {
        "variant": str(stage.school.group_variant_id),
        "on_date": "2027-01-18",
        "at_time": "10:00",
        "capacity": "3",
        **more,
    }
    return browser.post(SESSIONS, **data)


def dates(stage: Stage) -> list[Lesson]:
    return stage.read(lambda: list(db.session.query(Lesson).order_by(Lesson.id)))


def test_a_date_is_meant_by_the_tutor_s_clock(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    assert add(stage, tutor, place="https://call.example/x").status_code == 302
    [lesson] = dates(stage)
    assert (lesson.starts_at, lesson.capacity) == (MONDAY, 3)
    words = words_of(tutor.get(SESSIONS).text).replace("\u202f", " ")
    assert "Monday, January 18, 10:00 AM – 11:00 AM" in words
    assert "0 of 3 seats" in words


def test_a_double_click_is_one_date(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    key = {"form_key": "abcdefgh12345678"}
    assert [add(stage, tutor, **key).status_code for _ in range(2)] == [302, 302]
    assert len(dates(stage)) == 1
    assert add(stage, tutor).status_code == 409, "another one at that time"


def test_a_time_that_the_clocks_skip_is_refused(stage: Stage) -> None:
    """28 March 2027, 2:30 in Berlin."""
    answer = add(stage, stage.browser("tutor"), on_date="2027-03-28", at_time="02:30")
    assert answer.status_code == 422
    assert "The clocks skip this time on that day." in answer.text
    assert dates(stage) == []


def test_a_time_that_comes_twice_is_asked_about(stage: Stage) -> None:
    """31 October 2027, 2:30 in Berlin: at 00:30 and at 01:30 UTC."""
    tutor = stage.browser("tutor")
    asked = add(stage, tutor, on_date="2027-10-31", at_time="02:30")
    assert asked.status_code == 422
    assert "Which one?" in asked.text
    assert dates(stage) == []
    second = dt.datetime(2027, 10, 31, 1, 30, tzinfo=dt.UTC)
    wrong = add(stage, tutor, on_date="2027-10-31", at_time="02:30", which="x")
    assert wrong.status_code == 422
    assert (
        add(stage, tutor, on_date="2027-10-31", at_time="02:30", which=second.isoformat()).status_code == 302
    )
    assert [lesson.starts_at for lesson in dates(stage)] == [second]


NO_SESSIONS = [
    *({"at_time": text} for text in HOSTILE[:6]),
    {"at_time": "24:00"},
    {"on_date": "2027-01-10"},
    {"on_date": "9999-12-31"},
    {"on_date": "2027-02-29"},
    {"capacity": "0"},
    {"capacity": "-1"},
    {"capacity": "501"},
    {"capacity": "1e309"},
    {"capacity": "9" * 5000},
    {"variant": "0"},
    {"variant": ""},
    {"variant": "'"},
    {"place": "x" * 301},
    {"on_date": "2027-01-11", "at_time": "07:00"},
]


def test_what_is_no_date_is_refused(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    for wrong in NO_SESSIONS:
        assert add(stage, tutor, **wrong).status_code == 422, wrong
        assert dates(stage) == []


def test_only_one_s_own_group_classes_have_dates(stage: Stage) -> None:
    def work() -> int:
        with stage.school.inside():
            return add_offering(stage.world.anna.people["manager"], kind="group", capacity=4)[1]

    foreign = stage.inside(work)
    tutor = stage.browser("tutor")
    for variant in (foreign, stage.school.variant_id):
        assert add(stage, tutor, variant=str(variant)).status_code == 422
    assert dates(stage) == []
