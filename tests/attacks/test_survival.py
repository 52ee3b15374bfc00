"""The attack on risk sets: their differences are the one person who left, with all covariates (Brink et al. 2022)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.federation import rows as federation
from gagyo.methods.cox import exposures, risk_means
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate
from gagyo.release.case import Case
from gagyo.release.decision import Release
from gagyo.release.gate import Gate
from gagyo.release.limits import Limits
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import Rows, house

COLUMNS = tuple(f"x{j}" for j in range(8))
FORMULA = f"d ~ {' + '.join(COLUMNS)}"
VARIABLES = [*(number(name, -10, 10) for name in COLUMNS), number("t", 0, 4000), boolean("d")]
ANALYSIS = f'  a: {{method: cox, cohort: all, formula: "{FORMULA}", time: t, hospitals: pooled}}\n'
TEXT = (HEAD % (10, "\n".join(VARIABLES), ANALYSIS)).replace("t: {type: number", "t: {type: integer")


def patients(people: int, events: float = 0.7, seed: int = 4) -> dict[str, Rows]:
    """Patients of four hospitals with times in whole days, of whom a share has the event."""
    random = np.random.default_rng(seed)
    data = {name: np.clip(random.normal(size=people), -9, 9) for name in COLUMNS}
    data["t"] = np.minimum(np.ceil(random.exponential(300, people)), 3999)
    data["d"] = (random.random(people) < events).astype(float)
    return divide(data, np.arange(people) % 4)


def asked(people: dict[str, Rows], edges: np.ndarray) -> tuple[list[Aggregate], list[Aggregate]]:
    """What each hospital would send of its risk sets at no effect."""
    study = Study.parse(TEXT)
    inside = [federation.Rows(name, study.variables, one.columns, one.persons) for name, one in people.items()]
    told = {
        "formula": inside[0].formula(FORMULA).text,
        "time": "t",
        "entry": "",
        "strata": "",
        "changed": [],
        "at": [],
        "lag": 1,
        "until": np.array([len(edges) - 2.0]),
        "edges": edges,
        "coefficients": np.zeros(8),
        "centre": np.zeros(8),
    }
    return [exposures(one, **told) for one in inside], [risk_means(one, **told) for one in inside]


def recovered(people: dict[str, Rows], exposed: np.ndarray, means: np.ndarray) -> int:
    """How many patients' whole rows stand in the sums over an interval in which one person left, or one with the event,
    or one without.
    """
    kinds = [(exposed[0], means[0]), (exposed[1], means[1]), (exposed[0] - exposed[1], means[0] - means[1])]
    alone = np.concatenate([sums[np.isclose(count, 1)] for count, sums in kinds])
    X = np.concatenate([np.column_stack([one.columns[name] for name in COLUMNS]) for one in people.values()])
    return sum(bool(np.any(np.all(np.isclose(alone, row, atol=1e-9), axis=1))) for row in X)


def pooled(aggregates: list[Aggregate], name: str) -> np.ndarray:
    return np.sum([one[name].values for one in aggregates], axis=0)


DAYS = np.arange(4001.0)


@pytest.mark.parametrize("people", [200, 500])
def test_daily_risk_sets_of_all_hospitals_give_patients_away(people: int) -> None:
    """So that the tests below are of an attack that works: even the secure sum of four hospitals would not help."""
    there = patients(people)
    exposed, means = asked(there, DAYS)
    assert recovered(there, pooled(exposed, "fit"), pooled(means, "fit")) > 0.2 * people


@pytest.mark.parametrize("scope", ["each", "pooled"])
@pytest.mark.parametrize("days", [1, 7, 30])
def test_the_gate_opens_no_risk_set_of_days_weeks_or_months(scope: str, days: int) -> None:
    for answers in asked(patients(200), DAYS[::days]):
        for name in ("fit", "exits"):
            measures = {one: _summed(answers, one) if scope == "pooled" else answers[0][one] for one in answers[0]}
            decision = Gate().rule(Case(scope, measures, 200, 10, Limits(), hospitals=4))  # type: ignore[arg-type]
            assert not isinstance(decision, Release) or decision.withheld[name].all()


def test_the_gate_opens_no_sum_over_one_person_with_the_event() -> None:
    """Intervals of a hundred exits, in one of which one person has the event: the hospitals themselves say no."""
    there = patients(1000)
    time = np.concatenate([one.columns["t"] for one in there.values()])
    edges = np.array([0.0, *np.quantile(time, [0.2, 0.4, 0.6, 0.8]).round(), 4000.0])
    for alone in (False, True):
        if alone:
            for one in there.values():
                one.columns["d"][one.columns["t"] <= edges[1]] = 0
            first = there["seoul"].columns
            first["d"][np.argmin(first["t"])] = 1
        for answers in asked(there, edges):
            measures = {"fit": _summed(answers, "fit")}
            decision = Gate().rule(Case("pooled", measures, 1000, 10, Limits(), hospitals=4))  # type: ignore[arg-type]
            opened = isinstance(decision, Release) and not decision.withheld["fit"].any()
            assert opened != alone


def _summed(answers: list[Aggregate], name: str) -> object:
    """A measure with the cells of the sum, as the hospitals see it before they open the values."""
    from dataclasses import replace

    first = answers[0][name]
    cells = {cell: np.sum([getattr(one[name], cell) for one in answers], axis=0) for cell in ("people", "others")}
    return replace(first, values=pooled(answers, name), **cells)


@pytest.mark.parametrize(("people", "share", "least"), [(400, 0.7, 8), (1000, 0.08, 4), (1000, 0.95, 4)])
def test_what_a_pooled_fit_opens_gives_nobody_away(tmp_path: Path, people: int, share: float, least: int) -> None:
    """Neither by who left in an interval, nor by who left with the event or without, of whom there may be one alone."""
    there = patients(people, share)
    run = house(tmp_path, TEXT, there).run()
    assert run.stopped == {}
    ends = [one.name.partition(".")[2] for one in run.results["a"].estimates if one.name.startswith("baseline.")]
    edges = np.array([0.0, *map(float, ends)])
    assert len(edges) > least
    exposed, means = asked(there, edges)
    time = np.concatenate([one.columns["t"] for one in there.values()])
    assert np.diff(np.searchsorted(np.sort(time), edges, side="right")).min() >= 10
    assert recovered(there, pooled(exposed, "fit"), pooled(means, "fit")) == 0
    by_kind = pooled(exposed, "fit")
    counts = np.rint(np.stack([by_kind[1], by_kind[0] - by_kind[1]]))  # at no effect everybody weighs one
    assert ((counts == 0) | (counts >= 10)).all()
