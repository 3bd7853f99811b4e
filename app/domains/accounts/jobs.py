"""Mails of accounts. Each handler reads the present state, makes its link and sends; a repeat carries the
same Message-ID. A mail that makes no sense any more is not sent."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app, render_template
from flask_babel import force_locale, format_datetime
from flask_babel import gettext as _

from app.core import clock, scope
from app.core.errors import NotFound
from app.core.events import Delivery
from app.core.ids import fingerprint
from app.core.transaction import transaction
from app.domains.accounts import policies, queries
from app.domains.accounts.models import PENDING
from app.domains.accounts.service import people, registration, signin
from app.domains.tenancy import queries as tenancy
from app.domains.tenancy.models import ACTIVE, DEFAULT_PRIMARY
from app.providers.mail import Mail, Mailbox


def send_invitation(delivery: Delivery) -> None:
    """The link by which an invited person joins."""
    try:
        invitation = queries.invitation(delivery.event.invitation_id)
    except NotFound:
        return
    if invitation.status != PENDING or invitation.expires_at <= clock.machine_now():
        return
    place = _place(invitation.tenant_id)
    issue = invitation.issue
    with force_locale(place["locale"]):
        _send(
            delivery,
            place,
            to=invitation.email,
            template="invitation",
            subject=_(
                "%(inviter)s invites you to %(site)s",
                inviter=_name(invitation.invited_by),
                site=place["site_name"],
            ),
            path=f"/invitation/{people.invitation_token(invitation)}",
            person_name=str(invitation.person),
            inviter_name=_name(invitation.invited_by),
            role_label=invitation.role_label,
            expires_text=_until(invitation.expires_at, place["timezone"]),
        )
    with transaction():
        again = queries.invitation_for_update(invitation.id)
        if again.issue == issue:
            again.sent_at = clock.machine_now()


def send_registration(delivery: Delivery) -> None:
    """The link that proves an address. It goes to whomever somebody typed, so nothing in it is their text:
    a name can be an advertisement."""
    asked = delivery.event
    if tenancy.tenant(asked.tenant_id).status != ACTIVE:
        return
    place = _place(asked.tenant_id)
    with force_locale(asked.locale or place["locale"]):
        _send(
            delivery,
            place,
            to=asked.email,
            template="registration",
            subject=_("Confirm your registration at %(site)s", site=place["site_name"]),
            path=f"/register/{registration.token_of(asked)}",
            expires_text=_until(clock.machine_now() + policies.REGISTRATION_LIFE, place["timezone"]),
        )


def send_reset(delivery: Delivery) -> None:
    """The link by which a forgotten password is replaced, if the address typed has an account here."""
    user = signin.user_to_reset(delivery.event.email, tenant_id=delivery.event.tenant_id)
    if user is None:
        return
    place = _place(delivery.event.tenant_id)
    with force_locale(user.locale or place["locale"]):
        _send(
            delivery,
            place,
            to=user.email,
            template="reset",
            subject=_("Choose a new password for %(site)s", site=place["site_name"]),
            path=f"/reset/{signin.reset_token(user, delivery.event.tenant_id)}",
            person_name=user.first_name,
            expires_text=_until(
                clock.machine_now() + policies.RESET_LIFE, user.timezone or place["timezone"]
            ),
        )


def send_password_changed(delivery: Delivery) -> None:
    """Tells the owner, so that a thief's change does not stay unnoticed."""
    user, place = queries.user(delivery.event.user_id), _place(delivery.event.tenant_id)
    with force_locale(user.locale or place["locale"]):
        _send(
            delivery,
            place,
            to=user.email,
            template="password_changed",
            subject=_("Your password was changed"),
            path="/forgot/",
            person_name=user.first_name,
        )


def send_email_changed(delivery: Delivery) -> None:
    """Tells the former address that it signs in no more."""
    user, place = queries.user(delivery.event.user_id), _place(delivery.event.tenant_id)
    with force_locale(user.locale or place["locale"]):
        _send(
            delivery,
            place,
            to=delivery.event.former_email,
            template="email_changed",
            subject=_("Your e-mail address was changed"),
            path="/forgot/",
            person_name=user.first_name,
        )


def send_email_confirmation(delivery: Delivery) -> None:
    """The link that proves a new address; goes to that address."""
    user, place = queries.user(delivery.event.user_id), _place(delivery.event.tenant_id)
    with force_locale(user.locale or place["locale"]):
        _send(
            delivery,
            place,
            to=delivery.event.new_email,
            template="verify",
            subject=_("Confirm your e-mail address"),
            path=f"/verify/{signin.email_token(user, delivery.event.new_email)}",
            person_name=user.first_name,
            expires_text=_until(
                clock.machine_now() + policies.EMAIL_CHANGE_LIFE, user.timezone or place["timezone"]
            ),
        )


def _send(
    delivery: Delivery,
    place: dict[str, Any],
    *,
    to: str,
    template: str,
    subject: str,
    path: str,
    **words: str,
) -> None:
    """Render both parts, end the read transaction, and hand the mail to the provider."""
    context = {**place, **words, "url": place["base_url"] + path}
    mail = Mail(
        to=to,
        subject=subject,
        text=render_template(f"accounts/mail/{template}.txt", **context),
        html=render_template(f"accounts/mail/{template}.html", **context),
        message_id=fingerprint(delivery.key)[:40],
        sender=Mailbox(current_app.extensions["mail_sender"].address, place["site_name"]),
    )
    scope.release()
    current_app.extensions["mail"].send(mail)


def _place(tenant_id: int | None) -> dict[str, Any]:
    settings = current_app.extensions["settings"]
    if tenant_id is None:
        return {
            "site_name": "WeMaster",
            "base_url": settings.url_of(settings.BASE_DOMAIN, ""),
            "brand_color": DEFAULT_PRIMARY,
            "locale": settings.DEFAULT_LOCALE,
            "timezone": "UTC",
        }
    tenant = tenancy.tenant(tenant_id)
    return {
        "site_name": tenant.name,
        "base_url": settings.url_of(f"{tenant.slug}.{settings.BASE_DOMAIN}", ""),
        "brand_color": tenant.primary_color,
        "locale": tenant.locale,
        "timezone": tenant.timezone,
    }


def _name(label: str) -> str:
    """`Anna <anna@x.test>` without the address."""
    return label.split(" <", 1)[0]


def _until(moment: dt.datetime, zone: str) -> str:
    """To the minute, with the zone's name; a translation may order the parts as its language does."""
    local = moment.astimezone(ZoneInfo(zone))
    return str(format_datetime(local, _("d MMMM y, HH:mm zzz"), rebase=False))
