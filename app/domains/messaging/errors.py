"""What messaging refuses."""

from flask_babel import lazy_gettext as _l

from app.core.errors import Invalid


class EmptyMessage(Invalid):
    code, message = "empty_message", _l("Please write something first.")


class MessageTooLong(Invalid):
    code, message = "message_too_long", _l("This message is too long: 4,000 characters at most.")
