"""The list of what somebody was told: theirs alone, new until seen, worded when it is read."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import MANAGER, Membership
from app.domains.notifications import queries, service
from app.domains.notifications.models import Notification
from app.domains.notifications.policies import words
from app.domains.payments import service as refunds
from app.domains.payments.models import Refund
from tests.domains.notifications.support import Told, told
from tests.support.world import Company, World

STARTS = "2027-01-18T09:00:00+00:00"
LESSON = {"title": "Maths", "tutor": "Tina", "student": "Sam", "starts_at": STARTS}
DATA = {
    "seat_booked": LESSON,
    "seat_booked_tutor": LESSON,
    "seat_moved": {**LESSON, "former": STARTS},
    "seat_moved_tutor": {**LESSON, "former": STARTS},
    "seat_cancelled": {**LESSON, "by": "company", "refund_minor": 4000, "currency": "EUR"},
    "seat_cancelled_tutor": {**LESSON, "by": "learner"},
    "class_cancelled": LESSON,
    "seat_lost": LESSON,
    "refunded": {"title": "Maths", "amount_minor": 4000, "currency": "JPY"},
    "refund_failed": {"title": "Maths", "amount_minor": 4000, "currency": "EUR"},
    "receipt": {"number": 7},
    "credit_note": {"number": 7},
    "offering_submitted": {"title": "Maths"},
    "offering_returned": {"title": "Maths"},
    "offering_published": {"title": "Maths"},
    "earning_cleared": {"title": "Maths", "amount_minor": 4000, "currency": "KWD"},
    "review_written": {"title": "Maths", "rating": 4, "name": "Sam"},
    "review_replied": {"title": "Maths", "name": "Tina"},
    "messages": {"name": "Tina", "conversation_id": 1},
}  # fmt: skip


def tell(
    app: Flask, company: Company, role: str, kind: str = "receipt", key: str = "k", url: str = "/learn/"
) -> bool:
    with app.app_context(), tenant_scope(company.id), transaction():
        return service.notify(company.people[role], kind=kind, key=key, data=DATA[kind], url=url)


def rows(app: Flask, company: Company) -> list[Notification]:
    with app.app_context(), tenant_scope(company.id):
        return db.session.query(Notification).order_by(Notification.id).all()


def test_told_once(app: Flask, world: World) -> None:
    assert tell(app, world.anna, "student") is True
    assert tell(app, world.anna, "student") is False
    assert tell(app, world.anna, "tutor") is True
    assert tell(app, world.bert, "student") is True
    assert len(rows(app, world.anna)) == 2


def test_every_kind_has_words(app: Flask, world: World) -> None:
    assert set(DATA) == set(words._BY_KIND)
    for kind in DATA:
        tell(app, world.anna, "student", kind, key=kind)
    page = world.browser(world.anna.host, world.anna.email("student")).get("/notifications/")
    assert "Something happened" not in page.text
    for text in (
        "€40.00",
        "¥4,000",
        "KWD",
        "Jan 18, 2027",
        "Tina wrote to you",
        "4 stars",
        "Maths had to be cancelled",
    ):
        assert text in page.text, text


def test_words_outlive_their_values(app: Flask) -> None:
    with app.test_request_context("/"):
        for kind, data in (
            ("gone", {}),
            ("receipt", {}),
            ("refunded", {"amount_minor": "x", "currency": "EUR"}),
        ):
            assert words.words_of(kind, data).title == "Something happened"


def test_new_until_seen(app: Flask, world: World) -> None:
    tell(app, world.anna, "student", url="/learn/")
    tell(app, world.anna, "student", "offering_returned", "two", "/teach/offerings/1")
    browser = world.browser(world.anna.host, world.anna.email("student"))
    page = browser.get("/notifications/").text
    assert page.count("wm-new") == 2
    opened = re.search(r"/notifications/(\d+)/open", page).group(0)
    answer = browser.post(opened, page="/notifications/")
    assert (answer.status_code, answer.location) == (302, "/teach/offerings/1")
    assert browser.get("/notifications/").text.count("wm-new") == 1
    assert browser.post("/notifications/read", page="/notifications/").status_code == 302
    assert "wm-new" not in browser.get("/notifications/").text
    assert all(row.read_at for row in rows(app, world.anna))
    with app.app_context(), tenant_scope(world.anna.id):
        assert queries.unread_count(world.anna.people["student"]) == 0


def test_an_empty_list(app: Flask, world: World) -> None:
    page = world.browser(world.anna.host, world.anna.email("student")).get("/notifications/")
    assert "Nothing new" in page.text
    assert world.browser(world.anna.host).get("/notifications/").status_code == 302
    assert world.operator().get("/notifications/").status_code == 404


def test_earlier_ones(app: Flask, world: World) -> None:
    for number in range(35):
        tell(app, world.anna, "student", key=f"{number}")
    browser = world.browser(world.anna.host, world.anna.email("student"))
    page = browser.get("/notifications/").text
    assert page.count("/open") == 30
    older = re.search(r"/notifications/\?before=\d+", page).group(0)
    assert browser.get(older).text.count("/open") == 5
    for before in ("x", "-1", "9" * 40, "0"):
        assert browser.get(f"/notifications/?before={before}").status_code == 200


def test_those_of_others_are_not_there(app: Flask, world: World) -> None:
    tell(app, world.anna, "student")
    [row] = rows(app, world.anna)
    for company, role in ((world.anna, "tutor"), (world.anna, "manager"), (world.bert, "student")):
        browser = world.browser(company.host, company.email(role))
        assert "Your receipt" not in browser.get("/notifications/").text
        assert browser.post(f"/notifications/{row.id}/open", page="/account/").status_code == 404
        browser.post("/notifications/read", page="/account/")
    assert rows(app, world.anna)[0].read_at is None


@pytest.mark.parametrize("path", ["/notifications/read", "/notifications/1/open"])
def test_no_form_no_change(app: Flask, world: World, path: str) -> None:
    browser = world.browser(world.anna.host, world.anna.email("student"))
    assert browser.post_raw(path, {}).status_code == 400
    assert browser.get(path).status_code == 405


def test_admin_shows_words(app: Flask, world: World) -> None:
    tell(app, world.anna, "student")
    page = world.manager().get("/admin/notifications/")
    assert "Your receipt no. 7 is ready" in page.text
    assert "Student anna" in page.text


def test_a_refund_that_failed_is_told_to_who_runs_the_company(here: Told) -> None:
    school = here.school
    seat_id = school.book()
    school.cancel(seat_id)
    with school.inside() as session:
        refund_id = session.query(Refund).one().id
        refunds.refuse_refund(refund_id, why="expired_or_canceled_card")
        [manager_id] = session.scalars(select(Membership.person_id).where(Membership.role_key == MANAGER))
    here.deliver()
    assert [kind for kind, _data in told(school, manager_id)].count("refund_failed") == 1
    for person_id in (school.payer_id, school.student_id, school.tutor_id):
        assert "refund_failed" not in [kind for kind, _data in told(school, person_id)]
