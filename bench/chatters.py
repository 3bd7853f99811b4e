"""Sockets in a process of their own: a room that is talked in, or many sockets that are only held.

    python -m bench.chatters < {"port": ..., "host": ..., "cookies": [...], "sockets": 50, ...}

One asyncio thread that speaks as much of the protocol as it needs: Socket.IO on web sockets, text only. What
is measured is the time from before a message is sent until a socket has read it, by this machine's clock.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import struct
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

NAMESPACE = "/chat"
AT_ONCE = 40  # handshakes under way
PATIENCE_SECONDS = 120.0  # a server that is offered more than it can do answers late, and that is shown
DRAIN_SECONDS = 60.0
ECHOES = 200


class Refused(Exception):
    """The handshake was answered otherwise."""


class Socket:
    """One socket of one account."""

    def __init__(self, plan: dict[str, Any], cookie: str) -> None:
        self.plan, self.cookie = plan, cookie
        self.number = 0
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.heard: list[tuple[str, float]] = []  # (what, when)
        self.reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises Refused, OSError."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.plan["port"])
        host = self.plan["host"]
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Origin: http://{host}\r\nCookie: {self.cookie}\r\n\r\n".encode()
        )
        head = await self.reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            self.writer.close()
            raise Refused(head[:60])
        await self._frame()  # Engine.IO's greeting
        self._send(f"40{NAMESPACE},")
        while not (await self._frame()).startswith(f"40{NAMESPACE}"):
            pass
        self.reading = asyncio.create_task(self._read())

    async def ask(self, event: str, data: dict[str, Any]) -> Any:
        """An event, and its acknowledgement."""
        self.number += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.answers[self.number] = answer
        self._send(f"42{NAMESPACE},{self.number}{json.dumps([event, data])}")
        return await asyncio.wait_for(answer, PATIENCE_SECONDS)

    async def close(self) -> None:
        if self.reading is not None:
            self.reading.cancel()
        self.writer.close()

    async def _read(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                packet = await self._frame()
                if packet == "2":
                    self._send("3")
                elif packet.startswith(f"42{NAMESPACE},"):
                    self._hear(packet)
                elif packet.startswith(f"43{NAMESPACE},"):
                    self._answered(packet[len(f"43{NAMESPACE},") :])

    def _hear(self, packet: str) -> None:
        name, data = json.loads(packet[packet.index("[") :])
        if name == "message":
            self.heard.append((data["body"], time.perf_counter()))

    def _answered(self, rest: str) -> None:
        start = rest.index("[")
        answer = self.answers.pop(int(rest[:start]), None)
        if answer is not None and not answer.done():
            answer.set_result(json.loads(rest[start:])[0])

    def _send(self, text: str) -> None:
        body, mask = text.encode(), os.urandom(4)
        length = (
            bytes([0x80 | len(body)])
            if len(body) < 126
            else bytes([0x80 | 126]) + struct.pack(">H", len(body))
        )
        repeated = (mask * (len(body) // 4 + 1))[: len(body)]
        masked = int.from_bytes(body, "big") ^ int.from_bytes(repeated, "big")
        self.writer.write(b"\x81" + length + mask + masked.to_bytes(len(body), "big"))

    async def _frame(self) -> str:
        while True:
            kind, length = await self.reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
            body = await self.reader.readexactly(length)
            if kind & 0x0F == 1:
                return body.decode()
            if kind & 0x0F == 8:
                raise ConnectionResetError


async def open_all(plan: dict[str, Any]) -> tuple[list[Socket], int, float]:
    """Those that were let in, how many were not, and the seconds it took."""
    cookies: Sequence[str] = plan["cookies"]
    sockets = [Socket(plan, cookies[n % len(cookies)]) for n in range(plan["sockets"])]
    limit, refused = asyncio.Semaphore(AT_ONCE), 0

    async def enter(socket: Socket) -> Socket | None:
        nonlocal refused
        async with limit:
            try:
                await asyncio.wait_for(socket.open(), PATIENCE_SECONDS)
            except (TimeoutError, Refused, OSError, asyncio.IncompleteReadError):
                refused += 1
                return None
        return socket

    started = time.perf_counter()
    found = await asyncio.gather(*map(enter, sockets))
    return [each for each in found if each is not None], refused, time.perf_counter() - started


async def talk(plan: dict[str, Any]) -> dict[str, Any]:
    """A room in which messages are sent at a steady rate, by two sockets of each account in turn; it begins
    when told to, with all of them in it."""
    sockets, refused, _seconds = await open_all(plan)
    conversation_id = plan["conversation_id"]
    for socket in sockets:
        joined = await socket.ask("join", {"conversation_id": conversation_id, "after_seq": 10**9})
        assert joined.get("ok"), joined
    print(json.dumps({"joined": len(sockets)}), flush=True)  # noqa: T201 - whoever measures begins now
    await asyncio.to_thread(sys.stdin.readline)
    sent: dict[str, float] = {}

    speakers = sockets[: 2 * len(plan["cookies"])]

    async def say(number: int) -> None:
        body = f"{number}:{'x' * 100}"
        sent[body] = time.perf_counter()
        answer = await speakers[number % len(speakers)].ask(
            "send", {"conversation_id": conversation_id, "client_id": str(uuid.uuid4()), "body": body}
        )
        assert answer.get("ok"), answer

    count, started = int(plan["rate"] * plan["seconds"]), time.perf_counter()
    saying = []
    for number in range(count):
        await asyncio.sleep(max(0.0, started + number / plan["rate"] - time.perf_counter()))
        saying.append(asyncio.create_task(say(number)))
    await asyncio.gather(*saying)
    expected, deadline = count * len(sockets), time.perf_counter() + DRAIN_SECONDS
    while sum(len(s.heard) for s in sockets) < expected and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    times = sorted((at - sent[body]) * 1000 for socket in sockets for body, at in socket.heard)
    last = max(at for socket in sockets for _body, at in socket.heard)
    await asyncio.gather(*(socket.close() for socket in sockets))
    return {
        "messages": count,
        "delivered": len(times),
        "expected": expected,
        "lost": expected - len(times) + refused,
        "seconds": last - started,
        "p50": statistics.median(times),
        "p95": times[int(len(times) * 0.95)],
    }


async def hold(plan: dict[str, Any]) -> None:
    """Open all, say so, and keep them until somebody closes our input."""
    sockets, refused, seconds = await open_all(plan)
    times = []
    for number in range(min(ECHOES, len(sockets))):
        started = time.perf_counter()
        # It names no conversation, so it is answered with a refusal: a request of its own all the same.
        await sockets[number * len(sockets) // ECHOES % len(sockets)].ask("join", {})
        times.append((time.perf_counter() - started) * 1000)
    times.sort()
    answer = {
        "held": len(sockets),
        "refused": refused,
        "seconds": seconds,
        "p50": statistics.median(times),
        "p95": times[int(len(times) * 0.95)],
    }
    print(json.dumps(answer), flush=True)  # noqa: T201 - this is its answer
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.gather(*(socket.close() for socket in sockets))


def main() -> None:
    plan = json.loads(sys.stdin.readline())
    if plan.get("hold"):
        asyncio.run(hold(plan))
    else:
        print(json.dumps(asyncio.run(talk(plan))))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
