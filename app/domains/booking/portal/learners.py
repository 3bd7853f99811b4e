"""For whom somebody who looks at a held time can book it."""

from __future__ import annotations

from flask_babel import gettext as _

from app.core.errors import NotAllowed
from app.core.viewer import Viewer
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import GUARDIAN, Person
from app.domains.accounts.service import registration
from app.domains.booking.forms import StudentForm
from app.domains.booking.queries import SeatReserved

ONESELF = "me"  # a guardian who takes no lessons yet


class Learners:
    """Read once, when a request asks; `choices` are (value, words). Nobody for a visitor."""

    def __init__(self, who: Viewer | None) -> None:
        self._who = who
        self._people: dict[str, Person] = {}
        self.choices: list[tuple[str, str]] = []
        if who is None or who.person_id is None:
            return
        self._people = {str(person.id): person for person in accounts.learners_for(who.person_id)}
        self.choices = [(value, self._named(person)) for value, person in self._people.items()]
        if GUARDIAN in who.role_keys and str(who.person_id) not in self._people:
            self.choices.append((ONESELF, _("Myself")))

    def _named(self, person: Person) -> str:
        if self._who is not None and person.id == self._who.person_id:
            return _("Myself (%(name)s)", name=person.full_name)
        return person.full_name

    def form(self, seat: SeatReserved | None) -> StudentForm:
        chosen = str(seat.student_id) if seat is not None and seat.student_id else None
        if chosen is None and len(self.choices) == 1:
            only = self.choices[0][0]
            chosen = only if only != ONESELF else None  # who registered for a child adds it
        form = StudentForm(data={"student": chosen})
        form.student.choices = list(self.choices)
        return form

    def payer(self) -> Person:
        """Whoever looks. Raises NotAllowed for an operator on a visit."""
        if self._who is None or self._who.person_id is None:
            raise NotAllowed
        return self._people.get(str(self._who.person_id)) or accounts.person(self._who.person_id)

    def chosen(self, value: str) -> Person:
        """One of `choices`: the form knows no other. A guardian who books for themselves takes lessons from
        now on."""
        if value != ONESELF:
            return self._people[value]
        payer = self.payer()
        assert self._who is not None, "somebody pays"
        registration.learn_too(payer, user_id=self._who.user_id)
        return payer
