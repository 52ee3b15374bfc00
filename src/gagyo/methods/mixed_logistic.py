"""Logistic mixed models by Laplace's approximation, equal to the pooled fit (lossless): a random intercept by cluster.

Clusters are wards or doctors within hospitals, whose own intercepts are then fixed and found inside them; or, from five
on, the hospitals themselves. Each hospital finds the modes of its clusters inside, and sends log-likelihood, gradient
and Hessian of the approximate likelihood in coefficients and standard deviation, which are summed before they are seen.
Breslow and Clayton (1993) J Am Stat Assoc 88:9; papers of the arithmetic in `gagyo.statistics.laplace`. Reference: R
lme4's `glmer(nAGQ = 1)`, its deviance at its own optimum and, by the definition, the optimum itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import special

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Sends
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._gee_cells import cluster_cells, clusters_of, own_spread, pooled_cells
from gagyo.methods._mixed_logistic_told import Told
from gagyo.methods._mixed_logistic_walk import FARTHEST, Walk
from gagyo.methods._newton import MOST_ROUNDS, triangle
from gagyo.methods._regression import about_zero, column_bounds, middles
from gagyo.methods._sandwich import ROOM
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, Spread, everybody, joint, side_by_side, spread_of
from gagyo.result import Result
from gagyo.statistics import laplace as arithmetic
from gagyo.statistics.laplace import Grouped

FEWEST = 5
"""Hospitals under which their effect is fixed: a variance between fewer is hardly known."""

LOG = 64.0
"""Scale of the log-likelihood in the ring; one person's share at honest coefficients is far below it."""

CONSTANT = 1e-12
"""A column that varies within a hospital by less than this share of its size does not vary there."""


present = present_step("mixed_logistic")
value_bins = bins_step("mixed_logistic")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(
    formula=Name(),
    cluster=Name(),
    hospital=Name(),
    coefficients=Numbers((None,), -1e12, 1e12),
    deviation=Numbers((None,), 0, FARTHEST),
)
def laplace(
    rows: Rows, formula: str, cluster: str, hospital: str, coefficients: Floats, deviation: Floats
) -> Aggregate:
    """Log-likelihood, gradient (q) and Hessian (upper triangle) at coefficients and a deviation, the deviation's last;
    then the number of people with the outcome, and of clusters.

    Measured columns are about the middles of their ranges. hospital: `fixed`, at this hospital's own intercept that
    fits best, with which nothing else of it leaves; or `random`, with one intercept for all. deviation: (1,), or (0,)
    where no intercept is random.
    """
    parsed, groups = rows.formula(formula), clusters_of(rows, cluster)
    people = Grouped(rows[parsed.outcome], groups.place, len(groups.sizes))
    X: Floats = rows.kept(("mixed logistic", formula, hospital), lambda: _columns(rows, parsed, hospital))
    d = float(deviation[0]) if len(deviation) else 0.0
    tell = arithmetic.tell_within if hospital == "fixed" else arithmetic.tell
    told = tell(people, X, X @ coefficients, d)
    free = slice(X.shape[1] + len(deviation))
    reach = np.append(_reach(rows, parsed, hospital), 1.0)[free]
    upper, right = triangle(len(reach))
    hessian, counts = told.hessian[free, free][upper, right], [float(people.y.sum()), float(people.clusters)]
    values = np.array([told.likelihood, *told.gradient[free], *hessian, *counts])
    scales = np.array([LOG, *reach * ROOM, *reach[upper] * reach[right] * ROOM, 1.0, 1.0])
    cells, own = pooled_cells(rows, parsed, "binomial"), cluster_cells(rows, parsed, "binomial", cluster)
    spread = side_by_side(_spread(X, people, told.eta), own_spread(rows, parsed, cluster))
    fit = joint(values, scales, cells, spread, own)
    return {"people": everybody(rows.n), "fit": fit}


def _columns(rows: Rows, formula: Formula, hospital: str) -> Floats:
    """The design about the middles of ranges; with fixed intercepts without one, about this hospital's own means."""
    X = rows.design(formula) - middles(formula, rows.variables)
    if hospital != "fixed" or not rows.n:
        return X[:, int(hospital == "fixed") :]
    own = X[:, 1:] - X[:, 1:].mean(axis=0)
    constant = np.abs(own).max(axis=0) <= CONSTANT * np.abs(X[:, 1:]).max(axis=0)
    return np.asarray(np.where(constant, 0.0, own))


def _reach(rows: Rows, formula: Formula, hospital: str) -> Floats:
    reach = column_bounds(rows, formula) - np.abs(middles(formula, rows.variables))
    return 2 * reach[1:] if hospital == "fixed" else reach


def _spread(X: Floats, people: Grouped, eta: Floats) -> Spread:
    """Of the score and of the diagonal of the information, at the modes."""
    mu = special.expit(eta)
    return side_by_side(spread_of(X * (people.y - mu)[:, None]), spread_of(X**2 * (mu * special.expit(-eta))[:, None]))


class Options(BaseModel):
    """What a study file may say of a logistic mixed model."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    hospital: Literal["auto", "random", "fixed"] = "auto"
    """The hospitals' intercepts: random from five hospitals on where there is no `cluster`, else fixed."""
    cluster: str = ""
    """A category or whole number, such as the ward: a random intercept for each of its values in each hospital."""


@dataclass(frozen=True)
class Method:
    """A logistic mixed model of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "mixed_logistic"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, cluster or hospitals do not fit."""
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
    def hospital(self) -> str:
        """Whether the hospitals' intercepts are `random` or `fixed`."""
        if self.options.hospital != "auto":
            return self.options.hospital
        return "random" if len(self.study.sites) >= FEWEST and not self.options.cluster else "fixed"

    @property
    def varies(self) -> bool:
        """Whether any intercept is random."""
        return self.hospital == "random" or self.options.cluster != ""

    @property
    def terms(self) -> list[str]:
        """The columns whose coefficients are told."""
        names = [column.name for column in self.formula.columns(self.study.variables)]
        return names[int(self.hospital == "fixed") :]

    @property
    def width(self) -> int:
        """How many parameters."""
        return len(self.terms) + int(self.varies)

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Log-likelihood, gradient and Hessian a round, and three counts."""
        q = self.width
        return (Sends("mixed_logistic.laplace", 4 + q + q * (q + 1) // 2, MOST_ROUNDS),)

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then tell."""
        fit = yield from Walk(self._ask, self.width, self.terms, self.varies).fit()
        if self.hospital == "random" and len(fit.sites) < FEWEST:
            raise Stopped(Finding("mixed_few", values={"found": len(fit.sites), "expected": FEWEST}))
        turn = about_zero(middles(self.formula, self.study.variables)) if self.hospital == "random" else None
        return Told(self.formula, self.study, self.options.cluster, self.hospital).result(fit, turn)

    def _ask(self, at: Floats) -> Ask:
        p = len(self.terms)
        named = {"formula": self.formula.text, "cluster": self.options.cluster, "hospital": self.hospital}
        return Ask(
            laplace,
            {**named, "coefficients": at[:p], "deviation": at[p:]},
            fit=" ".join(named.values()),
            parameters=self.width,
            doing="fitting",
        )


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    outcome = study.variables[formula.outcome]
    if outcome.type != "boolean" or not formula.intercept or not formula.terms:
        values = {"found": formula.text, "expected": "boolean ~ 1 + …"}
        yield Finding("mixed_logistic_formula", place=analysis.place("formula"), values=values)
    one = study.variables.get(options.cluster)
    if options.cluster and (one is None or one.type not in ("category", "integer") or one.name in formula.variables):
        values = {"found": options.cluster, "expected": "category, integer"}
        yield Finding("mixed_cluster", place=analysis.place("cluster"), values=values)
    if options.hospital == "random" and (len(study.sites) < FEWEST or options.cluster):
        few = {"found": len(study.sites), "expected": FEWEST}
        yield Finding("mixed_hospitals", place=analysis.place("hospital"), values=few)
