"""Lists: searched, filtered, sorted and paged through HTTP; what they do not know is refused."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import inspect, update

from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web.admin_data import AdminData
from app.core.web.entry import AdminEntry
from app.core.web.list_args import ListArgs, arguments_of, kind_of
from app.domains.accounts.admin import PersonEntry
from app.domains.accounts.models import ENDED, Guardianship, Membership, Person
from app.domains.tenancy.models import Tenant
from app.shell.admin import make_registry
from tests.support.entries import SLUGS, browser, make
from tests.support.world import Browser, World

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
_HEAD = re.compile(r'<th scope="row"[^>]*>(?:<a href="[^"]*">)?([^<]*)')


def names(text: str) -> list[str]:
    """The first column of a list page."""
    return [unescape(found) for found in _HEAD.findall(text)]


def people(world: World, *full_names: str, **more: object) -> list[int]:
    """People of anna's company."""
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        rows = [Person(full_name=name, **more) for name in full_names]
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def shown(manager: Browser, query: str, path: str = "/admin/people/") -> list[str]:
    response = manager.get(f"{path}?{query}")
    assert response.status_code == 200, response.text
    return names(response.text)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(unescape(url)).query))


def links(text: str, path: str) -> list[dict[str, str]]:
    """The query strings of all links of a page to a list."""
    return [query_of(url) for url in re.findall(rf'href="({re.escape(path)}\?[^"]*)"', text)]


# -- Search ------------------------------------------------------------------------------------------------


def test_search(world: World) -> None:
    manager = world.manager()
    people(world, "Ada Byron", email="ada@lovelace.test")
    people(world, "Ada Okafor", phone="+234 1 555")
    people(world, "100% Sure", "Under_Score", "UnderXScore", "Zoë Ångström", "O'Neill \\ Sons")
    for text, found in (
        ("ada", ["Ada Byron", "Ada Okafor"]),
        ("ADA lovelace", ["Ada Byron"]),
        ("byron ada", ["Ada Byron"]),
        ("555", ["Ada Okafor"]),
        ("100%25", ["100% Sure"]),
        ("%25", ["100% Sure"]),
        ("_", ["Under_Score"]),
        ("zo%C3%AB", ["Zoë Ångström"]),
        ("ÅNGSTRÖM", ["Zoë Ångström"]),
        ("O%27Neill+%5C", ["O'Neill \\ Sons"]),
        ("++ada++byron++", ["Ada Byron"]),
        ("ada nobody", []),
    ):
        assert shown(manager, f"q={text}") == found, text


def test_search_in_a_relation_finds_each_row_once(world: World) -> None:
    manager = world.manager()
    pk, *_rest = make(world, ENTRIES["invitations"], 3)
    with world.app.app_context(), tenant_scope(world.anna.id):
        person = str(db.session.get_one(ENTRIES["invitations"].model, pk).person)
    word = person.split()[-1]
    assert shown(manager, f"q={word}+person", "/admin/invitations/") == [f"{word}@people.test"]


def test_search_finds_nothing_of_another_company(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.bert.id), transaction() as session:
        session.add(Person(full_name="Berta Secret"))
    response = world.manager().get("/admin/people/?q=secret")
    assert names(response.text) == []
    assert "Berta" not in response.text


# -- Filters -----------------------------------------------------------------------------------------------


def test_filter_by_choice(world: World) -> None:
    manager = world.manager()
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.get_one(Membership, world.anna.memberships["tutor"]).status = ENDED
    path = "/admin/memberships/"
    assert shown(manager, "status=ended", path) == ["Tutor anna"]
    assert len(shown(manager, "status=active", path)) == 3
    assert shown(manager, "status=active&role_key=student", path) == ["Student anna"]
    assert shown(manager, "status=ended&role_key=student", path) == []


def test_filter_by_yes_or_no(world: World) -> None:
    operator = world.operator()
    with world.app.app_context(), platform_scope("a test company"), transaction() as session:
        session.get_one(Tenant, world.bert.id).is_test = True
    assert shown(operator, "is_test=y", "/admin/tenants/") == ["Bert Tutors"]
    assert shown(operator, "is_test=n", "/admin/tenants/") == ["Anna Tutors"]


def test_filter_by_date_means_days_of_the_viewers_zone(world: World) -> None:
    manager = world.manager()  # in Europe/Berlin
    moments = {
        "Before": dt.datetime(2026, 3, 28, 22, 59, 59, tzinfo=dt.UTC),
        "First": dt.datetime(2026, 3, 28, 23, 0, tzinfo=dt.UTC),  # midnight, the clocks change that day
        "Last": dt.datetime(2026, 3, 29, 21, 59, 59, tzinfo=dt.UTC),
        "After": dt.datetime(2026, 3, 29, 22, 0, tzinfo=dt.UTC),
    }
    people(world, *moments)
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        for name, moment in moments.items():
            session.execute(update(Person).where(Person.full_name == name).values(created_at=moment))
    assert shown(manager, "created_at.from=2026-03-29&created_at.to=2026-03-29") == ["First", "Last"]
    assert shown(manager, "created_at.to=2026-03-29") == ["Before", "First", "Last"]
    assert shown(manager, "created_at.from=2026-03-30&created_at.to=2026-03-31") == ["After"]
    assert shown(manager, "created_at.from=2026-03-31&created_at.to=2026-03-29") == []


def test_filter_by_related_row_says_its_name(world: World) -> None:
    manager = world.manager()
    elder, child = people(world, "Grandma Moses", "Tiny Tim")
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add(Guardianship(guardian_id=elder, child_id=child))
        session.add(Guardianship(guardian_id=world.anna.people["guardian"], child_id=child))
    page = manager.get(f"/admin/guardianships/?guardian_id={elder}").text
    assert names(page) == ["Grandma Moses"]
    assert "Guardian: <strong>Grandma Moses</strong>" in page
    assert f'<option value="{elder}" selected>Grandma Moses</option>' in page
    assert 'data-options-url="/admin/people/options"' in page
    assert shown(manager, f"child_id={child}&guardian_id={child}", "/admin/guardianships/") == []


def test_filter_by_related_row_of_another_company_names_nothing(world: World) -> None:
    pk = world.bert.people["guardian"]
    page = world.manager().get(f"/admin/guardianships/?guardian_id={pk}").text
    assert names(page) == []
    assert "bert" not in page.casefold()


def test_filter_by_number_without_a_relation_is_a_text_box(world: World) -> None:
    operator = world.operator()
    make(world, ENTRIES["deliveries"], 2)
    page = operator.get("/admin/deliveries/?tenant_id=4711").text
    assert re.search(r'<input[^>]*type="text"[^>]*name="tenant_id"[^>]*value="4711"', page)
    assert names(page) == []


class ByPhone(PersonEntry):
    filters = ("phone",)


def test_filter_by_text_contains(world: World) -> None:
    people(world, "Ada", phone="100%")
    people(world, "Bob", phone="1000")
    entry = ByPhone()
    data = AdminData(entry.model)
    for text, found in (("100", ["Ada", "Bob"]), ("0%", ["Ada"]), ("_", []), ("%", ["Ada"]), ("\\", [])):
        args = ListArgs.read(entry, {"phone": text})
        with world.app.test_request_context(), tenant_scope(world.anna.id):
            count, rows = data.fetch(args.filters(data), order=("full_name", "asc"), page=1, size=25)
        assert [row.full_name for row in rows] == found, text
        assert count == len(found)


# -- What is not known is refused --------------------------------------------------------------------------

BAD = (
    "sort=nothing",
    "sort=-",
    "sort=--full_name",
    "sort=notes",
    "sort=tenant_id",
    "sort=full_name;drop",
    "sort=full_name desc",
    "notes=x",
    "tenant_id=1",
    "id=1",
    "full_name=x",
    "created_at=2026-01-01",
    "created_at.from=yesterday",
    "created_at.from=2026-02-30",
    "created_at.to=0001-01-01",
    "created_at.to=9999-12-31",
    "page=0",
    "page=-1",
    "page=x",
    "page=1.5",
    "page=%D9%A1",
    "page=99999999999999999999",
    "size=0",
    "size=-1",
    "size=all",
    "q=%00",
    "q=a%00b",
    "nonsense=1",
    "_flt_0_full_name=x",
    "order_column=full_name",
)


def test_bad_arguments_are_refused(world: World) -> None:
    manager = world.manager()
    for query in BAD:
        for path in ("/admin/people/", "/admin/people/export.csv"):
            response = manager.get(f"{path}?{query}")
            assert response.status_code == 400, (path, query, response.status_code)
            assert "psycopg" not in response.text
            assert "Traceback" not in response.text


def test_bad_values_of_filters_are_refused(world: World) -> None:
    manager, operator = world.manager(), world.operator()
    for query in ("status=gone", "role_key=king", "person_id=x", "person_id=-1", f"person_id={2**63}"):
        assert manager.get(f"/admin/memberships/?{query}").status_code == 400, query
    for query in ("is_test=maybe", "is_test=1", "status=Active", "currency=XXX%00"):
        assert operator.get(f"/admin/tenants/?{query}").status_code == 400, query


# -- Order and pages ---------------------------------------------------------------------------------------


def test_sort(world: World) -> None:
    manager = world.manager()
    people(world, "Zzz Cleo", phone="1")
    people(world, "Zzz Anton", "Zzz Berta", phone="2")
    assert shown(manager, "q=zzz") == ["Zzz Anton", "Zzz Berta", "Zzz Cleo"]
    assert shown(manager, "q=zzz&sort=-full_name") == ["Zzz Cleo", "Zzz Berta", "Zzz Anton"]
    assert shown(manager, "q=zzz&sort=phone") == ["Zzz Cleo", "Zzz Anton", "Zzz Berta"]
    assert shown(manager, "q=zzz&sort=-phone") == ["Zzz Berta", "Zzz Anton", "Zzz Cleo"]
    page = manager.get("/admin/people/?sort=-phone").text
    assert re.search(r'aria-sort="descending"><a href="/admin/people/\?sort=phone">', page)
    assert re.search(r'aria-sort="descending"', page)
    assert page.count("aria-sort") == 1


def test_pages_neither_repeat_nor_miss_a_row(world: World) -> None:
    manager = world.manager()
    people(world, *(f"Zzz {n % 3}" for n in range(60)))  # many rows that sort alike
    seen: list[str] = []
    for page in (1, 2, 3):
        text = manager.get(f"/admin/people/?q=zzz&sort=-full_name&page={page}").text
        seen += re.findall(r'<a href="/admin/people/(\d+)">', text)
    assert len(seen) == 60
    assert len(set(seen)) == 60


def test_size(world: World) -> None:
    manager = world.manager()
    people(world, *(f"Zzz {n:03}" for n in range(110)))
    assert len(shown(manager, "q=zzz")) == 25
    assert len(shown(manager, "q=zzz&size=50")) == 50
    assert len(shown(manager, "q=zzz&size=100")) == 100
    assert len(shown(manager, "q=zzz&size=5000")) == 100, "capped"
    text = manager.get("/admin/people/?q=zzz&page=2").text
    assert "26 to 50 of 110" in text


def test_a_page_beyond_the_last_leads_to_the_last(world: World) -> None:
    manager = world.manager()
    people(world, *(f"Zzz {n:02}" for n in range(30)))
    response = manager.get("/admin/people/?q=zzz&sort=-full_name&page=9")
    assert response.status_code == 302
    assert query_of(response.location) == {"q": "zzz", "sort": "-full_name", "page": "2"}
    response = manager.get("/admin/people/?q=nobody-at-all&page=2")
    assert response.status_code == 302
    assert query_of(response.location) == {"q": "nobody-at-all"}


def test_links_keep_the_other_arguments(world: World) -> None:
    manager = world.manager()
    people(world, *(f"Zzz & Söhne {n:03}" for n in range(120)))
    asked = {
        "q": "zzz &",
        "created_at.from": "2020-01-01",
        "created_at.to": "2150-01-01",
        "sort": "-phone",
        "size": "50",
        "page": "2",
    }
    text = manager.client.get("/admin/people/", base_url=manager.base, query_string=asked).text
    found = links(text, "/admin/people/")
    without = {name: value for name, value in asked.items() if name != "page"}
    assert {**without, "sort": "full_name"} in found, "a column's head starts again at the first page"
    assert {**without, "sort": "phone"} in found
    assert without in found, "the first page"
    assert {**asked, "page": "3"} in found
    assert {**without, "size": "100"} in found
    assert {name: value for name, value in without.items() if name != "created_at.from"} in found
    assert {name: value for name, value in without.items() if name != "created_at.to"} in found
    export = links(text, "/admin/people/export.csv")
    assert export == [{name: value for name, value in without.items() if name != "size"}]
    form = text.split('role="search"')[1].split("</form>")[0]
    assert 'name="sort" value="-phone"' in form
    assert 'name="size" value="50"' in form
    assert 'name="q" value="zzz &amp;"' in form
    assert 'name="created_at.from" value="2020-01-01"' in form


# -- Nothing to show ---------------------------------------------------------------------------------------


def test_an_empty_list_and_an_empty_answer_say_different_things(world: World) -> None:
    manager = world.manager()
    empty = manager.get("/admin/guardianships/").text
    assert "No guardians yet" in empty
    assert 'href="/admin/guardianships/add"' in empty
    filtered = manager.get("/admin/people/?q=nobody-at-all").text
    assert "Nothing matches" in filtered
    assert "Show all" in filtered
    assert 'value="nobody-at-all"' in filtered, "what was searched for can be corrected"


# -- All of it for every entry -----------------------------------------------------------------------------


@pytest.mark.parametrize("slug", SLUGS)
def test_the_list_of_each_entry(world: World, slug: str) -> None:
    entry, somebody = ENTRIES[slug], browser(world, ENTRIES[slug])
    pk = make(world, entry, 2)[0]
    text = somebody.get(f"{entry.url}/").text
    with world.app.test_request_context():
        words = [str(entry.plural), str(entry.lead), *(str(entry.label_of(name)) for name in entry.columns)]
    assert all(word in unescape(text) for word in words)
    assert f'href="{entry.url}/{pk}"' in text
    assert entry.can_add == (f'href="{entry.url}/add"' in text)
    check_filters(world, entry, somebody, text)
    check_other_columns(entry, somebody)


def check_filters(world: World, entry: AdminEntry, somebody: Browser, page: str) -> None:
    """Every filter is a control on the page, works, and shows as a chip."""
    values = {"bool": "y", "date": "2026-01-02", "related": "1", "text": "x"}
    for name in entry.filters:
        for argument in arguments_of(entry, name):
            assert f'name="{argument}"' in page
            with world.app.test_request_context():
                choices = entry.choices_of(name) or ()
            value = choices[0][0] if choices else values[kind_of(entry, name)]
            response = somebody.get(f"{entry.url}/?{argument}={value}")
            assert response.status_code == 200, (argument, value)
            assert 'class="wm-chip"' in response.text


def check_other_columns(entry: AdminEntry, somebody: Browser) -> None:
    """Only the columns that the entry allows sort and filter (CVE-2022-31177 was the opposite)."""
    allowed = {argument for name in entry.filters for argument in arguments_of(entry, name)}
    for column in [*inspect(entry.model).column_attrs.keys(), *inspect(entry.model).relationships.keys()]:
        for sign in ("", "-"):
            status = somebody.get(f"{entry.url}/?sort={sign}{column}").status_code
            assert status == (200 if column in entry.sortable else 400), f"sort {sign}{column}"
        if column not in allowed:
            assert somebody.get(f"{entry.url}/?{column}=1").status_code == 400, f"filter {column}"
