"""The chat's web sockets on the real web server: who is let in, who hears what, and what is refused."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask

from app.core import clock
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ENDED, Account, Guardianship, Membership, UserSession
from app.domains.messaging import queries
from app.domains.messaging.events import MarksMoved, MessageSent
from app.domains.tenancy import queries as tenancy
from app.domains.tenancy import service as tenancy_service
from tests.domains.messaging.support import Client, Refused, cookie_of, open_conversation, say, stored
from tests.support.outbox import wait_until
from tests.support.servers import LiveServers, live_servers
from tests.support.world import Company, World

Open = Callable[..., Client]


@pytest.fixture
def page(served: LiveServers, town: World) -> Iterator[Open]:
    """Opens a chat page: the socket of somebody of a company."""
    clients: list[Client] = []

    def open_page(company: Company, role: str, *, enter: bool = True) -> Client:
        browser = town.browser(company.host, company.email(role))
        client = Client(served.port, f"{company.slug}.localhost", cookie_of(browser))
        clients.append(client)
        return client.enter() if enter else client

    yield open_page
    for client in clients:
        client.close()


@pytest.fixture
def talk(here: Flask, town: World) -> int:
    return open_conversation(here, town.anna)


def join(client: Client, talk: int, after: int = 0) -> dict[str, object]:
    answer = client.ask("join", {"conversation_id": talk, "after_seq": after})
    assert answer.get("ok"), answer
    return answer


def write(client: Client, talk: int, body: str, client_id: str | None = None) -> dict[str, object]:
    sent = {"conversation_id": talk, "client_id": client_id or str(uuid4()), "body": body}
    answer = client.ask("send", sent)
    assert answer.get("ok"), answer
    return answer["message"]


# -- Two people who write to each other ------------------------------------------------------------------------------


def test_typing_sent_delivered_read(town: World, page: Open, talk: int) -> None:
    tutor, student = page(town.anna, "tutor"), page(town.anna, "student")
    assert [part["name"] for part in join(tutor, talk)["parts"]] == ["Tutor anna", "Student anna"]
    join(student, talk)

    assert student.ask("typing", {"conversation_id": talk}) == {"ok": True}
    typing = tutor.hear("typing")
    assert (typing["name"], typing["person_id"]) == ("Student anna", town.anna.people["student"])
    assert student.hears_nothing()  # not of one's own typing

    mine = write(student, talk, "Hello — 你好 👩‍👩‍👧‍👦 <script>alert(1)</script>")
    heard = tutor.hear("message")
    assert heard == mine
    assert heard["seq"] == 1
    assert heard["body"].endswith("<script>alert(1)</script>")
    assert student.hear("message") == mine  # the writer's other pages hear it as well

    assert tutor.ask("delivered", {"conversation_id": talk, "seq": 1}) == {"ok": True}
    student.heard.clear()
    marks = student.hear("marks")
    assert (marks["person_id"], marks["delivered_seq"], marks["read_seq"]) == (
        town.anna.people["tutor"],
        1,
        0,
    )
    assert tutor.ask("read", {"conversation_id": talk, "seq": 99}) == {"ok": True}
    assert student.hear("marks")["read_seq"] == 1  # never beyond the last message


def test_twice_with_the_same_client_id_is_stored_and_heard_once(
    here: Flask, town: World, page: Open, talk: int
) -> None:
    tutor, student = page(town.anna, "tutor"), page(town.anna, "student")
    join(tutor, talk)
    client_id = str(uuid4())
    first = write(student, talk, "once", client_id)
    assert write(student, talk, "once", client_id) == first
    assert tutor.hear("message")["seq"] == 1
    tutor.hears_nothing()
    assert "message" not in [name for name, _data in tutor.heard]
    assert [message.body for message in stored(here, town.anna, talk)] == ["once"]


def test_ten_at_once_have_places_without_gaps(here: Flask, town: World, page: Open, talk: int) -> None:
    pages = [page(town.anna, role) for role in ("tutor", "student") for _ in range(2)]

    def talk_on(client: Client) -> None:
        for number in range(5):
            write(client, talk, f"{number}")

    threads = [threading.Thread(target=talk_on, args=(client,)) for client in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [message.seq for message in stored(here, town.anna, talk)] == list(range(1, 21))


def test_what_was_written_while_away_is_there_on_return_once_and_in_order(
    here: Flask, town: World, page: Open, talk: int
) -> None:
    student = page(town.anna, "student")
    join(student, talk)
    for number in range(1, 4):
        say(here, town.anna, talk, "tutor", f"before {number}")
    assert [student.hear("message")["seq"] for _ in range(3)] == [1, 2, 3]
    student.close()
    for number in range(1, 71):
        say(here, town.anna, talk, "tutor", f"meanwhile {number}")
    back = page(town.anna, "student")
    first = join(back, talk, after=3)
    assert first["more"] is True
    second = join(back, talk, after=first["messages"][-1]["seq"])
    assert second["more"] is False
    got = [message["seq"] for answer in (first, second) for message in answer["messages"]]
    assert got == list(range(4, 74))


def test_killed_between_commit_and_emit(
    here: Flask, town: World, page: Open, talk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is stored and nobody is told; the next one shows the gap, and the client asks."""
    student = page(town.anna, "student")
    join(student, talk)
    for event in (MessageSent, MarksMoved):
        monkeypatch.setitem(here.extensions["wiring"].now, event, ())
    say(here, town.anna, talk, "tutor", "lost on the way")
    monkeypatch.undo()
    assert student.hears_nothing()
    say(here, town.anna, talk, "tutor", "told")
    heard = student.hear("message")
    assert heard["seq"] == 2  # a gap: 1 never came
    answer = join(student, talk, after=0)
    assert [(m["seq"], m["body"]) for m in answer["messages"]] == [(1, "lost on the way"), (2, "told")]
    assert join(student, talk, after=2)["messages"] == []


def test_server_killed_while_people_write(
    here: Flask, served: LiveServers, town: World, page: Open, talk: int
) -> None:
    """A client that sends again until it is answered: each message is stored once, in the order it was written."""
    cookie = cookie_of(town.browser(town.anna.host, town.anna.email("student")))
    written: list[int] = []

    def write_all() -> None:
        client: Client | None = None
        for number in range(60):
            client_id = str(uuid4())
            while True:
                try:
                    client = client or Client(served.port, "anna.localhost", cookie).enter()
                    write(client, talk, f"{number}", client_id)
                    break
                except (OSError, Refused):
                    if client is not None:
                        client.close()
                    client = None
                    time.sleep(0.1)
            written.append(number)
            time.sleep(0.06)  # fewer than are taken for a flood
        if client is not None:
            client.close()

    writer = threading.Thread(target=write_all, daemon=True)
    writer.start()
    wait_until(lambda: len(written) > 10, seconds=30)
    served.restart(served.main)
    writer.join(timeout=60)
    assert len(written) == 60
    assert [message.body for message in stored(here, town.anna, talk)] == [str(n) for n in range(60)]
    back = page(town.anna, "tutor")
    first = join(back, talk)["messages"]
    rest = join(back, talk, after=50)["messages"]
    assert [message["seq"] for message in first + rest] == list(range(1, 61))


def test_a_page_without_script_reaches_open_pages(town: World, page: Open, talk: int) -> None:
    """Whoever writes by form, in another process, is heard at once, too: by way of Redis."""
    tutor = page(town.anna, "tutor")
    join(tutor, talk)
    student = town.browser(town.anna.host, town.anna.email("student"))
    sent = student.post(f"/messages/{talk}", body="by form", client_id=str(uuid4()))
    assert sent.status_code == 302
    assert tutor.hear("message")["body"] == "by form"


def is_up(port: int) -> bool:
    """Whether somebody listens; without Redis it is not called ready."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_without_redis(here: Flask, served: LiveServers, town: World, talk: int, tmp_path: Path) -> None:
    """It starts, and those who are with the same process write to each other as ever; and it stops at once,
    however many sockets are open."""
    cookies = {
        role: cookie_of(town.browser(town.anna.host, town.anna.email(role))) for role in ("tutor", "student")
    }
    with live_servers(
        served.database, tmp_path, (), main=served.main, REDIS_URL="redis://127.0.0.1:1/0"
    ) as alone:  # fmt: skip
        alone.start(alone.main)
        wait_until(lambda: is_up(alone.port), seconds=120)
        tutor, student = (Client(alone.port, "anna.localhost", cookies[role]).enter() for role in cookies)
        join(tutor, talk)
        started = time.monotonic()
        assert write(student, talk, "hello")["seq"] == 1
        assert tutor.hear("message")["body"] == "hello"
        assert time.monotonic() - started < 2
        started = time.monotonic()
        alone.kill(alone.main, signal.SIGTERM)
        alone.processes[alone.main].wait(timeout=20)
        assert time.monotonic() - started < 6
        tutor.close()
        student.close()


# -- Who is let in ---------------------------------------------------------------------------------------------------


def refused(served: LiveServers, **options: object) -> int:
    with pytest.raises(Refused) as caught:
        Client(served.port, **options)
    return caught.value.status


def test_no_session_no_socket(served: LiveServers, town: World) -> None:
    assert refused(served, host="anna.localhost") == 401
    assert refused(served, host="anna.localhost", cookie="wm=forged") == 401
    assert refused(served, host="nobody.localhost") == 422


def test_a_foreign_or_missing_origin_is_refused(served: LiveServers, town: World) -> None:
    cookie = cookie_of(town.browser(town.anna.host, town.anna.email("tutor")))
    for origin in (
        None, "null", "http://evil.test", f"http://bert.localhost:{served.port}", "http://anna.localhost",
        f"https://anna.localhost:{served.port}",
    ):  # fmt: skip
        assert refused(served, host="anna.localhost", cookie=cookie, origin=origin) == 403, origin


def test_a_session_of_another_company_opens_nothing(served: LiveServers, town: World) -> None:
    cookie = cookie_of(town.browser(town.anna.host, town.anna.email("tutor")))
    assert refused(served, host="bert.localhost", cookie=cookie) == 401
    assert refused(served, host="localhost", cookie=cookie) == 401


def test_other_doors_are_shut(served: LiveServers, town: World) -> None:
    """Long polling would be a second way in, with rules of its own."""
    cookie = cookie_of(town.browser(town.anna.host, town.anna.email("tutor")))
    seen = {"host": "anna.localhost", "cookie": cookie}
    for path in ("?EIO=4&transport=polling", "?EIO=3&transport=websocket", "?transport=websocket", ""):
        assert refused(served, path=f"/socket.io/{path}", **seen) == 400, path
    client = Client(served.port, **seen)
    for namespace in ("/", "/admin", "/chat2"):
        client.send_raw(f"40{namespace},")
        assert client.next().startswith("44"), namespace
    client.close()


def test_eleventh_socket_of_an_account_waits(served: LiveServers, town: World) -> None:
    cookie = cookie_of(town.browser(town.anna.host, town.anna.email("tutor")))
    seen = {"host": "anna.localhost", "cookie": cookie}
    clients = [Client(served.port, **seen) for _ in range(10)]
    assert refused(served, **seen) == 429
    clients.pop().close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(Refused):
            clients.append(Client(served.port, **seen))
            break
        time.sleep(0.05)
    assert len(clients) == 10
    for client in clients:
        client.close()


def test_open_sockets_leave_the_web_server_its_threads(served: LiveServers, town: World) -> None:
    """More sockets than it has threads, and pages are answered as before."""
    clients = []
    for role in ("tutor", "student", "guardian", "manager"):
        cookie = cookie_of(town.browser(town.anna.host, town.anna.email(role)))
        clients += [Client(served.port, "anna.localhost", cookie).enter() for _ in range(9)]
    assert len(clients) == 36
    started = time.monotonic()
    assert served._answers()
    assert time.monotonic() - started < 2
    for client in clients:
        client.close()


# -- Who hears and says what ------------------------------------------------------------------------------------------


def error_of(answer: dict[str, dict[str, str]]) -> str:
    return answer["error"]["code"]


@pytest.mark.parametrize("role", ["guardian", "manager"])
def test_a_conversation_of_others_does_not_exist(
    here: Flask, town: World, page: Open, talk: int, role: str
) -> None:
    """Of the same company, but taking no part: managers read in the admin, where it is noted that they may."""
    stranger = page(town.anna, role)
    about = {"conversation_id": talk}
    assert error_of(stranger.ask("join", {**about, "after_seq": 0})) == "not_found"
    assert error_of(stranger.ask("send", {**about, "client_id": str(uuid4()), "body": "x"})) == "not_found"
    for event in ("delivered", "read"):
        assert error_of(stranger.ask(event, {**about, "seq": 1})) == "not_found"
    assert error_of(stranger.ask("typing", about)) == "not_found"
    say(here, town.anna, talk, "tutor", "a secret")
    assert stranger.hears_nothing()
    assert len(stored(here, town.anna, talk)) == 1


def test_another_companys_conversation_does_not_exist(
    here: Flask, town: World, page: Open, talk: int
) -> None:
    stranger = page(town.bert, "tutor")
    about = {"conversation_id": talk}
    assert error_of(stranger.ask("join", {**about, "after_seq": 0})) == "not_found"
    assert error_of(stranger.ask("send", {**about, "client_id": str(uuid4()), "body": "x"})) == "not_found"
    say(here, town.anna, talk, "tutor", "a secret")
    assert stranger.hears_nothing()


def test_a_guardian_is_in_from_the_start_and_out_at_once(here: Flask, town: World, page: Open) -> None:
    talk = open_conversation(here, town.anna, with_guardian=True)
    guardian = page(town.anna, "guardian")
    assert [part["name"] for part in join(guardian, talk)["parts"]][-1] == "Guardian anna"
    say(here, town.anna, talk, "tutor", "for both")
    assert guardian.hear("message")["body"] == "for both"
    with here.app_context(), tenant_scope(town.anna.id), transaction() as session:
        session.delete(session.query(Guardianship).one())
    assert guardian.is_closed(2.0)


JUNK: list[tuple[object, list[object]]] = [
    ("join", []),
    ("join", [{"conversation_id": 1}]),
    ("join", [{"conversation_id": "1", "after_seq": 0}]),
    ("join", [{"conversation_id": True, "after_seq": 0}]),
    ("join", [{"conversation_id": 10**18, "after_seq": 0}]),
    ("join", [{"conversation_id": -1, "after_seq": 0}]),
    ("join", [{"conversation_id": 1.5, "after_seq": 0}]),
    ("join", [{"conversation_id": [1], "after_seq": {}}]),
    ("join", ["t:1:c:1"]),
    ("join", [1, 2, 3]),
    ("join", [None]),
    ("send", [{"conversation_id": 1, "client_id": "x", "body": "x"}]),
    ("send", [{"conversation_id": 1, "client_id": str(uuid4()), "body": ["x"]}]),
    ("enter_room", [{"room": "t:1:c:1"}]),
    ("write", [{}]),
    ("trigger_event", ["join"]),
    ("intruders", [[]]),
    ("__init__", [{}]),
    ("", [{}]),
]


def test_junk_is_refused(page: Open, town: World, talk: int) -> None:
    client = page(town.anna, "tutor")
    for event, values in JUNK:
        error = client.ask(event, *values)["error"]
        assert error["code"] in {"invalid", "unknown_event", "not_found"}, (event, values)
        assert error["message"]
        time.sleep(0.03)
    for event in ("connect", "disconnect"):  # Socket.IO's own, said by a client: nothing happens
        client.send_raw(f'42/chat,77["{event}",{{}}]')
        assert client.next() == "43/chat,77[]"
    assert join(client, talk)["ok"]


NO_PACKETS = (
    "4", "42", "42/chat,", "42/chat,[", "42/chat,7[7]", "42/chat,7[null,{}]", '42/chat,7[{"a":1}]', "45/chat,", "9", "b",
    "42/chat,5", "43/chat,9[1]", "6", "\x00", "40/chat,", "42/chat,1" + "[" * 5000,
)  # fmt: skip


def test_what_is_no_packet_ends_its_socket_or_is_nothing(
    served: LiveServers, page: Open, town: World, talk: int
) -> None:
    other = page(town.anna, "student")
    cookie = cookie_of(town.browser(town.anna.host, town.anna.email("tutor")))
    for raw in NO_PACKETS:
        client = Client(served.port, "anna.localhost", cookie).enter()
        client.send_raw(raw)
        with contextlib.suppress(ConnectionError):
            assert join(client, talk)["ok"], raw
        client.close()
        time.sleep(0.02)
    assert join(other, talk)["ok"]
    assert "Traceback" not in served.log(served.main)


def test_bodies(page: Open, town: World, talk: int) -> None:
    client = page(town.anna, "tutor")

    def answer(body: str) -> dict[str, dict[str, str]]:
        sent = {"conversation_id": talk, "client_id": str(uuid4()), "body": body}
        return client.ask("send", sent)

    assert error_of(answer("")) == "empty_message"
    assert error_of(answer(" \n\t\u200b ")) == "empty_message"
    assert error_of(answer("x" * 4001)) == "message_too_long"
    assert answer("x" * 4000)["ok"]
    assert answer("a\x00b\x1b[31m\r\nc")["message"]["body"] == "ab[31m\nc"
    assert answer("\u202eevil\u202c")["message"]["body"] == "evil"


# -- Too much, and too late -------------------------------------------------------------------------------------------


def test_a_flood_ends_its_socket(served: LiveServers, page: Open, town: World, talk: int) -> None:
    client = page(town.anna, "tutor")
    with contextlib.suppress(OSError):
        for number in range(1000):
            client.send_raw(f'42/chat,{number}["typing",{{"conversation_id":{talk}}}]')
    assert client.is_closed(3)
    other = page(town.anna, "student")
    assert join(other, talk)["ok"]


def test_a_2_mb_frame_ends_its_socket(served: LiveServers, page: Open, town: World, talk: int) -> None:
    client = page(town.anna, "tutor")
    huge = json.dumps({"conversation_id": talk, "client_id": str(uuid4()), "body": "x" * 2_000_000})
    with contextlib.suppress(OSError):
        client.send_raw(f'42/chat,1["send",{huge}]')
    assert client.is_closed(3)
    assert join(page(town.anna, "student"), talk)["messages"] == []


def _sign_out(town: World) -> None:
    with platform_scope("test"), transaction() as session:
        session.query(UserSession).update({"ended_at": clock.machine_now()})


def _expire(town: World) -> None:
    with platform_scope("test"), transaction() as session:
        session.query(UserSession).update({"expires_at": clock.machine_now()})


def _end_membership(town: World) -> None:
    with tenant_scope(town.anna.id), transaction() as session:
        session.get(Membership, town.anna.memberships["tutor"]).status = ENDED


def _deactivate(town: World) -> None:
    with platform_scope("test"), transaction() as session:
        session.get(Account, town.anna.accounts["tutor"]).active = False


def _suspend(town: World) -> None:
    with platform_scope("test"), transaction():
        tenancy_service.suspend(tenancy.tenant_for_update(town.anna.id), reason="test")


@pytest.mark.parametrize("end", [_sign_out, _expire, _end_membership, _deactivate, _suspend])
def test_whoever_may_no_more_hears_no_more(
    here: Flask, town: World, page: Open, talk: int, end: Callable[[World], None]
) -> None:
    """A socket that only listens is closed within two seconds."""
    listener = page(town.anna, "tutor")
    join(listener, talk)
    with here.app_context():
        end(town)
    started = time.monotonic()
    assert listener.is_closed(2.5)
    assert time.monotonic() - started < 2.2


def test_an_ended_session_is_refused_by_the_next_event(
    here: Flask, town: World, page: Open, talk: int
) -> None:
    client = page(town.anna, "tutor")
    join(client, talk)
    with here.app_context():
        _sign_out(town)
    with contextlib.suppress(ConnectionError):
        sent = {"conversation_id": talk, "client_id": str(uuid4()), "body": "too late"}
        assert error_of(client.ask("send", sent)) == "sign_in_needed"
    assert client.is_closed(2)
    with here.app_context(), tenant_scope(town.anna.id):
        assert queries.messages_after(talk, 0) == []
