"""The load: a process of its own that keeps some connections busy, one request after the other on each.

    python -m bench.load < {"port": ..., "connections": 8, "requests": [...], "seconds": 2}

It answers with the time that each request took, and what the answers were. One thread, plain sockets,
requests that are bytes already: one costs it some 0.05 ms, and `cpu` says how much it was in all.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from typing import Any

PATIENCE_SECONDS = 60.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *([^\r]+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


class Connection:
    """One client: sends a request, reads its answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = self._connect()
        self.received = bytearray()
        self.number = -1
        self.started = 0.0

    def _connect(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def send(self, number: int, request: bytes) -> None:
        self.number, self.started = number, time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> bytes | None:
        """The whole answer once it is here. Raises ConnectionError for one that never comes."""
        chunk = self.socket.recv(262_144)
        if not chunk:
            raise ConnectionError(f"the server hung up after {bytes(self.received[:200])!r}")
        self.received += chunk
        end = self.received.find(b"\r\n\r\n")
        if end < 0 or not self._is_whole(end):
            return None
        answer = bytes(self.received)
        self.received.clear()
        return answer

    def _is_whole(self, end: int) -> bool:
        head = bytes(self.received[:end])
        if _CHUNKED.search(head):
            return self.received.endswith(b"0\r\n\r\n")
        length = _LENGTH.search(head)
        return len(self.received) >= end + 4 + (int(length[1]) if length else 0)

    def again(self) -> None:
        self.socket.close()
        self.socket = self._connect()


class Load:
    """All connections together, and what they saw."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.times: dict[int, float] = {}
        self.milliseconds: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.locations: dict[int, str] = {}
        self.lacking = ""  # an answer without what should be in it
        self.wanted = plan.get("contains", "").encode()

    def run(self) -> dict[str, Any]:
        """Until the seconds are over, or, without them, until each request was sent once."""
        left = self._requests()
        waiting = selectors.DefaultSelector()
        clients = [Connection(self.plan["port"]) for _ in range(self.plan["connections"])]
        busy, started, cpu = 0, time.perf_counter(), time.process_time()
        until = started + self.plan["seconds"] if self.plan.get("seconds") else float("inf")
        for client in clients:
            waiting.register(client.socket, selectors.EVENT_READ, client)
            busy += self._next(client, left, until)
        while busy:
            events = waiting.select(PATIENCE_SECONDS)
            if not events:
                raise TimeoutError("no answer in a minute")
            for key, _mask in events:
                client = key.data
                answer = client.read()
                if answer is None:
                    continue
                self._note(client, answer)
                if _CLOSES.search(answer[: answer.find(b"\r\n\r\n")]):
                    waiting.unregister(client.socket)
                    client.again()
                    waiting.register(client.socket, selectors.EVENT_READ, client)
                busy -= not self._next(client, left, until)
        return self._result(time.perf_counter() - started, time.process_time() - cpu)

    def _requests(self) -> Iterator[tuple[int, bytes]]:
        encoded = [request.encode("latin-1") for request in self.plan["requests"]]
        numbered = list(enumerate(encoded))
        return cycle(numbered) if self.plan.get("seconds") else iter(numbered)

    @staticmethod
    def _next(client: Connection, left: Iterator[tuple[int, bytes]], until: float) -> bool:
        following = next(left, None) if time.perf_counter() < until else None
        if following is None:
            return False
        client.send(*following)
        return True

    def _note(self, client: Connection, answer: bytes) -> None:
        self.milliseconds.append((time.perf_counter() - client.started) * 1000)
        self.statuses[int(answer[9:12])] += 1
        if self.wanted and self.wanted not in answer:
            self.lacking = answer[-600:].decode(errors="replace")
        location = _LOCATION.search(answer[: answer.find(b"\r\n\r\n")])
        if location:
            self.locations[client.number] = location[1].decode()

    def _result(self, seconds: float, cpu: float) -> dict[str, Any]:
        return {
            "ms": [round(each, 3) for each in self.milliseconds],
            "seconds": seconds,
            "cpu": cpu,
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "lacking": self.lacking,
            "locations": {str(n): where for n, where in self.locations.items()}
            if self.plan.get("locations")
            else {},
        }


if __name__ == "__main__":
    print(json.dumps(Load(json.load(sys.stdin)).run()))  # noqa: T201 - this is its answer
