"""Children and who answers for them. A child is a person without a login; what it does is done for it."""

from __future__ import annotations

import datetime as dt

from flask_babel import lazy_gettext as _l

from app.core import clock
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid, NotAllowed
from app.core.events import announce
from app.domains.accounts import events, policies, queries
from app.domains.accounts.errors import ChildKnown, TooManyChildren
from app.domains.accounts.models import Guardianship, Person
from app.domains.tenancy import queries as tenancy

LONGEST_NAME = 120


def add_child(guardian: Person, *, full_name: str, birth_date: dt.date, by: Person) -> Person:
    """A child for whom `guardian` answers and books from now on.

    Raises Invalid, ChildKnown, TooManyChildren, and NotAllowed where `by` is not the guardian.
    """
    if by.id != guardian.id:
        raise NotAllowed
    queries.person(guardian.id, lock=True)  # two who add at once take turns
    name = _checked(full_name, birth_date, tenant_id=guardian.tenant_id)
    children = queries.children_of(guardian.id)
    if any((child.full_name, child.birth_date) == (name, birth_date) for child in children):
        raise ChildKnown(field="full_name")
    if len(children) >= policies.MOST_CHILDREN:
        raise TooManyChildren
    child = Person(full_name=name, birth_date=birth_date)
    db.session.add(child)
    note(child, "added as a child")
    db.session.flush()  # the key that joins the two points at it
    db.session.add(Guardianship(guardian_id=guardian.id, child_id=child.id))
    announce(events.ChildAdded(tenant_id=guardian.tenant_id, guardian_id=guardian.id, child_id=child.id))
    return child


def correct_child(child: Person, *, full_name: str, birth_date: dt.date, by: Person) -> Person:
    """What the child is called and when it was born. Raises Invalid, and NotFound for anybody else's."""
    child = queries.child_of(by.id, child.id, lock=True)
    child.full_name = _checked(full_name, birth_date, tenant_id=child.tenant_id)
    child.birth_date = birth_date
    return child


def _checked(full_name: str, birth_date: dt.date, *, tenant_id: int) -> str:
    """The name as it is kept. Raises Invalid."""
    name = full_name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(_l("Please give the child's name."), field="full_name")
    policies.check_birth_date(birth_date, today=clock.today(tenancy.tenant(tenant_id).timezone))
    return name
