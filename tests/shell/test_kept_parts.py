"""Parts of pages that are drawn once: in each language, for each of their values, and for nobody in particular."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask_babel import force_locale
from jinja2.meta import find_undeclared_variables

from app.core.web.choices import LOCALES
from app.shell import kept_parts
from app.shell.kept_parts import KeptParts, part
from app.shell.portal_menu import Link
from app.shell.side_menu import MenuLink
from tests.support.world import Browser, World

# What a macro may use beside its arguments: the same for every page of this process.
CONSTANT = {"asset", "icon", "product"}
LANGUAGES = [code for code, _name in LOCALES]


@pytest.fixture
def parts(app: Flask) -> Iterator[KeptParts]:
    with app.test_request_context("/"):
        yield KeptParts(app)


def test_no_part_can_see_a_request(app: Flask) -> None:
    source = app.jinja_env.loader.get_source(app.jinja_env, kept_parts.TEMPLATE)[0]  # type: ignore[union-attr]
    assert find_undeclared_variables(app.jinja_env.parse(source)) <= CONSTANT | {"_"}
    # What a part takes from other macros is theirs to see.
    other = re.findall(r'from "([^"]+)" import (\w+)', source)
    assert other == [("macros/page.html", "dropdown")]


def test_a_part_is_drawn_once_and_for_each_language(parts: KeptParts) -> None:
    with force_locale("en"):
        first = parts("theme_menu", "dark")
        assert parts("theme_menu", "dark") is first
        assert parts("theme_menu", "light") != first
    seen = set()
    for code in LANGUAGES:
        with force_locale(code):
            seen.add(parts("theme_menu", "dark"))
    assert len(seen) == len(LANGUAGES)
    with force_locale("en"):
        assert parts("theme_menu", "dark") is first


def test_what_is_kept_has_an_end(parts: KeptParts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_parts, "MOST_KEPT", 3)
    drawn = [parts("bell", number) for number in range(10)]
    assert [">" + str(number) + "<" in text for number, text in enumerate(drawn)][1:] == [True] * 9
    assert len(parts._drawn) + len(parts._before) <= 6
    assert parts("bell", 9) is drawn[9]
    again = [parts("bell", 9) for _number in range(10) if parts("bell", 10 + _number)]
    assert all(each is drawn[9] for each in again), "what is asked for stays"


def test_whoever_works_on_a_template_sees_it(app: Flask, parts: KeptParts) -> None:
    app.jinja_env.auto_reload = True
    try:
        assert parts("search_button") is not parts("search_button")
    finally:
        app.jinja_env.auto_reload = False


def test_values_are_escaped(app: Flask) -> None:
    with app.test_request_context("/"):
        links = (MenuLink("<b>", '/"x', "home", True, 3),)
        menu = part("side_group", "g", "<i>", True, links)
        portal = part("portal_nav", (Link("<b>", '/"x', "home", False, 120),))
    assert "<b>" not in menu + portal
    assert "<i>" not in menu
    assert '/"x' not in menu + portal
    assert '<span class="wm-count">3<' in menu
    assert '<span class="wm-count">99+<' in portal


def test_the_buttons_of_a_page_send_its_own_form(world: World) -> None:
    """One form for both menus, with this session's token and the way back to this page."""
    browser = Browser(world.app, world.anna.host)
    page = browser.get("/search?q=a%26b").text
    forms = re.findall(r'<form id="preferences".*?</form>', page, re.DOTALL)
    assert len(forms) == 1
    assert 'name="next" value="/search?q=a%26b"' in forms[0]
    assert page.count('form="preferences"') == 3 + len(LANGUAGES)
    token = re.search(r'name="csrf_token" value="([^"]+)"', forms[0])
    assert token
    answer = browser.post_raw("/preferences/", {"csrf_token": token[1], "theme": "dark", "next": "/search"})
    assert answer.location == "/search"
    assert 'data-bs-theme="dark"' in browser.get("/search").text


def test_two_people_see_their_own_pages(world: World) -> None:
    manager, tutor = world.manager(), world.browser(world.anna.host, world.anna.email("tutor"))
    for _again in range(2):
        assert world.anna.email("manager") in manager.get("/account/").text
        page = tutor.get("/account/").text
        assert world.anna.email("tutor") in page
        assert world.anna.email("manager") not in page
    assert world.operator().get("/account/").status_code == 200, "where the portal leads nowhere"


def test_a_menu_is_put_together_for_what_somebody_may(world: World) -> None:
    """Not for whoever came first, nor in their language."""
    links = re.compile(r'class="wm-side-link" href="([^"]+)"')
    head = re.compile(r'<h2 class="wm-side-group" id="side-people">([^<]+)<')
    manager, operator = world.manager(), world.operator()
    for _again in range(2):
        seen = []
        for language in ("de", "en"):
            manager.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
            seen.append(manager.get("/admin/people/").text)
        assert [head.findall(page) for page in seen] == [["Personen"], ["People"]]
        assert links.findall(seen[0]) == links.findall(seen[1])
        others = links.findall(operator.get("/admin/tenants/").text)
        assert "/admin/tenants/" in others
        assert "/admin/tenants/" not in links.findall(seen[0])
