"""A planned change of SECRET_KEY: what the former key signed holds until it is taken away. How texts are signed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as some
from itsdangerous import Serializer, URLSafeTimedSerializer

from app.core import signing
from app.core.signing import BRIEF, BriefSerializer, LinkDead

FORMER, PRESENT = "f" * 40, "p" * 40


@pytest.fixture
def keys() -> Iterator[Flask]:
    """An application that knows nothing but its keys."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY=FORMER, SECRET_KEY_FALLBACKS=[])
    with app.app_context():
        yield app


def _change_key(app: Flask, *, keep: bool) -> None:
    app.config.update(SECRET_KEY=PRESENT, SECRET_KEY_FALLBACKS=[FORMER] if keep else [])


def test_a_link_of_the_former_key_is_read_and_new_ones_are_the_present_keys(keys: Flask) -> None:
    link = signing.sign("a purpose", [1, 2])
    _change_key(keys, keep=True)
    assert signing.read("a purpose", link, max_age=60) == [1, 2]
    made_now = signing.sign("a purpose", [1, 2])
    _change_key(keys, keep=False)
    assert signing.read("a purpose", made_now, max_age=60) == [1, 2]
    with pytest.raises(LinkDead):
        signing.read("a purpose", link, max_age=60)


def test_a_mark_of_the_former_key_is_known(keys: Flask) -> None:
    mark = signing.fingerprint("hash", "address")
    _change_key(keys, keep=True)
    assert signing.is_fingerprint(mark, "hash", "address")
    assert not signing.is_fingerprint(mark, "another hash", "address")
    _change_key(keys, keep=False)
    assert not signing.is_fingerprint(mark, "hash", "address")


def test_access_tokens_are_checked_by_the_key_they_name(keys: Flask) -> None:
    former = signing.public_jwk()["kid"]
    _change_key(keys, keep=True)
    present = signing.public_jwk()["kid"]
    assert set(signing.public_keys()) == {former, present}
    assert [jwk["kid"] for jwk in signing.public_jwks()] == [present, former]
    _change_key(keys, keep=False)
    assert set(signing.public_keys()) == {present}


def test_both_successors_of_a_refresh_token_are_known(keys: Flask) -> None:
    stored = signing.successor("token")
    _change_key(keys, keep=True)
    assert signing.successors("token") == [signing.successor("token"), stored]
    assert signing.successor("token") != stored


@given(some.dictionaries(some.text(max_size=20), some.text(max_size=600) | some.integers(), max_size=3))
def test_brief_texts_are_not_compressed_and_all_are_read(value: dict[str, Any]) -> None:
    """By itsdangerous's own serializer, too, and the other way round."""
    brief, usual = BriefSerializer("key", salt="a"), URLSafeTimedSerializer("key", salt="a")
    signed = brief.dumps(value)
    assert brief.loads(signed) == usual.loads(signed) == brief.loads(usual.dumps(value)) == value
    size = len(Serializer.dump_payload(brief, value))
    if size < BRIEF:
        assert not signed.startswith(".")
    else:
        assert signed.rsplit(".", 2)[0] == usual.dumps(value).rsplit(".", 2)[0]
