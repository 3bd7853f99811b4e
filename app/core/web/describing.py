"""The words of the API's description (OpenAPI 3.1), in which api modules write their PATHS and SCHEMAS."""

from __future__ import annotations

from typing import Any, Protocol

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
YES_NO: Json = {"type": "boolean"}
MOMENT: Json = {**TEXT, "format": "date-time"}
DAY: Json = {**TEXT, "format": "date"}
ADDRESS: Json = {**TEXT, "format": "uri"}
NOTHING: Json = {"type": "null"}
PROBLEM: Json = {"$ref": "#/components/responses/Problem"}
DONE: Json = {"204": {"description": "Done."}}
KEY_HEADER: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {**TEXT, "minLength": 1, "maxLength": 200},
    "description": "Makes a repeat of this request harmless for a day: it gets the first one's answer,"
    " with `Idempotent-Replayed: true`. 422 with another body, 409 while the first one is still running.",
}


class Described(Protocol):
    """An api module. It describes each of its addresses in `PATHS`, and in `SCHEMAS` what they take and
    answer; both are there on the hosts of its `SURFACES`."""

    PATHS: Json
    SCHEMAS: Json
    SURFACES: frozenset[str]


def record(members: Json, *, optional: frozenset[str] = frozenset()) -> Json:
    """An object that is answered: all its members are there, but for the optional ones."""
    return {"type": "object", "properties": members, "required": sorted(set(members) - optional)}


def body(members: Json, *, optional: frozenset[str] = frozenset()) -> Json:
    """An object that is taken: it has these members and no others."""
    return {**record(members, optional=optional), "additionalProperties": False}


def or_null(schema: Json) -> Json:
    return {"anyOf": [schema, NOTHING]}


def list_of(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def one_of(values: Any) -> Json:
    """One of these words."""
    return {**TEXT, "enum": list(values)}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def content(schema: Json, description: str = "Done.") -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def ok(schema: Json) -> Json:
    return {"200": content(schema)}


def refusal(description: str, members: Json) -> Json:
    """A problem that says more than others: these members may be in it."""
    more = {"type": "object", "properties": members}
    schema = {"allOf": [ref("problem"), more]}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def query(name: str, schema: Json, description: str) -> Json:
    """An argument of an address; an empty one counts as not given, as of a form that was not filled in."""
    return {
        "name": name,
        "in": "query",
        "allowEmptyValue": True,
        "schema": schema,
        "description": description,
    }


def in_path(name: str, schema: Json = TEXT) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def operation(
    tag: str,
    summary: str,
    responses: Json,
    *,
    parameters: list[Json] | None = None,
    body: Json | None = None,
    for_all: bool = False,
) -> Json:
    """What a method does at an address; `for_all`: without a token, too."""
    found: Json = {"tags": [tag], "summary": summary, "responses": {**responses, "default": PROBLEM}}
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if for_all:
        found["security"] = []
    return found
