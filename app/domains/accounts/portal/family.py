"""The family: for whom somebody answers here, and who of them takes lessons."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core import clock
from app.core.errors import DomainError, NotAllowed
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.csrf import keeps_text
from app.core.web.once import hidden, once
from app.core.web.pages import Empty
from app.core.web.site import site
from app.core.web.viewing import login_required, on_tenant, safe_next, signed_in
from app.domains.accounts import policies, queries
from app.domains.accounts.forms import ChildForm
from app.domains.accounts.models import GUARDIAN, OPEN_ROLES, STUDENT, Person
from app.domains.accounts.service import family, registration

bp = Blueprint("family", __name__, template_folder="../templates")


def _member() -> tuple[Viewer, Person]:
    """The viewer, who takes lessons here or answers for somebody who does. Raises NotFound, NotAllowed."""
    on_tenant()
    who = signed_in()
    if who.person_id is None or not who.role_keys.intersection(OPEN_ROLES):
        raise NotAllowed
    return who, queries.person(who.person_id)


@bp.get("/family/")
@login_required
def children() -> Any:
    who, person = _member()
    today = clock.today(site().timezone)
    empty = Empty(
        _("No children yet"),
        _("Add a child, and you can book lessons for it. It needs no login and no e-mail address."),
        url_for("family.add"),
        _("Add a child"),
    )
    return render_template(
        "accounts/family.html",
        children=[_row(child, today) for child in queries.children_of(person.id)],
        empty_state=empty,
        add_url=url_for("family.add"),
        can_learn_too=GUARDIAN in who.role_keys and STUDENT not in who.role_keys,
    )


def _row(child: Person, today: Any) -> tuple[str, str | None, Any, str]:
    """(name, age in words, date of birth, where it is corrected)"""
    age = policies.age_on(child.birth_date, today) if child.birth_date else None
    words = ngettext("%(num)s year old", "%(num)s years old", age) if age is not None else None
    return child.full_name, words, child.birth_date, url_for("family.edit", child_id=child.id)


@bp.route("/family/add", methods=["GET", "POST"])
@login_required
@keeps_text
def add() -> Any:
    who, person = _member()
    form = ChildForm()
    if request.method == "GET":
        form.next.data = safe_next(request.args.get("next"), "")
    if request.method == "POST" and form.validate():
        try:
            with transaction():
                once(who, lambda: {"id": _add(person, form)})
            flash(_("%(name)s is added.", name=form.full_name.data), "success")
            return redirect(safe_next(form.next.data, url_for("family.children")))
        except DomainError as error:
            form.show_refusal(error)
            return _child_page(_("Add a child"), form, error.status)
    return _child_page(_("Add a child"), form, 422 if request.method == "POST" else 200)


def _add(person: Person, form: ChildForm) -> int:
    return family.add_child(person, **_given(form), by=person).id


def _given(form: ChildForm) -> dict[str, Any]:
    """What a valid form says of a child."""
    return {"full_name": form.full_name.data, "birth_date": form.birth_date.data}


@bp.route("/family/<id:child_id>/edit", methods=["GET", "POST"])
@login_required
@keeps_text
def edit(child_id: int) -> Any:
    _who, person = _member()
    child = queries.child_of(person.id, child_id)
    form = ChildForm(data={"full_name": child.full_name, "birth_date": child.birth_date})
    if request.method == "POST" and form.validate():
        try:
            with transaction():
                family.correct_child(child, **_given(form), by=person)
            flash(_("Your changes are saved."), "success")
            return redirect(url_for("family.children"))
        except DomainError as error:
            form.show_refusal(error)
            return _child_page(child.full_name, form, error.status)
    return _child_page(child.full_name, form, 422 if request.method == "POST" else 200)


@bp.post("/family/learn")
@login_required
def learn() -> Any:
    """A guardian takes lessons, too."""
    who, person = _member()
    with transaction():
        registration.learn_too(person, user_id=who.user_id)
    flash(_("From now on you can book lessons for yourself, too."), "success")
    return redirect(url_for("family.children"))


def _child_page(title: str, form: ChildForm, status: int) -> Any:
    page = render_template(
        "accounts/child.html",
        title=title,
        form=form,
        hidden=hidden(),
        cancel_url=safe_next(form.next.data, url_for("family.children")),
    )
    return page, status
