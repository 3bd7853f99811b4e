"""Who reacts to what, on one screen. NOW runs in the announcing transaction, LATER after its commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.core.events import Event, Later, Wiring
from app.domains.accounts import events as accounts
from app.domains.accounts import jobs as accounts_jobs
from app.domains.tenancy import events as tenancy
from app.domains.tenancy import jobs as tenancy_jobs

NOW: dict[type[Event], tuple[Callable[[Any], None], ...]] = {
    tenancy.TenantChanged: (tenancy_jobs.forget_hosts_at_once,),
}

LATER: dict[type[Event], tuple[Later, ...]] = {
    accounts.PersonInvited: (Later(accounts_jobs.send_invitation, queue="mail"),),
    accounts.PasswordResetRequested: (Later(accounts_jobs.send_reset, queue="mail"),),
    accounts.PasswordChanged: (Later(accounts_jobs.send_password_changed, queue="mail"),),
    accounts.EmailChangeRequested: (Later(accounts_jobs.send_email_confirmation, queue="mail"),),
    accounts.EmailChanged: (Later(accounts_jobs.send_email_changed, queue="mail"),),
    accounts.InvitationAccepted: (),
    accounts.RefreshTokenReused: (),
    accounts.RegistrationRequested: (Later(accounts_jobs.send_registration, queue="mail"),),
    accounts.PersonRegistered: (),
    accounts.ChildAdded: (),
    tenancy.TenantOpened: (Later(tenancy_jobs.forget_hosts, queue="critical"),),
    tenancy.TenantChanged: (Later(tenancy_jobs.forget_hosts, queue="critical"),),
    tenancy.TenantSuspended: (),
    tenancy.TenantResumed: (),
}


def make() -> Wiring:
    return Wiring(NOW, LATER)
