"""The pages of an entry as plain values: what a template prints, worked out here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request
from flask_babel import gettext as _

from app.core.rights import WRITE
from app.core.viewer import Viewer
from app.core.web import once, stamps
from app.core.web.cells import Cells, plain_text
from app.core.web.entry import AdminEntry, Registry
from app.core.web.forms import Form
from app.core.web.list_pages import actions_of, link
from app.core.web.pages import (
    ConfirmPage,
    FormPage,
    ShowPage,
    Text,
)
from app.core.web.record_pages import in_sections, show_page
from app.core.web.site import Site


class Pages:
    """Makes the pages of one entry for one viewer in one place."""

    def __init__(self, entry: AdminEntry, registry: Registry, viewer: Viewer, site: Site) -> None:
        self.entry, self.registry, self.viewer, self.site = entry, registry, viewer, site
        self.cells = Cells(entry, registry, viewer, site.surface)
        self.writes = viewer.may(entry.right(WRITE))

    # -- one record ----------------------------------------------------------------------------

    def show(self, row: Any) -> ShowPage:
        url = f"{self.entry.url}/{row.id}"
        return show_page(
            self.entry,
            row,
            registry=self.registry,
            viewer=self.viewer,
            cells=self.cells,
            surface=self.site.surface,
            links={
                a.name: link(a, url)
                for a in actions_of(self.entry, self.viewer, self.site.surface)
                if a.when(row)
            },
        )

    # -- forms and questions -------------------------------------------------------------------

    def form(self, form: Form, row: Any, changed: Sequence[str] = ()) -> FormPage:
        """`changed` names the columns that hold something else by now than the form says."""
        entry = self.entry
        names = entry.form if row is None else (entry.edit_form or ())
        return FormPage(
            title=entry.add_label if row is None else _("Edit %(name)s", name=str(row)),
            lead=entry.lead if row is None else entry.label,
            icon=entry.icon,
            form=form,
            groups=in_sections(entry, names),
            submit_label=entry.add_label if row is None else _("Save"),
            cancel_url=f"{entry.url}/" if row is None else f"{entry.url}/{row.id}",
            hidden=once.hidden() if row is None else self._stamp(row, fresh=bool(changed)),
            errors=form.refusals,
            changed=[(entry.label_of(name), plain_text(self.cells.of(row, name))) for name in changed],
        )

    def _stamp(self, row: Any, *, fresh: bool) -> list[tuple[str, str]]:
        """What the form came with, which is what its reader has seen, or the row as this page shows it."""
        sent = None if fresh else request.form.get(stamps.FIELD)
        return [(stamps.FIELD, sent or stamps.stamp_of(row, self.entry.edit_form or ()))]

    def confirm_delete(self, pk: int, name: str, errors: Sequence[Text]) -> ConfirmPage:
        return ConfirmPage(
            title=_("Delete %(name)s?", name=name),
            text=_("This can't be undone. The audit trail keeps what was there."),
            labels=[name],
            hidden=[],
            submit_label=_("Delete"),
            cancel_url=f"{self.entry.url}/{pk}",
            form=Form(),
            danger=True,
            errors=errors,
        )
