"""The first page after signing in, for those who have no pages of their own yet."""

from __future__ import annotations

import pytest

from tests.support.world import World


@pytest.mark.parametrize("role", ["tutor", "student", "guardian"])
def test_who_has_no_pages_is_told_what_they_can_do(world: World, role: str) -> None:
    browser = world.browser(world.anna.host, world.anna.email(role))
    page = browser.get("/")
    assert page.status_code == 200
    assert f"Welcome, {role.capitalize()} anna" in page.text
    assert f"You are signed in at Anna Tutors: {role.capitalize()}." in page.text
    assert "There is nothing you have to do here." in page.text
    assert 'href="/account/"' in page.text
    assert 'href="/account/#about-you"' in page.text
    assert 'id="about-you"' in browser.get("/account/").text
    assert "/admin/" not in page.text
    for word in ("error", "soon", "not yet", "coming"):
        assert word not in page.text.lower()


def test_a_manager_is_led_to_the_company(world: World) -> None:
    page = world.manager().get("/").text
    assert 'href="/admin/"' in page
    assert "There is nothing you have to do here." not in page


def test_a_visitor_is_asked_to_sign_in(world: World) -> None:
    page = world.browser(world.anna.host).get("/").text
    assert "Here Anna Tutors teaches and learns." in page
    assert "Welcome" not in page
