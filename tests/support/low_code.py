"""A throw-away model registered with one AdminEntry, and all that comes of it, used over HTTP.

Runs in a process of its own (`python -m tests.support.low_code <owner url> <app url> <redis url>`): a model
can't be taken out of the metadata again. `tests/shell/test_low_code.py` starts it and reads what it prints.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask_babel import lazy_gettext as _l
from sqlalchemy import String, UniqueConstraint, create_engine, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core.audit import AuditEntry
from app.core.db import Model, TenantOwned, Timestamped, db, owned_by_tenant
from app.core.rights import TENANT
from app.core.scope import platform_scope, tenant_scope
from app.core.web.categories import PEOPLE
from app.core.web.entry import AdminEntry, Registry
from app.providers.mail.mock import MockMailMessage
from app.shell import admin
from app.shell.factory import create_app
from config import load_settings
from migrations import ddl
from tests.support.world import PASSWORD, Browser, World, drain, make_company


class Textbook(TenantOwned, Timestamped, Model):
    """What lessons are read from."""

    __tablename__ = "textbook"

    name: Mapped[str] = mapped_column(String(80))
    level: Mapped[str] = mapped_column(String(20))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(cls, UniqueConstraint("tenant_id", "name"))

    def __str__(self) -> str:
        return self.name


class TextbookEntry(AdminEntry):
    model = Textbook
    label, plural = _l("Textbook"), _l("Textbooks")
    category, icon = PEOPLE, "list"
    columns = ("name", "level", "created_at")
    form = ("name", "level")
    search = ("name",)
    filters = ("level",)
    found_by = search
    choices = {"level": (("school", _l("School")), ("university", _l("University")))}


def make_table(owner_url: str) -> None:
    """What the model's migration would say."""
    engine = create_engine(owner_url)
    with engine.begin() as connection:
        Textbook.__table__.create(connection)
        with Operations.context(MigrationContext.configure(connection)):
            ddl.protect("textbook")
    engine.dispose()


def story(world: World) -> dict[str, Any]:
    """Screens, rights, menu, export, import, API, audit and walls of the throw-away model."""
    manager, bert = world.manager(), world.manager(world.bert)
    assert "Textbooks" in manager.get("/admin/").text, "the menu does not show it"
    assert "Nothing here yet" in manager.get("/admin/textbooks/").text

    made = manager.post("/admin/textbooks/add", name="Latin", level="school")
    assert made.status_code == 302, made.text
    url = made.headers["Location"]
    assert "Latin" in manager.get(url).text
    assert "created this" in manager.get(url).text, "the history is not told"
    twice = manager.post("/admin/textbooks/add", name="Latin", level="school")
    assert twice.status_code == 409, twice.status_code
    wrong = manager.post("/admin/textbooks/add", name="Greek", level="kindergarten")
    assert wrong.status_code == 422, wrong.status_code
    assert manager.post(f"{url}/edit", name="Latin II", level="university").status_code == 302
    assert "Latin II" in manager.get("/admin/textbooks/?q=latin&level=university").text
    assert "Latin II" not in manager.get("/admin/textbooks/?level=school").text
    assert f'href="{url}"' in manager.get("/admin/search?q=latin").text, "the search does not find it"
    assert f'href="{url}"' not in bert.get("/admin/search?q=latin").text, "found in another company"

    file = (io.BytesIO(b"name,level\nMaths,school\nPhysics,university\n"), "textbooks.csv")
    token = manager.csrf("/admin/textbooks/import")
    seen = manager.post_raw("/admin/textbooks/import", {"file": file, "csrf_token": token})
    imported = manager.say_yes("/admin/textbooks/import", seen)
    assert imported.status_code == 302, imported.text
    exported = manager.get("/admin/textbooks/export.csv").text
    assert all(name in exported for name in ("Latin II", "Maths", "Physics"))

    tutor = world.browser(world.anna.host, world.anna.email("tutor"))
    assert tutor.get(url).status_code == 403
    check_walls(world, bert, url)

    headers = {"Authorization": f"Bearer {world.token(world.anna)}"}
    options = {"base_url": f"http://{world.anna.host}", "headers": headers}
    api = world.app.test_client()
    posted = api.post("/api/v1/textbooks/", json={"name": "Music", "level": "school"}, **options)
    assert posted.status_code == 201, posted.text
    listed = api.get("/api/v1/textbooks/?sort=name", **options).json
    assert [row["name"] for row in listed["result"]] == ["Latin II", "Maths", "Music", "Physics"]
    foreign = {**options, "base_url": f"http://{world.bert.host}"}
    assert api.get("/api/v1/textbooks/", **foreign).status_code == 401, "a token is good on its own host only"
    assert "/api/v1/textbooks/" in api.get("/api/v1/_openapi.json", **options).json["paths"]

    item = f"/api/v1/textbooks/{posted.json['id']}"
    assert api.patch(item, json={"level": "university"}, **options).json["name"] == "Music"
    assert api.put(item, json={"name": "Song", "level": "school"}, **options).json["level"] == "school"
    assert api.put(item, json={"name": "Song"}, **options).status_code == 422
    assert (
        api.post("/api/v1/textbooks/", json={"name": "Song", "level": "school"}, **options).status_code == 409
    )
    assert api.delete(item, **options).status_code == 204
    assert api.get(item, **options).status_code == 404
    assert manager.get("/admin/textbooks/options?q=lat").json == [{"value": pk_of(url), "label": "Latin II"}]

    clerk = clerk_of(world, manager)
    check_clerk(world, clerk, url)
    assert manager.post(f"{url}/delete").status_code == 302
    assert manager.get(url).status_code == 404
    return {"rows": len(listed["result"]), "audit": audit_of(world, pk_of(url))}


def pk_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


def check_walls(world: World, bert: Browser, url: str) -> None:
    """Nothing of anna's is seen, changed or even hinted at on bert's host, nor in the database as bert."""
    token = bert.csrf("/account/")
    assert "Latin" not in bert.get("/admin/textbooks/?q=latin").text
    assert "Latin" not in bert.get("/admin/textbooks/export.csv").text
    assert bert.get("/admin/textbooks/options?q=latin").json == []
    for path in (url, f"{url}/edit", f"{url}/delete"):
        assert bert.get(path).status_code == 404, path
        if path != url:
            form = {"name": "Stolen", "level": "school", "csrf_token": token}
            assert bert.post_raw(path, form).status_code == 404, path
    headers = {"Authorization": f"Bearer {world.token(world.bert)}"}
    options: dict[str, Any] = {"base_url": f"http://{world.bert.host}", "headers": headers}
    api, item = world.app.test_client(), f"/api/v1/textbooks/{pk_of(url)}"
    assert api.get("/api/v1/textbooks/", **options).json["count"] == 0
    for answer in (
        api.get(item, **options),
        api.patch(item, json={}, **options),
        api.delete(item, **options),
    ):
        assert answer.status_code == 404
    assert bert.post("/admin/textbooks/add", name="Latin II", level="school").status_code == 302, (
        "unique within"
    )
    with world.app.app_context(), db.engine.connect() as connection:
        counts = {}
        for tenant in ("", str(world.anna.id), str(world.bert.id)):
            connection.execute(text("SELECT set_config('app.tenant_id', :tenant, false)"), {"tenant": tenant})
            counts[tenant] = connection.scalar(text("SELECT count(*) FROM textbook"))
        connection.invalidate()
    assert counts == {"": 0, str(world.anna.id): 3, str(world.bert.id): 1}


def audit_of(world: World, pk: str) -> list[str]:
    """What the audit trail says was done to the record."""
    with world.app.app_context(), tenant_scope(world.anna.id):
        found = db.session.query(AuditEntry).filter_by(thing_type="textbook", thing_id=int(pk))
        entries = found.order_by(AuditEntry.id).all()
    assert {entry.actor_label for entry in entries} == {"Manager anna <manager@anna.test>"}
    return [entry.verb for entry in entries]


def check_clerk(world: World, clerk: Browser, url: str) -> None:
    """They can do what their role says, and nothing else anywhere."""
    token = clerk.csrf("/account/")
    menu = clerk.get("/admin/").text.split("<nav")[1].split("</nav>")[0]
    may = {"textbooks": {"read"}, "invitations": {"read", "write"}, "roles": {"read", "write"}}
    for entry in world.app.extensions["admin"].entries:
        here, verbs = TENANT in entry.surfaces, may.get(entry.slug, set())
        assert (f'href="{entry.url}/"' in menu) == bool(verbs), entry.slug
        status = clerk.get(f"{entry.url}/").status_code
        assert status == (404 if not here else 200 if verbs else 403), entry.slug
        if "write" not in verbs:
            for path in ("add", "1/edit", "1/delete", "import"):
                status = clerk.post_raw(f"{entry.url}/{path}", {"csrf_token": token}).status_code
                assert status == (403 if here else 404), f"{entry.slug}/{path}"
    assert clerk.get("/admin/brand/").status_code == 403
    assert clerk.get(url).status_code == 200
    assert "/edit" not in clerk.get(url).text, "what they may not do is not offered"

    for rights in (["textbook.write"], ["textbook.read", "person.read"], ["membership.act"]):
        assert clerk.post("/admin/roles/add", name="More", rights=rights).status_code == 403, rights
    assert clerk.post("/admin/roles/add", name="Less", rights=["textbook.read"]).status_code == 302
    for role, status in (("manager", 403), ("student", 302)):
        answer = clerk.post("/admin/invitations/add", full_name="X", email=f"{role}@x.test", role=role)
        assert answer.status_code == status, role


def clerk_of(world: World, manager: Browser) -> Browser:
    """Somebody whose composed role may read textbooks, invite and compose roles, and nothing else."""
    matrix = manager.get("/admin/roles/add").text
    assert 'value="textbook.read"' in matrix
    assert 'value="textbook.write"' in matrix
    rights = ["textbook.read", "invitation.read", "invitation.write", "role.read", "role.write"]
    made = manager.post("/admin/roles/add", name="Clerk", rights=rights)
    role_id = int(made.headers["Location"].rsplit("/", 1)[1])
    invited = manager.post(
        "/admin/invitations/add", full_name="Cleo Clerk", email="cleo@x.test", role=f"own:{role_id}"
    )
    assert invited.status_code == 302, invited.text
    drain(world.app)
    clerk = Browser(world.app, world.anna.host)
    path = link_of(world, "cleo@x.test")
    joined = clerk.post(path, full_name="Cleo Clerk", password=PASSWORD, repeat=PASSWORD)
    assert joined.status_code == 302, joined.text
    return clerk


def link_of(world: World, recipient: str) -> str:
    """The path in the mail to this recipient."""
    with world.app.app_context(), platform_scope("read the mock's mail"):
        mail = db.session.query(MockMailMessage).filter_by(recipient=recipient).one()
        return "/invitation/" + str(mail.link).rsplit("/", 1)[1]


def main() -> None:
    owner_url, app_url, redis_url = sys.argv[1:4]
    make_table(owner_url)
    known = admin.make_registry
    admin.make_registry = lambda: Registry((*known().entries, TextbookEntry()))
    app = create_app(
        load_settings(
            ENVIRONMENT="test",
            DATABASE_URL=app_url,
            REDIS_URL=redis_url,
            LOG_LEVEL="ERROR",
            SECRET_KEY="t" * 40,
        )
    )
    with app.app_context():
        anna, bert = make_company("anna"), make_company("bert")
        app.extensions["places"].forget()
    sys.stdout.write(json.dumps(story(World(app, anna, bert, 0))) + "\n")


if __name__ == "__main__":
    main()
