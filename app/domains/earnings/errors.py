"""What earnings refuses."""

from flask_babel import lazy_gettext as _l

from app.core.errors import Conflict, Invalid


class AlreadyReversed(Conflict):
    code, message = "already_reversed", _l("This earning was taken back already.")


class MoreThanLeft(Conflict):
    code, message = "more_than_left", _l("This is more than is left of what was paid.")


class InForce(Conflict):
    code = "commission_in_force"
    message = _l("These terms are in force, and lessons were sold under them. Add new ones that follow them.")


class BeginsInThePast(Invalid):
    code = "begins_in_the_past"
    message = _l("Terms can't begin in the past: what was sold keeps the terms it was sold under.")
