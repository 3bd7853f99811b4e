"""The tutor's page explains each figure down to the books, and shows nobody else's; the manager's says the same."""

from __future__ import annotations

import html
import re

import pytest

from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.earnings import queries, service
from tests.domains.earnings.support import AT, DAY, at, clear_due, eur, sell
from tests.support.statements import count_statements
from tests.support.world import PLATFORM, Browser, World


def text_of(page: str) -> str:
    """What a page says, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def tutor(world: World) -> Browser:
    return world.browser(world.anna.host, world.anna.email("tutor"))


@pytest.fixture
def sold(world: World) -> World:
    """Four lessons of anna's tutor: cleared, pending with a day, to come, and given back; one free besides."""
    person = world.anna.people["tutor"]
    with at(world, AT - 9 * DAY):
        for seat_id, words in enumerate(("Cleared", "Clearing", "To come", "Cancelled", "Half"), 1):
            sell(person, seat_id=seat_id, description=f"{words} lesson")
        sell(person, seat_id=6, gross=eur(0), description="Trial lesson")
        service.start_clearing(seat_id=1, ended_at=AT - 8 * DAY)
        service.start_clearing(seat_id=2, ended_at=AT - DAY)
        service.give_back(seat_id=4, amount=eur(6000), reason="Cancelled in time.")
        service.give_back(seat_id=5, amount=eur(3000), reason="Cancelled late")
    clear_due(world, AT)
    return world


def number(world: World, seat_id: int) -> int:
    with at(world):
        return int(queries.of_seat(seat_id).id)


def test_the_totals_say_what_changes_when_and_why(sold: World) -> None:
    page = text_of(tutor(sold).get("/teach/earnings/").text)
    # Pending: 35.29 that clears, 35.29 and half of 35.29 to come; given back: 35.29 and the other half.
    assert "Pending €88.23" in page
    assert "€35.29 is for lessons that took place. It clears some days later, next on Nov 9, 2026" in page
    assert "€52.94 is for lessons that are still to come." in page
    assert "Cleared €35.29 Yours for certain. It changes only if a lesson is refunded after all." in page
    assert "Given back €52.93" in page
    assert "Clearing lesson" in page
    assert "Clears on Nov 9, 2026" in page
    assert "Given back: Cancelled in time. This does not change any more." in page
    assert "Clears 7 days after the lesson has taken place." in page


def test_each_figure_is_explained_down_to_the_postings(sold: World) -> None:
    browser, cleared = tutor(sold), number(sold, 1)
    page = text_of(browser.get(f"/teach/earnings/{cleared}").text)
    for words in (
        "€60.00 paid, €9.58 of it tax at 19%. That leaves €50.42 to share.",
        "The platform's fee is 5% of that: €2.52.",
        "Your share is 70% of that: €35.29.",
        "The company keeps the rest: €12.61.",
        "€35.29 became yours for certain, 7 days after the lesson.",
        "Customers' money without a booking €60.00",
        "Tax collected – empty €9.58",
        "Tutors' earnings, pending – empty €35.29",
        "Tutors' earnings, pending €35.29",
        "Tutors' earnings, cleared – empty €35.29",
        "70% after tax, by these terms: the house's terms.",
    ):
        assert words in page
    half = text_of(browser.get(f"/teach/earnings/{number(sold, 5)}").text)
    assert "€30.00 went back to the customer. Each gave their part of it:" in half
    assert "tax €4.79, the platform €1.26, the company €6.31, you €17.64." in half
    assert "Given back to the customer €30.00 Cancelled late" in half
    free = text_of(browser.get(f"/teach/earnings/{number(sold, 6)}").text)
    assert "It was free: nothing was paid, so there is nothing to share." in free


def test_german_writes_it_its_own_way(sold: World) -> None:
    browser = tutor(sold)
    browser.post("/preferences/", page="/account/", locale="de")
    page = text_of(browser.get(f"/teach/earnings/{number(sold, 1)}").text)
    assert "60,00 €" in page
    assert "19 %" in page


def test_the_cards_lead_to_what_they_count(sold: World) -> None:
    browser = tutor(sold)
    shown = {"pending": ("To come", 4), "cleared": ("Cleared", 1), "reversed": ("Cancelled", 1)}
    for status, (words, count) in shown.items():
        page = browser.get(f"/teach/earnings/?status={status}").text
        assert f"{words} lesson" in page
        assert len(re.findall(r'<th scope="row"', page)) == count
    for path in ("?status=paid", "?page=0", "?page=x", "?page=99999999999999999999"):
        assert browser.get(f"/teach/earnings/{path}").status_code == 404
    assert browser.get("/teach/earnings/?page=2").status_code == 200


def test_the_list_has_pages(sold: World) -> None:
    with at(sold):
        for seat_id in range(10, 40):
            sell(sold.anna.people["tutor"], seat_id=seat_id, description=f"Lesson {seat_id}")
    browser = tutor(sold)
    first, second = (browser.get(f"/teach/earnings/{query}").text for query in ("", "?page=2"))
    assert "/teach/earnings/?page=2" in first
    assert "Lesson 39" in first
    assert "Lesson 39" not in second
    assert "Lesson 14<" in second
    assert 'href="/teach/earnings/"' in second


def test_a_page_costs_as_much_with_many_earnings_as_with_few(sold: World) -> None:
    browser = tutor(sold)
    browser.get("/teach/earnings/")
    with sold.app.app_context():
        engine = db.engine
    with count_statements(engine) as few:
        browser.get("/teach/earnings/")
    with at(sold):
        for seat_id in range(10, 30):
            sell(sold.anna.people["tutor"], seat_id=seat_id)
    with count_statements(engine) as many:
        browser.get("/teach/earnings/")
    assert len(many) == len(few)
    own = [statement for statement in many if re.search(r"\b(earning|posting)\b", statement)]
    assert len(own) == 4, own


def test_nobody_sees_somebody_elses(sold: World) -> None:
    with at(sold, company=sold.bert):
        sell(sold.bert.people["tutor"], description="Secret lesson")
        theirs = int(queries.of_seat(1).id)
    mine = number(sold, 1)
    assert tutor(sold).get(f"/teach/earnings/{theirs}").status_code == 404
    assert tutor(sold).get("/teach/earnings/999999").status_code == 404
    other = sold.browser(sold.bert.host, sold.bert.email("tutor"))
    assert other.get(f"/teach/earnings/{mine}").status_code == 404
    assert "Secret lesson" in other.get("/teach/earnings/").text
    assert "Secret lesson" not in tutor(sold).get("/teach/earnings/").text
    for role in ("manager", "student", "guardian"):
        browser = sold.browser(sold.anna.host, sold.anna.email(role))
        assert browser.get("/teach/earnings/").status_code == 404
        assert browser.get(f"/teach/earnings/{mine}").status_code == 404
    visitor = sold.browser(sold.anna.host)
    for path in ("/teach/earnings/", f"/teach/earnings/{mine}"):
        assert visitor.get(path).headers["Location"].startswith("/login/?next=")
    assert sold.operator().get("/teach/earnings/").status_code == 404
    assert sold.browser(PLATFORM).get("/teach/earnings/").status_code in {302, 404}


def test_an_empty_page_says_what_to_do_next(world: World) -> None:
    page = tutor(world).get("/teach/earnings/").text
    assert "No earnings yet" in page
    assert 'href="/teach/offerings/"' in page
    assert "Nothing is waiting." in page


def test_a_tutor_who_owes_is_told_why(sold: World) -> None:
    with at(sold):
        service.give_back(seat_id=1, amount=eur(6000), reason="Complaint")
        sell(sold.anna.people["tutor"], seat_id=7)
        service.start_clearing(seat_id=7, ended_at=AT)
    clear_due(sold, AT + 7 * DAY)
    with at(sold, AT + 7 * DAY):
        service.give_back(seat_id=7, amount=eur(5000), reason="Complaint")
        service.give_back(seat_id=2, amount=eur(6000), reason="Complaint")
    page = text_of(tutor(sold).get("/teach/earnings/").text)
    assert "Cleared €5.88" in page


def test_the_manager_reads_the_same_explanation(sold: World) -> None:
    manager = sold.manager()
    page = text_of(manager.get(f"/admin/earnings/{number(sold, 1)}").text)
    assert "€60.00 paid, €9.58 of it tax at 19%. That leaves €50.42 to share." in page
    assert "Tutor anna" in page
    listing = text_of(manager.get("/admin/earnings/?status=cleared").text)
    assert "Cleared lesson" in listing
    assert "To come lesson" not in listing
    for path in ("add", f"{number(sold, 1)}/edit", f"{number(sold, 1)}/delete", "import"):
        assert manager.get(f"/admin/earnings/{path}").status_code in {403, 404}
    headers = {"Authorization": f"Bearer {sold.token(sold.anna)}"}
    answer = sold.app.test_client().get(
        f"/api/v1/earnings/{number(sold, 1)}", base_url=f"http://{sold.anna.host}", headers=headers
    )
    assert (answer.json["gross_minor"], answer.json["tutor_minor"], answer.json["currency"]) == (
        6000,
        3529,
        "EUR",
    )


def test_another_companys_scope_sees_nothing(sold: World) -> None:
    with sold.app.app_context(), tenant_scope(sold.bert.id):
        assert queries.of_seat(1) is None
        assert queries.totals_of(sold.anna.people["tutor"], "EUR").pending == eur(0)
        assert queries.of_tutor(sold.anna.people["tutor"]).count == 0
