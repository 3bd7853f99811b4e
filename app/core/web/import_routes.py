"""Rows from a file: chosen, looked through, and with a yes taken in."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request
from flask_appbuilder import expose
from flask_babel import ngettext

from app.core.ids import row_id
from app.core.import_drafts import DraftGone
from app.core.rights import WRITE
from app.core.viewer import Viewer
from app.core.web import exports, transfer
from app.core.web.csv_rows import MAX_IMPORT_BYTES
from app.core.web.forms import Form
from app.core.web.guards import PageGuarded
from app.core.web.import_page import import_page, preview_page
from app.core.web.uploads import takes_files


class ImportRoutes(PageGuarded):
    """For `AdminView`."""

    add_form: type[Form]

    @expose("/import", methods=["GET", "POST"])
    @takes_files
    def import_rows(self) -> Any:
        """Rows from a file, CSV or a workbook: first what they would be, then all of them or none."""
        who = self._enter(WRITE)
        if not isinstance(who, Viewer):
            return who
        self._offered(self.entry.can_import)
        if request.args.get("template") == "xlsx":
            return exports.empty_workbook(self.entry)
        if request.args.get("template"):
            return transfer.template_response(self.entry)
        if request.method == "POST" and "draft" in request.form:
            return self._confirmed(who)
        form, outcome = transfer.UploadForm(), transfer.Outcome()
        if request.method == "POST" and form.validate():
            file = form.file.data
            raw = file.stream.read(MAX_IMPORT_BYTES + 1)
            outcome = transfer.look_through(self.entry, self.add_form, raw, file.filename or "", who)
            if outcome.draft_id is not None:
                page = preview_page(self.entry, transfer.ConfirmForm(), outcome, file.filename or "")
                return render_template("admin/import_preview.html", page=page)
            return self._upload_page(form, outcome), outcome.status
        return self._upload_page(form, outcome), 422 if request.method == "POST" else 200

    def _confirmed(self, who: Viewer) -> Any:
        form = transfer.UploadForm(formdata=None)
        pk = row_id(request.form["draft"])
        try:
            if pk is None:
                raise DraftGone
            outcome = transfer.import_draft(self.entry, self.add_form, pk, who)
        except DraftGone as error:
            form.show_refusal(error)
            return self._upload_page(form, transfer.Outcome()), 409
        if outcome.errors:  # something became so since it was looked through
            return self._upload_page(form, outcome), outcome.status
        words = ngettext("%(num)s record was imported.", "%(num)s records were imported.", outcome.count)
        flash(f"{words} {outcome.said_of_ignored}".strip(), "success")
        return redirect(f"{self.entry.url}/")

    def _upload_page(self, form: Form, outcome: transfer.Outcome) -> str:
        page = import_page(self.entry, form, self.add_form, outcome)
        return render_template("admin/import.html", page=page)
