"""What catalog refuses."""

from flask_babel import lazy_gettext as _l

from app.core.errors import AlreadyExists, Conflict, Invalid


class SlugTaken(AlreadyExists):
    code, message = "slug_taken", _l("There is an offering of this title already.")


class SubjectTaken(AlreadyExists):
    code, message = "subject_taken", _l("There is a subject of this name already.")


class NotReady(Invalid):
    """`data["missing"]` lists what is still needed before it can be submitted."""

    code, message = "not_ready", _l("Something is still missing before this can be submitted.")


class NotSubmitted(Conflict):
    code, message = "not_submitted", _l("This is not waiting for a review.")


class OfferingClosed(Conflict):
    code, message = "offering_closed", _l("This offering can't be booked at the moment.")


class BadPrice(Invalid):
    code, message = "bad_price", _l("This is not a price that can be charged.")
