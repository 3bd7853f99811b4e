"""`GET /api/v1/_openapi.json`: the API described for the host it is asked on: the records' part from what is
registered, the rest as the api modules of the domains say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, current_app, jsonify
from sqlalchemy import Boolean, Date, DateTime, Float, Integer, inspect
from wtforms import BooleanField, DateField, DateTimeLocalField, EmailField, Field, IntegerField, SelectField
from wtforms.validators import Length

from app.core.locales import reader_locale
from app.core.rights import WRITE, catalogue
from app.core.web.api_view import api_columns
from app.core.web.describing import (
    DAY,
    KEY_HEADER,
    MOMENT,
    TEXT,
    WHOLE,
    Described,
    Json,
    content,
    in_path,
    list_of,
    ok,
    one_of,
    operation,
    or_null,
    query,
    record,
    ref,
)
from app.core.web.entry import AdminEntry, registry
from app.core.web.entry_forms import form_of
from app.core.web.forms import Form, RelatedField, RightsField
from app.core.web.list_args import MOST_ASKED, SIZES, kind_of
from app.core.web.site import site

bp = Blueprint("openapi", __name__)

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
    place = (site().surface, str(reader_locale()))
    if place not in known:
        known[place] = _document()
    return known[place]


def _document() -> Json:
    entries = [e for e in registry().entries if e.has_api and site().surface in e.surfaces]
    paths: Json = dict(_OWN_PATH)
    schemas: Json = dict(_SHARED_SCHEMAS)
    for module in _described():
        paths |= module.PATHS
        schemas |= module.SCHEMAS
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
                    "content": {"application/problem+json": {"schema": ref("problem")}},
                }
            },
        },
    }


def _described() -> list[Described]:
    """The api modules whose addresses this surface's hosts have."""
    modules: Sequence[Described] = current_app.extensions["api_docs"]
    return [module for module in modules if site().surface in module.SURFACES]


def _paths(entry: AdminEntry) -> Json:
    base, tag = f"/api/v1/{entry.slug}/", str(entry.plural)
    item = f"{base}{{id}}"
    one_record = ref(entry.resource)
    stamped = {"200": {**content(one_record), "headers": ETAG}}
    one: Json = {"parameters": [in_path("id", WHOLE)], "get": operation(tag, "One record", stamped)}
    many: Json = {"get": operation(tag, "A page of records", ok(_page(entry)), parameters=_list_args(entry))}
    if entry.can_add:
        many["post"] = operation(
            tag,
            "A new record",
            {"201": content(one_record)},
            parameters=_key_header(),
            body=ref(f"{entry.resource}.new"),
        )
    if entry.can_edit:
        change, part = ref(f"{entry.resource}.change"), ref(f"{entry.resource}.part")
        for method, summary, body in (
            ("put", "Change all of a record", change),
            ("patch", "Change some of a record", part),
        ):
            one[method] = operation(tag, summary, stamped, parameters=[IF_MATCH], body=body)
    if entry.can_delete and WRITE in entry.verbs:
        deleted = {"204": {"description": "Deleted."}}
        one["delete"] = operation(tag, "Delete a record", deleted, parameters=[IF_MATCH])
    found: Json = {base: many, item: one}
    for action in entry.actions:
        if action.leaves or (action.surfaces is not None and site().surface not in action.surfaces):
            continue
        found[f"{item}/{action.name}"] = {
            "parameters": [in_path("id", WHOLE)],
            "post": operation(
                tag,
                str(action.label),
                ok(one_record),
                parameters=_key_header(),
                body=_body(action.form) if action.form else None,
            ),
        }
    return found


def _list_args(entry: AdminEntry) -> list[Json]:
    sortable = [f"{sign}{name}" for name in entry.sortable or () for sign in ("", "-")]
    found = [
        query("q", TEXT, "Words to look for."),
        query("page", {**WHOLE, "minimum": 1}, "Counts from 1."),
        query(
            "size",
            {**WHOLE, "minimum": 1, "maximum": MOST_ASKED},
            f"Records on a page: {SIZES[-1]} at most, also where more are asked for.",
        ),
    ]
    if sortable:
        found.append(query("sort", one_of(sortable), "With a minus: from the end."))
    for name in entry.filters:
        kind, label = kind_of(entry, name), str(entry.label_of(name))
        if kind == "date":
            found += [query(f"{name}.from", DAY, label), query(f"{name}.to", DAY, label)]
        elif kind == "bool":
            found.append(query(name, one_of("yn"), label))
        elif kind == "choice":
            keys = [key for key, _label in entry.choices_of(name) or ()]
            found.append(query(name, one_of(keys), label))
        else:
            found.append(query(name, WHOLE if kind == "related" else TEXT, label))
    return found


def _record(entry: AdminEntry) -> Json:
    """What the API shows: types from the columns, a related record as its id and label."""
    mapper = inspect(entry.model)
    members: Json = {"id": WHOLE}
    for name in api_columns(entry):
        members[name] = (
            _column(mapper.columns[name])
            if name in mapper.columns
            else _related(name in mapper.relationships)
        )
    return record(members)


def _related(is_record: bool) -> Json:
    return or_null(ref("link")) if is_record else {}


def _column(column: Any) -> Json:
    kind: Json = {}
    for cls, schema in (
        (Boolean, {"type": "boolean"}),
        (Integer, WHOLE),
        (Float, {"type": "number"}),
        (DateTime, MOMENT),
        (Date, DAY),
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
        return {**described, **list_of(one_of(rights))}
    if isinstance(field, BooleanField):
        return {**described, "type": ["boolean", "null"]}
    schema = {**described, **_scalar(field, entry)}
    if not field.flags.required:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _scalar(field: Field, entry: AdminEntry | None) -> Json:
    if isinstance(field, RelatedField | IntegerField):
        return WHOLE
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
    members = {"count": WHOLE, "page": WHOLE, "size": WHOLE, "result": list_of(ref(entry.resource))}
    return record(members)


_OWN_PATH: Json = {
    "/api/v1/_openapi.json": {
        "get": operation("API", "This description", ok({"type": "object"}), for_all=True),
    }
}
_SHARED_SCHEMAS: Json = {
    "link": record({"id": WHOLE, "label": TEXT}),
    # What a refusal says beyond this stands with the operation that refuses.
    "problem": record(
        {
            "type": TEXT,
            "title": TEXT,
            "status": WHOLE,
            "detail": TEXT,
            "code": TEXT,
            "request_id": TEXT,
            "field": TEXT,
            "errors": list_of(record({"field": TEXT, "message": TEXT})),
        },
        optional=frozenset({"field", "errors"}),
    ),
}
