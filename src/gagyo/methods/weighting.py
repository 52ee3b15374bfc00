"""Treated and untreated compared under propensity weights, equal to the pooled analysis (lossless).

The propensity model is a logistic regression of the treatment in which each hospital has an intercept of its own, found
inside it (`gagyo.methods._propensity`). Weights are made at each hospital; what leaves is sums of weights, of weighted
outcomes and covariates, and once the sums from which standard errors follow that count the estimated propensities
(stacked estimating equations, Lunceford & Davidian 2004, Stat Med 23:2937; Li, Morgan & Zaslavsky 2018, J Am Stat Assoc
113:390). Estimands, weights and effects: `gagyo.statistics.weighting`. Over sites: Shu et al. (2020) Stat
Methods Med Res 29:1668. Reference: R `glm` with a column for each hospital, and the stacked sandwich written out in
base R; survey's weighted means; statsmodels.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Numerals, Pooled, Sends
from gagyo.federation.local import Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _overlap
from gagyo.methods._balance import columns_of, covariates
from gagyo.methods._descent import halves_of
from gagyo.methods._groups import levels_of
from gagyo.methods._newton import (
    ALIAS,
    DECREMENT,
    MOST_ROUNDS,
    Solved,
    aliased_columns,
    check_running_away,
    check_separation,
    solve,
    symmetric,
    triangle,
)
from gagyo.methods._propensity import Scored, fit_bounds, fit_values, is_own, reaches, scored
from gagyo.methods._regression import about_zero, middles
from gagyo.methods._weighting_cells import own_cells, pooled_cells
from gagyo.methods._weighting_told import Balance, Propensity, Told, Weighted
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import (
    Aggregate,
    Counts,
    Floats,
    Measure,
    Spread,
    count,
    grouped_bins,
    joint,
    scalar,
    spread_of,
)
from gagyo.result import Result
from gagyo.statistics.weighting import Scheme, Weights, means_variance, weighted_variance, weights

WORST = 64.0
"""Scale of a weight in the ring: larger ones fit too, and are rounded at 2^-64 of it."""

WHO: dict[str, Any] = {"formula": Name(), "hospitals": Name(), "outcome": Name(), "balance": Names()}
HOW: dict[str, Any] = {
    **WHO,
    "scheme": Names(),
    "bounds": Numbers((3,), 0, 1e12),
    "coefficients": Numbers((None,), -1e12, 1e12),
    "share": Numbers((1,), 0, 1),
}
UNBOUNDED = 1e12
"""Stands for no largest weight."""


@dataclass(frozen=True)
class Asked:
    """A question's people: propensity formula, hospitals' intercepts, outcome, variables whose balance is told."""

    formula: Formula
    hospitals: str
    outcome: str
    balance: tuple[str, ...]

    @classmethod
    def of(cls, rows: Rows, formula: str, hospitals: str, outcome: str, balance: list[str]) -> Asked:
        """The question of a step's arguments."""
        return cls(rows.formula(formula), hospitals, outcome, tuple(balance))

    def together(self, rows: Rows, values: Floats, bounds: Floats, spread: Spread) -> Measure:
        """Numbers that are ruled on together, by all that they could give away."""
        key = (self.formula.text, self.hospitals, self.outcome, self.balance)
        cells: Measure = rows.kept(
            ("weighting cells", key), lambda: pooled_cells(rows, self.formula, self.outcome, self.balance)
        )
        own: Counts = rows.kept(
            ("weighting own", key), lambda: own_cells(rows, self.formula, self.outcome, self.hospitals)
        )
        return joint(values, bounds, cells, spread, own)

    def groups(self, rows: Rows) -> Floats:
        """Membership (n, 2): treated, untreated."""
        treated = rows[self.formula.outcome]
        return np.column_stack([treated == 1, treated == 0]).astype(np.float64)

    def outcomes(self, rows: Rows) -> Floats:
        """The outcome (n,), a measurement about the middle of its range."""
        return rows[self.outcome] - middle_of(rows.variables[self.outcome])

    def reach(self, rows: Rows) -> Floats:
        """The greatest sizes of the outcome and of the balance columns (1 + b,)."""
        variable = rows.variables[self.outcome]
        sizes = [one.reach for one in covariates(self.balance, rows.variables)]
        return np.array([max(abs(end - middle_of(variable)) for end in variable.bounds), *sizes])

    def measured(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of outcome and balance columns are measurements (1 + b,)."""
        levels = [one.level is None for one in covariates(self.balance, rows.variables)]
        return np.array([rows.variables[self.outcome].type != "boolean", *levels])

    def beside(self, rows: Rows) -> Floats:
        """Outcome and balance columns (n, 1 + b)."""
        return np.column_stack([self.outcomes(rows), columns_of(rows, self.balance)])


def middle_of(variable: Any) -> float:
    """The middle of a measurement's range; 0 of yes/no."""
    return 0.0 if variable.type == "boolean" else float(sum(variable.bounds)) / 2


@local(**WHO)
def groups(rows: Rows, formula: str, hospitals: str, outcome: str, balance: list[str]) -> Aggregate:
    """How many people; of treated and untreated: people, and the sums of outcome and balance columns (2, 2 + b)."""
    asked = Asked.of(rows, formula, hospitals, outcome, balance)
    columns = np.column_stack([np.ones(rows.n), asked.beside(rows)])
    inside = _by_group(asked.groups(rows), columns)
    bounds = np.tile(np.append(1.0, asked.reach(rows)), 2)
    measured = np.tile(np.append(False, asked.measured(rows)), 2)  # indicators' sums are head counts, ruled as such
    sums = asked.together(rows, inside.sum(axis=0), bounds, spread_of(inside[:, measured]))
    return {"people": count(np.ones(rows.n, bool)), "sums": sums}


@local(**WHO, coefficients=Numbers((None,), -1e12, 1e12))
def propensity(
    rows: Rows, formula: str, hospitals: str, outcome: str, balance: list[str], coefficients: Floats
) -> Aggregate:
    """Score, information, squares of the columns and log-likelihood of the propensity model at coefficients (q,).

    With hospitals' own intercepts they are those of the profile likelihood, each hospital at its own best intercept.
    """
    asked = Asked.of(rows, formula, hospitals, outcome, balance)
    values, spread = fit_values(scored(rows, asked.formula, hospitals, coefficients))
    bounds = fit_bounds(reaches(rows, asked.formula, is_own(hospitals)))
    return {"fit": asked.together(rows, values, bounds, spread)}


@local(**HOW, means=Numbers((2, None), -1e12, 1e12))
def weighted(
    rows: Rows,
    formula: str,
    hospitals: str,
    outcome: str,
    balance: list[str],
    scheme: list[str],
    bounds: Floats,
    coefficients: Floats,
    share: Floats,
    means: Floats,
) -> Aggregate:
    """Of treated and untreated, the sums of weights, their squares, weighted outcome and balance columns (2, 3 + b).

    Also the squares of the balance columns about each group's unweighted means (2, b).
    """
    asked = Asked.of(rows, formula, hospitals, outcome, balance)
    one = scored(rows, asked.formula, hospitals, coefficients)
    w = weights(scheme_of(scheme, bounds), one.eta, one.treated, float(share[0])).weight
    member, beside = asked.groups(rows), asked.beside(rows)
    sums = _by_group(member, np.column_stack([w, w**2, w[:, None] * beside]))
    about = [(beside[:, 1:] - mean) ** 2 * group[:, None] for group, mean in zip(member.T, means, strict=True)]
    parts = np.column_stack([sums, *about])
    reach = asked.reach(rows)
    scales = np.concatenate([np.tile(np.append([WORST, WORST**2], WORST * reach), 2), np.tile(4 * reach[1:] ** 2, 2)])
    return {"weighted": asked.together(rows, parts.sum(axis=0), scales, spread_of(parts))}


@local(**HOW, mean=Numbers((2,), -1e12, 1e12), centres=Numbers((2, None), -1e12, 1e12))
def influence(
    rows: Rows,
    formula: str,
    hospitals: str,
    outcome: str,
    balance: list[str],
    scheme: list[str],
    bounds: Floats,
    coefficients: Floats,
    share: Floats,
    mean: Floats,
    centres: Floats,
) -> Aggregate:
    """What standard errors follow from, at the weighted means (2,) of treated and untreated.

    Derivatives of both sums w (y - mean) in the coefficients (2, q) and in the share of the treated (2); the sum of
    z z' (upper triangle), z each person's parts of both, of the share's equation and of the score; and weighted squares
    of the balance columns about their weighted means `centres` (2, b).
    """
    asked = Asked.of(rows, formula, hospitals, outcome, balance)
    one = scored(rows, asked.formula, hospitals, coefficients)
    found = weights(scheme_of(scheme, bounds), one.eta, one.treated, float(share[0]))
    member, beside = asked.groups(rows), asked.beside(rows)
    away = (beside[:, [0]] - mean) * member
    z, slopes, by_share = _stacked(one, found, away, float(share[0]))
    squares = [
        found.weight[:, None] * (beside[:, 1:] - centre) ** 2 * group[:, None]
        for group, centre in zip(member.T, centres, strict=True)
    ]
    upper, right = triangle(z.shape[1])
    sums = [slopes.sum(axis=0), by_share.sum(axis=0), (z.T @ z)[upper, right], *(part.sum(axis=0) for part in squares)]
    reach, of_columns = asked.reach(rows), reaches(rows, asked.formula, is_own(hospitals))
    sizes = np.concatenate([[2 * WORST * reach[0]] * 2, [1.0], 2 * of_columns])
    scales = [np.tile(2 * WORST * reach[0] * of_columns, 2), [2 * WORST * reach[0]] * 2, sizes[upper] * sizes[right]]
    scales.append(np.tile(4 * WORST * reach[1:] ** 2, 2))
    spread = spread_of(np.column_stack([slopes, by_share, z**2, *squares]))
    return {"influence": asked.together(rows, np.concatenate(sums), np.concatenate(scales), spread)}


def _stacked(one: Scored, found: Weights, away: Floats, share: float) -> tuple[Floats, Floats, Floats]:
    """People's parts of all equations (n, 3 + q); of the derivatives in coefficients (n, 2 q) and in the share (n, 2).

    away: (n, 2), the outcome less its group's mean, 0 of the other group.
    """
    slope = found.slope[:, None] * away
    parts = [one.with_intercept(found.weight * away[:, g], slope[:, g]) for g in (0, 1)]
    z = np.column_stack([*parts, one.treated - share, one.score])
    return z, np.column_stack([one.columns * slope[:, [g]] for g in (0, 1)]), found.by_share[:, None] * away


@local(**HOW)
def by_hospital(
    rows: Rows,
    formula: str,
    hospitals: str,
    outcome: str,
    balance: list[str],
    scheme: list[str],
    bounds: Floats,
    coefficients: Floats,
    share: Floats,
) -> Aggregate:
    """This hospital's own people, and their effective number under the weights, of treated and of untreated."""
    asked = Asked.of(rows, formula, hospitals, outcome, balance)
    one = scored(rows, asked.formula, hospitals, coefficients)
    w = weights(scheme_of(scheme, bounds), one.eta, one.treated, float(share[0])).weight
    member = asked.groups(rows)
    inside = w[:, None] * member
    squares = np.where(inside.any(axis=0), (inside**2).sum(axis=0), 1.0)
    size = inside.sum(axis=0) ** 2 / squares
    return {
        "people": count(member == 1),
        "effective": scalar(size, member.sum(axis=0).astype(np.int64), spread_of(inside)),
    }


@local(**WHO, coefficients=Numbers((None,), -1e12, 1e12), which=Numbers((None,), 0, 0), edges=Numbers((None, 3), 0, 1))
def overlap(
    rows: Rows,
    formula: str,
    hospitals: str,
    outcome: str,
    balance: list[str],
    coefficients: Floats,
    which: Floats,
    edges: Floats,
) -> Aggregate:
    """Treated and untreated in both halves of bins (low, cut, high) of the propensity score."""
    asked = Asked.of(rows, formula, hospitals, outcome, balance)

    def ranked(_: int) -> list[Floats]:
        """Both groups' scores in order, kept for the next level of the descent."""
        key = ("ranked propensity", formula, hospitals, coefficients.tobytes())
        made: list[Floats] = rows.kept(key, lambda: _ordered(rows, asked, coefficients))
        return made

    table = halves_of(ranked, which, edges)
    return {"bins": grouped_bins(table, rows.n, np.ones(len(table), bool)), "people": count(np.ones(rows.n, bool))}


def _ordered(rows: Rows, asked: Asked, coefficients: Floats) -> list[Floats]:
    score = _overlap.within_one(scored(rows, asked.formula, asked.hospitals, coefficients).eta)
    return [np.sort(score[group == 1]) for group in asked.groups(rows).T]


def _by_group(member: Floats, columns: Floats) -> Floats:
    """Columns (n, m) of each group, those of the first before those of the second (n, 2 m)."""
    return np.column_stack([columns * group[:, None] for group in member.T])


def scheme_of(names: list[str], bounds: Floats) -> Scheme:
    """The weights that a step's arguments name."""
    estimand, *more = names
    low, high, largest = (float(one) for one in bounds)
    return Scheme(estimand, "stabilised" in more, low, high, largest)  # type: ignore[arg-type]


class Options(BaseModel):
    """What a study file may say of a weighted comparison. People who lack any of its variables are left out."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    """The propensity model: a yes/no treatment on what may confound it with the outcome."""
    outcome: str
    """What is compared: a yes/no variable (risks) or a measurement (means)."""
    estimand: Literal["ate", "att", "ato"]
    """Whose effect: `ate` everyone's, `att` the treated's, `ato` theirs who might have had either (overlap)."""
    stabilised: bool = False
    """With `ate`: weights times the share of the person's group, so that `largest_weight` holds extremes alone."""
    hospitals: Literal["own", "pooled"] = "own"
    """Intercepts of the propensity model: each hospital's own, which stays inside it, or one for all."""
    propensity_within: list[float] = []
    """Two bounds within which propensities are brought before they weigh, such as [0.05, 0.95]."""
    largest_weight: float | None = None
    """Greater weights are brought down to this."""
    balance: list[str] = []
    """Further variables whose balance is told, besides those of the formula."""
    overlap: bool = True
    """Also count both groups by their propensity."""


@dataclass
class Walk:
    """Where the propensity fit is: coefficients, rounds, and the information's diagonals by round."""

    beta: Floats
    rounds: int
    diagonals: list[Floats]


@dataclass(frozen=True)
class Method:
    """A weighted comparison of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "weighting"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, outcome, weights or balance do not fit."""
        options = Options(**analysis.options)
        formula = formulas.parse(options.formula, study.variables)
        check_none(list(_faults(options, formula, analysis, study)))
        return cls(formula, options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, the outcome and those whose balance is told."""
        return frozenset([*self.formula.variables, self.options.outcome, *self.options.balance])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def own(self) -> bool:
        """Whether hospitals have intercepts of their own."""
        return is_own(self.options.hospitals)

    @property
    def terms(self) -> list[str]:
        """The propensity model's columns by name, without an intercept that is each hospital's own."""
        return [column.name for column in self.formula.columns(self.study.variables)][self.own :]

    @property
    def balanced(self) -> tuple[str, ...]:
        """The variables whose balance is told."""
        return tuple(dict.fromkeys([*self.formula.predictors, *self.options.balance]))

    @property
    def scheme(self) -> Scheme:
        """The weights that the study asks for."""
        one = self.options
        low, high = one.propensity_within or (0.0, 1.0)
        return Scheme(one.estimand, one.stabilised, low, high, one.largest_weight or UNBOUNDED)

    def sends(self) -> tuple[Sends, ...]:
        """Sums by group, a fit, weighted sums, what errors follow from; two numbers a group by hospital; bins."""
        q, b = len(self.terms), len(covariates(self.balanced, self.study.variables))
        stacked = 2 * q + 2 + (3 + q) * (4 + q) // 2 + 2 * b
        sends = [
            Sends("weighting.groups", 1 + 2 * (2 + b), 1),
            Sends("weighting.propensity", 2 * q + q * (q + 1) // 2 + 1, MOST_ROUNDS),
            Sends("weighting.weighted", 2 * (3 + b) + 2 * b, 1),
            Sends("weighting.influence", stacked, 1),
            Sends("weighting.by_hospital", 4, 1, each=True),
        ]
        if self.options.overlap:
            sends.append(Sends("weighting.overlap", 1 + 2 * 2 * 2 ** (_overlap.DEEPEST - 1), _overlap.DEEPEST))
        return tuple(sends)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Groups, propensity fit, weighted sums, errors, each hospital's effective numbers, overlap; then tell."""
        first = yield Ask(groups, self._who(), doing="counting")
        check_whole(first, "people", "sums")
        before = first["sums"].reshape(2, -1)
        people, sizes = int(first["people"][0]), before[:, 0]
        if sizes.min() < 1:
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        walk = Walk(np.zeros(len(self.terms)), 1, [])
        solved = yield from self._fit(walk, people)
        how = self._how(walk.beta, sizes[0] / people)
        plain = before[:, 2:] / sizes[:, None]
        second = yield Ask(weighted, {**how, "means": plain}, doing="weighting")
        check_whole(second, "weighted")
        found = self._weighted(second["weighted"], sizes)
        third = yield Ask(influence, {**how, "mean": found.means, "centres": found.centres}, doing="weighting")
        check_whole(third, "influence")
        variance, squares = self._variance(third["influence"], found, solved, people)
        each = yield Ask(by_hospital, how, each=True, doing="weighting")
        seen = (yield from self._overlap(walk.beta)) if self.options.overlap else _overlap.Overlap.begin()
        rounds = walk.rounds + 3 + seen.rounds
        shift = middle_of(self.study.variables[self.options.outcome])
        weighed = weighted_variance(squares, found.sums, found.of_squares)
        balance = Balance(plain, found.squares / (sizes[:, None] - 1), found.centres, weighed)
        told = Told(self.study, self.formula, self.options.outcome, self.balanced, self.scheme, self.own)
        return told.result(
            Weighted(sizes, found.sums, found.of_squares, found.means + shift, variance),
            Propensity(self._raw(walk.beta, solved), people, first.sites, rounds),
            balance,
            each,
            seen,
        )

    def _raw(self, beta: Floats, solved: Solved) -> tuple[Floats, Floats]:
        """Coefficients and standard errors of measured columns as they are; NaN where aliased."""
        error = np.sqrt(np.diag(solved.inverse))
        if self.own:
            return np.where(solved.aliased, np.nan, beta), error
        back = about_zero(middles(self.formula, self.study.variables))
        variance = back @ np.nan_to_num(solved.inverse) @ back.T
        return np.where(solved.aliased, np.nan, back @ beta), np.sqrt(np.diag(variance))

    def _who(self) -> dict[str, Any]:
        one = self.options
        balance = list(self.balanced)
        return {"formula": self.formula.text, "hospitals": one.hospitals, "outcome": one.outcome, "balance": balance}

    def _how(self, beta: Floats, share: float) -> dict[str, Any]:
        one = self.scheme
        scheme = [one.estimand, *(["stabilised"] if one.stabilised else [])]
        bounds = np.array([one.low, one.high, one.largest])
        return {
            **self._who(),
            "scheme": scheme,
            "bounds": bounds,
            "coefficients": beta,
            "share": np.array([float(share)]),
        }

    def _fit(self, walk: Walk, people: int) -> Generator[Ask, Pooled, Solved]:
        """Newton-Raphson from coefficients of zero; `walk` is left at the optimum."""
        hospitals = len(self.study.sites) if self.own else 0
        name, parameters = f"{self.formula.text} {self.options.hospitals}", len(self.terms) + hospitals
        while True:
            asked = {**self._who(), "coefficients": walk.beta}
            try:
                pooled = yield Ask(propensity, asked, fit=name, parameters=parameters, doing="fitting")
            except Stopped:
                check_running_away(walk.diagonals, self.terms)
                raise
            check_whole(pooled, "fit")
            walk.rounds += 1
            solved, likelihood = self._step(walk, pooled["fit"])
            walk.beta = walk.beta + solved.step
            if solved.decrement < DECREMENT:
                return solved
            check_separation(walk.diagonals[0], walk.diagonals[-1], likelihood, people, self.terms)
            if walk.rounds > MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))

    def _step(self, walk: Walk, values: Floats) -> tuple[Solved, float]:
        q = len(self.terms)
        information = symmetric(values[q : -1 - q], q)
        walk.diagonals.append(np.diag(information))
        # What hospitals' own intercepts determine is left out too: it does not vary within hospitals.
        constant = np.diag(information) <= ALIAS * values[-1 - q : -1]
        aliased = aliased_columns(np.where(constant[:, None] | constant, 0.0, information)) | constant
        return solve(values[:q], information, aliased), float(values[-1])

    def _weighted(self, values: Floats, sizes: Floats) -> _Found:
        b = len(covariates(self.balanced, self.study.variables))
        table, squares = values[: 2 * (3 + b)].reshape(2, -1), values[2 * (3 + b) :].reshape(2, b)
        sums = table[:, 0]
        if sums.min() <= 0:
            raise Stopped(Finding("weighting_nothing", values={"found": self.formula.outcome}))
        return _Found(sums, table[:, 1], table[:, 2] / sums, table[:, 3:] / sums[:, None], squares)

    def _variance(self, values: Floats, found: _Found, solved: Solved, people: int) -> tuple[Floats, Floats]:
        """The means' covariance (2, 2), and the weighted squares of the balance columns (2, b)."""
        q = len(self.terms)
        slopes, by_share, rest = values[: 2 * q].reshape(2, q), values[2 * q : 2 * q + 2], values[2 * q + 2 :]
        size = (3 + q) * (4 + q) // 2
        meat, bread = symmetric(rest[:size], 3 + q), np.nan_to_num(solved.inverse)
        return means_variance(found.sums, slopes, by_share, bread, meat, people), rest[size:].reshape(2, -1)

    def _overlap(self, beta: Floats) -> Generator[Ask, Pooled, _overlap.Overlap]:
        def ask(which: Floats, edges: Floats) -> Ask:
            asked = {**self._who(), "coefficients": beta, "which": which, "edges": edges}
            return Ask(overlap, asked, doing="counting_values")

        return (yield from _overlap.grow(self.study.release.minimum_people, ask))


@dataclass(frozen=True)
class _Found:
    """Of treated and untreated: sums of weights and of their squares, weighted means of the outcome (2,) and of the
    balance columns (2, b), and unweighted squares of these about their unweighted means (2, b)."""

    sums: Floats
    of_squares: Floats
    means: Floats
    centres: Floats
    squares: Floats


def check_whole(answer: Numerals, *names: str) -> None:
    """Raise Stopped where a privacy rule withheld something that the rest needs."""
    if not all(answer.whole(name) for name in names):
        raise Stopped(Finding("withheld_fit"))


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    treatment = study.variables[formula.outcome]
    if treatment.type != "boolean" or not formula.intercept or not formula.terms:
        values = {"found": formula.text, "expected": "boolean ~ 1 + …"}
        yield Finding("weighting_formula", place=analysis.place("formula"), values=values)
    one = study.variables.get(options.outcome)
    if one is None or one.type not in OUTCOMES or options.outcome in formula.variables:
        values = {"found": options.outcome, "expected": ", ".join(OUTCOMES)}
        yield Finding("weighting_outcome", place=analysis.place("outcome"), values=values)
    unfit = [name for name in options.balance if not _balances(study, name, (formula.outcome, options.outcome))]
    if unfit:
        known = [name for name in study.variables if _balances(study, name, (formula.outcome, options.outcome))]
        values = {"found": ", ".join(unfit), "expected": ", ".join(known)}
        yield Finding("weighting_balance", place=analysis.place("balance"), values=values)
    if options.stabilised and options.estimand != "ate":
        yield Finding("weighting_stabilised", place=analysis.place("stabilised"), values={"found": options.estimand})
    yield from _unfit_bounds(options, analysis)


OUTCOMES = ("boolean", "number", "integer")


def _balances(study: Study, name: str, taken: tuple[str, str]) -> bool:
    """Whether a variable's balance can be told: a measurement or one with levels, neither treatment nor outcome."""
    variable = study.variables.get(name)
    if variable is None or name in taken:
        return False
    return variable.type in ("number", "integer") or levels_of(variable) > 0


def _unfit_bounds(options: Options, analysis: Analysis) -> Iterator[Finding]:
    ends = options.propensity_within
    if ends and not (len(ends) == 2 and 0 <= ends[0] < ends[1] <= 1):
        values = {"found": str(ends), "expected": "0 ≤ low < high ≤ 1"}
        yield Finding("weighting_bounds", place=analysis.place("propensity_within"), values=values)
    if options.largest_weight is not None and not 0 < options.largest_weight < UNBOUNDED:
        values = {"found": str(options.largest_weight), "expected": "> 0"}
        yield Finding("weighting_bounds", place=analysis.place("largest_weight"), values=values)
