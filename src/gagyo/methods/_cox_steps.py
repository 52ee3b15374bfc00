"""What each hospital computes for a Cox model stratified by hospital: its own partial likelihood and its residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gagyo.canonical import canonical
from gagyo.federation.local import Name, Names, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_widths
from gagyo.methods._sampling import heaviest
from gagyo.methods._survival.climb import fit_scales
from gagyo.methods._survival.episodes import Changing
from gagyo.methods._survival.set_apart import set_apart_in_time
from gagyo.methods._survival.times import strata_of, tied
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, count, few_or_none, joint, spread_of, total
from gagyo.statistics import cox as kernel
from gagyo.statistics.cox import TIES, Fitted, RiskSets

TRANSFORMS = ("identity", "log")
MODEL: dict[str, Any] = {
    "formula": Name(),
    "time": Name(),
    "entry": Name(),
    "strata": Name(),
    "changed": Names(),
    "at": Names(),
    "weights": Name(),
    "coefficients": Numbers((None,), -1e12, 1e12),
    "ties": Whole(0, len(TIES) - 1),
}
"""What every step is told of the model; All but the first two names are empty where there are none."""


@local(
    "cox",
    **{name: Name() for name in ("formula", "time", "entry", "strata")},
    changed=Names(),
    at=Names(),
    exact=Whole(0, 1),
    ties=Whole(0, 1),
)
def people(
    rows: Rows,
    formula: str,
    time: str,
    entry: str,
    strata: str,
    changed: list[str],
    at: list[str],
    exact: int,
    ties: int,
) -> Aggregate:
    """How many people, how many with the event, and their time of observation together. exact: 0 of a fit on a grid.

    ties: 1 to count also who has the event together with another, here and in their stratum: nobody, or k.
    """
    rows = Changing.of(rows, time, entry, changed, at).rows
    parsed = rows.formula(formula)
    event = rows[parsed.outcome] == 1
    observed = rows[time] - (rows[entry] if entry else 0.0)
    bound = rows.variables[time].bounds[1]
    apart = set_apart_in_time(rows, parsed, time, entry, strata, at, bool(exact))
    whole = count(np.column_stack([np.ones(rows.n, bool), event]))
    told = {"people": whole, "time": total(observed, bound), "apart": apart}
    if not ties:
        return told
    numbers = [tied(rows[time], event, within) for within in (None, rows[strata] if strata else None)]
    return told | {"tied": few_or_none(np.array(numbers, np.int64))}


@local("cox", **MODEL, part=Whole(1, 64))
def newton(rows: Rows, *, part: int, **model: Any) -> Aggregate:
    """Score (p), information (upper triangle), log-likelihood, and log-likelihood of no effect, of the hospital's own
    partial likelihood. part: use one row in `part` only, for the first rounds on many people, other ones for another
    model; 1 is everyone.
    """
    rows = rows.window(part, canonical({name: model[name] for name in MODEL if name != "coefficients"}).decode())
    size = rows.n
    there, parsed, fits = _evaluated(rows, size, **model)
    named = tuple(model[name] for name in ("formula", "time", "entry", "strata", "weights", "ties"))
    ties = TIES[model["ties"]]
    null = there.rows.kept(
        ("cox null", *named, size), lambda: sum(kernel.null_likelihood(one.sets, ties) for one in fits)
    )
    score, information = _summed(fits)
    likelihood = sum(one.likelihood for one in fits)
    values = np.concatenate([score, information[triangle(len(score))], [likelihood, null]])
    spread = _spread_bounds(fits)
    # Of weights the bounds are none, and each person's part is looked at.
    settled = spread.settled and not model["weights"]
    return _fit(there, parsed, model["weights"], size, values, spread if settled else _exact_spread(fits))


@local("cox", **MODEL)
def meat(rows: Rows, **model: Any) -> Aggregate:
    """The sum of u u' of score residuals u, times weights (upper triangle): the middle of Lin and Wei's sandwich."""
    there, parsed, fits = _evaluated(rows, rows.n, **model)
    u = np.concatenate([one.sets.by_person(one.residuals()) for one in fits])
    # A person who went through much hazard has a residual over one width.
    bound = 2 * heaviest(rows, model["weights"]) * column_widths(parsed, there.rows.variables)[1:]
    upper = triangle(len(bound))
    cells = there.cells(parsed, rows.n, model["weights"])
    return {"meat": joint((u.T @ u)[upper], bound[upper[0]] * bound[upper[1]], cells, spread_of(u**2))}


@local("cox", **MODEL, transform=Whole(0, len(TRANSFORMS) - 1))
def schoenfeld(rows: Rows, *, transform: int, **model: Any) -> Aggregate:
    """The sum of Schoenfeld residuals times g(t) (p), and the information times g(t) and g(t)^2 (upper triangles)."""
    there, parsed, fits = _evaluated(rows, rows.n, **model)
    bounds = rows.variables[model["time"]].bounds
    each = [(one, _transformed(one.sets.times, bounds, TRANSFORMS[transform])) for one in fits]
    score = np.sum([one.weighted_score(by) for one, by in each], axis=0)
    upper = triangle(len(score))
    mixed, both = (np.sum([one.weighted_information(by**k) for one, by in each], axis=0)[upper] for k in (1, 2))
    spread = spread_of(np.concatenate([one.sets.by_person(one.residuals(by)) for one, by in each]))
    bound = column_widths(parsed, there.rows.variables)[1:]
    squares = bound[upper[0]] * bound[upper[1]]
    scales = np.concatenate([bound, squares, squares])
    cells = there.cells(parsed, rows.n, model["weights"])
    return {
        "fit": joint(np.concatenate([score, mixed, both]), heaviest(rows, model["weights"]) * scales, cells, spread)
    }


def _evaluated(
    rows: Rows,
    size: int,
    *,
    formula: str,
    time: str,
    entry: str,
    strata: str,
    changed: list[str],
    at: list[str],
    weights: str,
    coefficients: Floats,
    ties: int,
) -> tuple[Changing, Formula, list[Fitted]]:
    """The people with their changes, the formula, and the model of the first `size` people in each stratum."""
    there = Changing.of(rows, time, entry, changed, at)
    parsed = there.rows.formula(formula)
    sets = _risk_sets(there, parsed, strata, weights, size)
    return there, parsed, [kernel.evaluate(one, coefficients, TIES[ties]) for one in sets]


def _transformed(times: Floats, bounds: tuple[float, float], transform: str) -> Floats:
    """g(t) from -1 to 1 over the declared range; the test does not depend on where g is zero, nor on its unit."""
    low, high = (np.log(bounds) if transform == "log" else np.array(bounds)).tolist()
    g = np.log(times) if transform == "log" else times
    return np.asarray((2 * g - low - high) / (high - low))


def _risk_sets(there: Changing, formula: Formula, strata: str, weights: str, size: int) -> list[RiskSets]:
    """The risk sets of the first `size` people, one for each stratum inside the hospital; kept for the next round."""
    rows = there.rows

    def make() -> list[RiskSets]:
        episodes = there.episodes(size)
        who, start = episodes.who, episodes.start
        columns = {name: rows[name][:size] for name in formula.variables}
        if there.changed:
            columns = {name: column[who] for name, column in columns.items()} | dict(episodes.columns)
        X = formula.design({name: columns[name] for name in formula.variables})[:, 1:]
        event = (columns[formula.outcome] == 1) & episodes.last
        whose, counts = who if there.changed else None, rows[weights][who] if weights else None
        parts = [inside[:size][who] for inside in strata_of(rows, strata)] if strata else [slice(None)]
        return [
            kernel.risk_sets(
                X[one],
                episodes.stop[one],
                event[one],
                None if start is None else start[one],
                None if whose is None else whose[one],
                None if counts is None else counts[one],
            )
            for one in parts
        ]

    key = ("cox sets", formula.text, there.time, there.entry, strata, weights, size)
    found: list[RiskSets] = rows.kept(key, make)
    return found


def _summed(fits: Sequence[Fitted]) -> tuple[Floats, Floats]:
    return np.sum([one.score for one in fits], axis=0), np.sum([one.information for one in fits], axis=0)


def _fit(there: Changing, formula: Formula, weights: str, size: int, values: Floats, spread: Spread) -> Aggregate:
    rows = there.rows
    cells: Measure = rows.kept(("cox cells", formula.text, weights, size), lambda: there.cells(formula, size, weights))
    scales = heaviest(rows, weights) * fit_scales(column_widths(formula, rows.variables)[1:])
    return {"fit": joint(values, scales, cells, spread)}


def _spread_bounds(fits: Sequence[Fitted]) -> Spread:
    """Spread of the score, of the moments behind the information and of the expected events, as bad as it can be.

    The score by those with the event: the sum of |x - mean| is at least that of its square over the greatest one. That
    one person is most of the expected events is what a runaway fit looks like: every risk set's mean is then theirs.
    """
    reach = np.max([one.sets.reach for one in fits], axis=0)
    most = max((float(one.sets.by_person(one.expected).max(initial=0.0)) for one in fits), default=0.0)
    safe = np.where(reach > 0, 2 * reach, 1.0)
    events = float(sum(one.sets.events for one in fits))
    squares = np.sum([one.schoenfeld_squares for one in fits], axis=0)
    moments = np.sum([np.diag(one.second_moments) for one in fits], axis=0)
    largest = np.concatenate([2 * reach, most * reach**2, [most]])
    return Spread(np.concatenate([squares / safe, moments, [events]]), largest, largest)


def _exact_spread(fits: Sequence[Fitted]) -> Spread:
    """The same of each person: the score residuals, the part in the second moments, the expected events."""
    parts = [
        one.sets.by_person(
            np.column_stack([one.residuals(), one.sets.X[:-1] ** 2 * one.expected[:, None], one.expected])
        )
        for one in fits
    ]
    return spread_of(np.concatenate(parts))
