"""What accounts announces. Ids only: a mail's link is made when the mail is."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class PersonInvited(Event):
    invitation_id: int


@dataclass(frozen=True)
class InvitationAccepted(Event):
    invitation_id: int


@dataclass(frozen=True)
class RegistrationRequested(Event):
    """Somebody typed this address; whether it has an account is found out when the link is followed."""

    email: str
    full_name: str
    kind: str
    next: str
    locale: str | None = None


@dataclass(frozen=True)
class PersonRegistered(Event):
    person_id: int
    role_key: str


@dataclass(frozen=True)
class ChildAdded(Event):
    guardian_id: int
    child_id: int


@dataclass(frozen=True)
class PasswordResetRequested(Event):
    """Somebody typed this address; whether it is an account's is found out when the mail is due."""

    email: str


@dataclass(frozen=True)
class PasswordChanged(Event):
    user_id: int


@dataclass(frozen=True)
class EmailChangeRequested(Event):
    user_id: int
    new_email: str


@dataclass(frozen=True)
class EmailChanged(Event):
    """The former address is told, so that a thief's change does not stay unnoticed."""

    user_id: int
    former_email: str


@dataclass(frozen=True)
class RefreshTokenReused(Event):
    """A used refresh token came again: its sign-in was ended, since one of the two holders is a thief."""

    user_id: int
    session_id: int
