"""Steps of two who chat."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.browser.job import Job
from tests.support.browser import look

if TYPE_CHECKING:
    from playwright.sync_api import Page


def they_chat(job: Job, sam: Page) -> None:
    """Typing, sent, delivered, read; then one is offline, and gets all of it once and in order."""
    tutor = job.tutor
    sam.get_by_role("link", name="Message the tutor").click()
    job.go(tutor, "/messages/")
    look(tutor, "messages")
    tutor.get_by_role("link", name=re.compile("Sam Student")).click()
    for page in (sam, tutor):
        page.locator("[data-chat-state]", has_text="Connected").wait_for()
    sam.locator("#body").press_sequentially("Hello")
    tutor.get_by_text("Sam Student is writing").wait_for()
    sam.locator("#body").press("Enter")
    tutor.locator(".wm-said-text", has_text="Hello").wait_for()
    _state(sam, "Hello", "Delivered|Seen")
    tutor.bring_to_front()
    tutor.locator("#body").click()
    _state(sam, "Hello", "Seen")

    sam.context.set_offline(True)
    sam.locator("[data-chat-state]", has_text="No connection").wait_for()
    for number in (1, 2, 3):
        tutor.locator("#body").fill(f"Exercise {number}")
        tutor.locator("#body").press("Enter")
    _state(tutor, "Exercise 3", "Sent")
    sam.locator("#body").fill("Written on the train")
    sam.locator("#body").press("Enter")
    _state(sam, "Written on the train", "Not sent yet")
    sam.context.set_offline(False)
    tutor.locator(".wm-said-text", has_text="Written on the train").wait_for()
    said = ["Hello", "Exercise 1", "Exercise 2", "Exercise 3", "Written on the train"]
    _state(sam, said[-1], "Sent|Delivered|Seen")
    for page in (sam, tutor):
        assert page.locator(".wm-said-text").all_inner_texts() == said
        look(page, "chat")
        page.reload()
        assert page.locator(".wm-said-text").all_inner_texts() == said


def _state(page: Page, text: str, words: str) -> None:
    state = page.locator(".wm-mine", has_text=text).locator("[data-state]")
    state.filter(has_text=re.compile(words)).wait_for()
