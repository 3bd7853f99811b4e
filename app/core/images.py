"""Pictures from people: looked at before they are decoded, and always written anew.

What comes out is ours to the last byte: no metadata (a photo knows where it was taken), no second
format hidden in the first, no size that hurts.
"""

from __future__ import annotations

import io
import threading
from typing import NamedTuple

from flask_babel import lazy_gettext as _l
from PIL import ExifTags, Image, ImageOps

from app.core.errors import Invalid

LARGEST_BYTES = 10_000_000
MOST_PIXELS = 40_000_000
LONGEST_SIDE = 1600
THUMBNAIL_SIDE = 256
CONTENT_TYPE = "image/webp"

_QUALITY = 82
# Pillow knows dozens of formats; each decoder that isn't needed is one that can't be attacked.
_FORMATS = ("PNG", "JPEG", "WEBP")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SCALABLE = frozenset({"L", "RGB", "RGBA", "CMYK"})
# A picture of the most pixels takes some 200 MB while it is decoded: few at a time in one process.
_decoding = threading.BoundedSemaphore(2)


class ImageInvalid(Invalid):
    """A file that is no picture for us; the text says why."""

    code, message = "image_invalid", _l("This is not a PNG, JPEG or WebP picture.")


class ImageTooLarge(ImageInvalid):
    code, status = "image_too_large", 413
    message = _l("This picture is too large: at most 10 MB and 40 megapixels.")


class Picture(NamedTuple):
    """A picture as it may be kept and served."""

    data: bytes
    content_type: str = CONTENT_TYPE


def clean_image(data: bytes) -> Picture:
    """The picture upright, without metadata, at most 1600 pixels wide and high; raises ImageInvalid."""
    return _written_anew(data, LONGEST_SIDE, square=False)


def thumbnail(data: bytes, side: int = THUMBNAIL_SIDE) -> Picture:
    """The middle of the picture as a square; raises ImageInvalid."""
    return _written_anew(data, side, square=True)


def smaller(data: bytes, side: int) -> Picture:
    """All of the picture, at most so many pixels wide and high; raises ImageInvalid."""
    return _written_anew(data, side, square=False)


def _written_anew(data: bytes, side: int, *, square: bool) -> Picture:
    if len(data) > LARGEST_BYTES:
        raise ImageTooLarge(field="image")
    if not _looks_like_one(data):
        raise ImageInvalid(field="image")
    with _decoding:
        try:
            return Picture(_encoded(_decoded(data, side, square)))
        except ImageInvalid:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageTooLarge(field="image") from error
        except Exception as error:  # decoders raise whatever they stumble over
            raise ImageInvalid(_l("This picture is damaged."), field="image") from error


def _looks_like_one(data: bytes) -> bool:
    return data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (
        data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    )


def _decoded(data: bytes, side: int, square: bool) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:  # as the header says; nothing is decoded yet
            raise ImageTooLarge(field="image")
        # A large JPEG is decoded at the half or a quarter of its size where that is enough.
        longest = side * max(width, height) // min(width, height) if square else side
        image.draft(None, (2 * longest, 2 * longest))
        image.load()
        turn = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        # Made small first, since a copy at full size costs as much again; a palette can't be.
        small: Image.Image = image if image.mode in _SCALABLE else _plain(image)
        small.thumbnail((longest, longest), reducing_gap=3.0)
        plain = _plain(small)
    if turn is not None:
        plain = plain.transpose(turn)
    return ImageOps.fit(plain, (side, side)) if square else plain


def _plain(image: Image.Image) -> Image.Image:
    """As eight bits of red, green and blue, with transparency only where there is some."""
    if image.mode.startswith("I"):  # sixteen bits of grey, of which `convert` would keep the wrong ones
        image = image.point(lambda value: value / 256).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    # Nothing of what came with the picture is handed on.
    image.info.clear()
    image.save(out, "WEBP", quality=_QUALITY, method=4, exif=b"", icc_profile=b"", xmp=b"")
    return out.getvalue()
