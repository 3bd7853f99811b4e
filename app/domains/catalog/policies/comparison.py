"""What a proposal would change, field by field and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.locales import reader_locale
from app.core.money import Money
from app.domains.catalog.models import LEVEL_NAMES
from app.domains.catalog.policies.content import Content, VariantContent

FIELDS: Mapping[str, LazyString] = {
    "title": _l("Title"),
    "summary": _l("Summary"),
    "description": _l("Description"),
    "subject_id": _l("Subject taught"),
    "level": _l("Level"),
    "language": _l("Taught in"),
    "capacity": _l("Seats"),
    "policy_id": _l("Cancellation"),
    "tax_rate_id": _l("Tax"),
    "image_key": _l("Picture"),
}


@dataclass(frozen=True)
class Change:
    """One difference; `before` is empty for what is new, `after` for what goes."""

    field: str
    label: LazyString | str
    before: str
    after: str


@dataclass(frozen=True)
class Names:
    """What the rows that contents point at are called, by their ids."""

    currency: str
    subject_id: Mapping[int, str] = field(default_factory=dict)
    policy_id: Mapping[int, str] = field(default_factory=dict)
    tax_rate_id: Mapping[int, str] = field(default_factory=dict)


def compare(before: Content | None, after: Content, names: Names) -> list[Change]:
    """What differs, in the order of the form; everything that is said where there is no `before`."""
    found = []
    for name, label in FIELDS.items():
        old = "" if before is None else _words(before, name, names)
        new = _words(after, name, names)
        if name == "image_key" and before is not None and before.image_key != after.image_key:
            old, new = _picture(before.image_key), _picture(after.image_key, old)
        if old != new:
            found.append(Change(name, label, old, new))
    return [*found, *_variants(before.variants if before else (), after.variants, names.currency)]


def _words(content: Content, name: str, names: Names) -> str:
    value = getattr(content, name)
    if value is None:
        return ""
    if name in {"subject_id", "policy_id", "tax_rate_id"}:
        return str(getattr(names, name).get(value, f"#{value}"))
    if name == "level":
        return str(LEVEL_NAMES[value])
    if name == "language":
        return language_name(value)
    if name == "image_key":
        return str(_("a picture"))
    return str(value)


def _picture(key: str | None, former: str = "") -> str:
    """Two pictures can't be told apart in words, so the later one says that it is another."""
    if key is None:
        return ""
    return str(_("another picture") if former else _("a picture"))


def _variants(
    before: tuple[VariantContent, ...], after: tuple[VariantContent, ...], currency: str
) -> Iterator[Change]:
    left = dict(pair_up(before, after))
    for row in after:
        old = left.get(row)
        was = variant_in_words(old, currency, with_name=old.name != row.name) if old else ""
        now = variant_in_words(row, currency, with_name=old is not None and old.name != row.name)
        if was != now:
            yield Change("variants", row.name, was, now)
    for old in before:
        if old not in left.values():
            yield Change("variants", old.name, variant_in_words(old, currency), "")


def pair_up(
    before: tuple[VariantContent, ...], after: tuple[VariantContent, ...]
) -> Iterator[tuple[VariantContent, VariantContent]]:
    """(new, old) of those that are the same variant: by name first, so that two can swap their names without
    meeting in the unique key, then by id."""
    free = list(before)
    rest = []
    for row in after:
        same = next((old for old in free if old.name == row.name), None)
        if same is None:
            rest.append(row)
        else:
            free.remove(same)
            yield row, same
    for row in rest:
        same = next((old for old in free if old.id is not None and old.id == row.id), None)
        if same is not None:
            free.remove(same)
            yield row, same


def variant_in_words(row: VariantContent, currency: str, *, with_name: bool = False) -> str:
    price = Money(row.price_minor, currency).format(reader_locale())
    words = _("%(minutes)s minutes, %(price)s", minutes=row.duration_minutes, price=price)
    return f"{row.name}: {words}" if with_name else words


def language_name(code: str) -> str:
    """A language as the reader calls it."""
    locale = reader_locale()
    name: str = locale.languages.get(code, code)
    return name[:1].upper() + name[1:]
