"""A record's page: what belongs to it, from both sides; its history in plain words; its facts in sections."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape
from typing import Any

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.viewer import Viewer
from app.core.web.entry import registry
from app.core.web.histories import Histories
from app.core.web.related import RelatedLists
from app.domains.accounts.models import Guardianship, Person
from app.domains.booking.models import Lesson
from app.domains.payments import models as payments
from app.domains.payments.models import Order
from tests.support.entries import SAMPLES, make, unique
from tests.support.lived import inside
from tests.support.statements import count_statements
from tests.support.world import World


def words(html: str) -> str:
    """What a reader sees of a piece of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def history(page: str) -> list[str]:
    """The entries of the page's history, newest first."""
    return [
        words(part)
        for part in page.split('<ol class="wm-timeline">')[1].split("</ol>")[0].split("<li class")[1:]
    ]


def lists(page: str) -> dict[str, str]:
    """The related lists of a page by their titles."""
    found = {}
    for part in page.split("<main")[1].split('<section class="card"')[1:]:
        head = re.search(r"<h2>\s*([^<]+?)\s*<", part)
        if head:
            found[head[1]] = part.split("</section>")[0]
    return found


def add_children(world: World, guardian: int, count: int) -> list[int]:
    with inside(world) as session:
        children = [SAMPLES["people"].row(session, unique()) for _ in range(count)]
        session.add_all(Guardianship(guardian_id=guardian, child_id=child.id) for child in children)
        return [int(child.id) for child in children]


def person(world: World, **more: Any) -> int:
    with inside(world) as session:
        row = SAMPLES["people"].row(session, unique())
        for name, value in more.items():
            setattr(row, name, value)
        return int(row.id)


CHILD = {"birth_date": clock.now().date() - dt.timedelta(days=10 * 365)}


def entry_rows(world: World, slug: str, count: int = 1) -> list[int]:
    with world.app.app_context():
        entry = registry().by_slug[slug]
    return make(world, entry, count)


# -- what belongs to it ----------------------------------------------------------------------------------


def test_a_long_list_shows_its_first_rows_its_number_and_the_way_to_all(world: World) -> None:
    guardian = person(world)
    add_children(world, guardian, 7)
    shown = lists(world.manager().get(f"/admin/people/{guardian}").text)["Children"]
    assert shown.count('scope="row"') == 5
    assert '<span class="wm-badge">7</span>' in shown
    assert f'href="/admin/guardianships/?guardian_id={guardian}"' in shown
    assert "Guardian</th>" not in shown, "the column that names this record on each row is left out"


def test_a_short_list_has_no_way_to_more(world: World) -> None:
    guardian = person(world)
    add_children(world, guardian, 5)
    shown = lists(world.manager().get(f"/admin/people/{guardian}").text)["Children"]
    assert shown.count('scope="row"') == 5
    assert "guardian_id=" not in shown


def test_nothing_is_shown_where_nothing_is_but_the_next_step(world: World) -> None:
    shown = lists(world.manager().get(f"/admin/people/{person(world, **CHILD)}").text)
    assert "Children" not in shown
    assert "Orders" not in shown
    assert "Connect a guardian and a child" in shown["Guardians"], "a child's next step"
    grown_up = lists(world.manager().get(f"/admin/people/{person(world)}").text)
    assert "Guardians" not in grown_up


def test_one_more_is_added_with_this_record_filled_in_and_leads_back(world: World) -> None:
    child, manager = person(world, **CHILD), world.manager()
    shown = lists(manager.get(f"/admin/people/{child}").text)["Guardians"]
    link = re.search(r'href="(/admin/guardianships/add\?[^"]+)"', shown)
    assert link
    url = unescape(link[1])
    form = manager.get(url).text
    field = form.split('name="child"')[1].split("</select>")[0]
    assert f'<option selected value="{child}">' in field
    key = re.search(r'name="idempotency_key" value="([^"]+)"', form)
    data = {"guardian": world.anna.people["guardian"], "child": child, "csrf_token": manager.csrf(url)}
    made = manager.post_raw(url, {**data, **({"idempotency_key": key[1]} if key else {})})
    assert (made.status_code, made.headers["Location"]) == (302, f"/admin/people/{child}")


def test_what_a_link_fills_in_is_looked_for_in_the_own_tenant(world: World) -> None:
    with inside(world, world.bert) as session:
        name = f"Foreign {unique()}"
        row = Person(full_name=name)
        session.add(row)
        session.flush()
        pk = row.id
    manager = world.manager()
    for given in (str(pk), "x", "-1", "9" * 18, "٣", ""):
        page = manager.get("/admin/guardianships/add", query_string={"child": given})
        assert page.status_code == 200
        assert name not in page.text
        assert "option selected" not in page.text.split('name="child"')[1].split("</select>")[0].replace(
            '<option selected value="">', ""
        ).replace('<option selected value="__None">', "")


def test_entries_list_themselves_on_pages_below_them(world: World) -> None:
    """Orders know people; people need not know orders."""
    order = entry_rows(world, "sales-orders")[0]
    with inside(world) as session:
        row = session.get_one(Order, order)
        row.payer_id = world.anna.people["student"]
        code = row.code
    shown = lists(world.manager().get(f"/admin/people/{world.anna.people['student']}").text)
    assert code in shown["Orders"]


def test_rows_over_a_relation(world: World) -> None:
    """A refund belongs to a line, and so to the line's order."""
    pk = entry_rows(world, "refunds")[0]
    with inside(world) as session:
        refund = session.get_one(payments.Refund, pk)
        order, code = refund.line.order_id, refund.code
    assert code in lists(world.manager().get(f"/admin/sales-orders/{order}").text)["Refunds"]


def test_lists_need_the_right_to_read_them(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        entry = registry().by_slug["people"]
        row = db.session.get_one(Person, world.anna.people["student"])
        who = Viewer(1, 1, "x@y.test", "X", frozenset({"person.read"}), world.anna.id)
        assert RelatedLists(entry, registry(), who, "tenant").of(row) == []
        db.session.rollback()


# -- its history -----------------------------------------------------------------------------------------


def test_what_happened_to_what_belongs_to_it_is_told_in_one_order(world: World) -> None:
    order = entry_rows(world, "sales-orders")[0]
    with inside(world) as session:
        session.get_one(Order, order).status = payments.PAID
    told = history(world.manager().get(f"/admin/sales-orders/{order}").text)
    assert "noted that it is paid" in told[0]
    assert "placed the order" in told[-1]
    payment = entry_rows(world, "payments")[0]
    with inside(world) as session:
        row = session.get_one(payments.Payment, payment)
        its_order, amount = row.order_id, row.amount
    told = history(world.manager().get(f"/admin/sales-orders/{its_order}").text)
    of_payment = next(each for each in told if "asked for the payment" in each)
    assert amount.format("en") in of_payment, "what it happened to is named, and leads there"


def test_changes_are_told_in_the_words_of_the_page(world: World) -> None:
    pk, manager = person(world), world.manager()
    assert (
        manager.post(
            f"/admin/people/{pk}/edit", full_name="New Name", phone="+49 1", birth_date="2010-05-04"
        ).status_code
        == 302
    )
    page = manager.get(f"/admin/people/{pk}").text
    newest = history(page)[0]
    assert "Manager anna changed this" in newest
    assert "→ New Name" in newest
    assert "Date of birth" in newest
    assert "May 4, 2010" in newest
    assert "127.0.0.1" in newest, "from where"
    assert f'title="{world.anna.email("manager")}"' in page


def test_numbers_of_records_are_told_by_name(world: World) -> None:
    pk = entry_rows(world, "all-lessons")[0]
    with inside(world) as session:
        lesson = session.get_one(Lesson, pk)
        before = lesson.tutor.full_name
        lesson.tutor_id = world.anna.people["tutor"]
    newest = history(world.manager().get(f"/admin/all-lessons/{pk}").text)[0]
    assert f"Tutor: {before} → Tutor anna" in newest


def test_a_new_record_does_not_repeat_its_page(world: World) -> None:
    told = history(world.manager().get(f"/admin/people/{person(world)}").text)
    assert len(told) == 1
    assert "→" not in told[0]


def test_amounts_are_told_as_money(world: World) -> None:
    pk = entry_rows(world, "payments")[0]
    with inside(world) as session:
        row = session.get_one(payments.Payment, pk)
        row.captured_minor, row.amount_minor = 4200, 4200
        currency = row.currency
    newest = history(world.manager().get(f"/admin/payments/{pk}").text)[0]
    assert ("€42.00" if currency == "EUR" else "42") in newest


def test_old_history_is_in_the_audit_trail(world: World) -> None:
    pk = person(world)
    with inside(world) as session:
        for number in range(30):
            session.get_one(Person, pk).phone = str(number)
            session.flush()
    page = world.manager().get(f"/admin/people/{pk}").text
    assert len(history(page)) == 25
    assert 'href="/admin/audit/?thing_type=person"' in page


def test_history_needs_the_right_to_the_audit_trail(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id):
        entry = registry().by_slug["people"]
        row = db.session.get_one(Person, world.anna.people["student"])
        who = Viewer(1, 1, "x@y.test", "X", frozenset({"person.read"}), world.anna.id)
        assert Histories(registry(), who, "tenant").of(entry, row) == ([], None)
        db.session.rollback()


def test_values_that_a_column_can_no_longer_hold_are_told_all_the_same(world: World) -> None:
    """The trail is kept for years; formats change."""
    pk = entry_rows(world, "offerings")[0]
    with inside(world) as session:
        session.add(
            AuditEntry(
                occurred_at=session.query(AuditEntry).first().occurred_at,
                actor_kind="user",
                actor_label="Old Hand",
                request_id="",
                verb="changed",
                thing_type="offering",
                thing_id=pk,
                thing_label="x",
                changes={"language": [{"odd": 1}, ["odd"]], "capacity": ["many", None], "gone": [1, 2]},
            )
        )
    newest = history(world.manager().get(f"/admin/offerings/{pk}").text)[0]
    assert "Old Hand changed this" in newest
    assert "many" in newest
    assert "gone" not in newest


# -- its page --------------------------------------------------------------------------------------------


def test_facts_stand_in_sections_and_what_is_empty_is_left_out(world: World) -> None:
    pk = entry_rows(world, "all-lessons")[0]
    page = world.manager().get(f"/admin/all-lessons/{pk}").text
    assert "When and where" in page
    assert "Cancelled because" not in words(page.split("<main")[1]), "nobody can fill it in, and it is empty"
    with inside(world) as session:
        lesson = session.get_one(Lesson, pk)
        assert f"<h1>{lesson.offering.title}, " in page, "called by what it is, not by its code"


def test_forms_have_the_same_sections(world: World) -> None:
    form = world.manager().get("/admin/people/add").text
    assert form.index("Name") < form.index(">Contact<") < form.index(">More about them<")


def test_a_page_costs_the_same_for_few_and_for_many(world: World) -> None:
    with world.app.app_context():
        engine = db.engine
    manager, guardian = world.manager(), person(world)
    costs = []
    for _ in range(2):
        add_children(world, guardian, 6)
        with count_statements(engine) as seen:
            manager.get(f"/admin/people/{guardian}")
        costs.append(len(seen))
    assert costs[0] == costs[1], seen
    assert costs[0] <= 18, seen
