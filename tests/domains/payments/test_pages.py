"""The payer's pages: pay, come back, find the receipt; and for everybody else there is nothing."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape
from typing import Any
from urllib.parse import unquote

import pytest
from werkzeug.test import TestResponse

from app.core import clock
from app.core.db import db
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.payments import queries, service
from app.domains.payments.models import Payment
from app.providers.payments import StripeProvider
from tests.domains.payments.support import DECLINED, GOOD, SECURE, Bought, Till, line
from tests.support.statements import assert_statements
from tests.support.world import Browser


@pytest.fixture
def payer(till: Till) -> Browser:
    return till.world.browser(till.company.host, till.company.email("student"))


def press_pay(browser: Browser, bought: Bought) -> TestResponse:
    return browser.post(f"/pay/{bought.code}")


def at_the_simulator(till: Till, answer: TestResponse, number: str = GOOD) -> tuple[int, str]:
    """What the payer does where the button leads."""
    found = re.fullmatch(r"http://localhost:\d+/pay/([^?]+)\?return_url=(.+)", answer.headers["Location"])
    assert found, answer.headers["Location"]
    return till.controls.pay(found[1], number, unquote(found[2]))


def come_back(browser: Browser, url: str) -> TestResponse:
    """To where the provider sends the payer."""
    return browser.get(url.removeprefix(browser.base))


def words(answer: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_the_whole_way(till: Till) -> None:
    """Seen, paid, back, and the receipt; nothing came from the provider by itself."""
    payer = till.world.browser(till.company.host, till.company.email("student"))
    bought = till.place(line(4000, description="Trial lesson, Spanish"))
    page = payer.get(f"/pay/{bought.code}")
    assert page.status_code == 200
    for part in ("Trial lesson, Spanish", "€40.00", "Includes 19 % tax", "€6.39", "Kept for you until"):
        assert part in words(page), part
    left = int(re.search(r'data-seconds-left="(\d+)"', page.text)[1])  # type: ignore[index]
    assert 590 <= left <= 600
    assert f"form-action 'self' {till.provider._page_base}" in page.headers["Content-Security-Policy"]

    answer = press_pay(payer, bought)
    assert answer.status_code == 302
    status, back = at_the_simulator(till, answer)
    assert status == 303
    assert back.startswith(f"http://{till.company.host}/orders/{bought.code}?payment_intent=pi_")
    assert come_back(payer, back).headers["Location"] == f"/orders/{bought.code}"
    done = payer.get(f"/orders/{bought.code}")
    assert "Paid" in words(done)
    assert "Thank you" in words(done)
    assert 'href="/learn/"' in done.text
    (receipt_url,) = re.findall(r'href="(/receipts/[0-9A-Z]{40}\.pdf)"', done.text)
    till.drain()
    assert payer.get(receipt_url).data.startswith(b"%PDF")
    mine = words(payer.get("/account/orders/"))
    assert "Trial lesson, Spanish" in mine
    assert "Receipt R-000001" in mine


def test_a_double_click_another_tab_and_back_are_one_charge(till: Till, payer: Browser) -> None:
    bought = till.place()
    first, second = press_pay(payer, bought), press_pay(payer, bought)
    assert first.headers["Location"] == second.headers["Location"]
    stale = payer.csrf(f"/pay/{bought.code}")
    at_the_simulator(till, first)
    # Back to the page as it was, and pressed again; the message of the payment has not come yet.
    again = payer.post_raw(f"/pay/{bought.code}", {"csrf_token": stale})
    assert again.headers["Location"] == f"/orders/{bought.code}"
    assert "you were not charged again" in words(payer.get(f"/orders/{bought.code}"))
    assert payer.get(f"/pay/{bought.code}").headers["Location"] == f"/orders/{bought.code}"
    assert len(till.events("charge.succeeded")) == 1
    assert len(till.all(Payment)) == 1


def test_while_the_provider_is_away_nothing_is_lost(till: Till, payer: Browser) -> None:
    bought = till.place()
    till.controls.set_faults(fail_calls=1, fail_status=503)
    answer = press_pay(payer, bought)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Nothing was charged" in words(answer)
    assert "Kept for you until" in words(answer)
    assert press_pay(payer, bought).status_code == 302
    # Now there is a payment that could have been paid, and the words are careful.
    till.controls.set_faults(fail_calls=1, fail_status=503)
    careful = press_pay(payer, bought)
    assert careful.status_code == 503
    assert "you can't be charged twice" in words(careful)
    assert "Nothing was charged" not in words(careful)


def test_what_the_provider_refuses(till: Till, payer: Browser) -> None:
    bought = till.place(line(10))  # less than any card takes
    answer = press_pay(payer, bought)
    assert answer.status_code == 422
    assert "does not take this payment" in words(answer)
    assert [payment.status for payment in till.all(Payment)] == ["voided"]
    assert press_pay(payer, bought).status_code == 422


def test_a_declined_card_and_then_another(till: Till, payer: Browser) -> None:
    bought = till.place()
    answer = press_pay(payer, bought)
    at_the_simulator(till, answer, DECLINED)
    till.ask(till.payment(bought))
    page = payer.get(f"/orders/{bought.code}")
    assert "The payment was declined" in words(page)
    assert f'href="/pay/{bought.code}"' in page.text
    come_back(payer, at_the_simulator(till, press_pay(payer, bought))[1])
    assert "Thank you" in words(payer.get(f"/orders/{bought.code}"))


def test_waiting_looks_again_by_itself(till: Till, payer: Browser) -> None:
    bought = till.place()
    answer = press_pay(payer, bought)
    at_the_simulator(till, answer, SECURE)  # the bank wants to see the payer
    page = payer.get(f"/orders/{bought.code}")
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page.text
    assert f'data-order-state="waiting" data-state-url="/orders/{bought.code}/state"' in page.text
    assert payer.get(f"/orders/{bought.code}/state").json == {"state": "waiting"}
    secret = till.payment(bought).client_secret or ""
    till.controls.authenticate(secret, passed=True)
    later = clock.machine_now() + dt.timedelta(seconds=3)
    with clock.machine_frozen(later):
        assert payer.get(f"/orders/{bought.code}/state").json == {"state": "paid"}
    paid = payer.get(f"/orders/{bought.code}")
    assert "http-equiv" not in paid.text


def test_the_provider_is_not_asked_more_than_once_in_two_seconds(till: Till, payer: Browser) -> None:
    bought = till.place()
    press_pay(payer, bought)
    with clock.machine_frozen(clock.machine_now() + dt.timedelta(seconds=1)):
        till.controls.set_faults(fail_calls=1)
        assert payer.get(f"/orders/{bought.code}/state").json == {"state": "waiting"}
        asked = till.payment(bought).asked_at
    with clock.machine_frozen(clock.machine_now() + dt.timedelta(seconds=5)):
        # Away just then: the page says what is known.
        assert payer.get(f"/orders/{bought.code}").status_code == 200
        assert till.payment(bought).asked_at == asked
        assert payer.get(f"/orders/{bought.code}").status_code == 200
        assert till.payment(bought).asked_at != asked


def test_an_order_in_words_at_each_stage(till: Till, payer: Browser) -> None:
    def says(bought: Bought) -> str:
        return words(payer.get(f"/orders/{bought.code}"))

    fresh, expired, given_up, late = (till.place() for _ in range(4))
    assert "Not paid yet" in says(fresh)
    with till.writing():
        service.cancel_order(queries.order(given_up.id))
    assert "Given up" in says(given_up)
    press_pay(payer, late)
    with clock.frozen(clock.now() + dt.timedelta(minutes=10)):
        assert "Nothing was charged, and what you had chosen is free again" in says(expired)
        assert payer.get(f"/pay/{expired.code}").headers["Location"] == f"/orders/{expired.code}"
        assert "If you have paid all the same" in says(late)
    bought = till.buy()
    till.refund(bought.line, 1000)
    assert "Paid, and refunded in part" in says(bought)
    till.refund(bought.line, 3000)
    assert "All of your money is on its way back" in says(bought)
    till.drain()
    assert "Credit note C-000002" in says(bought)


def test_an_order_says_why_it_costs_so_much_and_what_went_back(till: Till, payer: Browser) -> None:
    bought = till.buy(line(4000, tax_rate_bp=1900), line(1250, description="Workbook", quantity=2))
    page = unescape(payer.get(f"/orders/{bought.code}").text)
    for part in (
        "The price of €40.00 includes 19 % tax: €33.61 and €6.39 of tax.",
        "Workbook: 2 × €12.50 is €25.00.",
        "There are no fees on top",
    ):
        assert part in page, part
    assert "What went back" not in page
    till.refund(bought.line, 1000)
    page = unescape(payer.get(f"/orders/{bought.code}").text)
    went_back = page.split("What went back", 1)[1]
    assert "€10.00" in went_back
    assert "on its way" in went_back


def test_the_steps_stand_over_the_payment(till: Till, payer: Browser) -> None:
    bought = till.place(line(4000))
    page = payer.get(f"/pay/{bought.code}").text
    assert page.count(f'href="/orders/{bought.code}/booking"') == 3, "two steps back, and Back"
    assert 'aria-current="step"' in page


def test_pressing_pay_too_late_charges_nothing(till: Till, payer: Browser) -> None:
    bought = till.place()
    stale = payer.csrf(f"/pay/{bought.code}")
    with clock.frozen(clock.now() + dt.timedelta(minutes=10)):
        answer = payer.post_raw(f"/pay/{bought.code}", {"csrf_token": stale})
        assert answer.headers["Location"] == f"/orders/{bought.code}"
    assert till.events() == []


def test_a_free_order_is_confirmed(till: Till, payer: Browser) -> None:
    bought = till.place(line(0))
    page = payer.get(f"/pay/{bought.code}")
    assert "it costs nothing" in words(page)
    assert press_pay(payer, bought).headers["Location"] == f"/orders/{bought.code}"
    assert till.order(bought).status == "paid"
    assert till.events() == []


def test_without_the_forms_token_nothing_starts(till: Till, payer: Browser) -> None:
    bought = till.place()
    assert payer.post_raw(f"/pay/{bought.code}", {}).status_code == 400
    assert till.all(Payment) == []


PATHS = ("/pay/{}", "/orders/{}", "/orders/{}/state")


@pytest.mark.parametrize("path", PATHS)
def test_an_order_is_its_payers_alone(till: Till, path: str, payer: Browser) -> None:
    bought = till.place()
    assert payer.get(path.format(bought.code)).status_code == 200
    for role in ("guardian", "tutor", "manager"):
        other = till.world.browser(till.company.host, till.company.email(role))
        assert other.get(path.format(bought.code)).status_code == 404
    elsewhere = till.world.browser(till.world.bert.host, till.world.bert.email("student"))
    assert elsewhere.get(path.format(bought.code)).status_code == 404
    assert till.world.operator().get(path.format(bought.code)).status_code == 404
    for code in ("0" * 20, "nothing", "%00", "'--", "0" * 300):
        assert payer.get(path.format(code)).status_code == 404
    assert payer.post("/pay/" + "0" * 20, page=f"/pay/{bought.code}").status_code == 404


def test_a_visitor_is_asked_to_sign_in_whether_there_is_an_order_or_not(till: Till) -> None:
    bought = till.place()
    visitor = Browser(till.app, till.company.host)
    for code in (bought.code, "0" * 20):
        answer = visitor.get(f"/orders/{code}")
        assert answer.headers["Location"] == f"/login/?next=/orders/{code}"
        assert visitor.get(f"/pay/{code}").headers["Location"] == f"/login/?next=/pay/{code}"


def test_the_browser_that_placed_an_order_pays_it(till: Till) -> None:
    bought = till.place(actor="v:the-token")
    browser = Browser(till.app, till.company.host)
    with browser.client.session_transaction(base_url=browser.base) as session:
        session["visitor"] = "the-token"
    answer = press_pay(browser, bought)
    come_back(browser, at_the_simulator(till, answer)[1])
    assert "Thank you" in words(browser.get(f"/orders/{bought.code}"))
    assert Browser(till.app, till.company.host).get(f"/orders/{bought.code}").status_code == 302


def test_my_orders(till: Till, payer: Browser) -> None:
    assert "You have not bought anything yet" in words(payer.get("/account/orders/"))
    paid, waiting, _given_up = till.buy(line(description="Paid one")), till.place(), till.place()
    with till.writing():
        service.cancel_order(queries.order(_given_up.id))
    till.place(payer="guardian")
    page = payer.get("/account/orders/")
    assert re.findall(r'<a href="/orders/([0-9A-Z]+)">', page.text) == [waiting.code, paid.code]
    assert f'href="/pay/{waiting.code}"' in page.text
    for _more in range(20):
        till.place()
    second = payer.get("/account/orders/?page=2")
    assert len(re.findall(r'<a href="/orders/', second.text)) == 2
    for odd in ("0", "-1", "x", "9" * 30, "3"):
        assert payer.get(f"/account/orders/?page={odd}").status_code in {200, 302}
    assert Browser(till.app, till.company.host).get("/account/orders/").status_code == 302
    # Without a person in this company there are no orders, and no error either.
    assert "/login/" in Browser(till.app, till.company.host).get("/account/orders/").headers["Location"]


def test_hostile_text_is_shown_as_it_is(till: Till, payer: Browser) -> None:
    with till.writing():
        db.session.get_one(Person, till.company.people["student"]).full_name = "<i>Eve</i>"
    bought = till.place(line(description='"><script>alert(1)</script> {{ 7*7 }}'))
    for path in (f"/pay/{bought.code}", f"/orders/{bought.code}", "/account/orders/"):
        page = payer.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "{{ 7*7 }}" in page.text


def test_stripes_form_is_let_in_on_its_page_alone(
    till: Till, payer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real provider has no page of its own for payers: its form stands in ours."""
    real = StripeProvider(
        secret_key=till.keys.secret,
        publishable_key="pk_test_of_the_page",
        webhook_secret=till.keys.webhook,
        api_base=till.provider._page_base,
        proxies=False,
        guard=till.provider._guard,  # the one named "payments" may be open from another test's outage
    )
    monkeypatch.setitem(till.app.extensions, "payments", real)
    bought = till.place()
    before = payer.get(f"/pay/{bought.code}/card")
    assert before.headers["Location"] == f"/pay/{bought.code}"
    answer = press_pay(payer, bought)
    assert answer.headers["Location"] == f"/pay/{bought.code}/card"
    page = payer.get(answer.headers["Location"])
    assert 'data-key="pk_test_of_the_page"' in page.text
    assert f'data-secret="{till.payment(bought).client_secret}"' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert re.search(r"script-src 'self' https://js\.stripe\.com https://\*\.js\.stripe\.com 'nonce-", policy)
    assert "frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com" in policy
    assert "connect-src 'self' https://api.stripe.com" in policy
    assert 'payment=(self "https://js.stripe.com")' in page.headers["Permissions-Policy"]
    assert "stripe" not in payer.get(f"/pay/{bought.code}").headers["Content-Security-Policy"]
    with till.writing():
        service.cancel_order(queries.order(bought.id))
    assert payer.get(f"/pay/{bought.code}/card").status_code == 302


# -- The API -----------------------------------------------------------------------------------------------


def call(till: Till, method: str, path: str, *, token: str | None = None, **headers: Any) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    return till.app.test_client().open(
        path, method=method, headers=sent, base_url=f"http://{till.company.host}"
    )


def test_an_app_reads_and_pays_an_order(till: Till) -> None:
    bought = till.place()
    token = till.world.token(till.company, "student")
    path = f"/api/v1/orders/{bought.code}"
    seen = call(till, "GET", path, token=token).json
    assert seen is not None
    assert (seen["state"], seen["total_minor"], seen["total"]) == ("payable", 4000, "40.00 EUR")
    assert seen["lines"][0]["tax_minor"] == 639
    first = call(till, "POST", f"{path}/pay", token=token, Idempotency_Key="k-1")
    assert first.status_code == 200
    secret = re.search(r"/pay/([^?]+)\?", first.json["checkout_url"])[1]  # type: ignore[index]
    till.controls.pay(secret, GOOD)
    again = call(till, "POST", f"{path}/pay", token=token, Idempotency_Key="k-1")
    assert (again.json, again.headers["Idempotent-Replayed"]) == (first.json, "true")
    other = call(till, "POST", f"{path}/pay", token=token, Idempotency_Key="k-2")
    assert (other.status_code, other.json["code"]) == (409, "already_paid")  # type: ignore[index]
    seen = call(till, "GET", path, token=token).json
    assert seen is not None
    assert seen["state"] == "paid"
    assert seen["receipts"][0]["url"].startswith(f"http://{till.company.host}/receipts/")


def test_an_app_of_somebody_else_finds_nothing(till: Till) -> None:
    bought = till.place()
    path = f"/api/v1/orders/{bought.code}"
    assert call(till, "GET", path).status_code == 401
    assert call(till, "POST", f"{path}/pay").status_code == 401
    for role in ("guardian", "manager"):
        token = till.world.token(till.company, role)
        assert call(till, "GET", path, token=token).status_code == 404
        assert call(till, "POST", f"{path}/pay", token=token).status_code == 404
    token = till.world.token(till.company, "student")
    assert call(till, "GET", "/api/v1/orders/%00", token=token).status_code == 404
    assert call(till, "POST", f"{path}/pay", token=token, Idempotency_Key="x" * 201).status_code == 422
    assert till.all(Payment) == []


def test_an_app_confirms_what_is_free(till: Till) -> None:
    bought = till.place(line(0))
    token = till.world.token(till.company, "student")
    answer = call(till, "POST", f"/api/v1/orders/{bought.code}/pay", token=token)
    assert answer.json == {"state": "paid"}


def test_while_the_provider_is_away_an_app_is_told(till: Till) -> None:
    bought = till.place()
    token = till.world.token(till.company, "student")
    till.controls.set_faults(fail_calls=1)
    path = f"/api/v1/orders/{bought.code}/pay"
    away = call(till, "POST", path, token=token, Idempotency_Key="k-1")
    assert (away.status_code, away.json["code"]) == (503, "provider_unavailable")  # type: ignore[index]
    assert call(till, "POST", path, token=token, Idempotency_Key="k-1").status_code == 200


# -- The admin ---------------------------------------------------------------------------------------------

ENTRIES = (
    "sales-orders",
    "order-lines",
    "payments",
    "allocations",
    "refunds",
    "disputes",
    "receipts",
    "receipt-counters",
)


def test_a_manager_sees_all_of_it(till: Till) -> None:
    bought = till.buy()
    till.refund(bought.line, 1000)
    till.drain()
    till.controls.dispute(till.payment(bought).provider_ref or "")
    till.hear(*till.events("charge.dispute.created"))
    manager = till.world.manager()
    for entry in ENTRIES:
        listed = manager.get(f"/admin/{entry}/")
        assert listed.status_code == 200, entry
        found = re.search(rf'href="/admin/{entry}/(\d+)"', listed.text)
        assert found, entry
        assert manager.get(f"/admin/{entry}/{found[1]}").status_code == 200
        assert manager.get(f"/admin/{entry}/export.csv").status_code == 200
        assert manager.get(f"/admin/{entry}/add").status_code == 403
    orders = manager.get("/admin/sales-orders/").text
    assert "€40.00" in orders
    assert bought.code in orders
    assert "/receipts/" in manager.get("/admin/receipts/").text
    assert manager.get("/admin/provider-events/").status_code == 404
    told = till.world.operator().get("/admin/provider-events/")
    assert "charge.dispute.created" in told.text


def test_a_manager_gives_an_order_up_asks_the_provider_and_tries_again(till: Till) -> None:
    manager = till.world.manager()
    bought, paid = till.place(), till.place()
    page = f"/admin/sales-orders/{bought.id}/do/cancel"
    assert manager.post(page).status_code == 302
    assert till.order(bought).status == "cancelled"
    payment = till.pay(paid)
    assert manager.post(f"/admin/payments/{payment.id}/do/ask").status_code == 302
    assert till.order(paid).status == "paid"
    (refund_id,) = till.refund(paid.line, 1000)
    with till.open(), transaction():
        service.refuse_refund(refund_id, why="test")
    assert manager.post(f"/admin/refunds/{refund_id}/do/try-again").status_code == 302
    till.drain()
    assert till.order(paid).lines[0].refunded_minor == 1000


def test_an_operator_has_messages_worked_off_again(till: Till) -> None:
    bought = till.place()
    till.pay(bought)
    till.hear(*till.events("payment_intent.succeeded"))
    (event,) = till.told()
    operator = till.world.operator()
    assert operator.post(f"/admin/provider-events/{event.id}/do/process").status_code == 302
    assert [event.status for event in till.told()] == ["received"]
    till.drain()
    assert [event.status for event in till.told()] == ["processed"]


def test_the_way_to_the_provider_takes_few_statements(till: Till, payer: Browser) -> None:
    """Who it is, and the order; the order under its lock, whether a payment is under way, a new one and its trail
    at once; when the provider has answered, both under their locks, and what it said with its trail."""
    form = {"csrf_token": payer.csrf(f"/pay/{till.place().code}")}
    bought = till.place()
    with till.app.app_context(), assert_statements(db.engine, 8):
        assert payer.post_raw(f"/pay/{bought.code}", form).status_code == 302


def test_what_became_of_an_order_takes_few_statements(till: Till, payer: Browser) -> None:
    """Who it is, the order with all that is shown of it, and what waits in the top bar; of a list also how many
    there are."""
    bought = till.buy()
    payer.get("/account/")
    with till.app.app_context(), assert_statements(db.engine, 2):
        assert payer.get(f"/orders/{bought.code}/state").json == {"state": "paid"}
    with till.app.app_context(), assert_statements(db.engine, 3):
        assert payer.get(f"/orders/{bought.code}").status_code == 200
    till.buy()
    with till.app.app_context(), assert_statements(db.engine, 4):
        assert payer.get("/account/orders/").status_code == 200


def test_coming_back_from_the_provider_asks_it_at_once(till: Till, payer: Browser) -> None:
    """And leads on without what the provider wrote into the address."""
    till.buy()  # the books have their accounts
    payer.get("/account/")
    bought = till.place()
    till.pay(bought)
    # Who it is, and the order; order and payment under their locks, and the lines; what becomes of them, with
    # their trail; an entry for the money and one for the fee; what stands on the receipt, its number, itself
    # with its trail, and who is told.
    with till.app.app_context(), assert_statements(db.engine, 14):
        back = payer.get(f"/orders/{bought.code}?payment_intent=pi_1&payment_intent_client_secret=x")
    assert (back.status_code, back.headers["Location"]) == (302, f"/orders/{bought.code}")
    assert till.order(bought).status == "paid"
    with till.app.app_context(), assert_statements(db.engine, 2):
        assert payer.get(f"/orders/{bought.code}?payment_intent=pi_1").status_code == 302, "nothing to ask"
