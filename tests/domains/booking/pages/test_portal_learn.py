"""A student's and a guardian's lessons: what they see, cancelling and moving; and nothing of anybody else's."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from icalendar import Calendar

from app.core import clock
from app.core.db import db
from app.domains.booking import queries, service
from app.domains.booking.models import ATTENDED, BOOKED, CANCELLED, RELEASED, SeatMove
from app.domains.booking.policies import calendar as mailed
from tests.domains.booking.pages.support import HOSTILE, Stage, offered, words_of
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW
from tests.support.statements import count_statements
from tests.support.world import Browser

SECOND = dt.timedelta(seconds=1)


def lesson(code: str, what: str = "") -> str:
    return f"/learn/lessons/{code}{what}"


def cancel(browser: Browser, code: str, **more: str) -> object:
    """As somebody does who sees the page and clicks."""
    page = browser.get(lesson(code, "/cancel"))
    assert page.status_code == 200, page.text
    expected = re.search(r'name="expected" value="(\d+)"', page.text)
    assert expected
    data = {"expected": expected.group(1), **more}
    return browser.post(lesson(code, "/cancel"), **data)


# -- The list ----------------------------------------------------------------------------------------------


def test_without_lessons_there_is_the_way_to_one(stage: Stage) -> None:
    page = stage.browser("student").get("/learn/")
    assert page.status_code == 200
    assert "No lessons yet" in page.text
    assert 'href="/search"' in page.text


def test_the_next_lesson_first_then_the_others_and_what_was(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    stage.booked(MONDAY + DAY)
    student = stage.browser("student")
    words = words_of(student.get("/learn/").text)
    assert (
        words.index("Your next lesson")
        < words.index("Monday, January 18")
        < words.index("Tuesday, January 19")
    )
    with clock.frozen(MONDAY + 10 * MINUTE):
        assert " Now " in words_of(student.get("/learn/").text)
    with clock.frozen(MONDAY + 2 * HOUR):
        page = student.get("/learn/").text
        words = words_of(page)
        assert (
            words.index("Tuesday, January 19")
            < words.index("Past and cancelled")
            < words.index("Monday, January 18")
        )
        assert lesson(code) in page


def test_a_guardian_sees_each_child_s(stage: Stage) -> None:
    mia, ben = stage.child("Mia"), stage.child("Ben")
    stage.booked(MONDAY, student_id=mia)
    stage.booked(MONDAY + DAY, student_id=ben)
    stage.booked(MONDAY + 2 * DAY, student_id=mia)
    words = words_of(stage.browser("guardian").get("/learn/").text)
    assert "Tutor anna · Mia" in words
    headings = [words.index(f" {name} 1 ") for name in ("Mia", "Ben")]
    assert headings == sorted(headings), "in the order of their next lesson"


def test_what_is_held_and_not_booked_is_a_reminder(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    page = student.get("/learn/")
    assert "Reserved, but not booked yet" in page.text
    assert f"/checkout/{code}" in page.text


def test_visitors_sign_in_first(stage: Stage) -> None:
    for path in ("/learn/", lesson("0" * 40), lesson("0" * 40, "/cancel"), lesson("0" * 40, "/move")):
        answer = stage.browser().get(path)
        assert answer.status_code == 302
        assert "/login/" in answer.headers["Location"]


# -- One lesson --------------------------------------------------------------------------------------------


def test_a_lesson_says_when_where_and_what_can_still_be_done(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    words = words_of(stage.browser("student").get(lesson(code)).text).replace("\u202f", " ")
    for part in (
        "Monday, January 18, 10:00 AM – 11:00 AM (Europe/Berlin)",
        "Tutor anna",
        "€40.00",
        "You can move it 2 more times, until Sunday, January 17, 10:00 PM.",
        "You can cancel free of charge until Sunday, January 17, 10:00 AM.",
        "Calendar file",
        "Message the tutor",
    ):
        assert part in words, part
    assert "Order and receipt" not in words, "the guardian paid it"
    assert "Order and receipt" in stage.browser("guardian").get(lesson(code)).text


SECONDS = [
    (MONDAY - DAY, "You can cancel free of charge until", "You can move it 2 more times, until"),
    (
        MONDAY - DAY + SECOND,
        "If you cancel now, you get €20.00 of €40.00 back.",
        "You can move it 2 more times, until",
    ),
    (MONDAY - 12 * HOUR, "you get €20.00 of €40.00 back", "You can move it 2 more times, until"),
    (MONDAY - 12 * HOUR + SECOND, "you get €20.00 of €40.00 back", "The time to move it ended"),
    (MONDAY, "has begun, so it can't be cancelled", "has begun, so it can't be moved"),
]


def test_what_can_be_done_depends_on_the_second(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    for at, cancels, moves in SECONDS:
        with clock.frozen(at):
            words = words_of(student.get(lesson(code)).text)
        assert cancels in words
        assert moves in words


def test_nobody_sees_a_lesson_of_others(stage: Stage) -> None:
    code = stage.booked(MONDAY, student_id=stage.child("Mia"))
    for browser in (
        stage.browser("student"),
        stage.browser("tutor"),
        stage.browser("manager"),
        stage.foreigner("guardian"),
    ):
        token = browser.csrf("/account/")
        for what in ("", "/cancel", "/move", "/calendar.ics"):
            assert browser.get(lesson(code, what)).status_code == 404, what
        for what, data in (
            ("/cancel", {"expected": "4000"}),
            ("/move", {"starts_at": (MONDAY + DAY).isoformat()}),
        ):
            answer = browser.post_raw(lesson(code, what), {"csrf_token": token, **data})
            assert answer.status_code == 404, what
    assert stage.seat(code).status == BOOKED


def test_a_guardian_sees_a_child_s_lesson_that_somebody_else_paid(stage: Stage) -> None:
    mia = stage.child("Mia")
    code = stage.booked(MONDAY, student_id=mia)

    def pay_otherwise() -> None:
        with stage.school.inside():
            queries.seat_by_code(code).payer_id = stage.school.other_id

    stage.inside(pay_otherwise)
    assert stage.browser("guardian").get(lesson(code)).status_code == 200


GUESSED = ["0" * 40, "x", "%00", "';--", "0" * 4000]


def test_a_guessed_code_is_nothing(stage: Stage) -> None:
    student = stage.browser("student")
    for code in GUESSED:
        for what in ("", "/cancel", "/move", "/calendar.ics"):
            assert student.get(lesson(code, what)).status_code == 404, code


def test_a_hold_is_no_lesson(stage: Stage) -> None:
    student = stage.browser("student")
    held = stage.held(student)
    assert student.get(lesson(held)).status_code == 404
    given_up = student.post(f"/checkout/{held}/release", page=f"/checkout/{held}")
    assert given_up.status_code == 302
    assert stage.seat(held).status == RELEASED
    assert student.get(lesson(held)).status_code == 404


def test_the_calendar_file_is_the_event_of_the_mail(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    answer = student.get(lesson(code, "/calendar.ics"))
    assert answer.content_type.startswith("text/calendar")
    [event] = Calendar.from_ical(answer.data).walk("VEVENT")
    seat = stage.seat(code)
    assert event["uid"] == mailed.uid_of_seat(seat, "anna.localhost")
    assert event["sequence"] == mailed.sequence_of_seat(seat)
    assert event["dtstart"].dt == MONDAY
    assert event["status"] == "CONFIRMED"
    stage.inside(lambda: stage.school.cancel(seat.id))
    [gone] = Calendar.from_ical(student.get(lesson(code, "/calendar.ics")).data).walk("VEVENT")
    assert (gone["uid"], gone["status"]) == (event["uid"], "CANCELLED")
    assert gone["sequence"] == mailed.sequence_of_seat(stage.seat(code)) > event["sequence"]


# -- Cancelling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "minor", "says"),
    [
        (NOW, 4000, "You get everything back"),
        (MONDAY - DAY, 4000, "You get everything back"),
        (MONDAY - DAY + SECOND, 2000, "After that 50% is refunded."),
        (MONDAY - SECOND, 2000, "After that 50% is refunded."),
    ],
)
def test_what_the_page_says_is_what_goes_back(stage: Stage, at: dt.datetime, minor: int, says: str) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    with clock.frozen(at):
        page = student.get(lesson(code, "/cancel"))
        assert says in words_of(page.text)
        assert f'name="expected" value="{minor}"' in page.text
        answer = cancel(student, code, reason="ill")
    assert answer.status_code == 302
    seat = stage.seat(code)
    assert (seat.status, seat.refund_minor, seat.cancel_reason) == (CANCELLED, minor, "ill")
    words = words_of(student.get(lesson(code)).text)
    assert f"€{minor / 100:.2f} of €40.00 goes back to you." in words
    assert "Reason: ill" in words


def test_what_changed_meanwhile_is_shown_again_first(stage: Stage) -> None:
    """The page stood open while the free time ran out."""
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    token = student.csrf(lesson(code, "/cancel"))
    with clock.frozen(MONDAY - HOUR):
        answer = student.post_raw(lesson(code, "/cancel"), {"csrf_token": token, "expected": "4000"})
        assert answer.status_code == 409
        assert "has changed meanwhile" in answer.text
        assert 'value="2000"' in answer.text
        assert stage.seat(code).status == BOOKED
        assert cancel(student, code).status_code == 302
    assert stage.seat(code).refund_minor == 2000


NO_AMOUNTS = ["", "x", "-1", "4000.0", "1e309", "9" * 5000]


def test_without_the_amount_it_showed_nothing_is_cancelled(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    for expected in NO_AMOUNTS:
        assert student.post(lesson(code, "/cancel"), expected=expected).status_code == 409
        assert stage.seat(code).status == BOOKED


def test_a_double_click_cancels_once(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    token = student.csrf(lesson(code, "/cancel"))
    data = {"csrf_token": token, "expected": "4000"}
    first = student.post_raw(lesson(code, "/cancel"), data)
    second = student.post_raw(lesson(code, "/cancel"), data)
    assert (first.status_code, second.status_code) == (302, 302)
    assert stage.seat(code).refund_minor == 4000
    assert student.get(lesson(code, "/cancel")).headers["Location"] == lesson(code)


NO_REASONS = ["x" * 1001, "\x00", "a\x85b", "\x1b[2J"]


def test_a_reason_that_can_t_be_kept_is_refused(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    for reason in NO_REASONS:
        assert student.post(lesson(code, "/cancel"), expected="4000", reason=reason).status_code == 422
        assert stage.seat(code).status == BOOKED


def test_a_reason_is_shown_as_text(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    cancel(student, code, reason="<script>alert(1)</script> مريض 🤒")
    page = student.get(lesson(code)).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; مريض 🤒" in page


# -- Moving ------------------------------------------------------------------------------------------------


def move(browser: Browser, code: str, starts_at: dt.datetime | str, **more: str) -> object:
    text = starts_at if isinstance(starts_at, str) else starts_at.isoformat()
    return browser.post(lesson(code, "/move"), starts_at=text, **more)


def test_a_lesson_moves_to_a_free_time(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    page = student.get(lesson(code, "/move") + "?day=2027-01-19")
    assert (MONDAY + DAY).isoformat() in offered(page.text)
    answer = move(student, code, MONDAY + DAY)
    assert answer.headers["Location"] == lesson(code)
    assert stage.seat(code).lesson.starts_at == MONDAY + DAY
    assert "Moved. Your lesson is now on Tuesday, January 19" in words_of(student.get(lesson(code)).text)


def test_it_may_overlap_itself_but_not_another(stage: Stage) -> None:
    """By half an hour, which its own time does not stand in the way of."""
    code = stage.booked(MONDAY)
    stage.booked(MONDAY + 2 * HOUR, student_id=stage.school.other_id)
    student = stage.browser("student")
    times = offered(student.get(lesson(code, "/move") + "?day=2027-01-18").text)
    assert (MONDAY + 30 * MINUTE).isoformat() in times
    assert MONDAY.isoformat() not in times, "that is where it is"
    assert (MONDAY + HOUR + 30 * MINUTE).isoformat() not in times
    assert move(student, code, MONDAY + 30 * MINUTE).status_code == 302
    taken = move(student, code, MONDAY + HOUR + 30 * MINUTE)
    assert taken.status_code == 409
    assert "just been taken" in taken.text
    assert offered(taken.text.split('id="times"')[0])
    assert stage.seat(code).lesson.starts_at == MONDAY + 30 * MINUTE


def test_a_double_click_moves_once(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    assert [move(student, code, MONDAY + DAY).status_code for _ in range(2)] == [302, 302]
    moves = stage.read(lambda: db.session.query(SeatMove).count())
    assert moves == 1


def test_what_is_no_time_moves_nothing(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    for text in filter(str.strip, HOSTILE):
        assert move(student, code, text).status_code == 422, text
        assert stage.seat(code).lesson.starts_at == MONDAY


def test_what_is_not_offered_says_why(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    for starts_at, why in (
        (NOW - DAY, "is over"),
        (NOW + HOUR, "too soon"),
        (MONDAY + 5 * MINUTE, "not offered"),
    ):
        answer = move(student, code, starts_at)
        assert answer.status_code == 422
        assert why in words_of(answer.text)
    assert stage.seat(code).lesson.starts_at == MONDAY


def test_too_late_or_too_often_there_is_no_page_for_it(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    token = student.csrf(lesson(code, "/move"))
    with clock.frozen(MONDAY - HOUR):
        assert student.get(lesson(code, "/move")).headers["Location"] == lesson(code)
        data = {"csrf_token": token, "starts_at": (MONDAY + DAY).isoformat()}
        assert student.post_raw(lesson(code, "/move"), data).headers["Location"] == lesson(code)
        assert words_of(student.get(lesson(code)).text).count("The time to move it ended") == 2, "said, too"
    assert stage.seat(code).lesson.starts_at == MONDAY
    for number in (1, 2):
        assert move(student, code, MONDAY + number * DAY).status_code == 302
    words = words_of(student.get(lesson(code)).text)
    assert "It was moved 2 times." in words
    assert student.get(lesson(code, "/move")).status_code == 302


def test_moved_late_it_stays_late(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    with clock.frozen(MONDAY - 20 * HOUR):
        assert "moving it does not bring it back" in student.get(lesson(code, "/move")).text
        move(student, code, MONDAY + 7 * DAY)
        words = words_of(student.get(lesson(code, "/cancel")).text)
        assert "€20.00" in words
        assert "its former time still counts" in words_of(student.get(lesson(code)).text)


def test_a_place_in_a_class_moves_to_another_date(stage: Stage) -> None:
    first = stage.inside(lambda: stage.school.session(MONDAY))
    second = stage.lesson(stage.inside(lambda: stage.school.session(MONDAY + DAY, capacity=1)))
    code = stage.code_of(stage.inside(lambda: stage.school.book_place(first)))
    student = stage.browser("student")
    page = student.get(lesson(code, "/move"))
    assert "Move here" in page.text
    assert second.code in page.text
    assert offered(page.text) == []
    assert student.post(lesson(code, "/move"), lesson=second.code).status_code == 302
    assert stage.seat(code).lesson_id == second.id
    gone = student.post(lesson(code, "/move"), lesson="0000000000")
    assert gone.status_code == 409
    assert student.post(lesson(code, "/move"), starts_at=(MONDAY + DAY).isoformat()).status_code == 422


def test_a_cancelled_class_says_why_and_what_comes_back(stage: Stage) -> None:
    lesson_id = stage.inside(lambda: stage.school.session(MONDAY))
    code = stage.code_of(stage.inside(lambda: stage.school.book_place(lesson_id)))

    def call_off() -> None:
        with stage.school.inside():
            service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason="I am ill, sorry")

    stage.inside(call_off)
    words = words_of(stage.browser("student").get(lesson(code)).text)
    assert "I am ill, sorry" in words
    assert "€40.00 of €40.00 goes back to you." in words
    assert "Move it" not in words


def test_what_took_place_can_only_be_looked_at(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    with clock.frozen(MONDAY + 2 * HOUR):

        def mark() -> None:
            with stage.school.inside():
                service.mark_attendance(queries.seat_by_code(code), attended=True)

        stage.inside(mark)
        words = words_of(stage.browser("student").get(lesson(code)).text)
    assert stage.seat(code).status == ATTENDED
    assert "Attended" in words
    assert "Something came up?" not in words


def test_the_list_takes_few_statements_however_many_lessons(stage: Stage) -> None:
    for number in range(3):
        stage.booked(MONDAY + number * DAY)
    student = stage.browser("student")
    student.get("/learn/")
    with stage.world.app.app_context():
        engine = db.engine
    with count_statements(engine) as few:
        student.get("/learn/")
    for number in range(3, 7):
        stage.booked(MONDAY + number * DAY)
    with count_statements(engine) as many:
        student.get("/learn/")
    # The viewer, what comes, what was, what was learned, what is held, and the two counts of the top bar.
    assert len(few) == len(many) <= 7, "\n".join(many)


# -- Explained ---------------------------------------------------------------------------------------------


def test_how_it_was_moved_is_told(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    assert "How it was moved" not in student.get(lesson(code)).text
    move(student, code, MONDAY + DAY)
    words = words_of(student.get(lesson(code)).text).replace("\u202f", " ")
    assert "from Monday, January 18, 10:00 AM → to Tuesday, January 19, 10:00 AM" in words
    assert "Moved: Monday, January 11, 7:00 AM" in words


def test_each_refusal_says_the_rule_and_when_it_changed(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    with clock.frozen(MONDAY - HOUR):
        words = words_of(student.get(lesson(code)).text).replace("\u202f", " ")
        assert "The time to move it ended: Sunday, January 17, 10:00 PM." in words
        assert "It could be moved until 12 hours before it begins." in words
        assert "Free cancellation ended: Sunday, January 17, 10:00 AM." in words
    with clock.frozen(MONDAY + MINUTE):
        words = words_of(student.get(lesson(code)).text).replace("\u202f", " ")
        assert "so it can't be cancelled any more. It began: Monday, January 18, 10:00 AM." in words


def test_the_preview_says_why_it_is_so_much_and_so_does_the_lesson_afterwards(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    student = stage.browser("student")
    with clock.frozen(MONDAY - HOUR):
        preview = words_of(student.get(lesson(code, "/cancel")).text).replace("\u202f", " ")
        assert (
            "Why this amount? Free cancellation ended: Sunday, January 17, 10:00 AM. After that 50% is"
            " refunded. 50% of €40.00 is €20.00."
        ) in preview
        cancel(student, code)
        after = words_of(student.get(lesson(code)).text).replace("\u202f", " ")
    assert "Why this amount? Cancelled: Monday, January 18, 9:00 AM." in after
    assert "After that 50% is refunded." in after


def test_a_link_alone_is_a_button_while_there_is_something_to_join(stage: Stage) -> None:
    code = stage.booked(MONDAY)

    def place(text: str) -> None:
        with stage.school.inside():
            queries.seat_by_code(code).lesson.place = text

    student = stage.browser("student")
    for text, is_button in (
        ("https://meet.example.org/abc", True),
        ("Room 3, https://meet.example.org/abc", False),
        ("javascript:alert(1)", False),
    ):
        stage.inside(lambda text=text: place(text))
        assert ("Join the lesson" in student.get(lesson(code)).text) == is_button, text
    stage.inside(lambda: place("https://meet.example.org/abc"))
    with clock.frozen(MONDAY + HOUR):
        assert "Join the lesson" not in student.get(lesson(code)).text
