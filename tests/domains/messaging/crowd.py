"""Very many chat pages at once, in rooms of two companies: who heard what, and what was lost or not theirs to hear."""

from __future__ import annotations

import asyncio
import json
import resource
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from flask import Flask, session

from app.core.db import db
from app.core.realtime import PER_ACCOUNT
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ACTIVE, WEB, Account, Membership, Person
from app.domains.accounts.policies import WEB_SESSION_LIFE
from app.domains.accounts.service import signin
from app.domains.messaging import service
from app.shell.identity import SESSION_KEY
from bench.chatters import Refused, Socket
from tests.support.world import Company, password_hash

AT_ONCE = 40  # events and handshakes under way
PAGES_OF_A_ROOM = 2 * PER_ACCOUNT
QUIET_SECONDS = 60.0


@dataclass
class Room:
    """A conversation, the browsers' cookies of its two people, and the pages they have open."""

    host: str
    conversation_id: int
    cookies: list[str]
    pages: list[Page] = field(default_factory=list)


class Page(Socket):
    """An open chat page that writes down all it hears, as (conversation, place, body)."""

    def __init__(self, plan: dict[str, Any], cookie: str) -> None:
        super().__init__(plan, cookie)
        self.messages: list[tuple[int, int, str]] = []

    def _hear(self, packet: str) -> None:
        name, data = json.loads(packet[packet.index("[") :])
        if name == "message":
            self.messages.append((data["conversation_id"], data["seq"], data["body"]))


def make_rooms(app: Flask, companies: list[Company], count: int) -> list[Room]:
    """Of the companies in turn, each with a tutor and a student of its own who are signed in."""
    with app.app_context():
        return [_room(app, companies[number % len(companies)], number) for number in range(count)]


def _room(app: Flask, company: Company, number: int) -> Room:
    names = [f"{part} {number}" for part in ("Tutor", "Student")]
    with platform_scope("test"), transaction() as rows:
        accounts = [
            Account(
                first_name=name, last_name="", username=email, email=email,
                password=password_hash(), active=True,
            )
            for name in names
            for email in [f"{name.lower().replace(' ', '-')}@{company.slug}.test"]
        ]  # fmt: skip
        rows.add_all(accounts)
        rows.flush()
        ids = [account.id for account in accounts]
    with tenant_scope(company.id), transaction() as rows:
        people = [Person(full_name=name) for name in names]
        rows.add_all(people)
        rows.flush()
        for account_id, person, role in zip(ids, people, ("tutor", "student"), strict=True):
            rows.add(Membership(user_id=account_id, person_id=person.id, role_key=role, status=ACTIVE))
        rows.flush()
        conversation_id = int(service.open_conversation(*people).id)
        tokens = [
            signin.start_session(
                db.session.get_one(Account, account_id), kind=WEB, tenant_id=company.id,
                device=signin.Device(None, None), life=WEB_SESSION_LIFE,
            ).token
            for account_id in ids
        ]  # fmt: skip
    return Room(f"{company.slug}.localhost", conversation_id, [_cookie(app, token) for token in tokens])


def _cookie(app: Flask, token: str) -> str:
    """A browser's, as the application itself would sign it."""
    with app.test_request_context("/"):
        session[SESSION_KEY] = token
        serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        return f"{app.config['SESSION_COOKIE_NAME']}={serializer.dumps(dict(session))}"


def allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= wanted, f"{wanted} open files are needed, {hard} are allowed"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


@dataclass
class Told:
    """What came of it. `lost` counts messages that a page of their room did not hear; `doubled` those that it heard
    again, `foreign` what it heard of any other room."""

    pages: int = 0
    refused: int = 0
    sent: int = 0
    heard: int = 0
    lost: int = 0
    doubled: int = 0
    foreign: int = 0
    out_of_order: int = 0  # no fault: the place in the conversation says where a message belongs


def talk(port: int, rooms: list[Room], each: int) -> Told:
    """All pages of all rooms open, then each of a room's two people writes `each` messages, all at the same time."""
    with ThreadPoolExecutor(1) as apart:  # a browser of other tests may have a loop in this thread
        return apart.submit(asyncio.run, _talk(port, rooms, each)).result()


async def _talk(port: int, rooms: list[Room], each: int) -> Told:
    limit, told = asyncio.Semaphore(AT_ONCE), Told()

    async def enter(room: Room, cookie: str) -> None:
        page = Page({"port": port, "host": f"{room.host}:{port}"}, cookie)
        async with limit:
            try:
                await page.open()
            except (Refused, OSError, asyncio.IncompleteReadError):
                told.refused += 1
                return
            joined = await page.ask("join", {"conversation_id": room.conversation_id, "after_seq": 0})
        assert joined.get("ok"), joined
        room.pages.append(page)

    async def write(room: Room, page: Page, name: str) -> None:
        for number in range(each):
            said = {
                "conversation_id": room.conversation_id,
                "client_id": str(uuid4()),
                "body": f"{room.conversation_id} {name} {number}",
            }
            async with limit:
                answer = await page.ask("send", said)
            assert answer.get("ok"), answer
            told.sent += 1

    await asyncio.gather(*(enter(room, cookie) for room in rooms for cookie in room.cookies * PER_ACCOUNT))
    told.pages = sum(len(room.pages) for room in rooms)
    writers = [
        write(room, next(page for page in room.pages if page.cookie == cookie), f"{place}")
        for room in rooms
        for place, cookie in enumerate(room.cookies)
    ]
    await asyncio.gather(*writers)
    await _until_quiet(rooms, told.pages * each * 2)
    for room in rooms:
        judge(room, each, told)
    await asyncio.gather(*(page.close() for page in _pages(rooms)))
    return told


async def _until_quiet(rooms: list[Room], expected: int) -> None:
    """Until all was heard, and a moment longer for what nobody should hear; or until nothing comes any more."""
    heard, since = -1, 0.0
    while heard < expected and since < QUIET_SECONDS:
        now = sum(len(page.messages) for page in _pages(rooms))
        heard, since = now, (since + 0.2 if now == heard else 0.0)
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)


def _pages(rooms: list[Room]) -> Iterator[Page]:
    return (page for room in rooms for page in room.pages)


def judge(room: Room, each: int, told: Told) -> None:
    """Count what the pages of a room heard against what its two people wrote."""
    wanted = {f"{room.conversation_id} {place} {number}" for place in range(2) for number in range(each)}
    for page in room.pages:
        told.heard += len(page.messages)
        told.foreign += sum(
            conversation != room.conversation_id or body not in wanted
            for conversation, _seq, body in page.messages
        )
        own = Counter(body for conversation, _seq, body in page.messages if body in wanted)
        told.lost += len(wanted - own.keys())
        told.doubled += sum(own.values()) - len(own)
        places = [seq for _conversation, seq, _body in page.messages]
        told.out_of_order += places != sorted(places)
