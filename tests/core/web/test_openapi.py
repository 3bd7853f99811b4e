"""The API's description is true: valid OpenAPI, and each path in it is a rule of ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

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
