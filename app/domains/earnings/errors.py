"""What earnings refuses."""

from flask_babel import lazy_gettext as _l

from app.core.errors import Conflict


class AlreadyReversed(Conflict):
    code, message = "already_reversed", _l("This earning was taken back already.")
