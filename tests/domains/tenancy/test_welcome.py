"""The first page after signing in: everybody is told where they are and where their own pages are."""

from __future__ import annotations

import pytest

from tests.support.world import World

OWN = {
    "tutor": ("/teach/", "/teach/offerings/"),
    "student": ("/learn/",),
    "guardian": ("/learn/", "/family/"),
}


@pytest.mark.parametrize("role", OWN)
def test_who_does_not_run_the_company_is_told_what_they_can_do(world: World, role: str) -> None:
    browser = world.browser(world.anna.host, world.anna.email(role))
    page = browser.get("/")
    assert page.status_code == 200
    assert f"Welcome, {role.capitalize()} anna" in page.text
    assert f"You are signed in at Anna Tutors: {role.capitalize()}." in page.text
    for url in (*OWN[role], "/account/"):
        assert f'<a class="btn" href="{url}">' in page.text
    assert 'id="about-you"' in browser.get("/account/").text
    assert "/admin/" not in page.text
    for word in ("error", "not yet"):
        assert word not in page.text.lower()


def test_a_manager_is_led_to_the_company(world: World) -> None:
    page = world.manager().get("/").text
    assert '<a class="btn" href="/admin/">' in page
    assert '<a class="btn" href="/teach/">' not in page


def test_a_visitor_sees_the_company_and_can_sign_in(world: World) -> None:
    page = world.browser(world.anna.host).get("/").text
    assert "<h1" in page
    assert "Anna Tutors" in page
    assert 'href="/login/"' in page
    assert "Welcome" not in page
