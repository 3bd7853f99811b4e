"""What a public page says of itself to search engines and to whoever shares its address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.web.site import site

LONGEST = 160
Data = Mapping[str, Any]


@dataclass(frozen=True)
class Meta:
    """`url` is the page's one address; `data` are JSON-LD objects (schema.org), only what the page shows."""

    description: str
    url: str
    image_url: str | None = None
    kind: str = "website"
    data: Sequence[Data] = ()


def describe(
    path: str, description: str, *, image: str | None = None, kind: str = "website", data: Sequence[Data] = ()
) -> Meta:
    """Of a page of this host; the image is a path of it, too."""
    return Meta(shortened(description), absolute(path), absolute(image) if image else None, kind, data)


def absolute(path: str) -> str:
    return f"{site().url}{path}"


def shortened(text: str) -> str:
    """On one line, cut after a word where it is too long for a list of results."""
    text = " ".join(text.split())
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 1].rsplit(' ', 1)[0]}…"


def organization() -> Data:
    """The company, as schema.org calls it."""
    return {"@type": "Organization", "name": site().name, "url": absolute("/")}


def rating_data(count: int, average: float) -> Data:
    """As a member of what was rated; nothing where nobody did."""
    if not count:
        return {}
    return {
        "aggregateRating": {
            "@type": "AggregateRating",
            "ratingValue": average,
            "ratingCount": count,
            "bestRating": 5,
            "worstRating": 1,
        }
    }
