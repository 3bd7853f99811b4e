"""What a tutor is told about a time that is not offered; and undoing what is harmless."""

from __future__ import annotations

import re

from app.core.db import db
from app.domains.booking import queries
from app.domains.booking.models import AvailabilityOverride
from tests.domains.booking.pages.support import HOSTILE, Stage, words_of
from tests.domains.booking.support import MONDAY
from tests.support.statements import count_statements
from tests.support.world import Browser

PATH = "/teach/availability/"


def ask(browser: Browser, date: str, time: str, lesson: str = "60") -> str:
    answer = browser.get(f"{PATH}?why_date={date}&why_time={time}&why_lesson={lesson}")
    assert answer.status_code == 200
    return words_of(answer.text).replace("\u202f", " ")


def test_each_rule_has_its_words(stage: Stage) -> None:
    lesson = stage.lesson(stage.seat(stage.booked(MONDAY)).lesson_id)
    tutor = stage.browser("tutor")
    for date, time, expected in (
        ("2027-01-18", "12:00", "It is offered: whoever looks now can book it."),
        ("2027-01-18", "10:30", f"You teach then: “{stage.offering.title}”, 10:00 AM – 11:00 AM."),
        ("2027-01-18", "07:00", "It is outside of your hours. Your hours on that day: 8:00 AM – 8:00 PM."),
        ("2027-01-18", "19:30", "The lesson would be longer than your hours: they end at 8:00 PM."),
        ("2027-01-18", "12:10", "The nearest: 12:00 PM, 12:30 PM."),
        ("2027-01-11", "06:30", "This time is over."),
        ("2027-01-11", "08:00", "at least 2 hours ahead. The earliest moment at present: Monday, January 11, 9:00 AM."),
        ("2027-09-18", "10:00", "at most 60 days ahead. The last day at present: Friday, March 12."),
        ("2027-03-28", "02:30", "The clocks skip this time on that day"),
        ("9999-12-31", "10:00", "This is too far away for any lesson."),
    ):  # fmt: skip
        assert expected in ask(tutor, date, time), (date, time)
    assert (
        f"/teach/lessons/{lesson.code}"
        in tutor.get(f"{PATH}?why_date=2027-01-18&why_time=10:00&why_lesson=60").text
    )


def test_what_is_not_published_is_said(stage: Stage) -> None:
    def hide() -> None:
        with stage.school.inside():
            stage.school.offering.status = "draft"

    stage.inside(hide)
    words = ask(stage.browser("tutor"), "2027-01-18", "12:00", str(stage.school.variant_id))
    assert "This offering is not published" in words


def test_a_question_that_is_none_is_answered_at_its_field(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    assert "Please fill this in." in ask(tutor, "", "")
    assert "Please write times like 09:30." in ask(tutor, "2027-01-18", "24:00")
    for text in HOSTILE:
        answer = tutor.get(PATH, query_string={"why_date": text, "why_time": text, "why_lesson": text})
        assert answer.status_code == 200, text


def test_it_takes_few_statements(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    with stage.world.app.app_context():
        engine = db.engine
    ask(tutor, "2027-01-18", "12:00")
    with count_statements(engine) as plain:
        tutor.get(PATH)
    with count_statements(engine) as asked:
        ask(tutor, "2027-01-18", "12:00", str(stage.school.variant_id))
    assert len(asked) - len(plain) <= 4, "\n".join(asked)


# -- Undo --------------------------------------------------------------------------------------------------


def dates(stage: Stage) -> list[tuple[str, int | None, int | None, str | None]]:
    def rows() -> list[AvailabilityOverride]:
        schedule = queries.schedule_of(stage.school.tutor_id)
        return list(schedule.overrides) if schedule else []

    found = stage.read(rows)
    return [(row.on_date.isoformat(), row.starts_minute, row.ends_minute, row.note) for row in found]


def undo(page: str) -> dict[str, str]:
    form = page.split("dates/restore", 1)[1].split("</form>", 1)[0]
    found = re.findall(r'name="(\w+)" value="([^"]*)"', form)
    return {name: value for name, value in found if name != "csrf_token"}


def test_a_removed_date_comes_back_as_it_was(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    tutor.post(
        f"{PATH}dates", page=PATH, on_date="2027-02-01", from_0="10:00", to_0="12:00", from_1="14:00",
        to_1="15:30", remark="Dentist",
    )  # fmt: skip
    before = dates(stage)
    assert len(before) == 2
    tutor.post(f"{PATH}dates/remove", page=PATH, on_date="2027-02-01")
    assert dates(stage) == []
    page = tutor.get(PATH).text
    assert "Removed: Monday, February 1" in words_of(page)
    assert "dates/restore" not in tutor.get(PATH).text, "once"
    answer = tutor.post(f"{PATH}dates/restore", page=PATH, **undo(page))
    assert answer.status_code == 302
    assert dates(stage) == before


def test_what_was_set_anew_meanwhile_stays(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    tutor.post(f"{PATH}dates", page=PATH, on_date="2027-02-01", is_off="y")
    tutor.post(f"{PATH}dates/remove", page=PATH, on_date="2027-02-01")
    fields = undo(tutor.get(PATH).text)
    tutor.post(f"{PATH}dates", page=PATH, on_date="2027-02-01", from_0="10:00", to_0="12:00")
    before = dates(stage)
    tutor.post(f"{PATH}dates/restore", page=PATH, **fields)
    assert dates(stage) == before


def test_nothing_else_is_brought_back_that_way(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    for fields in (
        {"on_date": "2027-02-01", "spans": "x"},
        {"on_date": "2027-02-01", "spans": "1-2-3"},
        {"on_date": "nonsense"},
        {},
    ):
        assert tutor.post(f"{PATH}dates/restore", page=PATH, **fields).status_code == 404, fields
    assert tutor.post(
        f"{PATH}dates/restore", page=PATH, on_date="2027-02-01", spans="900-100"
    ).status_code in {422, 400}
    tutor.post(f"{PATH}dates/restore", page=PATH, on_date="2020-02-01", spans="")
    assert dates(stage) == []
    student = stage.browser("student")
    assert student.post(f"{PATH}dates/restore", page="/account/", on_date="2027-02-01").status_code == 404
