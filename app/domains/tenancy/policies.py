"""Who may do what to a tenant, and what a brand must satisfy."""

from __future__ import annotations

import re
import zoneinfo
from functools import cache
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

MIN_CONTRAST = 4.5  # WCAG 2.2, 1.4.3: normal text
# The radius of corners in pixels, by its word.
CORNERS = {"square": 0, "soft": 8, "round": 14}
DEFAULT_CORNERS = "soft"
# How visitors reach a company, and the pages that the law makes it show (an imprint under § 5 DDG, terms,
# privacy): where they are, kept in `Tenant.brand`.
CONTACT_ADDRESSES = ("imprint_url", "terms_url", "privacy_url")
MOST_CONTACT = 320
CONTACTS = ("email", "phone", *CONTACT_ADDRESSES)

_PHONE = re.compile(r"^\+?[0-9][0-9 ()/.-]{4,30}$")
_HOST = re.compile(r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")


def contrast_with_white(color: str) -> float:
    """The WCAG contrast ratio of white text on `#rrggbb` (relative luminance, WCAG 2.2)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (luminance + 0.05)


def is_readable(color: str) -> bool:
    return contrast_with_white(color) >= MIN_CONTRAST


def is_contact(name: str, value: str) -> bool:
    """Whether it can be what one of `CONTACTS` says; empty is none, and fine. Web addresses are http(s)
    with a host: nothing that runs in a visitor's page."""
    if not value:
        return True
    if len(value) > MOST_CONTACT:
        return False
    if name == "email":
        try:
            validate_email(value, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            return False
        return True
    return bool(_PHONE.match(value)) if name == "phone" else _is_web_address(value)


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        _port = parts.port
    except ValueError:
        return False
    is_plain = value.isprintable() and not re.search(r"[\s<>\"'\\]", value)
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def is_host(host: str, *, base_domain: str) -> bool:
    """A public host name that is not one of ours."""
    ours = host == base_domain or host.endswith(f".{base_domain}")
    return bool(_HOST.match(host)) and not ours


def is_timezone(name: str) -> bool:
    return name in _timezones()


@cache
def _timezones() -> frozenset[str]:
    """Read once: asking walks through hundreds of files."""
    return frozenset(zoneinfo.available_timezones())


def rgb(color: str) -> str:
    """`#rrggbb` as the three numbers that CSS asks for."""
    return ", ".join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))
