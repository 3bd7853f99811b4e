"""What catalog refuses."""

from flask_babel import lazy_gettext as _l

from app.core.errors import AlreadyExists, Conflict, Invalid


class SlugTaken(AlreadyExists):
    code, message = "slug_taken", _l("There is an offering of this title already.")


class SubjectTaken(AlreadyExists):
    code, message = "subject_taken", _l("There is a subject of this name already.")


class ProfileExists(AlreadyExists):
    code, message = "profile_exists", _l("This person has a profile already.")


class NotReady(Invalid):
    """`data["missing"]` lists what is still needed before it can be submitted."""

    code, message = "not_ready", _l("Something is still missing before this can be submitted.")


class NotSubmitted(Conflict):
    code, message = "not_submitted", _l("This is not waiting for a review.")


class OfferingClosed(Conflict):
    code, message = "offering_closed", _l("This offering can't be booked at the moment.")


class BadPrice(Invalid):
    code, message = "bad_price", _l("This is not a price that can be charged.")


class UnderReview(Conflict):
    code = "under_review"
    message = _l("This is being reviewed. Take it back first, then it can be changed.")


class OfferingArchived(Conflict):
    code, message = "offering_archived", _l("This offering is archived; nothing of it changes any more.")


class KindNotYet(Invalid):
    code, message = "kind_not_yet", _l("This kind of offering can't be made yet.")


class ChangedMeanwhile(Conflict):
    """What is stored is not what the page showed."""

    code = "changed_meanwhile"
    message = _l("This was changed somewhere else in the meantime. Please look at it again.")


class AlreadyReviewed(AlreadyExists):
    code, message = "already_reviewed", _l("There is a review for this already.")


class NothingToReview(Conflict):
    code = "nothing_to_review"
    message = _l("Only who came to a lesson can say how it was. Please come back after the lesson.")


class ReviewSettled(Conflict):
    code, message = "review_settled", _l("This review can't be changed any more.")


class AlreadyReplied(AlreadyExists):
    code, message = "already_replied", _l("This review has been answered already.")
