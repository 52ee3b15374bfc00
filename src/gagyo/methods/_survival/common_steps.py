"""What each hospital computes for a Cox model with one baseline hazard on an agreed grid of times.

Who is at risk when is in `common_people`; which head counts the sums by interval give away, in `common_cells`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gagyo.federation.local import Name, Names, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_widths
from gagyo.methods._survival.climb import LIKELIHOOD_BOUND
from gagyo.methods._survival.common_cells import cells_of, changed_as_they_left
from gagyo.methods._survival.common_people import People, on_grid
from gagyo.methods._survival.episodes import Changing
from gagyo.methods._survival.grid import MOST
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, joined, joint, spread_of
from gagyo.release.aggregate import exits as measured

MODEL: dict[str, Any] = {
    "formula": Name(),
    "time": Name(),
    "entry": Name(),
    "strata": Name(),
    "changed": Names(),
    "at": Names(),
    "edges": Numbers((None,), 0, 1e12),
    "coefficients": Numbers((None,), -1e12, 1e12),
    "centre": Numbers((None,), -1e12, 1e12),
}
"""What every step is told of the model; what stands before `edges`, but the first two, is empty where there is none."""

BUNDLES: dict[str, Any] = {"lag": Whole(1, MOST), "until": Numbers((None,), 0, MOST)}
"""Which bundles of people have to hold k, where some enter late or change: `common_cells.bundles`."""

HEAVIEST = 12.0
"""The greatest logarithm of a mean weight that scales in the ring allow for: more would leave light ones no digits."""


def _there(
    rows: Rows, *, formula: str, time: str, entry: str, strata: str, changed: list[str], at: list[str], **told: Any
) -> tuple[Changing, People, Formula]:
    """The people with their changes, on the grid, and the formula."""
    there = Changing.of(on_grid(rows, at, told["edges"]), time, entry, changed, at)
    people = People.of(there, formula, strata, told["edges"], told["centre"])
    return there, people, there.rows.formula(formula)


def _cells(rows: Rows, there: Changing, people: People, model: Mapping[str, Any], lag: int, until: Floats) -> Measure:
    """`cells_of`, kept for the next round."""
    named = (model[name] for name in ("formula", "time", "entry", "strata"))
    key = ("common cells", *named, model["edges"].tobytes(), lag, until.tobytes())
    kept = there.rows

    def make() -> Measure:
        formula = kept.formula(model["formula"])
        return joined(cells_of(people, there, formula, lag, until), *changed_as_they_left(rows, there, formula))

    found: Measure = kept.kept(key, make)
    return found


def _reach(there: Changing, formula: Formula) -> Floats:
    return column_widths(formula, there.rows.variables)[1:]


def _heaviest(reach: Floats, coefficients: Floats) -> float:
    """The greatest mean weight, from the plan and the coefficients alone."""
    return float(np.exp(min(float(np.abs(coefficients) @ reach), HEAVIEST)))


@local("cox", **MODEL, **BUNDLES)
def exposures(rows: Rows, *, lag: int, until: Floats, **model: Any) -> Aggregate:
    """Sums of exp(x'b) over those who leave in each cell, or with entries or changes over those at risk, and over those
    with the event (2 K).
    """
    there, people, formula = _there(rows, **model)
    weight = np.exp(people.X @ model["coefficients"])
    most = _heaviest(_reach(there, formula), model["coefficients"])
    cells = _cells(rows, there, people, model, lag, until)
    fit = joint(people.by_interval(weight), most, cells, _spread(people, weight[:, None]))
    return {"exits": measured(people.exits(), rows.n), "fit": fit}


@local("cox", **MODEL, hazard=Numbers((None,), 0, 1e12), tied=Numbers((None,), 0, 1e12))
def scores(rows: Rows, *, hazard: Floats, tied: Floats, **model: Any) -> Aggregate:
    """Score (p), sum of x over those with the event (p), second moments (triangle) and the events' x'b.

    hazard: cumulated to the end of each cell (K,); tied: what a death in each cell has not gone through (K,).
    """
    there, people, formula = _there(rows, **model)
    eta = people.X @ model["coefficients"]
    expected = np.exp(eta) * _hazard(people, hazard, tied)
    residual = people.event - expected
    moments = (people.X * expected[:, None]).T @ people.X
    upper = triangle(people.X.shape[1])
    of_events = people.X[people.event].sum(axis=0)
    last = [float(eta[people.event].sum())]
    values = np.concatenate([people.X.T @ residual, of_events, moments[upper], last])
    parts = [people.X * residual[:, None], people.X**2 * expected[:, None], expected[:, None]]
    reach = _reach(there, formula)
    scales = np.concatenate([2 * reach, reach, reach[upper[0]] * reach[upper[1]], [LIKELIHOOD_BOUND]])
    spread = _spread(people, np.concatenate(parts, axis=1))
    return {"fit": joint(values, scales, there.cells(formula, rows.n), spread)}


def _spread(people: People, by_line: Floats) -> Spread:
    """How far few people carry sums over lines."""
    return spread_of(people.by_person(by_line))


def _hazard(people: People, hazard: Floats, tied: Floats) -> Floats:
    """The hazard that each line has gone through, or of rows of values by cell (lines, p); a tied death in part."""
    dead = people.event.reshape(-1, *[1] * (tied.ndim - 1))
    return people.gone_through(hazard) - np.where(dead, tied[people.cell], 0.0)


@local("cox", **MODEL, **BUNDLES)
def risk_means(rows: Rows, *, lag: int, until: Floats, **model: Any) -> Aggregate:
    """Sums of x exp(x'b) over those who leave in each cell, or with entries or changes over those at risk, and over
    those with the event (2 K p).
    """
    there, people, formula = _there(rows, **model)
    weight = np.exp(people.X @ model["coefficients"])
    weighted = people.X * weight[:, None]
    sums = np.stack([people.by_interval(column) for column in weighted.T], axis=-1)
    reach = _reach(there, formula)
    scales = np.broadcast_to(reach * _heaviest(reach, model["coefficients"]), sums.shape)
    fit = joint(sums, scales, _cells(rows, there, people, model, lag, until), _spread(people, weight[:, None]))
    return {"exits": measured(people.exits(), rows.n), "fit": fit}


@local(
    "cox",
    **MODEL,
    hazard=Numbers((None,), 0, 1e12),
    tied=Numbers((None,), 0, 1e12),
    drift=Numbers((None, None), -1e12, 1e12),
    tied_drift=Numbers((None, None), -1e12, 1e12),
    means=Numbers((None, None), -1e12, 1e12),
)
def common_meat(
    rows: Rows,
    *,
    hazard: Floats,
    tied: Floats,
    drift: Floats,
    tied_drift: Floats,
    means: Floats,
    **model: Any,
) -> Aggregate:
    """The sum of u u' of score residuals u (upper triangle): the middle of Lin and Wei's sandwich.

    hazard, tied: as in `scores`. drift, tied_drift: the same of hazards times the means of the risk sets (K, p). means:
    of the risk set of each cell's events, averaged over them (K, p).
    """
    there, people, formula = _there(rows, **model)
    weight = np.exp(people.X @ model["coefficients"])[:, None]
    through = _hazard(people, hazard, tied)[:, None]
    by_line = weight * (_hazard(people, drift, tied_drift) - people.X * through)
    by_line += people.event[:, None] * (people.X - means[people.cell])
    u = people.by_person(by_line)
    # A person who went through much hazard has a residual over one width.
    bound = 2 * _reach(there, formula)
    upper = triangle(len(bound))
    cells = there.cells(formula, rows.n)
    return {"meat": joint((u.T @ u)[upper], bound[upper[0]] * bound[upper[1]], cells, spread_of(u**2))}
