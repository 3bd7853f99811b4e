"""`AdminView`: FAB's ModelView made safe. One instance serves all threads and keeps nothing of a request.

FAB registers it and asks it for permissions; its own list, add, edit, delete and action methods are
replaced, since they share filters between requests, commit half-refused edits and show error texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, redirect, render_template, request
from flask_appbuilder import ModelView, expose
from flask_babel import gettext as _

from app.core.db import db
from app.core.errors import DomainError
from app.core.rights import READ, WRITE
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web import stamps
from app.core.web.action_routes import ActionRoutes
from app.core.web.admin_data import AdminData
from app.core.web.admin_pages import Pages
from app.core.web.csrf import keeps_text
from app.core.web.entry import AdminEntry, eager_of, registry
from app.core.web.entry_forms import form_data, form_of
from app.core.web.forms import Form
from app.core.web.import_routes import ImportRoutes
from app.core.web.list_routes import ListRoutes
from app.core.web.once import once
from app.core.web.record_pages import fill_in
from app.core.web.site import site
from app.core.web.viewing import safe_next

FAB_METHODS = {"action", "action_post", "download"}


class AdminView(ListRoutes, ImportRoutes, ActionRoutes, ModelView):
    """The screens of one entry; made by `view_of(entry)`, never by hand."""

    exclude_route_methods = FAB_METHODS
    method_permission_name = {
        "list": READ,
        "show": READ,
        "export": READ,
        "export_xlsx": READ,
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

    @expose("/<id:pk>")
    def show(self, pk: int) -> Any:
        """One record with its story."""
        who = self._enter(READ)
        if not isinstance(who, Viewer):
            return who
        return render_template("admin/show.html", page=self._pages(who).show(self._row(pk)))

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
        if request.method == "GET":
            fill_in(form, request.args)
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
