"""From a held time to the order: who learns, until when, and what the page says when it is too late."""

from __future__ import annotations

import re
from datetime import timedelta

from app.core import clock
from app.core.db import db
from app.domains.accounts.models import ACTIVE, STUDENT, Membership
from app.domains.booking.models import BOOKED, HELD, LAPSED, RELEASED, Lesson
from app.domains.catalog.models import TRIAL, Offering, TaxRate
from app.domains.payments.models import Order
from tests.domains.accounts.test_handover import visit
from tests.domains.booking.pages.support import Stage, code_in, offered, words_of
from tests.domains.booking.support import MINUTE, MONDAY, NOW, add_hours, add_offering
from tests.support.statements import count_statements
from tests.support.world import Browser

SECOND = timedelta(seconds=1)
HOLD_OVER = 10 * MINUTE + SECOND
CONTINUE = ">Continue<"


def orders(stage: Stage) -> list[Order]:
    return stage.read(lambda: list(db.session.query(Order).order_by(Order.id)))


def go_on(browser: Browser, code: str, student: int | str, **more: str) -> str:
    """Choose who learns, and continue; where it leads."""
    answer = browser.post(f"/checkout/{code}", student=str(student), **more)
    assert answer.status_code == 302, words_of(answer.text)
    return answer.headers["Location"]


# -- Visitors ----------------------------------------------------------------------------------------------


def test_a_visitor_sees_what_is_held_and_the_way_in(stage: Stage) -> None:
    browser = stage.browser()
    code = stage.held(browser)
    page = browser.get(f"/checkout/{code}")
    assert page.status_code == 200
    words = words_of(page.text)
    for part in (
        "Reserved for you until 7:10 AM",
        "Monday, January 18, 10:00 AM – 11:00 AM",
        "€40.00",
        "Tutor anna",
    ):
        assert part in words.replace("\u202f", " "), part
    assert 'data-seconds-left="600"' in page.text
    assert f'href="/login/?next=/checkout/{code}"' in page.text
    assert f'href="/register/?next=/checkout/{code}"' in page.text
    assert CONTINUE not in page.text


def test_a_visitor_signs_in_and_goes_on_with_what_they_held(stage: Stage) -> None:
    browser = stage.browser()
    code = stage.held(browser)
    student = stage.world.anna
    answer = browser.post(
        f"/login/?next=/checkout/{code}", email=student.email("student"), password="correct horse battery",
        next=f"/checkout/{code}",
    )  # fmt: skip
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith(f"/checkout/{code}")
    assert CONTINUE in browser.get(f"/checkout/{code}").text
    location = go_on(browser, code, student.people["student"])
    [order] = orders(stage)
    assert location == f"/checkout/{code}/check"
    assert f'action="/pay/{order.code}"' in browser.get(location).text
    assert order.actor == f"u:{student.accounts['student']}"
    assert stage.seat(code).actor == order.actor, "it is the account's now"


def test_whoever_has_the_code_can_go_on_in_another_browser(stage: Stage) -> None:
    """A mail opened on the phone: the link is the key, until an account has taken it."""
    code = stage.held(stage.browser())
    assert stage.browser().get(f"/checkout/{code}").status_code == 200
    student = stage.browser("student")
    go_on(student, code, stage.school.student_id)
    assert stage.browser("guardian").get(f"/checkout/{code}").status_code == 404
    visitor = stage.browser().get(f"/checkout/{code}")
    assert visitor.status_code == 302
    assert "/login/" in visitor.headers["Location"]


NO_CODES = ["0" * 40, "x", "0" * 39, "0" * 41, "%00", "..", "é" * 40]


def test_a_code_that_is_none_says_nothing(stage: Stage) -> None:
    """A visitor is asked to sign in, as for one that there is; whoever is signed in finds nothing."""
    visitor, student = stage.browser(), stage.browser("student")
    for code in NO_CODES:
        assert visitor.get(f"/checkout/{code}").status_code in {302, 404}, code
        assert student.get(f"/checkout/{code}").status_code == 404, code


def test_what_an_account_holds_is_nobody_else_s(stage: Stage) -> None:
    owner = stage.browser("guardian")
    code = stage.held(owner)
    for browser in (stage.browser("student"), stage.browser("tutor"), stage.browser("manager")):
        assert browser.get(f"/checkout/{code}").status_code == 404
        token = browser.csrf("/account/")
        for path in ("", "/renew", "/release"):
            data = {"csrf_token": token, "student": str(stage.school.student_id)}
            assert browser.post_raw(f"/checkout/{code}{path}", data).status_code == 404
    assert stage.foreigner("guardian").get(f"/checkout/{code}").status_code == 404
    assert stage.seat(code).status == HELD


# -- Who learns --------------------------------------------------------------------------------------------


def test_a_student_learns_themselves(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    words = words_of(student.get(f"/checkout/{code}").text)
    assert "Myself (Student anna)" in words
    assert "Add a child" not in words
    go_on(student, code, stage.school.student_id)
    seat = stage.seat(code)
    assert (seat.student_id, seat.payer_id) == (stage.school.student_id, stage.school.student_id)


def test_a_guardian_books_for_a_child(stage: Stage) -> None:
    mia, ben = stage.child("Mia"), stage.child("Ben")
    guardian = stage.browser("guardian")
    code = stage.held(guardian)
    words = words_of(guardian.get(f"/checkout/{code}").text)
    assert all(name in words for name in ("Mia", "Ben", "Myself", "Add a child"))
    location = go_on(guardian, code, mia)
    assert stage.seat(code).student_id == mia
    assert go_on(guardian, code, ben) == location, "changed while unpaid, it is the same order"
    seat = stage.seat(code)
    assert (seat.student_id, seat.payer_id) == (ben, stage.school.payer_id)


def test_a_guardian_without_children_is_not_taken_for_the_student(stage: Stage) -> None:
    guardian = stage.browser("guardian")
    page = guardian.get(f"/checkout/{stage.held(guardian)}").text
    assert 'value="me"' in page
    assert "checked" not in page


def test_where_a_call_is_those_who_booked_it_read(stage: Stage) -> None:
    lesson_id = stage.inside(lambda: stage.school.session())

    def called() -> str:
        with stage.school.inside():
            lesson = db.session.get_one(Lesson, lesson_id)
            lesson.place = "https://meet.example.org/secret"
            return lesson.code

    lesson_code = stage.inside(called)
    browser, path = stage.browser(), f"/o/{stage.group.slug}"
    code = code_in(browser.post(f"{path}/hold", page=path, lesson=lesson_code))
    page = browser.get(f"/checkout/{code}").text
    assert "Online. You get the link with your booking." in page
    assert "meet.example.org" not in page


def test_a_guardian_can_learn_too(stage: Stage) -> None:
    guardian = stage.browser("guardian")
    code = stage.held(guardian)
    go_on(guardian, code, "me")
    assert stage.seat(code).student_id == stage.school.payer_id

    def roles() -> set[str]:
        found = db.session.query(Membership).filter_by(person_id=stage.school.payer_id, status=ACTIVE)
        return {member.role_key for member in found if member.role_key}

    assert STUDENT in stage.read(roles)


def test_nobody_books_for_somebody_else_s_child(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    for other in (stage.school.other_id, stage.school.tutor_id, stage.child(), "me", "0", "", "x", "9" * 30):
        answer = student.post(f"/checkout/{code}", student=str(other))
        assert answer.status_code == 422, other
    assert orders(stage) == []
    assert stage.seat(code).student_id is None


def test_whoever_is_no_student_here_is_told_how_to_become_one(stage: Stage) -> None:
    tutor = stage.browser("tutor")
    code = stage.held(tutor)
    page = tutor.get(f"/checkout/{code}")
    assert "Your account here is not a student's yet." in words_of(page.text)
    assert CONTINUE not in page.text


def test_a_child_is_not_in_two_lessons_at_once(stage: Stage) -> None:
    """With another tutor at the same time; the page says it, and offers times that suit both."""
    stage.booked(MONDAY, student_id=(mia := stage.child("Mia")))

    def another() -> Offering:
        with stage.school.inside():
            add_hours(stage.world.anna.people["manager"])
            offering_id, _variant = add_offering(stage.world.anna.people["manager"])
            return db.session.get_one(Offering, offering_id)

    offering = stage.inside(another)
    guardian, path = stage.browser("guardian"), f"/o/{offering.slug}"
    page = guardian.get(f"{path}?day=2027-01-18").text
    variant = re.search(r'name="variant" value="(\d+)"', page)
    assert variant
    code = code_in(
        guardian.post(f"{path}/hold", page=path, variant=variant.group(1), starts_at=MONDAY.isoformat())
    )
    answer = guardian.post(f"/checkout/{code}", student=str(mia))
    assert answer.status_code == 409
    assert "Mia has another lesson at that time." in answer.text
    assert offered(answer.text)[0] == (MONDAY + timedelta(hours=1)).isoformat()


def test_the_tax_inside_the_price_is_said(stage: Stage) -> None:
    def work() -> None:
        with stage.school.inside():
            rate = TaxRate(name="VAT 19%", code="DE19", rate_bp=1900)
            db.session.add(rate)
            db.session.flush()
            stage.school.offering.tax_rate_id = rate.id

    stage.inside(work)
    browser = stage.browser()
    assert "€6.39 of it is VAT 19%." in words_of(browser.get(f"/checkout/{stage.held(browser)}").text)


# -- Check -------------------------------------------------------------------------------------------------


def test_everything_once_more_before_it_is_paid(stage: Stage) -> None:
    mia = stage.child("Mia")
    guardian = stage.browser("guardian")
    code = stage.held(guardian)
    location = go_on(guardian, code, mia)
    page = guardian.get(location)
    words = words_of(page.text).replace("\u202f", " ")
    for part in (
        "Who learns Mia",
        "Monday, January 18, 10:00 AM – 11:00 AM (Europe/Berlin)",
        "€40.00",
        "Free cancellation until Sunday, January 17, 10:00 AM.",
        "After that 50% is refunded, until the lesson begins.",
        "You can move it up to 2 times, until Sunday, January 17, 10:00 PM.",
        "Reserved for you until 7:10 AM",
        "Pay €40.00",
    ):
        assert part in words, part
    [order] = orders(stage)
    assert f'action="/pay/{order.code}"' in page.text
    assert f'href="/checkout/{code}"' in page.text, "the way back"
    again = guardian.get(f"/checkout/{code}").text
    assert re.search(rf'value="{mia}"[^>]*checked|checked[^>]*value="{mia}"', again), "nothing is lost"


def test_deadlines_that_are_over_are_said_so(stage: Stage) -> None:
    student = stage.browser("student")
    with clock.frozen(MONDAY - timedelta(hours=11)):
        code = stage.held(student)
        words = words_of(student.get(go_on(student, code, stage.school.student_id)).text)
    assert "It is too late for a free cancellation already. If you cancel, 50% is refunded." in words
    assert "You can move it" not in words, "that is over, too"


def test_there_is_nothing_to_check_before_or_after(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    check, start = f"/checkout/{code}/check", f"/checkout/{code}"
    assert student.get(check).headers["Location"] == start, "nobody said who learns"
    go_on(student, code, stage.school.student_id)
    assert stage.browser("guardian").get(check).status_code == 404
    visitor = stage.browser().get(check)
    assert "/login/" in visitor.headers["Location"]
    with clock.frozen(NOW + HOLD_OVER):
        assert student.get(check).headers["Location"] == start
    stage.inside(lambda: stage.school.pay(orders(stage)[0].id))
    assert student.get(check).headers["Location"] == start


def test_from_the_order_to_what_was_booked_with_it(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    go_on(student, code, stage.school.student_id)
    [order] = orders(stage)
    path = f"/orders/{order.code}/booking"
    assert student.get(path).headers["Location"] == f"/checkout/{code}/check"
    stage.inside(lambda: stage.school.pay(order.id))
    assert student.get(path).headers["Location"] == f"/checkout/{code}"
    page = student.get(f"/checkout/{code}").text
    for part in (f"/learn/lessons/{code}/calendar.ics", "/messages/with/", f"/orders/{order.code}"):
        assert part in page, part
    assert "What happens next" in page
    assert stage.browser("guardian").get(path).status_code == 404
    assert stage.browser().get(path).status_code == 404
    assert student.get(f"/orders/{'0' * 20}/booking").status_code == 404
    assert stage.foreigner("student").get(path).status_code == 404


# -- Time --------------------------------------------------------------------------------------------------


def test_ten_minutes_more_once(stage: Stage) -> None:
    browser = stage.browser()
    code = stage.held(browser)
    page = f"/checkout/{code}"
    with clock.frozen(NOW + 9 * MINUTE):
        assert browser.post(f"{page}/renew", page=page).status_code == 302
        shown = browser.get(page)
        assert 'data-seconds-left="600"' in shown.text
        assert "Ten minutes more" not in shown.text
        browser.post(f"{page}/renew", page=page)
        assert "can be extended once only" in browser.get(page).text
    assert stage.seat(code).expires_at == NOW + 19 * MINUTE


def test_given_up_it_is_free_for_others(stage: Stage) -> None:
    browser = stage.browser()
    code = stage.held(browser)
    answer = browser.post(f"/checkout/{code}/release", page=f"/checkout/{code}")
    assert answer.headers["Location"] == stage.path
    assert stage.seat(code).status == RELEASED
    assert stage.held(stage.browser()) != code
    assert "You gave this reservation up" in browser.get(f"/checkout/{code}").text


def test_to_the_last_second(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    with clock.frozen(NOW + 10 * MINUTE - SECOND):
        assert CONTINUE in student.get(f"/checkout/{code}").text
    with clock.frozen(NOW + 10 * MINUTE):
        assert "Your reservation has run out" in student.get(f"/checkout/{code}").text


def test_too_late_it_says_so_and_offers_the_same_again(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    token = student.csrf(f"/checkout/{code}")
    with clock.frozen(NOW + 11 * MINUTE):
        late = student.post_raw(
            f"/checkout/{code}", {"csrf_token": token, "student": str(stage.school.student_id)}
        )
        assert late.status_code == 409
        words = words_of(late.text)
        assert "Your reservation has run out" in words
        assert offered(late.text)[0] == MONDAY.isoformat(), "nobody has taken it meanwhile"
        again = stage.hold(student, offered(late.text)[0])
        assert stage.seat(code_in(again)).status == HELD
    assert stage.seat(code).status == LAPSED
    assert orders(stage) == []


def test_a_class_s_date_that_ran_out_leads_back_to_the_dates(stage: Stage) -> None:
    lesson = stage.lesson(stage.inside(lambda: stage.school.session()))
    browser, path = stage.browser(), f"/o/{stage.group.slug}"
    code = code_in(browser.post(f"{path}/hold", page=path, lesson=lesson.code))
    with clock.frozen(NOW + HOLD_OVER):
        page = browser.get(f"/checkout/{code}")
    assert "See the dates" in page.text
    assert offered(page.text) == []


# -- The order ---------------------------------------------------------------------------------------------


def test_continuing_twice_is_one_order(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    first = go_on(student, code, stage.school.student_id)
    assert go_on(student, code, stage.school.student_id) == first
    assert len(orders(stage)) == 1


def test_back_after_paying_it_says_that_it_is_booked(stage: Stage) -> None:
    student = stage.browser("student")
    code = stage.held(student)
    token = student.csrf(f"/checkout/{code}")
    go_on(student, code, stage.school.student_id)
    stage.inside(lambda: stage.school.pay(orders(stage)[0].id))
    page = student.get(f"/checkout/{code}")
    assert "It is booked" in page.text
    assert f"/learn/lessons/{code}" in page.text
    data = {"csrf_token": token, "student": str(stage.school.student_id)}
    again = student.post_raw(f"/checkout/{code}", data)
    assert again.status_code == 409
    assert "It is booked" in again.text
    renewed = student.post_raw(f"/checkout/{code}/renew", data)
    assert renewed.status_code == 302
    assert student.post_raw(f"/checkout/{code}/release", data).status_code == 302
    assert stage.seat(code).status == BOOKED
    assert len(orders(stage)) == 1


def test_what_costs_nothing_is_booked_at_once(stage: Stage) -> None:
    def work() -> tuple[str, int]:
        with stage.school.inside():
            offering_id, variant_id = add_offering(stage.school.tutor_id, kind=TRIAL, price=0, minutes=30)
            return db.session.get_one(Offering, offering_id).slug, variant_id

    slug, variant_id = stage.inside(work)
    student, path = stage.browser("student"), f"/o/{slug}"
    code = code_in(
        student.post(f"{path}/hold", page=path, variant=str(variant_id), starts_at=MONDAY.isoformat())
    )
    page = student.get(f"/checkout/{code}")
    assert "Book now, it is free" in page.text
    assert go_on(student, code, stage.school.student_id) == f"/learn/lessons/{code}"
    assert stage.seat(code).status == BOOKED
    assert "It is booked." in student.get(f"/learn/lessons/{code}").text


def test_the_sign_in_ended_meanwhile(stage: Stage) -> None:
    browser = stage.browser()
    code = stage.held(browser)
    answer = browser.post(f"/checkout/{code}", student=str(stage.school.student_id))
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/login/?next=/checkout/{code}"


def test_an_operator_on_a_visit_books_nothing(stage: Stage) -> None:
    operator = visit(stage.world, stage.world.anna)
    code = stage.held(operator)
    assert "Only members of the company can book." in operator.get(f"/checkout/{code}").text
    answer = operator.post(f"/checkout/{code}", student=str(stage.school.student_id))
    assert answer.status_code == 422
    assert orders(stage) == []


def test_the_checkout_takes_few_statements(stage: Stage) -> None:
    for name in ("Mia", "Ben"):
        stage.child(name)
    guardian = stage.browser("guardian")
    code = stage.held(guardian)
    with stage.world.app.app_context():
        engine = db.engine
    guardian.get(f"/checkout/{code}")
    with count_statements(engine) as seen:
        assert guardian.get(f"/checkout/{code}").status_code == 200
    # The viewer, the seat with all it is shown with, who can learn, and the counts of the top bar.
    assert len(seen) == 4, "\n".join(seen)
