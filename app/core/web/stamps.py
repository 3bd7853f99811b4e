"""A record's stamp: whether it is still what a page or an answer showed, so that no change is lost."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _l
from sqlalchemy import inspect
from sqlalchemy.orm import RelationshipDirection

from app.core.errors import Conflict, DomainError
from app.core.web.cells import value_of

FIELD = "form_stamp"
_BLANK = ("", None)


class ChangedMeanwhile(Conflict):
    """`data["columns"]` names those whose value now is another than the one that was sent."""

    code = "changed_meanwhile"
    message = _l("Somebody else changed this record in the meantime. Nothing of yours is saved yet.")


class PreconditionFailed(DomainError):
    code, status = "precondition_failed", 412
    message = _l("This record is not what it was when you read it. Please read it again.")


def stamp_of(row: Any, columns: Sequence[str]) -> str:
    """The same as long as these columns of the row hold the same values, related records the same id."""
    values = [row.id, *(_stored(row, name) for name in columns)]
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=_text).encode()).hexdigest()[:32]


def check_form(row: Any, columns: Sequence[str], data: Mapping[str, Any]) -> None:
    """Refuse a form that was made from older values, unless it says what the row says by now (the same
    form sent twice). Raises ChangedMeanwhile. A form without a stamp is taken as it is."""
    sent = request.form.get(FIELD)
    if sent is None or sent == stamp_of(row, columns):
        return
    differing = [name for name in columns if not _says(data.get(name), row, name)]
    if differing:
        raise ChangedMeanwhile(columns=differing)


def check_header(stamp: str) -> None:
    """Raises PreconditionFailed where the request has an `If-Match` that names other stamps only."""
    wanted = request.if_match
    if request.headers.get("If-Match") and not (wanted.star_tag or wanted.contains(stamp)):
        raise PreconditionFailed


def _says(sent: Any, row: Any, name: str) -> bool:
    """Whether a form's value is what the row holds; what is no column of the row says nothing."""
    if not hasattr(row, name):
        return True
    if name in inspect(type(row)).relationships:
        sent = [getattr(sent, "id", None)]
    stored = _stored(row, name)
    return bool(sent == stored) or (sent in _BLANK and stored in _BLANK)


def _stored(row: Any, name: str) -> Any:
    """A column's value; of a relation its key, which asks the database nothing."""
    mapper = inspect(type(row))
    relation = mapper.relationships.get(name)
    if relation is not None and relation.direction is RelationshipDirection.MANYTOONE:
        return [getattr(row, key.key) for _theirs, key in relation.synchronize_pairs]
    return value_of(row, name) if hasattr(row, name.split(".")[0]) else None


def _text(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    return value.id if hasattr(value, "id") else str(value)
