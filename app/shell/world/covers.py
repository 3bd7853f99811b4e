"""Covers of offers: a motif for each subject, in the moods of a brand, drawn by ourselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from random import Random

from PIL import Image

from app.domains.catalog.models import GROUP, TRIAL
from app.shell.world.model import Offer
from app.shell.world.paint import Canvas, Palette, mixed, palettes

WIDTH, HEIGHT = 880, 550
TALL = HEIGHT / WIDTH

Motif = Callable[[Canvas, Palette, Random, int], None]


def cover(offer: Offer, *, brand: str) -> Image.Image:
    """The same for the same offer and brand. A trial is drawn sparsely, a group with more of everything."""
    rng = Random(f"{offer.title}:{brand}")  # noqa: S311 - a picture, no secret
    mood = rng.choice(palettes(brand))
    canvas = Canvas(WIDTH, HEIGHT, mood.sky, mood.ground)
    many = {TRIAL: 1, GROUP: 3}.get(offer.kind, 2)
    MOTIFS[offer.subject](canvas, mood, rng, many)
    return canvas.finished()


# -- Languages ---------------------------------------------------------------------------------------------


def _bubble(canvas: Canvas, x: float, y: float, size: float, mood: Palette, text: str, side: int) -> None:
    color = mood.near if side > 0 else mood.paper
    words = mood.paper if side > 0 else mood.near
    if color == mood.paper and mood.ink == mood.paper:
        words = mood.ground
    wide = size * max(0.95, 0.36 * len(text) + 0.5)
    canvas.box(x - wide / 2, y - size / 2, wide, size, color, round_by=size * 0.42)
    tail = x + side * wide * 0.26
    canvas.shape(
        [(tail - size * 0.16, y + size * 0.4), (tail + size * 0.16, y + size * 0.4),
         (tail + side * size * 0.2, y + size * 0.78)],
        color,
    )  # fmt: skip
    canvas.words(text, x, y, size * 0.52, words)


def _talk(words: tuple[str, ...], canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """People talk, above some hills."""
    canvas.circle(rng.uniform(0.7, 0.88), rng.uniform(0.12, 0.2), 0.075, mood.spark)
    phase = rng.random()
    canvas.hill(0.47, 0.045, 1.1, phase, mood.far)
    canvas.hill(0.54, 0.035, 1.5, phase + 0.3, mixed(mood.far, mood.near, 0.45))
    spots = {1: ((0.42, 0.27, 0.2),), 2: ((0.32, 0.2, 0.17), (0.63, 0.37, 0.17)),
             3: ((0.25, 0.16, 0.135), (0.57, 0.27, 0.15), (0.33, 0.42, 0.135))}[many]  # fmt: skip
    for number, (x, y, size) in enumerate(spots):
        text = words[number % len(words)]
        _bubble(canvas, x + rng.uniform(-0.02, 0.02), y, size, mood, text, -1 if number % 2 else 1)


def _sheets(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """Papers with answers, ticked."""
    canvas.circle(0.16, 0.15, 0.07, mood.spark)
    for number in range(many + 1):
        x, y = 0.34 + 0.075 * number, 0.09 + 0.028 * number
        canvas.box(x + 0.008, y + 0.012, 0.34, 0.44, mixed(mood.ground, (0, 0, 0), 0.12), round_by=0.02)
        canvas.box(x, y, 0.34, 0.44, mood.paper, round_by=0.02)
    for row in range(5):
        top = y + 0.06 + row * 0.073
        color = mood.spark if row == rng.randrange(5) else mood.near
        canvas.box(x + 0.04, top, 0.036, 0.036, mixed(color, mood.paper, 0.75), round_by=0.008)
        canvas.line(
            [(x + 0.047, top + 0.018), (x + 0.056, top + 0.029), (x + 0.076, top + 0.002)], color, 0.008
        )
        long = rng.uniform(0.12, 0.2)
        canvas.box(x + 0.1, top + 0.009, long, 0.015, mixed(mood.far, mood.paper, 0.3), round_by=0.007)
    _pencil(canvas, mood, 0.83, 0.33, 0.3, -62)


def _pencil(canvas: Canvas, mood: Palette, x: float, y: float, long: float, degrees: float) -> None:
    angle = math.radians(degrees)
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))

    def at(forward: float, sideways: float) -> tuple[float, float]:
        return (x + along[0] * forward + across[0] * sideways, y + along[1] * forward + across[1] * sideways)

    half, thick = long / 2, 0.021
    canvas.shape([at(-half, -thick), at(half, -thick), at(half, thick), at(-half, thick)], mood.spark)
    canvas.shape(
        [at(-half, 0), at(half, 0), at(half, thick), at(-half, thick)], mixed(mood.spark, (0, 0, 0), 0.12)
    )
    canvas.shape(
        [at(half, -thick), at(half, thick), at(half + 0.028, thick), at(half + 0.028, -thick)], mood.far
    )
    canvas.shape([at(-half, -thick), at(-half, thick), at(-half - 0.05, 0)], (244, 220, 186))
    canvas.shape([at(-half - 0.034, -0.007), at(-half - 0.034, 0.007), at(-half - 0.05, 0)], (50, 46, 54))


# -- Mathematics -------------------------------------------------------------------------------------------


def _grid(canvas: Canvas, mood: Palette) -> None:
    faint = mixed(mood.ground, mood.far, 0.25)
    for number in range(1, 20):
        canvas.line([(number / 20, 0), (number / 20, TALL)], faint, 0.0016)
        if number < 13:
            canvas.line([(0, number / 20), (1, number / 20)], faint, 0.0016)


def _blocks(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """Building bricks with numbers."""
    canvas.circle(0.82, 0.14, 0.07, mood.spark)
    canvas.hill(0.55, 0.012, 0.8, rng.random(), mood.far)
    colors = [mood.near, mood.spark, mixed(mood.near, mood.paper, 0.35), mixed(mood.far, mood.near, 0.3)]
    left = 0.5 - 0.075 * (many + 1)
    for column in range(many + 2):
        for row in range(rng.randrange(1, 3 + (column == 1))):
            color = colors[(column + row * 2) % 4]
            x, y = left + column * 0.145, 0.4 - row * 0.138
            canvas.box(x, y, 0.135, 0.13, color, round_by=0.018)
            canvas.words(str(rng.randrange(1, 10)), x + 0.0675, y + 0.064, 0.08, mood.paper)


def _curve(canvas: Canvas, mood: Palette, rng: Random, many: int, area: bool) -> None:
    """A graph in its axes, and what lies below it."""
    _grid(canvas, mood)
    shift, high = rng.uniform(-0.05, 0.05), rng.uniform(0.26, 0.34)

    def f(x: float) -> float:
        if area:
            return 0.5 - high * (0.55 + 0.45 * math.sin(math.tau * (x * 0.9 + shift)))
        return 0.46 - (3.4 + many * 0.4) * (x - 0.5 - shift) ** 2

    if area:
        span = [0.3 + number * 0.45 / 40 for number in range(41)]
        canvas.shape(
            [*((x, f(x)) for x in span), (0.75, 0.5), (0.3, 0.5)], mixed(mood.spark, mood.ground, 0.3)
        )
        for number in range(3 * many):
            x = 0.3 + 0.45 * number / (3 * many)
            canvas.line([(x, 0.5), (x, f(x))], mood.spark, 0.004)
    canvas.line([(0.08, 0.5), (0.94, 0.5)], mood.ink, 0.006)
    canvas.line([(0.16, 0.58), (0.16, 0.06)], mood.ink, 0.006)
    canvas.shape([(0.93, 0.487), (0.93, 0.513), (0.965, 0.5)], mood.ink)
    canvas.shape([(0.147, 0.07), (0.173, 0.07), (0.16, 0.035)], mood.ink)
    points = [(x, f(x)) for x in (0.1 + number * 0.82 / 80 for number in range(81)) if 0.03 < f(x) < 0.57]
    canvas.line(points, mood.near, 0.014)
    for x in (0.5 + shift, 0.66 + shift):
        canvas.circle(x, f(x), 0.02, mood.paper)
        canvas.circle(x, f(x), 0.013, mood.spark)
    canvas.words("∫" if area else "x²", 0.87, 0.15, 0.12, mood.near)


def _triangles(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """Compass and straightedge."""
    _grid(canvas, mood)
    x, y = 0.5 + rng.uniform(-0.05, 0.05), 0.34
    canvas.circle(x, y, 0.24, mixed(mood.far, mood.ground, 0.55))
    canvas.ring(x, y, 0.24, mood.near, 0.009)
    start = rng.uniform(0, 0.8)
    sides = many + 2
    angles = [start + math.tau * n / sides for n in range(sides)]
    corners = [(x + 0.236 * math.cos(angle), y + 0.236 * math.sin(angle)) for angle in angles]
    canvas.shape(corners, mixed(mood.spark, mood.ground, 0.18))
    canvas.line([*corners, corners[0]], mood.near, 0.01)
    for one in corners:
        canvas.line([(x, y), one], mixed(mood.near, mood.ground, 0.4), 0.005)
        canvas.circle(*one, 0.018, mood.paper)
        canvas.circle(*one, 0.012, mood.near)
    canvas.circle(x, y, 0.013, mood.ink)
    canvas.slice(0.02, TALL, 0.22, (270, 360), mood.spark)
    canvas.slice(0.02, TALL, 0.13, (270, 360), mixed(mood.spark, mood.paper, 0.4))


def _bars(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """A histogram and its bell."""
    _grid(canvas, mood)
    number_of = 7 + 2 * many
    wide = 0.8 / number_of

    def bell(x: float) -> float:
        return 0.4 * math.exp(-(((x - 0.5) / 0.2) ** 2))

    for n in range(number_of):
        x = 0.1 + n * wide
        high = max(0.02, bell(x + wide / 2) * rng.uniform(0.8, 1.12))
        color = mood.spark if n == number_of // 2 + 1 else mixed(mood.far, mood.near, n / number_of)
        canvas.box(x + wide * 0.1, 0.53 - high, wide * 0.8, high, color, round_by=0.008)
    canvas.line([(0.08, 0.53), (0.92, 0.53)], mood.ink, 0.007)
    canvas.line([(x / 80, 0.5 - bell(x / 80)) for x in range(8, 74)], mood.ink, 0.008)


def _network(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """Points and lines, as in a puzzle."""
    points = [(0.5, 0.31)]
    for ring in (0.14, 0.25):
        count = 4 + many if ring < 0.2 else 6 + many
        turn = rng.random()
        points += [(0.5 + 1.5 * ring * math.cos(math.tau * (n / count + turn)),
                    0.31 + ring * math.sin(math.tau * (n / count + turn))) for n in range(count)]  # fmt: skip
    for n, (x, y) in enumerate(points):
        near = sorted(points, key=lambda p: (p[0] - x) ** 2 + (p[1] - y) ** 2)[1:4]
        for one in near:
            canvas.line([(x, y), one], mixed(mood.far, mood.ground, 0.25), 0.006)
        if n % 5 == 1:
            canvas.line([(x, y), near[0]], mood.spark, 0.009)
    for n, (x, y) in enumerate(points):
        size = 0.04 if n == 0 else rng.uniform(0.017, 0.028)
        canvas.circle(x, y, size, mood.spark if n % 4 == 0 else mood.near)
        canvas.circle(x, y, size * 0.45, mood.paper)


# -- Arts --------------------------------------------------------------------------------------------------


def _still_life(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """What one draws: fruit on a table, and a pencil."""
    canvas.box(0, 0.44, 1, 0.2, mood.far)
    canvas.circle(0.78, 0.15, 0.08, mixed(mood.spark, mood.ground, 0.3))
    for n in range(many + 1):
        x, size = 0.24 + 0.14 * n, rng.uniform(0.075, 0.1)
        color = (mood.near, mood.spark, mixed(mood.near, mood.paper, 0.4))[n % 3]
        canvas.oval(x + 0.02, 0.485, size, 0.024, mixed(mood.far, mood.ink, 0.3))
        canvas.circle(x, 0.49 - size, size, color)
        canvas.arc(x, 0.49 - size, size * 0.72, (200, 262), mixed(color, mood.paper, 0.5), 0.01)
        canvas.line([(x, 0.49 - 2 * size), (x + 0.02, 0.46 - 2 * size)], mood.ink, 0.007)
    _pencil(canvas, mood, 0.8, 0.4, 0.26, -40)


def _brush_ring(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """A circle in one breath, and a seal."""
    x, y = 0.5 + rng.uniform(-0.1, 0.1), 0.31
    start = rng.uniform(-80, 20)
    for n in range(230):
        wide = 0.06 * (1 - n / 350) + 0.003 * rng.random()
        angle = math.radians(start + n * 1.44)
        radius = 0.2 + 0.006 * math.sin(n / 25)
        canvas.circle(x + radius * math.cos(angle), y + radius * math.sin(angle), wide / 2, mood.ink)
    for _ in range(12 * many):
        angle, radius = math.radians(start + 332 + rng.uniform(0, 22)), 0.2 + rng.uniform(-0.028, 0.028)
        canvas.circle(x + radius * math.cos(angle), y + radius * math.sin(angle), 0.0035, mood.ink)
    canvas.box(0.82, 0.43, 0.085, 0.085, mood.spark, round_by=0.01)
    canvas.words("書", 0.8625, 0.4725, 0.06, mood.paper)


def _bowls(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """Bowls on a shelf, glazed."""
    for shelf in (0.3, 0.55):
        canvas.box(0, shelf, 1, 0.02, mood.far)
        canvas.box(0, shelf + 0.02, 1, 0.01, mixed(mood.far, mood.ink, 0.25))
        count = many + 1 + (shelf > 0.5)
        for n in range(count):
            x, size = (n + 0.5 + rng.uniform(-0.1, 0.1)) / count, rng.uniform(0.062, 0.092)
            clay = rng.choice((mood.near, mood.spark, mixed(mood.near, mood.paper, 0.6), mood.paper))
            glaze = mixed(clay, mood.paper if clay != mood.paper else mood.near, 0.45)
            canvas.slice(x, shelf - size, size, (0, 180), clay)
            canvas.box(x - size * 0.4, shelf - 0.014, size * 0.8, 0.014, mixed(clay, (0, 0, 0), 0.2))
            canvas.box(x - size, shelf - size - 0.012, size * 2, 0.03, glaze, round_by=0.012)
            canvas.circle(x - size * 0.4, shelf - size + 0.026, 0.012, glaze)
            canvas.circle(x + size * 0.3, shelf - size + 0.032, 0.016, glaze)


def _mountains(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """Washes, one over the other."""
    canvas.circle(rng.uniform(0.25, 0.75), 0.19, 0.1, mood.spark)
    phase = rng.random()
    for n in range(many + 3):
        share = n / (many + 2)
        color = mixed(mixed(mood.far, mood.sky, 0.55), mood.near, share)
        canvas.hill(0.3 + 0.26 * share, 0.07 - 0.04 * share, 0.8 + 0.5 * n, phase + 0.37 * n, color)
    for n in range(3):
        x, y = 0.12 + 0.05 * n + rng.uniform(0, 0.02), 0.14 + 0.02 * (n % 2)
        canvas.arc(x - 0.014, y, 0.016, (200, 340), mood.ink, 0.004)
        canvas.arc(x + 0.014, y, 0.016, (200, 340), mood.ink, 0.004)


def _keys(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """Keys, and the music above them."""
    for n in range(2 + many):
        line = [(x / 60, 0.1 + 0.05 * n + 0.035 * math.sin(x / 60 * 6 + n * 0.8)) for x in range(-1, 62)]
        canvas.line(line, mixed(mood.far, mood.ground, 0.2), 0.005)
    for n in range(3 + many):
        x, y = 0.14 + 0.72 * n / (2 + many), rng.uniform(0.1, 0.24)
        color = mood.spark if n % 2 else mood.near
        canvas.oval(x, y, 0.026, 0.019, color)
        canvas.line([(x + 0.022, y), (x + 0.022, y - 0.085)], color, 0.006)
    for n in range(10):
        canvas.box(n / 10 + 0.003, 0.37, 0.094, 0.3, mood.paper, round_by=0.012)
    for n in (1, 2, 4, 5, 6, 8, 9):
        canvas.box(n / 10 - 0.028, 0.35, 0.056, 0.17, mixed(mood.near, (20, 16, 24), 0.7), round_by=0.008)
    canvas.box(0, 0.345, 1, 0.028, mood.near)


def _waves(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """Seigaiha, the pattern of the sea, as it is cut in wood."""
    canvas.circle(rng.choice((0.26, 0.72)), 0.16, 0.105, mood.spark)
    size = 0.1 - 0.012 * many
    for row in range(9):
        y = 0.27 + row * size * 0.5
        for column in range(-1, int(1 / size) + 2):
            x = column * size * 2 + (row % 2) * size
            for ring, color in enumerate((mood.near, mood.paper, mood.near, mood.paper, mood.far)):
                canvas.circle(x, y, size * (1 - 0.2 * ring), color)


def _lens(canvas: Canvas, mood: Palette, rng: Random, many: int) -> None:
    """A diaphragm that opens on a street at night."""
    for n in range(7):
        high, x = rng.uniform(0.16, 0.46), n * 0.15 - 0.03
        canvas.box(x, TALL - high, 0.135, high, mixed(mood.far, mood.near, rng.random() * 0.5))
        for row in range(int(high / 0.07)):
            for column in range(2):
                if rng.random() < 0.55:
                    color = mood.spark if rng.random() < 0.4 else mood.paper
                    canvas.box(x + 0.03 + 0.05 * column, TALL - high + 0.03 + 0.07 * row, 0.026, 0.034, color)
    x, y = 0.5, 0.3
    canvas.circle(x, y, 0.225, mood.ink if mood.ink != mood.paper else mood.near)
    canvas.circle(x, y, 0.2, mood.paper)
    blades, turn = 6, rng.uniform(0, 60)
    for n in range(blades):
        angle = math.radians(turn + n * 360 / blades)
        beside = angle + math.tau / blades * 1.25
        inner = 0.055 + 0.012 * many
        canvas.shape(
            [(x + 0.195 * math.cos(angle), y + 0.195 * math.sin(angle)),
             (x + 0.195 * math.cos(beside), y + 0.195 * math.sin(beside)),
             (x + inner * math.cos(angle + 1.6), y + inner * math.sin(angle + 1.6))],
            mixed(mood.near, mood.paper, 0.12 + 0.1 * (n % 3)),
        )  # fmt: skip
    canvas.circle(x, y, 0.05 + 0.012 * many, mood.spark)
    canvas.circle(x - 0.02, y - 0.022, 0.013, mood.paper)


MOTIFS: dict[str, Motif] = {
    "German": partial(_talk, ("Hallo!", "ß", "ä ö ü")),
    "English": partial(_talk, ("Hello!", "&", "why?")),
    "Spanish": partial(_talk, ("¡Hola!", "ñ", "¿y tú?")),
    "French": partial(_talk, ("Salut !", "ç", "oui")),
    "Italian": partial(_talk, ("Ciao!", "è", "allora")),
    "Polish": partial(_talk, ("Cześć!", "ł", "ż")),
    "Exams": _sheets,
    "Elementary": _blocks,
    "Algebra": partial(_curve, area=False),
    "Calculus": partial(_curve, area=True),
    "Geometry": _triangles,
    "Statistics": _bars,
    "Exam preparation": _sheets,
    "Competitions": _network,
    "Drawing": _still_life,
    "Calligraphy": _brush_ring,
    "Ceramics": _bowls,
    "Painting": _mountains,
    "Music": _keys,
    "Printmaking": _waves,
    "Photography": _lens,
}
