"""Every page somebody can reach: found by following links, as people do, and held against the url_map."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urljoin, urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

_LINK = re.compile(r'(?:href|formaction|action)="([^"#]+)"')
# What is no page: files, data, doors that only redirect, and the ways out.
NO_PAGES = re.compile(
    r"^/(static|media|theme|receipts|logout|socket\.io|\.well-known|handover|webhooks|healthz|readyz|metrics)\b"
    r"|\.(csv|xlsx|ics|json|xml|txt|pdf|css)$|/options$|/state$|^/api/"
)
PER_RULE = 2  # addresses of one rule that are opened: lists look different by row, forms do not


@dataclass(frozen=True)
class Opened:
    """What a GET gave: where it ended, and its HTML ("" where it is no page)."""

    status: int
    path: str
    html: str


Open = Callable[[str], Opened]


@dataclass
class Found:
    """Pages by their rule: the addresses that answered with HTML, and what refused or failed."""

    pages: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, tuple[str, int]] = field(default_factory=dict)
    html: dict[str, str] = field(default_factory=dict)

    def addresses(self) -> Iterator[tuple[str, str]]:
        for rule, paths in sorted(self.pages.items()):
            for path in paths:
                yield rule, path


def crawl(app: Flask, opened: Open, host: str, starts: Mapping[str, str] | tuple[str, ...]) -> Found:
    """Follow links from `starts`, at most PER_RULE addresses of each rule; queries do not count as pages."""
    adapter = app.url_map.bind(host)
    found, seen = Found(), set[str]()
    tried: dict[str, int] = {}
    waiting = deque(starts)
    while waiting:
        path = waiting.popleft()
        bare = urlsplit(path).path
        if bare in seen or NO_PAGES.search(bare):
            continue
        seen.add(bare)
        rule = _rule(adapter, bare)
        if rule is None or tried.get(rule, 0) >= PER_RULE:
            continue
        tried[rule] = tried.get(rule, 0) + 1
        answer = opened(path)
        ended = _rule(adapter, urlsplit(answer.path).path) or rule
        if answer.status >= 400:
            found.refused[rule] = (path, answer.status)
            continue
        if answer.html and ended == rule:
            found.pages.setdefault(rule, []).append(path)
            found.html[path] = answer.html
        elif answer.html:
            waiting.append(answer.path)
        waiting.extend(_links(answer.html, path, host))
    return found


def _links(html: str, here: str, host: str) -> Iterator[str]:
    for raw in _LINK.findall(html):
        url = urljoin(f"http://{host}{here}", unescape(raw))
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.netloc in ("", host):
            yield parts.path + (f"?{parts.query}" if parts.query else "")


def _rule(adapter: object, path: str) -> str | None:
    try:
        rule, _values = adapter.match(path, method="GET", return_rule=True)  # type: ignore[attr-defined]
    except RequestRedirect as redirect:
        return _rule(adapter, urlsplit(redirect.new_url).path)
    except HTTPException:
        return None
    return str(rule.rule)
