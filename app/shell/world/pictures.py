"""The pictures of a demo company, drawn by ourselves, kept by the ways of the house."""

from __future__ import annotations

import io

from flask import current_app
from PIL import Image

from app.core.images import clean_image
from app.domains.catalog.policies.pictures import OFFERINGS, TUTORS, small_key
from app.domains.catalog.portal.media import small_picture
from app.providers.storage import StorageProvider, new_key
from app.shell.world.covers import cover
from app.shell.world.house import House
from app.shell.world.model import Offer, Tutor
from app.shell.world.portraits import portrait


def keep_portrait(house: House, tutor: Tutor) -> str:
    return _keep(house, portrait(tutor.look, name=tutor.name, brand=house.company.color), TUTORS)


def keep_cover(house: House, offer: Offer) -> str:
    return _keep(house, cover(offer, brand=house.company.color), OFFERINGS)


def _keep(house: House, image: Image.Image, kind: str) -> str:
    """Checked and written anew like everybody's; returns its key."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    storage: StorageProvider = current_app.extensions["storage"]
    large, small = clean_image(out.getvalue()), small_picture(out.getvalue(), kind=kind)
    key = new_key(house.tenant_id, kind)
    storage.put(key, large.data, large.content_type)
    storage.put(small_key(key), small.data, small.content_type)
    return key
