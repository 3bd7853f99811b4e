"""Signing out one's other devices. It asks for the password: a screen left open must not become somebody
else's way to keep its owner out."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core.errors import NotFound, TooMany
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.core.web.viewing import login_required
from app.domains.accounts import queries
from app.domains.accounts.errors import WrongCredentials
from app.domains.accounts.forms import ConfirmForm
from app.domains.accounts.portal.pages import own_account
from app.domains.accounts.service import account, signin

bp = Blueprint("devices", __name__)

EVERYWHERE = "an account's sign-ins are ended in all companies"


@bp.route("/account/sessions/<id:session_id>/end", methods=["GET", "POST"])
@login_required
def end(session_id: int) -> Any:
    """One of one's own devices in this place; anybody else's does not exist."""
    who, form = own_account(), ConfirmForm()
    device = next(
        (row for row in queries.sessions_of(who.user_id, who.tenant_id) if row.id == session_id), None
    )
    if device is None:
        raise NotFound
    if not _confirmed(form):
        return _page(form, _("Sign out %(device)s", device=account.device_words(device.agent)), "")
    with transaction():
        account.end_own_session(who.user_id, session_id)
    flash(_("That device is signed out."), "success")
    return redirect(url_for("accounts.my_account"))


@bp.route("/account/sessions/others/end", methods=["GET", "POST"])
@login_required
def end_others() -> Any:
    """All but this one, in all companies."""
    who, form = own_account(), ConfirmForm()
    if not _confirmed(form):
        return _page(
            form,
            _("Sign out all other devices"),
            _("You stay signed in here. Everywhere else, also at other companies, you sign in again."),
        )
    with platform_scope(EVERYWHERE), transaction():
        signin.end_sessions_of(who.user_id, reason="ended by its owner", but=who.session_id)
    flash(_("Your other devices are signed out."), "success")
    return redirect(url_for("accounts.my_account"))


def _confirmed(form: ConfirmForm) -> bool:
    """Whether the form came with one's own password. Guesses count as they do at the sign-in."""
    if request.method != "POST" or not form.validate():
        return False
    user = queries.user(own_account().user_id)
    try:
        signin.count_attempt(user.email, request.remote_addr)
        if not signin.proves(user, form.password.data or ""):
            raise WrongCredentials(_("This is not your current password."), field="password")
    except TooMany:
        raise
    except WrongCredentials as error:
        form.show_refusal(error)
        return False
    return True


def _page(form: ConfirmForm, heading: str, lead: str) -> Any:
    page = render_template("accounts/end_session.html", form=form, heading=heading, lead=lead)
    return page, 422 if request.method == "POST" else 200
