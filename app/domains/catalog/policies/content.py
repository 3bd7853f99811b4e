"""What an offering says of itself, as one value: what is proposed, reviewed, compared and applied."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from app.core.errors import Invalid
from app.core.money import Money
from app.domains.catalog import policies
from app.domains.catalog.errors import KindNotYet
from app.domains.catalog.models import GROUP, LEVELS, Offering, Variant

NEEDED = _l("Please fill this in.")
MISSING: Mapping[str, LazyString] = {
    "summary": _l("A summary in a sentence or two"),
    "description": _l("A description"),
    "subject": _l("The subject"),
    "variants": _l("At least one length with its price"),
}


@dataclass(frozen=True)
class VariantContent:
    """A way to buy it: what it is called, how long it is, and for how much."""

    name: str
    duration_minutes: int
    price_minor: int
    id: int | None = None

    @classmethod
    def of(cls, row: Variant) -> VariantContent:
        return cls(row.name, row.duration_minutes, row.price_minor, row.id)


@dataclass(frozen=True)
class Content:
    """The whole of what an offering says; a revision keeps it as JSON."""

    title: str
    summary: str = ""
    description: str = ""
    subject_id: int | None = None
    level: str = "all"
    language: str = "en"
    capacity: int = 1
    policy_id: int | None = None
    tax_rate_id: int | None = None
    image_key: str | None = None
    variants: tuple[VariantContent, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Content:
        """A stored content; members it does not know are left out, those it lacks take their default."""
        known = {field.name: data[field.name] for field in dataclasses.fields(cls) if field.name in data}
        variants = tuple(
            VariantContent(row["name"], row["duration_minutes"], row["price_minor"], row.get("id"))
            for row in data.get("variants") or ()
        )
        return cls(**{**known, "variants": variants})

    @classmethod
    def of(cls, offering: Offering, variants: Iterable[Variant]) -> Content:
        """What is live now."""
        own = {name: getattr(offering, name) for name in OWN_FIELDS}
        return cls(**own, variants=tuple(VariantContent.of(row) for row in variants if row.is_active))

    def as_json(self) -> dict[str, Any]:
        data = dataclasses.asdict(self)
        return {**data, "variants": [dict(row) for row in data["variants"]]}

    def tidy(self, kind: str) -> Content:
        """Without blanks around its texts, and with one seat where the kind has no more."""
        return dataclasses.replace(
            self,
            title=self.title.strip(),
            summary=self.summary.strip(),
            description=self.description.strip(),
            capacity=self.capacity if kind == GROUP else 1,
            variants=tuple(dataclasses.replace(row, name=row.name.strip()) for row in self.variants),
        )


# What an offering has a column of its own for.
OWN_FIELDS = tuple(f.name for f in dataclasses.fields(Content) if f.name != "variants")


def check(content: Content, *, kind: str, currency: str) -> None:
    """What is said must make sense, though it need not be complete. Raises Invalid at its field, BadPrice,
    KindNotYet."""
    if kind not in policies.KINDS_NOW:
        raise KindNotYet(field="kind")
    if not content.title:
        raise Invalid(NEEDED, field="title")
    for name, most in (
        ("title", policies.MOST_TITLE),
        ("summary", policies.MOST_SUMMARY),
        ("description", policies.MOST_DESCRIPTION),
    ):
        if len(getattr(content, name)) > most:
            raise Invalid(_l("This is too long: %(most)s characters at most.", most=most), field=name)
    if content.level not in LEVELS:
        raise Invalid(field="level")
    if content.language not in policies.LANGUAGES:
        raise Invalid(field="language")
    if not 1 <= content.capacity <= policies.MOST_SEATS:
        raise Invalid(_l("From 1 to %(most)s seats.", most=policies.MOST_SEATS), field="capacity")
    _check_variants(content, kind, currency)


def _check_variants(content: Content, kind: str, currency: str) -> None:
    if len(content.variants) > policies.MOST_VARIANTS:
        raise Invalid(_l("%(most)s at most.", most=policies.MOST_VARIANTS), field="variants")
    seen = set()
    for number, row in enumerate(content.variants, 1):
        field = f"variant_{number}"
        if not row.name or len(row.name) > 80:
            raise Invalid(_l("Please give a name of up to 80 characters."), field=f"{field}_name")
        if row.name.casefold() in seen:
            raise Invalid(_l("Two can't have the same name."), field=f"{field}_name")
        seen.add(row.name.casefold())
        if not policies.SHORTEST <= row.duration_minutes <= policies.LONGEST:
            raise Invalid(
                _l(
                    "From %(least)s to %(most)s minutes.",
                    least=policies.SHORTEST,
                    most=policies.LONGEST,
                ),
                field=f"{field}_minutes",
            )
        policies.check_price(Money(row.price_minor, currency), kind=kind, field=f"{field}_price")


def missing(content: Content) -> list[str]:
    """What is still needed before somebody can buy it; keys of MISSING."""
    found = {
        "summary": content.summary,
        "description": content.description,
        "subject": content.subject_id,
        "variants": content.variants,
    }
    return [name for name, value in found.items() if not value]
