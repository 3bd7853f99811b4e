"""The JSON object that a hand-written API takes: only members it knows, each of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

from app.core.errors import Invalid
from app.core.web.api_view import MAX_BODY, BadBody, TooLarge, UnknownMember


def body(kinds: Mapping[str, type | tuple[type, ...]], *, optional: bool = False) -> dict[str, Any]:
    """The JSON object that was sent. Raises TooLarge, BadBody, UnknownMember, Invalid."""
    if (request.content_length or 0) > MAX_BODY:
        raise TooLarge
    if optional and not request.get_data():
        return {}
    try:
        found = request.get_json()
    except (BadRequest, RecursionError, UnicodeDecodeError):
        raise BadBody from None
    if not isinstance(found, dict):
        raise BadBody
    for name, value in found.items():
        if name not in kinds:
            raise UnknownMember(field=name)
        if isinstance(value, bool) and kinds[name] is not bool:
            raise Invalid(field=name)
        if value is not None and not isinstance(value, kinds[name]):
            raise Invalid(field=name)
        if isinstance(value, str) and not _is_storable(value):
            raise Invalid(field=name)
    return found


def _is_storable(text: str) -> bool:
    """JSON can spell NUL and halves of surrogate pairs; UTF-8 and PostgreSQL know neither."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
