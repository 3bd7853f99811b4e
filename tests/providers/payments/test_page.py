"""The payment page: what a payer sees and does, how often they may do it, and where they are sent."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from app.providers.payments.simulator import intents
from app.providers.payments.simulator.cards import CARDS, luhn, read_expiry
from app.providers.payments.simulator.page import checked_return
from tests.providers.payments.rig import BACK, DECLINED, GOOD, SECURE, Answer, Bench, fresh

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.providers.payments import ProviderPayment


def page(bench: Bench, payment: ProviderPayment, back: str | None = BACK, **headers: str) -> Answer:
    return bench.get(path(bench, payment, back), **headers)


def path(bench: Bench, payment: ProviderPayment, back: str | None = BACK) -> str:
    url = bench.provider.checkout_url(payment, back or "")
    assert url is not None
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("http", f"shop.test:{bench.simulator.port}")
    return f"{parts.path}?{parts.query}" if back else parts.path


def enter(bench: Bench, payment: ProviderPayment, back: str | None = BACK, **form: str) -> Answer:
    return bench.post(path(bench, payment, back), {"number": GOOD, "expiry": "12/34", "cvc": "123", **form})


def test_the_page_says_what_it_is_and_what_it_takes(bench: Bench) -> None:
    shown = page(bench, bench.payment(description="A lesson <b>of</b> \u202eGerman & more"))
    assert shown.status == 200
    assert "€40.00" in shown.text
    assert "A lesson &lt;b&gt;of&lt;/b&gt;" in shown.text
    assert "no money moves" in shown.text
    for card in CARDS:
        assert card.spaced in shown.text
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", shown.text)
    names = set(re.findall(r'name="(\w+)"', shown.text))
    assert {"number", "expiry", "cvc"} <= names
    for name in ("number", "expiry", "cvc"):
        assert f'<label for="{name}">' in shown.text
    assert f'href="{BACK}"' in shown.text


def test_no_page_can_be_framed_stored_or_run_scripts(bench: Bench) -> None:
    payment = bench.payment()
    asked = bench.paid(SECURE, "order-2")
    answers = [
        page(bench, payment),
        enter(bench, payment, cvc="x"),
        bench.get(path(bench, asked).replace("?", "/authenticate?")),
        bench.get("/pay/nobody"),
        page(bench, payment, "http://evil.test/"),
    ]
    assert [answer.status for answer in answers] == [200, 422, 200, 404, 400]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "evil" not in str(answer.headers) + answer.text
    # Browsers hold form-action against the redirect after paying, too.
    assert "form-action 'self' http://anna.shop.test:8000;" in answers[0].headers["Content-Security-Policy"]
    assert "form-action 'self';" in answers[3].headers["Content-Security-Policy"]
    assert bench.get("/static/simulator.css").status == 200


@pytest.mark.parametrize(
    ("minor", "currency", "english", "german"),
    [
        (123_450, "EUR", "€1,234.50", "1.234,50\xa0€"),
        (1234, "JPY", "¥1,234", "1.234\xa0¥"),
        (12_340, "KWD", "KWD\xa012.340", "12,340\xa0KWD"),
        (1234, "ISK", "ISK\xa01,234", "1.234\xa0ISK"),
    ],
)
def test_amounts_are_written_with_their_currencys_places(
    shared: Bench, minor: int, currency: str, english: str, german: str
) -> None:
    payment = shared.payment(fresh(), amount_minor=minor, currency=currency)
    for language, shown in {"en": english, "de-AT,de;q=0.9": german}.items():
        answer = page(shared, payment, Accept_Language=language)
        assert shown in answer.text
        assert f'lang="{language[:2]}"' in answer.text


@pytest.mark.parametrize(
    ("speaks", "language", "direction"),
    [("es-MX", "es", "ltr"), ("ar", "ar", "rtl"), ("en-US,en;q=0.9,ar;q=0.8", "en", "ltr")],
)
def test_the_page_is_in_the_browsers_language_and_direction(
    shared: Bench, speaks: str, language: str, direction: str
) -> None:
    answer = page(shared, shared.payment(fresh()), Accept_Language=speaks)
    assert f'<html lang="{language}" dir="{direction}">' in answer.text


def test_paying_leads_back_to_the_shop(bench: Bench) -> None:
    payment = bench.payment()
    answer = enter(bench, payment, number="4242-4242 4242 4242", expiry=" 1 / 2040 ", cvc="1234")
    assert answer.status == 303
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == "http://anna.shop.test:8000/orders/7"
    assert parse_qs(back.query) == {
        "lang": ["de"],
        "payment_intent": [payment.id],
        "redirect_status": ["succeeded"],
    }
    assert payment.client_secret not in answer.headers["Location"]


def test_back_after_paying_and_paying_again_charge_nothing(bench: Bench) -> None:
    payment = bench.payment()
    first = enter(bench, payment)
    for answer in (page(bench, payment), enter(bench, payment), enter(bench, payment, number="nonsense")):
        assert (answer.status, answer.headers["Location"]) == (303, first.headers["Location"])
    assert bench.event_types().count("charge.succeeded") == 1


def at_once(monkeypatch: pytest.MonkeyPatch, work: Callable[[], Answer], times: int = 8) -> list[Answer]:
    """All have seen the payment as it is before the first of them changes it."""
    answers: list[Answer] = []
    together, look = threading.Barrier(times, timeout=5), intents.by_secret

    def look_together(*arguments: Any) -> Any:
        found = look(*arguments)
        together.wait()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(intents, "by_secret", look_together)
        threads = [threading.Thread(target=lambda: answers.append(work())) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return answers


def test_eight_clicks_at_once_charge_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = bench.payment()
    answers = at_once(monkeypatch, lambda: enter(bench, payment))
    assert [answer.status for answer in answers] == [303] * 8
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len(bench.client.v1.charges.list().data) == 1


def test_eight_confirmations_at_once_charge_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = enter(bench, bench.payment(), number=SECURE).headers["Location"]
    answers = at_once(monkeypatch, lambda: bench.post(challenge, {"outcome": "complete"}))
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len(bench.client.v1.charges.list().data) == 1


def test_a_decline_is_explained_and_another_card_pays_the_same_payment(bench: Bench) -> None:
    payment = bench.payment()
    answer = enter(bench, payment, number=DECLINED)
    assert answer.status == 303
    assert answer.headers["Location"].startswith(f"/pay/{payment.client_secret}?return_url=")
    shown = bench.get(answer.headers["Location"])
    assert 'role="alert"' in shown.text
    assert "The bank declined this card." in shown.text
    assert DECLINED not in shown.text
    enter(bench, payment, number="4000000000009995")
    assert "not enough money" in page(bench, payment).text
    assert "redirect_status=succeeded" in enter(bench, payment).headers["Location"]
    assert [charge.status for charge in bench.client.v1.charges.list().data] == [
        "succeeded",
        "failed",
        "failed",
    ]


@pytest.mark.parametrize(
    ("form", "says", "field"),
    [
        ({"number": "4242424242424241"}, "This is no card number.", "number"),
        ({"number": ""}, "This is no card number.", "number"),
        ({"number": "4111 1111 1111 1111"}, "Never enter a real one here.", "number"),
        ({"number": "<img src=x>"}, "This is no card number.", "number"),
        ({"expiry": "13/34"}, "when the card expires", "expiry"),
        ({"expiry": "12/19"}, "when the card expires", "expiry"),
        ({"expiry": ""}, "when the card expires", "expiry"),
        ({"expiry": "next year"}, "when the card expires", "expiry"),
        ({"expiry": "٠١/٣٤"}, "when the card expires", "expiry"),
        ({"cvc": ""}, "three or four digits", "cvc"),
        ({"cvc": "12"}, "three or four digits", "cvc"),
        ({"cvc": "٣٢١"}, "three or four digits", "cvc"),
    ],
)
def test_what_was_typed_wrong_is_said_at_its_field(
    shared: Bench, form: dict[str, str], says: str, field: str
) -> None:
    payment = shared.payment(fresh())
    answer = enter(shared, payment, **form)
    assert answer.status == 422
    assert says in answer.text
    marked = re.search(r'<input id="(\w+)"[^>]*aria-invalid="true"', answer.text)
    assert marked is not None
    assert marked[1] == field
    assert "<img src" not in answer.text
    assert shared.events_of(payment) == ["payment_intent.created"]
    assert enter(shared, payment).status == 303


def test_what_was_typed_is_kept_except_the_code(bench: Bench) -> None:
    answer = enter(bench, bench.payment(), number=GOOD, expiry="11/33", cvc="98")
    assert f'value="{GOOD}"' in answer.text
    assert 'value="11/33"' in answer.text
    assert "98" not in re.sub(r"<dt>.*?</dt>", "", answer.text).replace(GOOD, "")


def test_no_card_number_is_ever_kept(bench: Bench, tmp_path: Path) -> None:
    payment = bench.payment()
    real = "4111111111111111"
    assert luhn(real)
    enter(bench, payment, number=real)
    enter(bench, payment, number=DECLINED, cvc="737")
    enter(bench, payment, number=GOOD, cvc="737")
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert payment.id.encode() in kept
    for secret in (real, GOOD, DECLINED, "737"):
        assert not re.search(rb"(?<![0-9])" + secret.encode() + rb"(?![0-9])", kept)


def test_3d_secure_completed(bench: Bench) -> None:
    payment = bench.payment()
    answer = enter(bench, payment, number=SECURE)
    assert answer.status == 303
    challenge = answer.headers["Location"]
    assert challenge.startswith(f"/pay/{payment.client_secret}/authenticate?return_url=")
    shown = bench.get(challenge)
    assert 'value="complete"' in shown.text
    assert 'value="fail"' in shown.text
    assert page(bench, payment).headers["Location"] == challenge, "until it is answered there is no other way"
    assert enter(bench, payment).headers["Location"] == challenge
    first, second = (bench.post(challenge, {"outcome": "complete"}) for _ in range(2))
    assert "redirect_status=succeeded" in first.headers["Location"]
    assert second.headers["Location"] == first.headers["Location"]
    assert bench.get(challenge).headers["Location"] == first.headers["Location"]
    charges = bench.client.v1.charges.list().data
    assert len(charges) == 1
    card = charges[0].payment_method_details.card  # type: ignore[union-attr]
    assert card is not None
    assert card.three_d_secure is not None
    assert card.three_d_secure.result == "authenticated"


@pytest.mark.parametrize("outcome", ["fail", "", "nonsense"])
def test_3d_secure_failed(bench: Bench, outcome: str) -> None:
    payment = bench.payment()
    challenge = enter(bench, payment, number=SECURE).headers["Location"]
    answer = bench.post(challenge, {"outcome": outcome})
    assert answer.status == 303
    assert "could not confirm that it is you" in bench.get(answer.headers["Location"]).text
    assert bench.post(challenge, {"outcome": "complete"}).status == 303, "too late"
    assert bench.client.v1.charges.list().data == []
    assert "redirect_status=succeeded" in enter(bench, payment).headers["Location"]


def test_a_canceled_payment_can_not_be_paid(bench: Bench) -> None:
    payment = bench.payment()
    bench.provider.cancel_payment(payment.id, "c1")
    for answer in (page(bench, payment), enter(bench, payment)):
        assert "redirect_status=failed" in answer.headers["Location"]
    assert "Nothing was charged" in page(bench, payment, None).text
    assert bench.client.v1.charges.list().data == []


def test_without_a_way_back_the_page_says_that_it_is_paid(bench: Bench) -> None:
    payment = bench.payment()
    answer = enter(bench, payment, None)
    assert (answer.status, "You can close this page." in answer.text) == (200, True)


def test_a_guessed_address_shows_nothing(bench: Bench) -> None:
    payment = bench.payment()
    guesses = [
        payment.id, f"{payment.id}_secret_", payment.client_secret[:-1], payment.client_secret + "x", "",
        "pi_x_secret_y", "evt_1_secret_2",
    ]  # fmt: skip
    for guess in guesses:
        assert bench.get(f"/pay/{guess}").status == 404
        assert bench.post(f"/pay/{guess}", {"number": GOOD, "expiry": "12/34", "cvc": "123"}).status in {
            404,
            405,
        }
    assert bench.event_types() == ["payment_intent.created"]


HOSTILE = [
    "http://evil.test/", "https://evil.test/?x=.shop.test", "//evil.test/", "///evil.test", "http:///evil.test",
    "http:evil.test", "/orders", "orders", "javascript:alert(1)", "data:text/html,x", "ftp://shop.test/",
    "http://shop.test@evil.test/", "http://anna.shop.test:80@evil.test/", "http://evil.test\\@shop.test/",
    "http://evil.test\\.shop.test/", "http://evilshop.test/", "http://shop.test.evil.test/", "http://shop.test:x/",
    "http://shop.test:99999/", "http://user:pw@shop.test/", "http://shop.test./", "http://[::1]/", "http://127.0.0.1/",
    "http://shop.test/\r\nX: y", " http://shop.test/", "http://shop.test/ x", "http://sho\tp.test/",
    "http://shop.test\x00/", "http://ｓhop.test/", "http://evil.test#.shop.test/", "http://evil.test?.shop.test/",
    "http://a_b.shop.test/", "http://;evil.shop.test/", "http://shop.test/" + "x" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
def test_no_payer_is_sent_elsewhere(shared: Bench, url: str) -> None:
    payment = shared.payment()
    where = f"/pay/{payment.client_secret}?{urlencode({'return_url': url})}"
    for answer in (shared.get(where), shared.post(where, {"number": GOOD, "expiry": "12/34", "cvc": "123"})):
        assert answer.status == 400
        assert "Location" not in answer.headers
        assert "evil" not in answer.text + answer.headers["Content-Security-Policy"]
    assert shared.events_of(payment) == ["payment_intent.created"]


@pytest.mark.parametrize(
    ("url", "base", "found"),
    [
        ("http://shop.test/", "shop.test", "http://shop.test/"),
        ("https://Anna.SHOP.test/a?b=c#d", "shop.test", "https://anna.shop.test/a?b=c#d"),
        ("http://anna.localhost:8000/x", "localhost", "http://anna.localhost:8000/x"),
        ("http://127.0.0.1:8000/x", "127.0.0.1", "http://127.0.0.1:8000/x"),
        ("http://[::1]:8000/x", "[::1]", "http://[::1]:8000/x"),
        ("http://[::2]:8000/x", "[::1]", None),
        ("http://x", "", None),
    ],
)
def test_ways_back_that_are_ours(url: str, base: str, found: str | None) -> None:
    assert checked_return(url, base) == found


def test_how_people_write_an_expiry() -> None:
    assert read_expiry("12/34") == read_expiry("12 / 34") == read_expiry("1234") == ("12", "34")
    assert read_expiry("1/2034") == ("1", "2034")
    assert read_expiry("122034") == ("12", "2034")


def test_all_published_cards_are_numbers_of_cards() -> None:
    assert all(luhn(card.number) for card in CARDS)
    assert not luhn("4242424242424241")
    assert len({card.token for card in CARDS}) == len(CARDS)
