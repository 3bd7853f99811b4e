"""Pages for signing in, joining by invitation, resetting a password and looking after one's account."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext as _

from app.core import audit
from app.core.errors import DomainError, NotAllowed, TooMany
from app.core.scope import platform_scope
from app.core.signing import LinkDead
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.csrf import keeps_text
from app.core.web.site import site
from app.core.web.viewing import login_required, on_tenant, safe_next, signed_in, viewer
from app.core.web.visitor import ZONE
from app.domains.accounts import policies, queries
from app.domains.accounts.errors import WrongCredentials
from app.domains.accounts.forms import (
    EmailForm,
    ForgotForm,
    JoinForm,
    LoginForm,
    PasswordForm,
    ProfileForm,
    ProveForm,
    ResetForm,
)
from app.domains.accounts.models import WEB, Account, Invitation
from app.domains.accounts.service import account, people, signin
from app.domains.accounts.service.passwords import needs_new_hash

bp = Blueprint("accounts", __name__, template_folder="../templates")

SESSION_KEY = "signin"
LONGEST_EMAIL = 254
ACCOUNTS = "an account is the platform's, whichever host it is changed on"


def device() -> signin.Device:
    return signin.Device(request.remote_addr, request.headers.get("User-Agent"))


def begin_session(user: Account, *, kind: str = WEB) -> None:
    """Inside a transaction: a new session, the end of this browser's former one, and a cookie that
    carries nothing of it."""
    former = session.get(SESSION_KEY)
    if isinstance(former, str):
        signin.end_session_of_token(former, reason="signed in anew")
    act_as(user)
    life = policies.life_of_session(kind, on_platform=site().is_platform)
    made = signin.start_session(user, kind=kind, tenant_id=site().tenant_id, device=device(), life=life)
    forget_session()
    session[SESSION_KEY] = made.token
    session.permanent = kind == WEB


def forget_session() -> None:
    """Leave this browser nothing but its language, its colours and its clock."""
    kept = {name: session[name] for name in ("locale", "theme", ZONE) if name in session}
    session.clear()
    session.update(kept)


def act_as(user: Account) -> None:
    """From here on this request's deeds are this account's; it has just proved itself."""
    audit.set_actor(audit.Actor("user", user.id, f"{user.first_name} <{user.email}>", request.remote_addr))


def own_account() -> Viewer:
    """The viewer, about to change their own account; an operator on a visit changes theirs at home."""
    who = signed_in()
    if who.is_visiting and request.method == "POST":
        raise NotAllowed(_("You are visiting. Change your own account on the platform's pages."))
    return who


def home() -> str:
    """Where somebody goes who has just signed in."""
    return "/admin/" if site().is_platform else "/"


@bp.route("/login/", methods=["GET", "POST"])
@keeps_text
def login() -> Any:
    form = LoginForm()
    if request.method == "GET":
        form.next.data = safe_next(request.args.get("next"), "")
        form.email.data = request.args.get("email", "")[:LONGEST_EMAIL]
        if viewer() is not None:
            return redirect(form.next.data or home())
        return _login_page(form, 200)
    if not form.validate():
        return _login_page(form, 422)
    email, password = form.email.data or "", form.password.data or ""
    try:
        signin.count_attempt(email, request.remote_addr)
        with transaction():
            user = signin.authenticate(email, password, tenant_id=site().tenant_id)
            begin_session(user)
    except WrongCredentials as error:
        form.show_refusal(error)
        return _login_page(form, error.status)
    if needs_new_hash(user.password):
        with platform_scope(ACCOUNTS), transaction():
            signin.strengthen(user, password)
    return redirect(safe_next(form.next.data, home()))


def _login_page(form: LoginForm, status: int) -> Any:
    # The platform's own people are made by other operators, so nobody registers there.
    register_url = url_for("registration.register", next=safe_next(form.next.data, "") or None)
    page = render_template(
        "accounts/login.html",
        form=form,
        forgot_url=url_for("accounts.forgot"),
        register_url=None if site().is_platform else register_url,
    )
    return page, status


@bp.post("/logout/")
def logout() -> Any:
    who = viewer()
    if who is not None:
        with transaction():
            signin.end_session(who.session_id, reason="signed out")
    forget_session()
    return redirect("/")


@bp.route("/forgot/", methods=["GET", "POST"])
@keeps_text
def forgot() -> Any:
    form = ForgotForm()
    if request.method == "POST" and form.validate():
        with transaction():
            signin.request_reset(form.email.data or "", tenant_id=site().tenant_id, ip=request.remote_addr)
        return render_template("accounts/forgot_sent.html", email=form.email.data)
    return render_template("accounts/forgot.html", form=form), 422 if request.method == "POST" else 200


@bp.route("/reset/<token>", methods=["GET", "POST"])
def reset(token: str) -> Any:
    form = ResetForm()
    try:
        signin.user_of_reset_token(token, tenant_id=site().tenant_id)
        if request.method == "POST" and form.validate():
            with platform_scope(ACCOUNTS), transaction():
                user = signin.user_of_reset_token(token, tenant_id=site().tenant_id, lock=True)
                act_as(user)
                signin.change_password(
                    user, form.password.data or "", tenant_id=site().tenant_id, keep_session=None
                )
            flash(_("Your new password is set. Please sign in with it."), "success")
            return redirect(url_for("accounts.login"))
    except LinkDead as error:
        return dead_link(error, url_for("accounts.forgot"), _("Ask for a new link"))
    except DomainError as error:
        form.show_refusal(error)
    return render_template("accounts/reset.html", form=form), 422 if request.method == "POST" else 200


@bp.route("/verify/<token>", methods=["GET", "POST"])
def verify(token: str) -> Any:
    """Confirm a new e-mail address; the change waits for a click, so that a mail scanner makes none."""
    try:
        if request.method == "POST":
            with platform_scope(ACCOUNTS), transaction():
                act_as(signin.check_email_token(token)[0])
                user = signin.change_email_by_token(token, tenant_id=site().tenant_id)
                email = user.email
            return render_template("accounts/verified.html", email=email)
        with platform_scope(ACCOUNTS):
            signin.check_email_token(token)
    except DomainError as error:
        return dead_link(error, "/", _("To the first page"))
    return render_template("accounts/verify.html")


@bp.route("/invitation/<token>", methods=["GET", "POST"])
def invitation(token: str) -> Any:
    tenant_id = on_tenant()
    try:
        found = people.invitation_of_token(token, tenant_id=tenant_id)
        with platform_scope("whether an invited address has an account is asked across tenants"):
            known = queries.user_by_email(found.email) is not None
    except LinkDead as error:
        return dead_link(error, url_for("accounts.login"), _("Sign in"))
    form = ProveForm() if known else JoinForm(data={"full_name": str(found.person)})
    if request.method == "POST" and form.validate():
        try:
            signin.count_attempt(found.email, request.remote_addr)
            _join(found, form)
            flash(_("Welcome! You are in."), "success")
            return redirect(url_for("accounts.arrive"))
        except TooMany:
            raise
        except DomainError as error:
            form.show_refusal(error)
            return _invitation_page(found, form, error.status)
    return _invitation_page(found, form, 422 if request.method == "POST" else 200)


def _join(found: Invitation, form: Any) -> None:
    """Membership in the platform's scope, since accounts are; the session in the tenant's."""
    name = form.full_name.data if "full_name" in form else ""
    audit.set_actor(audit.Actor("visitor", None, f"{found.person} <{found.email}>", request.remote_addr))
    with platform_scope("an invitation joins a tenant to an account"), transaction():
        user = people.accept(found, full_name=name or "", password=form.password.data or "")
        user_id = user.id
    with transaction():
        begin_session(queries.user(user_id))


def _invitation_page(found: Invitation, form: Any, status: int) -> Any:
    page = render_template(
        "accounts/invitation.html",
        form=form,
        tenant_name=site().name,
        role_label=found.role_label,
        email=found.email,
    )
    return page, status


@bp.get("/arrive/")
@login_required
def arrive() -> Any:
    """Somebody has just come in: to the admin if there is something for them, else to the first page."""
    who = signed_in()
    return redirect("/admin/" if who.rights else "/")


@bp.route("/account/", methods=["GET", "POST"])
@login_required
@keeps_text
def my_account() -> Any:
    who = own_account()
    user = queries.user(who.user_id)
    profile = ProfileForm(
        data={"full_name": user.first_name, "locale": user.locale or "", "timezone": user.timezone or ""}
    )
    if request.method == "POST" and profile.validate():
        with platform_scope(ACCOUNTS), transaction():
            account.change_profile(
                queries.user(who.user_id),
                full_name=profile.full_name.data or "",
                locale=profile.locale.data or None,
                timezone=profile.timezone.data or None,
            )
        session.pop("locale", None)
        flash(_("Your changes are saved."), "success")
        return redirect(url_for("accounts.my_account"))
    return _account_page(who, profile=profile), 422 if request.method == "POST" else 200


@bp.post("/account/password")
@login_required
@keeps_text
def my_password() -> Any:
    who, form = own_account(), PasswordForm()
    if form.validate():
        user = queries.user(who.user_id)
        try:
            signin.count_attempt(user.email, request.remote_addr)
            if not signin.proves(user, form.current.data or ""):
                raise WrongCredentials(_("This is not your current password."), field="current")
            with platform_scope(ACCOUNTS), transaction():
                signin.change_password(
                    queries.user(who.user_id, lock=True),
                    form.new.data or "",
                    tenant_id=who.tenant_id,
                    keep_session=who.session_id,
                )
            flash(_("Your password is changed. Your other devices are signed out."), "success")
            return redirect(url_for("accounts.my_account"))
        except TooMany:
            raise
        except DomainError as error:
            if error.field == "password":
                error.field = "new"
            form.show_refusal(error)
    return _account_page(who, password=form), 422


@bp.post("/account/email")
@login_required
@keeps_text
def my_email() -> Any:
    who, form = own_account(), EmailForm()
    if form.validate():
        try:
            address = people.clean_email(form.new_email.data or "", field="new_email")
            user = queries.user(who.user_id)
            signin.count_attempt(user.email, request.remote_addr)
            if not signin.proves(user, form.password.data or ""):
                raise WrongCredentials(_("This is not your current password."), field="password")
            with transaction():
                signin.request_email_change(user, address, tenant_id=who.tenant_id)
            flash(
                _("We sent a link to %(email)s. Your address changes when you follow it.", email=address),
                "info",
            )
            return redirect(url_for("accounts.my_account"))
        except DomainError as error:
            form.show_refusal(error)
    return _account_page(who, email=form), 422


def _account_page(who: Viewer, **forms: Any) -> str:
    user = queries.user(who.user_id)
    data = {"full_name": user.first_name, "locale": user.locale or "", "timezone": user.timezone or ""}
    return render_template(
        "accounts/account.html",
        profile_form=forms.get("profile") or ProfileForm(formdata=None, data=data),
        password_form=forms.get("password") or PasswordForm(formdata=None),
        email_form=forms.get("email") or EmailForm(formdata=None),
        email=user.email,
        memberships=who.place,
        sessions=[
            (account.device_words(row.agent), row.last_seen_at, row.id == who.session_id, row.id)
            for row in queries.sessions_of(who.user_id, who.tenant_id)
        ],
    )


def dead_link(error: DomainError, url: str, label: str) -> Any:
    """The page of a link that does not work, with a way on."""
    page = render_template(
        "accounts/link_dead.html",
        title=_("This link does not work"),
        text=str(error),
        action_url=url,
        action_label=label,
    )
    return page, error.status
