"""The admin's side menu: grouped by what people do, what waits is counted, groups stay as they were left."""

from __future__ import annotations

import re

import pytest
from flask import g

from app.core.db import db
from app.core.rights import PLATFORM, TENANT
from app.core.scope import tenant_scope
from app.core.viewer import Viewer
from app.core.web import categories
from app.core.web.entry import registry
from app.domains.catalog.models import SUBMITTED
from app.shell.side_menu import COOKIE, menu, waiting
from tests.shell.test_golden_files import _site
from tests.support.entries import make
from tests.support.lived import inside
from tests.support.statements import count_statements
from tests.support.world import World

KNOWN = {value for value in vars(categories).values() if isinstance(value, categories.Category)}


def groups_of(page: str) -> dict[str, tuple[bool, list[str]]]:
    """Of each foldable group whether it is open, and its links."""
    side = page.split('<nav class="wm-side-nav"')[1].split("</nav>")[0]
    found = {}
    for part in side.split('<details class="wm-side-fold"')[1:]:
        head, body = part.split(">", 1)
        name = re.search(r'data-group="(\w+)"', head)
        assert name
        found[name[1]] = ("open" in head, re.findall(r'href="([^"]+)"', body.split("</details>")[0]))
    return found


def count_of(page: str, url: str) -> int:
    """The number beside a link of the menu."""
    link = page.split(f'class="wm-side-link" href="{url}"')[1].split("</a>")[0]
    found = re.search(r'<span class="wm-count">(\d+)', link)
    return int(found[1]) if found else 0


def test_every_entry_is_in_a_known_group(world: World) -> None:
    with world.app.app_context():
        assert {entry.category for entry in registry().entries} <= KNOWN


@pytest.mark.parametrize("surface", [PLATFORM, TENANT])
def test_no_two_links_are_called_alike(world: World, surface: str) -> None:
    page = (world.operator() if surface == PLATFORM else world.manager()).get("/admin/").text
    side = page.split('<nav class="wm-side-nav"')[1].split("</nav>")[0]
    names = re.findall(r"</svg><span>([^<]+)</span>", side)
    heads = re.findall(r"<h2[^>]*>([^<]+)</h2>", side)
    assert len(names) > 10
    assert sorted({*names, *heads}) == sorted([*names, *heads])


def test_what_waits_is_counted_where_it_waits(world: World) -> None:
    with world.app.app_context():
        proposals = registry().by_slug["proposals"]
    before = count_of(world.manager().get("/admin/people/").text, "/admin/proposals/")
    pks = make(world, proposals, 3)
    with inside(world) as session:
        for number, pk in enumerate(pks):
            row = session.get_one(proposals.model, pk)
            row.status = SUBMITTED if number else "approved"
    after = world.manager().get("/admin/people/").text
    assert count_of(after, "/admin/proposals/") - before == 2
    assert count_of(world.manager(world.bert).get("/admin/people/").text, "/admin/proposals/") == 0


def test_all_counts_are_one_statement_of_the_own_tenant(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        with count_statements(db.engine) as seen:
            waiting(registry().entries)
        db.session.rollback()
    assert len(seen) == 1
    assert seen[0].count("tenant_id = ") >= 3, "each count is filtered, not only by row security"


def test_groups_are_drawn_as_they_were_left(world: World) -> None:
    manager = world.manager()
    fresh = groups_of(manager.get("/admin/").text)
    assert not fresh["records"][0]
    assert fresh["money"][0]
    manager.client.set_cookie(COOKIE, "money.records", domain="anna.localhost", path="/admin")
    turned = groups_of(manager.get("/admin/").text)
    assert turned["records"][0]
    assert not turned["money"][0]
    assert turned["people"][0]
    # The group of the page that is open is open, however it was left.
    assert groups_of(manager.get("/admin/payments/").text)["money"][0]


def test_a_strange_cookie_is_no_trouble(world: World) -> None:
    manager = world.manager()
    manager.client.set_cookie(COOKIE, "x" * 3000, domain="anna.localhost", path="/admin")
    assert manager.get("/admin/").status_code == 200


def test_rare_records_stand_at_the_end_whatever_they_are_about(world: World) -> None:
    groups = groups_of(world.manager().get("/admin/").text)
    assert list(groups)[-1] == "records"
    links = groups["records"][1]
    assert {"/admin/allocations/", "/admin/conversation-members/", "/admin/ledger-entries/"} <= set(links)
    assert "/admin/allocations/" not in groups["money"][1]


def test_a_role_of_ones_own_sees_what_it_may_read(world: World) -> None:
    with world.app.test_request_context("/admin/"):
        g.site = _site(TENANT)
        who = Viewer(1, 1, "x@y.test", "X", frozenset({"person.read", "allocation.read"}), world.anna.id)
        urls = [link.url for group in menu(who) for link in group.links]
    assert urls == ["/admin/", "/admin/people/", "/admin/allocations/"]
