"""Linear mixed models, equal to the pooled fit by REML or ML (lossless): random effects by hospital, or by cluster.

From five hospitals on, their intercepts and the effects of `slopes` are random; each hospital then gives its own sums
and products of these few columns, and all else is a secure sum. With fewer, or with `cluster` (a ward, a doctor), the
hospitals' intercepts are fixed and nothing of one hospital is opened: it sends its sums at a variance ratio, with their
derivatives, once a round. Luo et al. (2022) Nat Commun 13:1678; papers of the arithmetic in `gagyo.statistics.mixed`.
Reference: R lme4's `lmer`, its optimum polished, and lmerTest for Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Numerals, Pooled, Sends
from gagyo.federation.local import Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._mixed_cells import Clusters, block_cells, cluster_people, cluster_spread, hospital_people
from gagyo.methods._mixed_fit import ORDERS, Walk, random_fit
from gagyo.methods._mixed_told import Fitted, Told
from gagyo.methods._newton import MOST_ROUNDS, symmetric, triangle
from gagyo.methods._products import bounds, centred_products, column_sums, product_cells
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.terms import Plain
from gagyo.release.aggregate import Aggregate, Counts, Floats, Spread, everybody, joint, side_by_side, spread_of
from gagyo.result import Result

FEWEST = 5
"""Hospitals under which their effect is fixed: a variance between fewer is hardly known."""

MOST_SLOPES = 2
"""Variables whose effect may vary by hospital: with all of them a hospital's own model would leave it."""

MOST = 2.0**20
"""People of the largest cluster that the ring's scales of derivatives allow for."""

LOG = 64.0
"""The greatest logarithm, per person, that the ring's scales allow for."""


present = present_step("mixed")
value_bins = bins_step("mixed")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(formula=Name())
def means(rows: Rows, formula: str) -> Aggregate:
    """The sum of each column of the design (p) and of the outcome, and how many people."""
    return column_sums(rows, rows.formula(formula))


@local(formula=Name(), centre=Numbers((None,), -1e9, 1e9))
def products(rows: Rows, formula: str, centre: Floats) -> Aggregate:
    """Cross-products (upper triangle) of the design's columns and the outcome about `centre` (p + 1)."""
    return {"products": centred_products(rows, rows.formula(formula), centre)}


@local(formula=Name(), slopes=Names(), centre=Numbers((None,), -1e9, 1e9))
def blocks(rows: Rows, formula: str, slopes: list[str], centre: Floats) -> Aggregate:
    """This hospital's own products (q, p + 1) of intercept and slopes with all columns about `centre`, and its people.

    Nobody may make up most of a product, nor of the sum of a column as it is.
    """
    parsed = rows.formula(formula)
    plain = np.column_stack([rows.design(parsed), rows[parsed.outcome]])
    columns = plain - centre
    own = _random(parsed, slopes, rows)
    parts = [columns[:, [j]] * columns for j in own]
    bound = 2 * np.append(*bounds(rows, parsed))
    values = np.array([part.sum(axis=0) for part in parts])
    spread = spread_of(np.column_stack([plain, *parts]))
    cells = block_cells(rows, parsed, slopes)
    return {"people": everybody(rows.n), "block": joint(values, np.outer(bound[own], bound), cells, spread)}


def _random(formula: Formula, slopes: list[str], rows: Rows) -> list[int]:
    """The numbers of the columns with random effects: the intercept, then the slopes."""
    names = [column.name for column in formula.columns(rows.variables)]
    return [0, *(names.index(name) for name in slopes)]


@local(formula=Name(), cluster=Name(), ratio=Numbers((1,), 0, 1e6))
def within(rows: Rows, formula: str, cluster: str, ratio: Floats) -> Aggregate:
    """Cross-products within the hospital, weighed for a cluster's random intercept at a variance ratio.

    With k = n / (1 + n ratio) for a cluster of n people: products within clusters, and of the clusters' means about
    their own mean under weights k; then the sums over clusters of log(1 + n ratio), and log of the sum of k. Of all of
    them also the first two derivatives in the ratio. Without clusters only the products, and log n.
    """
    parsed = rows.formula(formula)
    parts: _Parts = rows.kept(("mixed within", formula, cluster), lambda: _Parts.of(rows, parsed, cluster))
    products, others = parts.weighed(float(ratio[0]))
    orders = ORDERS if cluster else 1
    upper, right = triangle(len(parts.inside))
    values = np.concatenate([products[:orders, upper, right], others[:orders]], axis=1)
    bound = 2 * np.append(*bounds(rows, parsed))[1:]
    reach = np.concatenate([bound[upper] * bound[right], [LOG, LOG]]) * np.array([[1.0], [MOST], [2 * MOST**2]])
    cells = product_cells(rows, parsed)
    whole, scales = np.append(values.ravel(), len(parts.sizes)), np.append(reach[:orders].ravel(), 1.0)
    return {"people": everybody(rows.n), "within": joint(whole, scales, cells, parts.spread, parts.own)}


@dataclass(frozen=True)
class _Parts:
    """What is the same at every variance ratio: of clusters their sizes (m,) and means (m, q), products (q, q) within
    them, and what the gate looks at."""

    sizes: Floats
    means: Floats
    inside: Floats
    spread: Spread
    own: Counts

    @classmethod
    def of(cls, rows: Rows, formula: Formula, cluster: str) -> _Parts:
        """Of the people of a hospital; without a cluster each person is one."""
        columns = np.column_stack([rows.design(formula)[:, 1:], rows[formula.outcome]])
        groups = Clusters(rows, cluster)
        sizes = groups.sizes.astype(np.float64)
        means = groups.sums(columns) / sizes[:, None]
        away = columns - means[groups.place]
        spread = spread_of((columns - columns.mean(axis=0)) ** 2) if rows.n else spread_of(columns)
        own = cluster_people(rows, formula, groups) if cluster else hospital_people(rows, formula)
        both = side_by_side(spread, cluster_spread(columns, groups)) if cluster else spread
        return cls(sizes, means, away.T @ away, both, own)

    def weighed(self, ratio: float) -> tuple[Floats, Floats]:
        """Products (3, q, q), and the two logarithms (3, 2), each with two derivatives."""
        n = self.sizes
        if not len(n):
            return np.zeros((3, *self.inside.shape)), np.zeros((3, 2))
        over = 1 + n * ratio
        k = np.array([n / over, -((n / over) ** 2), 2 * (n / over) ** 3])
        K = k.sum(axis=1)
        away = self.means - k[0] @ self.means / K[0]
        out = np.array([(away * one[:, None]).T @ away for one in k])
        moved = k[1] @ away / K[0]  # how the mean under weights moves with the ratio
        out[0] += self.inside
        out[2] -= 2 * K[0] * np.outer(moved, moved)
        logs = [np.log(over).sum(), (n / over).sum(), -((n / over) ** 2).sum()]
        total = [np.log(K[0]), K[1] / K[0], K[2] / K[0] - (K[1] / K[0]) ** 2]
        return out, np.column_stack([logs, total])


class Options(BaseModel):
    """What a study file may say of a linear mixed model."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    hospital: Literal["auto", "random", "fixed"] = "auto"
    """The hospitals' intercepts: random from five hospitals on where there is no `cluster`, else fixed."""
    slopes: list[str] = []
    """Variables of the formula, at most two, whose effect varies at random between hospitals."""
    cluster: str = ""
    """A category or whole number, such as the ward: a random intercept for each of its values in each hospital."""
    estimation: Literal["REML", "ML"] = "REML"
    """Restricted likelihood, for variances; or likelihood, to compare models of different formulas."""


@dataclass(frozen=True)
class Method:
    """A linear mixed model of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "mixed"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, slopes, cluster or hospitals do not fit."""
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
    def random(self) -> bool:
        """Whether the hospitals' effects are random."""
        chosen = self.options.hospital
        return chosen == "random" or (chosen == "auto" and len(self.study.sites) >= FEWEST and not self.options.cluster)

    @property
    def width(self) -> int:
        """The design's columns, the intercept among them."""
        return len(self.formula.columns(self.study.variables))

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Sums, own blocks, products, a round each; or products within hospitals, in rounds with clusters."""
        p = self.width
        whole = (p + 1) * (p + 2) // 2
        if self.random:
            own = Sends("mixed.blocks", 1 + (1 + len(self.options.slopes)) * (p + 1), 1, each=True)
            return (Sends("mixed.means", p + 2, 1), own, Sends("mixed.products", whole, 1))
        orders, rounds = (ORDERS, MOST_ROUNDS) if self.options.cluster else (1, 1)
        return (Sends("mixed.within", 2 + orders * (p * (p + 1) // 2 + 2), rounds),)

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then tell."""
        fitted = yield from (self._by_hospital() if self.random else self._within())
        one = self.options
        return Told(self.formula, self.study, one.slopes, one.cluster, one.estimation).result(fitted)

    def _by_hospital(self) -> Generator[Ask, Any, Fitted]:
        text, p = self.formula.text, self.width
        first: Pooled = yield self._ask(means, {"formula": text})
        if len(first.sites) < FEWEST:
            raise Stopped(Finding("mixed_few", values={"found": len(first.sites), "expected": FEWEST}))
        people = int(_whole(first, "people")[0])
        centre = _whole(first, "sums") / people
        centre[0] = 0.0  # the intercept's column stays what it is
        slopes = list(self.options.slopes)
        answers: dict[str, Numerals]
        answers = yield Ask(blocks, {"formula": text, "slopes": slopes, "centre": centre}, each=True, doing="fitting")
        second: Pooled = yield self._ask(products, {"formula": text, "centre": centre})
        total = symmetric(_whole(second, "products"), p + 1)
        at = [0, *(self._names.index(name) for name in slopes)]
        own = {site: _whole(answer, "block") for site, answer in answers.items()}
        return random_fit(total, own, at, centre, people, self.options.estimation == "REML")

    @property
    def _names(self) -> list[str]:
        return [column.name for column in self.formula.columns(self.study.variables)]

    def _within(self) -> Generator[Ask, Any, Fitted]:
        walk = Walk(self.width - 1, self.options.cluster != "", self.options.estimation == "REML")
        while True:
            named = {"formula": self.formula.text, "cluster": self.options.cluster, "ratio": np.array([walk.ratio])}
            pooled: Pooled = yield self._ask(within, named)
            if walk.hears(int(_whole(pooled, "people")[0]), _whole(pooled, "within"), pooled.sites):
                return walk.fitted()
            if walk.rounds >= MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))

    def _ask(self, step: Any, arguments: dict[str, Any]) -> Ask:
        fit = f"{self.formula.text} {self.options.cluster}"
        return Ask(step, arguments, fit=fit, parameters=self.width + 2, doing="fitting")


def _whole(answer: Numerals, name: str) -> Floats:
    if not answer.whole(name):
        raise Stopped(Finding("withheld_fit"))
    return answer[name]


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    outcome = study.variables[formula.outcome]
    if outcome.type not in ("number", "integer", "date") or not formula.intercept or not formula.terms:
        values = {"found": formula.text, "expected": "number, integer, date ~ 1 + …"}
        yield Finding("mixed_formula", place=analysis.place("formula"), values=values)
    alone = [str(t.factors[0]) for t in formula.terms if len(t.factors) == 1 and isinstance(t.factors[0], Plain)]
    wrong = [name for name in options.slopes if name not in alone]
    if wrong or len(options.slopes) > MOST_SLOPES or len(set(options.slopes)) < len(options.slopes):
        told = {"found": ", ".join(options.slopes), "expected": ", ".join(alone), "most": str(MOST_SLOPES)}
        yield Finding("mixed_slopes", place=analysis.place("slopes"), values=told)
    one = study.variables.get(options.cluster)
    if options.cluster and (one is None or one.type not in ("category", "integer") or one.name in formula.variables):
        values = {"found": options.cluster, "expected": "category, integer"}
        yield Finding("mixed_cluster", place=analysis.place("cluster"), values=values)
    random = options.hospital == "random" or options.slopes
    if random and (len(study.sites) < FEWEST or options.cluster or options.hospital == "fixed"):
        few = {"found": len(study.sites), "expected": FEWEST}
        yield Finding("mixed_hospitals", place=analysis.place("hospital"), values=few)
