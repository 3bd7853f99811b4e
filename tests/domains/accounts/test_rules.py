"""What a password must be, how long sign-ins last and who acts for whom, at the edges."""

from __future__ import annotations

import datetime as dt

import pytest

from app.core.errors import Invalid
from app.domains.accounts import policies
from app.domains.accounts.errors import MoreThanHeld, WeakPassword
from app.domains.accounts.models import VISIT, Guardianship

GOOD = "qv7 mirth-oblong"


def is_refused(password: str, *words: str) -> bool:
    try:
        policies.check_password(password, email="anna.berg@school.example", words=words)
    except WeakPassword:
        return True
    return False


def test_a_refusal_stands_at_its_field() -> None:
    for password in ("short", "1234567890", "wemasterqv7mi"):
        with pytest.raises(WeakPassword) as refusal:
            policies.check_password(password, email="a@b.example")
        assert refusal.value.field == "password"


def test_a_password_has_ten_characters_at_least_and_256_at_most() -> None:
    assert (policies.MIN_PASSWORD, policies.MAX_PASSWORD) == (10, 256)
    assert not is_refused(GOOD[:10])
    assert is_refused(GOOD[:9])
    long = (GOOD * 16)[:256]
    assert not is_refused(long)
    assert is_refused(long + "x")


def test_what_leaked_before_is_refused_however_it_is_written() -> None:
    assert is_refused("1234567890")
    assert is_refused("qwertyuiop")
    assert is_refused("QwErTyUiOp")


def test_beside_the_words_that_everybody_knows_there_must_be_six_characters() -> None:
    for known in ("School", "wemaster", "example"):  # of the address, and the product's own
        assert not is_refused(f"{known}qv7mir"), known
        assert is_refused(f"{known}qv7mi"), known
    assert is_refused("Lovelacexqv7", "Ada Lovelace")
    assert not is_refused("Lovelacexqv7")
    assert not is_refused("Lovelacexqv7zz", "Ada Lovelace")


def test_three_letters_are_in_every_other_password_and_four_are_a_word() -> None:
    assert not is_refused("adaadaqv7m", "Ada")
    assert is_refused("bergbergqv7m")
    assert not is_refused("bergqv7mir")


def test_the_longest_word_is_taken_out_first() -> None:
    """Or of `lemonyard` the lemon would be left over, once its yard is gone."""
    assert is_refused("lemonyardqv7mi", "yard lemonyard")


def test_how_long_a_sign_in_lasts() -> None:
    assert policies.life_of_session(VISIT, on_platform=False) == dt.timedelta(hours=1)
    assert policies.life_of_session(VISIT, on_platform=True) == dt.timedelta(hours=1)
    assert policies.life_of_session("web", on_platform=True) == dt.timedelta(hours=12)
    assert policies.life_of_session("web", on_platform=False) == dt.timedelta(days=14)


def test_nobody_grants_what_they_do_not_hold() -> None:
    held = frozenset({"lesson.view", "lesson.edit"})
    for rights in ([], ["lesson.view"], ["lesson.view", "lesson.edit"]):
        policies.check_grant(rights, held=held)
    for rights in (["order.view"], ["lesson.view", "order.view"]):
        with pytest.raises(MoreThanHeld):
            policies.check_grant(rights, held=held)


def test_who_acts_for_whom() -> None:
    mine = [Guardianship(guardian_id=1, child_id=2), Guardianship(guardian_id=3, child_id=4)]
    assert policies.may_act_for(1, 1, [])
    assert policies.may_act_for(1, 2, mine)
    assert policies.may_act_for(3, 4, mine)
    for actor, learner in ((2, 1), (1, 4), (3, 2), (1, 3)):
        assert not policies.may_act_for(actor, learner, mine)


def test_a_child_is_26_at_most() -> None:
    today = dt.date(2030, 6, 15)
    policies.check_birth_date(dt.date(2003, 6, 16), today=today)
    policies.check_birth_date(today - dt.timedelta(days=1), today=today)
    past, too_old = "in the past", "Up to 26 years"
    for born, why in (
        (dt.date(2003, 6, 15), too_old),
        (today, past),
        (today + dt.timedelta(days=1), past),
    ):
        with pytest.raises(Invalid) as refusal:
            policies.check_birth_date(born, today=today)
        assert refusal.value.field == "birth_date"
        assert why in str(refusal.value.text)


def test_how_long_what_was_sent_or_given_is_good() -> None:
    """The others stand on the page of rules, which is held against them."""
    assert dt.timedelta(days=7) == policies.INVITATION_LIFE
    assert dt.timedelta(days=1) == policies.REGISTRATION_LIFE
    assert dt.timedelta(minutes=10) == policies.ACCESS_TOKEN_LIFE
    assert dt.timedelta(seconds=10) == policies.REFRESH_GRACE
    assert (policies.OLDEST_CHILD, policies.MOST_CHILDREN) == (26, 20)
