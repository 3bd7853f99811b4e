"""The benchmark itself: small, but on its own servers, with all that it measures."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench import dashboard
from bench.__main__ import RESULTS, SECTIONS, TINY, run
from bench.measuring import Cost, Line, Request, drive
from tests.support.databases import ROOT


def tiny(sections: list[str], tmp_path: Path) -> dict[str, Any]:
    """What such a run writes down; it holds the rules of `run.py check` against its data at the end."""
    run(TINY, sections, tmp_path / "bench.json")
    found: dict[str, Any] = json.loads((tmp_path / "bench.json").read_text())
    return found


def check_lines(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert line["house"]["requests"] > 0 < line["floor"]["per_second"], line["name"]
        assert line["house"]["statements"] is not None, line["name"]
        assert line["house"]["p50_ms"] <= line["house"]["p95_ms"] <= line["house"]["p99_ms"]


def test_the_reads_are_measured_beside_the_floor_and_stock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small, but with all that takes part: our workers, the floor's and stock's, each with its database."""
    found = tiny(["reads"], tmp_path)["reads"]
    check_lines(found["lines"])
    assert len(found["lines"]) == 11
    assert sum(line["stock"] is not None for line in found["lines"]) == 2
    assert all(memory > 0 for memory in found["memory_mib"].values())
    assert "times as fast as stock" in capsys.readouterr().out


@pytest.mark.soak
def test_the_other_sections_measure_what_they_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dozen processes; without a browser."""
    monkeypatch.setattr(dashboard, "drawn", lambda *_: None)
    found = tiny([name for name in SECTIONS if name != "reads"], tmp_path)
    check_lines(found["writes"])
    assert found["purchases"]["purchases"] == TINY.purchases.buyers * TINY.purchases.purchases
    assert found["purchases"]["rush of 6 for 2 seats: won"] == 2
    assert found["chat"]["sockets held"] == TINY.chat.sockets
    pages = {f"{who}, {days} days" for who in ("manager", "operator") for days in (30, 365)}
    assert set(found["dashboards"]) == pages
    assert len(found["growth"]) == 6
    shown = capsys.readouterr().out
    for title in ("writes, 8 connections", "whole purchases", "chat", "dashboards", "growth"):
        assert title in shown


def costs(per_second: float, cpu_ms: float, statements: int = 1) -> Cost:
    return Cost(statements=statements, requests=10, cpu_ms=cpu_ms, per_second=per_second)


@pytest.mark.parametrize(
    ("house", "is_met"),
    [
        (costs(250, 2.0), True),
        (costs(199, 2.0), False),  # by time
        (costs(250, 2.6), False),  # by CPU
        (costs(250, 2.0, statements=4), False),
    ],
)
def test_a_goal_is_met_by_time_by_cpu_and_by_statements(house: Cost, is_met: bool) -> None:
    assert Line("x", 5, 3, house, costs(1000, 0.5)).is_met is is_met


def test_without_a_goal_or_a_floor_nothing_is_said_of_it() -> None:
    assert Line("x", None, 3, costs(1, 1), costs(1, 1)).is_met is None
    assert Line("x", 5, 3, costs(1, 1)).is_met is None


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")
            return
        if self.path == "/once":
            self.send_header("Connection", "close")
        body = b"hello" * 20_000
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(302)
        self.send_header("Location", f"/at/{sent}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def answering() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_the_load_sends_each_request_once_and_knows_where_each_led() -> None:
    with answering() as port:
        posts = [Request("localhost", "/", "POST", body=str(n)) for n in range(20)]
        found = drive(port, posts, connections=4, locations=True)
    assert found.statuses == {"302": 20}
    assert found.count == 20
    assert found.locations == {str(n): f"/at/{n}" for n in range(20)}


def test_the_load_goes_on_for_its_time_whatever_the_answers_form() -> None:
    with answering() as port:
        asked = [Request("localhost", path) for path in ("/", "/chunked", "/once")]
        found = drive(port, asked, seconds=0.3, connections=3, contains="hello")
        lacking = drive(port, asked[:1], connections=1, contains="good-bye")
    assert found.statuses == {"200": found.count}
    assert found.count > 3
    assert found.seconds >= 0.3
    assert not found.lacking
    assert "hello" in lacking.lacking


def test_the_results_are_not_committed() -> None:
    assert RESULTS.name in (ROOT / ".gitignore").read_text().split()
