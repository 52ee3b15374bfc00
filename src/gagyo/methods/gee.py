"""Generalised estimating equations of clustered people, equal to the pooled fit (lossless): wards, doctors, hospitals.

Clusters lie within a hospital, or are the hospitals. Each round a hospital sends its sums of D'V^-1 (y - mu) and
D'V^-1 D over its clusters, and the products of Pearson residuals by which the working correlation moves; at the end the
middle of the sandwich. With fewer than ten hospitals as clusters it is corrected for their fewness, CR2 with
Satterthwaite's degrees of freedom. Liang & Zeger (1986) Biometrika 73:13; papers of the corrections in
`gagyo.statistics.clusters`. Reference: R geepack's `geeglm`, clubSandwich's `vcovCR`, statsmodels `GEE`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import special

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import LocalStep, Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._gee_cells import cluster_cells, clusters_of, own_spread, places_of, pooled_cells
from gagyo.methods._gee_told import Fit, Told
from gagyo.methods._newton import (
    MOST_ROUNDS,
    Solved,
    aliased_columns,
    check_separation,
    pivots,
    solve,
    symmetric,
    triangle,
)
from gagyo.methods._regression import about_zero, column_bounds, middles
from gagyo.methods._sandwich import FEW_CLUSTERS, ROOM, cluster_sandwich, over_clusters, total
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, everybody, joint, side_by_side, spread_of
from gagyo.result import Result
from gagyo.statistics import clusters as estimating
from gagyo.statistics.cluster_roots import Members
from gagyo.statistics.clusters import Scale

DECREMENT = 1e-20
"""Stop where the squared decrement, over the dispersion, is under this; and the correlation moves by its root."""

MOST = 2.0**20
"""People of the largest cluster that they allow for in the number of pairs, and in their products."""

COMMON = {"formula": Name(), "family": Name(), "cluster": Name()}
AT = {"coefficients": Numbers((None,), -1e12, 1e12), "alpha": Numbers((1,), -1, 1)}


present = present_step("gee")
value_bins = bins_step("gee")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(**COMMON)
def outcome(rows: Rows, formula: str, family: str, cluster: str) -> Aggregate:
    """How many people, and the sum of their outcomes."""
    parsed = rows.formula(formula)
    y = rows[parsed.outcome]
    values = y.sum(keepdims=True)
    return {
        "people": everybody(rows.n),
        "sum": _joint(rows, parsed, family, cluster, values, _worst(rows, parsed), spread_of(y[:, None])),
    }


@local(**COMMON, **AT)
def step(rows: Rows, formula: str, family: str, cluster: str, coefficients: Floats, alpha: Floats) -> Aggregate:
    """Equations (p) and information (upper triangle) at coefficients (p,) and a working correlation; then the sums of
    squares of Pearson residuals and of products of two of one cluster, the numbers of such pairs, of clusters, and of
    clusters too large for so negative a correlation.

    Measured columns are about the middles of their ranges.
    """
    parsed = rows.formula(formula)
    X, e, _ = _residuals(rows, parsed, family, coefficients)
    told = [estimating.tell(X[one], e[one], float(alpha[0])) for one in places_of(rows, cluster)]
    upper, right = triangle(X.shape[1])
    u, B = total([one.u for one in told], X.shape[1]), total([one.B[upper, right] for one in told], len(upper))
    sizes = clusters_of(rows, cluster).sizes.astype(np.float64)
    sums = clusters_of(rows, cluster).sums(e[:, None])
    squares = float(e @ e)
    pairs, beyond = float((sizes * (sizes - 1)).sum()) / 2, float((1 + (sizes - 1) * alpha[0] <= 0).sum())
    last = [squares, (float((sums**2).sum()) - squares) / 2, pairs, float(len(sizes)), beyond]
    reach, worst = _reach(rows, parsed), _worst(rows, parsed)
    scales = np.concatenate([reach * worst, reach[upper] * reach[right] * worst, [worst**2]]) * ROOM
    scales = np.append(scales, [worst**2 * MOST, MOST, 1.0, 1.0])
    spread = side_by_side(spread_of(X * e[:, None]), spread_of(X**2), spread_of(e[:, None] ** 2))
    return {"fit": _joint(rows, parsed, family, cluster, np.concatenate([u, B, last]), scales, spread)}


@local(**COMMON, **AT, errors=Name(), inverse=Numbers((None,), -1e30, 1e30))
def meat(
    rows: Rows,
    formula: str,
    family: str,
    cluster: str,
    coefficients: Floats,
    alpha: Floats,
    errors: str,
    inverse: Floats,
) -> Aggregate:
    """The sum over clusters of u u' (upper triangle), u a cluster's equations corrected by `errors`; with CR2, what
    each coefficient's degrees of freedom need. In units of 1 over the root of the inverse information's diagonal.

    inverse: of the summed information (upper triangle).
    """
    parsed = rows.formula(formula)
    X, e, variance = _residuals(rows, parsed, family, coefficients)
    p = X.shape[1]
    scale = Scale.of(symmetric(inverse, p))
    told = [Members(X[one], e[one], variance[one], float(alpha[0])) for one in places_of(rows, cluster)]
    contrasts = about_zero(middles(parsed, rows.variables))  # degrees of freedom are of the columns as they are
    values, size = over_clusters(told, scale, errors, contrasts), p * (p + 1) // 2
    scales = np.append(np.full(size, _worst(rows, parsed) ** 2), np.ones(len(values) - size)) * ROOM
    return {"meat": _joint(rows, parsed, family, cluster, values, scales, spread_of((X * e[:, None]) ** 2))}


def _joint(
    rows: Rows, formula: Formula, family: str, cluster: str, values: Floats, bound: Floats | float, spread: Spread
) -> Measure:
    """Numbers of the fit, ruled on by the cells of all people and by those of each cluster."""
    own = cluster_cells(rows, formula, family, cluster)
    whole = side_by_side(spread, own_spread(rows, formula, cluster))
    return joint(values, bound, pooled_cells(rows, formula, family), whole, own)


def _residuals(rows: Rows, formula: Formula, family: str, beta: Floats) -> tuple[Floats, Floats, Floats]:
    """The design about the middles (n, p) times the mean's derivative, and residuals (n,), over standard deviations;
    and the variances (n,).
    """
    X: Floats = rows.kept(("gee", formula.text), lambda: rows.design(formula) - middles(formula, rows.variables))
    eta, y = X @ beta, rows[formula.outcome]
    if family == "gaussian":
        return X, y - eta, np.ones_like(y)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # What runs past the largest number is not finite, and the gate's rule of ranges refuses it.
        mu = special.expit(eta) if family == "binomial" else np.exp(eta)
        variance = mu * special.expit(-eta) if family == "binomial" else mu
        deviation = np.sqrt(variance)
        return X * deviation[:, None], (y - mu) / deviation, variance


def _reach(rows: Rows, formula: Formula) -> Floats:
    return column_bounds(rows, formula) - np.abs(middles(formula, rows.variables))


def _worst(rows: Rows, formula: Formula) -> float:
    """The outcome's greatest size: the ring's scale of a residual, which fixes the rounding, 2^-64 of it."""
    return float(np.abs(rows.variables[formula.outcome].bounds).max())


class Options(BaseModel):
    """What a study file may say of generalised estimating equations."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    family: Literal["gaussian", "binomial", "poisson"]
    """A measurement (identity link), yes or no (logit), a count (log)."""
    cluster: str = ""
    """A category or whole number, such as the ward: a cluster for each of its values in each hospital. Without it each
    hospital is a cluster."""
    correlation: Literal["auto", "independence", "exchangeable"] = "auto"
    """The working correlation within a cluster; `auto`: of hospitals independence, of named clusters exchangeable."""
    errors: Literal["auto", "sandwich", "CR2", "mancl_derouen"] = "auto"
    """The sandwich as it is, or corrected for few clusters; `auto` is CR2 for fewer than ten hospitals as clusters."""
    denominator: Literal["N-p", "N"] = "N-p"
    """Of the dispersion and, with pairs, of the correlation: numbers less that of coefficients, or numbers alone."""


@dataclass
class Walk:
    """Where a fit is: coefficients (p,), the working correlation, and what the last round said."""

    beta: Floats
    alpha: float = 0.0
    moved: float = 0.0
    dispersion: float = 1.0
    clusters: int = 0
    rounds: int = 1
    start: Floats | None = None


@dataclass(frozen=True)
class Method:
    """Generalised estimating equations of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "gee"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, outcome or cluster do not fit."""
        options = Options(**analysis.options)
        formula = knots.parse(options.formula, analysis, study)
        check_none(list(_faults(options, formula, analysis, study)))
        return cls(formula, options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, and the cluster."""
        return frozenset(self.formula.variables) | frozenset([self.options.cluster] if self.options.cluster else [])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def width(self) -> int:
        """The design's columns."""
        return len(self.formula.columns(self.study.variables))

    @property
    def correlation(self) -> str:
        """The working correlation: of a hospital's hundreds of people, independence unless the study says otherwise."""
        chosen, within = self.options.correlation, self.options.cluster
        return ("exchangeable" if within else "independence") if chosen == "auto" else chosen

    def errors(self, clusters: int) -> str:
        """Which sandwich, of so many clusters."""
        if self.options.errors != "auto":
            return self.options.errors
        return "CR2" if not self.options.cluster and clusters < FEW_CLUSTERS else "sandwich"

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """A sum, equations and information a round, and the middle of the sandwich."""
        p = self.width
        upper = p * (p + 1) // 2
        freedom = p * (3 + upper) * (self.errors(len(self.study.sites)) == "CR2")
        return (
            Sends("gee.outcome", 2, 1),
            Sends("gee.step", p + upper + 5, MOST_ROUNDS),
            Sends("gee.meat", upper + freedom, 1),
        )

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then the sandwich, then tell."""
        fit = yield from self._fit()
        told = Told(self.formula, self.study, self.options.family, self.options.cluster, self.correlation)
        return told.result(fit, about_zero(middles(self.formula, self.study.variables)), self.options.denominator)

    def _fit(self) -> Generator[Ask, Pooled, Fit]:
        first = yield self._ask(outcome, {}, 1)
        people, mean = int(_whole(first, "people")[0]), float(_whole(first, "sum")[0]) / int(first["people"][0])
        if self.options.family != "gaussian" and (mean <= 0 or (self.options.family == "binomial" and mean >= 1)):
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        walk = Walk(self._start(mean))
        while True:
            pooled = yield self._ask(step, {"coefficients": walk.beta, "alpha": np.array([walk.alpha])})
            solved = self._hear(walk, _whole(pooled, "fit"), people)
            if solved.decrement < DECREMENT * walk.dispersion and walk.moved**2 < DECREMENT:
                break
            if walk.rounds > MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))
            walk.beta = walk.beta + solved.step
            walk.alpha += walk.moved
        beta = walk.beta + solved.step
        errors = self.errors(walk.clusters)
        M = np.nan_to_num(solved.inverse)
        named = {"coefficients": beta, "alpha": np.array([walk.alpha]), "errors": errors}
        answer = yield self._ask(meat, {**named, "inverse": M[triangle(self.width)]})
        variance, freedom = cluster_sandwich(M, _whole(answer, "meat"), errors)
        if errors == "mancl_derouen":
            freedom = np.full(self.width, walk.clusters - int((~solved.aliased).sum()), np.float64)
        alpha = None if self.correlation == "independence" else walk.alpha
        return Fit(
            np.where(solved.aliased, np.nan, beta),
            solved.aliased,
            variance,
            freedom,
            errors,
            walk.dispersion,
            alpha,
            walk.clusters,
            people,
            pooled.sites,
            walk.rounds + 1,
        )

    def _start(self, mean: float) -> Floats:
        beta = np.zeros(self.width)
        if self.formula.intercept:
            family = self.options.family
            beta[0] = mean if family == "gaussian" else np.log(mean if family == "poisson" else mean / (1 - mean))
        return beta

    def _hear(self, walk: Walk, values: Floats, people: int) -> Solved:
        """Take in a round: the step from there, and how far the working correlation moves."""
        p = self.width
        information = symmetric(values[p:-5], p)
        squares, products, pairs, clusters, beyond = (float(one) for one in values[-5:])
        if beyond > 0.5:
            raise Stopped(Finding("gee_correlation", values={"found": f"{walk.alpha:.4f}"}))
        solved = solve(values[:p], information, aliased_columns(information))
        lost = int((~solved.aliased).sum()) if self.options.denominator == "N-p" else 0
        if people <= lost:
            raise Stopped(Finding("withheld_fit"))
        walk.start = pivots(information) if walk.start is None else walk.start
        if self.options.family != "gaussian":
            terms = [column.name for column in self.formula.columns(self.study.variables)]
            check_separation(walk.start, pivots(information), -float(people), people, terms)
        walk.rounds, walk.clusters = walk.rounds + 1, int(clusters)
        walk.dispersion = squares / (people - lost)
        if self.correlation == "exchangeable":
            if pairs <= lost:
                raise Stopped(Finding("gee_pairs", values={"found": int(pairs), "expected": lost + 1}))
            walk.moved = products / (pairs - lost) / walk.dispersion - walk.alpha
        return solved

    def _ask(self, step: LocalStep, arguments: dict[str, object], parameters: int | None = None) -> Ask:
        one = self.options
        named = {"formula": self.formula.text, "family": one.family, "cluster": one.cluster, **arguments}
        if step is meat:
            return Ask(step, named, doing="robust_errors")
        fit = f"{self.formula.text} {one.family} {one.cluster} {self.correlation}"
        return Ask(step, named, fit=fit, parameters=parameters or self.width + 1, doing="fitting")


def _whole(answer: Pooled, name: str) -> Floats:
    if not answer.whole(name):
        raise Stopped(Finding("withheld_fit"))
    return answer[name]


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    one = study.variables[formula.outcome]
    suits = {
        "gaussian": one.type in ("number", "integer", "date"),
        "binomial": one.type == "boolean",
        "poisson": one.type in ("number", "integer") and one.bounds[0] >= 0,
    }
    if not suits[options.family]:
        values = {"found": formula.outcome, "family": options.family, "expected": OUTCOMES[options.family]}
        yield Finding("glm_outcome", place=analysis.place("formula"), values=values)
    over = study.variables.get(options.cluster)
    if options.cluster and (over is None or over.type not in ("category", "integer") or over.name in formula.variables):
        values = {"found": options.cluster, "expected": "category, integer"}
        yield Finding("mixed_cluster", place=analysis.place("cluster"), values=values)


OUTCOMES = {"gaussian": "number, integer, date", "binomial": "boolean", "poisson": "number, integer: range [>= 0, …]"}
