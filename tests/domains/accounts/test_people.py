"""People, roles and accounts as the services make them: every column, and every refusal at its field."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import clock
from app.core.db import db
from app.core.errors import Invalid
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import policies, queries
from app.domains.accounts.errors import MoreThanHeld, PlanTooSmall, WeakPassword
from app.domains.accounts.models import OPERATOR, Invitation, Person, TenantRole
from app.domains.accounts.service import passwords, people, signin
from app.domains.accounts.service.people import Inviter, RoleChoice
from tests.domains.accounts.support import NEW_PASSWORD, later
from tests.support.world import PASSWORD, World

HELD = frozenset({"person.read", "person.write", "invitation.read"})
EMAIL = "nora@mail.test"


def inside(world: World, work: Any) -> Any:
    """In anna's scope, written for good."""
    with world.app.app_context(), tenant_scope(world.anna.id), transaction():
        return work()


def invite(world: World, email: str = EMAIL, **more: Any) -> Invitation:
    how = {
        "choice": RoleChoice(key="student"),
        "by": Inviter("Mia", people.rights_of("manager", None)),
        **more,
    }
    return people.invite(full_name=" Nora ", email=email, **how)


def test_an_invitation_is_a_person_and_a_door(world: World) -> None:
    now = clock.machine_now()
    with clock.machine_frozen(now):
        made = inside(world, lambda: invite(world, " Nora@Mail.test "))
    with world.app.app_context(), tenant_scope(world.anna.id):
        found = queries.invitation(made.id)
        person = db.session.get_one(Person, found.person_id)
        assert (person.full_name, person.email, person.tenant_id) == ("Nora", EMAIL, world.anna.id)
        assert (found.email, found.role_key, found.role_id, found.status) == (
            EMAIL,
            "student",
            None,
            "pending",
        )
        assert (found.issue, found.invited_by) == (1, "Mia")
        assert found.expires_at == now + policies.INVITATION_LIFE
    with later(days=1):
        moment = clock.machine_now()
        inside(world, lambda: people.send_again(made, by_rights=people.rights_of("manager", None)))
    with world.app.app_context(), tenant_scope(world.anna.id):
        found = queries.invitation(made.id)
        assert (found.issue, found.expires_at) == (2, moment + policies.INVITATION_LIFE)


def test_whoever_is_known_by_the_address_is_invited(world: World) -> None:
    """Two who share one can't be told apart, so that somebody new is."""
    known = inside(world, lambda: _person("Nora as the office wrote her"))
    assert inside(world, lambda: invite(world)).person_id == known
    siblings = [inside(world, lambda name=name: _person(name, "home@mail.test")) for name in ("Ada", "Ben")]
    assert inside(world, lambda: invite(world, "home@mail.test")).person_id not in siblings
    member = inside(world, lambda: invite(world, "tutor@anna.test"))
    assert member.person_id == world.anna.people["tutor"]


def _person(name: str, email: str = EMAIL) -> int:
    person = Person(full_name=name, email=email)
    db.session.add(person)
    db.session.flush()
    return person.id


@pytest.mark.parametrize(
    "wrong", [{}, {"key": "nobody"}, {"key": "operator"}, {"key": "tutor", "role": TenantRole()}]
)
def test_a_role_is_chosen_from_what_there_is(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="Please choose a role") as refused:
        RoleChoice(**wrong)
    assert refused.value.field == "role"


def test_an_address_that_is_none_is_refused_at_its_field() -> None:
    assert people.clean_email(" O'Brien+X@Mail.TEST ") == "o'brien+x@mail.test"
    for field in ("email", "new_email"):
        with pytest.raises(Invalid, match="This is not an e-mail address") as refused:
            people.clean_email("nora@", field=field)
        assert refused.value.field == field
    with pytest.raises(Invalid) as usual:
        people.clean_email("nora@")
    assert usual.value.field == "email"


def test_a_role_of_the_companys_own_is_composed(world: World) -> None:
    def compose(role: TenantRole, name: str = " Desk ", rights: Any = ("person.write", "person.read")) -> int:
        given = [*rights, *rights]
        return people.compose_role(role, name=name, rights=given, by_rights=HELD).id

    role_id = inside(world, lambda: compose(TenantRole()))
    with world.app.app_context(), tenant_scope(world.anna.id):
        role = db.session.get_one(TenantRole, role_id)
        assert (role.name, role.rights) == ("Desk", ["person.read", "person.write"])
        assert people.rights_of(None, role) == {"person.read", "person.write"}
        assert people.rights_of(None, None) == frozenset()
        assert RoleChoice(role=role).rights == {"person.read", "person.write"}
        for wrong, words in (({"name": " "}, "give the role a name"), ({"rights": ()}, "at least one right")):
            with pytest.raises(Invalid, match=words) as refused:
                compose(TenantRole(), **wrong)  # type: ignore[arg-type]
            assert [refused.value.field] == [*wrong]
        with pytest.raises(MoreThanHeld):
            people.delete_role(role, by_rights=frozenset({"person.read"}))
    inside(world, lambda: people.delete_role(db.session.get_one(TenantRole, role_id), by_rights=HELD))
    assert inside(world, lambda: db.session.query(TenantRole).count()) == 0


def test_an_account_is_proved_and_named(world: World) -> None:
    now = clock.machine_now()
    with world.app.app_context(), platform_scope("test"):
        with transaction(), clock.machine_frozen(now):
            made = people.make_platform_user(
                email=" Olaf@WeMaster.test ", full_name=f" {'O' * 65} ", password=NEW_PASSWORD, role=OPERATOR
            )
        found = queries.user(made.id)
        assert (found.email, found.username, found.platform_role) == (*["olaf@wemaster.test"] * 2, OPERATOR)
        assert (found.first_name, found.last_name, found.active) == ("O" * 64, "", True)
        assert found.email_verified_at == now
        assert passwords.matches(found.password, NEW_PASSWORD)
        assert not passwords.matches(found.password, PASSWORD)
        assert not passwords.matches(None, "nobody has this password")
        assert [signin.place_name(place) for place in (None, world.anna.id)] == ["", "Anna Tutors"]
        for name, password, field in ((" ", NEW_PASSWORD, "full_name"), ("Nora", "short", "password")):
            with pytest.raises(
                Invalid, match="tell us your name" if name == " " else "another password"
            ) as refused:
                people.new_user(EMAIL, name, password)
            assert refused.value.field == field
        with passwords.published(["short"]):
            assert people.new_user(EMAIL, "Nora", "short").id, "the demo's passwords keep no rules"
        for word in ("Nora Newcomer 1", "Anna Tutors 1", EMAIL):
            with pytest.raises(WeakPassword):
                people.new_user(EMAIL, "Nora Newcomer", word, tenant_id=world.anna.id)
        db.session.rollback()


def test_a_published_password_is_hashed_once_and_only_within_the_block() -> None:
    with passwords.published(["demo"]):
        first, second, other = (passwords.hash_password(word) for word in ("demo", "demo", "another"))
        assert passwords.is_published("demo")
    assert first == second != other
    assert passwords.hash_password("demo") != first
    assert not passwords.is_published("demo")
    assert [passwords.matches(first, word) for word in ("demo", "another")] == [True, False]


def test_a_plan_needs_room_for_the_tutors_there_are(world: World) -> None:
    with world.app.app_context(), platform_scope("test"):
        people.check_plan(world.anna.id, max_tutors=1)
        people.check_plan(world.anna.id, max_tutors=None)
        with pytest.raises(PlanTooSmall) as refused:
            people.check_plan(world.anna.id, max_tutors=0)
        assert refused.value.field == "plan"


def test_a_person_speaks_as_their_account_unless_theirs_is_known(world: World) -> None:
    with world.app.app_context(), platform_scope("test"):
        user = queries.user(world.anna.accounts["tutor"])
        user.locale, user.timezone = "de", "Asia/Tokyo"
        new, known = Person(full_name="N"), Person(full_name="K", locale="fr", timezone="Europe/Paris")
        for person in (new, known):
            people.adopt_preferences(person, user, locale="ar")
        assert (new.locale, new.timezone) == ("de", "Asia/Tokyo")
        assert (known.locale, known.timezone) == ("fr", "Europe/Paris")
        user.locale = None
        people.adopt_preferences(other := Person(full_name="O"), user, locale="ar")
        assert other.locale == "ar"
        db.session.rollback()
