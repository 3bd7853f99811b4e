"""Mails. `send_mail` sends one to one person: `letters` is what each says, `mailing` how it goes out."""

from app.domains.notifications.jobs.letters import send_mail

__all__ = ["send_mail"]
