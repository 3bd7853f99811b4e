"""The catalogue for machines: what anybody can buy, as JSON, without a token."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from app.core.ids import MAX_ID, row_id
from app.core.money import Money
from app.core.web.describing import (
    ADDRESS,
    TEXT,
    WHOLE,
    Json,
    in_path,
    list_of,
    ok,
    one_of,
    operation,
    or_null,
    query,
    record,
    ref,
)
from app.core.web.site import site
from app.core.web.viewing import on_tenant
from app.domains.catalog import policies, queries
from app.domains.catalog.forms.search import MOST_PAGE, MOST_SIZE, BadSearch, read
from app.domains.catalog.models import KINDS, LEVELS, Offering, Subject, TutorProfile
from app.domains.catalog.policies.pictures import path_of
from app.domains.catalog.policies.reviews import Rating
from app.domains.catalog.queries.on_sale import FACETS, PAGE, SORTS
from app.domains.catalog.queries.storefront import Hit, OfferingShown, ProfileShown, SubjectShown

BASE = "/api/v1/catalog/offerings"
ARGUMENTS = frozenset({"q", *FACETS, "price_from", "price_to", "sort", "page", "size"})


def offerings() -> Any:
    """A page of what is published: `q`, `subject`, `level`, `kind`, `language`, `tutor`, `price_from` and
    `price_to` (minor units), `sort`, `page`, `size`; 400 for any other argument or value."""
    on_tenant()
    if unknown := set(request.args) - ARGUMENTS:
        raise BadSearch(field=min(unknown))
    args = read(request.args, price=_minor_units)
    found = queries.search(args)
    return jsonify(
        {
            "count": found.count,
            "page": args.page,
            "size": args.size,
            "result": [_hit(hit) for hit in found.hits],
            "facets": {
                name: [{"value": f.value, "label": f.label, "count": f.count} for f in facets]
                for name, facets in found.facets.items()
            },
        }
    )


def offering(slug: str) -> Any:
    """One published offering with its prices and terms: 200 or 404."""
    on_tenant()
    row = queries.published(slug)
    profile = queries.profile_of(row.tutor_id)
    return jsonify(
        {
            **_offering(row, profile),
            "description": row.description,
            "capacity": row.capacity,
            "variants": [
                {
                    "id": variant.id,
                    "name": variant.name,
                    "duration_minutes": variant.duration_minutes,
                    "price": _money(variant.price),
                }
                for variant in row.variants
            ],
            "cancellation": policies.policy_snapshot(row, queries.default_policy()),
        }
    )


def _minor_units(name: str) -> int | None:
    text = request.args.get(name)
    found = row_id(text) if text else None
    if text and found is None:
        raise BadSearch(field=name)
    return found


def _hit(hit: Hit) -> Json:
    return {
        **_offering(hit.offering, hit.profile),
        "lowest_price": _money(hit.lowest),
        "highest_price": _money(hit.highest),
    }


def _offering(row: Offering | OfferingShown, profile: TutorProfile | ProfileShown | None) -> Json:
    return {
        "slug": row.slug,
        "url": f"{site().url}/o/{row.slug}",
        "title": row.title,
        "summary": row.summary,
        "kind": row.kind,
        "level": row.level,
        "language": row.language,
        "subject": _subject(row.subject),
        "tutor": {
            "slug": profile.slug if profile else None,
            "name": row.tutor.full_name,
            "headline": profile.headline if profile else None,
        },
        "image": f"{site().url}{path_of(row.image_key)}" if row.image_key else None,
        "rating": rating(row),
    }


def rating(row: Offering | OfferingShown) -> Json | None:
    """Of all its reviews; null where there are none yet."""
    found = Rating(row.rating_count, row.rating_sum)
    return {"average": found.average, "count": found.count} if found.count else None


def _subject(subject: Subject | SubjectShown | None) -> Json | None:
    return {"slug": subject.slug, "name": subject.name} if subject else None


def _money(amount: Money) -> Json:
    return {"minor": amount.minor, "currency": amount.currency}


def add_to(bp: Blueprint) -> None:
    bp.add_url_rule(BASE, view_func=offerings)
    bp.add_url_rule(f"{BASE}/<slug>", view_func=offering)


# -- As OpenAPI describes it -------------------------------------------------------------------------------

_MONEY = record({"minor": {**WHOLE, "description": "Whole minor units."}, "currency": TEXT})
_SHORT: Json = {
    "slug": TEXT,
    "url": ADDRESS,
    "title": TEXT,
    "summary": TEXT,
    "kind": one_of(KINDS),
    "level": one_of(LEVELS),
    "language": TEXT,
    "subject": or_null(record({"slug": TEXT, "name": TEXT})),
    "tutor": record({"slug": or_null(TEXT), "name": TEXT, "headline": or_null(TEXT)}),
    "image": or_null(ADDRESS),
    "rating": or_null(record({"average": {"type": "number"}, "count": WHOLE})),
}
_VARIANT = record({"id": WHOLE, "name": TEXT, "duration_minutes": WHOLE, "price": _MONEY})
_TERMS = record(
    {
        "name": TEXT,
        "free_until_minutes": WHOLE,
        "late_refund_bp": WHOLE,
        "move_until_minutes": WHOLE,
        "max_moves": WHOLE,
    }
)
_FACET = record({"value": TEXT, "label": or_null(TEXT), "count": WHOLE})

SCHEMAS: Json = {
    "catalog.hit": record({**_SHORT, "lowest_price": _MONEY, "highest_price": _MONEY}),
    "catalog.offering": record(
        {
            **_SHORT,
            "description": TEXT,
            "capacity": WHOLE,
            "variants": list_of(_VARIANT),
            "cancellation": _TERMS,
        }
    ),
    "catalog.page": record(
        {
            "count": WHOLE,
            "page": WHOLE,
            "size": WHOLE,
            "result": list_of(ref("catalog.hit")),
            "facets": record(dict.fromkeys(FACETS, list_of(_FACET))),
        }
    ),
}


def _get(summary: str, schema: str, parameters: list[Json]) -> Json:
    return operation("Catalogue", summary, ok(ref(schema)), parameters=parameters, for_all=True)


_MINOR: Json = {**WHOLE, "minimum": 0, "maximum": MAX_ID}

PATHS: Json = {
    BASE: {
        "get": _get(
            "What is offered",
            "catalog.page",
            [
                query("q", TEXT, "Words to look for."),
                query("subject", TEXT, "The slug of a subject."),
                query("level", one_of(LEVELS), "For whom it is."),
                query("kind", one_of(KINDS), "How it is taught."),
                query("language", one_of(policies.LANGUAGES), "What it is taught in."),
                query("tutor", TEXT, "The slug of a tutor."),
                query("price_from", _MINOR, "In minor units."),
                query("price_to", _MINOR, "In minor units."),
                query("sort", one_of(SORTS), "With a minus: from the end."),
                query("page", {**WHOLE, "minimum": 1, "maximum": MOST_PAGE}, "Counts from 1."),
                query(
                    "size",
                    {**WHOLE, "minimum": 1, "maximum": MOST_SIZE, "default": PAGE},
                    "Offerings on a page.",
                ),
            ],
        )
    },
    f"{BASE}/{{slug}}": {
        "get": _get(
            "One offering",
            "catalog.offering",
            [in_path("slug")],
        )
    },
}
