"""Children that never outlive their parent and never hear its Ctrl-C."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# From <linux/prctl.h> and <linux/capability.h>
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

# Loaded before any fork: between fork and exec nothing may allocate or import more than it must.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """A system account that root starts a child as (PostgreSQL refuses to run as root)."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str],
    *,
    log: Path | int,
    extra_environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own; the kernel sends it `death_signal` if this process dies (Linux).

    Call it from a thread that lives as long as the process: the kernel looks at the starting thread.
    `log` is a file to append to, or a descriptor such as `subprocess.PIPE`.
    """
    prepare = _before_exec(os.getpid(), account, death_signal)
    output = log if isinstance(log, int) else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        return subprocess.Popen(  # noqa: S603 - the callers' own constant commands
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(extra_environment or {})},  # handed on, not read
            cwd=directory,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 - only system calls in it
        )
    finally:
        if not isinstance(log, int):
            os.close(output)


def _before_exec(parent: int, account: Account | None, death_signal: signal.Signals) -> Callable[[], None]:
    def prepare() -> None:
        if account is not None:
            _become(account)
        if _libc is not None:
            # After the change of account, which would reset it.
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:  # the parent died before the kernel knew of our wish
                os._exit(1)

    return prepare


def _become(account: Account) -> None:
    """Turn from root into the account, but keep the right to walk through directories closed to it.

    A checkout often lies under a directory that only root may enter (/root, a `mktemp -d`); the alternative
    would be to open those directories to everyone.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)
    if _libc is not None:
        _keep_reach(_libc)


def _keep_reach(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()  # (effective, permitted, inheritable), for capabilities 0-31, then 32-63
    libc.capget(header, held)
    bit = 1 << CAP_DAC_OVERRIDE
    if not held[1] & bit:
        return
    wanted = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if libc.capset(header, wanted) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def stop(process: subprocess.Popen[bytes], *, signals: Sequence[signal.Signals], patience: float) -> int:
    """Send the signals in turn, with `patience` seconds for each, then kill; returns the exit code."""
    for number in signals:
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return process.wait()
