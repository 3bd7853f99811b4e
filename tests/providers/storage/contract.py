"""What every storage provider promises. A suite per provider inherits these tests and brings a `bench`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest

from app.core import outside, scope
from app.core.outside import ProviderCalledInTransaction, ProviderDeferred, ProviderUnavailable
from app.providers.storage import (
    FileMissing,
    FileTooLarge,
    KeyInvalid,
    StorageProvider,
    StoredFile,
    new_key,
)
from app.providers.storage.base import LARGEST_FILE

FAIL_MAX, RESET_SECONDS = 5, 0.3

PNG = b"\x89PNG\r\n\x1a\n\0\n\n\r\n\xff"
INVALID_KEYS = [
    *("", "/", ".", "..", "t1", "t1/", "t1/receipt", "t1/receipt/", "x" * 100_000),
    *(f"t1/receipt/{'a' * 31}", f"t1/receipt/{'a' * 33}", f"t1/receipt/{'A' * 32}", f"t1/receipt/{'g' * 32}"),
    *(f"t0/receipt/{'a' * 32}", f"t-1/receipt/{'a' * 32}", f"t/receipt/{'a' * 32}", f"T1/receipt/{'a' * 32}"),
    *(f"/t1/receipt/{'a' * 32}", f"t1/receipt/{'a' * 32}/", f"t1//{'a' * 32}", f"t1/receipt//{'a' * 32}"),
    *(f"t1/../{'a' * 32}", f"t1/./{'a' * 32}", f"../t1/receipt/{'a' * 32}", "t1/receipt/../../../etc/passwd"),
    *(
        f"t1/receipt/{'a' * 32}\0",
        f"t1/receipt/{'a' * 32}\n",
        f"t1/re\0ceipt/{'a' * 32}",
        f"t1\n/x/{'a' * 32}",
    ),
    *(
        f"t1\\receipt\\{'a' * 32}",
        f"t１/receipt/{'a' * 32}",
        f"t1/réceipt/{'a' * 32}",
        f"t1/receipt/{'à' * 32}",
    ),
    *(f"t{'9' * 19}/receipt/{'a' * 32}", f"t1/{'k' * 41}/{'a' * 32}", "%2e%2e/x", ".drafts/" + "a" * 32),
]


class Bench(Protocol):
    """A provider together with the place that it keeps files in. Its breaker has the limits above."""

    provider: StorageProvider

    def go_away(self) -> None: ...

    def come_back(self) -> None: ...


VERBS: dict[str, Callable[[StorageProvider, str], object]] = {
    "put": lambda provider, key: provider.put(key, b"x", "text/plain"),
    "get": lambda provider, key: provider.get(key),
    "delete": lambda provider, key: provider.delete(key),
    "exists": lambda provider, key: provider.exists(key),
}


class StorageContract:
    """Inherited by the suite of each provider."""

    @pytest.mark.parametrize("data", [b"", b"\n", PNG, b"\r\n" * 500, bytes(range(256)) * 20_000])
    def test_what_is_put_is_what_is_got(self, bench: Bench, data: bytes) -> None:
        key = new_key(7, "receipt")
        assert bench.provider.exists(key) is False
        bench.provider.put(key, data, "application/pdf")
        assert bench.provider.exists(key) is True
        assert bench.provider.get(key) == StoredFile(data, "application/pdf")

    @pytest.mark.parametrize(
        "content_type", ["text/plain; charset=utf-8", "image/svg+xml", "application/x.y-z"]
    )
    def test_content_types_are_kept(self, bench: Bench, content_type: str) -> None:
        key = new_key(7, "upload")
        bench.provider.put(key, b"x", content_type)
        assert bench.provider.get(key).content_type == content_type

    @pytest.mark.parametrize(
        "content_type", ["", "text", "text/", "text/html\r\nX: y", "text/plain\n", "TEXT/x", "a/b; c=d"]
    )
    def test_what_is_no_content_type_is_a_fault_of_ours(self, bench: Bench, content_type: str) -> None:
        key = new_key(7, "upload")
        with pytest.raises(ValueError, match="not a content type"):
            bench.provider.put(key, b"x", content_type)
        assert bench.provider.exists(key) is False

    def test_a_second_put_replaces(self, bench: Bench) -> None:
        key = new_key(7, "receipt")
        bench.provider.put(key, b"first, and longer", "text/plain")
        bench.provider.put(key, b"second", "image/png")
        assert bench.provider.get(key) == StoredFile(b"second", "image/png")

    def test_files_do_not_touch_each_other(self, bench: Bench) -> None:
        keys = [new_key(tenant, kind) for tenant in (1, 11) for kind in ("a", "a-b", "b")]
        for key in keys:
            bench.provider.put(key, key.encode(), "text/plain")
        bench.provider.delete(keys[0])
        assert [bench.provider.exists(key) for key in keys] == [False] + [True] * 5
        assert [bench.provider.get(key).data.decode() for key in keys[1:]] == keys[1:]

    def test_what_is_gone_is_missing(self, bench: Bench) -> None:
        key = new_key(7, "receipt")
        bench.provider.put(key, b"x", "text/plain")
        bench.provider.delete(key)
        bench.provider.delete(key)
        assert bench.provider.exists(key) is False
        with pytest.raises(FileMissing) as refusal:
            bench.provider.get(key)
        assert (refusal.value.status, refusal.value.permanent, refusal.value.code) == (
            404,
            True,
            "file_missing",
        )

    def test_missing_files_are_no_outage(self, bench: Bench) -> None:
        for _ in range(FAIL_MAX + 2):
            with pytest.raises(FileMissing):
                bench.provider.get(new_key(7, "receipt"))
            assert bench.provider.exists(new_key(7, "receipt")) is False
        bench.provider.put(new_key(7, "receipt"), b"x", "text/plain")

    @pytest.mark.parametrize("verb", VERBS)
    def test_what_is_no_key_goes_nowhere(self, bench: Bench, verb: str) -> None:
        for key in INVALID_KEYS:
            with pytest.raises(KeyInvalid):
                VERBS[verb](bench.provider, key)

    @pytest.mark.parametrize("verb", VERBS)
    def test_no_tenant_reaches_anothers_files(
        self, bench: Bench, verb: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        theirs, own = new_key(8, "receipt"), new_key(7, "receipt")
        for key in (theirs, own):
            bench.provider.put(key, b"secret", "text/plain")
        monkeypatch.setattr(scope, "current", lambda: scope.TenantScope(7))
        VERBS[verb](bench.provider, own)
        with pytest.raises(KeyInvalid):
            VERBS[verb](bench.provider, theirs)
        monkeypatch.setattr(scope, "current", lambda: scope.PlatformScope("test"))
        assert bench.provider.get(theirs).data == b"secret"

    def test_the_largest_file_fits_and_no_larger_one(self, bench: Bench) -> None:
        key = new_key(7, "upload")
        with pytest.raises(FileTooLarge) as refusal:
            bench.provider.put(key, bytes(LARGEST_FILE + 1), "text/plain")
        assert refusal.value.status == 413
        assert bench.provider.exists(key) is False
        bench.provider.put(key, bytes(LARGEST_FILE), "text/plain")
        assert len(bench.provider.get(key).data) == LARGEST_FILE

    def test_many_at_once(self, bench: Bench) -> None:
        def work() -> None:
            key = new_key(7, "own")
            for number in range(5):
                data = f"{key} {number}".encode() * 1000
                bench.provider.put(key, data, "text/plain")
                assert bench.provider.get(key).data == data

        with ThreadPoolExecutor(8) as pool:
            assert [job.result() for job in [pool.submit(work) for _ in range(8)]] == [None] * 8

    def test_an_outage_is_for_later_opens_the_breaker_and_passes(self, bench: Bench) -> None:
        key = new_key(7, "receipt")
        bench.provider.put(key, b"x", "text/plain")
        bench.go_away()
        for number in range(FAIL_MAX):
            with pytest.raises(ProviderUnavailable) as refusal:
                bench.provider.put(new_key(7, "receipt"), b"y", "text/plain")
            assert not isinstance(refusal.value, ProviderDeferred)
            assert "not called" not in refusal.value.detail, number
        with pytest.raises(ProviderUnavailable, match="not called"):
            bench.provider.get(key)
        bench.come_back()
        threading.Event().wait(RESET_SECONDS)
        assert bench.provider.get(key).data == b"x"

    @pytest.mark.parametrize("verb", VERBS)
    def test_it_refuses_to_be_called_inside_a_transaction(
        self, bench: Bench, verb: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = new_key(7, "receipt")
        bench.provider.put(key, b"before", "text/plain")
        with monkeypatch.context() as inside:
            inside.setattr(outside, "_in_transaction", lambda: True)
            with pytest.raises(ProviderCalledInTransaction):
                VERBS[verb](bench.provider, key)
        assert bench.provider.get(key).data == b"before"
