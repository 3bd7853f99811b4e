"""What accounts refuses."""

from flask_babel import lazy_gettext as _l

from app.core.errors import AlreadyExists, Conflict, DomainError, Invalid, NotAllowed, TooMany


class WrongCredentials(DomainError):
    """One wording for an unknown address, a wrong password and a closed account."""

    code, status = "wrong_credentials", 401
    message = _l("The e-mail address or the password is not right.")


class TokenRefused(DomainError):
    code, status, message = "token_refused", 401, _l("This token is not valid. Please sign in again.")


class AlreadyInvited(AlreadyExists):
    code = "already_invited"
    message = _l("This address is invited already. You can send the invitation again from the list.")


class AlreadyMember(AlreadyExists):
    code, message = "already_member", _l("This person already has this role.")


class MembershipEnded(Conflict):
    """The company took this place away; only it gives it back."""

    code = "membership_ended"
    message = _l("Your access here was ended. Please ask the company to give it back to you.")


class InvitationClosed(Conflict):
    code, message = "invitation_closed", _l("This invitation was already accepted or withdrawn.")


class TooManyInvitations(TooMany):
    """The company's share of this hour is used up; nothing of what was asked for is sent."""

    code = "too_many_invitations"
    message = _l("That is more invitations than a company can send in an hour. Please go on a little later.")


class TooManyToAddress(TooMany):
    code = "too_many_to_address"
    message = _l("This address has been sent several invitations today. Please try again tomorrow.")


class WeakPassword(Invalid):
    code = "weak_password"
    message = _l(
        "Choose another password: at least 10 characters, not one that others use as well, and more than your"
        " name, your address or the name of the company."
    )


class MoreThanHeld(NotAllowed):
    code, message = "more_than_held", _l("You can only grant rights that you hold yourself.")


class LastManager(Conflict):
    code, message = "last_manager", _l("A company needs at least one manager.")


class TutorLimit(Conflict):
    code = "tutor_limit"
    message = _l("Your plan has no room for another tutor. Please talk to us about a larger one.")


class PlanTooSmall(Conflict):
    code = "plan_too_small"
    message = _l("This plan has room for fewer tutors than the company has, the invited ones included.")


class RoleInUse(Conflict):
    code, message = "role_in_use", _l("People still have this role. Give them another one first.")


class RoleNameTaken(AlreadyExists):
    code, message = "role_name_taken", _l("There is a role of this name already.")


class EmailTaken(AlreadyExists):
    code, message = "email_taken", _l("This address can't be used.")


class AlreadyConnected(AlreadyExists):
    code, message = "already_connected", _l("These two are connected already.")


class NotOneself(Invalid):
    code, message = "not_oneself", _l("Nobody is their own guardian.")


class ChildKnown(AlreadyExists):
    code, message = "child_known", _l("You have added this child already.")


class TooManyChildren(Conflict):
    code, message = "too_many_children", _l("There is no room for another child. Please ask the company.")
