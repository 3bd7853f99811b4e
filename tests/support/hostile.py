"""What nobody means to type, the places on a page where it can be typed, and what must not come of it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

from flask import Flask
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.test import TestResponse

MARK = "zq7"
ELSEWHERE = "evil.test"
TAG = f"""{MARK}"'><{MARK}x>"""
_SUM = "1343433"  # 7 * 191919, if a template works it out

# Bytes where the text is none: they are sent as they are.
VALUES: tuple[str | bytes, ...] = (
    *(TAG, f"</textarea></script>{TAG}", f"javascript:alert('{MARK}')//", f"&#106;avascript:{MARK}x", "data:text/html,x"),
    *(f"//{ELSEWHERE}/", f"https://{ELSEWHERE}", f"/\\{ELSEWHERE}", f"/\t/{ELSEWHERE}", f"http:{ELSEWHERE}", "///" + ELSEWHERE),
    *(f"{MARK}\r\nX-{MARK}: 1\r\n\r\n{TAG}", "\x00", f"{MARK}\x00.png", b"\xff\xfe", b"\xed\xa0\x80", "\ud7ff\uffff", "\x7f\x1b[31m"),
    *("", " ", "\u3000", "\u200b", "-1", "0", "-0", "00", "+1", "1_0", "0x10", "1.5", "1,5", "0.001", "1e3", "1e309", "1e999999999"),
    *("NaN", "Infinity", "-Infinity", str(2**31), str(2**63), str(-(2**63) - 1), "9" * 400, "9" * 5000, "\uff11\uff10", "\u0663", "\u00b2"),
    *("'", "''", "' OR 1=1; --", "1) OR (1=1", "\\", "%", "_", "%00", "%s%n%d", "{0.__class__}%(x)s", "{{7*191919}}", "${7*191919}"),
    *("../../../../etc/passwd", "..\\..\\win.ini", "file:///etc/passwd", "=1+1", "@SUM(1)", "*", "(((((", "(a+)+$", "[[:alpha:]]"),
    *("null", "true", "on", "[]", "{}", "[" * 3000, '{"$gt": ""}', "now", "2027-02-30", "2027-13-01", "0000-00-00", "0001-01-01"),
    *("9999-12-31", "10000-01-01", "2027-01-18", "2027-01-18T09:00", "2027-01-18T24:00:01", "2027-03-28T02:30", "24:00", "23:60"),
    *("2027-01-18T09:00:00+99:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "Europe/../etc", "Mars/Base"),
    *("\u202egnp.exe", "\U0001f600\u0301" * 3, "\u0130\u0131\u1e9e", "\ufdfa" * 300, "e\u0301" * 5000, "x" * 6000, "a@b", "a@b@c", "a@\u0435vil.test"),
    *("xx", "de_DE.UTF-8", "zz-ZZ-x-" + "y" * 300, "#fff;}body{x", "rgb(1,2,3)", "__proto__", "self", "id", "-id", "id;drop table person"),
)  # fmt: skip
FILES: tuple[tuple[str, bytes, str], ...] = (
    ("../../x.svg", f"<svg xmlns='http://www.w3.org/2000/svg' onload='{MARK}'/>".encode(), "image/svg+xml"),
    (f"{TAG}.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, "image/png"),
    ("x.csv", b"\xff\xfe\x00\x00,\x00\n" * 50, "text/csv"),
    ("x.csv", f'name,"{TAG}\n'.encode() * 3, "text/csv"),
    ("x.xlsx", b"PK\x03\x04" + b"\x00" * 200, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("", b"", ""),
    ("x.jpg", b"GIF89a\xff\xff\xff\xff" + b"\x00" * 30, "image/jpeg"),
)  # fmt: skip


# -- Where something can be typed --------------------------------------------------------------------------


@dataclass
class Control:
    name: str
    kind: str
    value: str = ""
    options: list[str] = field(default_factory=list)
    required: bool = False


@dataclass
class Form:
    action: str
    method: str
    controls: list[Control] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.name for one in self.controls if one.name != "csrf_token"))


class Reader(HTMLParser):
    """The forms of a page, what is in them, and the arguments that its links and GET forms give to addresses."""

    def __init__(self, here: str) -> None:
        super().__init__(convert_charrefs=True)
        self.here = here
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._open: Form | None = None
        self._by_id: dict[str, Form] = {}
        self._loose: list[tuple[str, Control]] = []
        self._filled: Control | None = None
        self._text: list[str] | None = None

    @classmethod
    def of(cls, html: str, here: str) -> Reader:
        reader = cls(here)
        reader.feed(html)
        reader.close()
        for form_id, control in reader._loose:
            if form_id in reader._by_id:
                reader._by_id[form_id].controls.append(control)
        return reader

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "form":
            self._open = Form(found.get("action") or self.here, found.get("method", "get").lower())
            self.forms.append(self._open)
            if "id" in found:
                self._by_id[found["id"]] = self._open
        elif tag == "option" and self._filled is not None:
            self._filled.options.append(found.get("value", ""))
            if "selected" in found:
                self._filled.value = found.get("value", "")
        elif tag in {"input", "select", "textarea", "button"} and found.get("name"):
            self._take(tag, found)

    def _take(self, tag: str, found: dict[str, str]) -> None:
        kind = found.get("type", "text") if tag == "input" else tag
        control = Control(found["name"], kind, found.get("value", ""), required="required" in found)
        if kind in {"checkbox", "radio"}:
            control.options = [control.value or "on"]
            control.value = control.options[0] if "checked" in found else ""
        if tag == "select":
            self._filled = control
        elif tag == "textarea":
            self._filled, self._text = control, []
        if "form" in found:
            self._loose.append((found["form"], control))
        elif self._open is not None:
            self._open.controls.append(control)

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "textarea" and self._filled is not None and self._text is not None:
            self._filled.value, self._filled, self._text = "".join(self._text), None, None
        elif tag == "select":
            self._filled = None

    def arguments(self) -> Iterator[tuple[str, str]]:
        """(path, name) of each argument that somebody can give by a click or in a GET form."""
        for link in self.links:
            parts = urlsplit(link)
            if not parts.netloc:
                for name, _value in parse_qsl(parts.query, keep_blank_values=True):
                    yield parts.path or urlsplit(self.here).path, name
        for form in self.forms:
            if form.method == "get":
                for name in form.names:
                    yield urlsplit(form.action).path, name


@dataclass
class Places:
    """Where something can be typed: the arguments of addresses, and the forms of pages."""

    arguments: dict[str, set[str]] = field(default_factory=dict)
    forms: list[tuple[str, Form]] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)


def places(
    opened: Callable[[str], TestResponse], paths: Sequence[str], heard: Mapping[str, set[str]]
) -> Places:
    """What these pages say and what the application asks for when they are opened; `heard` is `asked`'s."""
    found = Places()
    for path in paths:
        answer = opened(path)
        if answer.status_code != 200:
            continue
        reader = Reader.of(answer.text if answer.mimetype == "text/html" else "", path)
        found.pages.append(path)
        found.arguments.setdefault(path, set()).update(heard.get(f"GET {path}", ()))
        for where, name in reader.arguments():
            if where in paths:
                found.arguments.setdefault(where, set()).add(name)
        found.forms += [
            (path, form)
            for form in reader.forms
            if form.method == "post" and form.names and not form.action.startswith("/logout")
        ]
    return found


def plain_values(form: Form, word: str) -> dict[str, list[str]]:
    """What somebody could send: what stands there, and something fit where something must."""
    values: dict[str, list[str]] = {}
    for one in form.controls:
        if one.kind in {"submit", "button", "image", "reset", "file"}:
            continue
        if one.kind in {"checkbox", "radio"}:
            if one.value:
                values.setdefault(one.name, []).append(one.value)
            elif one.kind == "radio":
                values.setdefault(one.name, [one.options[0]])
            continue
        text = one.value or next((each for each in one.options if each), "")
        if not text and one.kind != "hidden":
            text = {
                "email": f"{word}@mail.test",
                "date": "2027-05-03",
                "time": "10:00",
                "datetime-local": "2027-05-03T10:00",
                "number": "3",
                "url": f"https://{word}.test/",
                "tel": "+49 30 1234567",
                "color": "#225588",
                "password": "a new and long one",
            }.get(one.kind, word if one.required else "")
        values.setdefault(one.name, [text])
    return values


def encoded(values: dict[str, list[str]], name: str, value: str | bytes) -> bytes:
    """A form's body in which `name` has this value; bytes and lone surrogates go as they are."""
    pairs = [(each, text) for each, texts in values.items() if each != name for text in texts]
    return "&".join(f"{_quoted(each)}={_quoted(text)}" for each, text in [*pairs, (name, value)]).encode()


def _quoted(text: str | bytes) -> str:
    return quote_plus(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))


def query(name: str, value: str | bytes) -> str:
    return f"{_quoted(name)}={_quoted(value)}"


def upload(values: dict[str, list[str]], name: str, file: tuple[str, bytes, str]) -> dict[str, Any]:
    """A form with a file, as the test client takes it."""
    filename, content, kind = file
    return {**values, name: (io.BytesIO(content), filename, kind)}


@contextmanager
def asked(app: Flask) -> Iterator[dict[str, set[str]]]:
    """The names that the application asks of an address or of a form, by path, whatever its pages say."""
    found: dict[str, set[str]] = {}
    plain = app.request_class

    class Listening(ImmutableMultiDict[str, str]):
        names: set[str]

        def get(self, key: str, *args: Any, **options: Any) -> Any:
            self.names.add(key)
            return super().get(key, *args, **options)

        def getlist(self, key: str, *args: Any, **options: Any) -> Any:
            self.names.add(key)
            return super().getlist(key, *args, **options)

        def __getitem__(self, key: str) -> Any:
            self.names.add(key)
            return super().__getitem__(key)

        def __contains__(self, key: object) -> bool:
            self.names.add(str(key))
            return super().__contains__(key)

    class Request(plain):  # type: ignore[misc, valid-type]
        def __init__(self, environ: dict[str, Any], *args: Any, **options: Any) -> None:
            super().__init__(environ, *args, **options)
            names = found.setdefault(f"{self.method} {self.path}", set())
            self.parameter_storage_class = type("Heard", (Listening,), {"names": names})

    app.request_class = Request
    try:
        yield found
    finally:
        app.request_class = plain


# -- What must not come of it ------------------------------------------------------------------------------

_FOUND = (
    (re.compile(rf"<{MARK}x>|{MARK}[\"']"), "is part of the page"),
    (re.compile(r"""(?:href|src|action|formaction)\s*=\s*["']?\s*(?:javascript|data:text)""", re.I), "is run by a click"),
    (re.compile(rf"\b{_SUM}\b"), "is worked out"),
    (re.compile(r"Traceback \(most|psycopg|sqlalchemy\.|\.py\", line|SELECT \w+\.\w+"), "shows the machinery"),
)  # fmt: skip


def troubles(answer: TestResponse, host: str) -> Iterator[str]:
    """What is wrong with an answer to something hostile."""
    if answer.status_code >= 500:
        yield f"answers {answer.status_code}"
    if any(name.lower() == f"x-{MARK}" for name in answer.headers.keys()):  # noqa: SIM118 - a list of pairs
        yield "makes a header"
    target = urlsplit(answer.headers.get("Location", "").replace("\\", "/"))
    if target.netloc and target.netloc != host or ELSEWHERE in target.path.split("/")[:3]:
        yield f"leads to {target.netloc or target.path}"
    if answer.mimetype == "text/html":
        page = answer.get_data().decode("utf-8", "replace")
        for pattern, trouble in _FOUND:
            if found := pattern.search(page):
                yield f"{trouble}: {page[max(0, found.start() - 80) : found.end() + 20]!r}"
