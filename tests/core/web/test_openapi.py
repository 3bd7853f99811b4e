"""The API's description is true: valid OpenAPI, and each path in it is a rule of ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from app.core.db import db
from app.core.web.api_view import ApiView
from app.core.web.entry import registry
from app.shell.admin import make_registry
from tests.support.entries import SAMPLES, make, token, unique
from tests.support.statements import count_statements
from tests.support.world import PLATFORM, World

SLUGS = [entry.slug for entry in make_registry().entries if entry.has_api]


def document(world: World, host: str) -> dict[str, Any]:
    answer = world.app.test_client().get("/api/v1/_openapi.json", base_url=f"http://{host}")
    assert answer.status_code == 200
    return dict(answer.json)


def described(world: World, host: str) -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, item in document(world, host)["paths"].items()
        for method in item
        if method != "parameters"
    }


@pytest.mark.parametrize("surface", ["platform", "tenant"])
def test_it_is_valid(world: World, surface: str) -> None:
    validate(document(world, PLATFORM if surface == "platform" else world.anna.host))


def test_each_surface_shows_its_own(world: World) -> None:
    platform, tenant = described(world, PLATFORM), described(world, world.anna.host)
    assert ("GET", "/api/v1/tenants/") in platform - tenant
    assert ("POST", "/api/v1/people/") in tenant - platform
    assert ("POST", "/api/v1/auth/token") in platform & tenant


def rules(world: World, *, generic: bool) -> set[tuple[str, str]]:
    """Each (method, address) of the API as a description writes it; those that all records share, or the
    others."""
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).replace("{pk}", "{id}"))
        for rule in world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and is_of_records(world, rule.endpoint) is generic
    }


def is_of_records(world: World, endpoint: str) -> bool:
    return isinstance(getattr(world.app.view_functions[endpoint], "__self__", None), ApiView)


def test_what_is_described_exists(world: World) -> None:
    known = rules(world, generic=True) | rules(world, generic=False)
    for method, path in described(world, PLATFORM) | described(world, world.anna.host):
        action = re.sub(r"({id})/[\w-]+$", r"\1/{name}", path)
        assert (method, path) in known or (method, action) in known, (method, path)


def test_what_exists_is_described(world: World) -> None:
    here = described(world, PLATFORM) | described(world, world.anna.host)
    others = rules(world, generic=False)
    assert ("POST", "/api/v1/orders/{code}/pay") in others
    assert others - here == set()
    with world.app.app_context():
        entries = [entry for entry in registry().entries if entry.has_api]
    for entry in entries:
        assert ("GET", f"/api/v1/{entry.slug}/") in here
        assert ("GET", f"/api/v1/{entry.slug}/{{id}}") in here
    # A record's own addresses are a page for all of them: nothing else is under their names.
    assert {path.split("/")[3] for _method, path in rules(world, generic=True)} == {e.slug for e in entries}


def test_an_address_is_described_where_it_is(world: World) -> None:
    """On each host, what is described answers something else than that it isn't there, and the rest not."""
    platform, tenant = described(world, PLATFORM), described(world, world.anna.host)
    assert ("GET", "/api/v1/catalog/offerings") in tenant - platform
    for method, path in rules(world, generic=False) - platform:
        answer = world.app.test_client().open(
            re.sub(r"{\w+}", "1", path), method=method, base_url=f"http://{PLATFORM}", json={}
        )
        assert answer.status_code == 404, (method, path, answer.text)


def test_nothing_is_described_twice(world: World) -> None:
    modules = world.app.extensions["api_docs"]
    for of in ("PATHS", "SCHEMAS"):
        names = [name for module in modules for name in getattr(module, of)]
        assert len(names) == len(set(names))
    with world.app.app_context():
        resources = {entry.resource for entry in registry().entries}
    assert resources.isdisjoint(name for module in modules for name in module.SCHEMAS)


def test_each_operation_says_what_it_does(world: World) -> None:
    for host in (PLATFORM, world.anna.host):
        for path, item in document(world, host)["paths"].items():
            variables = set(re.findall(r"{(\w+)}", path))
            for method in set(item) - {"parameters"}:
                operation = item[method]
                given = [*item.get("parameters", ()), *operation.get("parameters", ())]
                assert {p["name"] for p in given if p["in"] == "path"} == variables, path
                assert operation["summary"], path
                assert operation["tags"], path
                assert "default" in operation["responses"], path
                assert any(status.startswith("2") for status in operation["responses"]), path


def test_bodies_are_those_of_the_forms(world: World) -> None:
    schemas = document(world, world.anna.host)["components"]["schemas"]
    assert schemas["person.new"]["required"] == ["full_name"]
    assert schemas["person.new"]["properties"]["full_name"]["maxLength"] == 120
    assert "tenant_id" not in schemas["person.new"]["properties"]
    assert schemas["person.new"]["additionalProperties"] is False


def schema_of(document: dict[str, Any], name: str) -> Draft202012Validator:
    root = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return Draft202012Validator(root, format_checker=FormatChecker())


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_answered_and_taken_is_what_is_described(world: World, slug: str) -> None:
    with world.app.app_context():
        entry = registry().by_slug[slug]
    host, bearer = token(world, entry)
    described_here, client = document(world, host), world.app.test_client()
    options: dict[str, Any] = {"base_url": f"http://{host}", "headers": {"Authorization": f"Bearer {bearer}"}}
    pk = make(world, entry, 2)[0]

    rows = client.get(f"/api/v1/{slug}/", **options).json["result"]
    assert rows
    for row in (*rows, client.get(f"/api/v1/{slug}/{pk}", **options).json):
        schema_of(described_here, entry.resource).validate(row)
        assert set(row) == set(described_here["components"]["schemas"][entry.resource]["properties"])
    problem = client.get(f"/api/v1/{slug}/?page=0", **options).json
    schema_of(described_here, "problem").validate(problem)

    form = SAMPLES[slug].form
    if form is None:
        assert f"{entry.resource}.new" not in described_here["components"]["schemas"]
        return
    new = schema_of(described_here, f"{entry.resource}.new")
    new.validate(form(world, unique()))
    assert not new.is_valid({})
    assert not new.is_valid({**form(world, unique()), "tenant_id": 1})
    if entry.can_edit:
        part = schema_of(described_here, f"{entry.resource}.part")
        part.validate({})
        assert not part.is_valid({"tenant_id": 1})


def test_it_is_worked_out_once_and_asks_the_database_nothing(world: World) -> None:
    with world.app.app_context():
        engine = db.engine
    document(world, world.anna.host)
    with count_statements(engine) as seen:
        assert document(world, world.anna.host)["servers"] == [{"url": f"http://{world.anna.host}"}]
        other = world.app.test_client().get(
            "/api/v1/_openapi.json", base_url=f"http://{world.bert.host}", headers={"Accept-Language": "en"}
        )
    assert [statement for statement in seen if "FROM tenant" not in statement] == []
    assert other.json["servers"] == [{"url": f"http://{world.bert.host}"}]
    assert other.headers["Cache-Control"] == "public, max-age=300"
    assert "Accept-Language" in other.headers["Vary"]
    assert "anna" not in other.text.casefold()
