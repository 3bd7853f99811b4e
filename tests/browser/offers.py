"""Steps of the company and its tutor: terms, hours, offerings, their review, and a class's dates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.browser.customers import main_text
from tests.browser.job import CLASS, ONE_TO_ONE, OSLO, Job, fill
from tests.browser.steps import (
    brand,
    enter_as_manager,
    enter_as_tutor,
    invite_tutor,
    open_company,
    submit,
)
from tests.support.browser import look

if TYPE_CHECKING:
    from playwright.sync_api import Page


def a_company_is_staffed(job: Job) -> None:
    open_company(job.operator, job.live)
    enter_as_manager(job.manager, job.live, job.app)
    brand(job.manager)
    invite_tutor(job.manager, job.live)
    enter_as_tutor(job.tutor, job.live, job.app)


def the_manager_sets_terms(job: Job) -> None:
    """A subject, a tax rate and the policy for all that is booked."""
    page = job.manager
    _add(job, "tax-rates", "Add a tax rate", name="MVA", code="mva", rate_bp="25")
    _add(job, "subjects", "Add a subject", name="Mathematics")
    job.go(page, "/admin/cancellation-policies/add")
    page.locator("[name=is_default]").check()
    terms = {"free_until_minutes": "1440", "late_refund_bp": "50", "move_until_minutes": "720"}
    fill(page, name="Usual", max_moves="2", **terms)
    submit(page, "Add a policy")
    page.get_by_text("was added").wait_for()


def _add(job: Job, slug: str, label: str, **values: str) -> None:
    job.go(job.manager, f"/admin/{slug}/add")
    fill(job.manager, **values)
    submit(job.manager, label)
    job.manager.get_by_text("was added").wait_for()


def the_tutor_opens_hours(job: Job) -> None:
    """Nine to six by Oslo's clock with a quarter of an hour after each lesson; one date differs."""
    page = job.tutor
    job.go(page, "/teach/")
    look(page, "teach-empty")
    page.get_by_role("link", name="Open your hours", exact=True).click()
    look(page, "hours-empty")
    for day in range(7):
        fill(page, **{f"d{day}_0_from": "09:00", f"d{day}_0_to": "18:00"})
    page.locator("[name=timezone]").select_option(OSLO)
    page.locator("[name=buffer_after_minutes]").select_option("15")
    submit(page, "Save your hours")
    page.get_by_text("Your hours are saved").wait_for()
    fill(page, on_date=job.day(5).isoformat(), from_0="19:00", to_0="21:00", remark="Concert")
    submit(page, "Add the date")
    page.get_by_text("is set.").wait_for()
    look(page, "hours")
    # 19:00 to 21:00 has three beginnings for a lesson of an hour.
    assert "3 times: 7:00 PM to 8:00 PM" in main_text(page)


def offerings_are_written_and_reviewed(job: Job) -> None:
    tutor, manager = job.tutor, job.manager
    _write(job, "one_to_one", ONE_TO_ONE, ("60 minutes", "60", "600"), ("90 minutes", "90", "850"))
    _write(job, "group", CLASS, ("Evening class", "90", "250"))

    _open_proposal(job, ONE_TO_ONE)
    seen = main_text(manager)
    assert "All of it is new" in seen
    assert "60 minutes: 60 minutes, NOK 600.00" in seen
    _approve(manager)
    _open_proposal(job, CLASS)
    manager.get_by_role("link", name="Send back").click()
    manager.locator("[name=reason]").fill("Please name the book, and take a little less.")
    submit(manager, "Send back")
    manager.get_by_text("Its tutor is told what has to change.").wait_for()

    job.go(tutor, "/teach/offerings/")
    look(tutor, "offerings-returned")
    tutor.get_by_text("Please name the book").wait_for()
    tutor.get_by_role("link", name=CLASS).click()
    look(tutor, "offering-returned")
    fill(tutor, description="We work with “Sinus S1”.", variant_1_price="220")
    submit(tutor, "Save and send to be reviewed")
    tutor.get_by_text("Sent. Fjord Tutors looks at it now.").wait_for()
    _open_proposal(job, CLASS)
    _approve(manager)

    job.go(tutor, "/teach/sessions/")
    for day, hour in ((6, "17:00"), (8, "18:00")):
        fill(tutor, on_date=job.day(day).isoformat(), at_time=hour, place="https://meet.example.org/calculus")
        submit(tutor, "Add the date")
        tutor.get_by_text("The date is set").wait_for()
    look(tutor, "class-dates")
    job.go(tutor, "/teach/")
    look(tutor, "teach")


def _write(job: Job, kind: str, title: str, *variants: tuple[str, str, str]) -> None:
    page = job.tutor
    job.go(page, "/teach/offerings/new")
    page.locator(f"[name=kind][value={kind}]").check()
    fill(page, title=title, summary="Algebra, calculus and the exams.", description="We begin where you are.")
    page.locator("[name=subject_id]").select_option("Mathematics")
    if kind == "group":
        page.locator("[name=capacity]").fill("3")
    for number, values in enumerate(variants, 1):
        names = (f"variant_{number}_{part}" for part in ("name", "minutes", "price"))
        fill(page, **dict(zip(names, values, strict=True)))
    look(page, f"offering-form-{kind}")
    submit(page, "Save and send to be reviewed")
    page.get_by_text("Sent. Fjord Tutors looks at it now.").wait_for()


def _open_proposal(job: Job, title: str) -> None:
    job.go(job.manager, "/admin/proposals/?status=submitted")
    look(job.manager, "proposals")
    job.manager.get_by_role("link", name=title).first.click()
    job.manager.wait_for_url(re.compile(r"/admin/proposals/\d+$"))
    look(job.manager, "proposal")


def _approve(page: Page) -> None:
    page.get_by_role("link", name="Approve").click()
    submit(page, "Approve")
    page.get_by_text("It is on the storefront from now on.").wait_for()
