"""The catalogue for machines: what anybody can buy, as JSON, without a token."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from app.core.ids import MAX_ID, row_id
from app.core.money import Money
from app.core.web.site import site
from app.core.web.viewing import on_tenant
from app.domains.catalog import policies, queries
from app.domains.catalog.forms.search import MOST_PAGE, MOST_SIZE, BadSearch, read
from app.domains.catalog.models import KINDS, LEVELS, Offering, Subject, TutorProfile
from app.domains.catalog.policies.pictures import path_of
from app.domains.catalog.queries.storefront import FACETS, PAGE, SORTS, Hit

bp = Blueprint("catalog_api", __name__)

BASE = "/api/v1/catalog/offerings"
ARGUMENTS = frozenset({"q", *FACETS, "price_from", "price_to", "sort", "page", "size"})

Json = dict[str, Any]


@bp.get(BASE)
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


@bp.get(f"{BASE}/<slug>")
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


def _offering(row: Offering, profile: TutorProfile | None) -> Json:
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
    }


def _subject(subject: Subject | None) -> Json | None:
    return {"slug": subject.slug, "name": subject.name} if subject else None


def _money(amount: Money) -> Json:
    return {"minor": amount.minor, "currency": amount.currency}


# -- As OpenAPI describes it -------------------------------------------------------------------------------

_TEXT: Json = {"type": "string"}
_WHOLE: Json = {"type": "integer"}
_PROBLEM: Json = {"$ref": "#/components/responses/Problem"}


def _of(members: Json) -> Json:
    return {"type": "object", "properties": members, "required": sorted(members)}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _list_of(schema: Json) -> Json:
    return {"type": "array", "items": schema}


_MONEY = _of({"minor": {**_WHOLE, "description": "Whole minor units."}, "currency": _TEXT})
_SHORT: Json = {
    "slug": _TEXT,
    "url": {**_TEXT, "format": "uri"},
    "title": _TEXT,
    "summary": _TEXT,
    "kind": {**_TEXT, "enum": list(KINDS)},
    "level": {**_TEXT, "enum": list(LEVELS)},
    "language": _TEXT,
    "subject": _or_null(_of({"slug": _TEXT, "name": _TEXT})),
    "tutor": _of({"slug": _or_null(_TEXT), "name": _TEXT, "headline": _or_null(_TEXT)}),
    "image": _or_null({**_TEXT, "format": "uri"}),
}
_VARIANT = _of({"id": _WHOLE, "name": _TEXT, "duration_minutes": _WHOLE, "price": _MONEY})
_TERMS = _of(
    {
        "name": _TEXT,
        "free_until_minutes": _WHOLE,
        "late_refund_bp": _WHOLE,
        "move_until_minutes": _WHOLE,
        "max_moves": _WHOLE,
    }
)
_FACET = _of({"value": _TEXT, "label": _or_null(_TEXT), "count": _WHOLE})

SCHEMAS: Json = {
    "catalog.hit": _of({**_SHORT, "lowest_price": _MONEY, "highest_price": _MONEY}),
    "catalog.offering": _of(
        {
            **_SHORT,
            "description": _TEXT,
            "capacity": _WHOLE,
            "variants": _list_of(_VARIANT),
            "cancellation": _TERMS,
        }
    ),
    "catalog.page": _of(
        {
            "count": _WHOLE,
            "page": _WHOLE,
            "size": _WHOLE,
            "result": _list_of({"$ref": "#/components/schemas/catalog.hit"}),
            "facets": _of(dict.fromkeys(FACETS, _list_of(_FACET))),
        }
    ),
}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _get(summary: str, schema: str, parameters: list[Json]) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {
        "tags": ["Catalogue"],
        "summary": summary,
        "security": [],
        "parameters": parameters,
        "responses": {"200": {"description": "Done.", "content": content}, "default": _PROBLEM},
    }


_MINOR: Json = {**_WHOLE, "minimum": 0, "maximum": MAX_ID}

PATHS: Json = {
    BASE: {
        "get": _get(
            "What is offered",
            "catalog.page",
            [
                _query("q", _TEXT, "Words to look for."),
                _query("subject", _TEXT, "The slug of a subject."),
                _query("level", {**_TEXT, "enum": list(LEVELS)}, "For whom it is."),
                _query("kind", {**_TEXT, "enum": list(KINDS)}, "How it is taught."),
                _query("language", {**_TEXT, "enum": list(policies.LANGUAGES)}, "What it is taught in."),
                _query("tutor", _TEXT, "The slug of a tutor."),
                _query("price_from", _MINOR, "In minor units."),
                _query("price_to", _MINOR, "In minor units."),
                _query("sort", {**_TEXT, "enum": list(SORTS)}, "With a minus: from the end."),
                _query("page", {**_WHOLE, "minimum": 1, "maximum": MOST_PAGE}, "Counts from 1."),
                _query(
                    "size",
                    {**_WHOLE, "minimum": 1, "maximum": MOST_SIZE, "default": PAGE},
                    "Offerings on a page.",
                ),
            ],
        )
    },
    f"{BASE}/{{slug}}": {
        "get": _get(
            "One offering",
            "catalog.offering",
            [{"name": "slug", "in": "path", "required": True, "schema": _TEXT}],
        )
    },
}
