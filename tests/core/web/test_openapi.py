"""The API's description is true: valid OpenAPI, and each path in it is a rule of ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from app.core.db import db
from app.core.web.entry import registry
from tests.support.entries import SAMPLES, SLUGS, make, token, unique
from tests.support.statements import count_statements
from tests.support.world import PLATFORM, World


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


def test_what_is_described_exists(world: World) -> None:
    rules = {
        (method, re.sub(r"<id:\w+>", "{id}", rule.rule))
        for rule in world.app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith("/api/v1/")
    }
    for method, path in described(world, PLATFORM) | described(world, world.anna.host):
        generic = re.sub(r"({id})/[\w-]+$", r"\1/<name>", path)
        assert (method, path) in rules or (method, generic) in rules, (method, path)


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
