"""Writes of the catalogue, one function per verb, a module per noun."""

from app.domains.catalog.service.offerings import draft_offering, revise, submit, withdraw
from app.domains.catalog.service.profiles import add_profile, correct_profile, describe_tutor, profile_for
from app.domains.catalog.service.review import approve, changes_of, send_back
from app.domains.catalog.service.reviews import (
    hide,
    note_participation,
    reply_to,
    show,
    take_back_participation,
    write_review,
)
from app.domains.catalog.service.standing import archive, pause, resume

__all__ = [
    "add_profile",
    "approve",
    "archive",
    "changes_of",
    "correct_profile",
    "describe_tutor",
    "draft_offering",
    "hide",
    "note_participation",
    "pause",
    "profile_for",
    "reply_to",
    "resume",
    "revise",
    "send_back",
    "show",
    "submit",
    "take_back_participation",
    "withdraw",
    "write_review",
]
