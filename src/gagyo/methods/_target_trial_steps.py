"""What a hospital computes for an emulated trial: clones are made and weighed here, and only sums over people leave."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gagyo.errors import DataFault
from gagyo.federation.local import Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._balance import columns_of, covariates
from gagyo.methods._descent import halves_of
from gagyo.methods._newton import triangle
from gagyo.methods._propensity import Scored, fit_bounds, fit_values, is_own, profile, raw_columns, reaches
from gagyo.methods._target_trial_cells import counted, own_cells, pooled_cells
from gagyo.methods._weighting_curves import of_few
from gagyo.methods._weighting_steps import WORST
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import (
    Aggregate,
    Counts,
    Floats,
    Measure,
    Spread,
    everybody,
    grouped_bins,
    joint,
    side_by_side,
    spread_of,
)
from gagyo.release.halves import halved
from gagyo.statistics.target_trial import STARTS, WAITS, CloneWeights, Histories, clone_weights

STRATEGIES = (STARTS, WAITS)

WHO: dict[str, Any] = {
    "formula": Name(),
    "hospitals": Name(),
    "time": Name(),
    "start": Name(),
    "edges": Numbers((None,), 0, 1e12),
    "grace": Whole(1, 1000),
}
HOW: dict[str, Any] = {
    **WHO,
    "coefficients": Numbers((None,), -1e12, 1e12),
    "largest": Numbers((1,), 0, 1e12),
    "least": Whole(1, 1_000_000),
}


def histories(rows: Rows, time: str, event: str, start: str, edges: Floats, grace: int) -> Histories:
    """What happened to the hospital's people.

    Raises:
        DataFault: somebody started after the end of their own follow-up, or at time zero where the grid has no 0.
    """
    began, until = rows[start], rows[time]
    if bool((began > until).any()):
        raise DataFault.of("trial_start_late", found=start, expected=time)
    if edges[0] > 0 and bool((began <= 0).any()):
        raise DataFault.of("trial_start_zero", found=start)
    return Histories.of(until, rows[event] == 1, began, edges, grace)


@dataclass(frozen=True)
class Asked:
    """A question's people: the covariates' formula (its outcome is the event), whose intercepts, their histories.

    key: what of the question tells it from others on the same rows.
    """

    rows: Rows
    formula: Formula
    hospitals: str
    people: Histories
    key: tuple[object, ...]

    @classmethod
    def of(cls, rows: Rows, formula: str, hospitals: str, time: str, start: str, edges: Floats, grace: int) -> Asked:
        """The question of a step's arguments; kept for the next round."""

        def made() -> Asked:
            parsed = rows.formula(formula)
            return cls(rows, parsed, hospitals, histories(rows, time, parsed.outcome, start, edges, grace), key)

        key = ("trial", formula, hospitals, time, start, edges.tobytes(), grace)
        asked: Asked = rows.kept(key, made)
        return asked

    @property
    def own(self) -> bool:
        """Whether hospitals have intercepts of their own."""
        return is_own(self.hospitals)

    @cached_property
    def episodes(self) -> tuple[Counts, Counts]:
        """Of each interval in which somebody might start: whose it is, and which (episodes,)."""
        who, at = np.nonzero(self.people.might_start)
        return who.astype(np.int64), at.astype(np.int64)

    @cached_property
    def raw(self) -> Floats:
        """The columns of the model of starting (episodes, q): a level of each interval after the first, covariates."""
        who, at = self.episodes
        levels = at[:, None] == np.arange(1, self.people.grace)
        columns = raw_columns(self.rows, self.formula, self.own)[who]
        return np.column_stack([levels.astype(np.float64), columns])

    @property
    def reach(self) -> Floats:
        """The greatest size of each of those columns."""
        return np.append(np.ones(self.people.grace - 1), reaches(self.rows, self.formula, self.own))

    def scored(self, coefficients: Floats) -> Scored:
        """Episodes' part of the model of starting at coefficients (q,)."""

        def made() -> Scored:
            who, at = self.episodes
            return profile(self.raw, self.people.starts[who, at].astype(np.float64), self.own, coefficients)

        found: Scored = self.rows.kept((*self.key, "scored", coefficients.tobytes()), made)
        return found

    def by_person(self, parts: Floats) -> Floats:
        """Sums of episodes' parts (episodes, m) by person (n, m)."""
        out = np.zeros((self.rows.n, parts.shape[1]))
        np.add.at(out, self.episodes[0], parts)
        return out

    @cached_property
    def ruled_by(self) -> tuple[Measure, Counts]:
        """All that the numbers could give away: over all hospitals, and within this one."""
        pooled = pooled_cells(self.rows, self.formula, self.people)
        return pooled, own_cells(self.rows, self.formula, self.people, self.hospitals)

    def together(self, values: Floats, bounds: Floats, spread: Spread) -> Measure:
        """Numbers that are ruled on together."""
        pooled, own = self.ruled_by
        return joint(values, bounds, pooled, spread, own)


@dataclass(frozen=True)
class _Weighed:
    """Both strategies' clones with their weights at some coefficients."""

    asked: Asked
    scored: Scored
    weights: tuple[CloneWeights, ...]

    @classmethod
    def of(cls, rows: Rows, *, coefficients: Floats, largest: Floats, least: int, **who: Any) -> _Weighed:
        asked = Asked.of(rows, **who)
        one = asked.scored(coefficients)
        eta = np.zeros((rows.n, asked.people.grace))
        eta[asked.episodes] = one.eta
        made = tuple(clone_weights(asked.people, strategy, eta, float(largest[0])) for strategy in STRATEGIES)
        return cls(asked, one, made)

    def away(self, strategy: int, hazards: Floats) -> Floats:
        """Each clone's event less its expectation (n, K) at the hazards (2, K); who leaves without counts half."""
        here, ends, lost = self.asked.people.clones(strategy)
        return np.asarray(ends - hazards[strategy] * (here - lost / 2))

    def equations(self, hazards: Floats) -> Floats:
        """Each person's part of the equations of all hazards (n, 2 K), those of who starts first."""
        K = self.asked.people.intervals
        return np.column_stack([self.weights[a].weight[:, :K] * self.away(a, hazards) for a in STRATEGIES])

    def slopes(self, hazards: Floats) -> Floats:
        """How these follow the linear predictor of each episode (episodes, 2 K)."""
        K, (who, at) = self.asked.people.intervals, self.asked.episodes
        parts, equations = [], self.equations(hazards)
        for a in STRATEGIES:
            own = self.weights[a].slope[who, :K, at]
            parts.append(own * equations[who, a * K : (a + 1) * K])
        return np.column_stack(parts)

    def spread(self, least: int) -> Spread:
        """Of sums over a few of an arm: the greatest weights, and weighted columns, among people of average size.

        Of each end there are k people over all hospitals; here there may be one.
        """
        within, columns = self.asked.people.within, np.abs(raw_columns(self.asked.rows, self.asked.formula, True))
        parts = []
        for a, chosen in zip(STRATEGIES, (within, ~within), strict=True):
            w = self.weights[a].weight[chosen, -1][:, None]
            parts.append(of_few(np.column_stack([w, w**2, w * columns[chosen]]), least))
        return side_by_side(*parts)


@local("target_trial", **WHO)
def histories_table(rows: Rows, **who: Any) -> Aggregate:
    """How many people; how many started in each interval of the grace period or not, left in each interval or were
    followed to the horizon, without and with the event (grace + 1, K + 1, 2).
    """
    asked = Asked.of(rows, **who)
    table = counted(asked.people).astype(np.float64)
    return {
        "people": everybody(rows.n),
        "table": asked.together(table, np.ones(1), spread_of(np.zeros((rows.n, 0)))),
    }


@local("target_trial", **WHO, coefficients=Numbers((None,), -1e12, 1e12))
def starting(rows: Rows, *, coefficients: Floats, **who: Any) -> Aggregate:
    """Score, information, squares of the columns and log-likelihood of the model of starting at coefficients (q,).

    Pooled over the intervals of the grace period, in each those who are followed and have not started before.
    """
    asked = Asked.of(rows, **who)
    one = asked.scored(coefficients)
    values, _ = fit_values(one)
    parts = np.column_stack([one.score, one.columns**2 * one.spread[:, None], one.raw**2 * one.spread[:, None]])
    bounds = asked.people.grace * fit_bounds(asked.reach)
    return {"fit": asked.together(values, bounds, spread_of(asked.by_person(parts)))}


@local("target_trial", **HOW)
def arms(rows: Rows, *, least: int, **how: Any) -> Aggregate:
    """By strategy and interval, sums of weights: under observation, with the event, leaving without; and squared.

    (2, 4, K). Then of each strategy's clones past the end of the grace period the sum of weights and of weighted
    covariates (2, 1 + b), and everyone's covariates and their squares (2, b).
    """
    one = _Weighed.of(rows, least=least, **how)
    K, g, names = one.asked.people.intervals, one.asked.people.grace, one.asked.formula.predictors
    x, sums, balance = columns_of(rows, tuple(names)), [], []
    for a in STRATEGIES:
        w = one.weights[a].weight[:, :K]
        here, ends, lost = one.asked.people.clones(a)
        sums.append([(w * part).sum(axis=0) for part in (here, ends, lost)] + [(w**2 * here).sum(axis=0)])
        balance.append(np.column_stack([np.ones(rows.n), x]) * (w * here)[:, [g]])
    values = [np.ravel(sums), *(part.sum(axis=0) for part in balance), x.sum(axis=0), (x**2).sum(axis=0)]
    reach = np.array([each.reach for each in covariates(names, rows.variables)])
    sizes = np.tile(np.repeat([WORST, WORST, WORST, WORST**2], K), 2)
    past = np.tile(np.append(WORST, WORST * reach), 2)
    bounds = np.concatenate([sizes, past, reach, reach**2])
    spread = side_by_side(one.spread(least), *(spread_of(part) for part in balance))
    return {"arms": one.asked.together(np.concatenate(values), bounds, spread)}


@local(
    "target_trial",
    **HOW,
    which=Numbers((None,), 0, 0),
    filled=Numbers((None, None), 0, 1),
    cuts=Numbers((None, None), 0, 1),
)
def overlap(rows: Rows, *, which: Floats, cuts: Floats, filled: Floats, least: int, **how: Any) -> Aggregate:
    """Those followed past the grace period under each strategy, in the halves of bins (low, ..., high), and in theirs,
    of the inverse of their weight: the probability of not having departed.

    filled: 1 of a bin whose sides stay shut where nobody of a strategy is on one of them.
    """
    key = tuple(value.tobytes() if isinstance(value, np.ndarray) else value for _, value in sorted(how.items()))

    def ranked(_: int) -> list[Floats]:
        """Both strategies' probabilities in order, kept for the next level of the descent."""
        made: list[Floats] = rows.kept(("trial ranked", key), lambda: _ordered(_Weighed.of(rows, least=least, **how)))
        return made

    table = halves_of(ranked, which, cuts)
    return {"bins": grouped_bins(table, rows.n, halved(cuts, filled)), "people": everybody(rows.n)}


def _ordered(one: _Weighed) -> list[Floats]:
    g, out = one.asked.people.grace, []
    for a in STRATEGIES:
        weight = one.weights[a].weight[one.asked.people.clones(a)[0][:, g], g]
        out.append(np.sort(np.minimum(1 / weight, np.nextafter(1.0, 0.0))))
    return out


@local("target_trial", **HOW, hazards=Numbers((2, None), 0, 1))
def slopes(rows: Rows, *, hazards: Floats, least: int, **how: Any) -> Aggregate:
    """How the equations of all hazards follow the coefficients of the model of starting (2 K, q)."""
    one = _Weighed.of(rows, least=least, **how)
    values = one.slopes(hazards).T @ one.scored.columns
    bounds = np.broadcast_to(2 * WORST * one.asked.people.grace * one.asked.reach, values.shape)
    return {"slopes": one.asked.together(values, bounds, one.spread(least))}


@local("target_trial", **HOW, hazards=Numbers((2, None), 0, 1), directions=Numbers((None, None), -1e12, 1e12))
def errors(rows: Rows, *, hazards: Floats, directions: Floats, least: int, **how: Any) -> Aggregate:
    """The sum of z z' (upper triangle), z (2 K,) what each person with both clones adds to the equations of all
    hazards when the weights are estimated. directions (2 K, q): how these follow the equations of the coefficients.
    """
    one = _Weighed.of(rows, least=least, **how)
    behind = one.asked.by_person(np.column_stack([one.scored.score, one.scored.answer]))
    own = np.outer(behind[:, -1], one.slopes(hazards).sum(axis=0))
    z = one.equations(hazards) + behind[:, :-1] @ directions.T + own
    upper, right = triangle(z.shape[1])
    bound = np.full(len(upper), (2 * WORST) ** 2)
    return {"errors": one.asked.together((z.T @ z)[upper, right], bound, one.spread(least))}
