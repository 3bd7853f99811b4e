"""What goes wrong around the house, for real: nobody answers, a disk has no room."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Sink:
    """Takes connections and says nothing, or a byte now and then; `open` counts those that wait here."""

    drip: bytes = b""
    seconds: float = 0.1
    listener: socket.socket = field(default_factory=socket.socket)
    taken: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self.listener.accept()
                self.taken.append(connection)
                if self.drip:
                    threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(self.drip)
                time.sleep(self.seconds)


@contextlib.contextmanager
def sink(drip: bytes = b"") -> Iterator[Sink]:
    made = Sink(drip)
    made.listener.bind(("127.0.0.1", 0))
    made.listener.listen(200)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            made.listener.shutdown(socket.SHUT_RDWR)
        made.listener.close()
        for connection in made.taken:
            connection.close()
        thread.join(5)


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own without a byte of room. Where this machine lets us mount none, the kernel
    refuses whatever this process writes anywhere: a limit on the size of files, which is never reached else."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        with contextlib.suppress(OSError):
            (folder / "taken").write_bytes(b"x" * 65_536)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    else:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
        try:
            yield folder
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def files_in(folder: Path) -> list[str]:
    """All but what takes the room of a full disk."""
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return [name for name in found if name != "taken"]


def wait_for(what: str, found: Callable[[], object], most: float) -> float:
    """Seconds until `found` says yes."""
    begun = time.monotonic()
    while not found():
        assert time.monotonic() - begun < most, f"{what}: not within {most} s"
        time.sleep(0.05)
    return time.monotonic() - begun
