"""Files that were looked through and wait for a yes: what the preview showed is what is imported."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    delete,
    select,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core import clock
from app.core.db import Model, TenantOwned, UtcDateTime, db, owned_by_tenant
from app.core.errors import NotFound
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.core.viewer import Viewer

KEPT = dt.timedelta(hours=24)


class DraftGone(NotFound):
    code = "import_draft_gone"
    message = _l("This file is not here any more. Please choose it again.")


class ImportDraft(TenantOwned, Model):
    """A file of one person, until it is imported or a day old. The row stays as the answer to a repeat."""

    __tablename__ = "import_draft"
    AUDITED = False

    tenant_id: Mapped[int | None] = mapped_column(BigInteger)  # type: ignore[assignment]
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("ab_user.id"))
    entry: Mapped[str] = mapped_column(String(60))
    filename: Mapped[str] = mapped_column(String(200))
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    count: Mapped[int] = mapped_column(Integer)
    made_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    imported_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            CheckConstraint("(content IS NULL) = (imported_at IS NOT NULL)", name="content"),
            Index("ix_import_draft_made_at", "made_at"),
        )

    def __str__(self) -> str:
        return self.filename


def put_aside(entry: str, filename: str, content: bytes, count: int, by: Viewer) -> ImportDraft:
    """Keep a file that was looked through, in place of the one before it that nobody said yes to."""
    db.session.execute(
        delete(ImportDraft).where(
            ImportDraft.tenant_id.is_not_distinct_from(by.tenant_id),
            ImportDraft.user_id == by.user_id,
            ImportDraft.entry == entry,
            ImportDraft.imported_at.is_(None),
        )
    )
    draft = ImportDraft(
        tenant_id=by.tenant_id,
        user_id=by.user_id,
        entry=entry,
        filename=filename[:200],
        content=content,
        count=count,
        made_at=clock.machine_now(),
    )
    db.session.add(draft)
    db.session.flush()  # the preview's form names it
    return draft


def take(draft_id: int, entry: str, by: Viewer) -> ImportDraft:
    """One's own file, locked: who says yes twice waits here and finds it done. Raises DraftGone."""
    found = db.session.scalars(
        select(ImportDraft)
        .where(
            ImportDraft.id == draft_id,
            ImportDraft.tenant_id.is_not_distinct_from(by.tenant_id),
            ImportDraft.user_id == by.user_id,
            ImportDraft.entry == entry,
        )
        .with_for_update()
    ).one_or_none()
    if found is None:
        raise DraftGone
    return found


def done(draft: ImportDraft, count: int) -> None:
    """Its rows are in: the file itself is not needed any more."""
    draft.content, draft.count, draft.imported_at = None, count, clock.machine_now()


def forget_old() -> None:
    """Files nobody said yes to within a day, and the answers to repeats of that age."""
    with platform_scope("forget files that wait to be imported"), transaction() as session:
        session.execute(delete(ImportDraft).where(ImportDraft.made_at < clock.machine_now() - KEPT))
