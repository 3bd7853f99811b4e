"""`AdminView`: FAB's ModelView made safe. One instance serves all threads and keeps nothing of a request.

FAB registers it and asks it for permissions; its own list, add, edit, delete and action methods are
replaced, since they share filters between requests, commit half-refused edits and show error texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, jsonify, redirect, render_template, request
from flask_appbuilder import ModelView, expose
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core import scope
from app.core.db import db
from app.core.errors import DomainError, NotFound
from app.core.ids import row_id
from app.core.rights import READ, WRITE
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web import csv_rows, stamps, transfer
from app.core.web.admin_data import AdminData
from app.core.web.admin_pages import Pages
from app.core.web.csrf import keeps_text
from app.core.web.entry import Action, AdminEntry, eager_of, registry
from app.core.web.entry_forms import form_data, form_of
from app.core.web.forms import Form
from app.core.web.guards import Guarded
from app.core.web.list_args import ListArgs
from app.core.web.once import once
from app.core.web.site import site
from app.core.web.uploads import takes_files
from app.core.web.viewing import safe_next, to_sign_in, viewer

FAB_METHODS = {"action", "action_post", "download"}
MAX_BULK = 200


class AdminView(Guarded, ModelView):
    """The screens of one entry; made by `view_of(entry)`, never by hand."""

    exclude_route_methods = FAB_METHODS
    method_permission_name = {
        "list": READ,
        "show": READ,
        "export": READ,
        "options": READ,
        "add": WRITE,
        "edit": WRITE,
        "delete": WRITE,
        "import_rows": WRITE,
    }

    def _init_properties(self) -> None:
        """FAB would work out columns, labels and filters of its own here; the entry says them."""
        self.label_columns = {name: str(name) for name in self.entry.columns}
        self._base_filters = self.datamodel.new_filters()
        self._filters = None
        self.related_views: Sequence[Any] = []
        self._related_views: Sequence[Any] = []

    def _init_forms(self) -> None:
        self.add_form = form_of(self.entry, self.entry.form)
        self.edit_form = form_of(self.entry, self.entry.edit_form or ())

    def _init_titles(self) -> None:
        """Titles are in the entry."""

    # -- reading -------------------------------------------------------------------------------

    @expose("/")
    def list(self) -> Any:
        """A page of the list."""
        who = self._enter(READ)
        if not isinstance(who, Viewer):
            return who
        args = ListArgs.read(self.entry, request.args)
        count, rows = self._fetch(args)
        last_page = max(1, -(-count // args.size))
        if args.page > last_page:
            return redirect(args.link(page=last_page))
        return render_template("admin/list.html", page=self._pages(who).listing(args, count, rows))

    @expose("/<id:pk>")
    def show(self, pk: int) -> Any:
        """One record with its story."""
        who = self._enter(READ)
        if not isinstance(who, Viewer):
            return who
        return render_template("admin/show.html", page=self._pages(who).show(self._row(pk)))

    @expose("/export.csv")
    def export(self) -> Any:
        """What the list shows, filtered and sorted, as CSV."""
        who = self._enter(READ)
        if not isinstance(who, Viewer):
            return who
        args = ListArgs.read(self.entry, request.args)
        query = self.datamodel.ordered(
            self.datamodel.base(args.filters(self.datamodel), args.query), args.order
        )
        cells = self._pages(who).cells
        return transfer.csv_response(self.entry, cells, query.limit(transfer.MAX_ROWS))

    @expose("/options")
    def options(self) -> Any:
        """Rows for a choice that match `q`, as JSON."""
        self._require(READ)
        rows = self.datamodel.options(request.args.get("q", "").strip()[:100])
        return jsonify([{"value": str(row.id), "label": str(row)} for row in rows])

    # -- writing -------------------------------------------------------------------------------

    @expose("/add", methods=["GET", "POST"])
    @keeps_text
    def add(self) -> Any:
        """A new record."""
        who = self._enter(WRITE)
        if not isinstance(who, Viewer):
            return who
        self._offered(self.entry.can_add)
        form = self.add_form()
        if request.method == "POST" and form.validate():
            try:
                with transaction():
                    made = once(who, lambda: self._create(form, who))
                words = _("%(name)s was added.", name=made["name"])
                return self._saved(made["id"], f"{words} {made['next']}".strip())
            except DomainError as error:
                form.show_refusal(error)
                return self._form_page(who, form, None), error.status
        return self._form_page(who, form, None), 422 if request.method == "POST" else 200

    @expose("/<id:pk>/edit", methods=["GET", "POST"])
    @keeps_text
    def edit(self, pk: int) -> Any:
        """Change a record."""
        who = self._enter(WRITE)
        if not isinstance(who, Viewer):
            return who
        row = self._row(pk)
        self._offered(self.entry.can_edit and self.entry.may_edit(row))
        form = self.edit_form(obj=row)
        if request.method == "POST" and form.validate():
            try:
                with transaction():
                    row = self._locked(pk)
                    self._offered(self.entry.may_edit(row))
                    data = form_data(form)
                    stamps.check_form(row, self.entry.edit_form or (), data)
                    self.entry.update(row, data, who)
                return self._saved(pk, _("Your changes are saved."))
            except DomainError as error:
                form.show_refusal(error)
                changed = error.data["columns"] if isinstance(error, stamps.ChangedMeanwhile) else ()
                return self._form_page(who, form, self._row(pk), changed), error.status
        return self._form_page(who, form, row), 422 if request.method == "POST" else 200

    @expose("/<id:pk>/delete", methods=["GET", "POST"])
    def delete(self, pk: int) -> Any:
        """Ask, then delete."""
        who = self._enter(WRITE)
        if not isinstance(who, Viewer):
            return who
        row = self._row(pk)
        self._offered(self.entry.can_delete and self.entry.may_delete(row))
        name, status = str(row), 200
        errors: Sequence[str] = []
        if request.method == "POST":
            try:
                with transaction():
                    row = self._locked(pk)
                    self._offered(self.entry.may_delete(row))
                    self.entry.delete(row, who)
                flash(_("%(name)s was deleted.", name=name), "success")
                return redirect(f"{self.entry.url}/")
            except DomainError as error:
                errors = [str(error)]
                status = error.status
        page = self._pages(who).confirm_delete(pk, name, errors)
        return render_template("admin/confirm.html", page=page), status

    @expose("/import", methods=["GET", "POST"])
    @takes_files
    def import_rows(self) -> Any:
        """Rows from a CSV file: all of them, or none and the errors by line."""
        who = self._enter(WRITE)
        if not isinstance(who, Viewer):
            return who
        self._offered(self.entry.can_import)
        if request.args.get("template"):
            return transfer.template_response(self.entry)
        form = transfer.UploadForm()
        outcome = transfer.Outcome()
        status = 422 if request.method == "POST" else 200
        if request.method == "POST" and form.validate():
            raw = form.file.data.stream.read(csv_rows.MAX_IMPORT_BYTES + 1)
            outcome = transfer.import_csv(self.entry, self.add_form, raw, who)
            if not outcome.errors:
                words = ngettext(
                    "%(num)s record was imported.", "%(num)s records were imported.", outcome.count
                )
                flash(f"{words} {outcome.said_of_ignored}".strip(), "success")
                return redirect(f"{self.entry.url}/")
            status = outcome.status
        page = self._pages(who).import_page(form, self.add_form, outcome)
        return render_template("admin/import.html", page=page), status

    @expose("/<id:pk>/do/<name>", methods=["GET", "POST"])
    @keeps_text
    def do(self, pk: int, name: str) -> Any:
        """An action on one record: ask first, then do it."""
        return self._do(name, [pk], f"{self.entry.url}/{pk}")

    @expose("/do/<name>", methods=["GET", "POST"])
    @keeps_text
    def do_many(self, name: str) -> Any:
        """An action on the records that were selected in a list: all of them or none."""
        given = request.values.getlist("id")
        pks = [pk for text in given if (pk := row_id(text)) is not None]
        if not given or len(given) > MAX_BULK or len(pks) < len(given):
            flash(_("Please select some rows first, %(most)s at most.", most=MAX_BULK), "warning")
            return redirect(f"{self.entry.url}/")
        return self._do(name, pks, f"{self.entry.url}/", bulk=True)

    def _do(self, name: str, pks: Sequence[int], back: str, *, bulk: bool = False) -> Any:
        action = next((a for a in self.entry.actions if a.name == name), None)
        if action is None or (bulk and not action.bulk):
            raise NotFound
        who = self._enter(action.verb)
        if not isinstance(who, Viewer):
            return who
        self._offered(action.surfaces is None or site().surface in action.surfaces)
        rows = self.datamodel.find_all(pks)
        if len(rows) != len(set(pks)):
            raise NotFound
        action.check(rows)
        form = (action.form or Form)()
        errors: Sequence[str] = []
        status = 200
        if request.method == "POST":
            if form.validate():
                try:
                    return self._run(action, rows, form, who, back)
                except DomainError as error:
                    form.show_refusal(error)
                    status = error.status
            else:
                status = 422
            errors = form.refusals
        page = self._pages(who).confirm_action(action, rows, form, back, errors, bulk=bulk)
        return render_template("admin/confirm.html", page=page), status

    def _run(self, action: Action, rows: Any, form: Form, who: Viewer, back: str) -> Any:
        if action.own_scope:
            scope.release()
            said = [action.run(row, form_data(form), who) for row in rows]
        else:
            with transaction():
                said = [action.run(row, form_data(form), who) for row in rows]
        if action.leaves:
            return redirect(str(said[0]))
        flash(str(said[0] if len(rows) == 1 and said[0] else action.done), "success")
        return redirect(back)

    # -- the guards ----------------------------------------------------------------------------

    def _enter(self, verb: str) -> Any:
        """The viewer, who may do this here; a redirect to the sign-in page for a visitor's GET."""
        if viewer() is None and request.method == "GET" and site().surface in self.entry.surfaces:
            return to_sign_in()
        return self._require(verb)

    def _fetch(self, args: ListArgs) -> tuple[int, Sequence[Any]]:
        filters = args.filters(self.datamodel)
        return self.datamodel.fetch(
            filters, text=args.query, order=args.order, page=args.page, size=args.size
        )

    def _pages(self, who: Viewer) -> Pages:
        return Pages(self.entry, registry(), who, site())

    def _form_page(self, who: Viewer, form: Form, row: Any, changed: Sequence[str] = ()) -> str:
        page = self._pages(who).form(form, row, changed)
        return render_template("admin/form.html", page=page)

    def _create(self, form: Form, who: Viewer) -> dict[str, Any]:
        row = self.entry.create(form_data(form), who)
        db.session.flush()  # what the database refuses is shown at the form, and the id is where it leads
        return {"id": row.id, "name": str(row), "next": str(self.entry.next_step_of(row))}

    def _saved(self, pk: int, words: str) -> Any:
        flash(words, "success")
        return redirect(safe_next(request.args.get("next"), f"{self.entry.url}/{pk}"))


def view_of(entry: AdminEntry) -> type[AdminView]:
    """The view class of an entry, for FAB to register."""
    attributes: Mapping[str, Any] = {
        "entry": entry,
        "datamodel": AdminData(entry.model, eager_of(entry), entry.search),
        "route_base": entry.url,
        "class_permission_name": entry.resource,
        "base_permissions": [f"can_{verb}" for verb in entry.verbs],
        "list_columns": list(entry.columns),
        "search_columns": list(entry.search),
    }
    return type(f"{entry.model.__name__}View", (AdminView,), dict(attributes))
