"""Mail out: `build` makes the provider that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.providers.mail.base import Attachment, CalendarPart, Mail, Mailbox, MailInvalid, MailProvider
from app.providers.mail.mock import MockMail
from app.providers.mail.smtp import SmtpMail

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from config import Settings

__all__ = ["Attachment", "CalendarPart", "Mail", "MailInvalid", "MailProvider", "Mailbox", "build"]


def build(settings: Settings, engine: Engine) -> MailProvider:
    """The provider of this installation; raises MailInvalid where MAIL_FROM is no sender."""
    sender = Mailbox.parse(settings.MAIL_FROM)
    if settings.MAIL_PROVIDER == "mock":
        return MockMail(engine, sender=sender)
    return SmtpMail(
        host=settings.SMTP_HOST,
        port=settings.SMTP_PORT,
        sender=sender,
        security=settings.SMTP_SECURITY,
        username=settings.SMTP_USERNAME,
        password=settings.SMTP_PASSWORD,
    )
