"""What a visitor's address asks of the search, read strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

from app.core.errors import Invalid
from app.core.ids import row_id
from app.domains.catalog import policies
from app.domains.catalog.models import KINDS, LEVELS
from app.domains.catalog.queries.on_sale import FACETS, PAGE, SORTS, SearchArgs

MOST_TEXT = 200
MOST_PAGE = 10_000
MOST_SIZE = 50
_SLUG = re.compile(r"[a-z0-9-]{1,80}", re.ASCII)


class BadSearch(Invalid):
    code, status = "bad_query", 400
    message = _l("This address asks for something that does not exist.")


def read(args: Mapping[str, str], *, price: Callable[[str], int | None]) -> SearchArgs:
    """Raises BadSearch at the argument that makes no sense. `price` reads the argument of that name as minor
    units. What it does not know is not looked at: links from elsewhere carry marks of their own."""
    text = args.get("q", "").strip()[:MOST_TEXT]
    if "\x00" in text:
        raise BadSearch(field="q")
    allowed: Mapping[str, Callable[[str], Any]] = {
        "level": LEVELS.__contains__,
        "kind": KINDS.__contains__,
        "language": policies.LANGUAGES.__contains__,
        "subject": _SLUG.fullmatch,
        "tutor": _SLUG.fullmatch,
    }
    chosen: dict[str, str] = {name: args[name] for name in FACETS if args.get(name)}
    for name, value in chosen.items():
        if not allowed[name](value):
            raise BadSearch(field=name)
    sort = args.get("sort") or SORTS[0]
    if sort not in SORTS:
        raise BadSearch(field="sort")
    return SearchArgs(
        text=text,
        **chosen,
        price_from=price("price_from"),
        price_to=price("price_to"),
        sort=sort,
        page=number(args, "page", 1, MOST_PAGE),
        size=number(args, "size", PAGE, MOST_SIZE),
    )


def number(args: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Raises BadSearch."""
    text = args.get(name) or str(default)
    found = row_id(text)
    if found is None or not 1 <= found <= most:
        raise BadSearch(field=name)
    return found
