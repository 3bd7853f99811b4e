"""Registering at a company: a form for everybody, and the link in the mail that proves the address."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core import audit
from app.core.errors import DomainError, TooMany
from app.core.locales import reader_locale
from app.core.scope import platform_scope
from app.core.signing import LinkDead
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.site import site
from app.core.web.viewing import on_tenant, safe_next, viewer
from app.core.web.visitor import chosen_zone
from app.domains.accounts import queries
from app.domains.accounts.errors import WrongCredentials
from app.domains.accounts.forms import JoinForm, ProveForm, RegisterForm
from app.domains.accounts.models import OPEN_ROLES
from app.domains.accounts.portal.pages import begin_session, dead_link
from app.domains.accounts.service import registration, signin

bp = Blueprint("registration", __name__, template_folder="../templates")


@bp.route("/register/", methods=["GET", "POST"])
@keeps_text
def register() -> Any:
    """Says the same for every address."""
    tenant_id, form = on_tenant(), RegisterForm()
    if request.method == "GET":
        form.next.data = safe_next(request.args.get("next"), "")
        who = viewer()
        if who is not None and who.role_keys.intersection(OPEN_ROLES):
            return redirect(form.next.data or "/")
        return _register_page(form, 200)
    if not form.validate():
        return _register_page(form, 422)
    try:
        with transaction():
            registration.request(
                full_name=form.full_name.data or "",
                email=form.email.data or "",
                kind=form.kind.data,
                next_path=safe_next(form.next.data, ""),
                locale=str(reader_locale()),
                tenant_id=tenant_id,
                ip=request.remote_addr,
            )
    except TooMany:
        raise
    except DomainError as error:
        form.show_refusal(error)
        return _register_page(form, error.status)
    return render_template(
        "accounts/register_sent.html", email=form.email.data, again_url=_again(form.next.data)
    )


def _again(target: str | None) -> str:
    return url_for("registration.register", next=safe_next(target, "") or None)


def _register_page(form: RegisterForm, status: int) -> Any:
    login_url = url_for("accounts.login", next=safe_next(form.next.data, "") or None)
    page = render_template("accounts/register.html", form=form, company=site().name, login_url=login_url)
    return page, status


@bp.route("/register/<token>", methods=["GET", "POST"])
def join(token: str) -> Any:
    """Looking changes nothing, so that a mail scanner registers nobody."""
    tenant_id = on_tenant()
    try:
        asked = registration.of_token(token, tenant_id=tenant_id)
    except LinkDead as error:
        return dead_link(error, url_for("registration.register"), _("Register again"))
    with platform_scope("whether an address that registers has an account is asked across tenants"):
        standing = registration.standing(asked)
    if request.method == "GET" and standing.is_member:
        flash(_("You are registered here already. Please sign in."), "info")
        return redirect(url_for("accounts.login", next=safe_next(asked.next, "") or None))
    form = ProveForm() if standing.has_account else JoinForm(data={"full_name": asked.full_name})
    if request.method == "POST" and form.validate():
        try:
            signin.count_attempt(asked.email, request.remote_addr)
            _join(asked, form)
        except TooMany:
            raise
        except WrongCredentials as error:
            if not standing.has_account:  # somebody was quicker with this address: look again
                return redirect(url_for("registration.join", token=token))
            form.show_refusal(error)
            return _join_page(asked, form, error.status)
        except DomainError as error:
            form.show_refusal(error)
            return _join_page(asked, form, error.status)
        flash(_("Welcome! You are in."), "success")
        return redirect(safe_next(asked.next, "/"))
    return _join_page(asked, form, 422 if request.method == "POST" else 200)


def _join(asked: registration.Registration, form: Any) -> None:
    """Account and membership in the platform's scope, since accounts are; the session in the tenant's."""
    name = form.full_name.data if "full_name" in form else ""
    label = f"{name or asked.full_name} <{asked.email}>"
    audit.set_actor(audit.Actor("visitor", None, label, request.remote_addr))
    with platform_scope("a registration joins a tenant to an account"), transaction():
        user_id = registration.join(
            asked, full_name=name or "", password=form.password.data or "", timezone=chosen_zone()
        ).id
    with transaction():
        begin_session(queries.user(user_id))


def _join_page(asked: registration.Registration, form: Any, status: int) -> Any:
    page = render_template(
        "accounts/registration.html", form=form, company=site().name, email=asked.email, kind=asked.kind
    )
    return page, status
