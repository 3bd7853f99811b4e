"""The database: one declarative base, a session per scope, and the columns every table shares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from flask.globals import app_ctx
from flask_appbuilder import Model
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import BigInteger, DateTime, ForeignKeyConstraint, Identity, UniqueConstraint, and_
from sqlalchemy.orm import Mapped, declared_attr, foreign, mapped_column, relationship, remote

from app.core import clock, scope

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
# FAB's own tables take their names from here too, so this comes before they are imported.
Model.metadata.naming_convention = NAMING

__all__ = [
    "Id",
    "Model",
    "TenantMarked",
    "TenantOwned",
    "Timestamped",
    "UtcDateTime",
    "db",
    "owned_by_tenant",
    "points_at",
    "to_many",
    "to_one",
]


class ScopedSession(FlaskSession):
    """A session belongs to the scope it was opened in, for good: see `app.core.scope`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.info["scope"] = scope.current()


def _session_key() -> tuple[int, int]:
    return id(app_ctx._get_current_object()), scope.key()  # type: ignore[attr-defined]


db = SQLAlchemy(
    model_class=Model,
    session_options={"class_": ScopedSession, "scopefunc": _session_key, "expire_on_commit": False},
)

UtcDateTime = DateTime(timezone=True)


class Id:
    """`id`: bigint identity, never reused, never shown in public URLs."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=False), primary_key=True, sort_order=-20)


class Timestamped:
    """Machine times of the row itself, written by the application (aware UTC)."""

    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=clock.machine_now, sort_order=90)
    changed_at: Mapped[dt.datetime] = mapped_column(
        UtcDateTime, default=clock.machine_now, onupdate=clock.machine_now, sort_order=91
    )


class TenantMarked:
    """A row that names its tenant. In a tenant's scope the ORM sees those that name it, and no others.

    By itself this marks rows of the platform's, such as sign-ins, which may also name no tenant at all.
    """

    tenant_id: Mapped[Any] = mapped_column(BigInteger)


class TenantOwned(TenantMarked, Id):
    """A row of one tenant: `tenant_id`, and `UNIQUE (tenant_id, id)` as the target of composite keys.

    The scope filters and stamps it, PostgreSQL's row-level security does the same below, and
    `points_at` keys make a row unable to point at another tenant's: three walls.
    """

    tenant_id: Mapped[int] = mapped_column(BigInteger, index=False, sort_order=-19)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(cls)  # type: ignore[arg-type]


def owned_by_tenant(cls: type, *more: Any) -> tuple[Any, ...]:
    """`__table_args__` of a tenant-owned table: its own constraints (`more`) and the wall's."""
    return (
        *more,
        UniqueConstraint("tenant_id", "id", name=f"uq_{cls.__tablename__}_tenant_id_id"),  # type: ignore[attr-defined]
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=f"fk_{cls.__tablename__}_tenant_id"),  # type: ignore[attr-defined]
    )


def points_at(table: str, column: str, *, ondelete: str | None = None) -> ForeignKeyConstraint:
    """The composite key `(tenant_id, column) -> table (tenant_id, id)`: it can't leave the tenant."""
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"], ondelete=ondelete
    )


def to_one(target: Callable[[], Any], column: Callable[[], Any]) -> Any:
    """The relationship of a `points_at` key: `tenant_id` is compared, never copied.

    Both are given late: the class pointed at, and the key's column, e.g. `lambda: Lesson.tutor_id`.
    """

    def join() -> Any:
        key, theirs = column(), target()
        return and_(foreign(key) == remote(theirs.id), key.class_.tenant_id == remote(theirs.tenant_id))

    return relationship(target, primaryjoin=join, foreign_keys=lambda: [column()])


def to_many(key: Callable[[], Any], parent: Callable[[], Any], *order_by: Callable[[], Any]) -> Any:
    """The other way round, only to be read: the rows whose `points_at` key is this row's `parent` column,
    e.g. `lambda: Seat.lesson_id, lambda: Lesson.id`. In the order of the columns given, else of making."""

    def join() -> Any:
        theirs, ours = key(), parent()
        return and_(foreign(theirs) == ours, theirs.class_.tenant_id == ours.class_.tenant_id)

    return relationship(
        lambda: key().class_,
        primaryjoin=join,
        foreign_keys=lambda: [key()],
        order_by=lambda: [column() for column in order_by] or [key().class_.id],
        viewonly=True,
    )


scope.bind_sessions(db.session)
