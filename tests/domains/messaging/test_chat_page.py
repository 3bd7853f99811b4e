"""The chat as two people have it before them, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from flask import Flask

from tests.domains.messaging.support import cookie_of, open_conversation, say, stored
from tests.support.browser import shoot
from tests.support.servers import LiveServers
from tests.support.world import World

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

OpenChat = Callable[..., "Page"]


@pytest.fixture
def rough(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A page whose connection breaks: what the browser notes about that is no fault of the page's."""
    contexts = []

    def open_page(**_options: object) -> Page:
        contexts.append(browser.new_context(viewport={"width": 390, "height": 800}))
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def chat(served: LiveServers, town: World, page_at: OpenChat) -> OpenChat:
    """The conversation as somebody sees it."""

    def open_chat(role: str, talk: int, opener: OpenChat = page_at, **options: object) -> Page:
        page = opener(**options)
        cookie = cookie_of(town.browser(town.anna.host, town.anna.email(role)))
        url = served.url("/", host="anna.localhost")
        page.context.add_cookies([{"name": "wm", "value": cookie.removeprefix("wm="), "url": url}])
        page.goto(served.url(f"/messages/{talk}", host="anna.localhost"))
        page.get_by_text("Connected").wait_for()
        return page

    return open_chat


def texts(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".wm-said-text").all_inner_texts()]


def eventually(found: Callable[[], object], wanted: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while (seen := found()) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)


def field(page: Page) -> Locator:
    return page.get_by_label("Your message")


def states(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".wm-said-state").all_inner_texts()]


def test_two_people(here: Flask, town: World, chat: OpenChat) -> None:
    talk = open_conversation(here, town.anna)
    say(here, town.anna, talk, "tutor", "Hello before")
    tutor, student = chat("tutor", talk), chat("student", talk, width=390)
    tutor.bring_to_front()
    student.bring_to_front()

    field(student).type("Hi")
    tutor.get_by_text("Student anna is writing …").wait_for()
    field(student).press("Shift+Enter")
    field(student).type("there <b>&</b>")
    field(student).press("Enter")
    eventually(lambda: texts(tutor), ["Hello before", "Hi\nthere <b>&</b>"])
    assert tutor.get_by_text("is writing").count() == 0
    eventually(lambda: states(student)[0] in ("Delivered", "Seen"), True)
    field(tutor).fill("Welcome")
    tutor.get_by_role("button", name="Send").click()
    eventually(lambda: texts(student)[-1], "Welcome")
    eventually(lambda: states(tutor)[-1], "Seen")
    assert field(student).input_value() == ""
    assert student.locator(".wm-chat-day").count() == 1
    shoot(tutor, "chat")
    shoot(student, "chat")
    assert [message.body for message in stored(here, town.anna, talk)][1:] == [
        "Hi\nthere <b>&</b>",
        "Welcome",
    ]


def test_written_without_a_connection(
    here: Flask, served: LiveServers, town: World, chat: OpenChat, rough: OpenChat
) -> None:
    """What is written meanwhile waits, and is there on return: once, in order, after what the other wrote."""
    talk = open_conversation(here, town.anna)
    student = chat("student", talk, rough)
    student.context.set_offline(True)
    served.kill("serve")  # an offline browser keeps its open web socket; now it is really gone
    student.get_by_text("No connection").wait_for()
    for word in ("one", "two", "three"):
        field(student).fill(word)
        field(student).press("Enter")
    eventually(lambda: texts(student), ["one", "two", "three"])
    say(here, town.anna, talk, "tutor", "meanwhile", uuid4())
    served.restart("serve")
    eventually(lambda: set(states(student)), {"Not sent yet"})
    shoot(student, "chat-offline")
    student.context.set_offline(False)
    eventually(lambda: texts(student), ["meanwhile", "one", "two", "three"], seconds=30)
    eventually(lambda: states(student), ["Sent"] * 3)
    assert [m.body for m in stored(here, town.anna, talk)] == ["meanwhile", "one", "two", "three"]


def test_signed_out_elsewhere(here: Flask, town: World, chat: OpenChat, rough: OpenChat) -> None:
    talk = open_conversation(here, town.anna)
    page = chat("student", talk, rough)
    page.evaluate(
        """async () => {
            const token = document.querySelector("form[action='/logout/'] [name=csrf_token]").value;
            await fetch("/logout/", {method: "POST", body: new URLSearchParams({csrf_token: token})});
        }"""
    )
    page.get_by_text("You are signed out").wait_for(timeout=15_000)


def test_lists_at_both_sizes(here: Flask, served: LiveServers, town: World, chat: OpenChat) -> None:
    talk = open_conversation(here, town.anna, with_guardian=True)
    for number in range(60):
        say(
            here,
            town.anna,
            talk,
            "tutor",
            f"A message of some length, the {number}th, so that the list scrolls.",
        )
    for width, dark in ((390, False), (1280, True)):
        page = chat("guardian", talk, width=width, dark=dark)
        shoot(page, "chat-long")
        page.goto(served.url("/messages/", host="anna.localhost"))
        assert page.get_by_text("about Student anna").count() == 1
        shoot(page, "messages")
        wide = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert wide, "the page is wider than the screen"
