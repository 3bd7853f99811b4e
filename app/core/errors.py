"""Refusals: an error is a class named for the fact, worded where it is raised, shown by the shell.

`DomainError` becomes a page or a problem JSON (RFC 9457). `from_database` turns
what PostgreSQL refuses into the same kind, so that no text of the database reaches a person.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError


class DomainError(Exception):
    """A refusal with a stable `code`, an HTTP `status` and a translated `message`.

    `field` names the form field or JSON member it belongs to; `data` is public detail.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 422
    message: ClassVar[LazyString | str] = _l("This can't be done.")

    def __init__(
        self, message: LazyString | str | None = None, *, field: str | None = None, **data: Any
    ) -> None:
        self.text = self.message if message is None else message
        self.field = field
        self.data = data
        super().__init__(self.code)

    def __str__(self) -> str:
        return str(self.text)


class Invalid(DomainError):
    code, status, message = "invalid", 422, _l("Please check this value.")


class NotFound(DomainError):
    code, status, message = "not_found", 404, _l("There is nothing here.")


class NotAllowed(DomainError):
    code, status, message = "not_allowed", 403, _l("You are not allowed to do this.")


class SignInNeeded(DomainError):
    code, status, message = "sign_in_needed", 401, _l("Please sign in first.")


class Conflict(DomainError):
    code, status, message = "conflict", 409, _l("Somebody else changed this just now. Please look again.")


class Contended(Conflict):
    """Others held what this needs for too long: the same may well do in a moment."""


class AlreadyExists(DomainError):
    code, status, message = "already_exists", 409, _l("This already exists.")


class InUse(DomainError):
    code, status, message = "in_use", 409, _l("This is still in use and can't be deleted.")


class TooMany(DomainError):
    """`retry_after` seconds go into the Retry-After header."""

    code, status, message = "too_many", 429, _l("Too many attempts. Please wait a little and try again.")


class Unavailable(DomainError):
    code, status, message = "unavailable", 503, _l("This does not work right now. Please try again shortly.")


_CONSTRAINTS: dict[str, tuple[type[DomainError], str | None, LazyString | str | None]] = {}


def name_constraint(
    constraint: str,
    error: type[DomainError],
    *,
    field: str | None = None,
    message: LazyString | str | None = None,
) -> None:
    """Say what a person is told when the database refuses by `constraint`; called next to the model."""
    _CONSTRAINTS[constraint] = (error, field, message)


_KEY_COLUMNS = re.compile(r"Key \(([a-z0-9_, ]+)\)=")
_BY_SQLSTATE: dict[str, type[DomainError]] = {
    "23505": AlreadyExists,  # unique_violation
    "23503": InUse,  # foreign_key_violation
    "23502": Invalid,  # not_null_violation
    "23514": Invalid,  # check_violation
    "23P01": Conflict,  # exclusion_violation
    "40001": Contended,  # serialization_failure
    "40P01": Contended,  # deadlock_detected
    "55P03": Contended,  # lock_not_available
    "42501": NotFound,  # insufficient_privilege: row-level security refused the row
}


def from_database(error: DBAPIError) -> DomainError | None:
    """The refusal behind a database error, or None where it is a fault of ours and must stay loud."""
    diag = getattr(error.orig, "diag", None)
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    named = _CONSTRAINTS.get(getattr(diag, "constraint_name", None) or "")
    if named is not None:
        kind, field, message = named
        return kind(message, field=field)
    if sqlstate == "23503" and "is not present in table" in (getattr(diag, "message_detail", None) or ""):
        return NotFound(_l("What you chose does not exist."))
    if sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[sqlstate](field=_column_of(diag, sqlstate))
    if isinstance(error, DataError) or sqlstate.startswith("22"):
        return Invalid(_l("A value is too long, too large or not readable."))
    if isinstance(error, IntegrityError):
        return Conflict()
    return None


def _column_of(diag: Any, sqlstate: str) -> str | None:
    """The column that was refused: of a unique key the first after the tenant; a check is named for it."""
    if sqlstate == "23505":
        found = _KEY_COLUMNS.match(diag.message_detail or "")
        names = [name for name in found.group(1).split(", ") if name != "tenant_id"] if found else []
        return names[0] if names else None
    if sqlstate == "23514":
        return str(diag.constraint_name or "").removeprefix(f"ck_{diag.table_name}_") or None
    return getattr(diag, "column_name", None)
