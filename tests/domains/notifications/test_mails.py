"""What mails say, to whom, in which language and by which clock; and that each goes out once."""

from __future__ import annotations

import datetime as dt

import pytest

from app.core import clock
from app.core.db import db
from app.core.events import announce
from app.core.outbox import Outbox
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.booking import events as booking
from app.domains.booking import queries, service
from app.domains.booking.models import Lesson
from app.domains.catalog import events as catalog
from app.domains.catalog.models import APPROVED, RETURNED, SUBMITTED, Offering, OfferingRevision
from app.domains.earnings import events as earnings
from app.domains.earnings.models import Earning
from app.domains.notifications.jobs.letters import LETTERS
from app.domains.payments import events as payments
from app.domains.payments.models import SUCCEEDED, Receipt, Refund
from app.domains.tenancy.models import CLOSED, SUSPENDED, Tenant
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.domains.notifications.support import Told, arrived, forget_mails, masked, told
from tests.support.golden import GOLDEN, assert_golden

PAYER, STUDENT, TUTOR, MANAGER = (f"{role}@anna.test" for role in ("guardian", "student", "tutor", "manager"))


# -- Golden ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["en", "de"])
def test_lessons(here: Told, locale: str) -> None:
    """Booked, moved and cancelled; the payer reads by New York's clock, the tutor by Berlin's."""
    school = here.school
    here.live_in("guardian", locale=locale, timezone="America/New_York")
    here.live_in("tutor", locale=locale, timezone="Europe/Berlin")
    seat_id = school.book()
    with school.inside() as session:
        session.get(Lesson, school.seat(seat_id).lesson_id).place = "Room 3, <b>Main Street</b> 1"
    here.deliver()
    payer, tutor = arrived(PAYER), arrived(TUTOR)
    assert_golden(f"mails/booked.{locale}.txt", masked(next(m for m in payer if m.files)))
    assert_golden(f"mails/booked_tutor.{locale}.txt", masked(next(m for m in tutor if m.files)))
    forget_mails()
    school.move(seat_id, MONDAY + DAY)
    here.deliver()
    assert_golden(f"mails/moved.{locale}.txt", masked(arrived(PAYER)[0]))
    assert_golden(f"mails/moved_tutor.{locale}.txt", masked(arrived(TUTOR)[0]))
    forget_mails()
    school.cancel(seat_id)
    here.deliver()
    assert_golden(f"mails/cancelled.{locale}.txt", masked(arrived(PAYER)[0]))
    assert_golden(f"mails/cancelled_tutor.{locale}.txt", masked(arrived(TUTOR)[0]))


def test_a_class_that_is_called_off(here: Told) -> None:
    school = here.school
    lesson_id = school.session()
    school.book_place(lesson_id)
    school.book_place(lesson_id, student_id=school.other_id, actor="v:b")
    here.deliver()
    forget_mails()
    school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason="Ill, sorry").minor)
    here.deliver()
    [mail] = arrived(TUTOR)
    assert_golden("mails/class_cancelled.en.txt", masked(mail))
    assert mail.method == "CANCEL"
    assert [m.method for m in arrived(PAYER)] == ["CANCEL", "CANCEL"]  # both places are paid by one
    assert [m.method for m in arrived(STUDENT)] == ["CANCEL"]
    assert [kind for kind, _data in told(school, school.tutor_id)][-1] == "class_cancelled"


@pytest.mark.parametrize("locale", ["en", "de"])
def test_money(here: Told, locale: str) -> None:
    school = here.school
    here.live_in("guardian", locale=locale)
    seat_id = school.book()
    here.deliver()
    with tenant_scope(school.tenant_id):
        receipt = db.session.query(Receipt).one_or_none()
    assert receipt is not None, "a paid order has its receipt"
    mail = next(m for m in arrived(PAYER) if f"/receipts/{receipt.code}.pdf" in m.text)
    assert_golden(f"mails/receipt.{locale}.txt", masked(mail))
    forget_mails()
    school.cancel(seat_id)
    with school.inside() as session:
        refund = session.query(Refund).one()
        refund.status = SUCCEEDED
        announce(payments.RefundSucceeded(school.tenant_id, refund.id))
    here.deliver()
    mail = next(m for m in arrived(PAYER) if not m.files)
    assert_golden(f"mails/refunded.{locale}.txt", masked(mail))


@pytest.mark.parametrize("locale", ["en", "de"])
def test_lost(here: Told, locale: str) -> None:
    school = here.school
    here.live_in("guardian", locale=locale)
    seat_id = school.hold()
    order_id = school.checkout(seat_id)
    with school.inside():
        announce(booking.SeatLost(school.tenant_id, seat_id, order_id))
    here.deliver()
    [mail] = arrived(PAYER)
    assert_golden(f"mails/lost.{locale}.txt", masked(mail))


@pytest.mark.parametrize("locale", ["en", "de"])
def test_offerings(here: Told, locale: str) -> None:
    school = here.school
    here.live_in("manager", locale=locale)
    here.live_in("tutor", locale=locale)
    with school.inside() as session:
        revision = OfferingRevision(
            offering_id=school.offering_id,
            number=1,
            status=SUBMITTED,
            content={"title": "Algebra & <i>more</i>"},
            submitted_at=NOW,
        )
        session.add(revision)
        session.flush()
        ids = (school.tenant_id, school.offering_id, revision.id)
        announce(catalog.OfferingSubmitted(*ids))
    here.deliver()
    assert_golden(f"mails/offering_submitted.{locale}.txt", masked(arrived(MANAGER)[0]))
    with school.inside() as session:
        found = session.get(OfferingRevision, ids[2])
        found.status, found.reviewed_at = RETURNED, NOW
        found.review_reason = "The title is too long.\nAnd the price?"
        announce(catalog.OfferingReturned(*ids))
    here.deliver()
    assert_golden(f"mails/offering_returned.{locale}.txt", masked(arrived(TUTOR)[0]))
    forget_mails()
    with school.inside() as session:
        found = session.get(OfferingRevision, ids[2])
        found.status, found.reviewed_at = APPROVED, NOW + HOUR
        announce(catalog.OfferingPublished(*ids))
    here.deliver()
    assert_golden(f"mails/offering_published.{locale}.txt", masked(arrived(TUTOR)[0]))


def test_every_letter_has_both_parts_in_a_golden_file() -> None:
    found = {file.name.split(".")[0] for file in (GOLDEN / "mails").glob("*.txt")}
    assert found == set(LETTERS)


# -- Who is written to -----------------------------------------------------------------------------------------------


def test_who_learns_who_pays_and_who_teaches(here: Told) -> None:
    here.school.book()
    here.deliver()
    with_invitation = [mail.to for mail in arrived() if mail.files]
    assert sorted(with_invitation) == [PAYER, STUDENT, TUTOR]
    for person_id, kind in (
        (here.school.payer_id, "seat_booked"), (here.school.student_id, "seat_booked"),
        (here.school.tutor_id, "seat_booked_tutor"),
    ):  # fmt: skip
        assert kind in [one for one, _data in told(here.school, person_id)]


def test_a_child_without_an_address_gets_no_mail(here: Told) -> None:
    here.school.book(student_id=here.school.other_id)
    here.deliver()
    assert sorted(mail.to for mail in arrived() if mail.files) == [PAYER, TUTOR]


def test_hostile_names_are_text(here: Told) -> None:
    here.rename(here.school.student_id, '<img src=x onerror="alert(1)"> {{ 7*7 }}')
    with here.school.inside() as session:
        session.get(Offering, here.school.offering_id).title = "Evil\r\nBcc: all@evil.test\u2028 \u202ex <b>"
    here.school.book()
    here.deliver()
    mail = next(m for m in arrived(TUTOR) if m.files)
    assert "\n" not in mail.subject
    assert mail.subject.startswith("New booking: Evil Bcc: all@evil.test")
    assert "{{ 7*7 }}" in mail.text
    assert "<img" not in mail.html
    assert "<b>" not in mail.html
    assert mail.event["SUMMARY"].startswith("Evil Bcc:")


def test_both_clocks_are_named(here: Told) -> None:
    here.live_in("guardian", timezone="Asia/Tokyo")
    here.live_in("tutor", timezone="America/Sao_Paulo")
    here.school.book()
    here.deliver()
    payer = next(m for m in arrived(PAYER) if m.files).text
    assert "When: Monday, January 18, 2027, 6:00\u202fPM to 7:00\u202fPM (Asia/Tokyo)" in payer
    assert "For Tutor anna: Monday, January 18, 2027, 10:00\u202fAM to 11:00\u202fAM (Europe/Berlin)" in payer
    tutor = next(m for m in arrived(TUTOR) if m.files).text
    assert "6:00\u202fAM to 7:00\u202fAM (America/Sao Paulo)" in tutor
    student = next(m for m in arrived(STUDENT) if m.files).text
    assert "For Tutor anna" not in student  # the same clock: said once


# -- Calendars -------------------------------------------------------------------------------------------------------


def test_calendars_follow(here: Told) -> None:
    """One uid, rising sequences, and the end; on both sides."""
    school = here.school
    seat_id = school.book()
    here.deliver()
    school.move(seat_id, MONDAY + DAY)
    here.deliver()
    school.cancel(seat_id)
    here.deliver()
    for address in (PAYER, STUDENT, TUTOR):
        mails = [mail for mail in arrived(address) if mail.files]
        events = [mail.event for mail in mails]
        assert [mail.method for mail in mails] == ["REQUEST", "REQUEST", "CANCEL"], address
        assert {event["UID"] for event in events} == {f"seat-{seat_id}@anna.localhost"}
        numbers = [int(event["SEQUENCE"]) for event in events]
        assert numbers == sorted(set(numbers))
        assert [event["DTSTART"].dt for event in events] == [MONDAY, MONDAY + DAY, MONDAY + DAY]
        assert [event["DTEND"].dt - event["DTSTART"].dt for event in events] == [HOUR] * 3
        assert [str(event["STATUS"]) for event in events] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
        assert str(events[0]["ATTENDEE"]) == f"mailto:{address}"
        assert str(events[0]["DTSTART"].dt.tzinfo) == "Europe/Berlin"


def test_a_class_is_one_event_for_its_tutor(here: Told) -> None:
    school = here.school
    lesson_id = school.session()
    first = school.book_place(lesson_id)
    school.book_place(lesson_id, student_id=school.other_id, actor="v:b")
    here.deliver()
    mails = [mail for mail in arrived(TUTOR) if mail.files]
    assert {mail.event["UID"] for mail in mails} == {f"lesson-{lesson_id}@anna.localhost"}
    forget_mails()
    school.cancel(first)
    here.deliver()
    [mail] = arrived(TUTOR)
    assert mail.files == {}  # the class goes on
    assert "Cancelled: Maths" in mail.subject
    assert {m.method for m in arrived(PAYER) if m.files} == {"CANCEL"}


# -- Once, and only what is true -------------------------------------------------------------------------------------


def test_an_event_that_is_delivered_twice_tells_once(here: Told) -> None:
    seat_id = here.school.book()
    for _ in range(3):
        with here.school.inside():
            announce(booking.SeatBooked(here.school.tenant_id, seat_id))
    here.deliver()
    assert len([mail for mail in arrived() if mail.files]) == 3
    assert [mail.copies for mail in arrived()] == [1] * len(arrived())
    assert len([kind for kind, _data in told(here.school, here.school.tutor_id)]) == 1


def test_a_mail_that_is_tried_again_is_the_same_mail(here: Told) -> None:
    """Its worker died after sending: the second has the same Message-ID, and nobody else is mailed again."""
    here.school.book()
    here.deliver()
    before = arrived()
    with platform_scope("test"), transaction() as session:
        due = {"status": "due", "due_at": clock.machine_now(), "delivered_at": None}
        tutor_id = str(here.school.tutor_id)
        for row in session.query(Outbox).filter(Outbox.name == "notifications.MailDue"):
            if str(row.payload["person_id"]) == tutor_id and row.payload["letter"] == "booked_tutor":
                session.query(Outbox).filter_by(id=row.id).update(due)
    here.deliver()
    after = arrived()
    assert [mail.message_id for mail in after] == [mail.message_id for mail in before]
    assert {mail.to: mail.copies for mail in after if mail.files} == {PAYER: 1, STUDENT: 1, TUTOR: 2}


def test_a_mailbox_that_is_away_keeps_nobody_else_waiting(here: Told) -> None:
    with here.school.inside() as session:
        session.get(Person, here.school.other_id).email = "olaf@down.test"
    here.school.book(student_id=here.school.other_id)
    here.deliver()
    assert sorted(mail.to for mail in arrived() if mail.files) == [PAYER, TUTOR]
    with platform_scope("test"):
        waiting = db.session.query(Outbox).filter_by(name="notifications.MailDue", status="due").all()
    assert [row.payload["person_id"] for row in waiting] == [here.school.other_id]


def test_what_is_over_is_not_announced_any_more(here: Told) -> None:
    """Booked, moved and cancelled before the first mail was written: only the end is told."""
    seat_id = here.school.book()
    here.school.move(seat_id, MONDAY + DAY)
    here.school.cancel(seat_id)
    here.deliver()
    for address in (PAYER, STUDENT, TUTOR):
        assert [mail.method for mail in arrived(address) if mail.files] == ["CANCEL"], address


def test_a_closed_company_writes_to_nobody_a_paused_one_does(here: Told) -> None:
    seat_id = here.school.book()
    with platform_scope("test"), transaction() as session:
        session.get(Tenant, here.school.tenant_id).status = SUSPENDED
    here.deliver()
    assert len([mail for mail in arrived() if mail.files]) == 3
    forget_mails()
    here.school.cancel(seat_id)
    with platform_scope("test"), transaction() as session:
        session.get(Tenant, here.school.tenant_id).status = CLOSED
    here.deliver()
    assert arrived() == []


def test_an_earning_is_told_in_the_app_only(here: Told) -> None:
    school = here.school
    school.book()
    here.deliver()
    forget_mails()
    with school.inside() as session:
        earning = session.query(Earning).one()
        amount = earning.tutor_minor
        announce(earnings.EarningCleared(school.tenant_id, earning.id))
    here.deliver()
    kind, data = told(school, school.tutor_id)[-1]
    assert (kind, data["amount_minor"], data["currency"]) == ("earning_cleared", amount, "EUR")
    assert arrived() == []


def test_each_manager_is_told(here: Told) -> None:
    school = here.school
    with school.inside() as session:
        revision = OfferingRevision(
            offering_id=school.offering_id,
            number=1,
            status=SUBMITTED,
            content={"title": "Algebra"},
            submitted_at=NOW,
        )
        session.add(revision)
        session.flush()
        announce(catalog.OfferingSubmitted(school.tenant_id, school.offering_id, revision.id))
        revision_id = revision.id
    here.deliver()
    assert [mail.to for mail in arrived()] == [MANAGER]
    # Sent in again after it came back, it is news.
    with school.inside() as session:
        session.get(OfferingRevision, revision_id).submitted_at = NOW + dt.timedelta(days=1)
        announce(catalog.OfferingSubmitted(school.tenant_id, school.offering_id, revision_id))
    here.deliver()
    assert len(arrived(MANAGER)) == 2
