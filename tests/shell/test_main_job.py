"""The main job's money and time at once, over HTTP and against the real simulator: one order, one seat, one
booking in the ledger, whatever the provider tells, when, and how often."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar
from werkzeug.test import TestResponse

from app.core import clock
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.booking import queries as booking
from app.domains.booking.errors import NotOffered
from app.domains.catalog import queries as catalog
from app.domains.tenancy import service as tenancy
from app.domains.tenancy.models import Tenant
from app.providers.mail.mock import MockMailMessage
from app.providers.payments.controls import SimulatorControls
from app.shell.checks import broken_rules
from tests.domains.booking.support import DAY, MINUTE, MONDAY, NOW
from tests.domains.payments.support import DECLINED, Till, order_of, race, simulating
from tests.support import lived
from tests.support.databases import Database
from tests.support.shop import Purchase, Shop
from tests.support.world import PASSWORD, Browser, World

# 40.00 with 19 % in it: the platform keeps 5 % of the net, the tutor 70 %, the company the rest.
GROSS, TAX, PLATFORM, TUTOR, COMPANY = 4000, 639, 168, 2353, 840
FEE = 146  # 2.9 % and 30
DISPUTE_FEE = 1500
SALE = {
    "tax_payable": -TAX,
    "platform_fee": -PLATFORM,
    "tutor_pending": -TUTOR,
    "tenant_revenue": -COMPANY,
}
COLLECTED = {"provider_balance": GROSS - FEE, "processing_fees": FEE}
TYPES = ("payment_intent.created", "payment_intent.succeeded", "charge.refunded", "charge.dispute.created")


@pytest.fixture
def shop(app: Flask, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """At `NOW`; in the end every rule of `run.py check` holds."""
    with simulating(app, tmp_path / "simulator") as (simulator, provider, keys), clock.frozen(NOW):
        monkeypatch.setitem(app.extensions, "payments", provider)
        till = Till(app, world, SimulatorControls(simulator.port, keys), provider, keys)
        yield Shop(till, lived.publish(world))
        broken = {rule: lines for rule, lines in broken_rules(app).items() if lines}
    assert not broken


# -- Paid --------------------------------------------------------------------------------------------------

ONE_TRANSACTION = """
    SELECT array_agg(name ORDER BY name), count(DISTINCT xmin::text) FROM (
        SELECT xmin, 'order' AS name FROM sales_order UNION ALL SELECT xmin, 'allocation' FROM allocation
        UNION ALL SELECT xmin, 'seat' FROM seat UNION ALL SELECT xmin, 'lesson' FROM lesson
        UNION ALL SELECT xmin, 'earning' FROM earning UNION ALL SELECT xmin, kind FROM ledger_entry) AS rows
"""


def invitation(mail: MockMailMessage) -> Any:
    """(method, event) of the calendar object that a mail brings."""
    (data,) = [
        base64.b64decode(file["data"])
        for file in mail.attachments or ()
        if "calendar" in file["content_type"]
    ]
    calendar = Calendar.from_ical(data)
    (event,) = calendar.walk("VEVENT")
    return str(calendar["METHOD"]), event


def test_a_signed_message_pays_books_and_posts_in_one_transaction(shop: Shop, database: Database) -> None:
    student = shop.browser()
    purchase = shop.choose()
    page = student.get(f"/pay/{purchase.order.code}")
    assert page.status_code == 200
    assert "€40.00" in page.text
    status, back = shop.at_the_provider(shop.press_pay(purchase, student))
    assert status == 303
    assert back.startswith(f"http://{shop.world.anna.host}/orders/{purchase.order.code}?")
    (event,) = shop.events(purchase, "payment_intent.succeeded")
    assert shop.till.tell(event, secret="whsec_of_somebody_else").status_code == 400
    shop.till.drain()
    assert shop.seat(purchase).status == "held"

    assert shop.till.tell(event).status_code == 200
    shop.till.drain()
    with database.connect() as connection:
        rows = ["allocation", "capture", "earning", "fee", "lesson", "order", "sale", "seat"]
        assert connection.execute(ONE_TRANSACTION).fetchone() == (rows, 1)
    found = shop.whole(purchase)
    assert found["order"] == ("paid", GROSS, True)
    assert found["seat"] == ("booked", 0)
    assert found["lesson"] == ("scheduled", 1)
    assert found["occupied"] == [("student", True), ("tutor", True)]
    assert found["earning"] == (("pending", False, 0), (TAX, PLATFORM, TUTOR, COMPANY))
    assert found["shared"] == [("sale", sorted([("customer_funds", GROSS), *SALE.items()]))]
    assert TAX + PLATFORM + TUTOR + COMPANY == GROSS
    assert shop.till.balances() == {**COLLECTED, **SALE}


def test_everybody_hears_of_it_with_an_entry_for_their_calendar(shop: Shop) -> None:
    purchase = shop.choose()
    shop.pay(purchase)
    shop.hear(purchase)
    seat = shop.seat(purchase)
    for role, subject in (("student", "Booked: Conversation"), ("tutor", "New booking: Conversation")):
        (mail,) = [mail for mail in shop.mails(role) if mail.subject.startswith(subject)]
        method, event = invitation(mail)
        assert method == "REQUEST"
        assert event["DTSTART"].dt.astimezone(dt.UTC) == MONDAY
        assert event["DTEND"].dt.astimezone(dt.UTC) == seat.lesson.ends_at
        assert int(event["SEQUENCE"]) == seat.lesson.sequence
    (receipt,) = [mail for mail in shop.mails() if "receipt" in mail.subject]
    path = re.search(r"/receipts/[0-9A-Z]{40}\.pdf", receipt.text)
    assert path
    assert shop.browser().get(path[0]).data.startswith(b"%PDF")

    lived.cancel(shop.world, seat, at=NOW + DAY)
    with clock.frozen(NOW + DAY):
        shop.till.drain()
    for role in ("student", "tutor"):
        (mail,) = [mail for mail in shop.mails(role) if mail.subject.startswith("Cancelled: Conversation")]
        method, called_off = invitation(mail)
        assert method == "CANCEL"
        assert int(called_off["SEQUENCE"]) > int(event["SEQUENCE"])
    assert shop.till.balances() == {"provider_balance": -FEE, "processing_fees": FEE}


def test_a_declined_card_and_then_a_good_one_book_once(shop: Shop) -> None:
    purchase = shop.choose()
    student = shop.browser()
    shop.at_the_provider(shop.press_pay(purchase, student), DECLINED)
    shop.hear(purchase, "payment_intent.payment_failed")
    assert shop.seat(purchase).status == "held"
    assert shop.till.order(purchase.bought).status == "open"
    shop.at_the_provider(shop.press_pay(purchase, student))
    shop.hear(purchase)
    assert shop.seat(purchase).status == "booked"
    assert (len(shop.till.events("payment_intent.created")), shop.charges()) == (1, 1)
    assert shop.till.balances() == {**COLLECTED, **SALE}


# -- The way there and back, through the pages --------------------------------------------------------------


def hold(shop: Shop, browser: Browser, starts_at: dt.datetime) -> TestResponse:
    """What clicking a time does."""
    with shop.till.open():
        variant_id = catalog.variants_of(shop.offering.id)[0].id
    page = f"/o/{shop.offering.slug}"
    return browser.post(f"{page}/hold", page=page, variant=str(variant_id), starts_at=starts_at.isoformat())


def offered(shop: Shop, browser: Browser) -> list[dt.datetime]:
    """The times that the offering's page has buttons for, on that Monday."""
    page = browser.get(f"/o/{shop.offering.slug}?from={MONDAY:%Y-%m-%d}&day={MONDAY:%Y-%m-%d}").text
    found = re.findall(r'name="starts_at" value="([^"]+)"', page)
    return [dt.datetime.fromisoformat(text) for text in found]


def test_a_visitor_holds_signs_in_pays_comes_and_the_tutor_earns(shop: Shop) -> None:
    browser, rival = (shop.world.browser(shop.world.anna.host) for _each in range(2))
    assert MONDAY in offered(shop, rival)
    held = hold(shop, browser, MONDAY)
    assert held.status_code == 302
    path = held.headers["Location"]
    assert hold(shop, rival, MONDAY).status_code == 409
    browser.post("/login/", email=shop.world.anna.email("student"), password=PASSWORD)
    checkout = browser.get(path)
    learner = str(shop.world.anna.people["student"])
    assert f'value="{learner}"' in checkout.text
    to_check = browser.post(path, student=learner)
    assert to_check.headers["Location"] == f"{path}/check"
    found = re.search(r'action="/pay/([0-9A-Z]{20})"', browser.get(f"{path}/check").text)
    assert found
    with shop.till.open():
        seat = booking.seat_by_code(path.rsplit("/", 1)[1])
        purchase = Purchase(seat, order_of(found.group(1)))
    shop.at_the_provider(shop.press_pay(purchase, browser))
    shop.hear(purchase)

    for role, place in (("student", f"/learn/lessons/{seat.code}"), ("tutor", "/teach/")):
        page = shop.browser(role).get(place)
        assert page.status_code == 200
        assert "Conversation" in page.text
    assert shop.browser("guardian").get(f"/learn/lessons/{seat.code}").status_code == 404
    assert MONDAY not in offered(shop, rival)
    assert hold(shop, rival, MONDAY).status_code == 409

    lived.mark(shop.world, shop.seat(purchase), attended=True)
    lived.time_passes(shop.world, MONDAY + 8 * DAY)
    assert shop.whole(purchase)["earning"] == (("cleared", False, 0), (TAX, PLATFORM, TUTOR, COMPANY))
    books = {**COLLECTED, **SALE, "tutor_cleared": -TUTOR}
    del books["tutor_pending"]
    assert shop.till.balances() == books


@pytest.mark.parametrize(("before", "back", "kept"), [(3 * DAY, "€40.00", 0), (120 * MINUTE, "€20.00", 2000)])
def test_what_the_preview_promises_goes_back(shop: Shop, before: dt.timedelta, back: str, kept: int) -> None:
    """And the time is everybody's again."""
    purchase = shop.choose()
    shop.pay(purchase)
    shop.hear(purchase)
    student = shop.browser()
    path = f"/learn/lessons/{purchase.seat.code}/cancel"
    with clock.frozen(MONDAY - before):
        preview = student.get(path)
        assert f"Cancel and get {back} back" in preview.text
        answer = student.post(path, expected=str(GROSS - kept), reason="")
        assert answer.status_code == 302, answer.text
        shop.till.drain()
        lesson = student.get(f"/learn/lessons/{purchase.seat.code}")
    found = shop.whole(purchase)
    assert found["seat"] == ("cancelled", GROSS - kept)
    assert found["refunds"] == [("succeeded", GROSS - kept)]
    assert sum(found["earning"][1]) == kept
    assert "Cancelled" in lesson.text
    assert back in lesson.text
    assert lived.hold(shop.world, shop.offering, MONDAY, actor="v:next").status == "held"


# -- Told in any order -------------------------------------------------------------------------------------


@pytest.fixture
def quiet(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is written to: many purchases make many mails, and these are no matter here."""
    later = app.extensions["wiring"].later
    for event in list(later):
        if not event.__module__.startswith("app.domains.payments"):
            monkeypatch.setitem(later, event, ())


def test_any_order_of_messages_ends_with_the_same_seat_and_earning(shop: Shop, quiet: None) -> None:
    """Paid, refunded in part by hand and disputed at the provider, of which nothing has come through yet;
    then everything, in each order, and each once more from the last to the first."""
    ends: list[dict[str, Any]] = []
    orders = list(itertools.permutations(TYPES))
    for number, types in enumerate(orders):
        purchase = shop.choose(MONDAY + number * DAY)
        shop.pay(purchase)
        ref = shop.till.at_provider(shop.till.payment(purchase.bought)).id
        shop.till.provider._stripe.v1.refunds.create({"payment_intent": ref, "amount": 1000})
        shop.till.controls.dispute(ref)
        shop.hear(purchase, *types)
        ends.append(shop.whole(purchase))
        shop.hear(purchase, *reversed(types))
        assert shop.whole(purchase) == ends[-1], types
    first = ends[0]
    assert first["order"] == ("paid", GROSS, True)
    assert first["seat"] == ("booked", 0)
    assert first["lesson"] == ("scheduled", 1)
    assert first["earning"] == (("pending", True, 0), (TAX, PLATFORM, TUTOR, COMPANY))
    assert first["disputes"] == [("open", 3000)]
    assert [types for types, end in zip(orders, ends, strict=True) if end != first] == []
    count = len(orders)
    expected = {**COLLECTED, **SALE, "disputes_held": 3000}
    expected["provider_balance"] = GROSS - FEE - DISPUTE_FEE - 3000
    expected["processing_fees"] = FEE + DISPUTE_FEE
    assert shop.till.balances() == {code: minor * count for code, minor in expected.items()}


def test_any_order_of_messages_about_a_cancelled_seat_has_one_end(shop: Shop, quiet: None) -> None:
    """Cancelled late: half goes back. The answer to that is lost, and the other half is disputed."""
    ends = []
    orders = list(itertools.permutations(("payment_intent.succeeded", "charge.refunded", TYPES[3])))
    for number, types in enumerate(orders):
        purchase = shop.choose(MONDAY + number * DAY)
        shop.pay(purchase)
        shop.hear(purchase)
        lived.cancel(shop.world, purchase.seat, at=MONDAY + number * DAY - 60 * MINUTE)
        shop.till.controls.set_faults(lose_answers=1)
        shop.till.drain()
        assert shop.whole(purchase)["refunds"] == [("requested", 2000)]
        shop.till.controls.dispute(str(shop.till.payment(purchase.bought).provider_ref))
        # New messages: one that came before would not be looked at again.
        told = [{**event, "id": f"{event['id']}_{number}"} for event in shop.events(purchase, *types)]
        shop.till.hear(*told, *reversed(told))
        ends.append(shop.whole(purchase))
    assert ends[0]["seat"] == ("cancelled", 2000)
    assert ends[0]["lesson"] == ("cancelled", 0)
    assert ends[0]["occupied"] == []
    assert ends[0]["refunds"] == [("succeeded", 2000)]
    assert ends[0]["disputes"] == [("open", 2000)]
    assert ends[0]["earning"][0] == ("pending", True, 2000)
    assert sum(ends[0]["earning"][1]) == 2000
    assert [types for types, end in zip(orders, ends, strict=True) if end != ends[0]] == []
    assert len(shop.till.events("refund.created")) == len(orders), "one refund each"
    shop.till.drain()


# -- Paid too late -----------------------------------------------------------------------------------------


def sweep(shop: Shop) -> None:
    lived.time_passes(shop.world, clock.now())


def nobody(_shop: Shop) -> None:
    """The recurring work has not come round yet."""


@pytest.mark.parametrize("meanwhile", [sweep, nobody])
def test_a_late_payment_gets_the_time_again_if_it_is_free(
    shop: Shop, meanwhile: Callable[[Shop], None]
) -> None:
    purchase = shop.choose()
    shop.pay(purchase)
    with shop.wait(11):
        meanwhile(shop)
        shop.hear(purchase)
        sweep(shop)
    found = shop.whole(purchase)
    assert (found["seat"], found["lesson"]) == (("booked", 0), ("scheduled", 1))
    assert found["occupied"] == [("student", True), ("tutor", True)]
    assert shop.till.balances() == {**COLLECTED, **SALE}
    assert shop.charges() == 1


@pytest.mark.parametrize("meanwhile", [sweep, nobody])
@pytest.mark.parametrize("is_paid", [True, False])
def test_a_late_payment_for_a_time_that_is_taken_goes_back_by_itself(
    shop: Shop, meanwhile: Callable[[Shop], None], *, is_paid: bool
) -> None:
    """Whether the other one has paid for it or holds it."""
    purchase = shop.choose()
    shop.pay(purchase)
    with shop.wait(11):
        meanwhile(shop)
        other = lived.hold(shop.world, shop.offering, MONDAY, actor="v:other")
        if is_paid:
            lived.pay(shop.world, lived.place(shop.world, other, "guardian"))
        shop.hear(purchase)
        shop.hear(purchase, "refund.created", "charge.refunded")
        found = shop.whole(purchase)
        others = lived.again(shop.world, other)
        (mail,) = [mail for mail in shop.mails() if mail.subject.startswith("Sorry: ")]
    assert found["order"] == ("paid", GROSS, True)
    assert found["seat"] == ("lapsed", 0)
    assert found["earning"] is None
    assert found["refunds"] == [("succeeded", GROSS)]
    assert found["receipts"] == [("receipt",), ("credit_note",)]
    assert others.status == ("booked" if is_paid else "held")
    assert others.lesson.taken == 1
    assert len(re.findall(r"\b2027\b", mail.text)) >= 4, "the time, and three others"
    (refund,) = shop.till.events("refund.created")
    assert refund["data"]["object"]["amount"] == GROSS


def test_a_payment_that_comes_after_the_lesson_goes_back(shop: Shop) -> None:
    purchase = shop.choose()
    shop.pay(purchase)
    with clock.frozen(MONDAY + MINUTE):
        sweep(shop)
        shop.hear(purchase)
    assert shop.whole(purchase)["seat"] == ("lapsed", 0)
    assert shop.whole(purchase)["refunds"] == [("succeeded", GROSS)]
    assert shop.till.balances() == {"provider_balance": -FEE, "processing_fees": FEE}


# -- Answers that are lost, and two of everything ----------------------------------------------------------


@pytest.mark.parametrize("how", ["drop", "hang"])
def test_an_answer_that_is_lost_after_it_took_effect_charges_once(shop: Shop, how: str) -> None:
    purchase = shop.choose()
    student = shop.browser()
    shop.till.controls.set_faults(lose_answers=1, lose_how=how)
    away = shop.press_pay(purchase, student)
    assert away.status_code == 503
    assert "Nothing was charged" in away.text
    shop.at_the_provider(shop.press_pay(purchase, student))
    shop.hear(purchase)
    assert shop.press_again(purchase, student) == f"/orders/{purchase.order.code}"
    assert (len(shop.till.events("payment_intent.created")), shop.charges()) == (1, 1)
    assert shop.whole(purchase)["seat"] == ("booked", 0)
    assert shop.till.balances() == {**COLLECTED, **SALE}


def test_a_refund_whose_answer_is_lost_goes_back_once(shop: Shop) -> None:
    purchase = shop.choose()
    shop.pay(purchase)
    shop.hear(purchase)
    shop.till.controls.set_faults(lose_answers=1)
    lived.cancel(shop.world, purchase.seat, at=NOW)
    shop.till.drain()
    assert shop.whole(purchase)["refunds"] == [("requested", GROSS)]
    with clock.machine_frozen(clock.machine_now() + 5 * MINUTE):
        shop.till.drain()
    found = shop.whole(purchase)
    assert found["refunds"] == [("succeeded", GROSS)]
    assert found["earning"] == (("reversed", False, GROSS), (0, 0, 0, 0))
    assert len(shop.till.events("refund.created")) == 1
    assert shop.till.balances() == {"provider_balance": -FEE, "processing_fees": FEE}


def test_two_tabs_pay_once(shop: Shop) -> None:
    """Both press at once, both fill the form in, and both come back."""
    purchase = shop.choose()
    tabs = shop.browser(), shop.browser()
    answers = race(shop.till.app, 2, lambda number: shop.press_pay(purchase, tabs[number]))
    assert [getattr(answer, "status_code", answer) for answer in answers] == [302, 302]
    first, second = (answer for answer in answers if isinstance(answer, TestResponse))
    assert first.headers["Location"] == second.headers["Location"]
    back = [shop.at_the_provider(answer)[1] for answer in (first, second)]
    for browser, url in zip(tabs, back, strict=True):
        if url:
            assert browser.get(url.removeprefix(browser.base)).status_code == 302
        assert browser.get(f"/orders/{purchase.order.code}").status_code == 200
        assert shop.press_again(purchase, browser) == f"/orders/{purchase.order.code}"
    shop.hear(purchase)
    assert (len(shop.till.events("payment_intent.created")), shop.charges()) == (1, 1)
    assert shop.whole(purchase)["seat"] == ("booked", 0)
    assert shop.till.balances() == {**COLLECTED, **SALE}


def test_message_return_and_recurring_look_at_once_book_once(shop: Shop) -> None:
    """All that can notice a payment notices it in the same moment."""
    purchase = shop.choose()
    student = shop.browser()
    _status, back = shop.at_the_provider(shop.press_pay(purchase, student))
    (event,) = shop.events(purchase, "payment_intent.succeeded")
    payment = shop.till.payment(purchase.bought)

    def hear(_number: int) -> None:
        assert shop.till.tell(event).status_code == 200
        shop.till.drain()

    def come_back(_number: int) -> None:
        assert student.get(back.removeprefix(student.base)).status_code == 302

    def ask(_number: int) -> None:
        assert shop.till.ask(payment).status in {"pending", "captured"}

    found = race(shop.till.app, 6, lambda number: (hear, come_back, ask)[number % 3](number))
    assert [error for error in found if isinstance(error, Exception)] == []
    shop.till.drain()
    whole = shop.whole(purchase)
    assert whole["seat"] == ("booked", 0)
    assert [kind for kind, _postings in whole["entries"]] == ["capture", "fee"]
    assert [kind for kind, _postings in whole["shared"]] == ["sale"]
    assert shop.till.balances() == {**COLLECTED, **SALE}


# -- A suspended company -----------------------------------------------------------------------------------


def close(shop: Shop, work: Callable[[Tenant], None]) -> None:
    with shop.till.app.app_context(), platform_scope("test"), transaction() as session:
        work(session.get_one(Tenant, shop.world.anna.id))
    shop.till.app.extensions["places"].forget()


def test_a_suspended_company_keeps_its_lessons_and_hears_of_its_money(shop: Shop) -> None:
    paid, paying = shop.choose(), shop.choose(MONDAY + DAY)
    for purchase in (paid, paying):
        shop.pay(purchase)
    shop.hear(paid)
    student = shop.browser()
    close(shop, lambda tenant: tenancy.suspend(tenant, reason="unpaid"))

    assert student.get(f"/pay/{paying.order.code}").status_code == 503
    with pytest.raises(NotOffered) as refusal:
        shop.choose(MONDAY + 2 * DAY)
    assert refusal.value.data["why"] == "suspended"
    shop.hear(paying)
    for purchase in (paid, paying):
        assert shop.whole(purchase)["seat"] == ("booked", 0)
    assert shop.till.balances() == {code: 2 * minor for code, minor in {**COLLECTED, **SALE}.items()}
    with clock.frozen(MONDAY + 3 * DAY):
        sweep(shop)
    assert [shop.seat(purchase).status for purchase in (paid, paying)] == ["attended", "attended"]

    assert [mail.subject for mail in shop.mails()].count("Booked: Conversation") == 2

    close(shop, tenancy.resume)
    assert student.get(f"/orders/{paying.order.code}").status_code == 200
    assert shop.seat(paid).lesson.starts_at == MONDAY
