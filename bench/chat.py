"""Chat: from sending to the last one's reading in a room of 50 sockets, and thousands that are held."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Guardianship
from app.domains.accounts.models import Person as PersonRow
from app.domains.messaging import service
from bench.data import FIRST_PERSON
from bench.ground import Ground
from bench.measuring import ROOT

PER_ACCOUNT = 10  # sockets that one account may hold
RECEIVERS = "bench.chatters"


@dataclass(frozen=True)
class Pace:
    """`rates` are messages a second that are offered to the room. What one person may write in a minute is
    limited, so several do."""

    room: int = 50
    rates: tuple[int, ...] = (10, 25, 50, 100)
    seconds: float = 4.0
    sockets: int = 3_000


def measure(ground: Ground, pace: Pace, say: Callable[[str], None]) -> dict[str, Any]:
    """The room at each rate, then the held sockets; with them what the process that holds them takes."""
    server = ground.hold_sockets()
    found: dict[str, Any] = {}
    conversation_id, places = _room(ground, pace.room)
    before = server.memory()
    for rate in pace.rates:
        say(f"a room of {pace.room}, {rate} messages a second")
        plan = {
            **_where(ground, server.port),
            "cookies": [ground.signed_in(place).cookie for place in places],
            "sockets": pace.room,
            "conversation_id": conversation_id,
            "rate": rate,
            "seconds": pace.seconds,
        }
        answer, spent = _talked(plan, server.cpu)
        name = f"room of {pace.room}, {rate}/s offered"
        assert answer["lost"] == 0, f"{answer['lost']} of {answer['expected']} deliveries did not come"
        found |= {
            f"{name}: messages per second": answer["messages"] / answer["seconds"],
            f"{name}: delivered per second": answer["delivered"] / answer["seconds"],
            f"{name}: from send to read, p50 ms": answer["p50"],
            f"{name}: from send to read, p95 ms": answer["p95"],
            f"{name}: CPU of the server per message, ms": spent / answer["messages"] * 1000,
        }
    return {**found, **_held(ground, pace, say), "memory before the first socket, MiB": before}


def _talked(plan: dict[str, Any], cpu: Callable[[], float]) -> tuple[dict[str, Any], float]:
    """The chatters' answer, and how much `cpu` grew while they talked; coming in is not counted."""
    with _chatters(plan) as (say, heard):
        assert heard()["joined"] == plan["sockets"]
        before = cpu()
        say("")
        answer = heard()
        return answer, cpu() - before


@contextlib.contextmanager
def _chatters(plan: dict[str, Any]) -> Iterator[tuple[Callable[[str], None], Callable[[], dict[str, Any]]]]:
    """The process of the sockets: how to say a line to it, and how to wait for its next."""
    command, pipe = [sys.executable, "-m", RECEIVERS], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:

        def say(line: str) -> None:
            assert process.stdin is not None
            process.stdin.write(line + "\n")
            process.stdin.flush()

        def heard() -> dict[str, Any]:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the chatters gave up")
            answer: dict[str, Any] = json.loads(line)
            return answer

        say(json.dumps(plan))
        yield say, heard


def _held(ground: Ground, pace: Pace, say: Callable[[str], None]) -> dict[str, Any]:
    server = ground.hold_sockets()
    accounts = -(-pace.sockets // PER_ACCOUNT)
    assert accounts <= ground.size.large_tutors * 11, "too few accounts for so many sockets"
    say(f"{pace.sockets} held sockets")
    before = server.memory()
    plan = {
        **_where(ground, server.port),
        "cookies": [ground.signed_in(place + 1).cookie for place in range(accounts)],
        "sockets": pace.sockets,
        "hold": True,
    }
    # It waits, with all of them open, until it is told that the memory was looked at.
    answer = ask_while_held(plan, server.memory)
    return {
        "sockets held": answer["held"],
        "sockets refused": answer["refused"],
        "connected per second": answer["held"] / answer["seconds"],
        "an event and its answer with all held, p50 ms": answer["p50"],
        "an event and its answer with all held, p95 ms": answer["p95"],
        "memory with all held, MiB": answer["memory"],
        "memory per socket, KiB": (answer["memory"] - before) / max(1, answer["held"]) * 1024,
    }


def ask_while_held(plan: dict[str, Any], memory: Callable[[], float]) -> dict[str, Any]:
    """The chatters' answer, with what `memory` says while all of their sockets are open."""
    with _chatters(plan) as (_say, heard):
        answer = heard()
        answer["memory"] = memory()
    return answer


def _where(ground: Ground, port: int) -> dict[str, Any]:
    return {"port": port, "host": ground.host}


def _room(ground: Ground, sockets: int) -> tuple[int, list[int]]:
    """A conversation of a tutor, a student and as many guardians as the sockets need, and who they are."""
    tutor, student = 1, ground.size.large_tutors + 1
    guardians = [student + n for n in range(1, max(0, -(-sockets // PER_ACCOUNT) - 2) + 1)]
    with ground.app.app_context(), tenant_scope(ground.tenant_id), transaction() as session:
        session.add_all(
            Guardianship(guardian_id=FIRST_PERSON + place, child_id=FIRST_PERSON + student)
            for place in guardians
        )
        session.flush()
        people = [db.session.get_one(PersonRow, FIRST_PERSON + place) for place in (tutor, student)]
        conversation_id = int(service.open_conversation(*people).id)
    return conversation_id, [tutor, student, *guardians]
