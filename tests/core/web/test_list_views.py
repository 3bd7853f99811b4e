"""Saved views and chosen columns: kept, opened, shared, and harmless when what they ask for is gone."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

from sqlalchemy import select

from app.core.db import db
from app.core.list_views import ListView
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web.list_state import choosable
from app.domains.accounts.models import ACTIVE, Membership, Person, TenantRole
from app.shell.admin import make_registry
from tests.core.web.test_statements import LIST_AT_MOST
from tests.support.entries import SLUGS, browser, make
from tests.support.statements import count_statements
from tests.support.world import PLATFORM, Browser, World

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
PEOPLE, SAVE = "/admin/people/", "/admin/lists/people/views/new"
_TAB = re.compile(r'<li><a href="([^"]*)"([^>]*)>(?:<svg.*?</svg>)?<span>([^<]*)</span>', re.DOTALL)
_ROW = re.compile(r'<th scope="row"[^>]*>(?:<a href="[^"]*">)?([^<]*)')
_HEAD = re.compile(r'<th scope="col"[^>]*>(?:<a href="[^"]*">)?([^<]*)')


def tabs(page: str) -> dict[str, str]:
    """The tabs above a list by their words: where each leads."""
    bar = page.split('class="wm-view-tabs"')[1].split("</ul>")[0]
    return {unescape(words): unescape(url) for url, _more, words in _TAB.findall(bar)}


def active(page: str) -> list[str]:
    bar = page.split('class="wm-view-tabs"')[1].split("</ul>")[0]
    return [unescape(words) for _url, more, words in _TAB.findall(bar) if "aria-current" in more]


def rows(page: str) -> list[str]:
    return [unescape(found) for found in _ROW.findall(page)]


def heads(page: str) -> list[str]:
    return [unescape(found).strip() for found in _HEAD.findall(page)]


def save(somebody: Browser, name: str, url: str = SAVE, **more: Any) -> Any:
    """Keep a list that was searched for `zq`, unless `more` says otherwise."""
    data = {"list.q": "zq", "name": name, "csrf_token": somebody.csrf("/account/"), **more}
    return somebody.post_raw(url, data)


def views(world: World, tenant_id: int | None = None) -> list[ListView]:
    with world.app.app_context(), platform_scope("what a test has to see"):
        wanted = tenant_id or world.anna.id
        return list(
            db.session.scalars(select(ListView).where(ListView.tenant_id == wanted).order_by(ListView.id))
        )


def two_people(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add_all(
            [Person(full_name="Zq One", notes="Likes tea"), Person(full_name="Zq Two", phone="5")]
        )


def clerk(world: World, *rights: str) -> Browser:
    """Somebody with a role of the company's own."""
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        role = TenantRole(name="Clerk", rights=list(rights))
        session.add(role)
        session.flush()
        session.add(
            Membership(
                user_id=world.anna.accounts["student"],
                person_id=world.anna.people["student"],
                role_id=role.id,
                status=ACTIVE,
            )
        )
    return world.browser(world.anna.host, world.anna.email("student"))


# -- Kept and opened ---------------------------------------------------------------------------------------


def test_a_view_keeps_search_filters_order_and_size(world: World) -> None:
    manager = world.manager()
    two_people(world)
    answer = save(
        manager, "  Who starts with Zq  ", **{"list.sort": "-full_name", "list.size": "50", "list.page": "7"}
    )
    assert answer.status_code == 302
    page = manager.get(answer.location).text
    assert rows(page) == ["Zq Two", "Zq One"]
    assert active(page) == ["Who starts with Zq"]
    assert "The view “Who starts with Zq” is saved." in page
    [view] = views(world)
    assert view.args == {"q": "zq", "sort": "-full_name", "size": "50"}
    plain = manager.get(PEOPLE).text
    assert tabs(plain)["All"] == PEOPLE
    assert active(plain) == ["All"]
    assert rows(manager.get(tabs(plain)["Who starts with Zq"]).text) == ["Zq Two", "Zq One"]


def test_a_view_is_updated_renamed_and_deleted(world: World) -> None:
    manager = world.manager()
    two_people(world)
    save(manager, "Zq")
    [view] = views(world)
    page = f"/admin/lists/people/views/{view.id}"
    unchanged = manager.get(f"{PEOPLE}?q=zq&view={view.id}").text
    assert f"{page}/keep" not in unchanged, "there is nothing to update"
    changed = manager.get(f"{PEOPLE}?q=zq+two&view={view.id}").text
    assert f'action="{page}/keep"' in changed
    data = {"list.q": "zq two", "list.view": str(view.id), "csrf_token": manager.csrf("/account/")}
    kept = manager.post_raw(f"{page}/keep", data)
    assert rows(manager.get(kept.location).text) == ["Zq Two"]
    assert views(world)[0].args == {"q": "zq two"}
    assert manager.post(page, name="Renamed").status_code == 302
    assert views(world)[0].name == "Renamed"
    asked = manager.get(f"{page}/delete").text
    assert "Delete Renamed?" in asked
    assert manager.post(f"{page}/delete").location == PEOPLE
    assert views(world) == []
    assert manager.get(page).status_code == 404
    assert manager.get(f"{PEOPLE}?q=zq&view={view.id}").status_code == 200, "an old link still works"


def test_names_are_refused_at_their_field(world: World) -> None:
    manager = world.manager()
    assert save(manager, "Zq").status_code == 302
    for name, words in (("Zq", "of this name already"), ("  ", "fill this in"), ("x" * 61, "too long")):
        answer = save(manager, name)
        assert answer.status_code in {409, 422}, name
        assert words in answer.text, name
        assert 'name="list.q" value="zq"' in answer.text, "what was to be kept is kept"
    assert len(views(world)) == 1


def test_a_list_opens_with_the_view_that_was_chosen(world: World) -> None:
    manager = world.manager()
    two_people(world)
    save(manager, "Zq", opens="y")
    page = manager.get(PEOPLE).text
    assert rows(page) == ["Zq One", "Zq Two"]
    assert active(page) == ["Zq"]
    everybody = tabs(page)["All"]
    assert everybody == f"{PEOPLE}?view=all"
    plain = manager.get(everybody).text
    assert "Tutor anna" in rows(plain)
    assert active(plain) == ["All"]
    # A link that asks for something is not overruled.
    assert rows(manager.get(f"{PEOPLE}?q=tutor").text) == ["Tutor anna"]
    # What the page leads to says it all.
    exported = manager.get(re.findall(r'href="([^"]*export.csv[^"]*)"', page)[0].replace("&amp;", "&"))
    assert exported.text.count("\r\n") == 3
    view = next(view for view in views(world) if view.name)
    assert manager.post(f"/admin/lists/people/views/{view.id}", name="Zq").status_code == 302
    assert "Tutor anna" in rows(manager.get(PEOPLE).text)


def test_deleting_the_view_a_list_opens_with(world: World) -> None:
    manager = world.manager()
    save(manager, "Zq", opens="y")
    view = next(view for view in views(world) if view.name)
    manager.post(f"/admin/lists/people/views/{view.id}/delete")
    assert active(manager.get(PEOPLE).text) == ["All"]


# -- Whose it is -------------------------------------------------------------------------------------------


def test_a_view_is_its_owners_until_it_is_shared(world: World) -> None:
    manager, colleague = world.manager(), clerk(world, "person.read")
    save(manager, "Mine")
    save(manager, "Ours", is_shared="y")
    mine, ours = views(world)
    page = colleague.get(PEOPLE).text
    assert set(tabs(page)) == {"All", "Ours"}
    assert "Shared by Manager anna" in page
    token = colleague.csrf("/account/")
    for view, status in ((mine, 404), (ours, 403)):
        place = f"/admin/lists/people/views/{view.id}"
        assert colleague.post_raw(f"{place}/keep", {"csrf_token": token}).status_code == status
        assert colleague.post_raw(f"{place}/delete", {"csrf_token": token}).status_code == status
    assert colleague.get(f"/admin/lists/people/views/{mine.id}").status_code == 404
    assert colleague.get(f"{PEOPLE}?view={mine.id}").status_code == 200, "as if there were no such view"
    # They may open the list with it, and no more.
    chosen = colleague.post(f"/admin/lists/people/views/{ours.id}", opens="y", name="Theirs", is_shared="")
    assert chosen.status_code == 302
    assert active(colleague.get(PEOPLE).text) == ["Ours"]
    assert (views(world)[1].name, views(world)[1].is_shared) == ("Ours", True)
    # Who may not share does not share.
    assert "is_shared" not in colleague.get(f"{PEOPLE}?q=zq").text
    assert save(colleague, "Slipped in", is_shared="y").status_code == 302
    assert [view.is_shared for view in views(world) if view.name == "Slipped in"] == [False]


def test_a_colleague_who_may_share_changes_what_is_shared(world: World) -> None:
    manager, colleague = world.manager(), clerk(world, "person.read", "list_view.write", "list_view.read")
    save(manager, "Ours", is_shared="y")
    [ours] = views(world)
    assert (
        colleague.post(f"/admin/lists/people/views/{ours.id}", name="Still ours", is_shared="y").status_code
        == 302
    )
    assert views(world)[0].name == "Still ours"


def test_who_may_not_read_the_list_keeps_nothing_of_it(world: World) -> None:
    colleague = clerk(world, "membership.read")
    assert save(colleague, "Zq").status_code == 403
    visitor = Browser(world.app, world.anna.host)
    assert visitor.post_raw(SAVE, {"name": "Zq", "csrf_token": visitor.csrf("/login/")}).status_code == 401
    assert save(world.manager(), "Zq", "/admin/lists/tenants/views/new").status_code == 404
    assert save(world.manager(), "Zq", "/admin/lists/nothing/views/new").status_code == 404
    assert views(world) == []


def test_no_company_meets_anothers_views_nor_the_platforms(world: World) -> None:
    save(world.manager(world.bert), "Bert's", is_shared="y")
    [theirs] = views(world, world.bert.id)
    manager, operator = world.manager(), world.operator()
    token = manager.csrf("/account/")
    for place in ("", "/keep", "/delete"):
        url = f"/admin/lists/people/views/{theirs.id}{place}"
        assert manager.post_raw(url, {"name": "x", "csrf_token": token}).status_code == 404, place
    assert set(tabs(manager.get(PEOPLE).text)) == {"All"}
    answer = save(operator, "Companies", "/admin/lists/tenants/views/new", is_shared="y")
    assert answer.status_code == 302
    assert active(operator.get(answer.location).text) == ["Companies"]
    # Where both surfaces have the list, each has its own views of it.
    save(manager, "Anna's trail", "/admin/lists/audit/views/new", is_shared="y")
    assert set(tabs(operator.get("/admin/audit/").text)) == {"All"}
    assert operator.base == f"http://{PLATFORM}"


# -- What is gone ------------------------------------------------------------------------------------------


def test_what_a_view_asks_for_and_is_gone_is_left_out_and_told(world: World) -> None:
    manager = world.manager()
    two_people(world)
    save(manager, "Old")
    [view] = views(world)
    broken: list[tuple[Any, Any]] = [
        ({"q": "zq", "wings": "2", "sort": "notes", "created_at.from": "yesterday"}, ["gone", "notes", 7]),
        ({"q": "zq", "page": "4", "size": 9}, "nonsense"),
        ({"q": "zq", "created_at.to": ["x"]}, {}),
    ]
    for args, columns in broken:
        with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
            row = session.get_one(ListView, view.id)
            row.args, row.columns = args, columns
        url = tabs(manager.get(PEOPLE).text)["Old"]
        page = manager.get(url).text
        assert rows(page) == ["Zq One", "Zq Two"]
        assert "does not exist any more" in page
        assert manager.get(url.replace("/?", "/export.xlsx?")).status_code == 200
    assert "Created" in page, "a filter is named by its label"
    data = {"list.q": "zq", "list.view": str(view.id), "csrf_token": manager.csrf("/account/")}
    kept = manager.post_raw(f"/admin/lists/people/views/{view.id}/keep", data)
    assert "does not exist any more" not in manager.get(kept.location).text


def test_a_marker_that_is_no_number_is_refused(world: World) -> None:
    manager = world.manager()
    for view in ("x", "-1", "1.5", "9" * 30, "٣"):
        assert manager.get(f"{PEOPLE}?view={view}").status_code == 400, view
    headers = {"Authorization": f"Bearer {world.token(world.anna)}"}
    api = manager.client.get("/api/v1/people/?view=1", base_url=manager.base, headers=headers)
    assert api.status_code == 400, "the API knows no views"


# -- Columns -----------------------------------------------------------------------------------------------


def choose(somebody: Browser, *columns: str, **more: str) -> Any:
    data = {"column": list(columns), "csrf_token": somebody.csrf("/account/"), **more}
    return somebody.post_raw("/admin/lists/people/columns", data)


def test_columns_are_chosen_ordered_and_reset(world: World) -> None:
    manager, other = world.manager(), clerk(world, "person.read")
    two_people(world)
    before = heads(manager.get(PEOPLE).text)
    answer = choose(manager, "full_name", "notes", "created_at", "phone")
    page = manager.get(answer.location).text
    assert heads(page) == ["Name", "Notes", "Created", "Phone"]
    assert "Likes tea" in page
    assert heads(other.get(PEOPLE).text) == before, "everybody has their own"
    head, *_lines = manager.get("/admin/people/export.csv").data.decode("utf-8-sig").splitlines()
    assert head == "No.,Name,Notes,Created,Phone"
    # The arrow moves one up, and the menu stays open.
    moved = choose(manager, "full_name", "notes", "created_at", "phone", up="phone")
    assert moved.location.endswith("#columns")
    assert heads(manager.get(PEOPLE).text) == ["Name", "Notes", "Phone", "Created"]
    # The one that names the row stays where it is, and what is no column is none.
    choose(manager, "notes", "full_name", "tenant_id", "password", "wings", up="notes")
    assert heads(manager.get(PEOPLE).text) == ["Name", "Notes"]
    choose(manager, "full_name", "notes", reset="1")
    assert heads(manager.get(PEOPLE).text) == before


def test_two_clicks_at_once_settle_it_once(world: World) -> None:
    """The first columns that somebody chooses for a list, in two windows."""
    manager = world.manager()
    token = manager.csrf("/account/")
    lists = ("people", "offerings", "seats", "sales-orders", "refunds", "subjects")

    def choose_first(listed: str) -> int:
        data = {"column": ["id"], "csrf_token": token}
        again = world.browser(world.anna.host)
        again.client = world.app.test_client()
        again.client._cookies.update(manager.client._cookies)
        return int(again.post_raw(f"/admin/lists/{listed}/columns", data).status_code)

    for listed in lists:
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(choose_first, [listed] * 4)) == [302] * 4
    assert len(views(world)) == len(lists)


def test_a_view_has_columns_of_its_own(world: World) -> None:
    manager = world.manager()
    two_people(world)
    choose(manager, "full_name", "notes")
    page = manager.get(save(manager, "With notes").location).text
    assert heads(page) == ["Name", "Notes"]
    choose(manager, "full_name", reset="1")
    view = next(view for view in views(world) if view.name)
    data = {"list.q": "zq", "list.view": str(view.id)}
    choose(manager, "full_name", "phone", **data)
    assert heads(manager.get(f"{PEOPLE}?q=zq&view={view.id}").text) == ["Name", "Phone"]
    assert "Phone" in heads(manager.get(PEOPLE).text)
    assert "Notes" not in heads(manager.get(PEOPLE).text)


def test_no_column_that_can_be_chosen_costs_by_the_row(world: World) -> None:
    """What is worked out for one record's page must not become a column, or a list asks for each row."""
    with world.app.app_context():
        engine = db.engine
    people = {"tenant": world.anna.accounts["manager"], "platform": world.operator_id}
    for slug in SLUGS:
        entry = ENTRIES[slug]
        if choosable(entry) == entry.columns:
            continue
        tenant = "tenant" in entry.surfaces
        make(world, entry, 2)
        with world.app.app_context(), platform_scope("a test's columns"), transaction() as session:
            session.add(
                ListView(
                    tenant_id=world.anna.id if tenant else None,
                    user_id=people["tenant" if tenant else "platform"],
                    owner_name="x",
                    entry=slug,
                    columns=list(choosable(entry)),
                )
            )
        somebody, costs = browser(world, entry), []
        for _ in range(2):
            with count_statements(engine) as seen:
                page = somebody.get(f"{entry.url}/")
            assert page.status_code == 200, slug
            costs.append(len(seen))
            make(world, entry, 8)
        with world.app.test_request_context():
            assert heads(page.text) == [str(entry.label_of(name)) for name in choosable(entry)], slug
        assert costs[0] == costs[1] <= LIST_AT_MOST, (slug, costs, seen)
