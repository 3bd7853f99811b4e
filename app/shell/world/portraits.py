"""Portraits of tutors: heads in a few shapes, from a look such as `bob:auburn:fair:glasses`."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from PIL import Image

from app.shell.world.paint import PAPER, Canvas, Color, mixed, palettes, turned

SIDE = 640
SKINS: dict[str, Color] = {
    "fair": (246, 214, 190),
    "olive": (226, 184, 146),
    "tan": (206, 158, 118),
    "brown": (164, 112, 78),
    "deep": (110, 72, 52),
}
HAIRS: dict[str, Color] = {
    "black": (38, 32, 38),
    "dark": (62, 42, 36),
    "brown": (104, 68, 46),
    "auburn": (150, 76, 44),
    "blond": (222, 182, 112),
    "grey": (158, 156, 160),
}
X, Y = 0.5, 0.44  # the middle of the face
WIDE, HIGH = 0.15, 0.19


def portrait(look: str, *, name: str, brand: str) -> Image.Image:
    """The same for the same name and brand."""
    style, hair_name, skin_name, extras = look.split(":")
    rng = Random(f"{name}:{brand}")  # noqa: S311 - a face, no secret
    moods = palettes(brand)
    mood = moods[(0, 2, 3)[rng.randrange(3)]]
    skin, hair = SKINS[skin_name], HAIRS[hair_name]
    canvas = Canvas(SIDE, SIDE, mood.sky, mood.ground)
    canvas.circle(0.5 + rng.uniform(-0.12, 0.12), 0.42, 0.4, mixed(mood.far, mood.ground, 0.55))
    canvas.circle(rng.choice((0.14, 0.86)), rng.uniform(0.16, 0.3), rng.uniform(0.05, 0.09), mood.spark)
    clothes = rng.choice((mood.near, mood.spark, mood.far, turned(mood.near, 0, light=-0.15)))
    _HAIR_BEHIND.get(style, _nothing)(canvas, hair)
    _body(canvas, skin, clothes, rng)
    _face(canvas, skin, hair, extras)
    _HAIR_BEFORE.get(style, _nothing)(canvas, hair)
    if "earrings" in extras:
        for side in (-1, 1):
            canvas.circle(X + side * (WIDE + 0.018), Y + 0.088, 0.014, mood.spark)
    if "glasses" in extras:
        _glasses(canvas, mood.ink if sum(skin) > 400 else PAPER)
    return canvas.finished()


def _body(canvas: Canvas, skin: Color, clothes: Color, rng: Random) -> None:
    shade = mixed(skin, (90, 50, 40), 0.22)
    canvas.oval(X, 1.04, 0.37, 0.32, clothes)
    canvas.box(X - 0.062, Y + 0.1, 0.124, 0.24, shade, round_by=0.05)
    collar = rng.randrange(3)
    if collar == 0:  # a round neck
        canvas.oval(X, 0.735, 0.1, 0.05, skin)
        canvas.oval(X, 0.7, 0.062, 0.06, shade)
    elif collar == 1:  # a shirt, open
        canvas.shape([(X - 0.1, 0.7), (X + 0.1, 0.7), (X, 0.8)], shade)
        light = mixed(clothes, PAPER, 0.55)
        canvas.shape([(X - 0.075, 0.69), (X - 0.14, 0.74), (X - 0.06, 0.86), (X, 0.78)], light)
        canvas.shape([(X + 0.075, 0.69), (X + 0.14, 0.74), (X + 0.06, 0.86), (X, 0.78)], light)
    else:  # a turtleneck
        canvas.box(X - 0.085, 0.655, 0.17, 0.12, mixed(clothes, (0, 0, 0), 0.12), round_by=0.045)
    canvas.oval(X, Y + 0.2, 0.06, 0.05, shade)


def _face(canvas: Canvas, skin: Color, hair: Color, extras: str) -> None:
    shade, dark = mixed(skin, (150, 70, 50), 0.28), mixed(hair, (30, 22, 26), 0.55)
    for side in (-1, 1):
        canvas.oval(X + side * (WIDE + 0.008), Y + 0.03, 0.03, 0.042, shade)
    canvas.oval(X, Y, WIDE, HIGH, skin)
    if "beard" in extras:
        _beard(canvas, skin, hair)
    elif "stubble" in extras:
        _beard(canvas, skin, mixed(skin, hair, 0.32))
    for side in (-1, 1):
        canvas.oval(X + side * 0.062, Y - 0.002, 0.0135, 0.0165, (40, 32, 36))
        canvas.circle(X + side * 0.062 + 0.005, Y - 0.008, 0.0045, PAPER)
        arch = X + side * 0.062
        canvas.line([(arch - 0.03, Y - 0.047), (arch, Y - 0.058), (arch + 0.03, Y - 0.047)], dark, 0.011)
        canvas.oval(X + side * 0.085, Y + 0.062, 0.028, 0.019, mixed(skin, (232, 96, 84), 0.22))
    canvas.line([(X + 0.004, Y + 0.01), (X + 0.018, Y + 0.052), (X - 0.004, Y + 0.057)], shade, 0.009)
    lips = mixed(skin, (176, 58, 62), 0.62)
    canvas.arc(X, Y + 0.062, 0.056, (28, 152), lips, 0.0135)
    if "moustache" in extras or "beard" in extras:
        color = hair if "moustache" in extras else mixed(hair, skin, 0.08)
        canvas.line([(X - 0.052, Y + 0.088), (X, Y + 0.074), (X + 0.052, Y + 0.088)], color, 0.021)


def _beard(canvas: Canvas, skin: Color, hair: Color) -> None:
    canvas.oval(X, Y + 0.06, WIDE + 0.006, 0.142, hair)
    canvas.oval(X, Y - 0.03, WIDE - 0.012, 0.112, skin)
    canvas.oval(X, Y - 0.1, WIDE - 0.004, 0.07, skin)
    canvas.oval(X, Y + 0.098, 0.062, 0.028, mixed(skin, hair, 0.12))


def _glasses(canvas: Canvas, color: Color) -> None:
    for side in (-1, 1):
        canvas.ring(X + side * 0.062, Y + 0.001, 0.047, color, 0.0095)
        canvas.line([(X + side * 0.107, Y - 0.006), (X + side * 0.148, Y - 0.016)], color, 0.009)
    canvas.arc(X, Y + 0.006, 0.02, (200, 340), color, 0.009)


# -- Hair --------------------------------------------------------------------------------------------------


def _nothing(_canvas: Canvas, _hair: Color) -> None:
    pass


def _cap(canvas: Canvas, hair: Color, low: float = 0.05, wide: float = 0.012) -> None:
    """What covers the skull, with a parting at the side."""
    canvas.slice(X, Y - 0.03, WIDE + wide + 0.01, (180, 360), hair)
    canvas.oval(X, Y - 0.105, WIDE + wide, 0.1, hair)
    for side in (-1, 1):
        canvas.oval(X + side * (WIDE - 0.006), Y - 0.04 + low / 2, 0.023, 0.06 + low, hair)


def _short(canvas: Canvas, hair: Color) -> None:
    canvas.shape([(X - 0.155, Y - 0.03), (X - 0.13, Y - 0.1), (X + 0.02, Y - 0.13), (X + 0.13, Y - 0.09),
                  (X + 0.157, Y - 0.03), (X + 0.17, Y - 0.14), (X + 0.1, Y - 0.225), (X - 0.06, Y - 0.235),
                  (X - 0.155, Y - 0.17)], hair)  # fmt: skip
    canvas.oval(X + 0.01, Y - 0.165, 0.15, 0.068, hair)
    canvas.oval(X - 0.08, Y - 0.15, 0.075, 0.06, hair)


def _crop(canvas: Canvas, hair: Color) -> None:
    canvas.slice(X, Y - 0.052, 0.154, (180, 360), hair)
    band = ((0.15, -0.054), (0.118, -0.098), (0.105, -0.075), (0.14, -0.02), (0.153, -0.02))
    for side in (-1, 1):
        canvas.shape([(X + side * x, Y + y) for x, y in band], hair)
    canvas.box(X - 0.12, Y - 0.1, 0.24, 0.03, hair)


def _fringe(canvas: Canvas, hair: Color) -> None:
    _cap(canvas, hair)
    canvas.shape([(X - 0.15, Y - 0.12), (X + 0.15, Y - 0.12), (X + 0.14, Y - 0.082), (X - 0.14, Y - 0.082)],
                 hair)  # fmt: skip


def _bob_behind(canvas: Canvas, hair: Color) -> None:
    canvas.box(X - 0.2, Y - 0.14, 0.4, 0.35, hair, round_by=0.1)
    canvas.oval(X, Y - 0.08, 0.198, 0.17, hair)


def _parted(canvas: Canvas, hair: Color) -> None:
    """Two wings from the parting down to the ears."""
    canvas.shape([(X + 0.05, Y - 0.215), (X - 0.09, Y - 0.205), (X - 0.165, Y - 0.12), (X - 0.168, Y + 0.02),
                  (X - 0.128, Y - 0.045), (X - 0.03, Y - 0.12)], hair)  # fmt: skip
    canvas.shape([(X + 0.05, Y - 0.215), (X + 0.11, Y - 0.19), (X + 0.165, Y - 0.11), (X + 0.168, Y + 0.02),
                  (X + 0.135, Y - 0.05), (X + 0.075, Y - 0.11)], hair)  # fmt: skip
    canvas.oval(X, Y - 0.185, 0.105, 0.04, hair)


def _long_behind(canvas: Canvas, hair: Color) -> None:
    canvas.oval(X, Y - 0.06, 0.195, 0.19, hair)
    canvas.box(X - 0.195, Y - 0.07, 0.39, 0.48, hair, round_by=0.12)


def _wavy_behind(canvas: Canvas, hair: Color) -> None:
    canvas.oval(X, Y - 0.06, 0.2, 0.19, hair)
    for row in range(5):
        for side in (-1, 1):
            canvas.circle(X + side * (0.15 + 0.018 * (row % 2)), Y - 0.02 + 0.075 * row, 0.072, hair)


def _bun_behind(canvas: Canvas, hair: Color) -> None:
    canvas.circle(X, Y - 0.265, 0.078, hair)
    canvas.circle(X, Y - 0.265, 0.05, mixed(hair, PAPER, 0.12))
    canvas.oval(X, Y - 0.05, 0.172, 0.18, hair)


def _ponytail_behind(canvas: Canvas, hair: Color) -> None:
    canvas.oval(X + 0.19, Y + 0.05, 0.075, 0.2, hair)
    canvas.oval(X, Y - 0.05, 0.172, 0.18, hair)


def _swept(canvas: Canvas, hair: Color) -> None:
    """Combed back: the forehead is free."""
    canvas.shape([(X - 0.162, Y + 0.0), (X - 0.135, Y - 0.08), (X - 0.05, Y - 0.135), (X + 0.06, Y - 0.132),
                  (X + 0.138, Y - 0.075), (X + 0.162, Y + 0.0), (X + 0.168, Y - 0.12), (X + 0.1, Y - 0.212),
                  (X - 0.1, Y - 0.212), (X - 0.168, Y - 0.12)], hair)  # fmt: skip
    canvas.oval(X, Y - 0.178, 0.12, 0.05, hair)


def _curls(canvas: Canvas, hair: Color, radius: float, spread: float) -> None:
    for number, (x, y) in enumerate(
        ((-0.16, -0.04), (-0.155, -0.12), (-0.11, -0.185), (-0.04, -0.215), (0.04, -0.215), (0.11, -0.185),
         (0.155, -0.12), (0.16, -0.04), (-0.07, -0.15), (0.0, -0.16), (0.07, -0.15))
    ):  # fmt: skip
        canvas.circle(X + x * spread, Y + y * spread, radius + 0.006 * (number % 2), hair)


def _afro_behind(canvas: Canvas, hair: Color) -> None:
    canvas.circle(X, Y - 0.07, 0.235, hair)
    _curls(canvas, hair, 0.09, 1.15)


def _curly_behind(canvas: Canvas, hair: Color) -> None:
    canvas.oval(X, Y - 0.02, 0.2, 0.2, hair)
    for row in range(3):
        for side in (-1, 1):
            canvas.circle(X + side * 0.17, Y + 0.02 + 0.07 * row, 0.066, hair)


def _bald(canvas: Canvas, hair: Color) -> None:
    for side in (-1, 1):
        canvas.oval(X + side * 0.146, Y - 0.012, 0.02, 0.055, hair)


_HAIR_BEHIND: dict[str, Callable[[Canvas, Color], None]] = {
    "bob": _bob_behind,
    "long": _long_behind,
    "wavy": _wavy_behind,
    "bun": _bun_behind,
    "ponytail": _ponytail_behind,
    "afro": _afro_behind,
    "curly": _curly_behind,
}
_HAIR_BEFORE: dict[str, Callable[[Canvas, Color], None]] = {
    "short": _short,
    "crop": _crop,
    "bob": _fringe,
    "long": _parted,
    "wavy": _parted,
    "bun": _swept,
    "ponytail": _swept,
    "afro": lambda canvas, hair: _curls(canvas, hair, 0.05, 0.98),
    "curly": lambda canvas, hair: _curls(canvas, hair, 0.056, 1.0),
    "bald": _bald,
}
