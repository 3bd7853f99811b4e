"""Schemathesis's word on the API: what it describes is what it does, for whatever is sent, by several people.

It makes what to send from the description, right and wrong, in each place; an answer must be described (status,
kind, headers, members), what is right must be taken, what is wrong refused, and nothing may ever be a fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask, request
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.transport.wsgi import WSGITransport

from app.core import clock
from tests.domains.booking.support import NOW
from tests.shell.api_support import make_scene
from tests.shell.support import rows_for_all
from tests.support.databases import Database
from tests.support.entries import operator_token
from tests.support.world import PLATFORM, World

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
ROLES = ("visitor", "student", "tutor", "manager", "operator")
SOCKETS = {"max_redirects", "verify", "cert", "proxies"}
NOT_ASKED = {
    "allow_header_conformance": "what an entry does not offer is not there (404), as all else that is not",
    "unsupported_method": "a method that no entry offers there is 404, for the same reason",
}


@pytest.fixture
def world_now(world: World) -> Iterator[World]:
    with clock.frozen(NOW):
        yield world


def at_host(app: Wsgi, host: str, database: Database | None) -> Wsgi:
    """The application as somebody on this host has it; whoever tries too much may go on at once."""

    def call(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        def answer(status: str, *rest: Any) -> Any:
            if status.startswith("429") and database is not None:
                with database.connect() as connection:
                    connection.execute("DELETE FROM throttle")
            return start(status, *rest)

        environ["HTTP_HOST"], environ["SERVER_NAME"] = host, host.partition(":")[0]
        return app(environ, answer)

    return call


def judge(
    app: Wsgi, bearer: str | None, *, only: str = "", examples: int = 1, seconds: int | None = None
) -> tuple[Counter[str], list[str]]:
    """How many cases were tried in each phase, and what is wrong."""
    given = {
        "seed": 1,
        "max-failures": 500,
        "continue-on-failure": True,
        "generation": {
            "max-examples": examples,
            "deterministic": True,
            "no-shrink": True,
            "database": "none",
        },
        "phases": {"stateful": {"enabled": False}},
        "checks": {name: {"enabled": False} for name in NOT_ASKED},
        **({"auth": {"openapi": {"bearer": {"bearer": bearer}}}} if bearer else {}),
        **({"max-time": seconds} if seconds else {}),
    }
    schema = schemathesis.openapi.from_wsgi(
        "/api/v1/_openapi.json", app, config=SchemathesisConfig.from_dict(given)
    )
    if only:
        schema = schema.include(path_regex=only)
    tried, found = Counter[str](), dict[str, str]()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            broken = getattr(event, "value", None) or getattr(event, "exception", None)
            found[f"could not be tried: {broken!r}"] = getattr(event, "label", "")
        elif isinstance(event, events.ScenarioFinished):
            tried[event.phase.value] += len(event.recorder.cases)
            found |= dict(_failures(event.recorder))
    return tried, [f"{told}\n{more}" for told, more in sorted(found.items())]


def _failures(recorder: Any) -> Iterator[tuple[str, str]]:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            case, failure = recorder.cases[case_id].value, check.failure_info.failure
            answer = recorder.interactions[case_id].response
            if check.name == "positive_data_acceptance" and _says_why(answer):
                continue
            body = answer.content[:300] if answer is not None else b""
            told = f"{check.name} {case.method} {case.operation.path}: {failure.title}"
            yield told, f"{failure.message[:600]}\n{case.as_curl_command()[:600]}\n{body!r}"


def _says_why(answer: Any) -> bool:
    """A value that fits its schema and is refused all the same, with its name: nobody is called so, it is too
    far away, something else should be given with it. What the body is made of must be taken, though."""
    body = answer.json()
    return (
        answer.status_code in {400, 422}
        and bool(body.get("field") or body.get("errors"))
        and body["code"] != "unknown_member"
    )


def at(world: World, role: str, database: Database) -> tuple[Wsgi, str | None]:
    """The application as this person has it: with something to find for everybody."""
    if role in {"manager", "operator"}:
        rows_for_all(world)
    else:
        make_scene(world)
    if role == "operator":
        return at_host(world.app.wsgi_app, PLATFORM, database), operator_token(world)
    bearer = None if role == "visitor" else world.token(world.anna, role)
    return at_host(world.app.wsgi_app, world.anna.host, database), bearer


@pytest.fixture(autouse=True)
def _options_of_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemathesis 4.32 hands options for sockets to an application without any, where it repeats a request
    without its token; its other way of calling takes such options out."""
    send = WSGITransport.send

    def without(self: Any, case: Any, **options: Any) -> Any:
        kept = {name: value for name, value in options.items() if name not in SOCKETS}
        return send(self, case, **kept)

    monkeypatch.setattr(WSGITransport, "send", without)


def tell(tried: Counter[str], found: list[str], least: int) -> None:
    print(dict(tried), sum(tried.values()))
    assert not found, f"{len(found)} found in {sum(tried.values())} cases:\n" + "\n\n".join(found)[:20_000]
    assert sum(tried.values()) >= least


# One of each kind: found by a word, by a code, by a number; read and written; with a key and without; records.
SOME = {
    "student": r"^/api/v1/(catalog/offerings|catalog/offerings/{slug}/reviews|holds|lessons|lessons/{code}|conversations/{conversation_id}/messages)$",
    "manager": r"^/api/v1/(roles/|roles/{id}|people/{id}/invite)$",
}


@pytest.mark.parametrize("role", SOME)
def test_some_of_the_api(world_now: World, database: Database, role: str) -> None:
    tried, found = judge(*at(world_now, role, database), only=SOME[role], seconds=10)
    tell(tried, found, 50)


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
def test_all_of_the_api(world_now: World, database: Database, role: str) -> None:
    tried, found = judge(*at(world_now, role, database), examples=30)
    tell(tried, found, 2000)


# -- The judge can fail ------------------------------------------------------------------------------------


def _faulty() -> Flask:
    """An application that does not keep its word."""
    app = Flask("faulty")
    thing = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answers = {"200": {"description": "Done.", "content": {"application/json": {"schema": thing}}}}
    number = {
        "name": "n",
        "in": "query",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "maximum": 9},
    }
    paths = {
        f"/{name}": {
            "get": {
                "parameters": [number],
                "responses": answers,
                **({} if name == "open" else {"security": []}),
            }
        }
        for name in ("breaks", "lies", "undescribed", "takes-all", "open")
    }

    @app.get("/api/v1/_openapi.json")
    def described() -> Any:
        return {
            "openapi": "3.1.0",
            "info": {"title": "Faulty", "version": "1"},
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        }

    @app.get("/<name>")
    def answer(name: str) -> Any:
        if name == "breaks":
            return {"n": 1 // int(request.args.get("n", "0"))}
        return ({"n": "one"}, 200) if name == "lies" else ({"n": 1}, 418 if name == "undescribed" else 200)

    return app


def test_the_judge_sees_each_kind_of_fault() -> None:
    _tried, found = judge(at_host(_faulty().wsgi_app, PLATFORM, None), "a.b.c")
    told = "\n".join(found)
    assert "not_a_server_error GET /breaks" in told
    assert "response_schema_conformance GET /lies" in told
    assert "status_code_conformance GET /undescribed" in told
    assert "negative_data_rejection GET /takes-all" in told
    assert "ignored_auth GET /open" in told
