"""What goes over a connection goes whole or not at all, on threads and on greenlets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.databases import ROOT

# Run in a process of its own: gevent replaces the standard library's sockets and threads for good.
BEGIN = """
import socket, struct, sys, threading, time
from app.core import wire
wire.SEND_SECONDS = 1
ours, theirs = socket.socketpair()
ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", wire.SEND_SECONDS, 0))
line = wire.Line(ours)
"""
SLOW = """
FRAME, TIMES = 300_000, 6
got = bytearray()

def read():
    while len(got) < FRAME * TIMES:
        time.sleep(0.002)
        got.extend(theirs.recv(65536))

reader = threading.Thread(target=read)
reader.start()

def write(letter):
    for _ in range(TIMES // 2):
        assert line.send(letter * FRAME) == FRAME

writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
for thread in writers: thread.start()
for thread in [*writers, reader]: thread.join(30)
frames = [bytes(got[at:at + FRAME]) for at in range(0, len(got), FRAME)]
assert sorted(frames) == [b"a" * FRAME] * 3 + [b"b" * FRAME] * 3, "frames are mixed"
print("whole")
"""
DEAF = """
others = []

def meanwhile():
    for _ in range(5):
        time.sleep(0.05)
        others.append(time.monotonic())

started = time.monotonic()
other = threading.Thread(target=meanwhile)
other.start()
try:
    line.send(b"x" * 10_000_000)
except OSError:
    took = time.monotonic() - started
    other.join(5)
    assert 0.9 < took < 5, took
    assert others[-1] - started < 0.9, "somebody else had to wait"
    try:
        ours.send(b"more")
    except OSError:
        print("over")
"""
HURRIED = """
FRAME, TIMES = 200_000, 30
frames, took = [bytes([65 + n]) * FRAME for n in range(TIMES)], []
pushed, rest = [], bytearray()

def read():
    while not pushed or len(rest) < FRAME * len(pushed):
        time.sleep(0.002)
        rest.extend(theirs.recv(65536))

assert line.push(b"small") and theirs.recv(100) == b"small"
for frame in frames:
    started = time.monotonic()
    if line.push(frame):
        pushed.append(frame)
    took.append(time.monotonic() - started)
assert max(took) < 0.3, "it waited for a client that does not read"
assert pushed == frames[:1], "what was begun is not finished, and others do not go before it"
reader = threading.Thread(target=read)
reader.start()
reader.join(30)
assert bytes(rest) == b"".join(pushed), "frames are mixed"
line._lock.acquire()
line._lock.release()
assert line.push(b"small"), "it is free again"
theirs.close()
assert not line.push(b"gone") or not line.push(b"gone")
print("at once")
"""
PLAIN = ""
PATCHED = "from gevent import monkey; monkey.patch_all()\n"


@pytest.mark.parametrize("kind", [PLAIN, PATCHED], ids=["threads", "greenlets"])
@pytest.mark.parametrize(
    ("client", "end"),
    [(SLOW, "whole"), (DEAF, "over"), (HURRIED, "at once")],
    ids=["slow", "deaf", "hurried"],
)
def test_a_slow_client_gets_whole_frames_and_holds_up_nobody(kind: str, client: str, end: str) -> None:
    """A deaf one is given up; whoever speaks to many does not wait for it."""
    code = kind + BEGIN + client
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == (end, "")


def test_whether_threads_are_greenlets_is_known() -> None:
    ask = "from app.core.wire import on_greenlets; print(on_greenlets())"
    for before, answer in ((PLAIN, "False"), (PATCHED, "True"), ("import gevent.monkey\n", "False")):
        done = subprocess.run([sys.executable, "-c", before + ask], cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.strip() == answer, before
