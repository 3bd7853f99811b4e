"""Pictures from people come out small, upright and without anything that was hidden in them."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.core.images import (
    LARGEST_BYTES,
    LONGEST_SIDE,
    ImageInvalid,
    ImageTooLarge,
    clean_image,
    thumbnail,
)

ROOT = Path(__file__).parents[2]
RED, BLUE = (230, 20, 20), (20, 20, 230)


def written(image: Image.Image, kind: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def plain(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (30, 20), **more: Any) -> bytes:
    return written(Image.new(mode, size), kind, **more)


def read(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["WEBP"])
    image.load()
    return image


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def near(got: Any, wanted: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(got, wanted, strict=True))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    + [("JPEG", mode) for mode in ("L", "RGB", "CMYK")]
    + [("WEBP", mode) for mode in ("RGB", "RGBA")],
)
def test_every_kind_of_picture_becomes_a_webp(kind: str, mode: str) -> None:
    cleaned = clean_image(plain(kind, mode))
    image = read(cleaned.data)
    assert (cleaned.content_type, image.format, image.size) == ("image/webp", "WEBP", (30, 20))
    assert image.mode in {"RGB", "RGBA"}
    assert clean_image(cleaned.data).content_type == "image/webp"


@pytest.mark.parametrize(
    ("size", "becomes"),
    [((1600, 1600), (1600, 1600)), ((3200, 1600), (1600, 800)), ((10, 4000), (4, 1600)), ((1, 1), (1, 1))],
)
def test_large_pictures_get_small_and_small_ones_stay(
    size: tuple[int, int], becomes: tuple[int, int]
) -> None:
    for kind in ("PNG", "JPEG"):
        assert read(clean_image(plain(kind, size=size)).data).size == becomes


def test_the_most_pixels_are_taken_in_a_second_or_two() -> None:
    data = plain(size=(8000, 5000))
    started = time.monotonic()
    assert read(clean_image(data).data).size == (LONGEST_SIDE, 1000)
    assert time.monotonic() - started < 20


def test_colours_and_transparency_survive() -> None:
    image = Image.new("RGBA", (40, 20), (*RED, 255))
    image.paste((0, 0, 0, 0), (20, 0, 40, 20))
    got = read(clean_image(written(image, "PNG")).data)
    assert near(got.getpixel((5, 10)), (*RED, 255))
    assert got.getpixel((35, 10))[3] == 0
    grey = read(clean_image(written(Image.new("I;16", (8, 8), 40_000), "PNG")).data)
    assert near(grey.getpixel((4, 4)), (156, 156, 156))
    palette = Image.new("RGB", (40, 40), BLUE).quantize(4)
    assert near(read(clean_image(written(palette, "PNG")).data).getpixel((20, 20)), BLUE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_a_camera_says_about_up_is_honoured(orientation: int) -> None:
    """The upright picture has its red corner at the top left; the file has it where the camera put it."""
    upright = Image.new("RGB", (64, 32), BLUE)
    upright.paste(RED, (0, 0, 16, 16))
    stored_by = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(stored_by[orientation]) if orientation in stored_by else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG", "WEBP"):
        got = read(clean_image(written(stored, kind, exif=exif)).data)
        assert got.size == (64, 32)
        assert near(got.getpixel((6, 6)), RED)
        assert near(got.getpixel((50, 25)), BLUE)
        assert near(read(thumbnail(written(stored, kind, exif=exif), 32).data).getpixel((20, 25)), BLUE)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_where_a_photo_was_taken_is_gone(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    more: dict[str, Any] = {"exif": exif, "icc_profile": b"SecretProfile" * 20}
    if kind == "PNG":
        more["pnginfo"] = PngInfo()
        more["pnginfo"].add_text("Comment", "SecretComment")
    else:
        more["xmp"] = b"<x:xmpmeta>SecretXmp</x:xmpmeta>"
    data = written(Image.new("RGB", (30, 20)), kind, **more)
    assert b"Secret" in data
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(0x8825)
    for cleaned in (clean_image(data), thumbnail(data)):
        image = read(cleaned.data)
        assert b"Secret" not in cleaned.data
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile"} & set(image.info)


def test_what_is_hidden_behind_or_inside_does_not_come_along() -> None:
    html = b"<html><script>alert(1)</script></html>"
    comment = PngInfo()
    comment.add_text("<script>", "alert(1)")
    for data in (
        plain() + html,
        plain("JPEG") + b"PK\x03\x04" + html,
        plain("WEBP") + html,
        plain(pnginfo=comment),
        plain("JPEG", comment=html),
    ):
        assert b"script" in data
        assert b"script" not in clean_image(data).data
        assert b"script" not in thumbnail(data).data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<html><script>alert(1)</script>",
        b"%PDF-1.7\n",
        b"MZ" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        b"RIFF\0\0\0\0WAVEfmt ",
        plain("GIF", "P"),
        plain("BMP"),
        plain("TIFF"),
        plain("ICO"),
        plain("PPM"),
        plain("AVIF"),
        b"\0" + plain(),
        b"\n" + plain("JPEG"),
    ],
    ids=lambda data: data[:12].hex() or "empty",
)
@pytest.mark.parametrize("verb", [clean_image, thumbnail])
def test_other_files_are_refused(verb: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(ImageInvalid, match="PNG, JPEG or WebP") as refusal:
        verb(data)
    assert (refusal.value.status, refusal.value.code, refusal.value.field) == (422, "image_invalid", "image")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.99])
def test_broken_off_pictures_are_refused(kind: str, kept: float) -> None:
    noise = Image.frombytes("RGB", (100, 100), random.Random(1).randbytes(30_000))
    data = written(noise, kind)
    with pytest.raises(ImageInvalid) as refusal:
        clean_image(data[: int(len(data) * kept)])
    assert refusal.value.field == "image"


def test_an_html_page_that_begins_as_a_picture_is_refused() -> None:
    for magic in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x10\0\0\0WEBPVP8 "):
        with pytest.raises(ImageInvalid, match="damaged"):
            clean_image(magic + b"<script>alert(1)</script>" * 100)


@pytest.mark.parametrize(
    "data",
    [
        png(50_000, 50_000, zlib.compress(bytes(1000))),
        png(2**31 - 1, 2**31 - 1, b""),
        png(40_000_001, 1, zlib.compress(bytes(1000)), depth=1, colour=0),
        png(8001, 5000, zlib.compress(bytes(8001 * 3 + 1) * 5000)),
        png(20_000, 10_000, zlib.compress(b"")),
        bytes(LARGEST_BYTES + 1),
        plain() + bytes(LARGEST_BYTES),
    ],
    ids=[
        "50,000 square",
        "largest header",
        "one long line",
        "a row too many",
        "200 megapixels",
        "zeros",
        "padded",
    ],
)
def test_what_is_too_large_is_refused_before_it_is_decoded(data: bytes) -> None:
    started = time.monotonic()
    for verb in (clean_image, thumbnail):
        with pytest.raises(ImageTooLarge) as refusal:
            verb(data)
        assert (refusal.value.status, refusal.value.field) == (413, "image")
    assert time.monotonic() - started < 3


def test_a_bomb_in_a_text_is_refused() -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))
    header, rest = plain()[:33], plain()[33:]
    with pytest.raises(ImageInvalid):
        clean_image(header + bomb + rest)


BOMB = """
import resource, struct, sys, zlib
sys.path.insert(0, "tests/core")
from app.core.images import ImageInvalid, clean_image
from test_images import png
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for data in (png(50_000, 50_000, zlib.compress(bytes(10_000_000))), png(7000, 5000, b"x")):
    try:
        clean_image(data)
    except ImageInvalid:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_bomb_costs_no_memory() -> None:
    done = subprocess.run([sys.executable, "-c", BOMB], cwd=ROOT, capture_output=True, text=True, check=True)
    grown = [int(line) for line in done.stdout.split()]
    assert len(grown) == 2
    assert grown[0] < 60_000  # kB


def test_thumbnails_are_square_and_show_the_middle() -> None:
    image = Image.new("RGB", (900, 300), BLUE)
    image.paste(RED, (300, 0, 600, 300))
    for kind in ("PNG", "JPEG"):
        got = read(thumbnail(written(image, kind)).data)
        assert got.size == (256, 256)
        assert all(near(got.getpixel(at), RED) for at in ((20, 20), (128, 128), (235, 235)))
    assert read(thumbnail(plain(size=(1, 30_000)), 64).data).size == (64, 64)
    assert read(thumbnail(plain(size=(3, 2)), 64).data).size == (64, 64)


def test_many_at_once_all_come_out() -> None:
    data, done = plain(size=(900, 700)), []
    threads = [threading.Thread(target=lambda: done.append(clean_image(data))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [clean_image(data)] * 8


SAMPLES = [
    written(Image.frombytes("RGB", (24, 16), random.Random(2).randbytes(1152)), kind)
    for kind in ("PNG", "JPEG", "WEBP")
]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=6),
)
def test_whatever_is_done_to_a_picture_the_answer_is_a_picture_or_a_refusal(
    data: bytes, changes: list[tuple[float, bytes]]
) -> None:
    changed = bytearray(data)
    for where, what in changes:
        at = int(where * len(changed))
        changed[at : at + len(what)] = what
    with contextlib.suppress(ImageInvalid):
        assert max(read(clean_image(bytes(changed)).data).size) <= LONGEST_SIDE
