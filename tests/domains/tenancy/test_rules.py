"""What a brand, a contact and a host name must satisfy, at the edges."""

from __future__ import annotations

import pytest

from app.domains.tenancy import policies


@pytest.mark.parametrize(
    ("color", "ratio"),
    [
        ("#000000", 21.0),
        ("#ffffff", 1.0),
        ("#767676", 4.54),  # the lightest grey that can be read
        ("#ff0000", 4.0),
        ("#00ff00", 1.37),
        ("#0000ff", 8.59),
        ("#0a0a0a", 19.8),  # the straight part of the curve
        ("#123456", 12.72),
    ],
)
def test_contrast_is_that_of_wcag(color: str, ratio: float) -> None:
    assert policies.contrast_with_white(color) == pytest.approx(ratio, abs=0.005)


def test_a_colour_is_readable_from_four_and_a_half_on() -> None:
    assert policies.MIN_CONTRAST == 4.5
    assert policies.is_readable("#767676")
    assert not policies.is_readable("#777777")


def test_a_colour_as_css_asks_for_it() -> None:
    assert policies.rgb("#0b5fA5") == "11, 95, 165"


def test_the_corners_that_are_offered() -> None:
    assert policies.CORNERS == {"square": 0, "soft": 8, "round": 14}
    assert policies.DEFAULT_CORNERS in policies.CORNERS


def test_how_a_company_may_be_reached() -> None:
    assert policies.CONTACTS == ("email", "phone", "imprint_url", "terms_url", "privacy_url")
    assert policies.CONTACT_ADDRESSES == policies.CONTACTS[2:]


@pytest.mark.parametrize("name", policies.CONTACTS)
def test_no_contact_is_fine_and_an_endless_one_is_not(name: str) -> None:
    assert policies.is_contact(name, "")
    assert not policies.is_contact(name, "https://a.example/" + "x" * 400)


def test_a_contact_is_as_long_as_its_column() -> None:
    address = "https://a.example/"
    assert policies.is_contact("terms_url", address + "x" * (320 - len(address)))
    assert not policies.is_contact("terms_url", address + "x" * (321 - len(address)))


@pytest.mark.parametrize(
    ("name", "value", "fine"),
    [
        ("email", "office@anna.test", True),
        ("email", "office@anna", False),
        ("email", "+49 30 123456", False),
        ("phone", "+49 30 123456", True),
        ("phone", "(030) 123-45/6.7", False),  # begins with a digit or a plus
        ("phone", "030 (123)-45/6.7", True),
        ("phone", "12345", True),
        ("phone", "1234", False),
        ("phone", "1" * 31, True),
        ("phone", "1" * 32, False),
        ("phone", "0800 CALLME", False),
        ("phone", "office@anna.test", False),
        ("phone", "https://anna.test", False),
        ("imprint_url", "https://anna.test/imprint?a=1&b=2", True),
        ("terms_url", "http://anna.test", True),
        ("privacy_url", "HTTPS://anna.test:8443/x", True),
        ("privacy_url", "https://anna.test:99999/x", False),
        ("privacy_url", "https://anna.test:x/", False),
        ("privacy_url", "https://[anna/", False),
        ("privacy_url", "https://", False),
        ("privacy_url", "https://user@anna.test/", False),
        ("privacy_url", "https://anna.test/a b", False),
        ("privacy_url", 'https://anna.test/"', False),
        ("privacy_url", "https://anna.test/'", False),
        ("privacy_url", "https://anna.test/<", False),
        ("privacy_url", "https://anna.test/>", False),
        ("privacy_url", "https://anna.test/\\", False),
        ("privacy_url", "https://anna.test/\u202e", False),
        ("privacy_url", "javascript:alert(1)", False),
        ("privacy_url", "ftp://anna.test/", False),
        ("privacy_url", "//anna.test/", False),
        ("privacy_url", "office@anna.test", False),
    ],
)
def test_what_a_contact_may_be(name: str, value: str, fine: bool) -> None:
    assert policies.is_contact(name, value) is fine


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("lessons.anna.example", True),
        ("anna.example", True),
        ("a.bc", True),
        ("a.b", False),
        ("x-1.anna.example", True),
        ("-x.anna.example", False),
        ("x-.anna.example", False),
        ("a" * 63 + ".example", True),
        ("a" * 64 + ".example", False),
        (".".join(["a" * 49] * 5) + ".com", True),  # 253 characters
        (".".join(["a" * 50, *["a" * 49] * 4]) + ".com", False),
        ("anna.e" + "x" * 62, True),
        ("anna.e" + "x" * 63, False),
        ("Anna.example", False),
        ("anna.example.", False),
        ("anna..example", False),
        ("127.0.0.1", False),
        ("anna", False),
        ("", False),
        ("wemaster.example", False),
        ("anna.wemaster.example", False),
        ("notwemaster.example", True),
    ],
)
def test_a_host_is_public_and_not_ours(host: str, fine: bool) -> None:
    assert policies.is_host(host, base_domain="wemaster.example") is fine


def test_time_zones_are_those_that_are_known() -> None:
    assert policies.is_timezone("Europe/Berlin")
    assert not policies.is_timezone("Europe/Atlantis")
    assert not policies.is_timezone("")
