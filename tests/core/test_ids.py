"""Codes, slugs and fingerprints."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import ALPHABET, RESERVED, code, fingerprint, slug_ok


def test_codes_have_no_look_alikes_and_do_not_repeat() -> None:
    codes = [code(10) for _ in range(2000)]
    assert len(set(codes)) == 2000
    assert set("".join(codes)) == set(ALPHABET)
    assert not set("ILOU") & set(ALPHABET)
    assert {len(text) for text in codes} == {10}
    assert code(0) == ""


@pytest.mark.parametrize("text", ["abc", "lingua", "tokyo-arts", "a1b", "123", "a-b-c", "x" * 40])
def test_good_slugs(text: str) -> None:
    assert slug_ok(text)


@pytest.mark.parametrize(
    "text",
    ["", "ab", "x" * 41, "-abc", "abc-", "a--b", "xn--abc", "Lingua", "mäthe", "a.b", "a_b", "a b", "abc\n"]
    + ["ａｂｃ", "abc/", "١٢٣", "abc\0", "www", "admin", "api", "mail", "static", "app", "localhost"],
)
def test_bad_slugs(text: str) -> None:
    assert not slug_ok(text)


@given(st.text(alphabet="abz019-", max_size=45))
def test_every_slug_is_a_dns_label(text: str) -> None:
    if slug_ok(text):
        assert 3 <= len(text) <= 40
        assert text.strip("-") == text
        assert "--" not in text
        assert text.isascii()
        assert text == text.lower()


def test_reserved_words_are_in_a_slugs_form() -> None:
    assert all(word == word.lower().strip("-") and word.isascii() for word in RESERVED)


def test_fingerprint_is_sha256() -> None:
    assert fingerprint("token") == hashlib.sha256(b"token").hexdigest()
    assert fingerprint("tökén") != fingerprint("token")
