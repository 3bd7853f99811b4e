"""`ApiView`: the JSON API of one entry, on FAB's BaseApi. Bearer tokens only: no cookies, so no CSRF.

It reads the same list arguments, validates through the same form and calls the same `create`, `update`,
`delete` and actions as the admin's pages. Every error is a problem JSON (RFC 9457).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Response, jsonify, request
from flask_appbuilder.api import BaseApi, expose
from flask_babel import lazy_gettext as _l
from sqlalchemy import inspect
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest
from wtforms import BooleanField, DecimalField, Field, FloatField, IntegerField, SelectMultipleField

from app.core import idempotency, scope
from app.core.db import Model, db
from app.core.errors import DomainError, Invalid, NotFound
from app.core.rights import READ, WRITE
from app.core.transaction import transaction
from app.core.web import stamps
from app.core.web.admin_data import AdminData
from app.core.web.api_once import done_once
from app.core.web.cells import reader_of
from app.core.web.entry import AdminEntry, eager_of, relations_for
from app.core.web.entry_forms import form_data, form_of
from app.core.web.forms import Form, RelatedField, RightsField, members_of
from app.core.web.guards import Guarded
from app.core.web.list_args import ListArgs
from app.core.web.site import site

MAX_BODY = 1024 * 1024
AS_IT_IS = frozenset({str, int, bool, float, type(None), list, dict})
NUMERIC = (IntegerField, FloatField, DecimalField, RelatedField)


class BadBody(DomainError):
    code, status, message = "bad_body", 400, _l("The body must be a JSON object.")


class TooLarge(DomainError):
    code, status, message = "too_large", 413, _l("The body is too large.")


class UnknownMember(Invalid):
    code, message = "unknown_member", _l("There is no such member, or it can't be written.")


class FormInvalid(Invalid):
    """`data["errors"]` lists each member with its messages."""

    message = _l("Some values are not right.")


class ApiView(Guarded, BaseApi):
    """The API of one entry; made by `api_of(entry)`."""

    add_form: type[Form]
    edit_form: type[Form]
    allow_browser_login = False

    @expose("/", methods=["GET"])
    def get_list(self) -> Response:
        """A page of records: `q`, `sort`, `page`, `size` and the entry's filters, as on the admin's list."""
        self._require(READ)
        args = ListArgs.read(self.entry, request.args)
        filters = args.filters(self.datamodel)
        columns = api_columns(self.entry)
        count, rows = self.datamodel.fetch(
            filters,
            text=args.query,
            order=args.order,
            page=args.page,
            size=args.size,
            relations=relations_for(self.entry, columns),
        )
        readers = [(name, reader_of(name)) for name in columns]
        result = [_members(row, readers) for row in rows]
        return jsonify({"count": count, "page": args.page, "size": args.size, "result": result})

    @expose("/<id:pk>", methods=["GET"])
    def get(self, pk: int) -> Response:
        """One record."""
        self._require(READ)
        row = self._row(pk)
        return self._stamped(row, self._json(row))

    @expose("/", methods=["POST"])
    def post(self) -> Any:
        """A new record: 201 with it. An `Idempotency-Key` makes a repeat harmless."""
        who = self._require(WRITE)
        self._offered(self.entry.can_add)
        form = self._form(self.add_form, self._body())

        def work() -> idempotency.Answer:
            row = self.entry.create(form_data(form), who)
            return 201, self._json(self._flushed(row))

        return done_once(who, work)

    @expose("/<id:pk>", methods=["PUT", "PATCH"])
    def put(self, pk: int) -> Any:
        """Change a record: PUT gives all members, PATCH some; an `If-Match` only what was read."""
        who = self._require(WRITE)
        self._offered(self.entry.can_edit and self.entry.may_edit(self._row(pk)))
        body = self._body()
        form = self._form(self.edit_form, body, only=body.keys() if request.method == "PATCH" else None)
        with transaction():
            row = self._locked(pk)
            self._offered(self.entry.may_edit(row))
            stamps.check_header(self._stamp(row))
            self.entry.update(row, form_data(form), who)
            return self._stamped(row, self._json(self._flushed(row)))

    @expose("/<id:pk>", methods=["DELETE"])
    def delete(self, pk: int) -> Any:
        """Delete a record: 204."""
        who = self._require(WRITE)
        self._offered(self.entry.can_delete)
        with transaction():
            row = self._locked(pk)
            self._offered(self.entry.may_delete(row))
            stamps.check_header(self._stamp(row))
            self.entry.delete(row, who)
        return Response(status=204)

    @expose("/<id:pk>/<name>", methods=["POST"])
    def do(self, pk: int, name: str) -> Any:
        """A business transition: 200 with the record as it is then."""
        action = next((a for a in self.entry.actions if a.name == name and not a.leaves), None)
        if action is None:
            raise NotFound
        who = self._require(action.verb)
        self._offered(action.surfaces is None or site().surface in action.surfaces)
        row = self._row(pk)
        form = self._form(action.form or Form, self._body(optional=True))
        if action.own_scope:
            action.check([row])
            scope.release()
            action.run(row, form_data(form), who)
            return jsonify(self._json(self._row(pk)))

        def work() -> idempotency.Answer:
            action.check([row])  # in here: the repeat of a request that was done is no refusal
            action.run(row, form_data(form), who)
            db.session.flush()
            db.session.refresh(row)  # a service may have written past the row
            return 200, self._json(row)

        return done_once(who, work)

    def _flushed(self, row: Any) -> Any:
        session = inspect(row).session
        if session is not None:
            session.flush()
        return row

    def _body(self, *, optional: bool = False) -> dict[str, Any]:
        if (request.content_length or 0) > MAX_BODY:
            raise TooLarge
        if optional and not request.get_data():
            return {}
        try:
            body = request.get_json()
        except (BadRequest, RecursionError, UnicodeDecodeError):
            raise BadBody from None
        if not isinstance(body, dict):
            raise BadBody
        return body

    def _form(self, cls: type[Form], body: Mapping[str, Any], *, only: Any = None) -> Form:
        values: MultiDict[str, str] = MultiDict()
        known = members_of(cls)
        for name, value in body.items():
            if name not in known:
                raise UnknownMember(field=name)
            for text in _texts(name, value, known[name]):
                values.add(name, text)
        form = cls(formdata=values, meta={"csrf": False})
        if only is not None:
            for name in set(form._fields) - set(only):
                del form[name]
        if not form.validate():
            raise FormInvalid(
                errors=[
                    {"field": name, "message": str(message)}
                    for name, messages in form.errors.items()
                    for message in messages
                ]
            )
        return form

    def _stamp(self, row: Any) -> str:
        return stamps.stamp_of(row, (*api_columns(self.entry), *(self.entry.edit_form or ())))

    def _stamped(self, row: Any, body: Mapping[str, Any]) -> Response:
        """The record with its `ETag`, which a later `If-Match` may name."""
        answer = jsonify(body)
        answer.set_etag(self._stamp(row))
        return answer

    def _json(self, row: Any) -> dict[str, Any]:
        return _members(row, [(name, reader_of(name)) for name in api_columns(self.entry)])


def _members(row: Any, readers: Sequence[tuple[str, Callable[[Any], Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": row.id}
    for name, read in readers:
        value = read(row)
        found[name] = value if type(value) in AS_IT_IS else _plain(value)
    return found


def api_columns(entry: AdminEntry) -> tuple[str, ...]:
    """What the API shows of a record: the shown columns, without what only a page can draw."""
    if entry.api_columns is not None:
        return entry.api_columns
    return tuple(dict.fromkeys(name for name in (*entry.columns, *entry.details) if name != "id"))


def api_of(entry: AdminEntry) -> type[ApiView]:
    """The API class of an entry, for FAB to register."""
    return type(
        f"{entry.model.__name__}Api",
        (ApiView,),
        {
            "entry": entry,
            "datamodel": AdminData(entry.model, eager_of(entry), entry.search),
            "add_form": form_of(entry, entry.form),
            "edit_form": form_of(entry, entry.edit_form or ()),
            "route_base": f"/api/v1/{entry.slug}",
            "class_permission_name": entry.resource,
        },
    )


def _texts(name: str, value: Any, kind: type[Field]) -> list[str]:
    """A JSON value as a form would have sent it. Raises Invalid for a value of the wrong type."""
    if issubclass(kind, RightsField | SelectMultipleField):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    elif value is None:
        return [""]
    elif issubclass(kind, BooleanField):
        if isinstance(value, bool):
            return ["y" if value else "false"]
    elif isinstance(value, str):
        return [value]
    elif issubclass(kind, NUMERIC) and isinstance(value, int | float) and not isinstance(value, bool):
        return [str(value)]
    raise Invalid(_l("This kind of value does not fit here."), field=name)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, Model):
        return {"id": value.id, "label": str(value)}
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str | int | float | list | dict):
        return value
    return str(value)
