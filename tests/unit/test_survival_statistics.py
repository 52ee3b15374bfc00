"""Survival statistics against lifelines, and what must hold of grids and bounds whatever the data are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from lifelines.utils import median_survival_times

from gagyo.errors import Stopped
from gagyo.federation.in_memory import converse
from gagyo.federation.rows import Rows
from gagyo.methods._survival import grid as grids
from gagyo.methods._survival.agreed import Grid
from gagyo.methods.kaplan_meier import exits
from gagyo.protocol.variables import Variable
from gagyo.statistics import log_rank
from gagyo.statistics.incidence import Incidence
from gagyo.statistics.life_table import LifeTable
from gagyo.text import Text
from tests.contract.data import columns

LEAST = 5


def by_time(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct times, people at risk (T, G), events (T, G)."""
    times = np.unique(time)
    groups = range(int(group.max()) + 1)
    at_risk = np.array([[((time >= t) & (group == g)).sum() for g in groups] for t in times], float)
    events = np.array([[((time == t) & (group == g) & (event == 1)).sum() for g in groups] for t in times], float)
    return times, at_risk, events


@pytest.mark.parametrize(
    ("weight", "named"),
    [
        (log_rank.Weight(), {}),
        (log_rank.Weight(gehan=True), {"weightings": "wilcoxon"}),
        (log_rank.Weight(1, 0), {"weightings": "fleming-harrington", "p": 1, "q": 0}),
        (log_rank.Weight(0, 1), {"weightings": "fleming-harrington", "p": 0, "q": 1}),
        (log_rank.Weight(0.5, 2), {"weightings": "fleming-harrington", "p": 0.5, "q": 2}),
    ],
)
def test_log_rank_weights_equal_lifelines(weight: log_rank.Weight, named: dict[str, object]) -> None:
    lung = columns("lung")
    _, at_risk, events = by_time(lung["time"], lung["died"], lung["female"])
    found = log_rank.scores(at_risk, events, weight)
    chi, freedom, p = log_rank.test(found.observed, found.expected, found.covariance)
    men = lung["female"] == 0
    told = [lung[name][one] for name in ("time", "died") for one in (men, ~men)]
    wanted = logrank_test(*told, **named)
    np.testing.assert_allclose([chi, p], [wanted.test_statistic, wanted.p_value], rtol=1e-8)
    assert freedom == 1


def test_a_curve_of_single_days_is_lifelines_curve() -> None:
    lung = columns("lung")
    times, at_risk, events = by_time(lung["time"], lung["died"], np.zeros(225))
    leaving = -np.diff(np.append(at_risk[:, 0], 0))
    single = np.ones(len(times), bool)
    table = LifeTable(np.append(0.0, times), at_risk[:, 0], events[:, 0], leaving - events[:, 0], single)
    fit = KaplanMeierFitter().fit(lung["time"], lung["died"])
    np.testing.assert_allclose(table.survival[1:], fit.survival_function_.loc[times].to_numpy()[:, 0], rtol=1e-12)
    limits = fit.confidence_interval_.loc[times].to_numpy()
    low, high = (band[1:] for band in table.band)
    known = np.isfinite(low)
    np.testing.assert_allclose(low[known], limits[known, 0], rtol=1e-8)
    np.testing.assert_allclose(high[known], limits[known, 1], rtol=1e-8)
    assert table.median()[0] == fit.median_survival_time_
    assert list(table.median()[1:]) == median_survival_times(fit.confidence_interval_).to_numpy()[0].tolist()
    assert table.bounds[0].tolist() == table.bounds[1].tolist() == table.survival.tolist()


PEOPLE = st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), min_size=12, max_size=120)


def agreed(people: list[tuple[int, bool, bool]], by: str, cuts: tuple[float, ...] = ()) -> Grid | None:
    """The grid of people at three hospitals; None where it cannot be."""
    text = Text("x")
    variables = {
        "t": Variable("t", "integer", text, range=(0, 70)),
        "d": Variable("d", "boolean", text),
        "g": Variable("g", "boolean", text),
    }
    table = np.array(people, float)
    inside = {
        str(site): Rows(
            str(site),
            variables,
            dict(zip("tdg", table[site::3].T, strict=True)),
            [b"%d" % i for i in range(len(table[site::3]))],
        )
        for site in range(3)
    }
    groups = slice(0, 2 if by else 1)
    descent = grids.agree(grids.Asked(exits, variables["t"], "d", groups, (by,), cuts, bool(cuts), LEAST))
    try:
        return converse(descent, inside)  # type: ignore[arg-type, return-value]
    except Stopped:
        return None


@settings(max_examples=120, deadline=None)
@given(PEOPLE, st.sampled_from(["", "g"]), st.lists(st.integers(1, 69).map(float), max_size=5, unique=True))
def test_no_interval_of_a_grid_holds_the_exits_of_a_few(
    people: list[tuple[int, bool, bool]], by: str, cuts: list[float]
) -> None:
    grid = agreed(people, by, tuple(sorted(cuts)))
    if grid is None:
        return
    leaving = grid.exits.sum(axis=2)
    assert np.all((leaving == 0) | (leaving >= LEAST))
    assert leaving.sum() == len(people) == grid.people
    assert np.all(np.diff(grid.edges) > 0)


@settings(max_examples=120, deadline=None)
@given(PEOPLE)
def test_the_curve_of_the_exact_times_lies_within_the_bounds(people: list[tuple[int, bool, bool]]) -> None:
    grid = agreed(people, "")
    if grid is None:
        return
    table, (time, event, _) = grid.table(0), np.array(people, float).T
    exact = KaplanMeierFitter().fit(time, event)
    low, high = table.bounds
    curve = np.atleast_1d(np.asarray(exact.predict(table.edges)))
    assert np.all(low <= curve + 1e-12)
    assert np.all(curve <= high + 1e-12)
    assert np.all((low - 1e-12 <= table.survival) & (table.survival <= high + 1e-12))
    until = float(table.edges[-1])
    days = np.arange(until)
    area = float(np.sum(np.asarray(exact.predict(days)))) if until else 0.0
    least, most = table.mean_bounds(until)
    assert least - 1e-9 <= area <= most + 1e-9


@settings(max_examples=120, deadline=None)
@given(PEOPLE)
def test_the_incidence_of_the_exact_times_lies_within_the_bounds(people: list[tuple[int, bool, bool]]) -> None:
    """Every event is of one of two causes; the exact incidence comes from single days."""
    grid = agreed(people, "")
    if grid is None:
        return
    table = np.array(people, int)
    cause = np.where(table[:, 1] == 1, 1 + table[:, 2], 0)
    exact = _incidence(table[:, 0], cause, np.arange(61.0), np.ones(60, bool))
    kept = grid.kept(0)
    coarse = _incidence(table[:, 0], cause, grid.edges[: kept + 1], grid.single[:kept])
    low, high = coarse.bounds
    at = np.minimum(coarse.edges, 60).astype(int)
    assert np.all(low <= exact.curves[at] + 1e-12)
    assert np.all(exact.curves[at] <= high + 1e-12)
    assert np.all((low - 1e-12 <= coarse.curves) & (coarse.curves <= high + 1e-12))
    np.testing.assert_allclose(coarse.survival + coarse.curves.sum(axis=1), 1.0)


def _incidence(time: np.ndarray, cause: np.ndarray, edges: np.ndarray, single: np.ndarray) -> Incidence:
    where = np.searchsorted(edges[1:], time, side="left")
    inside = where < len(edges) - 1
    left = np.zeros((len(edges) - 1, 3))
    np.add.at(left, (where[inside], cause[inside]), 1.0)
    at_risk = np.array([(time > edge).sum() for edge in edges[:-1]], float)
    there = int((at_risk > 0).sum())
    return Incidence(edges[: there + 1], at_risk[:there], left[:there, 1:], left[:there, 0], single[:there])


def test_a_median_is_where_the_curve_first_is_at_one_half() -> None:
    """R's `survfit` has 2.5 here, the middle of the stretch at exactly one half."""
    edges, ones = np.array([0.0, 1, 2, 3, 4]), np.ones(4)
    table = LifeTable(edges, np.array([4.0, 3, 2, 1]), ones, 0 * ones, np.ones(4, bool))
    assert table.median()[0] == 2.0
