"""What portraits and covers are painted with: colours of one family, and a canvas with soft edges."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from app.core.pdf.fonts import families_for, file_of

FINE = 2  # painted this much larger, and made small: that is what softens the edges

Color = tuple[int, int, int]
Point = tuple[float, float]


def color_of(text: str) -> Color:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mixed(one: Color, other: Color, share: float) -> Color:
    """So much of the other in the one."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def turned(color: Color, degrees: float, *, light: float = 0.0, rich: float = 1.0) -> Color:
    """On the colour wheel, lighter by `light` (down to -1), `rich` times as full."""
    hue, lightness, fullness = colorsys.rgb_to_hls(*(part / 255 for part in color))
    found = colorsys.hls_to_rgb(
        (hue + degrees / 360) % 1, min(0.97, max(0.05, lightness + light)), min(1.0, fullness * rich)
    )
    red, green, blue = (round(part * 255) for part in found)
    return red, green, blue


@dataclass(frozen=True)
class Palette:
    """Of one brand: what lies behind, what stands before it, and one colour that catches the eye."""

    ground: Color
    sky: Color
    near: Color
    far: Color
    spark: Color
    paper: Color
    ink: Color


PAPER: Color = (252, 248, 240)


def palettes(brand: str) -> tuple[Palette, ...]:
    """Four moods of a brand: light, deep, warm and fresh."""
    main = color_of(brand)
    ink = turned(main, 0, light=-0.24, rich=0.8)
    warm, fresh = turned(main, 165, light=0.18, rich=0.85), turned(main, -38, light=0.1, rich=0.75)
    pale = mixed(main, PAPER, 0.82)
    return (
        Palette(pale, mixed(main, PAPER, 0.93), main, mixed(main, PAPER, 0.45), warm, PAPER, ink),
        Palette(ink, turned(main, 0, light=-0.08), mixed(main, PAPER, 0.55), main, warm, PAPER, PAPER),
        Palette(mixed(warm, PAPER, 0.72), mixed(warm, PAPER, 0.88), main, fresh, warm, PAPER, ink),
        Palette(mixed(fresh, PAPER, 0.7), mixed(fresh, PAPER, 0.88), main, fresh, warm, PAPER, ink),
    )


class Canvas:
    """Coordinates go from 0 to 1 across, and down as far as the shape of the picture."""

    def __init__(self, width: int, height: int, top: Color, bottom: Color) -> None:
        self.width, self.height = width, height
        self.tall = height / width
        column = Image.new("RGB", (1, 64))
        column.putdata([mixed(top, bottom, row / 63) for row in range(64)])
        self._image = column.resize((width * FINE, height * FINE), Image.Resampling.BILINEAR)
        self._draw = ImageDraw.Draw(self._image)
        self._scale = width * FINE

    def finished(self) -> Image.Image:
        return self._image.resize((self.width, self.height), Image.Resampling.BOX)

    def circle(self, x: float, y: float, radius: float, color: Color) -> None:
        self.oval(x, y, radius, radius, color)

    def oval(self, x: float, y: float, rx: float, ry: float, color: Color) -> None:
        self._draw.ellipse(self._box(x - rx, y - ry, x + rx, y + ry), fill=color)

    def ring(self, x: float, y: float, radius: float, color: Color, wide: float) -> None:
        box = self._box(x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, outline=color, width=self._px(wide))

    def arc(
        self, x: float, y: float, radius: float, span: tuple[float, float], color: Color, wide: float
    ) -> None:
        """Degrees, clockwise from three o'clock; with round ends."""
        box = self._box(x - radius, y - radius, x + radius, y + radius)
        self._draw.arc(box, *span, fill=color, width=self._px(wide))
        for degrees in span:
            angle, middle = math.radians(degrees), radius - wide / 2
            self.circle(x + middle * math.cos(angle), y + middle * math.sin(angle), wide / 2, color)

    def slice(self, x: float, y: float, radius: float, span: tuple[float, float], color: Color) -> None:
        box = self._box(x - radius, y - radius, x + radius, y + radius)
        self._draw.pieslice(box, *span, fill=color)

    def box(
        self, x: float, y: float, wide: float, high: float, color: Color, *, round_by: float = 0.0
    ) -> None:
        box = self._box(x, y, x + wide, y + high)
        self._draw.rounded_rectangle(box, self._px(round_by) if round_by else 0, fill=color)

    def shape(self, points: Iterable[Point], color: Color) -> None:
        self._draw.polygon([(x * self._scale, y * self._scale) for x, y in points], fill=color)

    def line(self, points: Sequence[Point], color: Color, wide: float) -> None:
        """With round ends and corners."""
        scaled = [(x * self._scale, y * self._scale) for x, y in points]
        self._draw.line(scaled, fill=color, width=self._px(wide), joint="curve")
        for x, y in points if wide > 0.006 else (points[0], points[-1]):
            self.circle(x, y, wide / 2, color)

    def hill(self, base: float, high: float, waves: float, phase: float, color: Color) -> None:
        """A soft ridge from one side to the other, filled down to the ground."""
        steps = [number / 48 for number in range(49)]
        ridge = [(x, base - high * math.sin(math.tau * (waves * x + phase))) for x in steps]
        self.shape([*ridge, (1, self.tall), (0, self.tall)], color)

    def words(self, text: str, x: float, y: float, size: float, color: Color) -> None:
        """Centred, by the house's own bold letters."""
        font = ImageFont.truetype(file_of(families_for([text])[-1], bold=True), round(size * self._scale))
        self._draw.text((x * self._scale, y * self._scale), text, font=font, fill=color, anchor="mm")

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        return tuple(side * self._scale for side in (left, top, right, bottom))

    def _px(self, size: float) -> int:
        return max(1, round(size * self._scale))
