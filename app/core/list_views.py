"""Lists as people keep them: search, filters, order and columns under a name, and each person's own columns.

A row without a name holds what one person settled for one list. Whose account a row belongs to is all that
is known of its owner here; `owner_name` is what colleagues read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Integer,
    Select,
    String,
    UniqueConstraint,
    bindparam,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core import plain
from app.core.db import Model, TenantOwned, Timestamped, db, owned_by_tenant
from app.core.errors import AlreadyExists, Invalid, NotAllowed, NotFound, TooMany, name_constraint
from app.core.plain import Records
from app.core.rights import WRITE, right
from app.core.viewer import Viewer

RESOURCE = "list_view"
MAX_VIEWS = 50  # of one person on one list
ARGS_AT_MOST = 2000  # characters


class ListView(TenantOwned, Timestamped, Model):
    """A list's state under a name, or without one a person's settings. Of the platform's host: no tenant.

    `args` is the query string as names and texts; `columns` is None where the entry's own are shown.
    `opens_with_id` may point at nothing any more: whoever reads it looks among what is visible.
    """

    __tablename__ = "list_view"
    AUDITED = False

    tenant_id: Mapped[int | None] = mapped_column(BigInteger)  # type: ignore[assignment]
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("ab_user.id"))
    owner_name: Mapped[str] = mapped_column(String(200))
    entry: Mapped[str] = mapped_column(String(60))
    name: Mapped[str | None] = mapped_column(String(60))
    is_shared: Mapped[bool] = mapped_column(Boolean, default=False)
    args: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    columns: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    opens_with_id: Mapped[int | None] = mapped_column(BigInteger)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            CheckConstraint("btrim(name) <> ''", name="name"),
            CheckConstraint("name IS NOT NULL OR NOT is_shared", name="settings_private"),
            CheckConstraint("name IS NULL OR opens_with_id IS NULL", name="opens_with_id"),
            UniqueConstraint("tenant_id", "entry", "user_id", "name", postgresql_nulls_not_distinct=True),
        )

    def __str__(self) -> str:
        return self.name or "–"


class ViewNameTaken(AlreadyExists):
    code, message = "view_name_taken", _l("You have a view of this name already.")


name_constraint("uq_list_view_tenant_id_entry_user_id_name", ViewNameTaken, field="name")


def visible_to(who: Viewer, entry: str) -> Sequence[ListView]:
    """All of a list that this viewer uses, in one statement: their settings, their own views, shared ones.
    Only to be read: every list asks for it, so it is without the ORM (see `plain.Records`)."""
    records, statement = _visible(walled=not plain.on_platform())
    values = {"here": who.tenant_id, "entry": entry, "user": who.user_id}
    return records.made(records.run(statement, **values))


@cache
def _visible(*, walled: bool) -> tuple[Records, Select[Any]]:
    records = Records(ListView, (), walled=walled)
    columns = ListView.__table__.c
    statement = (
        select(*records.columns)
        .where(
            records.wall,
            columns.tenant_id.is_not_distinct_from(bindparam("here")),
            columns.entry == bindparam("entry"),
            or_(columns.user_id == bindparam("user"), columns.is_shared),
        )
        .order_by(columns.name, columns.id)
    )
    return records, statement


def may_share(who: Viewer) -> bool:
    return who.may(right(RESOURCE, WRITE))


def may_change(view: ListView, who: Viewer) -> bool:
    """One's own, and what is shared by whoever may share."""
    return view.user_id == who.user_id or (view.is_shared and may_share(who))


def find(view_id: int, entry: str, who: Viewer) -> ListView:
    """A named view that this viewer may change, locked. Raises NotFound, NotAllowed."""
    found = db.session.scalars(
        select(ListView)
        .where(
            ListView.id == view_id,
            ListView.tenant_id.is_not_distinct_from(who.tenant_id),
            ListView.entry == entry,
            ListView.name.is_not(None),
            or_(ListView.user_id == who.user_id, ListView.is_shared),
        )
        .with_for_update()
    ).one_or_none()
    if found is None:
        raise NotFound
    if not may_change(found, who):
        raise NotAllowed
    return found


def save(
    entry: str, name: str, *, args: Mapping[str, str], columns: Sequence[str] | None, shared: bool, by: Viewer
) -> ListView:
    """A new view. Raises Invalid, ViewNameTaken, NotAllowed (sharing it), TooMany."""
    mine = [view for view in visible_to(by, entry) if view.user_id == by.user_id]
    if len(mine) >= MAX_VIEWS:
        raise TooMany(_l("You keep %(most)s views of this list already. Please delete one.", most=MAX_VIEWS))
    view = ListView(
        tenant_id=by.tenant_id, user_id=by.user_id, owner_name=by.name[:200], entry=entry, columns=columns
    )
    db.session.add(view)
    rename(view, name, shared=shared, by=by)
    keep(view, args=args, columns=columns)
    db.session.flush()  # a name that is taken is told at its field
    return view


def rename(view: ListView, name: str, *, shared: bool, by: Viewer) -> None:
    """Its name, and whether colleagues see it. Raises Invalid, NotAllowed."""
    name = name.strip()
    if not name or len(name) > 60:
        raise Invalid(_l("Please give it a name of 60 characters at most."), field="name")
    if shared and not view.is_shared and not may_share(by):
        raise NotAllowed
    view.name, view.is_shared = name, shared


def keep(view: ListView, *, args: Mapping[str, str], columns: Sequence[str] | None) -> None:
    """What it shows from now on. Raises Invalid where that is too much to keep."""
    if sum(len(name) + len(text) for name, text in args.items()) > ARGS_AT_MOST:
        raise Invalid(_l("This search is too long to be kept."))
    view.args, view.columns = dict(args), list(columns) if columns else None


def delete(view: ListView) -> None:
    """Whose list opened with it opens plainly again."""
    db.session.execute(update(ListView).where(ListView.opens_with_id == view.id).values(opens_with_id=None))
    db.session.delete(view)


def settings_of(who: Viewer, entry: str) -> ListView:
    """The viewer's settings of a list, made now if there are none yet."""
    mine = select(ListView).where(
        ListView.tenant_id.is_not_distinct_from(who.tenant_id),
        ListView.entry == entry,
        ListView.user_id == who.user_id,
        ListView.name.is_(None),
    )
    found = db.session.scalars(mine.with_for_update()).one_or_none()
    if found is not None:
        return found
    row = {"tenant_id": who.tenant_id, "user_id": who.user_id, "owner_name": who.name[:200], "entry": entry}
    # Of two windows one makes them, and the other waits for that one and finds them.
    db.session.execute(insert(ListView).values(**row).on_conflict_do_nothing())
    return db.session.scalars(mine.with_for_update()).one()


def open_with(view: ListView | None, entry: str, by: Viewer) -> None:
    """The view that the list opens with for this person from now on, or none."""
    settings_of(by, entry).opens_with_id = view.id if view else None
