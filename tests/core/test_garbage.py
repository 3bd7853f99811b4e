"""A process that lasts looks for cycles of garbage seldom, never in the application, and still finds them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from app.core import garbage
from app.shell import factory
from app.shell.server import Server

if TYPE_CHECKING:
    from flask import Flask

    from config import Settings

PROGRAM = textwrap.dedent(
    """
    import gc, weakref
    from app.core import garbage

    class Node:
        pass

    def cycle():
        node = Node()
        node.itself = node
        return weakref.ref(node)

    application = [cycle for _ in range(1000)]
    before, forgotten = Node(), cycle()
    garbage.settle()
    assert forgotten() is None, "what was garbage before is gone"
    assert gc.is_tracked(before)
    assert not any(before is each for each in gc.get_objects()), "what lasts is not looked at any more"
    searches = sum(generation["collections"] for generation in gc.get_stats())
    kept = [[] for _ in range(10_000)]
    assert sum(generation["collections"] for generation in gc.get_stats()) == searches, "a request's worth"
    lost = [cycle() for _ in range(200_000)]
    assert sum(ref() is not None for ref in lost) < 60_000, "cycles are found, after a while"
    print("ok")
    """
)


def test_a_process_that_lasts() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout == "ok\n", done.stderr


def test_the_web_server_settles(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[bool] = []
    monkeypatch.setattr(factory, "create_app", lambda _settings: app)
    monkeypatch.setattr(garbage, "settle", lambda: settled.append(True))
    monkeypatch.setitem(app.extensions, "metrics_folder", None)
    assert Server(settings).load() is app
    assert settled == [True]
