"""What every figure shares: scales, ticks, axes, marks and text as SVG elements.

Text is real text in the page's own fonts, so that it prints sharp, can be searched and stays small. Its width is
estimated (a Hangul or Han character is as wide as it is high), since a figure is laid out before a browser sees it.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from gagyo.report import numbers

SIZE = 13.0
LINE = 17.0
COLOURS = ("#0b5394", "#a63c06", "#00664f", "#6a3d9a", "#8a1c4a", "#4d4d4d")
DASHES = ("", "8 3", "2.5 3", "10 3 2.5 3", "5 2", "1 3")
REFERENCE = "#5b6470"

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """From values `low..high` to places `start..end` on the page; by logarithm where `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        if self.log:
            share = math.log(max(value, 1e-12) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value is within the scale."""
        slack = 1e-9 * abs(self.high - self.low)
        return self.low - slack <= value <= self.high + slack


def ticks(scale: Scale, wanted: int = 5) -> tuple[tuple[float, str], ...]:
    """Round values on a scale with their labels: about `wanted` of them, two at least."""
    for number in range(wanted, wanted + 5):
        found = _log_ticks(scale, number) if scale.log else _even_ticks(scale, number)
        if len(found) > 1:
            break
    return found


def _even_ticks(scale: Scale, wanted: int) -> tuple[tuple[float, str], ...]:
    step = nice_step(scale.high - scale.low, wanted)
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    return tuple((i * step, numbers.tick(i * step, step)) for i in range(first, last + 1))


def _log_ticks(scale: Scale, wanted: int) -> tuple[tuple[float, str], ...]:
    if scale.high / scale.low < 4:
        return _even_ticks(scale, wanted)
    decades = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    for steps in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        values = [step * 10.0**decade for decade in decades for step in steps if scale.holds(step * 10.0**decade)]
        if len(values) <= wanted + 1:
            break
    return tuple((value, numbers.tick(value, 10 ** math.floor(math.log10(value) + 1e-9))) for value in values)


def nice_step(span: float, wanted: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides `span` in about `wanted` parts."""
    rough = span / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next((m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999), 10 * power)


def width(text: str, size: float = SIZE) -> float:
    """How wide a text is, about."""
    return size * sum(_advance(character) for character in text)


def _advance(character: str) -> float:
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 1.0
    if character in "iljtf.,:;'|()[]/ !\u202f":
        return 0.36
    return 0.86 if character in "mwMW%@" else 0.68 if character.isupper() else 0.58


def wrap(text: str, room: float, size: float = SIZE) -> list[str]:
    """A text in lines no wider than `room`: between words, and between Han characters."""
    lines = [""]
    for piece in _pieces(text):
        if lines[-1] and width(lines[-1] + piece.rstrip(), size) > room:
            lines[-1] = lines[-1].rstrip()
            lines.append(piece.lstrip())
        else:
            lines[-1] += piece
    return [line.rstrip() for line in lines]


def _pieces(text: str) -> list[str]:
    """Where a line may break: after a space or hyphen, and after a Han character that no closing mark follows."""
    pieces, start = [], 0
    for i, character in enumerate(text):
        following = text[i + 1] if i + 1 < len(text) else ""
        han = "\u4e00" <= character <= "\u9fff" and not (following and following in "，。、：；）)》”％%")
        if character in " -" or han:
            pieces.append(text[start : i + 1])
            start = i + 1
    return [*pieces, text[start:]]


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    """A line of text; `kind` is a class: small, muted, strong."""
    styled = f' class="{kind}"' if kind else ""
    held = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{held}{styled}>{escape(words)}</text>'


def lines(x: float, y: float, texts: Iterable[str], anchor: str = "start", kind: str = "") -> str:
    """Lines of text, the first at `y`."""
    return "".join(text(x, y + i * LINE, words, anchor, kind) for i, words in enumerate(texts))


def line(start: Point, end: Point, kind: str = "rule") -> str:
    """A straight line; `kind` is a class: rule, grid, reference, interval."""
    return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" class="{kind}"/>'


def box(x: float, y: float, wide: float, high: float, kind: str = "box") -> str:
    """A rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" class="{kind}"/>'


def path(points: Sequence[Point], colour: str, dash: str = "") -> str:
    """A drawn line through points."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{_d(points)}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'


def area(points: Sequence[Point], colour: str) -> str:
    """A filled band."""
    return f'<path d="{_d(points)}Z" fill="{colour}" fill-opacity="0.13"/>'


def polygon(points: Sequence[Point], colour: str) -> str:
    """A filled shape."""
    return f'<path d="{_d(points)}Z" fill="{colour}"/>'


def _d(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def mark(x: float, y: float, which: int, colour: str, radius: float = 4.0) -> str:
    """A marker: a circle, square, triangle or diamond by turn, so that colour is not needed to tell them apart."""
    if which % 4 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}"/>'
    if which % 4 == 1:
        r = radius * 0.9
        return polygon(((x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)), colour)
    if which % 4 == 2:
        r = radius * 1.2
        return polygon(((x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)), colour)
    return diamond(x - radius * 1.2, x, x + radius * 1.2, y, radius * 1.2, colour)


def diamond(left: float, middle: float, right: float, y: float, half: float, colour: str) -> str:
    """A diamond from `left` to `right`, its points above and below `middle`."""
    return polygon(((left, y), (middle, y - half), (right, y), (middle, y + half)), colour)


def axis_below(
    scale: Scale,
    y: float,
    label: str = "",
    wanted: int = 5,
    size: float = SIZE,
    marks: Sequence[tuple[float, str]] | None = None,
) -> str:
    """A horizontal axis at `y` with its ticks (`marks`, or round numbers), labels that do not touch, its name below."""
    parts = [line((scale.start, y), (scale.end, y), "axis")]
    room = -math.inf
    for value, words in marks or ticks(scale, wanted):
        x, half = scale(value), width(words, size) / 2
        parts.append(line((x, y), (x, y + 5), "axis"))
        if x - half > room:
            parts.append(text(x, y + 20, words, "middle", "tick"))
            room = x + half + 6
    middle = (scale.start + scale.end) / 2
    parts.append(lines(middle, y + 41, wrap(label, scale.end - scale.start + 60), "middle")) if label else None
    return "".join(parts)


def axis_left(scale: Scale, x: float, far: float, wanted: int = 5) -> str:
    """A vertical axis at `x` with its ticks, and faint lines across to `far`."""
    parts = []
    for value, words in ticks(scale, wanted):
        y = scale(value)
        parts += [line((x, y), (far, y), "grid"), line((x - 5, y), (x, y), "axis")]
        parts.append(text(x - 9, y + 4.5, words, "end", "tick"))
    return "".join(parts) + line((x, scale.start), (x, scale.end), "axis")


def drawing(name: str, size: Point, title: str, description: str, parts: Iterable[str]) -> str:
    """The whole figure, with its title and description for those who cannot see it."""
    wide, high = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'viewBox="0 0 {wide:.0f} {high:.0f}" width="{wide:.0f}" height="{high:.0f}">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )
