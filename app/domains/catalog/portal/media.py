"""Pictures: taken from people, written anew, kept, and shown to everybody."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, current_app
from werkzeug.datastructures import FileStorage

from app.core import scope
from app.core.errors import NotFound
from app.core.images import LARGEST_BYTES, Picture, clean_image, smaller, thumbnail
from app.core.outside import ProviderUnavailable
from app.core.web.viewing import on_tenant
from app.domains.catalog.policies.pictures import PUBLIC, TUTORS, small_key
from app.providers.storage import FileMissing, KeyInvalid, StorageProvider, new_key

bp = Blueprint("media", __name__)

SMALL_SIDE = 640
# A key's content never changes, and nobody signed in sees another picture than a visitor does.
FOR_GOOD = "public, max-age=31536000, immutable"


@bp.get("/media/<kind>/<name>")
def picture(kind: str, name: str) -> Any:
    """A picture of this tenant; 404 for whatever else the storage keeps."""
    tenant_id = on_tenant()
    if kind not in PUBLIC:
        raise NotFound
    scope.release()
    try:
        file = storage().get(f"t{tenant_id}/{kind}/{name}")
    except (KeyInvalid, FileMissing):
        raise NotFound from None
    return Response(
        file.data,
        mimetype=file.content_type,
        headers={
            "Cache-Control": FOR_GOOD,
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


def storage() -> StorageProvider:
    found: StorageProvider = current_app.extensions["storage"]
    return found


def small_picture(data: bytes, *, kind: str) -> Picture:
    """As cards show it: faces are round, so the middle is enough; of other pictures all of it. Raises
    ImageInvalid."""
    return thumbnail(data, SMALL_SIDE) if kind == TUTORS else smaller(data, SMALL_SIDE)


def keep_picture(upload: FileStorage, *, kind: str) -> str:
    """Keep a picture and its thumbnail; returns its key. Before the transaction that stores the key: a file
    that nobody points at harms nobody. Raises ImageInvalid, StorageFull, ProviderUnavailable."""
    data = upload.stream.read(LARGEST_BYTES + 1)
    large, small = clean_image(data), small_picture(data, kind=kind)
    key = new_key(on_tenant(), kind)
    scope.release()
    storage().put(key, large.data, large.content_type)
    try:
        storage().put(small_key(key), small.data, small.content_type)
    except ProviderUnavailable:  # no room for the second one
        with suppress(ProviderUnavailable):
            storage().delete(key)
        raise
    return key
