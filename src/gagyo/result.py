"""Results: the shapes that methods give and reports show (Estimate, Table, Curve, Equation), with no method in them."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gagyo.text import Language, Text, translate

if TYPE_CHECKING:
    import polars
    from pydantic import TypeAdapter


@dataclass(frozen=True)
class Words:
    """A text to show: a key of the catalogue with values, or a trilingual text from the study file."""

    key: str = ""
    values: dict[str, int | float | str] = field(default_factory=dict)
    text: Text | None = None

    def to(self, language: Language) -> str:
        """The text in a language."""
        return self.text.to(language) if self.text else translate(self.key, language, **self.values)


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence (or prediction) limits."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Withheld:
    """A value that is not shown. `code` is a key `withheld.<code>`; `number` the limit it names (never the value)."""

    code: str
    number: int = 0

    def to(self, language: Language) -> str:
        """The text in a language, such as `< 10`."""
        return translate(f"withheld.{self.code}", language, number=self.number)


Cell = int | float | Interval | Withheld | Words | None
Format = Literal["text", "count", "number", "significant", "percent", "p", "interval"]


@dataclass(frozen=True)
class Column:
    """A table's column: `digits` after the decimal point, for number, percent and interval.

    significant: under one, so many significant figures.
    """

    name: str
    label: Words
    format: Format = "number"
    digits: int = 3


@dataclass(frozen=True)
class Table:
    """A table. A report may draw some kinds.

    forest: a first column of labels and columns of intervals. love: a first column of labels, then standardised
    differences before and after weighting.
    """

    name: str
    title: Words
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: Literal["plain", "forest", "love"] = "plain"
    notes: tuple[Words, ...] = ()


@dataclass(frozen=True)
class Series:
    """One line of a curve, with its band where there is one."""

    label: Words
    x: tuple[float, ...]
    y: tuple[float, ...]
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    style: Literal["line", "step", "points", "reference"] = "line"


@dataclass(frozen=True)
class Counts:
    """Numbers of people that stand under a curve at places on its x axis, such as those still at risk."""

    label: Words
    x: tuple[float, ...]
    people: tuple[int, ...]


@dataclass(frozen=True)
class Curve:
    """A figure of lines: ROC, calibration, decision curve, prediction instability, survival.

    below: rows of numbers under the x axis, `below_title` over them.
    """

    name: str
    title: Words
    x: Words
    y: Words
    series: tuple[Series, ...]
    notes: tuple[Words, ...] = ()
    below: tuple[Counts, ...] = ()
    below_title: Words | None = None


@dataclass(frozen=True)
class Estimate:
    """One number with its uncertainty, on the scale that `name` says."""

    name: str
    label: Words
    value: float | None
    standard_error: float | None = None
    lower: float | None = None
    upper: float | None = None
    p: float | None = None
    withheld: Withheld | None = None


Shape = TypeVar("Shape", Estimate, Table, Curve)


@dataclass(frozen=True)
class Equation:
    """A fitted model: `terms` name the columns (the intercept first), `information` is its p x p information matrix."""

    outcome: str
    link: Literal["identity", "logit"]
    formula: str
    terms: tuple[str, ...]
    labels: tuple[Words, ...]
    coefficients: tuple[float, ...]
    information: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Result:
    """What one analysis found, and whom it covers."""

    method: str
    lossless: bool
    people: int
    sites: tuple[str, ...]
    rounds: int
    estimates: tuple[Estimate, ...] = ()
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    equation: Equation | None = None
    notes: tuple[Words, ...] = ()
    methods_text: tuple[Words, ...] = ()
    kept: Any = field(default=None, compare=False, repr=False)
    """What a later analysis of the same run starts from and no report tells; it is never written."""

    @property
    def lacks_parts(self) -> bool:
        """Whether hospitals withheld a part of it, as a note in the part's place says."""
        beside = [*(one.notes for one in self.tables), *(one.notes for one in self.curves)]
        notes = [*self.notes, *(note for some in beside for note in some)]
        return any(note.key.startswith("kept.") for note in notes)

    def estimate(self, name: str) -> Estimate:
        """The estimate of a name; KeyError where there is none."""
        return _named(self.estimates, name, Estimate)

    def table(self, name: str) -> Table:
        """The table of a name; KeyError where there is none."""
        return _named(self.tables, name, Table)

    def curve(self, name: str) -> Curve:
        """The curve of a name; KeyError where there is none."""
        return _named(self.curves, name, Curve)

    def to_json(self) -> dict[str, Any]:
        """JSON-able data from which `from_json` makes an equal result."""
        return dict(_adapter().dump_python(self, mode="json", exclude={"kept"}))

    @staticmethod
    def from_json(record: dict[str, Any]) -> Result:
        """The result of a record that `to_json` wrote."""
        return _adapter().validate_python(record)

    def to_polars(self) -> polars.DataFrame:
        """The estimates as a data frame, one row an estimate."""
        import polars

        names = ("name", "value", "standard_error", "lower", "upper", "p")
        return polars.DataFrame(
            {name: [getattr(estimate, name) for estimate in self.estimates] for name in names}, strict=False
        )

    def _repr_html_(self) -> str:
        """The estimates as a small table, for notebooks."""
        head = "".join(f"<th>{name}</th>" for name in ("", "value", "SE", "95% CI", "p"))
        body = "".join(_html_row(estimate) for estimate in self.estimates)
        covers = f"{self.method}: {self.people} people, {', '.join(self.sites)}"
        return f"<table><caption>{html.escape(covers)}</caption><tr>{head}</tr>{body}</table>"


def _named(shapes: tuple[Any, ...], name: str, kind: type[Shape]) -> Shape:
    for shape in shapes:
        if isinstance(shape, kind) and shape.name == name:
            return shape
    raise KeyError(f"{name!r}; there are {[shape.name for shape in shapes]}")


def _html_row(estimate: Estimate) -> str:
    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.4g}"

    limits = "" if estimate.lower is None else f"{shown(estimate.lower)} to {shown(estimate.upper)}"
    value = estimate.withheld.to("en") if estimate.withheld else shown(estimate.value)
    p = "<0.001" if estimate.p is not None and estimate.p < 0.001 else shown(estimate.p)
    cells = (estimate.name, value, shown(estimate.standard_error), limits, p)
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


@cache
def _adapter() -> TypeAdapter[Result]:
    from pydantic import TypeAdapter

    return TypeAdapter(Result)
