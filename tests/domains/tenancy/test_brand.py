"""What a manager makes of the company's look, and where it is seen."""

from __future__ import annotations

import re

import pytest

from tests.support.world import World

BRAND = {"name": "Anna Tutors", "primary": "#0b5fa5", "timezone": "Europe/Berlin", "locale": "en"}


def theme(world: World) -> str:
    visitor = world.browser(world.anna.host)
    found = re.search(r'href="(/theme/\d+\.css)"', visitor.get("/").text)
    assert found
    return visitor.get(found[1]).text


def test_a_sentence_and_corners_are_seen_by_visitors(world: World) -> None:
    manager = world.manager()
    before = theme(world)
    answer = manager.post("/admin/brand/", **BRAND, tagline="Learn <b>with</b> Anna & Bert", corners="round")
    assert answer.status_code == 302
    after = theme(world)
    assert "--wm-radius: 8px" in before
    assert "--wm-radius: 14px" in after
    page = manager.get("/admin/brand/").text
    assert 'value="Learn &lt;b&gt;with&lt;/b&gt; Anna &amp; Bert"' in page
    assert "<b>with</b>" not in page
    assert world.manager(world.bert).get("/admin/brand/").text.count("Anna") == 0


def test_only_the_present_theme_is_kept_for_good(world: World) -> None:
    """Another process may name an address that this one has not heard of yet."""
    visitor = world.browser(world.anna.host)
    page = visitor.get("/")
    found = re.search(r'href="/theme/(\d+)\.css"', page.text)
    assert found is not None
    kept = {
        number: visitor.get(f"/theme/{number}.css").headers["Cache-Control"]
        for number in (int(found[1]), int(found[1]) + 1)
    }
    assert list(kept.values()) == ["public, max-age=31536000, immutable", "no-store"]


@pytest.mark.parametrize(
    "changed", [{"primary": "#9ec9ff"}, {"corners": "8px"}, {"tagline": "x" * 161}, {"name": ""}]
)
def test_a_brand_that_nobody_could_read_is_refused(world: World, changed: dict[str, str]) -> None:
    manager = world.manager()
    before = theme(world)
    answer = manager.post("/admin/brand/", **{**BRAND, "tagline": "Kept", "corners": "soft", **changed})
    assert answer.status_code == 422
    assert theme(world) == before
    assert 'aria-invalid="true"' in answer.text
    if "tagline" not in changed:
        assert 'value="Kept"' in answer.text, "nothing typed is lost"


CONTACTS = {
    "email": "office@anna.test",
    "phone": "+49 30 123456",
    "imprint_url": "https://anna.test/imprint?a=1&b=2",
    "privacy_url": "https://anna.test/privacy",
}


def test_how_a_company_is_reached_stands_below_its_public_pages(world: World) -> None:
    manager = world.manager()
    assert manager.post("/admin/brand/", **BRAND, corners="soft", **CONTACTS).status_code == 302
    foot = world.browser(world.anna.host).get("/").text.partition("<footer")[2]
    assert 'href="mailto:office@anna.test"' in foot
    assert 'href="tel:+4930123456"' in foot
    assert 'href="https://anna.test/imprint?a=1&amp;b=2"' in foot
    assert "Terms and conditions" not in foot, "what was not given is not shown"
    assert "anna.test" not in world.browser(world.bert.host).get("/").text.partition("<footer")[2]
    emptied = dict.fromkeys(CONTACTS, "")
    assert manager.post("/admin/brand/", **BRAND, corners="soft", **emptied).status_code == 302
    assert "<address" not in world.browser(world.anna.host).get("/").text, "taken back"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "office"),
        ("phone", "call me"),
        ("imprint_url", "javascript:alert(1)"),
        ("imprint_url", "anna.test/imprint"),
        ("terms_url", "https://user@evil.test/"),
        ("terms_url", "https://"),
        ("privacy_url", 'https://a.test/"><script>'),
        ("privacy_url", "https://a.test:port/"),
    ],
)
def test_what_leads_nowhere_is_refused_at_its_field(world: World, name: str, value: str) -> None:
    manager = world.manager()
    answer = manager.post("/admin/brand/", **BRAND, corners="soft", **{name: value})
    assert answer.status_code == 422
    assert f'id="{name}-error"' in answer.text
