"""The search of the whole admin, as a page and as JSON: what is found, by whom, at which cost."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.db import db
from app.core.web.entry import registry
from app.core.web.finding import MOST, clean_query
from app.domains.accounts.models import ACTIVE, Membership, Person, TenantRole
from app.domains.booking.models import Lesson
from app.domains.payments.models import Order, Payment
from tests.support.entries import make, unique
from tests.support.lived import inside
from tests.support.statements import count_statements
from tests.support.world import PLATFORM, Browser, Company, World

URL = "/admin/search.json"


def found(browser: Browser, q: str, **more: Any) -> dict[str, list[dict[str, Any]]]:
    answer = browser.get(URL, query_string={"q": q, **more})
    assert answer.status_code == 200, answer.text
    return {group["label"]: group["hits"] for group in answer.json}


def urls(browser: Browser, q: str) -> list[str]:
    return [hit["url"] for hits in found(browser, q).values() for hit in hits]


def add_person(world: World, name: str, company: Company | None = None, **more: Any) -> int:
    with inside(world, company) as session:
        row = Person(full_name=name, **more)
        session.add(row)
        session.flush()
        return int(row.id)


def entry_rows(world: World, slug: str, count: int = 1) -> list[int]:
    with world.app.app_context():
        entry = registry().by_slug[slug]
    return make(world, entry, count)


def test_people_by_name_address_and_phone(world: World) -> None:
    word = unique()
    pk = add_person(world, f"Zoë {word}", email=f"{word}@home.test", phone="+49 30 777 1")
    manager, url = world.manager(), f"/admin/people/{pk}"
    for q in (word, word.upper(), f"zoë {word}", f"{word}@home", f"{word} zo"):
        assert urls(manager, q) == [url], q
    assert urls(manager, f"{word} nobody") == [], "every word must be found"


def test_whoever_begins_with_the_word_comes_first(world: World) -> None:
    word = unique()
    add_person(world, f"Aaron {word}")
    pk = add_person(world, f"{word} Zimmer")
    assert urls(world.manager(), word)[0] == f"/admin/people/{pk}"


def test_orders_and_payments_by_code_or_its_beginning(world: World) -> None:
    order, payment = entry_rows(world, "sales-orders")[0], entry_rows(world, "payments")[0]
    with inside(world) as session:
        code = session.get_one(Order, order).code
        paid, ref = session.get_one(Payment, payment).code, session.get_one(Payment, payment).provider_ref
    manager = world.manager()
    assert f"/admin/sales-orders/{order}" in urls(manager, code)
    assert f"/admin/sales-orders/{order}" in urls(manager, code.lower())
    assert f"/admin/sales-orders/{order}" in urls(manager, code[:8])
    assert f"/admin/sales-orders/{order}" not in urls(manager, code[1:])
    assert f"/admin/payments/{payment}" in urls(manager, paid)
    assert ref is None or f"/admin/payments/{payment}" in urls(manager, ref)


def test_lessons_by_what_is_taught_and_by_whom(world: World) -> None:
    pk = entry_rows(world, "all-lessons")[0]
    with inside(world) as session:
        lesson = session.get_one(Lesson, pk)
        title, tutor, code = lesson.offering.title, lesson.tutor.full_name, lesson.code
    manager = world.manager()
    for q in (code, title, f"{title} {tutor}"):
        assert f"/admin/all-lessons/{pk}" in urls(manager, q), q


def test_companies_hosts_and_accounts_on_the_platform(world: World) -> None:
    operator = world.operator()
    assert f"/admin/tenants/{world.anna.id}" in urls(operator, "anna tut")
    assert any(url.startswith("/admin/accounts/") for url in urls(operator, world.bert.email("tutor")))


def test_places_and_what_can_be_begun(world: World) -> None:
    manager = world.manager()
    assert "/admin/invitations/add" in urls(manager, "invite")
    assert "/admin/tax-rates/" in urls(manager, "tax")
    assert "/admin/allocations/" in urls(manager, "allocations"), "what is folded away is found all the same"
    empty = found(manager, "")
    assert list(empty) == ["Begin", "Go to"], "an empty field offers where to go, and no records"


def test_one_letter_finds_no_records(world: World) -> None:
    add_person(world, "Q")
    assert not any(
        url.startswith("/admin/people/") and url != "/admin/people/" for url in urls(world.manager(), "q")
    )


def test_another_companys_records_are_not_found(world: World) -> None:
    word = unique()
    pk = add_person(world, f"Secret {word}", world.bert)
    assert urls(world.manager(), word) == []
    assert urls(world.manager(world.bert), word) == [f"/admin/people/{pk}"]
    assert urls(world.operator(), word) == []


def test_what_a_role_may_not_read_it_does_not_find(world: World) -> None:
    word = unique()
    add_person(world, f"Somebody {word}")
    colleague = of_role(world, ["offering.read"])
    assert urls(colleague, word) == []
    assert urls(colleague, "offerings") == ["/admin/offerings/"]
    assert urls(colleague, "invite") == []


def of_role(world: World, rights: list[str]) -> Browser:
    """The student, who gets a role of the company's own."""
    manager, name = world.manager(), unique()
    token = manager.csrf("/admin/roles/add")
    made = manager.post_raw("/admin/roles/add", {"name": name, "rights": rights, "csrf_token": token})
    assert made.status_code == 302, made.text
    with inside(world) as session:
        role = session.query(TenantRole).filter_by(name=name).one()
        session.add(
            Membership(
                user_id=world.anna.accounts["student"],
                person_id=world.anna.people["student"],
                role_id=role.id,
                status=ACTIVE,
            )
        )
    return world.browser(world.anna.host, world.anna.email("student"))


@pytest.mark.parametrize("path", [URL, "/admin/search"])
def test_who_has_no_business_here(world: World, path: str) -> None:
    student = world.browser(world.anna.host, world.anna.email("student"))
    assert student.get(f"{path}?q=anna").status_code == 403
    visitor = world.browser(world.anna.host)
    assert visitor.get(f"{path}?q=anna").status_code in {302, 401}


@pytest.mark.parametrize(
    "q",
    [
        "%",
        "__",
        "%%%",
        "\x00\x00",
        "a\x00b",
        "' OR 1=1 --",
        "\\\\",
        "x" * 10_000,
        "ä " * 5_000,
        "\u202e\u200bab",
        "😀😀",
    ],
)
def test_whatever_is_typed_is_harmless(world: World, q: str) -> None:
    word = unique()
    add_person(world, f"Plain {word}")
    for path in (URL, "/admin/search"):
        answer = world.manager().get(path, query_string={"q": q})
        assert answer.status_code == 200, q
        assert word not in answer.text, q


def test_wildcards_are_characters(world: World) -> None:
    word = unique()
    pk = add_person(world, f"100% {word}")
    add_person(world, f"1000 {word}")
    assert urls(world.manager(), f"100% {word}") == [f"/admin/people/{pk}"]


def test_a_query_is_cut_and_cleaned() -> None:
    assert clean_query("  a \x00 b\t c ") == "a b c"
    assert len(clean_query("x" * 10_000)) == MOST


@pytest.mark.parametrize(("host", "most"), [("tenant", 6), (PLATFORM, 5)])
def test_a_handful_of_statements_however_much_is_found(world: World, host: str, most: int) -> None:
    """One for the viewer, one for each kind of record."""
    with world.app.app_context():
        engine = db.engine
    browser = world.operator() if host == PLATFORM else world.manager()
    word = unique()
    costs = []
    for _ in range(2):
        for _ in range(8):
            add_person(world, f"{word} {unique()}")
        with count_statements(engine) as seen:
            found(browser, word)
        costs.append(len(seen))
    assert costs[0] == costs[1] <= most, seen


def test_the_page_shows_the_same_and_the_way_to_the_rest(world: World) -> None:
    word = unique()
    for number in range(12):
        add_person(world, f"{word} {number:02}")
    page = world.manager().get(f"/admin/search?q={word}").text
    main = page.split("<main")[1]
    assert main.count(f"<strong>{word} ") == 10
    assert f'href="/admin/people/?q={word}"' in main
    assert "10 results" in main
    nothing = world.manager().get("/admin/search?q=zzzzzz").text
    assert "Nothing matches" in nothing
    assert "&lt;b&gt;" in world.manager().get("/admin/search?q=<b>x").text


def test_answers_are_not_kept(world: World) -> None:
    assert "no-store" in world.manager().get(URL).headers["Cache-Control"]
