"""A negative binomial fit: Newton-Raphson in the coefficients and log theta together, all from one sum a round.

Steps follow the observed information; standard errors the expected one, in which the coefficients and theta are
orthogonal (Lawless 1987, Can J Stat 15:209). It starts at the Poisson fit, whose likelihood it is compared with.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _sandwich as sandwich
from gagyo.methods._glm_sums import cells_of, plain_of, reach_of, scales_of
from gagyo.methods._glm_told import Fit, Shape
from gagyo.methods._newton import MOST_ROUNDS, Solved, solve, symmetric, triangle
from gagyo.methods._offset import NONE, Offset
from gagyo.methods._sampling import most
from gagyo.methods._sandwich import ARGUMENTS, People, Scales
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Counts, Floats, joint, side_by_side, spread_of
from gagyo.release.few_values import MANY
from gagyo.statistics import families
from gagyo.statistics.distributions import chi2_sf

DECREMENT = 1e-20

LONGEST = 2.0
"""The most that log theta moves in a round: far from its maximum the likelihood is not concave there."""

LEAST = 1e-10
"""The least eigenvalue of the observed information, scaled to unit diagonal, of which a step is taken."""

NAMED = ("negative_binomial", "log")
"""The family and its link."""

NO_MORE = 1e4
"""Theta over the mean count, from which on the variance is the mean's to 1e-4 and theta has no maximum to find."""


@local("glm", formula=Name(), offset=Name(), coefficients=Numbers((None,), -1e12, 1e12), theta=Numbers((1,), 0, 1e15))
def dispersed(rows: Rows, formula: str, offset: str, coefficients: Floats, theta: Floats) -> Aggregate:
    """Score (p), expected and observed information (upper triangles), with log theta: cross terms (p), derivative and
    minus second derivative; and the log-likelihood.

    At coefficients (p,) of columns about the middles of their ranges, and theta (1,).
    """
    parsed, beside = rows.formula(formula), Offset.read(offset)
    X, one, shape = _at(rows, parsed, beside, coefficients, float(theta[0]))
    expected, observed = ((X.T @ (X * w[:, None]))[triangle(X.shape[1])] for w in (one.weight, shape.observed))
    alone = np.column_stack([shape.first, shape.curve, one.likelihood])
    values = np.concatenate([one.factor @ X, expected, observed, shape.cross @ X, alone.sum(axis=0)])
    squares = [spread_of(X**2 * w[:, None]) for w in (one.weight, shape.observed)]
    spread = side_by_side(spread_of(X * one.factor[:, None]), *squares, spread_of(alone))
    cells = cells_of(rows, parsed, NAMED, beside)
    return {"fit": joint(values, _scales(rows, parsed), cells, spread, patterns(rows, parsed, beside))}


@local(
    "glm",
    formula=Name(),
    offset=Name(),
    coefficients=Numbers((None,), -1e12, 1e12),
    theta=Numbers((1,), 0, 1e15),
    **ARGUMENTS,
)
def dispersed_meat(
    rows: Rows,
    formula: str,
    offset: str,
    coefficients: Floats,
    theta: Floats,
    errors: str,
    cluster: str,
    inverse: Floats,
) -> Aggregate:
    """The middle of the sandwich at coefficients (p,) and theta (1,)."""
    parsed, beside = rows.formula(formula), Offset.read(offset)
    X, one, _ = _at(rows, parsed, beside, coefficients, float(theta[0]))
    people, own = People(X, one.factor, one.weight, one.variance), patterns(rows, parsed, beside)
    scales = Scales(reach_of(rows, parsed), most(rows.variables[parsed.outcome]))
    cells = cells_of(rows, parsed, NAMED, beside)
    return sandwich.meat(rows, parsed, people, errors, cluster, inverse, scales, cells, own)


def _scales(rows: Rows, formula: Formula) -> Floats:
    """The ring's scales: those of a Poisson fit, whose mean they are of."""
    poisson, p = scales_of(rows, formula, "poisson", NONE), formula.width
    worst = most(rows.variables[formula.outcome])
    return np.concatenate([poisson[:-1], poisson[p:-1], poisson[:p], [worst, worst], poisson[-1:]])


def _at(
    rows: Rows, formula: Formula, offset: Offset, beta: Floats, theta: float
) -> tuple[Floats, families.Parts, families.Shape]:
    X = plain_of(rows, formula)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return X, *families.negative_binomial(rows[formula.outcome], X @ beta + offset.of(rows), theta)


def patterns(rows: Rows, formula: Formula, offset: Offset) -> Counts:
    """How many unlike linear predictors the people of this hospital can have (1,): none, or k.

    With few, what is expected of each is known from outside, and the sums of digamma functions at each round's theta
    are equations in how many people have each count, whole numbers at that.
    """
    return rows.kept(("unlike", formula.text, offset), lambda: _patterns(rows, formula, offset))  # type: ignore[no-any-return]


def _patterns(rows: Rows, formula: Formula, offset: Offset) -> Counts:
    each = np.column_stack([plain_of(rows, formula), offset.of(rows) + np.zeros(rows.n)])
    first = len(np.unique(each[:MANY], axis=0))
    return np.array([first if first > MANY // 4 else len(np.unique(each, axis=0))])


@dataclass
class Walk:
    """Where a fit is: coefficients and log theta (p + 1,), the step that led there, and the likelihood there."""

    at: Floats
    moved: Floats
    likelihood: float = -np.inf
    rounds: int = 0

    def step(self, step: Floats | None) -> None:
        """Go on; where the likelihood fell (None), half the way back."""
        self.moved = self.moved / 2 if step is None else step
        self.at = self.at - self.moved if step is None else self.at + self.moved


@dataclass(frozen=True)
class Round:
    """What a round says: the step (p + 1,), what it still gains, the Fisher step, and the curvature in log theta."""

    step: Floats
    decrement: float
    fisher: Solved
    curve: float

    @classmethod
    def of(cls, values: Floats, aliased: NDArray[np.bool_]) -> Round:
        """Newton's step where the likelihood is concave; else Fisher's, with log theta the way up."""
        p = len(aliased)
        upper = p * (p + 1) // 2
        score, expected, observed, cross, (first, curve, _) = np.split(values, np.cumsum([p, upper, upper, p]))
        fisher = solve(score, symmetric(expected, p), aliased)
        whole = np.block([[symmetric(observed, p), cross[:, None]], [cross[None, :], np.array([[curve]])]])
        kept = np.append(np.flatnonzero(~aliased), p)
        if curve > 0 and np.linalg.eigvalsh(_scaled(whole[np.ix_(kept, kept)])).min() > LEAST:
            newton = solve(np.append(score, first), whole, np.append(aliased, False))
            step, decrement = newton.step, newton.decrement
        else:
            step, decrement = np.append(fisher.step, np.copysign(LONGEST, first)), np.inf
        step[-1] = np.clip(step[-1], -LONGEST, LONGEST)
        return cls(step, decrement, fisher, float(curve))


def _scaled(matrix: Floats) -> Floats:
    """With a diagonal of ones, of whatever sign."""
    size = np.sqrt(np.abs(np.diag(matrix)))
    return np.asarray(matrix / np.outer(size, size))


@dataclass(frozen=True)
class Dispersed:
    """A negative binomial model of a formula, with or without an offset, to be fitted from a Poisson fit on."""

    formula: Formula
    offset: Offset

    def fit(self, poisson: Fit) -> Generator[Ask, Pooled, Fit]:
        """The maximum in coefficients and theta.

        Raises:
            Stopped: the counts vary no more than a Poisson model says, so that theta has no maximum; or withheld.
        """
        aliased = poisson.solved.aliased
        walk = Walk(np.append(np.nan_to_num(poisson.coefficients), 0.0), np.zeros(len(aliased) + 1))
        while True:
            now = yield from self._round(walk, aliased)
            if now is not None and now.decrement < DECREMENT:
                break
            walk.step(None if now is None else now.step)
            if np.exp(walk.at[-1]) > NO_MORE * poisson.mean:
                raise Stopped(Finding("no_overdispersion", values={"found": self.formula.outcome}))
            if walk.rounds > MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))
        at = walk.at + now.step
        theta, chi = float(np.exp(at[-1])), max(2 * (walk.likelihood - poisson.likelihood), 0.0)
        told = Shape(theta, theta / float(np.sqrt(now.curve)), chi, float(chi2_sf(chi, 1)) / 2)
        beta, nothing = np.where(aliased, np.nan, at[:-1]), float("nan")
        rounds = poisson.rounds + walk.rounds
        return Fit(
            beta, now.fisher, walk.likelihood, nothing, 1.0, nothing, poisson.people, poisson.sites, rounds, told
        )

    def _round(self, walk: Walk, aliased: NDArray[np.bool_]) -> Generator[Ask, Pooled, Round | None]:
        """One round: the step from there; None where the likelihood fell."""
        pooled = yield Ask(
            dispersed,
            self.named(walk.at[:-1], float(np.exp(walk.at[-1]))),
            fit=f"{self.formula.text} {self.offset.text} negative binomial",
            parameters=len(walk.at),
            doing="fitting",
        )
        if not pooled.whole("fit"):
            raise Stopped(Finding("withheld_fit"))
        walk.rounds += 1
        likelihood = float(pooled["fit"][-1])
        if likelihood < walk.likelihood - 1e-9 * (1 + abs(walk.likelihood)):
            return None
        walk.likelihood = likelihood
        return Round.of(pooled["fit"], aliased)

    def named(self, beta: Floats, theta: float) -> dict[str, object]:
        """The arguments of a step."""
        named = {"formula": self.formula.text, "offset": self.offset.text}
        return {**named, "coefficients": beta, "theta": np.array([theta])}
