"""Robust errors of the regressions: sums over people (HC0 to HC3) or over clusters (CR0 to CR2), and their sandwich.

A person's score u = x f and information w x x' are those of the fit, its leverage h = w x' M x with M the inverse of
the summed information. HC2 and HC3 divide u by the root of 1 - h and by 1 - h (MacKinnon & White 1985, J Econom
29:305); clusters add up their people's u first (Liang & Zeger 1986, Biometrika 73:13; Cameron & Miller 2015, J Hum
Resour 50:317), and CR2 corrects for few of them, as `gagyo.statistics.clusters` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gagyo.errors import FileFault
from gagyo.federation.local import Name, Numbers
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._gee_cells import cluster_cells, own_spread, places_of
from gagyo.methods._newton import symmetric, triangle
from gagyo.methods._regression import about_zero, middles
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import NOBODY, Aggregate, Counts, Floats, Measure, Spread, joint, side_by_side, spread_of
from gagyo.result import Column, Table, Words
from gagyo.statistics import clusters as estimating
from gagyo.statistics.cluster_roots import Members
from gagyo.statistics.clusters import Scale
from gagyo.statistics.distributions import t_quantile, t_sf

Errors = Literal["none", "HC0", "HC1", "HC2", "HC3", "CR0", "CR1", "CR1S", "CR2"]
"""Model-based; White's sandwich over people; or the sandwich over clusters."""

DIVIDED = {"HC0": 0.0, "HC1": 0.0, "HC2": 0.5, "HC3": 1.0}
"""To which power of 1 - (a person's leverage) the score is divided."""

MOST_LEVERAGE = 0.5
"""One over a leverage is how many people a fitted value rests on (Huber 1981, Robust Statistics, 7.2.1). Up to a half,
HC3 has at most four times what HC0 has of a person; beyond, what the others' fit misses of this person stands out."""

ROOM = 2.0**10
"""What the ring's scales allow for beyond a person's greatest part, in units of standard errors."""

ARGUMENTS: dict[str, Name | Numbers] = {"errors": Name(), "cluster": Name(), "inverse": Numbers((None,), -1e30, 1e30)}
"""What a step of robust errors is told beside the fit: `inverse` is the upper triangle of M."""


@dataclass(frozen=True)
class People:
    """By person: the design about the middles (n, p), f and w (n,) of score and information, and the variance (n,)."""

    X: Floats
    factor: Floats
    weight: Floats
    variance: Floats

    def leverage(self, inverse: Floats) -> Floats:
        """h (n,)."""
        return np.asarray(self.weight * np.einsum("ij,ij->i", self.X @ inverse, self.X))


@dataclass(frozen=True)
class Scales:
    """The ring's: the greatest size of each column about its middle (p,), and of a score's factor."""

    reach: Floats
    worst: float


def meat(
    rows: Rows,
    formula: Formula,
    people: People,
    errors: str,
    cluster: str,
    inverse: Floats,
    scales: Scales,
    cells: Measure,
    own: Counts = NOBODY,
    weights: str = "",
) -> Aggregate:
    """The middle of the sandwich (upper triangle). Of clusters it is in units of 1 over the root of M's diagonal, and
    is followed by what CR2's degrees of freedom need, and by the number of clusters.

    weights: the variable by which `people` are weighted already.
    """
    M = symmetric(inverse, formula.width)
    if errors in DIVIDED:
        values, spread = _over_people(people, M, DIVIDED[errors])
        upper, right = triangle(formula.width)
        bounds = scales.reach[upper] * scales.reach[right] * scales.worst**2
        return {"meat": joint(values, bounds, cells, spread, own)}
    groups = places_of(rows, cluster)
    contrasts = about_zero(middles(formula, rows.variables))  # degrees of freedom are of the columns as they are
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(people.weight)
        X, e = people.X * root[:, None], people.factor / root
    members = [Members(X[one], e[one], people.variance[one]) for one in groups]
    middle = over_clusters(members, Scale.of(M), "CR2" if errors == "CR2" else "sandwich", contrasts)
    size = formula.width * (formula.width + 1) // 2
    bounds = np.concatenate([np.full(size, scales.worst**2), np.ones(len(middle) - size)]) * ROOM
    squares = spread_of((people.X * people.factor[:, None]) ** 2)
    spread = side_by_side(squares, own_spread(rows, formula, cluster, weights))
    by_cluster = cluster_cells(rows, formula, _kind(rows, formula), cluster, weights)
    values, bounds = np.append(middle, float(len(groups))), np.append(bounds, 1.0)
    return {"meat": joint(values, bounds, cells, spread, np.concatenate([own, by_cluster]))}


def _over_people(people: People, M: Floats, power: float) -> tuple[Floats, Spread]:
    """The sum of u u' with u over a power of 1 - h, and its spread; nobody may have a leverage past `MOST_LEVERAGE`."""
    u = people.X * people.factor[:, None]
    upper = triangle(len(M))
    if not power:
        return (u.T @ u)[upper], spread_of(u**2)
    h = people.leverage(M)
    with np.errstate(invalid="ignore", divide="ignore"):
        over = u / np.maximum(1 - h, 0.0)[:, None] ** power  # of h = 1 no number, which no ring takes
    beyond = np.array([h.max(initial=0.0)]) * (h.max(initial=0.0) > MOST_LEVERAGE)
    alone = Spread(beyond, beyond, np.zeros(1))  # as a sum that is one person's
    return (over.T @ over)[upper], side_by_side(spread_of(over**2), alone)


def over_clusters(members: list[Members], scale: Scale, errors: str, contrasts: Floats) -> Floats:
    """The sum of u u' (upper triangle) over clusters corrected by `errors`, in units of 1 over `scale.size`; with CR2,
    what the degrees of freedom of each of `contrasts` (p, p) need (p * (3 + p (p + 1) / 2)).
    """
    p = len(contrasts)
    upper = triangle(p)
    if errors != "CR2":
        return _squares([scale.equations(one, errors) for one in members], p)
    rooted = [scale.rooted(one) for one in members]
    more = [_freedom(*scale.freedom(one, contrasts)) for one in rooted]
    return np.append(_squares([one.u for one in rooted], p), total(more, p * (3 + len(upper[0]))))


def _squares(u: list[Floats], p: int) -> Floats:
    upper = triangle(p)
    return total([np.outer(one, one)[upper] for one in u], len(upper[0]))


def _freedom(a: Floats, b: Floats) -> Floats:
    """What one cluster adds to `satterthwaite`'s sums."""
    upper, right = triangle(len(a))
    return np.concatenate([a, a**2, a * (b**2).sum(axis=1), (b[:, upper] * b[:, right]).ravel()])


def total(parts: list[Floats], width: int) -> Floats:
    """The sum of some arrays (width,), of which there may be none."""
    return np.sum(parts, axis=0) if parts else np.zeros(width)


def _kind(rows: Rows, formula: Formula) -> str:
    """What `cluster_cells` calls an outcome: yes or no, a number of which zero is nothing, or a measurement."""
    outcome = rows.variables[formula.outcome]
    if outcome.type == "boolean":
        return "binomial"
    return "poisson" if outcome.type in ("number", "integer") and outcome.bounds[0] >= 0 else "gaussian"


def cluster_sandwich(M: Floats, values: Floats, errors: str) -> tuple[Floats, Floats]:
    """The variance (p, p) of the coefficients, and with CR2 degrees of freedom (p,); else none end."""
    p = len(M)
    upper = p * (p + 1) // 2
    scale = Scale.of(M)
    bread = scale.size[:, None] * scale.correlation
    variance = bread @ symmetric(values[:upper], p) @ bread.T
    if errors != "CR2":
        return variance, np.full(p, np.inf)
    a, squares, mixed, products = np.split(values[upper:], [p, 2 * p, 3 * p])
    return variance, estimating.satterthwaite(a, squares, mixed, symmetric(products.reshape(p, upper), p))


@dataclass(frozen=True)
class Variance:
    """A robust variance (p, p) of coefficients of columns about their middles.

    freedom: degrees of freedom (p,) of Student's t, where clusters decide on them. clusters: their number; 0 of people.
    """

    matrix: Floats
    freedom: Floats | None = None
    clusters: int = 0

    @property
    def errors(self) -> Floats:
        """Standard errors (p,)."""
        return np.sqrt(np.diag(self.matrix))

    def wald(self, value: Floats, freedom: float = np.inf) -> tuple[Floats, Floats]:
        """How many errors the limits are away (p,), and p values (p,): by Student's t with degrees of freedom of
        clusters, else of the method.
        """
        spread = np.full(len(value), freedom) if self.freedom is None else self.freedom
        with np.errstate(invalid="ignore", divide="ignore"):
            return t_quantile(0.975, spread), 2 * t_sf(np.abs(value / self.errors), spread)

    def at(self, matrix: Floats) -> Variance:
        """Of coefficients times `matrix` (p, p)."""
        return replace(self, matrix=matrix @ self.matrix @ matrix.T)


FEW_CLUSTERS = 10
"""Clusters under which a sandwich without CR2's correction is too small more often than not."""


def with_freedom(table: Table, robust: Variance | None) -> Table:
    """A table of coefficients, with degrees of freedom after the standard errors where clusters decide on them."""
    if robust is None or robust.freedom is None:
        return table
    at = [column.name for column in table.columns].index("standard_error") + 1
    column = Column("freedom", Words("regression.degrees_of_freedom"), "number", 2)
    rows = tuple(
        (*row[:at], None if row[at - 1] is None else float(freedom), *row[at:])
        for row, freedom in zip(table.rows, robust.freedom, strict=True)
    )
    return replace(table, columns=(*table.columns[:at], column, *table.columns[at:]), rows=rows)


@dataclass(frozen=True)
class Robust:
    """Which errors a study asks for, over which clusters."""

    errors: str
    cluster: str

    @property
    def clustered(self) -> bool:
        """Whether the sums are over clusters."""
        return self.errors.startswith("CR")

    @property
    def variables(self) -> frozenset[str]:
        """What people must have beside the formula's."""
        return frozenset([self.cluster] if self.cluster else [])

    def numbers(self, p: int) -> int:
        """How many numbers a hospital sends, of p columns."""
        upper = p * (p + 1) // 2
        return upper + int(self.clustered) + p * (3 + upper) * (self.errors == "CR2")

    def arguments(self, inverse: Floats) -> dict[str, object]:
        """Arguments of a step, beside the fit's own."""
        return {"errors": self.errors, "cluster": self.cluster, "inverse": inverse[triangle(len(inverse))]}

    def variance(self, values: Floats, inverse: Floats, people: int, columns: int) -> Variance:
        """From what was opened: HC1 is HC0 times N / (N - p), CR1 is CR0 times G / (G - 1), and CR1S that of
        (N - 1) / (N - p) people more.
        """
        freedom = people - columns
        if not self.clustered:
            matrix = inverse @ symmetric(values, len(inverse)) @ inverse
            return Variance(matrix * (people / freedom if self.errors == "HC1" else 1.0))
        clusters = int(values[-1])
        matrix, own = cluster_sandwich(inverse, values[:-1], self.errors)
        factor = 1.0 if self.errors in ("CR0", "CR2") else clusters / (clusters - 1)
        factor *= (people - 1) / freedom if self.errors == "CR1S" else 1.0
        told = own if self.errors == "CR2" else np.full(len(inverse), clusters - 1.0)
        return Variance(matrix * factor, told, clusters)

    def methods_text(self, variance: Variance | None) -> tuple[Words, ...]:
        """What the errors are, and how many clusters there are of which people."""
        text = Words(f"regression.errors_{self.errors}")
        if variance is None or not variance.clusters:
            return (text,)
        key = "regression.text_clusters" if self.cluster else "regression.text_hospitals_clusters"
        values: dict[str, int | float | str] = {"found": variance.clusters}
        return (text, Words(key, values | ({"cluster": self.cluster} if self.cluster else {})))

    def under_test(self) -> tuple[Words, ...]:
        """Under the test of a whole model: that it does not have the robust errors of the coefficients."""
        return () if self.errors == "none" else (Words("regression.test_is_model_based"),)

    def notes(self, variance: Variance | None) -> tuple[Words, ...]:
        """That clusters are few, where the errors are not corrected for it."""
        clusters = variance.clusters if variance and self.errors != "CR2" else 0
        return (Words("regression.few_clusters", {"found": clusters}),) if 0 < clusters < FEW_CLUSTERS else ()

    def faults(self, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
        """Clusters without an error of clusters, or that are none; and a model whose leverages would follow."""
        others = sorted(self._beside(formula, study))
        if others:
            values = {"found": f"{self.errors}, {', '.join(others)}", "expected": self.errors}
            yield Finding("robust_twice", place=analysis.place("robust"), values=values)
        if self.cluster and not self.clustered:
            values = {"found": f"robust: {self.errors}, cluster: {self.cluster}", "expected": "CR0, CR1, CR1S, CR2"}
            yield Finding("robust_cluster", place=analysis.place("cluster"), values=values)
        over = study.variables.get(self.cluster)
        bad = over is None or over.type not in ("category", "integer") or over.name in formula.variables
        if self.cluster and bad:
            values = {"found": self.cluster, "expected": "category, integer"}
            yield Finding("mixed_cluster", place=analysis.place("cluster"), values=values)

    def _beside(self, formula: Formula, study: Study) -> Iterator[str]:
        """Errors over people that the study asks for of the same model with other powers of 1 - h, whatever method fits
        it (a probit model is near a logistic one) and in whatever cohort (two conditions can select the same people).

        HC3 less HC0 weighs people by about twice their leverage, and so on: such a difference is soon one person's.
        """
        for other in study.analyses.values():
            asked = str(other.options.get("robust", "none"))
            unlike = self.errors in DIVIDED and asked in DIVIDED and DIVIDED[asked] != DIVIDED[self.errors]
            if unlike and _alike(formula, str(other.options.get("formula", "")), study):
                yield f"{other.name}: {asked}"


def _alike(formula: Formula, text: str, study: Study) -> bool:
    """Whether a text is the same model, in whatever order its terms are written."""
    try:
        other = formulas.parse(text, study.variables)
    except FileFault:
        return False  # the analysis whose formula it is says so
    same = (other.outcome, other.intercept) == (formula.outcome, formula.intercept)
    return same and {term.names for term in other.terms} == {term.names for term in formula.terms}
