"""localstripe, an independent imitation of Stripe, as a process of its own on loopback.

It differs from Stripe in much (no idempotency keys, no decline on confirming, refunds above the
charge); the contract asks it only for what it does as Stripe does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.providers.payments.rig import KEYS, ask, eventually
from tests.support.servers import free_port

KEY = "sk_test_12345"
_START = """
import sys
from aiohttp import web
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


def is_installed() -> bool:
    return importlib.util.find_spec("localstripe") is not None


@contextlib.contextmanager
def running(folder: Path, webhook_port: int) -> Iterator[str]:
    """Its address; its webhooks go to that port, signed with our key. It keeps its state below `folder`."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _START, str(port)],
        env={"TMPDIR": str(folder), "PYTHONPATH": ":".join(sys.path), "PATH": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _answers(port), seconds=20)
        hook = {"url": f"http://127.0.0.1:{webhook_port}/", "secret": KEYS.webhook}
        assert ask(port, "POST", "/_config/webhooks/ours", hook).status == 200
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/js.stripe.com/v3/").status == 200
    except OSError:
        return False
