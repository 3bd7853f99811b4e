"""What each page of each entry costs in SQL statements, however many rows it shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web.entry import Action, registry
from tests.support.entries import SAMPLES, SLUGS, browser, make, unique
from tests.support.golden import assert_golden
from tests.support.statements import count_statements
from tests.support.world import World

LIST_AT_MOST = 5  # viewer, saved views, rows and count, what waits in the menu, names of what is filtered by


@pytest.mark.parametrize("slug", SLUGS)
def test_statements_of_each_page(world: World, slug: str) -> None:
    with world.app.app_context():
        engine, entry = db.engine, registry().by_slug[slug]
    sample, somebody = SAMPLES[slug], browser(world, entry)
    token = somebody.csrf("/account/")
    costs: list[tuple[str, int]] = []

    def measure(what: str, status: int, call: Callable[[], TestResponse]) -> int:
        with count_statements(engine) as seen:
            response = call()
        listed = "\n".join(f"{n}. {statement}" for n, statement in enumerate(seen, 1))
        assert response.status_code == status, f"{what}: {response.status_code}"
        costs.append((what, len(seen)))
        if what.startswith("list"):
            assert len(seen) <= LIST_AT_MOST, f"{what}: {len(seen)} statements\n{listed}"
        return len(seen)

    def post(path: str, **data: object) -> Callable[[], TestResponse]:
        return lambda: somebody.post_raw(f"{entry.url}/{path}", {**data, "csrf_token": token})

    def get(path: str) -> Callable[[], TestResponse]:
        return lambda: somebody.get(f"{entry.url}/{path}")

    first = make(world, entry)[0]
    get("")()
    few = measure("list of few rows", 200, get(""))
    pks = [first, *make(world, entry, 30)]
    many = measure("list of 25 rows", 200, get(""))
    assert few == many, "a list's cost must not depend on its rows"
    if entry.search:
        measure("list, searched by two words", 200, get(f"?q=zq+{slug}"))
    measure("list, second page", 200, get("?page=2"))
    measure("export of all rows", 200, get("export.csv"))
    measure("options for a choice", 200, get("options?q=zq"))
    measure("page of a record", 200, get(f"{pks[-1]}"))
    if entry.can_add and sample.form:
        measure("form to add", 200, get("add"))
        measure("add", 302, post("add", **sample.form(world, unique())))
    if entry.can_edit and sample.form:
        measure("form to edit", 200, get(f"{pks[-1]}/edit"))
        filled = sample.form(world, unique())
        changes = {name: filled[name] for name in entry.edit_form or () if name in filled}
        measure("edit", 302, post(f"{pks[-1]}/edit", **changes))
    for action in entry.actions:
        pk = pks.pop()
        if not _fits(world, slug, pk, action):
            continue
        measure(f"{action.name}: question", 200, get(f"{pk}/do/{action.name}"))
        data = sample.actions.get(action.name, {})
        measure(action.name, 302, post(f"{pk}/do/{action.name}", **data))
        if action.bulk:
            ids = [pks.pop() for _ in range(3)]
            measure(f"{action.name} on 3", 302, post(f"do/{action.name}", id=ids, **data))
    if entry.can_delete:
        measure("question before deleting", 200, get(f"{pks[-1]}/delete"))
        measure("delete", 302, post(f"{pks[-1]}/delete"))
    assert_golden(f"statements/{slug}.txt", "\n".join(f"{number:3}  {what}" for what, number in costs))


def test_related_lists_cost_the_same_for_one_row_and_for_many(world: World) -> None:
    with world.app.app_context():
        engine, guardians = db.engine, registry().by_slug["guardianships"]
    manager, elder = world.manager(), world.anna.people["guardian"]
    costs = []
    for _ in range(2):
        with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
            for _ in range(6):
                child = SAMPLES["people"].row(session, unique())
                session.add(guardians.model(guardian_id=elder, child_id=child.id))
        with count_statements(engine) as seen:
            page = manager.get(f"/admin/people/{elder}")
        costs.append(len(seen))
    assert page.text.count("Person zq") >= 10
    assert costs[0] == costs[1] <= 18, (
        "viewer, record, menu, history, and one for each list that may be there"
    )


def _fits(world: World, slug: str, pk: int, action: Action) -> bool:
    """Whether an action is offered on a row as it is."""
    with world.app.app_context(), platform_scope("what a test has to see"):
        return action.when(db.session.get_one(registry().by_slug[slug].model, pk))
