"""Generalised estimating equations of clustered people, equal to the pooled fit (lossless): wards, doctors, hospitals.

Clusters lie within a hospital, or are the hospitals. Each round a hospital sends its sums of D'V^-1 (y - mu) and
D'V^-1 D over its clusters, and the products of Pearson residuals by which the working correlation moves; at the end the
middle of the sandwich. With fewer than ten hospitals as clusters it is corrected for their fewness, CR2 with
Satterthwaite's degrees of freedom. People may have weights, such as the inverse of the probability of being observed:
variances are divided by these (Robins, Rotnitzky & Zhao 1995, J Am Stat Assoc 90:106), and the working correlation is
of weighted products, as geepack has it. Liang & Zeger (1986) Biometrika 73:13; papers of the corrections in
`gagyo.statistics.clusters`. Reference: R geepack's `geeglm`, clubSandwich's `vcovCR`, statsmodels `GEE`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel
from scipy import special

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import LocalStep, Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._gee_cells import cluster_cells, clusters_of, own_spread, places_of, pooled_cells
from gagyo.methods._gee_options import Options, errors_of, faults
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
from gagyo.methods._sampling import heaviest
from gagyo.methods._sandwich import ROOM, cluster_sandwich, over_clusters, total
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

COMMON = {name: Name() for name in ("formula", "family", "cluster", "weights")}
AT = {"coefficients": Numbers((None,), -1e12, 1e12), "alpha": Numbers((1,), -1, 1)}


present = present_step("gee")
value_bins = bins_step("gee")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(**COMMON)
def outcome(rows: Rows, formula: str, family: str, cluster: str, weights: str) -> Aggregate:
    """How many people, and the sum of their outcomes; with weights the weighted sum, that of the weights, and that of
    products of two of one cluster.
    """
    parsed, w = rows.formula(formula), _weights(rows, weights)
    columns = np.column_stack([rows[parsed.outcome] * w, w][: 1 + bool(weights)])
    values, bound = columns.sum(axis=0), np.array([_worst(rows, parsed), 1.0, heaviest(rows, weights) * MOST])
    if weights:
        values = np.append(values, _pairs(rows, cluster, w))
    scales = (bound * heaviest(rows, weights))[: len(values)]
    told = _joint(rows, parsed, family, cluster, weights, values, scales, spread_of(columns))
    return {"people": everybody(rows.n), "sum": told}


@local(**COMMON, **AT)
def step(
    rows: Rows, formula: str, family: str, cluster: str, weights: str, coefficients: Floats, alpha: Floats
) -> Aggregate:
    """Equations (p) and information (upper triangle) at coefficients (p,) and a working correlation; then the sums of
    squares of Pearson residuals and of products of two of one cluster, the numbers of such pairs, of clusters, and of
    clusters too large for so negative a correlation.

    Measured columns are about the middles of their ranges.
    """
    parsed, w = rows.formula(formula), _weights(rows, weights)
    X, e, _ = _residuals(rows, parsed, family, w, coefficients)
    told = [estimating.tell(X[one], e[one], float(alpha[0])) for one in places_of(rows, cluster)]
    upper, right = triangle(X.shape[1])
    u, B = total([one.u for one in told], X.shape[1]), total([one.B[upper, right] for one in told], len(upper))
    sizes = clusters_of(rows, cluster).sizes.astype(np.float64)
    products = _pairs(rows, cluster, e * np.sqrt(w))
    pairs, beyond = float((sizes * (sizes - 1)).sum()) / 2, float((1 + (sizes - 1) * alpha[0] <= 0).sum())
    last = [float(e @ e), products, pairs, float(len(sizes)), beyond]
    reach, worst = _reach(rows, parsed), _worst(rows, parsed)
    scales = np.concatenate([reach * worst, reach[upper] * reach[right] * worst, [worst**2]]) * ROOM
    heavy = heaviest(rows, weights)
    scales = np.append(scales * heavy, [(worst * heavy) ** 2 * MOST, MOST, 1.0, 1.0])
    spread = side_by_side(spread_of(X * e[:, None]), spread_of(X**2), spread_of(e[:, None] ** 2))
    return {"fit": _joint(rows, parsed, family, cluster, weights, np.concatenate([u, B, last]), scales, spread)}


@local(**COMMON, **AT, errors=Name(), inverse=Numbers((None,), -1e30, 1e30))
def meat(
    rows: Rows,
    formula: str,
    family: str,
    cluster: str,
    weights: str,
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
    X, e, variance = _residuals(rows, parsed, family, _weights(rows, weights), coefficients)
    p = X.shape[1]
    scale = Scale.of(symmetric(inverse, p))
    told = [Members(X[one], e[one], variance[one], float(alpha[0])) for one in places_of(rows, cluster)]
    contrasts = about_zero(middles(parsed, rows.variables))  # degrees of freedom are of the columns as they are
    values, size = over_clusters(told, scale, errors, contrasts), p * (p + 1) // 2
    worst = (_worst(rows, parsed) * heaviest(rows, weights)) ** 2
    scales = np.append(np.full(size, worst), np.ones(len(values) - size)) * ROOM
    return {"meat": _joint(rows, parsed, family, cluster, weights, values, scales, spread_of((X * e[:, None]) ** 2))}


def _joint(
    rows: Rows,
    formula: Formula,
    family: str,
    cluster: str,
    weights: str,
    values: Floats,
    bound: Floats,
    spread: Spread,
) -> Measure:
    """Numbers of the fit, ruled on by the cells of all people and by those of each cluster."""
    own = cluster_cells(rows, formula, family, cluster, weights)
    whole = side_by_side(spread, own_spread(rows, formula, cluster, weights))
    return joint(values, bound, pooled_cells(rows, formula, family, weights), whole, own)


def _weights(rows: Rows, weights: str) -> Floats:
    return rows[weights] if weights else np.ones(rows.n)


def _pairs(rows: Rows, cluster: str, x: Floats) -> float:
    """The sum of products of two people's numbers (n,) of one cluster."""
    sums = clusters_of(rows, cluster).sums(x[:, None])
    return (float((sums**2).sum()) - float(x @ x)) / 2


def _residuals(
    rows: Rows, formula: Formula, family: str, weights: Floats, beta: Floats
) -> tuple[Floats, Floats, Floats]:
    """The design about the middles (n, p) times the mean's derivative, and residuals (n,), over standard deviations,
    which are divided by the roots of weights (n,); and the variances (n,).
    """
    X: Floats = rows.kept(("gee", formula.text), lambda: rows.design(formula) - middles(formula, rows.variables))
    eta, y = X @ beta, rows[formula.outcome]
    if family == "gaussian":
        root = np.sqrt(weights)
        return X * root[:, None], (y - eta) * root, np.ones_like(y)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # What runs past the largest number is not finite, and the gate's rule of ranges refuses it.
        mu = special.expit(eta) if family == "binomial" else np.exp(eta)
        variance = mu * special.expit(-eta) if family == "binomial" else mu
        deviation, root = np.sqrt(variance), np.sqrt(weights)
        return X * (deviation * root)[:, None], (y - mu) / deviation * root, variance


def _reach(rows: Rows, formula: Formula) -> Floats:
    return column_bounds(rows, formula) - np.abs(middles(formula, rows.variables))


def _worst(rows: Rows, formula: Formula) -> float:
    """The outcome's greatest size: the ring's scale of a residual, which fixes the rounding, 2^-64 of it."""
    return float(np.abs(rows.variables[formula.outcome].bounds).max())


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
    weight: float = 1.0
    """The mean weight, and of products of two of one cluster."""
    both: float = 1.0


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
        check_none(list(faults(options, formula, analysis, study)))
        return cls(formula, options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, the cluster and the weights."""
        return frozenset([*self.formula.variables, self.options.cluster, self.options.weights]) - {""}

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
        return errors_of(self.options, clusters)

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """A sum or three, equations and information a round, and the middle of the sandwich."""
        p = self.width
        upper = p * (p + 1) // 2
        freedom = p * (3 + upper) * (self.errors(len(self.study.sites)) == "CR2")
        return (
            Sends("gee.outcome", 4 if self.options.weights else 2, 1),
            Sends("gee.step", p + upper + 5, MOST_ROUNDS),
            Sends("gee.meat", upper + freedom, 1),
        )

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then the sandwich, then tell."""
        fit = yield from self._fit()
        one = self.options
        told = Told(self.formula, self.study, one.family, one.cluster, self.correlation, one.weights)
        return told.result(fit, about_zero(middles(self.formula, self.study.variables)), one.denominator)

    def _fit(self) -> Generator[Ask, Pooled, Fit]:
        first = yield self._ask(outcome, {}, 1)
        people, sums = int(_whole(first, "people")[0]), _whole(first, "sum")
        whole, both = (float(sums[1]), float(sums[2])) if self.options.weights else (float(people), 0.0)
        mean = float(sums[0]) / whole
        if self.options.family != "gaussian" and (mean <= 0 or (self.options.family == "binomial" and mean >= 1)):
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        walk = Walk(self._start(mean), weight=whole / people)
        while True:
            pooled = yield self._ask(step, {"coefficients": walk.beta, "alpha": np.array([walk.alpha])})
            if self.options.weights:
                pairs = float(_whole(pooled, "fit")[-3])
                walk.both = both / pairs if pairs else 1.0
            solved = self._hear(walk, _whole(pooled, "fit"), people)
            if solved.decrement < DECREMENT * walk.dispersion * max(walk.weight, 1.0) and walk.moved**2 < DECREMENT:
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
        walk.dispersion = squares / walk.weight / (people - lost)
        if self.correlation == "exchangeable":
            if pairs <= lost:
                raise Stopped(Finding("gee_pairs", values={"found": int(pairs), "expected": lost + 1}))
            walk.moved = products / walk.both / (pairs - lost) / walk.dispersion - walk.alpha
        return solved

    def _ask(self, step: LocalStep, arguments: dict[str, object], parameters: int | None = None) -> Ask:
        one = self.options
        named: dict[str, object] = {
            "formula": self.formula.text,
            "family": one.family,
            "cluster": one.cluster,
            "weights": one.weights,
        }
        named |= arguments
        if step is meat:
            return Ask(step, named, doing="robust_errors")
        fit = f"{self.formula.text} {one.family} {one.cluster} {self.correlation} {one.weights}".rstrip()
        return Ask(step, named, fit=fit, parameters=parameters or self.width + 1, doing="fitting")


def _whole(answer: Pooled, name: str) -> Floats:
    if not answer.whole(name):
        raise Stopped(Finding("withheld_fit"))
    return answer[name]
