"""Commission plans: whose terms hold when, and that terms which were in force are history."""

from __future__ import annotations

import datetime as dt

import pytest

from app.core import clock
from app.core.errors import Invalid
from app.domains.accounts.models import Person
from app.domains.earnings import queries, service
from app.domains.earnings.errors import BeginsInThePast, InForce
from app.domains.earnings.models import CommissionPlan
from tests.domains.earnings.support import AT, DAY, at, sell
from tests.support.world import World

NO_SEAT = 0


def plan(world: World, share: int, valid_from: dt.datetime, *, own: bool = False, days: int = 7) -> int:
    with at(world, valid_from) as session:
        person = session.get(Person, world.anna.people["tutor"]) if own else None
        made = service.plan_commission(
            name=f"{share}", person=person, tutor_share_bp=share, hold_days=days, valid_from=valid_from
        )
        session.flush()
        return int(made.id)


def terms(world: World, when: dt.datetime, role: str = "tutor") -> tuple[int, int, int | None]:
    with at(world, when):
        _is_sold, found = queries.terms_of_sale(NO_SEAT, world.anna.people[role], when)
        return found.tutor_share_bp, found.hold_days, found.plan_id


def test_the_nearest_terms_hold(world: World) -> None:
    """Nobody's, then those for all, then the tutor's own, each from its moment on."""
    everybodys = plan(world, 6000, AT + DAY, days=3)
    own = plan(world, 8000, AT + 2 * DAY, own=True)
    newer = plan(world, 6500, AT + 3 * DAY)
    newest = plan(world, 8500, AT + 4 * DAY, own=True, days=0)
    assert terms(world, AT) == (7000, 7, None)
    assert terms(world, AT + DAY) == (6000, 3, everybodys)
    assert terms(world, AT + 2 * DAY) == (8000, 7, own)
    assert terms(world, AT + 3 * DAY) == (8000, 7, own)
    assert terms(world, AT + 3 * DAY, "manager") == (6500, 7, newer)
    assert terms(world, AT + 4 * DAY) == (8500, 0, newest)
    with at(world, AT + 4 * DAY):
        assert queries.plans_in_force(AT + 4 * DAY) == {newer, newest}
        assert queries.plans_in_force(AT) == frozenset()


def test_another_companys_terms_do_not_hold(world: World) -> None:
    plan(world, 6000, AT)
    with at(world, AT, company=world.bert):
        _is_sold, found = queries.terms_of_sale(NO_SEAT, world.bert.people["tutor"], AT)
        assert found.tutor_share_bp == 7000


def test_what_was_sold_keeps_its_terms(world: World) -> None:
    first = plan(world, 6000, AT)
    with at(world, AT + DAY):
        before = sell(world.anna.people["tutor"])
    plan(world, 8000, AT + 2 * DAY, days=14)
    with at(world, AT + 2 * DAY):
        after = sell(world.anna.people["tutor"], seat_id=2)
    assert (before.tutor_share_bp, before.hold_days, before.plan_id) == (6000, 7, first)
    assert (after.tutor_share_bp, after.hold_days) == (8000, 14)


def test_terms_in_force_are_history(world: World) -> None:
    later = plan(world, 6000, AT + DAY)
    change = {"name": "New", "person": None, "tutor_share_bp": 6100, "hold_days": 8}
    with at(world) as session:
        service.change_plan(session.get(CommissionPlan, later), **change, valid_from=AT + 2 * DAY)
    with pytest.raises(InForce), at(world, AT + 2 * DAY) as session:
        service.change_plan(session.get(CommissionPlan, later), **change)
    with pytest.raises(InForce), at(world, AT + 2 * DAY) as session:
        service.drop_plan(session.get(CommissionPlan, later))
    assert terms(world, AT + 2 * DAY) == (6100, 8, later)
    with at(world) as session:
        service.drop_plan(session.get(CommissionPlan, later))
    assert terms(world, AT + 2 * DAY) == (7000, 7, None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "  "}, "name"),
        ({"tutor_share_bp": -1}, "tutor_share_bp"),
        ({"tutor_share_bp": 10_001}, "tutor_share_bp"),
        ({"hold_days": -1}, "hold_days"),
        ({"hold_days": 91}, "hold_days"),
        ({"valid_from": AT - DAY}, "valid_from"),
    ],
)
def test_wrong_terms_are_refused(world: World, wrong: dict[str, object], field: str) -> None:
    good = {"name": "Terms", "person": None, "tutor_share_bp": 7000, "hold_days": 7}
    with pytest.raises((Invalid, BeginsInThePast)) as raised, at(world):
        service.plan_commission(**{**good, **wrong})
    assert raised.value.field == field


@pytest.mark.parametrize(
    "bound",
    [
        {"tutor_share_bp": 0},
        {"tutor_share_bp": 10_000},
        {"hold_days": 0},
        {"hold_days": 90},
        {"valid_from": AT - dt.timedelta(minutes=2)},  # typed to the minute, and sent a moment later
    ],
)
def test_each_limit_of_terms_is_allowed(world: World, bound: dict[str, object]) -> None:
    good = {"name": " Terms ", "person": None, "tutor_share_bp": 7000, "hold_days": 7}
    with at(world):
        made = service.plan_commission(**{**good, **bound})
    assert (made.name, made.valid_from) == ("Terms", AT), "never from before now on"


# -- in the admin -----------------------------------------------------------------------------------------

FORM = {"name": "Autumn", "person": "", "tutor_share_bp": "72,5 %", "hold_days": "10", "valid_from": ""}


def test_a_manager_sets_terms_in_percent(world: World) -> None:
    manager = world.manager()
    answer = manager.post("/admin/commission-plans/add", **FORM)
    assert answer.status_code == 302, answer.text
    page = manager.get(answer.headers["Location"]).text
    assert "72.5%" in page
    assert "In force" in page
    assert "All tutors" in page
    assert terms(world, clock.now() + DAY)[:2] == (7250, 10)
    assert manager.get(f"{answer.headers['Location']}/edit").status_code == 404
    assert manager.get(f"{answer.headers['Location']}/delete").status_code == 404


def test_terms_to_come_can_be_changed(world: World) -> None:
    manager = world.manager()
    soon = (clock.now() + 30 * DAY).strftime("%Y-%m-%dT%H:%M")
    person = str(world.anna.people["tutor"])
    made = manager.post("/admin/commission-plans/add", **{**FORM, "person": person, "valid_from": soon})
    path = made.headers["Location"]
    assert "Not yet" in manager.get(path).text
    form = manager.get(f"{path}/edit").text
    assert 'value="72.5"' in form
    stamp = form.split('name="stamp" value="')[1].split('"')[0] if 'name="stamp" value="' in form else None
    more = {"stamp": stamp} if stamp else {}
    sent = {**FORM, "person": "", "tutor_share_bp": "60", "valid_from": soon, **more}
    answer = manager.post(f"{path}/edit", **sent)
    assert answer.status_code == 302, answer.text
    assert terms(world, clock.now() + 31 * DAY, "manager")[:2] == (6000, 10)
    assert manager.post(f"{path}/delete").status_code == 302
    assert terms(world, clock.now() + 31 * DAY)[:2] == (7000, 7)


@pytest.mark.parametrize(
    "typed", ["", " ", "\u3000", "-1", "100.01", "101", "7.125", "1e1", "NaN", "70 €", "seventy", "９０"]
)
def test_a_share_that_is_none_is_refused_at_its_field(world: World, typed: str) -> None:
    answer = world.manager().post("/admin/commission-plans/add", **{**FORM, "tutor_share_bp": typed})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    with at(world) as session:
        assert session.query(CommissionPlan).count() == 0


@pytest.mark.parametrize(
    ("typed", "basis_points"),
    [("0", 0), ("100", 10_000), ("100.00", 10_000), ("0,5", 50), ("7.25%", 725), (" 33.3 % ", 3330)],
)
def test_a_share_is_typed_in_percent(world: World, typed: str, basis_points: int) -> None:
    answer = world.manager().post("/admin/commission-plans/add", **{**FORM, "tutor_share_bp": typed})
    assert answer.status_code == 302, answer.text
    assert terms(world, clock.now() + DAY)[0] == basis_points


def test_the_api_takes_percent_too(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token(world.anna)}"}
    answer = world.app.test_client().post(
        "/api/v1/commission-plans/",
        json={"name": "By API", "tutor_share_bp": 72.5, "hold_days": 5},
        base_url=f"http://{world.anna.host}",
        headers=headers,
    )
    assert answer.status_code == 201, answer.text
    assert answer.json["tutor_share_bp"] == 7250
    assert terms(world, clock.now() + DAY)[:2] == (7250, 5)
