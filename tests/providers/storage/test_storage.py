"""The storage providers under their common contract, and what only one of them can show."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.core import outside
from app.core.outside import Breaker, ProviderDeferred, ProviderRefused, ProviderUnavailable
from app.providers.storage import FileMissing, KeyInvalid, StorageFull, StorageProvider, build, new_key
from app.providers.storage.local import LocalStorage
from app.providers.storage.s3 import S3Storage
from tests.providers.storage.contract import FAIL_MAX, RESET_SECONDS, StorageContract
from tests.support.servers import free_port

ROOT = Path(__file__).parents[3]


def own_breaker() -> Breaker:
    return Breaker("storage", fail_max=FAIL_MAX, reset_seconds=RESET_SECONDS)


@pytest.fixture(autouse=True)
def _of_no_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_redis", lambda: None)
    monkeypatch.setattr(outside, "_in_transaction", outside._never)


# -- Keys ---------------------------------------------------------------------------------------------


def test_keys_are_random_and_say_nothing_but_tenant_and_kind() -> None:
    keys = {new_key(7, "receipt") for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch(r"t7/receipt/[0-9a-f]{32}", key) for key in keys)


@pytest.mark.parametrize(
    ("tenant_id", "kind"),
    [(0, "x"), (-1, "x"), (10**18, "x"), (1, ""), (1, "X"), (1, "../x"), (1, "a/b"), (1, "1a"), (1, "a\n")],
)
def test_what_can_be_no_key(tenant_id: int, kind: str) -> None:
    with pytest.raises(KeyInvalid):
        new_key(tenant_id, kind)


# -- The folder ---------------------------------------------------------------------------------------


class LocalBench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.aside = folder, folder.with_name("aside")
        self.provider: StorageProvider = LocalStorage(folder, guard=own_breaker())

    def go_away(self) -> None:
        self.folder.rename(self.aside)
        self.folder.write_text("not a folder")

    def come_back(self) -> None:
        self.folder.unlink()
        self.aside.rename(self.folder)


WRITER = """
import sys
from pathlib import Path
from app.providers.storage import new_key
from app.providers.storage.local import LocalStorage
storage = LocalStorage(Path(sys.argv[1]))
while True:
    key = new_key(7, "receipt")
    print(key, flush=True)
    storage.put(key, b"complete" * 200_000, "text/plain")
"""

SMALL_DISK = """
import resource, sys
from pathlib import Path
from app.providers.storage import StorageFull, new_key
from app.providers.storage.local import LocalStorage
storage = LocalStorage(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
key = new_key(7, "receipt")
try:
    storage.put(key, bytes(100_000), "text/plain")
except StorageFull as error:
    storage.put(key, b"small", "text/plain")
    print(error.status, error.code, storage.get(key).data.decode())
"""


class TestLocal(StorageContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> LocalBench:
        return LocalBench(tmp_path / "storage")

    def files(self, bench: LocalBench) -> list[Path]:
        return sorted(path for path in bench.folder.rglob("*") if path.is_file())

    @pytest.mark.parametrize(
        ("number", "error"),
        [
            (errno.ENOSPC, StorageFull),
            (errno.EDQUOT, StorageFull),
            (errno.EIO, ProviderUnavailable),
            (errno.EROFS, ProviderUnavailable),
        ],
    )
    def test_a_disk_that_is_full_or_broken_leaves_nothing_behind(
        self, bench: LocalBench, number: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = new_key(7, "receipt")
        bench.provider.put(key, b"before", "text/plain")

        def refuse(_handle: int) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as full:
            full.setattr(os, "fsync", refuse)
            with pytest.raises(error) as refusal:
                bench.provider.put(key, b"after", "text/plain")
        assert type(refusal.value) is error
        assert bench.provider.get(key).data == b"before"
        assert [path.name for path in self.files(bench)] == [key.rpartition("/")[2]]

    def test_no_room_is_507_and_no_outage(self, bench: LocalBench, tmp_path: Path) -> None:
        """In a process whose files may grow to 10 kB only: what the system itself then says."""
        command = [sys.executable, "-c", SMALL_DISK, str(tmp_path / "small")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == "507 storage_full small\n"
        assert issubclass(StorageFull, ProviderDeferred)

    def test_of_many_writers_of_one_key_a_reader_sees_one(self, bench: LocalBench) -> None:
        key = new_key(7, "shared")
        contents = [f"{number:04}".encode() * 50_000 for number in range(8)]

        def work(content: bytes) -> None:
            for _ in range(5):
                bench.provider.put(key, content, "text/plain")
                assert bench.provider.get(key).data in contents

        with ThreadPoolExecutor(8) as pool:
            assert [job.result() for job in [pool.submit(work, content) for content in contents]] == [
                None
            ] * 8
        assert len(self.files(bench)) == 1

    def test_a_killed_writer_leaves_whole_files_only(self, bench: LocalBench) -> None:
        for round_number in range(3):
            command = [sys.executable, "-c", WRITER, str(bench.folder)]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout is not None
                first = writer.stdout.readline().strip()
                time.sleep(0.02 + 0.007 * round_number)
                writer.kill()
                keys = [first, *writer.stdout.read().split()]
            for key in keys[:-1]:
                assert bench.provider.get(key).data == b"complete" * 200_000
            if bench.provider.exists(keys[-1]):
                assert len(bench.provider.get(keys[-1]).data) == 1_600_000

    def test_abandoned_drafts_go_at_the_next_start_and_young_ones_stay(self, bench: LocalBench) -> None:
        bench.provider.put(new_key(7, "receipt"), b"x", "text/plain")
        old, young = (bench.folder / ".drafts" / name for name in ("old", "young"))
        for draft in (old, young):
            draft.write_bytes(b"half")
        os.utime(old, (time.time() - 4000, time.time() - 4000))
        LocalStorage(bench.folder)
        assert (old.exists(), young.exists()) == (False, True)

    def test_nobody_else_on_the_machine_may_read(self, bench: LocalBench) -> None:
        bench.provider.put(new_key(7, "receipt"), b"x", "text/plain")
        (path,) = self.files(bench)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_a_damaged_file_is_not_handed_out(self, bench: LocalBench) -> None:
        key = new_key(7, "receipt")
        bench.provider.put(key, b"x", "text/plain")
        (bench.folder / key).write_bytes(b"")
        with pytest.raises(ProviderUnavailable, match="damaged"):
            bench.provider.get(key)

    def test_making_one_needs_no_disk(self, tmp_path: Path) -> None:
        LocalStorage(tmp_path / "not" / "there")
        assert list(tmp_path.iterdir()) == []


# -- S3 -----------------------------------------------------------------------------------------------

SERVER = "from moto.server import main; main()"
BUCKET = "wemaster-test"


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """A server of the S3 protocol in a process of its own, with our bucket."""
    port = free_port()
    command = [sys.executable, "-c", SERVER, "-H", "127.0.0.1", "-p", str(port)]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    connection = HTTPConnection("127.0.0.1", port, timeout=5)
                    connection.request("PUT", f"/{BUCKET}")
                    assert connection.getresponse().status == 200
                    connection.close()
                    break
                except ConnectionError:
                    assert time.monotonic() < deadline
                    assert server.poll() is None
                    time.sleep(0.1)
            yield url
        finally:
            server.kill()


def s3(url: str, **more: float | str) -> S3Storage:
    values = {"bucket": BUCKET, "access_key": "key", "secret_key": "secret", "region": "eu-central-1", **more}
    return S3Storage(endpoint_url=url, guard=own_breaker(), **values)  # type: ignore[arg-type]


class Line:
    """A TCP relay between the provider and the server, which can be cut."""

    def __init__(self, target: int) -> None:
        self.target, self.cut = target, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def hang_up(self) -> None:
        for end in self.open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.open.clear()

    def close(self) -> None:
        self.cut = True
        self.listener.close()
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
                if self.cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


class S3Bench:
    def __init__(self, line: Line) -> None:
        self.line = line
        self.provider: StorageProvider = s3(f"http://127.0.0.1:{line.port}")

    def go_away(self) -> None:
        self.line.cut = True
        self.line.hang_up()

    def come_back(self) -> None:
        self.line.cut = False


@dataclass
class Answer:
    """What the misbehaving server says to everything."""

    status: int = 200
    body: bytes = b""
    length: int | None = None
    delay: float = 0.0


def s3_error(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>secret text</Message></Error>".encode())


@pytest.fixture
def misbehaving() -> Iterator[tuple[str, Answer]]:
    """A server of HTTP with one answer, which the test writes."""
    answer = Answer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # or the client waits a second for "100 Continue"

        def do_GET(self) -> None:
            time.sleep(answer.delay)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(answer.length or len(answer.body)))
            self.send_header("Connection", "close")  # said before it is done, or the next call meets its end
            with contextlib.suppress(ConnectionError):  # who waits no longer has hung up
                self.end_headers()
                self.wfile.write(answer.body)
            self.close_connection = True

        do_PUT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", answer
        server.shutdown()


class TestS3(StorageContract):
    @pytest.fixture
    def bench(self, s3_url: str) -> Iterator[S3Bench]:
        line = Line(int(s3_url.rpartition(":")[2]))
        yield S3Bench(line)
        line.close()

    def test_a_bucket_that_is_not_there_is_the_operators_trouble(self, s3_url: str) -> None:
        provider = s3(s3_url, bucket="nobodys-bucket")
        with pytest.raises(ProviderUnavailable, match="NoSuchBucket"):
            provider.put(new_key(7, "receipt"), b"x", "text/plain")
        with pytest.raises(ProviderUnavailable, match="NoSuchBucket"):
            provider.get(new_key(7, "receipt"))

    @pytest.mark.parametrize(
        ("status", "code", "error"),
        [
            (403, "AccessDenied", ProviderUnavailable),
            (403, "InvalidAccessKeyId", ProviderUnavailable),
            (403, "RequestTimeTooSkewed", ProviderUnavailable),
            (400, "ExpiredToken", ProviderUnavailable),
            (400, "RequestTimeout", ProviderUnavailable),
            (503, "SlowDown", ProviderUnavailable),
            (500, "InternalError", ProviderUnavailable),
            (429, "TooManyRequests", ProviderUnavailable),
            (507, "InsufficientStorage", StorageFull),
            (507, "XMinioStorageFull", StorageFull),
            (403, "QuotaExceeded", StorageFull),
            (400, "EntityTooLarge", ProviderRefused),
            (400, "InvalidRequest", ProviderRefused),
            (404, "NoSuchKey", FileMissing),
            (404, "NoSuchBucket", ProviderUnavailable),
        ],
    )
    def test_each_answer_of_a_service(
        self, misbehaving: tuple[str, Answer], status: int, code: str, error: type[Exception]
    ) -> None:
        url, answer = misbehaving
        vars(answer).update(vars(s3_error(status, code)))
        provider = s3(url)
        for verb in (lambda key: provider.put(key, b"x", "text/plain"), provider.get, provider.delete):
            with pytest.raises(error, match=code) as raised:
                verb(new_key(7, "receipt"))
            assert type(raised.value) is error
            assert "secret text" not in str(raised.value) + raised.value.detail  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(500, b"<html>not what you expected"),
            Answer(200, b"half", length=1000),
            Answer(200, b"late", delay=10),
            Answer(302, b""),
        ],
        ids=["garbage", "broken off", "late", "elsewhere"],
    )
    def test_answers_that_are_none(self, misbehaving: tuple[str, Answer], answer: Answer) -> None:
        url, said = misbehaving
        vars(said).update(vars(answer))
        provider = s3(url, read_timeout=0.3)
        started = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            provider.get(new_key(7, "receipt"))
        assert time.monotonic() - started < 5

    def test_a_file_larger_than_any_of_ours_is_not_taken_in(self, misbehaving: tuple[str, Answer]) -> None:
        url, answer = misbehaving
        answer.body = bytes(25_000_001)
        with pytest.raises(ProviderRefused, match="larger"):
            s3(url).get(new_key(7, "receipt"))

    def test_nobody_there_and_nothing_but_silence(self) -> None:
        with pytest.raises(ProviderUnavailable, match="EndpointConnectionError"):
            s3(f"http://127.0.0.1:{free_port()}").exists(new_key(7, "receipt"))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            provider = s3(f"http://127.0.0.1:{silent.getsockname()[1]}", read_timeout=0.2)
            started = time.monotonic()
            with pytest.raises(ProviderUnavailable, match="ReadTimeoutError"):
                provider.get(new_key(7, "receipt"))
            assert time.monotonic() - started < 5

    def test_no_secret_in_a_refusal(self) -> None:
        provider = s3(f"http://127.0.0.1:{free_port()}", secret_key="very-secret-key")
        with pytest.raises(ProviderUnavailable) as refusal:
            provider.get(new_key(7, "receipt"))
        assert "very-secret" not in refusal.value.detail + str(refusal.value)


# -- The choice ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chosen:
    VAR_DIR: Path
    STORAGE_PROVIDER: str = "local"
    S3_ENDPOINT_URL: str = ""
    S3_BUCKET: str = ""
    S3_ACCESS_KEY: str = ""
    S3_SECRET_KEY: str = ""
    S3_REGION: str = ""


def test_the_settings_choose_the_provider(tmp_path: Path, s3_url: str) -> None:
    local = build(Chosen(tmp_path))
    key = new_key(7, "receipt")
    local.put(key, b"x", "text/plain")
    assert (tmp_path / "storage" / key).is_file()
    away = build(Chosen(tmp_path, "s3", s3_url, BUCKET, "key", "secret"))
    assert isinstance(away, S3Storage)
    away.put(key, b"y", "text/plain")
    assert (away.get(key).data, local.get(key).data) == (b"y", b"x")


@pytest.mark.parametrize("missing", ["S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY"])
def test_s3_must_be_described(tmp_path: Path, missing: str) -> None:
    given = {"S3_BUCKET": "b", "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "s", missing: ""}
    with pytest.raises(ValueError, match=missing):
        build(Chosen(tmp_path, "s3", **given))
