"""What our requests are measured beside: a bare Flask view, and Flask-AppBuilder as it comes.

    python -m bench.contestants floor|stock <port> <database url>

Both run on the very server that ours runs on, with as many processes and threads.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from flask import Flask, jsonify, render_template

from app.shell.server import Server
from config import load_settings

PASSWORD = "bench-password-1"  # noqa: S105 - of a database that lives for the length of the run
OFFERING = """
    SELECT o.title, o.summary, o.description, v.name, v.price_minor, v.currency, p.full_name
    FROM offering o JOIN variant v ON v.offering_id = o.id JOIN person p ON p.id = o.tutor_id
    WHERE o.tenant_id = %s AND o.slug = %s
"""
OFFERINGS = """
    SELECT o.slug, o.title, o.summary, v.price_minor, v.currency, p.full_name
    FROM offering o JOIN variant v ON v.offering_id = o.id JOIN person p ON p.id = o.tutor_id
    WHERE o.tenant_id = %s ORDER BY o.id LIMIT %s
"""
TIMES = "SELECT starts_at, ends_at FROM lesson WHERE tenant_id = %s ORDER BY starts_at LIMIT %s"
SEATS = """
    SELECT s.id, s.code, s.status, s.price_minor, s.currency, l.starts_at, p.full_name AS student,
           b.full_name AS payer
    FROM seat s JOIN lesson l ON l.id = s.lesson_id JOIN person p ON p.id = s.student_id
      JOIN person b ON b.id = s.payer_id
    WHERE s.tenant_id = %s ORDER BY s.id LIMIT %s
"""
PEOPLE = (
    "SELECT id, full_name, email, phone, created_at FROM person WHERE tenant_id = %s ORDER BY id LIMIT %s"
)
TABLE = (
    "<table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>"
    "{% endfor %}</table>"
)


def floor(url: str) -> Flask:
    """Bare views: one indexed SELECT and the same rows, or one INSERT and a commit; a connection a thread."""
    app, local = Flask("floor"), threading.local()
    # Compiled once, as a template file would be: compiling in each request would flatter us by half.
    table = app.jinja_env.from_string(TABLE)
    plain = url.replace("+psycopg", "")

    def connection() -> psycopg.Connection[Any]:
        if not hasattr(local, "connection"):
            local.connection = psycopg.connect(plain, autocommit=True)
        found: psycopg.Connection[Any] = local.connection
        return found

    def page(statement: str) -> Callable[..., str]:
        return lambda **values: render_template(
            table, rows=connection().execute(statement, list(values.values())).fetchall()
        )

    def listed(statement: str) -> Callable[..., Any]:
        def answer(**values: Any) -> Any:
            cursor = connection().execute(statement, list(values.values()))
            names = [column.name for column in cursor.description or ()]
            return jsonify(result=[dict(zip(names, row, strict=True)) for row in cursor])

        return answer

    def insert(**values: Any) -> tuple[str, int]:
        with connection().transaction():
            connection().execute("INSERT INTO bench_row (what) VALUES (%s)", list(values.values()))
        return "", 201

    limited = "/<int:tenant_id>/<int:rows>"
    app.add_url_rule("/offering/<int:tenant_id>/<slug>", "offering", page(OFFERING))
    app.add_url_rule(f"/search{limited}", "search", page(OFFERINGS))
    app.add_url_rule(f"/slots{limited}", "slots", listed(TIMES))
    app.add_url_rule(f"/seats{limited}", "seats", page(SEATS))
    app.add_url_rule(f"/people{limited}", "people", page(PEOPLE))
    app.add_url_rule(f"/api/seats{limited}", "api_seats", listed(SEATS))
    app.add_url_rule(f"/api/people{limited}", "api_people", listed(PEOPLE))
    app.add_url_rule("/insert/<what>", "insert", insert, methods=["POST"])
    return app


def stock(url: str) -> Flask:
    """Flask-AppBuilder as it comes: a ModelView and a ModelRestApi, its own sign-in, its own permissions."""
    from flask_appbuilder import AppBuilder, Model, ModelRestApi, ModelView
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

    class PersonApi(ModelRestApi):  # type: ignore[misc]
        resource_name = "person"
        datamodel = SQLAInterface(Person)
        list_columns = ["id", "full_name", "email", "phone", "created_at"]
        base_order = ("id", "asc")

    app = Flask("stock")
    app.config.update(
        SECRET_KEY="x" * 40,
        SQLALCHEMY_DATABASE_URI=url,
        WTF_CSRF_ENABLED=False,
        FAB_ADD_SECURITY_API=True,
        FAB_API_MAX_PAGE_SIZE=100,
    )
    db.init_app(app)
    with app.app_context():
        builder = AppBuilder(app, db.session)
        builder.add_view(PersonView, "People", category="People")
        builder.add_api(PersonApi)
        if not builder.sm.find_user(username="bench"):
            role = builder.sm.find_role("Admin")
            builder.sm.add_user("bench", "Bench", "Mark", "bench@x.test", role, password=PASSWORD)
        db.engine.dispose()
    return app


CONTESTANTS = {"floor": floor, "stock": stock}


class Bare(Server):
    """Our web server with somebody else's application."""

    def application(self) -> Flask:
        kind, _port, url = sys.argv[1:]
        return CONTESTANTS[kind](url)


def main() -> None:
    """Answer until SIGTERM; the settings come from the environment, as ours do. Port 0 makes the tables."""
    kind, port, url = sys.argv[1:]
    if port == "0":
        CONTESTANTS[kind](url)
    else:
        Bare(load_settings(PORT=int(port), LOG_LEVEL="ERROR")).run()


if __name__ == "__main__":
    main()
