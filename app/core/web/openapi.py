"""`GET /api/v1/_openapi.json`: the API described from what is registered, for the host it is asked on."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, jsonify
from flask_babel import get_locale
from sqlalchemy import Boolean, Date, DateTime, Float, Integer, inspect
from wtforms import BooleanField, DateField, DateTimeLocalField, EmailField, Field, IntegerField, SelectField
from wtforms.validators import Length

from app.core.rights import WRITE, catalogue
from app.core.web.api_view import api_columns
from app.core.web.entry import AdminEntry, registry
from app.core.web.entry_forms import form_of
from app.core.web.forms import Form, RelatedField, RightsField
from app.core.web.list_args import SIZES, kind_of
from app.core.web.site import site

bp = Blueprint("openapi", __name__)

Json = dict[str, Any]
TEXT: Json = {"type": "string"}
PROBLEM = {"$ref": "#/components/responses/Problem"}
KEY_HEADER: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {**TEXT, "maxLength": 200},
    "description": "Makes a repeat of this request harmless for a day.",
}

IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "schema": TEXT,
    "description": "The `ETag` that was read: refused with 412 where the record has changed since.",
}
ETAG: Json = {"ETag": {"schema": TEXT, "description": "For `If-Match`."}}


@bp.get("/api/v1/_openapi.json")
def openapi() -> Any:
    """OpenAPI 3.1; it holds no data, so it is open to everybody."""
    response = jsonify({**document(), "servers": [{"url": site().url}]})
    response.headers["Cache-Control"] = "public, max-age=300"
    response.vary.add("Accept-Language")
    return response


def document() -> Json:
    """What all hosts of this surface have in common, worked out once for each language."""
    known: dict[tuple[str, str], Json] = current_app.extensions.setdefault("openapi", {})
    place = (site().surface, str(get_locale()))
    if place not in known:
        known[place] = _document()
    return known[place]


def _document() -> Json:
    entries = [e for e in registry().entries if e.has_api and site().surface in e.surfaces]
    paths: Json = dict(_auth_paths())
    schemas: Json = dict(_shared_schemas())
    for entry in entries:
        paths |= _paths(entry)
        schemas[entry.resource] = _record(entry)
        if entry.can_add:
            schemas[f"{entry.resource}.new"] = _body(form_of(entry, entry.form), entry)
        if entry.can_edit:
            body = schemas[f"{entry.resource}.change"] = _body(form_of(entry, entry.edit_form or ()), entry)
            schemas[f"{entry.resource}.part"] = {**body, "required": []}
    return {
        "openapi": "3.1.0",
        "info": {"title": "WeMaster", "version": "1"},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {
                "Problem": {
                    "description": "A refusal (RFC 9457).",
                    "content": {"application/problem+json": {"schema": _ref("problem")}},
                }
            },
        },
    }


def _paths(entry: AdminEntry) -> Json:
    base, tag = f"/api/v1/{entry.slug}/", str(entry.plural)
    item = f"{base}{{id}}"
    record = _ref(entry.resource)
    stamped = {"200": {**_content(record), "headers": ETAG}}
    one: Json = {"parameters": [_id()], "get": _operation(tag, "One record", stamped)}
    many: Json = {
        "get": _operation(tag, "A page of records", _ok(_page(entry)), parameters=_list_args(entry))
    }
    if entry.can_add:
        many["post"] = _operation(
            tag,
            "A new record",
            {"201": _content(record)},
            parameters=_key_header(),
            body=_ref(f"{entry.resource}.new"),
        )
    if entry.can_edit:
        change, part = _ref(f"{entry.resource}.change"), _ref(f"{entry.resource}.part")
        for method, summary, body in (
            ("put", "Change all of a record", change),
            ("patch", "Change some of a record", part),
        ):
            one[method] = _operation(tag, summary, stamped, parameters=[IF_MATCH], body=body)
    if entry.can_delete and WRITE in entry.verbs:
        deleted = {"204": {"description": "Deleted."}}
        one["delete"] = _operation(tag, "Delete a record", deleted, parameters=[IF_MATCH])
    found: Json = {base: many, item: one}
    for action in entry.actions:
        if action.leaves or (action.surfaces is not None and site().surface not in action.surfaces):
            continue
        found[f"{item}/{action.name}"] = {
            "parameters": [_id()],
            "post": _operation(
                tag,
                str(action.label),
                _ok(record),
                parameters=_key_header(),
                body=_body(action.form) if action.form else None,
            ),
        }
    return found


def _operation(
    tag: str, summary: str, responses: Json, *, parameters: list[Json] | None = None, body: Json | None = None
) -> Json:
    found: Json = {"tags": [tag], "summary": summary, "responses": {**responses, "default": PROBLEM}}
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def _list_args(entry: AdminEntry) -> list[Json]:
    sortable = [f"{sign}{name}" for name in entry.sortable or () for sign in ("", "-")]
    found = [
        _query("q", TEXT, "Words to look for."),
        _query("page", {"type": "integer", "minimum": 1}, "Counts from 1."),
        _query("size", {"type": "integer", "minimum": 1, "maximum": SIZES[-1]}, "Records on a page."),
    ]
    if sortable:
        found.append(_query("sort", {**TEXT, "enum": sortable}, "With a minus: from the end."))
    for name in entry.filters:
        kind, label = kind_of(entry, name), str(entry.label_of(name))
        if kind == "date":
            day = {**TEXT, "format": "date"}
            found += [_query(f"{name}.from", day, label), _query(f"{name}.to", day, label)]
        elif kind == "bool":
            found.append(_query(name, {**TEXT, "enum": ["y", "n"]}, label))
        elif kind == "choice":
            keys = [key for key, _label in entry.choices_of(name) or ()]
            found.append(_query(name, {**TEXT, "enum": keys}, label))
        else:
            found.append(_query(name, {"type": "integer"} if kind == "related" else TEXT, label))
    return found


def _record(entry: AdminEntry) -> Json:
    """What the API shows: types from the columns, a related record as its id and label."""
    mapper = inspect(entry.model)
    members: Json = {"id": {"type": "integer"}}
    for name in api_columns(entry):
        members[name] = (
            _column(mapper.columns[name])
            if name in mapper.columns
            else _related(name in mapper.relationships)
        )
    return {"type": "object", "properties": members}


def _related(is_record: bool) -> Json:
    return {"anyOf": [_ref("link"), {"type": "null"}]} if is_record else {}


def _column(column: Any) -> Json:
    kind: Json = {}
    for cls, schema in (
        (Boolean, {"type": "boolean"}),
        (Integer, {"type": "integer"}),
        (Float, {"type": "number"}),
        (DateTime, {**TEXT, "format": "date-time"}),
        (Date, {**TEXT, "format": "date"}),
    ):
        if isinstance(column.type, cls):
            kind = schema
            break
    else:
        kind = TEXT if column.type.python_type is str else {}
    if getattr(column, "nullable", False) and "type" in kind:
        return {**kind, "type": [kind["type"], "null"]}
    return kind


def _key_header() -> list[Json]:
    """On the platform's host it has no effect: unique names refuse a repeat there."""
    return [] if site().is_platform else [KEY_HEADER]


def _body(form: type[Form], entry: AdminEntry | None = None) -> Json:
    """A form as a JSON schema; nothing but its fields is taken, and what is not required may be null."""
    fields = {
        name: field
        for name, field in form(formdata=None, meta={"csrf": False})._fields.items()
        if name != "csrf_token"
    }
    return {
        "type": "object",
        "properties": {name: _field(field, entry) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.flags.required],
        "additionalProperties": False,
    }


def _field(field: Field, entry: AdminEntry | None) -> Json:
    described: Json = {"title": str(field.label.text)}
    if field.description:
        described["description"] = str(field.description)
    if isinstance(field, RightsField):
        rights = sorted(catalogue().on(site().surface))
        return {**described, "type": "array", "items": {**TEXT, "enum": rights}}
    if isinstance(field, BooleanField):
        return {**described, "type": "boolean"}
    schema = {**described, **_scalar(field, entry)}
    if not field.flags.required:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _scalar(field: Field, entry: AdminEntry | None) -> Json:
    if isinstance(field, RelatedField | IntegerField):
        return {"type": "integer"}
    if isinstance(field, SelectField):
        # Only an entry's own choices: those of a field may be rows, and this page shows no data.
        choices = entry.choices_of(field.short_name) if entry is not None else None
        return {**TEXT, "enum": [key for key, _label in choices]} if choices else TEXT
    for cls, form in ((DateTimeLocalField, "date-time"), (DateField, "date"), (EmailField, "email")):
        if isinstance(field, cls):
            return {**TEXT, "format": form, **_length(field)}
    return {**TEXT, **_length(field)}


def _length(field: Field) -> Json:
    most = [v.max for v in map(_any, field.validators) if isinstance(v, Length) and v.max > 0]
    return {"maxLength": min(most)} if most else {}


def _any(value: Any) -> Any:
    return value


def _page(entry: AdminEntry) -> Json:
    number = {"type": "integer"}
    members = {"count": number, "page": number, "size": number}
    return {
        "type": "object",
        "properties": {**members, "result": {"type": "array", "items": _ref(entry.resource)}},
    }


def _auth_paths() -> Json:
    def post(summary: str, body: Json | None, responses: Json, *, open_to_all: bool = True) -> Json:
        operation = _operation("Sign-in", summary, responses, body=body)
        return {"post": {**operation, "security": []} if open_to_all else operation}

    def texts(*names: str) -> Json:
        return {"type": "object", "properties": dict.fromkeys(names, TEXT), "required": list(names)}

    return {
        "/api/v1/auth/token": post("Sign in", texts("email", "password"), _ok(_ref("tokens"))),
        "/api/v1/auth/refresh": post("Swap a refresh token", texts("refresh_token"), _ok(_ref("tokens"))),
        "/api/v1/auth/logout": post("Sign out", None, {"204": {"description": "Out."}}, open_to_all=False),
    }


def _shared_schemas() -> Json:
    return {
        "link": {"type": "object", "properties": {"id": {"type": "integer"}, "label": TEXT}},
        "tokens": {
            "type": "object",
            "properties": {
                "access_token": TEXT,
                "refresh_token": TEXT,
                "token_type": {"const": "Bearer"},
                "expires_in": {"type": "integer", "description": "Seconds."},
            },
        },
        "problem": {
            "type": "object",
            "properties": {
                "type": TEXT,
                "title": TEXT,
                "status": {"type": "integer"},
                "detail": TEXT,
                "code": TEXT,
                "request_id": TEXT,
                "field": TEXT,
                "errors": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"field": TEXT, "message": TEXT}},
                },
            },
        },
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _ok(schema: Json) -> Json:
    return {"200": _content(schema)}


def _content(schema: Json) -> Json:
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _id() -> Json:
    return {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
