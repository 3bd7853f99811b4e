"""The main job, lived in browsers: hours → offerings → review → storefront → hold → payment → chat →
cancelling and moving → attendance → earnings → the company's and the operator's figures."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.db import db
from app.core.scope import platform_scope
from app.domains.booking.models import Seat
from app.domains.payments.models import Order, Payment
from app.shell import checks
from tests.browser.customers import (
    DECLINED,
    EMPTY,
    GOOD,
    SECURE,
    cancel,
    find,
    give_card,
    hold,
    invitation_in_mail,
    main_text,
    open_day,
    open_lesson,
    plain,
    receipt_text,
    register,
    see_it_paid,
    shows_time,
    slot,
    to_the_simulator,
)
from tests.browser.job import (
    ALONE,
    CLASS,
    NEW_YORK,
    ONE_TO_ONE,
    OSLO,
    TOGETHER,
    Job,
    balances,
    figure,
    fill,
    minor,
    move_clock,
    until,
)
from tests.browser.offers import (
    a_company_is_staffed,
    offerings_are_written_and_reviewed,
    the_manager_sets_terms,
    the_tutor_opens_hours,
)
from tests.browser.steps import FJORD, submit
from tests.browser.talk import they_chat
from tests.support.browser import PageAt, look
from tests.support.servers import LiveServers

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_the_main_job(own_live: LiveServers, own_operated: Flask, page_at: PageAt) -> None:
    job = Job(own_live, own_operated, page_at, page_at(1280), page_at(1280), page_at(390))
    a_company_is_staffed(job)
    the_manager_sets_terms(job)
    the_tutor_opens_hours(job)
    offerings_are_written_and_reviewed(job)
    sam = a_student_books_from_new_york(job)
    gunn = a_guardian_books_for_her_child(job)
    ivar = somebody_gives_up(job)
    what_was_paid_stands(job, sam)
    they_chat(job, sam)
    one_cancels_in_time(job, sam)
    one_moves(job, ivar)
    one_cancels_late(job, gunn)
    the_lesson_takes_place(job)
    the_books_agree(job)
    the_operator_looks_after_it(job, sam)
    broken = {rule: rows for rule, rows in checks.broken_rules(job.app).items() if rows}
    assert not broken


# -- Booking and paying ------------------------------------------------------------------------------------


def a_student_books_from_new_york(job: Job) -> Page:
    """Found by search and facet, held as a visitor, registered, declined once, then paid: one charge."""
    sam, at = job.page_at(390, zone=NEW_YORK), job.at(3, 15)
    find(sam, job.live, "calculus", "One-to-one", ONE_TO_ONE)
    look(sam, "offering")
    open_day(sam, job.day(3))
    assert shows_time(slot(sam, at).locator("+ .wm-time"), at, OSLO)
    open_day(sam, job.day(5))
    assert sam.locator("input[name=starts_at]").count() == 3, "the date that differs"
    sam.get_by_role("button", name="Show times in America/New York?").click()
    sam.get_by_text("All times by the clock in America/New York").wait_for()
    hold(sam, at, NEW_YORK)
    look(sam, "reserved")
    register(sam, job.app, "Sam Student", "sam@home.test")
    look(sam, "who-learns")
    assert "For your tutor:" in main_text(sam), "the zone that the visitor chose is the student's"
    to_the_simulator(sam)
    give_card(sam, DECLINED)
    sam.locator("#failure", has_text="declined").wait_for()
    give_card(sam, GOOD)
    code = see_it_paid(sam)
    assert "600.00" in receipt_text(sam)
    with platform_scope("count the charges"):
        paid = db.session.execute(
            select(Payment.status, Payment.captured_minor).join(Order).where(Order.code == code)
        ).all()
    assert [tuple(row) for row in paid] == [("captured", 60_000)]
    return sam


def a_guardian_books_for_her_child(job: Job) -> Page:
    """Sees that the taken time is gone, with its buffer; adds a child; pays with 3-D Secure."""
    gunn, at = job.page_at(390, dark=True), job.at(3, 17)
    job.go(gunn, f"{ALONE}?zone={OSLO}")
    open_day(gunn, job.day(3))
    for taken in (job.at(3, 14) + dt.timedelta(minutes=30), job.at(3, 15), job.at(3, 16)):
        assert slot(gunn, taken).count() == 0
    hold(gunn, at, OSLO)
    register(gunn, job.app, "Gunn Guardian", "gunn@home.test", "guardian")
    gunn.get_by_role("link", name="Add a child").click()
    fill(gunn, full_name="Kari Child", birth_date="2014-05-17")
    look(gunn, "child")
    submit(gunn, "Save")
    gunn.get_by_label("Kari Child").check()
    look(gunn, "for-whom")
    to_the_simulator(gunn)
    give_card(gunn, SECURE)
    gunn.get_by_role("button", name="Complete").click()
    see_it_paid(gunn)
    job.go(gunn, "/family/")
    look(gunn, "family")
    return gunn


def somebody_gives_up(job: Job) -> Page:
    """A seat in the class; the card is empty; the seat is given back."""
    ivar = job.page_at(1280)
    job.go(ivar, TOGETHER)
    look(ivar, "offering-class")
    assert main_text(ivar).count("3 seats left") == 2
    ivar.get_by_role("button", name=re.compile("^Book")).first.click()
    ivar.wait_for_url("**/checkout/*")
    assert "meet.example.org" not in main_text(ivar), "where it is, only those who booked it read"
    register(ivar, job.app, "Ivar Ivarsen", "ivar@home.test")
    to_the_simulator(ivar)
    give_card(ivar, EMPTY)
    ivar.locator("#failure", has_text="not enough money").wait_for()
    ivar.get_by_role("link", name="Back without paying").click()
    ivar.get_by_role("heading", name="The payment was declined").wait_for()
    look(ivar, "declined")
    visitor = job.page_at(390)
    job.go(visitor, TOGETHER)
    visitor.get_by_text("2 seats left").wait_for()
    job.go(ivar, "/learn/")
    look(ivar, "learn-reserved")
    ivar.get_by_role("link", name=re.compile(CLASS)).click()
    submit(ivar, "Give it up")
    ivar.get_by_text("Your reservation is released.").wait_for()
    assert main_text(ivar).count("3 seats left") == 2
    return ivar


def what_was_paid_stands(job: Job, sam: Page) -> None:
    """In both calendars, on the pages and in the mails."""
    at = job.at(3, 15)
    open_lesson(sam, job.live, ONE_TO_ONE)
    assert "Booked" in main_text(sam)
    job.go(job.tutor, "/teach/")
    rows = [plain(row) for row in job.tutor.locator(".wm-rows li").all_inner_texts()]
    assert any("3:00 PM – 4:00 PM" in row and "Sam Student" in row for row in rows)
    assert any("5:00 PM – 6:00 PM" in row and "Kari Child" in row for row in rows)
    mail, method, event = invitation_in_mail(job.app, "sam@home.test", f"Booked: {ONE_TO_ONE}", at)
    assert (method, event["DTEND"].dt) == ("REQUEST", job.at(3, 16))
    assert "America/New York" in mail.text, "by the clock that its reader lives by"
    subject = f"New booking: {ONE_TO_ONE} with Sam Student"
    _mail, method, _event = invitation_in_mail(job.app, "tor@fjord.test", subject, at)
    assert method == "REQUEST"


# -- Cancelling and moving ---------------------------------------------------------------------------------


def one_cancels_in_time(job: Job, sam: Page) -> None:
    """Sam's second lesson: all of it comes back, the sale is taken back, the time is offered again."""
    at = job.at(4, 10)
    before = balances(job)
    job.go(sam, ALONE)
    sam.get_by_role("link", name=re.compile("^90 minutes")).click()
    hold(sam, at, NEW_YORK)
    to_the_simulator(sam)
    give_card(sam, GOOD)
    see_it_paid(sam)
    assert balances(job)["Tutors' earnings, pending"] == before["Tutors' earnings, pending"] - 47_600
    _mail, _method, booked = invitation_in_mail(job.app, "sam@home.test", f"Booked: {ONE_TO_ONE}", at)
    job.go(sam, "/learn/")
    sam.locator(".wm-rows li", has_text=ONE_TO_ONE).get_by_role("link").click()
    cancel(sam, "NOK 850.00")
    after = balances(job)
    shares = ("Tutors' earnings, pending", "Fee owed to the platform", "Tax collected", "Company's share")
    assert [after[name] for name in shares] == [before[name] for name in shares]
    job.go(job.manager, "/admin/ledger-entries/")
    job.manager.get_by_role("cell", name="Sale taken back").first.wait_for()
    _mail, method, event = invitation_in_mail(job.app, "sam@home.test", f"Cancelled: {ONE_TO_ONE}", at)
    assert (method, event["STATUS"], event["UID"]) == ("CANCEL", "CANCELLED", booked["UID"])
    assert event["SEQUENCE"] > booked["SEQUENCE"]
    visitor = job.page_at(1280)
    job.go(visitor, f"{ALONE}?zone={OSLO}")
    open_day(visitor, job.day(4))
    assert slot(visitor, at).count() == 1
    look(visitor, "offering-desk")


def one_moves(job: Job, ivar: Page) -> None:
    """Ivar takes the class after all, and then its other date."""
    job.go(ivar, TOGETHER)
    ivar.get_by_role("button", name=re.compile("^Book")).first.click()
    to_the_simulator(ivar)
    give_card(ivar, GOOD)
    see_it_paid(ivar)
    former, new = job.at(6, 17), job.at(8, 18)
    _mail, _method, booked = invitation_in_mail(job.app, "ivar@home.test", f"Booked: {CLASS}", former)
    open_lesson(ivar, job.live, CLASS)
    ivar.get_by_text("https://meet.example.org/calculus").wait_for()
    ivar.get_by_role("link", name="Move it").click()
    look(ivar, "move")
    ivar.get_by_role("button", name=re.compile("^Move here")).click()
    ivar.get_by_text("Moved. Your lesson is now on").wait_for()
    _mail, method, event = invitation_in_mail(job.app, "ivar@home.test", f"Moved: {CLASS}", new)
    assert (method, event["UID"]) == ("REQUEST", booked["UID"])
    assert event["SEQUENCE"] > booked["SEQUENCE"]


def one_cancels_late(job: Job, gunn: Page) -> None:
    """Half comes back, as the policy said when it was booked, though it says nothing comes back now."""
    manager = job.manager
    job.go(manager, "/admin/cancellation-policies/")
    manager.get_by_role("link", name="Usual").click()
    manager.get_by_role("link", name="Edit", exact=True).click()
    manager.locator("[name=late_refund_bp]").fill("0")
    submit(manager, "Save")
    manager.get_by_text("Your changes are saved.").wait_for()
    move_clock(job, job.at(3, 7))
    open_lesson(gunn, job.live, ONE_TO_ONE)
    assert "you get NOK 300.00 of NOK 600.00 back" in main_text(gunn)
    cancel(gunn, "NOK 300.00")
    subject = f"Cancelled: {ONE_TO_ONE} with Kari Child"
    _mail, method, event = invitation_in_mail(job.app, "tor@fjord.test", subject, job.at(3, 17))
    assert (method, event["STATUS"]) == ("CANCEL", "CANCELLED")


# -- Teaching, earning, and the figures --------------------------------------------------------------------


def the_lesson_takes_place(job: Job) -> None:
    """It is marked, and what it earned clears a week later; the page explains each figure by its entries."""
    tutor = job.tutor
    move_clock(job, job.at(3, 20))
    job.go(tutor, "/teach/")
    look(tutor, "to-mark")
    tutor.locator(".wm-to-mark").get_by_role("button", name="Attended").click()
    tutor.get_by_text("Sam Student came.").wait_for()
    job.go(tutor, "/teach/earnings/")
    look(tutor, "earnings-pending")
    # Sam's lesson, half of Kari's, and the class that is still to come.
    assert [figure(tutor, name) for name in ("Pending", "Cleared")] == [33_600 + 16_800 + 12_320, 0]
    move_clock(job, job.at(11, 20))
    until(tutor, lambda: figure(tutor, "Cleared") == 33_600 + 16_800)
    look(tutor, "earnings")
    assert [figure(tutor, name) for name in ("Pending", "Cleared")] == [12_320, 33_600 + 16_800]
    tutor.locator("[role=row], tr", has_text="NOK 336.00").get_by_role("link").click()
    tutor.get_by_role("heading", name="What stands now").wait_for()
    look(tutor, "earning")
    rows = tutor.locator(".wm-facts > div").all()
    facts = {plain(row.locator("dt").inner_text()): row.locator("dd").inner_text() for row in rows}
    assert minor(facts["Paid, as it stands now"]) == 60_000
    shares = [minor(facts[name]) for name in ("Tax", "Platform's fee", "Company's share", "Yours")]
    assert shares == [12_000, 2_400, 12_000, 33_600]
    assert sum(shares) == 60_000
    seen = main_text(tutor)
    assert "Your share is 70% of that: NOK 336.00." in seen
    assert seen.count("Ledger entry") >= 2


def the_books_agree(job: Job) -> None:
    """The manager's first page and the trial balance, to the minor unit."""
    books = balances(job)
    look(job.manager, "books")
    assert books["All accounts"] == 0
    job.go(job.manager, "/admin/")
    look(job.manager, "manager-figures")
    shares = ("Tutors' earnings, pending", "Tutors' earnings, cleared", "Fee owed to the platform")
    owed = -(books["Tutors' earnings, pending"] + books["Tutors' earnings, cleared"])
    sold = -sum(books[name] for name in (*shares, "Tax collected", "Company's share"))
    assert {
        "Sold in 30 days": sold,
        "Company's share": -books["Company's share"],
        "Owed to tutors": owed,
        "Tax collected": -books["Tax collected"],
    } == {
        name: figure(job.manager, name)
        for name in ("Sold in 30 days", "Company's share", "Owed to tutors", "Tax collected")
    }
    assert (owed, sold) == (62_720, 60_000 + 30_000 + 22_000)


def the_operator_looks_after_it(job: Job, sam: Page) -> None:
    """Sees the company's figures, suspends it, and brings it back: nothing is lost."""
    page = job.operator
    page.goto(job.live.url("/admin/"))
    look(page, "operator-figures")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Fjord Tutors"))
    assert "NOK 1,120.00" in plain(row.inner_text())
    assert "NOK 44.80" in plain(row.inner_text())
    page.get_by_role("link", name="Fjord Tutors").first.click()
    company = page.url
    seats = _seats()
    page.locator("summary[title='More actions']").click()
    page.get_by_role("link", name="Suspend", exact=True).click()
    page.locator("[name=reason]").fill("The invoice is open since October.")
    submit(page, "Suspend")
    page.get_by_text("Suspended.").first.wait_for()
    closed = sam.context.new_page()  # 503 is what it should say
    answer = closed.goto(job.live.url("/learn/", FJORD))
    assert answer is not None
    assert answer.status == 503
    look(closed, "suspended")
    closed.get_by_text("Nothing is lost").wait_for()
    assert _seats() == seats
    page.goto(company)
    page.get_by_role("link", name="Bring back", exact=True).click()
    submit(page, "Bring back")
    page.get_by_text("It is open again.").wait_for()
    again = closed.goto(job.live.url("/learn/", FJORD))
    assert again is not None
    assert again.status == 200
    assert ONE_TO_ONE in main_text(closed)
    page.goto(job.live.url("/admin/clock/"))
    submit(page, "Back to now")
    page.get_by_text("now by business time.").wait_for()


def _seats() -> list[tuple[str, int]]:
    """How many seats there are in each state."""
    with platform_scope("count the seats"):
        found = db.session.execute(select(Seat.status, func.count()).group_by(Seat.status)).all()
    return sorted((row[0], row[1]) for row in found)
