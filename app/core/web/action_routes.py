"""Actions on one record, on those that were ticked in a list, and on all that match it.

A few are done at once, all of them or none. Many become a run (`core.bulk`): a job works it off, and a page
shows how far it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from flask import flash, redirect, render_template, request
from flask_appbuilder import expose
from flask_babel import format_decimal
from flask_babel import gettext as _

from app.core import bulk, scope
from app.core.errors import DomainError, NotFound
from app.core.ids import row_id
from app.core.locales import reader_locale
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.action_pages import confirm_action, confirm_run
from app.core.web.csrf import keeps_text
from app.core.web.entry import Action
from app.core.web.entry_forms import form_data
from app.core.web.forms import Form
from app.core.web.guards import PageGuarded
from app.core.web.list_args import ListArgs
from app.core.web.once import once
from app.core.web.pages import Text
from app.core.web.site import site

MAX_TICKED = 200
AT_ONCE = 100


@dataclass(frozen=True)
class Picked:
    """The records that were chosen: by their ids, or as all that match a list's query string."""

    ids: Sequence[int]
    matching: str | None = None


class ActionRoutes(PageGuarded):
    """For `AdminView`."""

    @expose("/<id:pk>/do/<name>", methods=["GET", "POST"])
    @keeps_text
    def do(self, pk: int, name: str) -> Any:
        """An action on one record: ask first, then do it."""
        action = self._wanted(name)
        who = self._enter(action.verb)
        if not isinstance(who, Viewer):
            return who
        return self._do(action, Picked([pk]), who, f"{self.entry.url}/{pk}", many=False)

    @expose("/do/<name>", methods=["GET", "POST"])
    @keeps_text
    def do_many(self, name: str) -> Any:
        """An action on records of a list: the ticked ones, or all that match."""
        action = self._wanted(name)
        self._offered(action.bulk)
        who = self._enter(action.verb)
        if not isinstance(who, Viewer):
            return who
        picked, back = self._picked(), f"{self.entry.url}/"
        if not picked.ids:
            flash(_("Please select some rows first, %(most)s at most.", most=MAX_TICKED), "warning")
            return redirect(back)
        if picked.matching is not None and picked.matching:
            back = f"{back}?{picked.matching}"
        if len(picked.ids) <= AT_ONCE:
            return self._do(action, picked, who, back, many=True)
        self._offered(not action.own_scope and not action.leaves)
        if len(picked.ids) > bulk.MAX_ROWS:
            most = format_decimal(bulk.MAX_ROWS)
            flash(
                _("These are more than %(most)s rows. Please narrow them down with a filter.", most=most),
                "warning",
            )
            return redirect(back)
        return self._do_later(action, picked, who, back)

    def _wanted(self, name: str) -> Action:
        """Raises NotFound for what is not offered here."""
        action = next((a for a in self.entry.actions if a.name == name), None)
        if action is None or (action.surfaces is not None and site().surface not in action.surfaces):
            raise NotFound
        return action

    def _picked(self) -> Picked:
        """What the list's form says, or the question's, which names what it asked about. Raises BadQuery."""
        asked = request.form if {"id", "all"} & set(request.form) else request.args
        if asked.get("all"):
            matching = asked.get("match", "")
            args = ListArgs.read(self.entry, dict(parse_qsl(matching)))
            found = self.datamodel.ids(args.filters(self.datamodel), args.query, bulk.MAX_ROWS + 1)
            return Picked(found, args.address("", page=None, size=None).partition("?")[2])
        given = asked.getlist("id")
        pks = [pk for text in given if (pk := row_id(text)) is not None]
        return Picked(pks if len(pks) == len(given) <= MAX_TICKED else [])

    # -- at once -------------------------------------------------------------------------------

    def _do(self, action: Action, picked: Picked, who: Viewer, back: str, *, many: bool) -> Any:
        rows = self.datamodel.find_all(picked.ids)
        if len(rows) != len(set(picked.ids)):
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
        page = confirm_action(action, rows, form, back, errors, many=many)
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

    # -- as a run ------------------------------------------------------------------------------

    def _do_later(self, action: Action, picked: Picked, who: Viewer, back: str) -> Any:
        form = (action.form or Form)()
        notice: Text = ""
        status = 200
        if request.method == "POST":
            status = 422
            counted = request.form.get("count", "")
            if counted and counted != str(len(picked.ids)):
                notice, status = _("The list has changed meanwhile. Please look at the number again."), 409
            elif form.validate():
                return self._start(action, picked, form, who)
        first = self.datamodel.find_all(picked.ids[:5])
        page = confirm_run(action, picked.ids, picked.matching, first, form, back, form.refusals, notice)
        return render_template("admin/confirm.html", page=page), status

    def _start(self, action: Action, picked: Picked, form: Form, who: Viewer) -> Any:
        typed = [
            (name, text)
            for name, text in request.form.items(multi=True)
            if name in form._fields and name != "csrf_token"
        ]

        def work() -> dict[str, Any]:
            run = bulk.start(
                entry=self.entry.slug,
                action=action.name,
                ids=picked.ids,
                values=typed,
                matching=picked.matching,
                by=who,
                locale=str(reader_locale()),
            )
            return {"id": run.id}

        with transaction():
            made = once(who, work)
        return redirect(f"/admin/bulk/{made['id']}")
