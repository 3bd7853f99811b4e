"""What the house offers and to whom, as golden files; and that nothing of FAB's own is among it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from flask import Flask, g
from flask_appbuilder import ModelView
from flask_appbuilder.api import BaseApi, ModelRestApi
from flask_appbuilder.baseviews import BaseView
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.views import UserDBModelView
from werkzeug.routing import Rule

from app.core.db import db
from app.core.rights import PLATFORM, TENANT, SystemRole, catalogue
from app.core.viewer import Viewer
from app.core.web.entry import registry
from app.core.web.site import Site
from app.domains.accounts.models import Account
from app.domains.tenancy.models import DEFAULT_PRIMARY, Plan
from app.shell.admin import NOT_IN_ADMIN
from app.shell.models import metadata
from app.shell.security import ROLES
from app.shell.side_menu import menu
from tests.support.databases import Database
from tests.support.golden import assert_golden
from tests.support.statements import count_statements
from tests.support.world import World

FAB_TABLES = sorted(name for name in metadata.tables if name.startswith("ab_") and name != "ab_user")


def _methods(rule: Rule) -> str:
    return ",".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))


def _fab_rules(app: Flask) -> list[Rule]:
    endpoints = {view.endpoint for view in app.appbuilder.baseviews}  # type: ignore[attr-defined]
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in endpoints]


def _surfaces(role: SystemRole) -> tuple[str, ...]:
    """Where somebody with this role can be signed in: the platform's people visit tenants as well."""
    return (PLATFORM, TENANT) if role.surface == PLATFORM else (TENANT,)


def _table(rows: Iterable[Iterable[str]]) -> str:
    cells = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _site(surface: str) -> Site:
    return Site(
        name="Somewhere",
        host="localhost",
        tenant_id=1 if surface == TENANT else None,
        slug=None,
        locale="en",
        timezone="UTC",
        currency=None,
        is_active=True,
        is_test=False,
        theme_url=None,
        primary_color=DEFAULT_PRIMARY,
        url="http://localhost",
    )


def test_url_map(app: Flask) -> None:
    rules = sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, _methods(rule)))
    assert_golden("url_map.txt", _table((_methods(rule), rule.rule, rule.endpoint) for rule in rules))


def test_menu_of_each_role(app: Flask) -> None:
    lines = []
    for role in ROLES:
        for surface in _surfaces(role):
            lines.append(f"{role.key} on the {surface}'s host")
            with app.test_request_context("/"):
                g.site = _site(surface)
                rights = catalogue().of_role(role.key) & catalogue().on(surface)
                who = Viewer(1, 1, "x@y.test", "X Y", rights, g.site.tenant_id)
                for group in menu(who):
                    lines.append(f"  {group.label or '(at the top)'}{'' if group.is_open else ', folded'}")
                    lines += [f"    {link.label}  {link.url}" for link in group.links]
    assert_golden("menu.txt", "\n".join(lines))


def test_rights_of_each_role(app: Flask) -> None:
    with app.app_context():
        known = catalogue()
        parts = []
        for surface in (PLATFORM, TENANT):
            roles = [role for role in ROLES if surface in _surfaces(role)]
            head = ("right", *(role.key for role in roles))
            rows = [
                (right, *("x" if right in known.of_role(role.key) else "." for role in roles))
                for right in sorted(known.on(surface))
            ]
            parts.append(f"On the {surface}'s host\n{_table([head, *rows])}")
    assert_golden("rights.txt", "\n\n".join(parts))


def test_the_menu_on_the_page_is_the_menu_of_the_role(world: World) -> None:
    page = world.manager().get("/admin/").text
    side = page.split('<nav class="wm-side-nav"')[1].split("</nav>")[0]
    with world.app.test_request_context("/"):
        g.site = _site(TENANT)
        rights = catalogue().of_role("manager")
        wanted = [
            link.url for group in menu(Viewer(1, 1, "x@y.test", "X", rights, 1)) for link in group.links
        ]
    found = [part.split('"')[0] for part in side.split('href="')[1:]]
    assert [url for url in found if url.startswith("/admin/") and "#" not in url] == wanted


# -- Nothing of FAB's own ----------------------------------------------------------------------------------


def test_all_that_fab_registers_lies_under_admin_and_api(app: Flask) -> None:
    rules = _fab_rules(app)
    assert len(rules) > 100
    astray = [rule.rule for rule in rules if not rule.rule.startswith(("/admin/", "/api/v1/"))]
    assert astray == []


def test_every_view_function_of_fabs_views_is_ours(app: Flask) -> None:
    """A rule that FAB's own class brought along would run FAB's own code."""
    foreign = []
    for view in app.appbuilder.baseviews:  # type: ignore[attr-defined]
        for rule in app.url_map.iter_rules():
            blueprint, _, method = rule.endpoint.partition(".")
            if blueprint == view.endpoint:
                module = getattr(type(view), method).__module__
                if not module.startswith("app.core.web."):
                    foreign.append((rule.rule, module))
    assert foreign == []


FABS_ADDRESSES = (
    "/users/list/",
    "/roles/list/",
    "/permissions/list/",
    "/viewmenus/list/",
    "/permissionviews/list/",
    "/userstatschartview/chart/",
    "/registeruser/list/",
    "/resetmypassword/form",
    "/resetpassword/form",
    "/userinfoeditview/form",
    "/users/userinfo/",
    "/lang/de",
    "/back",
    "/api/v1/security/login",
    "/api/v1/security/refresh",
    "/api/v1/security/users/",
    "/api/v1/security/roles/",
    "/api/v1/security/permissions/",
    "/api/v1/menu/",
    "/api/v1/_openapi",
    "/api/v1/person/_info",
    "/swagger/v1",
    "/static/appbuilder/css/bootstrap.min.css",
    "/admin/people/action/delete/1",
    "/admin/people/action_post",
    "/admin/people/download/x.txt",
    "/admin/people/list/",
    "/admin/people/show/1",
)


def test_fabs_own_addresses_do_not_exist(world: World) -> None:
    manager = world.manager()
    token = manager.csrf("/account/")
    got = {path: manager.get(path).status_code for path in FABS_ADDRESSES}
    assert got == dict.fromkeys(FABS_ADDRESSES, 404)
    for path in FABS_ADDRESSES:
        assert manager.post_raw(path, {"csrf_token": token}).status_code in {404, 405}, path


class StockView(ModelView):
    datamodel = SQLAInterface(Plan, db.session)


class StockApi(ModelRestApi):
    datamodel = SQLAInterface(Plan, db.session)


class PlainView(BaseView):
    """Not about a model: may be refused as well, since ours are blueprints."""


class PlainApi(BaseApi):
    """Likewise."""


class StockUsers(UserDBModelView):
    datamodel = SQLAInterface(Account, db.session)


@pytest.mark.parametrize("view", [StockView, PlainView, StockUsers])
def test_the_builder_refuses_stock_views(app: Flask, view: type[BaseView]) -> None:
    with app.app_context(), pytest.raises(TypeError, match="neither an AdminView nor an ApiView"):
        app.appbuilder.add_view_no_menu(view)  # type: ignore[attr-defined]


@pytest.mark.parametrize("api", [StockApi, PlainApi])
def test_the_builder_refuses_stock_apis(app: Flask, api: type[BaseApi]) -> None:
    with app.app_context(), pytest.raises(TypeError, match="neither an AdminView nor an ApiView"):
        app.appbuilder.add_api(api)  # type: ignore[attr-defined]


# -- Every model is administered ---------------------------------------------------------------------------


def test_every_model_has_an_admin_entry_or_a_reason(app: Flask) -> None:
    with app.app_context():
        shown = {entry.model.__tablename__ for entry in registry().entries}
    missing = set(metadata.tables) - shown - set(NOT_IN_ADMIN)
    assert not missing, f"no admin entry, and no reason in NOT_IN_ADMIN: {sorted(missing)}"


def test_the_reasons_are_about_models_that_exist_and_are_not_shown(app: Flask) -> None:
    with app.app_context():
        shown = {entry.model.__tablename__ for entry in registry().entries}
    stale = set(NOT_IN_ADMIN) - set(metadata.tables)
    assert not stale, f"stale in NOT_IN_ADMIN: {sorted(stale)}"
    assert not set(NOT_IN_ADMIN) & shown
    assert all(len(reason) > 10 for reason in NOT_IN_ADMIN.values())


# -- FAB's permissions play no part ------------------------------------------------------------------------


def test_fabs_tables_are_empty_shut_and_never_asked(world: World, database: Database) -> None:
    manager, operator = world.manager(), world.operator()
    with world.app.app_context():
        engine = db.engine
    with count_statements(engine) as seen:
        for path in ("/admin/", "/admin/people/", "/admin/people/add", "/admin/audit/"):
            assert manager.get(path).status_code == 200
        for path in ("/admin/", "/admin/tenants/", "/admin/accounts/"):
            assert operator.get(path).status_code == 200
    assert len(seen) >= 14
    assert [s for s in seen if any(re.search(rf"\b{table}\b", s) for table in FAB_TABLES)] == []

    assert len(FAB_TABLES) > 8
    with database.connect() as connection:
        for table in FAB_TABLES:
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
            for role in ("wm_app", "wm_platform"):
                granted = connection.execute(
                    "SELECT has_table_privilege(%s, %s, 'SELECT, INSERT, UPDATE, DELETE')", [role, table]
                ).fetchone()
                assert granted == (False,), f"{role} has something to do with {table}"
