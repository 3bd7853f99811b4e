"""Conversations on pages and by the API: the list, one of them, writing without script; whose they are."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from tests.domains.messaging.support import open_conversation, say, stored
from tests.support.world import Browser, World


def signed_in(world: World, role: str, company: Any = None) -> Browser:
    company = company or world.anna
    return world.browser(company.host, company.email(role))


def test_an_empty_list_says_how_it_fills(app: Flask, world: World) -> None:
    page = signed_in(world, "student").get("/messages/")
    assert page.status_code == 200
    assert "No conversations yet" in page.text
    assert "Find a lesson" in page.text
    assert "Find a lesson" not in signed_in(world, "tutor").get("/messages/").text
    assert world.browser(world.anna.host).get("/messages/").status_code == 302


def test_written_by_form_once(app: Flask, world: World) -> None:
    talk = open_conversation(app, world.anna)
    student = signed_in(world, "student")
    page = student.get(f"/messages/{talk}")
    client_id = re.search(r'name="client_id"[^>]*value="([^"]+)"', page.text).group(1)
    for _ in range(2):  # a double click
        sent = student.post(f"/messages/{talk}", body="Hello <script>alert(1)</script>", client_id=client_id)
        assert sent.status_code == 302
        assert sent.location.endswith(f"/messages/{talk}#write")
    assert len(stored(app, world.anna, talk)) == 1
    shown = student.get(f"/messages/{talk}").text
    assert "Hello &lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert" not in shown
    assert "Sent" in shown

    tutor = signed_in(world, "tutor")
    assert "Student anna: Hello &lt;script&gt;" in tutor.get("/messages/").text
    assert "unread" in tutor.get("/messages/").text
    tutor.get(f"/messages/{talk}")  # whoever sees it has read it
    assert re.search(r"data-state>\s*Seen", student.get(f"/messages/{talk}").text)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"body": ""}, "Please write something first."),
        ({"body": "   \u200b"}, "Please write something first."),
        ({"body": "x" * 4001}, "This message is too long"),
        ({"body": "x", "client_id": "not a uuid"}, "Please reload the page"),
        ({"body": "x\x00y"}, "characters in here"),
    ],
)
def test_what_is_not_sent_stays_in_the_field(
    app: Flask, world: World, data: dict[str, str], words: str
) -> None:
    talk = open_conversation(app, world.anna)
    answer = signed_in(world, "tutor").post(f"/messages/{talk}", **{"client_id": str(uuid4()), **data})
    assert answer.status_code == 422
    assert words in answer.text
    assert stored(app, world.anna, talk) == []


def test_earlier_messages(app: Flask, world: World) -> None:
    talk = open_conversation(app, world.anna)
    for number in range(1, 121):
        say(app, world.anna, talk, "tutor", f"message {number}.")
    student = signed_in(world, "student")
    seen: list[int] = []
    path: str | None = f"/messages/{talk}"
    while path:
        page = student.get(path).text
        seen = [int(seq) for seq in re.findall(r'data-seq="(\d+)"', page)] + seen
        link = re.search(r'href="([^"]+before=\d+)"', page)
        path = link.group(1) if link else None
    assert seen == list(range(1, 121))


def test_foreign_conversations_are_not_there(app: Flask, world: World) -> None:
    talk = open_conversation(app, world.anna)
    say(app, world.anna, talk, "tutor", "a secret")
    anna = world.anna.people
    way = f"/messages/with/{anna['tutor']}/{anna['student']}"
    for browser in (
        signed_in(world, "guardian"), signed_in(world, "manager"), signed_in(world, "tutor", world.bert), world.operator(),
    ):  # fmt: skip
        for path in (f"/messages/{talk}", way, "/messages/999999999999999999"):
            answer = browser.get(path)
            assert answer.status_code == 404, path
            assert "secret" not in answer.text
        token = browser.csrf("/account/")
        written = browser.post_raw(
            f"/messages/{talk}", {"csrf_token": token, "body": "x", "client_id": str(uuid4())}
        )
        assert written.status_code == 404
    assert len(stored(app, world.anna, talk)) == 1


def test_the_way_from_a_lesson(app: Flask, world: World) -> None:
    anna = world.anna.people
    way = f"/messages/with/{anna['tutor']}/{anna['student']}"
    assert signed_in(world, "student").get(way).status_code == 404  # nothing booked yet
    talk = open_conversation(app, world.anna, with_guardian=True)
    for role in ("tutor", "student", "guardian"):
        assert signed_in(world, role).get(way).location.endswith(f"/messages/{talk}")


def test_everybody_is_told_who_reads(app: Flask, world: World) -> None:
    talk = open_conversation(app, world.anna, with_guardian=True)
    page = signed_in(world, "tutor").get(f"/messages/{talk}").text
    assert (
        "In this conversation: Tutor anna, Student anna, Guardian anna. The company can read along." in page
    )


# -- The API ----------------------------------------------------------------------------------------------------------


class Api:
    def __init__(self, world: World, role: str, company: Any = None) -> None:
        company = company or world.anna
        self.client = world.app.test_client()
        self.options = {
            "base_url": f"http://{company.host}",
            "headers": {"Authorization": f"Bearer {world.token(company, role)}"},
        }

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}", **self.options)

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(f"/api/v1{path}", json=body, **self.options)


def test_api(app: Flask, world: World) -> None:
    talk = open_conversation(app, world.anna)
    student, tutor = Api(world, "student"), Api(world, "tutor")
    sent = {"client_id": str(uuid4()), "body": "hello"}
    made = student.post(f"/conversations/{talk}/messages", sent)
    assert made.status_code == 201
    assert student.post(f"/conversations/{talk}/messages", sent).json == made.json
    [line] = tutor.get("/conversations").json["result"]
    assert (line["id"], line["unread"], line["last_message"]) == (talk, 1, "hello")
    for number in range(60):
        say(app, world.anna, talk, "tutor", f"{number}")
    first = student.get(f"/conversations/{talk}/messages").json
    assert (first["count"], first["more"]) == (50, True)
    rest = student.get(f"/conversations/{talk}/messages?after={first['result'][-1]['seq']}").json
    assert ([message["seq"] for message in rest["result"]], rest["more"]) == (list(range(51, 62)), False)
    assert student.post(f"/conversations/{talk}/read", {"seq": 61}).status_code == 204
    assert student.get("/conversations").json["result"][0]["unread"] == 0


def test_api_refuses(app: Flask, world: World) -> None:
    talk = open_conversation(app, world.anna)
    student = Api(world, "student")
    path = f"/conversations/{talk}/messages"
    for body in (
        {}, [], "x", {"client_id": "x", "body": "x"}, {"client_id": 7, "body": "x"}, {"client_id": str(uuid4())},
        {"client_id": str(uuid4()), "body": 7}, {"client_id": str(uuid4()), "body": ""},
        {"client_id": str(uuid4()), "body": "x" * 4001}, {"client_id": str(uuid4()), "body": "x", "author_id": 1},
        {"client_id": str(uuid4()), "body": "x", "tenant_id": world.bert.id},
    ):  # fmt: skip
        answer = student.post(path, body)
        assert answer.status_code in (400, 422), body
        assert answer.mimetype == "application/problem+json"
    unknown = student.post(f"/conversations/{talk}/read", {"seq": 0, "person_id": 1})
    assert (unknown.status_code, unknown.json["code"]) == (422, "unknown_member")
    for after in ("-1", "x", "1.5", "9" * 30):
        assert student.get(f"{path}?after={after}").status_code == 422, after
    for seq in (None, -1, "1", True, 10**18):
        assert student.post(f"/conversations/{talk}/read", {"seq": seq}).status_code == 422, seq
    for stranger in (Api(world, "guardian"), Api(world, "manager"), Api(world, "tutor", world.bert)):
        assert stranger.get(path).status_code == 404
        sent = {"client_id": str(uuid4()), "body": "x"}
        assert stranger.post(path, sent).status_code == 404
        assert stranger.post(f"/conversations/{talk}/read", {"seq": 1}).status_code == 404
        assert stranger.get("/conversations").json["result"] == []
    assert stored(app, world.anna, talk) == []
    assert (
        app.test_client().get("/api/v1/conversations", base_url=f"http://{world.anna.host}").status_code
        == 401
    )
