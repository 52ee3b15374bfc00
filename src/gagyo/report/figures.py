"""Curves and the study flow as drawings: ROC, calibration, decision curve, instability, and who came from where."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gagyo.report import numbers, svg
from gagyo.report.flow import Branch, Flow
from gagyo.report.places import SHARES_OVER_TIME, kind_of
from gagyo.report.svg import Scale
from gagyo.report.voice import Voice
from gagyo.result import Cell, Column, Curve, Series, Words

WIDE = 760.0
LEFT, TOP, HIGH = 62.0, 40.0, 340.0
PLACES = 8
"""Places at which the numbers under a curve are told without a choice among them."""
ITERATIONS = 12
"""Iterations of a chain that an axis names one by one."""
SQUARE = ("roc", "calibration", "instability")


@dataclass(frozen=True)
class Plot:
    """Where a curve is drawn."""

    x: Scale
    y: Scale


def draw_curve(curve: Curve, name: str, voice: Voice) -> str:
    """A curve with its axes, and its key at the right."""
    plot = _plot(curve)
    looks = _looks(curve, voice)
    right, bottom = plot.x.end, plot.y.start
    below = svg.axis_below(plot.x, bottom, voice.say(curve.x), marks=_marks(curve))
    parts = [svg.axis_left(plot.y, plot.x.start, right), below]
    parts.append(svg.text(LEFT - 40, 16, voice.say(curve.y)))
    clip = f"{name}-clip"
    parts.append(f'<clipPath id="{clip}">{svg.box(LEFT - 6, TOP - 6, right - LEFT + 12, HIGH + 12)}</clipPath>')
    parts.append(f'<g clip-path="url(#{clip})">')
    parts += [_series(series, plot, looks[voice.say(series.label)]) for series in _behind_first(curve)]
    parts.append("</g>")
    key, end = _key(curve, looks, right + 34, voice)
    under = bottom + 41 + svg.LINE * len(svg.wrap(voice.say(curve.x), right - LEFT + 60))
    rows, under = _below(curve, plot, under, looks, voice)
    parts += rows
    described = voice.own("alt.curve", x=voice.say(curve.x), y=voice.say(curve.y), lines="; ".join(looks))
    return svg.drawing(name, (WIDE, max(under, end)), voice.say(curve.title), described, [*parts, key])


def _marks(curve: Curve) -> list[tuple[float, str]] | None:
    """Of a course over visits or over few iterations these themselves; else none, and the axis has round numbers."""
    found = sorted({x for series in curve.series for x in series.x})
    iterations = curve.name.startswith("course.") and len(found) <= ITERATIONS
    if curve.name != "course" and not iterations:
        return None
    return [(at, numbers.signed(f"{at:g}")) for at in found]


def _plot(curve: Curve) -> Plot:
    kind = kind_of(curve.name)
    square = kind in SQUARE
    x_low, x_high = _range(curve, "x")
    y_low, y_high = _range(curve, "y")
    over_time = kind in SHARES_OVER_TIME
    if over_time:
        x_low, y_low, y_high = 0.0, 0.0, 1.0
    elif square:
        x_low = y_low = min(0.0, x_low if kind == "roc" else 0.0)
        x_high = y_high = 1.0 if kind == "roc" else _nice_end(max(x_high, y_high))
    elif kind == "decision":
        x_low, y_low = 0.0, max(y_low, -0.15 * y_high)
    wide = HIGH if square else 430.0
    if not square and not over_time:
        y_low, y_high = _rounded(y_low, y_high)
    return Plot(Scale(x_low, x_high, LEFT, LEFT + wide), Scale(y_low, y_high, TOP + HIGH, TOP))


def _range(curve: Curve, axis: str) -> tuple[float, float]:
    values = [v for series in curve.series for v in getattr(series, axis) if math.isfinite(v)]
    if axis == "y":
        values += [v for series in curve.series for v in (*series.lower, *series.upper) if math.isfinite(v)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _nice_end(high: float) -> float:
    if high > 0.6:
        return 1.0
    step = svg.nice_step(high, 5)
    return math.ceil(high / step - 1e-9) * step


def _rounded(low: float, high: float) -> tuple[float, float]:
    step = svg.nice_step(high - low, 5)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


@dataclass(frozen=True)
class Look:
    """How a series is drawn: the same for all series of one label."""

    colour: str
    dash: str
    which: int


def _looks(curve: Curve, voice: Voice) -> dict[str, Look]:
    """A look for each label; references are grey and dashed."""
    looks: dict[str, Look] = {}
    drawn, references = 0, 0
    for series in curve.series:
        label = voice.say(series.label)
        if label in looks:
            continue
        if series.style == "reference":
            looks[label] = Look(svg.REFERENCE, ("4 4", "1.5 3", "9 4")[references % 3], 0)
            references += 1
        else:
            looks[label] = Look(svg.COLOURS[drawn % 6], svg.DASHES[drawn % 6], drawn)
            drawn += 1
    return looks


def _behind_first(curve: Curve) -> Sequence[Series]:
    return sorted(
        curve.series,
        key=lambda series: (
            ("reference", "points").index(series.style) if series.style in ("reference", "points") else 2
        ),
    )


def _series(series: Series, plot: Plot, look: Look) -> str:
    points = [
        (plot.x(x), plot.y(y)) for x, y in zip(series.x, series.y, strict=True) if math.isfinite(x) and math.isfinite(y)
    ]
    if series.style == "points":
        radius = 4.0 if len(points) <= 40 else 1.6
        marks = (svg.mark(x, y, look.which, look.colour, radius) for x, y in points)
        return "".join([*_bars(series, plot, look), *marks])
    points = _stepped(points) if series.style == "step" else points
    band = _band(series, plot, look) if series.lower and series.upper else ""
    return band + (svg.path(points, look.colour, look.dash) if points else "")


def _bars(series: Series, plot: Plot, look: Look) -> Iterator[str]:
    for x, low, high in zip(series.x, series.lower, series.upper, strict=False):
        if math.isfinite(low) and math.isfinite(high):
            yield svg.path(((plot.x(x), plot.y(low)), (plot.x(x), plot.y(high))), look.colour)


def _band(series: Series, plot: Plot, look: Look) -> str:
    rows = [row for row in zip(series.x, series.lower, series.upper, strict=True) if all(map(math.isfinite, row))]
    up = [(plot.x(x), plot.y(high)) for x, _, high in rows]
    down = [(plot.x(x), plot.y(low)) for x, low, _ in reversed(rows)]
    return svg.area([*up, *down], look.colour) if rows else ""


def _stepped(points: list[svg.Point]) -> list[svg.Point]:
    steps = points[:1]
    for before, after in pairwise(points):
        steps += [(after[0], before[1]), after]
    return steps


def _key(curve: Curve, looks: dict[str, Look], x: float, voice: Voice) -> tuple[str, float]:
    """The key to the lines, and where it ends."""
    parts, y = [], TOP + 12
    first = {voice.say(series.label): series for series in reversed(curve.series)}
    for label, look in looks.items():
        if first[label].style == "points":
            parts.append(svg.mark(x + 14, y - 4, look.which, look.colour))
        else:
            parts.append(svg.path(((x, y - 4), (x + 28, y - 4)), look.colour, look.dash))
        rows = svg.wrap(label, WIDE - x - 42)
        parts.append(svg.lines(x + 38, y, rows))
        y += svg.LINE * len(rows) + 9
    return "".join(parts), y


def _below(curve: Curve, plot: Plot, top: float, looks: dict[str, Look], voice: Voice) -> tuple[list[str], float]:
    """Rows of numbers under the axis, each at its place, with the row's label at the right; and where they end."""
    if not curve.below:
        return [], top
    y = top + svg.LINE
    parts = [svg.text(plot.x.start, y, voice.say(curve.below_title), kind="strong")]
    chosen = _chosen([place for row in curve.below for place in row.x], curve, plot.x)
    if not {f"{place:g}" for place in chosen} <= {f"{place:g}" for place, _ in _marked(curve, plot.x)}:
        y += svg.LINE + 2
        said = svg.wrap(voice.say(curve.x), WIDE - plot.x.end - 42)
        parts.append(svg.lines(plot.x.end + 38, y, said))
        parts += _under(((plot.x(place), numbers.signed(f"{place:.6g}")) for place in chosen), y)
        y += svg.LINE * (len(said) - 1)
    for row in curve.below:
        label = voice.say(row.label)
        said = svg.wrap(label, WIDE - plot.x.end - 42)
        y += svg.LINE + 2
        parts.append(svg.lines(plot.x.end + 38, y, said))
        if label in looks:
            look = looks[label]
            parts.append(svg.path(((plot.x.end + 24, y - 4), (plot.x.end + 33, y - 4)), look.colour, look.dash))
        told = ((place, people) for place, people in zip(row.x, row.people, strict=True) if place in chosen)
        parts += _under(((plot.x(place), numbers.count(people)) for place, people in told), y)
        y += svg.LINE * (len(said) - 1)
    return parts, y + 10


def _marked(curve: Curve, scale: Scale) -> Sequence[tuple[float, str]]:
    return _marks(curve) or svg.ticks(scale)


def _chosen(places: Sequence[float], curve: Curve, scale: Scale) -> list[float]:
    """Of the places at which numbers are known, those nearest to the axis' marks and the last.

    Where there are few marks, also those nearest to the middle between two; of few places, all.
    """
    known = sorted(set(places))
    if len(known) <= PLACES:
        return known
    aims = [at for at, _ in _marked(curve, scale)]
    if len(aims) <= PLACES // 2:
        aims = sorted([*aims, *((one + two) / 2 for one, two in pairwise(aims))])
    if known[-1] - aims[-1] > (aims[-1] - aims[-2]) / 2:
        aims.append(known[-1])
    return sorted({min(known, key=lambda place: abs(place - aim)) for aim in aims})


def _under(words: Iterable[tuple[float, str]], y: float) -> Iterator[str]:
    """Words in a row, each in the middle of its place; those that would touch the one before are left out."""
    room = -math.inf
    for x, shown in words:
        half = svg.width(shown) / 2
        if x - half > room:
            yield svg.text(x, y, shown, "middle", "tick")
            room = x + half + 8


# The study flow: one row a hospital, read from left to right.

DATA_X, DATA_WIDE = 1.0, 176.0
OUT_X, OUT_WIDE = 216.0, 232.0
LEFT_X, LEFT_WIDE = 488.0, 106.0
ALL_X, ALL_WIDE = 638.0, 120.0


def draw_flow(flow: Flow, name: str, voice: Voice) -> str:
    """Who came from where: people in each hospital's data, exclusions, people analysed, and all together."""
    heads = (flow.columns[0].label, Words("report.flow_excluded"), flow.columns[-1].label, Words("report.flow_all"))
    places = ((DATA_X, DATA_WIDE), (OUT_X, OUT_WIDE), (LEFT_X, LEFT_WIDE), (ALL_X, ALL_WIDE))
    said = [svg.wrap(voice.say(head), wide, svg.SIZE) for head, (_, wide) in zip(heads, places, strict=True)]
    top = svg.LINE * max(map(len, said)) + 12
    parts = [svg.lines(x, 14, rows, kind="strong") for rows, (x, _) in zip(said, places, strict=True)]
    y, middles = top, []
    for branch in flow.branches:
        drawn, high = _branch(flow, branch, y, voice)
        parts.append(drawn)
        middles += [y + high / 2] if branch.counts else []
        y += high + 14
    parts.append(_together(flow, middles, voice))
    words = voice.own("alt.flow", rows="; ".join(_told(flow, branch, voice) for branch in flow.branches))
    return svg.drawing(name, (WIDE, y), voice.say(flow.title), words, parts)


def _branch(flow: Flow, branch: Branch, y: float, voice: Voice) -> tuple[str, float]:
    label = svg.wrap(voice.say(branch.label), DATA_WIDE - 20)
    if not branch.counts:
        state = svg.wrap(_absent(branch, voice), DATA_WIDE - 20)
        high = svg.LINE * (len(label) + len(state)) + 14
        words = svg.lines(DATA_X + 10, y + 20, [*label, *state])
        return svg.box(DATA_X, y, DATA_WIDE, high, "absent") + words, high
    reasons = [_reason(*pair, voice) for pair in zip(flow.columns[1:-1], branch.counts[1:-1], strict=True)]
    rows = sum(map(len, reasons))
    high = max(svg.LINE * (len(label) + 1), svg.LINE * rows) + 16
    middle = y + high / 2
    start = middle - svg.LINE * (len(label) + 1) / 2 + 12
    parts = [svg.box(DATA_X, y, DATA_WIDE, high), svg.lines(DATA_X + 10, start, label)]
    first = voice.cell(branch.counts[0], flow.columns[0])
    parts.append(svg.text(DATA_X + 10, start + svg.LINE * len(label) + 3, first, kind="figure"))
    parts += [svg.box(OUT_X, y, OUT_WIDE, high, "out"), _reasons(reasons, middle)]
    parts.append(_arrow(DATA_X + DATA_WIDE, OUT_X, middle) + _arrow(OUT_X + OUT_WIDE, LEFT_X, middle))
    parts.append(svg.box(LEFT_X, y, LEFT_WIDE, high))
    last = voice.cell(branch.counts[-1], flow.columns[-1])
    parts.append(svg.text(LEFT_X + LEFT_WIDE / 2, middle + 5, last, "middle", "figure"))
    return "".join(parts), high


def _absent(branch: Branch, voice: Voice) -> str:
    """Why a hospital has no counts."""
    if branch.why is None:
        return voice.own(f"state.{branch.state}")
    return voice.cell(branch.why, Column("", Words(), "text"))


def _reason(column: Column, cell: Cell, voice: Voice) -> list[tuple[str, str]]:
    """The lines of an exclusion; its number stands on the first."""
    shown = voice.cell(cell, column) or "–"
    rows = svg.wrap(voice.say(column.label), OUT_WIDE - 34 - svg.width(shown))
    return [(row, shown if i == 0 else "") for i, row in enumerate(rows)]


def _reasons(reasons: list[list[tuple[str, str]]], middle: float) -> str:
    rows = [row for reason in reasons for row in reason]
    y = middle - svg.LINE * len(rows) / 2 + 13
    parts = []
    for label, shown in rows:
        parts.append(svg.text(OUT_X + 10, y, label))
        parts.append(svg.text(OUT_X + OUT_WIDE - 10, y, shown, "end")) if shown else None
        y += svg.LINE
    return "".join(parts)


def _arrow(start: float, end: float, y: float) -> str:
    head = svg.polygon(((end - 8, y - 4), (end - 1, y), (end - 8, y + 4)), svg.REFERENCE)
    return svg.line((start, y), (end - 6, y), "axis") + head


def _together(flow: Flow, middles: list[float], voice: Voice) -> str:
    """All hospitals' people joined at the right."""
    if not middles:
        return ""
    middle, bend = (middles[0] + middles[-1]) / 2, (LEFT_X + LEFT_WIDE + ALL_X) / 2
    parts = [svg.line((LEFT_X + LEFT_WIDE, y), (bend, y), "axis") for y in middles]
    parts.append(svg.line((bend, middles[0]), (bend, middles[-1]), "axis"))
    parts.append(_arrow(bend, ALL_X, middle))
    parts.append(svg.box(ALL_X, middle - 32, ALL_WIDE, 64, "whole"))
    shown = voice.cell(flow.totals[-1] if flow.totals else None, flow.columns[-1]) or "–"
    hospitals = voice.own("hospitals_of", answered=len(middles), hospitals=len(flow.branches))
    parts.append(svg.text(ALL_X + ALL_WIDE / 2, middle - 4, shown, "middle", "figure"))
    parts.append(svg.text(ALL_X + ALL_WIDE / 2, middle + 18, hospitals, "middle"))
    return "".join(parts)


def _told(flow: Flow, branch: Branch, voice: Voice) -> str:
    label = voice.say(branch.label)
    if not branch.counts:
        return f"{label}: {_absent(branch, voice)}"
    counts = zip(flow.columns, branch.counts, strict=True)
    told = ", ".join(f"{voice.say(column.label)} {voice.cell(cell, column)}" for column, cell in counts)
    return f"{label}: {told}"
