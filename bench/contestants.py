"""One contestant per process: answers a line on stdin with what a round of requests took.

    python -m bench.contestants house|stock|floor <database url>

All three show the same 25 of the same people, in process, one thread, one warm connection pool.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, render_template
from sqlalchemy import Engine, create_engine, event, text

REQUESTS = 40
ROWS = 25
MANAGER_EMAIL = "manager@bench.test"
PASSWORD = "bench-password-1"  # noqa: S105 - of a database that lives for the length of the run

Ask = Callable[[], Any]


def house(url: str) -> tuple[Ask, Engine]:
    """WeMaster's people list, signed in as the manager that `bench.list_page` made."""
    from app.core.db import db
    from app.shell.factory import create_app
    from config import load_settings

    app = create_app(
        load_settings(DATABASE_URL=url, REDIS_URL=os.environ["REDIS_URL"], LOG_LEVEL="ERROR", PORT=8000)
    )
    client, base = app.test_client(), "http://bench.localhost:8000"
    page = client.get("/login/", base_url=base).text
    token = page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    signed_in = client.post(
        "/login/",
        base_url=base,
        data={"email": MANAGER_EMAIL, "password": PASSWORD, "csrf_token": token},
    )
    assert signed_in.status_code == 302, signed_in.status_code
    with app.app_context():
        return lambda: client.get("/admin/people/", base_url=base), db.engine


def stock(url: str) -> tuple[Ask, Engine]:
    """Flask-AppBuilder as it comes: a ModelView, its own sign-in, its own permissions."""
    from flask_appbuilder import AppBuilder, Model, ModelView
    from flask_appbuilder.models.sqla.interface import SQLAInterface
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import BigInteger, Column, DateTime, String

    db = SQLAlchemy(model_class=Model)

    class Person(Model):  # type: ignore[misc, valid-type]
        __tablename__ = "bench_person"
        id = Column(BigInteger, primary_key=True)
        full_name = Column(String(120))
        email = Column(String(320))
        phone = Column(String(40))
        created_at = Column(DateTime(timezone=True))

    class PersonView(ModelView):  # type: ignore[misc]
        datamodel = SQLAInterface(Person)
        list_columns = ["full_name", "email", "phone", "created_at"]
        base_order = ("id", "asc")

    app = Flask("stock")
    app.config.update(SECRET_KEY="x" * 40, SQLALCHEMY_DATABASE_URI=url, WTF_CSRF_ENABLED=False)
    db.init_app(app)
    with app.app_context():
        builder = AppBuilder(app, db.session)
        builder.add_view(PersonView, "People", category="People")
        if not builder.sm.find_user(username="bench"):
            role = builder.sm.find_role("Admin")
            builder.sm.add_user("bench", "Bench", "Mark", "bench@x.test", role, password=PASSWORD)
        engine = db.engine
    client = app.test_client()
    assert client.post("/login/", data={"username": "bench", "password": PASSWORD}).status_code == 302
    return lambda: client.get("/personview/list/?psize_PersonView=25"), engine


def floor(url: str) -> tuple[Ask, Engine]:
    """A bare view: one indexed SELECT, the same rows in a plain table."""
    engine = create_engine(url)
    app = Flask("floor")
    select = text("SELECT id, full_name, email, phone, created_at FROM bench_person ORDER BY id LIMIT :rows")
    # Compiled once, as a template file would be: compiling in each request would flatter us by half.
    template = app.jinja_env.from_string(
        "<table>{% for p in people %}<tr><td>{{ p.full_name }}</td><td>{{ p.email }}</td>"
        "<td>{{ p.phone }}</td><td>{{ p.created_at }}</td></tr>{% endfor %}</table>"
    )

    @app.get("/")
    def people() -> str:
        with engine.connect() as connection:
            rows = connection.execute(select, {"rows": ROWS}).all()
        return render_template(template, people=rows)

    client = app.test_client()
    return lambda: client.get("/"), engine


def main() -> None:
    """Answer each line with a round; the first answer says how many statements one request takes."""
    kind, url = sys.argv[1:3]
    ask, engine = {"house": house, "stock": stock, "floor": floor}[kind](url)
    for _ in range(10):
        response = ask()
        assert response.status_code == 200, response.status_code
        assert response.data.count(b"@people.test") >= ROWS, "the page does not show the people"
    statements: list[str] = []
    plumbing = ("begin", "commit", "rollback", "select set_config", "set ")

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.lower().startswith(plumbing):
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    ask()
    event.remove(engine, "before_cursor_execute", note)
    print(json.dumps({"statements": len(statements)}), flush=True)  # noqa: T201
    for _line in sys.stdin:
        times, cpu = [], time.process_time()
        for _ in range(REQUESTS):
            started = time.perf_counter()
            ask()
            times.append((time.perf_counter() - started) * 1000)
        spent = (time.process_time() - cpu) / REQUESTS * 1000
        print(json.dumps({"ms": times, "cpu": spent}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
