"""The family: children added and corrected by whoever answers for them, and by nobody else."""

from __future__ import annotations

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.core import clock
from app.core.db import db
from app.core.errors import DomainError, Invalid, NotAllowed, NotFound
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import events, policies, queries
from app.domains.accounts.errors import ChildKnown, TooManyChildren
from app.domains.accounts.models import Guardianship, Person
from app.domains.accounts.service import family
from tests.domains.accounts.support import rows, run
from tests.domains.accounts.test_handover import visit
from tests.support.databases import Database
from tests.support.statements import count_statements
from tests.support.world import Browser, Company, World

BORN = dt.date(2015, 5, 17)
CHILDREN = """
    SELECT c.full_name, c.birth_date, c.email FROM guardianship g
    JOIN person c ON c.id = g.child_id AND c.tenant_id = g.tenant_id
    WHERE g.guardian_id = %s ORDER BY c.id
"""
_KEY = re.compile(r'name="form_key" value="([^"]+)"')


def guardian(world: World, company: Company | None = None, role: str = "guardian") -> Browser:
    company = company or world.anna
    return world.browser(company.host, company.email(role))


def add(browser: Browser, name: str = "Zoe", born: str = "2015-05-17", **more: str) -> TestResponse:
    return browser.post("/family/add", **{"full_name": name, "birth_date": born, **more})


def child_id(database: Database, name: str = "Zoe") -> int:
    [(found,)] = rows(database, "SELECT id FROM person WHERE full_name = %s", name)
    return int(found)


class Family:
    """Calls the service as anna's guardian."""

    def __init__(self, world: World) -> None:
        self.world, self.me = world, world.anna.people["guardian"]

    def add(self, name: str = "Zoe", born: dt.date = BORN, by: int | None = None) -> int:
        with self.world.app.app_context(), tenant_scope(self.world.anna.id), transaction():
            me, other = queries.person(self.me), queries.person(by or self.me)
            return family.add_child(me, full_name=name, birth_date=born, by=other).id


# -- The page ----------------------------------------------------------------------------------------------


def test_from_the_empty_page_to_a_child(world: World, database: Database) -> None:
    browser = guardian(world)
    page = browser.get("/family/").text
    assert "No children yet" in page
    assert 'href="/family/add"' in page
    answer = add(browser)
    assert (answer.status_code, answer.location) == (302, "/family/"), answer.text
    with clock.frozen(dt.datetime(2026, 5, 16, 12, tzinfo=dt.UTC)):
        page = browser.get("/family/").text
        assert "Zoe is added." in page
        assert "10 years old" in page
        assert "No children yet" not in page
    with clock.frozen(dt.datetime(2026, 5, 17, 12, tzinfo=dt.UTC)):
        assert "11 years old" in browser.get("/family/").text
    assert rows(database, CHILDREN, world.anna.people["guardian"]) == [("Zoe", BORN, None)]
    verbs = "SELECT verb, actor_label FROM audit_entry WHERE thing_type = 'person' AND thing_label = 'Zoe'"
    assert rows(database, verbs) == [("added as a child", "Guardian anna <guardian@anna.test>")]


def test_others_are_told_of_a_new_child(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[events.ChildAdded] = []
    monkeypatch.setitem(world.app.extensions["wiring"].now, events.ChildAdded, (seen.append,))
    child = Family(world).add()
    assert seen == [
        events.ChildAdded(world.anna.id, guardian_id=world.anna.people["guardian"], child_id=child)
    ]


def test_a_student_adds_a_child_too(world: World, database: Database) -> None:
    assert add(guardian(world, role="student")).status_code == 302
    assert rows(database, CHILDREN, world.anna.people["student"]) == [("Zoe", BORN, None)]
    trail = "SELECT verb FROM audit_entry WHERE thing_type = 'person' AND thing_label = 'Zoe'"
    assert rows(database, trail) == [("added as a child",)]
    roles = "SELECT role_key FROM membership WHERE person_id = %s"
    assert rows(database, roles, world.anna.people["student"]) == [("student",)]


def test_it_leads_back_to_where_the_child_was_missing(world: World) -> None:
    browser = guardian(world)
    page = browser.get("/family/add?next=/account/").text
    assert 'value="/account/"' in page
    assert add(browser, next="/account/").location == "/account/"
    assert add(browser, "Yan", next="https://evil.test/").location == "/family/"


def test_a_correction(world: World, database: Database) -> None:
    browser = guardian(world)
    add(browser)
    path = f"/family/{child_id(database)}/edit"
    page = browser.get(path).text
    assert 'value="Zoe"' in page
    assert 'value="2015-05-17"' in page
    assert browser.post(path, full_name="Zoë", birth_date="2015-06-17").location == "/family/"
    expected = [("Zoë", dt.date(2015, 6, 17), None)]
    assert rows(database, CHILDREN, world.anna.people["guardian"]) == expected
    answer = browser.post(path, full_name="", birth_date="2035-06-17")
    assert answer.status_code == 422
    assert rows(database, CHILDREN, world.anna.people["guardian"]) == expected


def test_a_double_click_adds_one_child(world: World, database: Database) -> None:
    browser = guardian(world)
    page = browser.get("/family/add").text
    key = _KEY.search(page)
    assert key
    form = {"full_name": "Zoe", "birth_date": "2015-05-17", "form_key": key.group(1)}
    form["csrf_token"] = browser.csrf("/family/add")
    assert [browser.post_raw("/family/add", form).status_code for _click in range(2)] == [302, 302]
    assert rows(database, CHILDREN, world.anna.people["guardian"]) == [("Zoe", BORN, None)]
    again = browser.post_raw("/family/add", {**form, "form_key": "another-key"})
    assert again.status_code == 409
    assert "You have added this child already." in again.text
    assert add(browser, "Yan").status_code == 302, "a twin has another name"


def test_a_guardian_learns_too(world: World, database: Database) -> None:
    browser = guardian(world)
    assert "I want to learn, too" in browser.get("/family/").text
    for _click in range(2):
        assert browser.post("/family/learn", page="/family/").location == "/family/"
    page = browser.get("/family/").text
    assert "I want to learn, too" not in page
    roles = "SELECT role_key, status FROM membership WHERE person_id = %s ORDER BY id"
    assert rows(database, roles, world.anna.people["guardian"]) == [
        ("guardian", "active"),
        ("student", "active"),
    ]
    run(database, "UPDATE membership SET status = 'ended' WHERE role_key = 'student'")
    answer = browser.post("/family/learn", page="/family/")
    assert answer.status_code == 409
    assert "Your access here was ended" in answer.text


# -- Isolation ---------------------------------------------------------------------------------------------


def test_another_persons_child_does_not_exist(world: World, database: Database) -> None:
    add(guardian(world))
    add(guardian(world, world.bert), "Bea")
    path, foreign = f"/family/{child_id(database)}/edit", f"/family/{child_id(database, 'Bea')}/edit"
    before = rows(database, "SELECT id, full_name, birth_date FROM person ORDER BY id")
    for browser, paths in (
        (guardian(world, role="student"), (path, foreign)),
        (
            guardian(world),
            (foreign, "/family/777777777/edit", f"/family/{world.anna.people['student']}/edit"),
        ),
        (guardian(world, world.bert), (path,)),
    ):
        token = browser.csrf("/family/add")
        form = {"full_name": "Mine", "birth_date": "2015-05-17", "csrf_token": token}
        for other in paths:
            assert browser.get(other).status_code == 404
            assert browser.post_raw(other, form).status_code == 404
        assert "Bea" not in browser.get("/family/").text or browser.base.endswith(world.bert.host)
    assert rows(database, "SELECT id, full_name, birth_date FROM person ORDER BY id") == before


@pytest.mark.parametrize("role", ["manager", "tutor"])
def test_it_is_for_those_who_learn_or_answer_for_somebody(
    world: World, database: Database, role: str
) -> None:
    browser = guardian(world, role=role)
    token = browser.csrf("/account/")
    form = {"full_name": "Zoe", "birth_date": "2015-05-17", "csrf_token": token}
    for path in ("/family/", "/family/add"):
        assert browser.get(path).status_code == 403
    for path in ("/family/add", "/family/learn"):
        assert browser.post_raw(path, form).status_code == 403
    assert rows(database, "SELECT id FROM guardianship") == []


def test_visitors_sign_in_and_the_platform_has_none(world: World) -> None:
    browser = Browser(world.app, world.anna.host)
    assert browser.get("/family/add?next=/x").location.startswith("/login/?next=/family/add")
    assert world.operator().get("/family/").status_code == 404


def test_an_operators_visit_is_nobodys_family(world: World) -> None:
    browser = visit(world, world.anna)
    assert browser.get("/account/").status_code == 200
    assert browser.get("/family/").status_code == 403
    assert browser.get("/family/add").status_code == 403


# -- The service -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("born", "today", "fine"),
    [
        (dt.date(2030, 1, 1), dt.date(2030, 1, 1), False),
        (dt.date(2029, 12, 31), dt.date(2030, 1, 1), True),
        (dt.date(2030, 1, 2), dt.date(2030, 1, 1), False),
        (dt.date(2003, 1, 2), dt.date(2030, 1, 1), True),
        (dt.date(2003, 1, 1), dt.date(2030, 1, 1), False),
        (dt.date(2004, 2, 29), dt.date(2031, 2, 28), True),
        (dt.date(2004, 2, 29), dt.date(2031, 3, 1), False),
        (dt.date(1, 1, 1), dt.date(2030, 1, 1), False),
        (dt.date(9999, 12, 31), dt.date(2030, 1, 1), False),
    ],
)
def test_a_birth_date_is_in_the_past_and_not_too_far(born: dt.date, today: dt.date, fine: bool) -> None:
    if fine:
        assert policies.check_birth_date(born, today=today) is None
    else:
        with pytest.raises(Invalid) as refusal:
            policies.check_birth_date(born, today=today)
        assert refusal.value.field == "birth_date"


def test_ages_by_a_slow_count() -> None:
    for born in (dt.date(2004, 2, 29), dt.date(2010, 12, 31), dt.date(2011, 1, 1)):
        age, day = 0, born
        for _day in range(365 * 9):
            day += dt.timedelta(1)
            # 29 February has no anniversary in other years; its birthday is the day after the 28th.
            birthday = (day.month, day.day) == (born.month, born.day)
            if birthday or (born.month == 2 and (day.month, day.day) == (3, 1) and not _leap(day.year)):
                age += 1
            assert policies.age_on(born, day) == age


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def test_today_is_the_companys_by_business_time(world: World) -> None:
    """Berlin is a day ahead of UTC already; then the operator moved time."""
    late = dt.datetime(2030, 6, 1, 23, 30, tzinfo=dt.UTC)
    with clock.frozen(late):
        assert Family(world).add(born=dt.date(2030, 6, 1)) > 0
        with pytest.raises(Invalid):
            Family(world).add("Yan", born=dt.date(2030, 6, 2))


@pytest.mark.parametrize("name", [" ", "n" * 121])
def test_a_child_has_a_name_that_can_be_kept(world: World, database: Database, name: str) -> None:
    with pytest.raises(Invalid, match="give the child's name") as refused:
        Family(world).add(name)
    assert refused.value.field == "full_name"
    Family(world).add(f" {'n' * 120} ")
    assert rows(database, CHILDREN, world.anna.people["guardian"]) == [("n" * 120, BORN, None)]


def test_nobody_adds_a_child_for_somebody_else(world: World, database: Database) -> None:
    with pytest.raises(NotAllowed):
        Family(world).add(by=world.anna.people["student"])
    assert rows(database, "SELECT id FROM guardianship") == []


def test_nobody_corrects_a_child_of_somebody_else(world: World) -> None:
    found = Family(world).add()
    with world.app.app_context(), tenant_scope(world.anna.id), pytest.raises(NotFound), transaction():
        family.correct_child(
            queries.person(found),
            full_name="Mine",
            birth_date=BORN,
            by=queries.person(world.anna.people["student"]),
        )


def test_a_child_that_is_known_is_said_so_at_its_name(world: World) -> None:
    Family(world).add()
    with pytest.raises(ChildKnown) as refused:
        Family(world).add()
    assert refused.value.field == "full_name"


def test_there_is_room_for_twenty(world: World, database: Database) -> None:
    for number in range(policies.MOST_CHILDREN):
        Family(world).add(f"Child {number}")
    with pytest.raises(TooManyChildren):
        Family(world).add()
    assert len(rows(database, CHILDREN, world.anna.people["guardian"])) == policies.MOST_CHILDREN


def test_the_same_child_added_six_times_at_once(world: World, database: Database) -> None:
    def outcome(_number: int) -> Any:
        try:
            return Family(world).add()
        except DomainError as error:
            return type(error)

    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(outcome, range(6)))
    assert outcomes.count(ChildKnown) == 5
    assert rows(database, CHILDREN, world.anna.people["guardian"]) == [("Zoe", BORN, None)]


def test_for_whom_somebody_books(world: World) -> None:
    anna, me = world.anna, world.anna.people["guardian"]
    zoe, yan = Family(world).add("Zoe"), Family(world).add("Yan")
    with world.app.app_context(), tenant_scope(anna.id), count_statements(db.engine) as statements:
        assert [person.id for person in queries.learners_for(me)] == [yan, zoe]
        assert [person.id for person in queries.learners_for(anna.people["student"])] == [
            anna.people["student"]
        ]
        assert queries.learners_for(anna.people["tutor"]) == []
        assert [person.id for person in queries.children_of(me)] == [yan, zoe]
    assert len(statements) == 4
    with world.app.app_context(), tenant_scope(anna.id), transaction() as session:
        session.add(Guardianship(guardian_id=anna.people["student"], child_id=zoe))
    with world.app.app_context(), tenant_scope(anna.id):
        learners = [person.id for person in queries.learners_for(anna.people["student"])]
        assert learners == [anna.people["student"], zoe], "oneself comes first"
        mine = queries.guardianships_of(me)
        for learner, allowed in ((me, True), (zoe, True), (yan, True), (anna.people["tutor"], False)):
            assert policies.may_act_for(me, learner, mine) is allowed
        assert not policies.may_act_for(anna.people["student"], yan, mine)
        assert not policies.may_act_for(zoe, me, mine), "a child does not act for its guardian"
    with world.app.app_context(), tenant_scope(world.bert.id):
        assert queries.learners_for(me) == []
        assert queries.children_of(me) == []


# -- Hostile input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"full_name": "x" * 1_000_000},
        {"full_name": " \u3000"},
        {"full_name": "a\x00b"},
        {"full_name": "a\nb"},
        {"birth_date": ""},
        {"birth_date": "2015-02-30"},
        {"birth_date": "99999-01-01"},
        {"birth_date": "0000-00-00"},
        {"birth_date": "0001-01-01"},
        {"birth_date": "2999-01-01"},
        {"birth_date": "-1"},
        {"birth_date": "2015-05-17T00:00:00Z"},
        {"csrf_token": "wrong"},
    ],
    ids=lambda more: "{}={!r:.24}".format(*next(iter(more.items()))),
)
def test_what_is_refused_is_shown_again(world: World, database: Database, more: dict[str, str]) -> None:
    browser = guardian(world)
    token = browser.csrf("/family/add")
    form = {"full_name": "Zoe", "birth_date": "2015-05-17", "csrf_token": token, "form_key": "k" * 12}
    answer = browser.post_raw("/family/add", {**form, **more})
    assert answer.status_code == 422, answer.text[:500]
    assert "Not saved yet" in answer.text
    assert rows(database, "SELECT id FROM guardianship") == []
    assert browser.post_raw("/family/add", form).status_code == 302, "the key was not used up"


@pytest.mark.parametrize("name", ["👧🏽 Zoë", "<script>alert(1)</script>", "زوي", "陳" * 120])
def test_names_of_all_kinds(world: World, database: Database, name: str) -> None:
    browser = guardian(world)
    assert add(browser, name).status_code == 302
    assert rows(database, CHILDREN, world.anna.people["guardian"]) == [(name, BORN, None)]
    page = browser.get("/family/").text
    assert "<script>alert" not in page
    assert page.count(name.replace("<", "&lt;").replace(">", "&gt;")) >= 2


def test_a_child_whose_birthday_nobody_knows_is_shown(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        child = Person(full_name="From the office")
        session.add(child)
        session.flush()
        session.add(Guardianship(guardian_id=world.anna.people["guardian"], child_id=child.id))
    page = guardian(world).get("/family/").text
    assert "From the office" in page
    assert "years old" not in page
