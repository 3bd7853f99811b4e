"""What notifications announces."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class MailDue(Event):
    """One mail to one person, `letter` says which. Each is a delivery of its own, so that one that fails is
    tried again alone. `subject_id` is the row that it is about, as it is when the mail is written."""

    letter: str
    person_id: int
    subject_id: int
