"""What people keep of a list: views under a name, the one it opens with, their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, StringField
from wtforms.validators import InputRequired, Length

from app.core import list_views
from app.core.errors import DomainError, NotAllowed, NotFound
from app.core.list_views import ListView
from app.core.rights import READ
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web import list_state, once
from app.core.web.admin_data import AdminData
from app.core.web.csrf import keeps_text
from app.core.web.entry import AdminEntry, registry
from app.core.web.forms import Form, strip
from app.core.web.list_args import OWN, arguments_of
from app.core.web.pages import ConfirmPage, FormPage
from app.core.web.site import site
from app.core.web.viewing import require, signed_in

bp = Blueprint("lists", __name__, url_prefix="/admin/lists")
MOST = 60


class ViewForm(Form):
    name = StringField(
        _l("Name"),
        [
            InputRequired(_l("Please fill this in.")),
            Length(max=MOST, message=_l("This is too long: %(most)s characters at most.", most=MOST)),
        ],
        filters=[strip],
    )
    is_shared = BooleanField(
        _l("Share with colleagues"),
        description=_l("Whoever may read this list finds the view above it."),
    )
    opens = BooleanField(_l("Open the list with this view"), description=_l("For you only."))


def _entry(slug: str) -> tuple[AdminEntry, Viewer]:
    """The list, whose reader somebody must be. Raises NotFound, SignInNeeded, NotAllowed."""
    signed_in()
    entry = registry().by_slug.get(slug)
    if entry is None or site().surface not in entry.surfaces:
        raise NotFound
    return entry, require(entry.right(READ))


def _data(entry: AdminEntry) -> AdminData:
    return AdminData(entry.model, (), entry.search)


def _asked(entry: AdminEntry) -> list_state.ListState:
    """The list as it was when the form was made: its arguments come along with it."""
    names = {arg for name in entry.filters for arg in arguments_of(entry, name)} | {*OWN, "view"}
    given = {
        name.removeprefix("list."): text for name, text in request.values.items() if name.startswith("list.")
    }
    known = {name: text for name, text in given.items() if name in names and text}
    return list_state.read(entry, _data(entry), signed_in(), known)


@bp.route("/<listed>/views/new", methods=["GET", "POST"])
@keeps_text
def new(listed: str) -> Any:
    entry, who = _entry(listed)
    form, state = _form(who), _asked(entry)
    status = 200
    if request.method == "POST":
        status = 422
        if form.validate():
            try:
                return _made(entry, who, form, state)
            except DomainError as error:
                form.show_refusal(error)
                status = error.status
    kept = [(f"list.{name}", text) for name, text in state.args.as_args().items()]
    back = state.args.link(page=None)
    page = _form_page(_("Save view"), entry, form, _("Save view"), back, hidden=kept)
    return render_template("admin/form.html", page=page), status


def _made(entry: AdminEntry, who: Viewer, form: ViewForm, state: list_state.ListState) -> Any:
    with transaction():
        view = list_views.save(
            entry.slug,
            form.name.data or "",
            args=state.args.as_args(),
            columns=state.args.columns,
            shared=_shared(form),
            by=who,
        )
        if form.opens.data:
            list_views.open_with(view, entry.slug, who)
    flash(_("The view “%(name)s” is saved.", name=view.name), "success")
    return redirect(state.args.link(page=None, view=view.id))


@bp.route("/<listed>/views/<id:view_id>", methods=["GET", "POST"])
@keeps_text
def edit(listed: str, view_id: int) -> Any:
    """Its name and who sees it, where that is one's own; whether the list opens with it, in any case."""
    entry, who = _entry(listed)
    view, opens = _seen(entry, who, view_id)
    mine = list_views.may_change(view, who)
    form = _form(who, view=view, opens=opens)
    if not mine:
        del form.name, form.is_shared
    status = 200
    if request.method == "POST":
        status = 422
        if form.validate():
            try:
                with transaction():
                    if mine:
                        row = list_views.find(view_id, listed, who)
                        list_views.rename(row, form.name.data or "", shared=_shared(form, row), by=who)
                    _open(entry, who, view, wanted=bool(form.opens.data), before=opens)
            except DomainError as error:
                form.show_refusal(error)
                status = error.status
            else:
                flash(_("Your changes are saved."), "success")
                return redirect(_link(entry, view))
    title = _("View: %(name)s", name=view.name)
    page = _form_page(title, entry, form, _("Save"), _link(entry, view))
    delete_url = f"/admin/lists/{listed}/views/{view_id}/delete" if mine else None
    return render_template("admin/view.html", page=page, delete_url=delete_url, owner=view.owner_name), status


@bp.post("/<listed>/views/<id:view_id>/keep")
def keep(listed: str, view_id: int) -> Any:
    """The view shows from now on what its list shows now."""
    entry, who = _entry(listed)
    state = _asked(entry)
    with transaction():
        view = list_views.find(view_id, listed, who)
        list_views.keep(view, args=state.args.as_args(), columns=view.columns)
    flash(_("The view “%(name)s” is updated.", name=view.name), "success")
    return redirect(state.args.link(page=None, view=view_id))


@bp.route("/<listed>/views/<id:view_id>/delete", methods=["GET", "POST"])
def delete(listed: str, view_id: int) -> Any:
    entry, who = _entry(listed)
    view, _opens = _seen(entry, who, view_id)
    if not list_views.may_change(view, who):
        raise NotAllowed
    if request.method == "POST":
        with transaction():
            list_views.delete(list_views.find(view_id, listed, who))
        flash(_("%(name)s was deleted.", name=view.name), "success")
        return redirect(f"{entry.url}/")
    words = (
        _("Your colleagues lose it too. The records it shows stay as they are.")
        if view.is_shared
        else _("The records it shows stay as they are.")
    )
    page = ConfirmPage(
        title=_("Delete %(name)s?", name=view.name),
        text=words,
        labels=[],
        hidden=[],
        submit_label=_("Delete"),
        cancel_url=f"/admin/lists/{listed}/views/{view_id}",
        form=Form(),
        danger=True,
    )
    return render_template("admin/confirm.html", page=page)


@bp.post("/<listed>/columns")
def columns(listed: str) -> Any:
    """Which columns are shown: in the open view, else wherever this person opens the list."""
    entry, who = _entry(listed)
    state = _asked(entry)
    with transaction():
        active = state.active
        row = list_views.find(active.id, listed, who) if active else list_views.settings_of(who, listed)
        chosen = () if request.form.get("reset") else _chosen(request.form.getlist("column"))
        row.columns = [*list_state.columns_of(entry, chosen)] or None
    again = "#columns" if request.form.get("up") else ""
    return redirect(state.args.link(page=state.args.page) + again)


def _chosen(names: Sequence[str]) -> list[str]:
    """In the order of the form, the one whose arrow was clicked a place further up."""
    up, found = request.form.get("up", ""), [name for name in names if len(name) <= 100][:100]
    if up in found[1:]:
        place = found.index(up)
        found[place - 1], found[place] = found[place], found[place - 1]
    return found


def _seen(entry: AdminEntry, who: Viewer, pk: int) -> tuple[ListView, bool]:
    """A view that this viewer sees, and whether their list opens with it. Raises NotFound."""
    found = list_views.visible_to(who, entry.slug)
    view = next((row for row in found if row.id == pk and row.name is not None), None)
    if view is None:
        raise NotFound
    mine = next((row for row in found if row.name is None and row.user_id == who.user_id), None)
    return view, mine is not None and mine.opens_with_id == pk


def _form(who: Viewer, *, view: ListView | None = None, opens: bool = False) -> ViewForm:
    data = {"name": view.name, "is_shared": view.is_shared, "opens": opens} if view else {}
    form = ViewForm(data=data)
    if not list_views.may_share(who) and not (view and view.is_shared):
        del form.is_shared
    return form


def _shared(form: ViewForm, view: ListView | None = None) -> bool:
    return bool(form.is_shared.data) if "is_shared" in form else bool(view and view.is_shared)


def _open(entry: AdminEntry, who: Viewer, view: ListView, *, wanted: bool, before: bool) -> None:
    if wanted != before:
        list_views.open_with(view if wanted else None, entry.slug, who)


def _link(entry: AdminEntry, view: ListView) -> str:
    args, _dropped = list_state.restored(entry, _data(entry), view.args)
    return args.link(page=None, view=view.id)


def _form_page(
    title: str,
    entry: AdminEntry,
    form: ViewForm,
    submit: str,
    back: str,
    hidden: Sequence[tuple[str, str]] = (),
) -> FormPage:
    return FormPage(
        title=title,
        lead=entry.plural,
        icon=entry.icon,
        form=form,
        groups=[(None, [name for name in ("name", "is_shared", "opens") if name in form])],
        submit_label=submit,
        cancel_url=back,
        hidden=[*hidden, *once.hidden()],
        errors=form.refusals,
    )
