"""The list of an entry and what is made of all of its rows: pages, files, choices."""

from __future__ import annotations

from typing import Any

from flask import flash, jsonify, redirect, render_template, request
from flask_appbuilder import expose

from app.core import scope
from app.core.rights import READ
from app.core.viewer import Viewer
from app.core.web import exports, list_state
from app.core.web.cells import Cells
from app.core.web.entry import registry, relations_for
from app.core.web.guards import PageGuarded
from app.core.web.list_pages import Listing
from app.core.web.site import site


class ListRoutes(PageGuarded):
    """For `AdminView`."""

    @expose("/")
    def list(self) -> Any:
        """A page of the list."""
        who = self._enter(READ)
        if not isinstance(who, Viewer):
            return who
        state = list_state.opened(self.entry, self.datamodel, who, request.args)
        args = state.args
        count, rows = self.datamodel.fetch(
            args.filters(self.datamodel),
            text=args.query,
            order=args.order,
            page=args.page,
            size=args.size,
            # Whatever is shown: a row may say its name by one of the entry's own columns.
            relations=relations_for(self.entry, (*self.entry.columns, *args.columns)),
        )
        last_page = max(1, -(-count // args.size))
        if args.page > last_page:
            return redirect(args.link(page=last_page))
        page = Listing(self.entry, registry(), who, site()).page(state, self.datamodel, count, rows)
        return render_template("admin/list.html", page=page)

    @expose("/export.csv")
    def export(self) -> Any:
        """What the list shows, filtered and sorted, as CSV."""
        return self._export(exports.csv_response)

    @expose("/export.xlsx")
    def export_xlsx(self) -> Any:
        """The same as a workbook."""
        return self._export(exports.xlsx_response)

    def _export(self, respond: Any) -> Any:
        who = self._enter(READ)
        if not isinstance(who, Viewer):
            return who
        args = list_state.read(self.entry, self.datamodel, who, request.args).args
        cells = Cells(self.entry, registry(), who, site().surface)
        enter = exports.scope_of(site().tenant_id)
        found = exports.Export(self.entry, self.datamodel, args, cells, enter)
        try:
            found.announce()
        except exports.TooManyRows as error:
            flash(str(error), "warning")
            return redirect(args.link(page=None))
        scope.release()
        return respond(found)

    @expose("/options")
    def options(self) -> Any:
        """Rows for a choice that match `q`, as JSON."""
        self._require(READ)
        rows = self.datamodel.options(request.args.get("q", "").strip()[:100])
        return jsonify([{"value": str(row.id), "label": str(row)} for row in rows])
