"""The demo's tour: logins, ways through, and that each of them leads somewhere."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from werkzeug.routing import RequestRedirect

from app.shell import seed, tour_paths
from app.shell.tour_paths import PATHS
from app.shell.world import LINGUA
from app.shell.world.model import Size
from app.shell.world.people import password_of
from tests.support.world import PLATFORM, Browser, World

# Hardly begun.
OPENED = Size(tutors=1, learners=1, weeks=2, pace=0, pictures=False)
# What is there in the whole world only: the page of one offering.
_OFFERING = re.compile(r"/o/[a-z0-9-]+")


def steps() -> list[tuple[str, str | None, str]]:
    return [(path.key, path.slug, step.path) for path in PATHS for step in path.steps if step.path]


def test_it_shows_every_login_of_the_companies_that_are_there(app: Flask, world: World) -> None:
    page = world.browser(PLATFORM).get("/tour/").text
    assert "operator@wemaster.test" in page
    assert "lingua.test" not in page, "that company is not there"
    seed.seed(app, companies=[LINGUA], size=OPENED)
    page = world.browser(PLATFORM).get("/tour/").text
    for role in LINGUA.roles:
        assert f"{role}@lingua.test" in page
        assert password_of(role) in page
    assert "4242 4242 4242 4242" in page
    for path in PATHS:
        assert str(path.title) in page


def test_a_login_leads_to_a_sign_in_that_knows_the_address(world: World) -> None:
    url = re.search(r'href="([^"]+/login/\?[^"]+)"', world.browser(PLATFORM).get("/tour/").text)
    assert url is not None
    parts = urlsplit(url[1])
    assert parse_qs(parts.query) == {"email": ["operator@wemaster.test"]}
    page = world.browser(PLATFORM).get(f"{parts.path}?{parts.query}").text
    assert re.search(r'name="email"[^>]*value="operator@wemaster\.test"', page)
    hostile = world.browser(PLATFORM).get('/login/?email="><script>alert(1)</script>').text
    assert "<script>alert" not in hostile


def test_it_is_on_the_platforms_host_only(world: World) -> None:
    assert world.browser(world.anna.host).get("/tour/").status_code == 404


def test_it_is_absent_in_production(app: Flask, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "ENVIRONMENT", "production")
    assert world.browser(PLATFORM).get("/tour/").status_code == 404


def test_the_entrance_and_every_sign_in_lead_to_it(world: World) -> None:
    for host, path in ((PLATFORM, "/"), (PLATFORM, "/login/"), (world.anna.host, "/login/")):
        assert 'href="http://localhost:8000/tour/"' in Browser(world.app, host).get(path).text


def test_every_step_begins_at_an_address_that_exists(app: Flask) -> None:
    places = app.url_map.bind("localhost")
    for key, _slug, path in steps():
        try:
            places.match(path.partition("?")[0], method="GET")
        except RequestRedirect:
            pytest.fail(f"{key}: {path} is only a way to another address")


def test_every_step_is_open_to_whoever_takes_it(world: World) -> None:
    """On a company of the tests' own, where each kind of person may open what their path names."""
    anna = world.anna
    people = {key: world.browser(anna.host, anna.email(key)) for key in anna.people}
    people |= {"operator": world.operator(), "visitor": world.browser(anna.host)}
    for key, slug, path in steps():
        if _OFFERING.fullmatch(path):
            continue
        answer = people[key].get(path)
        assert answer.status_code == 200 or (key, path) == ("visitor", "/learn/"), (key, path, answer.status)
        assert (slug is None) == (key == "operator")


def test_paths_are_neither_too_short_nor_too_long() -> None:
    assert {path.key for path in tour_paths.PATHS} == {
        "visitor", "student", "guardian", "tutor", "manager", "operator",
    }  # fmt: skip
    assert all(6 <= len(path.steps) <= 12 for path in tour_paths.PATHS)
