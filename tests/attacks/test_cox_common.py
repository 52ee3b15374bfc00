"""Attacks on a Cox fit with one baseline hazard: a few who came, changed or left between risk sets."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.methods._survival.one_baseline import LAGS
from gagyo.methods.cox import exposures, risk_means
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate
from gagyo.release.case import Case
from gagyo.release.decision import Release
from gagyo.release.gate import Gate
from gagyo.release.limits import Limits
from tests.contract.data import HEAD, boolean, columns, divide, hospitals, number, study
from tests.hospitals import Rows, house

Columns = dict[str, np.ndarray]
TIMES = [number(name, 0, 1000) for name in ("t", "came", "fell")]
VARIABLES = [number("x", -10, 10), *TIMES, *map(boolean, ("d", "g", "h"))]
FORMULA = "d ~ x"
CHANGES = "{ill: {at: fell, label: {en: Ill, ko: 발병, zh: 发病}}}"


def line(formula: str = FORMULA, **more: Any) -> str:
    options = "".join(f", {name}: {value}" for name, value in more.items())
    return f'  a: {{method: cox, cohort: all, formula: "{formula}", time: t, hospitals: pooled{options}}}\n'


def text(*lines: str) -> str:
    return HEAD % (10, "\n".join(VARIABLES), "".join(lines))


def people(*rows: tuple[float, float, int, int]) -> Columns:
    """So many people with a time of entry, a time of exit and the event or not: (entry, exit, event, people)."""
    came, t, d, many = (np.array(column, float) for column in zip(*rows, strict=True))
    there = np.repeat(np.arange(len(rows)), many.astype(int))
    random = np.random.default_rng(1)
    shuffled = random.permutation(len(there))
    data = {"came": came[there], "t": t[there], "d": d[there]}
    data["x"] = random.normal(size=len(there)).clip(-4, 4)
    data |= {name: (random.random(len(there)) < 0.5).astype(float) for name in ("g", "h")}
    return {name: column[shuffled] for name, column in data.items()} | {"fell": np.full(len(there), np.nan)}


def divided(data: Columns) -> dict[str, Rows]:
    return divide(data, np.arange(len(data["t"])) % 4)


def asked(
    data: Columns, edges: np.ndarray, lag: int, changes: bool = False, formula: str = ""
) -> tuple[list[Aggregate], list[Aggregate]]:
    """What each hospital would send of its risk sets at no effect, of a model with entries, or with a change."""
    variables = Study.parse(text(line(entry="came"))).variables
    inside = [Inside(name, variables, one.columns, one.persons) for name, one in divided(data).items()]
    told: dict[str, Any] = {
        "formula": formula or ("d ~ x*ill" if changes else FORMULA),
        "time": "t",
        "strata": "",
        "edges": edges,
    }
    told |= {"entry": "", "changed": ["ill"], "at": ["fell"]} if changes else {"entry": "came", "changed": [], "at": []}
    none = np.zeros(3 if changes or formula else 1)
    told |= {"lag": lag, "until": np.array([len(edges) - 2.0]), "coefficients": none, "centre": none}
    return [exposures(one, **told) for one in inside], [risk_means(one, **told) for one in inside]


def pooled(answers: list[Aggregate]) -> np.ndarray:
    return np.sum([one["fit"].values for one in answers], axis=0)


def opens(answers: list[Aggregate], size: int) -> bool:
    """Whether the gate opens the sum of some hospitals."""
    first = answers[0]["fit"]
    cells = {cell: np.sum([getattr(one["fit"], cell) for one in answers], axis=0) for cell in ("people", "others")}
    measures = {"fit": replace(first, values=pooled(answers), **cells)}
    decision = Gate().rule(Case("pooled", measures, size, 10, Limits(), hospitals=4))
    return isinstance(decision, Release) and not decision.withheld["fit"].any()


def run(folder: Path, data: Columns, *lines: str) -> Run:
    return house(folder, text(*lines), divided(data)).run()


def stopped(going: Run) -> list[str]:
    return [one.code for why in going.stopped.values() for one in why.findings]


DAYS = np.arange(1001.0)


def test_daily_risk_sets_with_entries_give_patients_away() -> None:
    """So that the tests below are of an attack that works: who comes alone or leaves alone is a difference of two."""
    random = np.random.default_rng(2)
    came = np.where(np.arange(300) % 3 == 0, 0, random.integers(1, 400, 300))
    data = people(*((a, a + b, c, 1) for a, b, c in zip(came, random.integers(5, 500, 300), came % 2, strict=True)))
    exposed, means = map(pooled, asked(data, DAYS, 1))
    count, sums = np.diff(exposed[0]), np.diff(means[0, :, 0])
    alone = np.abs(sums[np.isclose(np.abs(count), 1)])
    found = sum(bool(np.isclose(alone, abs(x), atol=1e-9).any()) for x in data["x"])
    assert found > 100
    assert not any(opens(list(part), 300) for lag in (1, 2, 1000) for part in asked(data, DAYS, lag))


EDGES = np.array([0.0, 100.0, 200.0, 300.0, 400.0, 1000.0])
# In every interval ten or nobody come, and of those who leave ten or nobody have the event, and have it not. Yet who
# comes in the third leaves in the fourth, with one person beside them.
HIDDEN = [(0, 50, 0, 12), (0, 50, 1, 12), (0, 150, 1, 12), (0, 250, 0, 12), (0, 250, 1, 12)]
HIDDEN += [(250, 350, 0, 11), (0, 350, 0, 1), (0, 350, 1, 12), (0, 900, 0, 12), (0, 900, 1, 12)]
Lines = list[tuple[float, float, int, int]]


def small_cut(rows: Lines, edges: np.ndarray) -> int:
    """The fewest people that any combination of the sums over those at risk, and over events, is over.

    By every choice of places that it counts; of events in an interval it spares those of one kind of entry.
    """
    lines: dict[tuple[int, int, int], int] = {}
    for came, t, event, many in rows:
        last = int(np.searchsorted(edges[1:], t, side="left"))
        key = (int(np.searchsorted(edges[1:], came, side="right")), last, int(event))
        lines[key] = lines.get(key, 0) + many
    size, least = len(edges) - 1, 10**9
    for counted in product((0, 1), repeat=size):
        place = (0, *counted)  # the start is where nobody is counted
        cut = sum(n for (first, last, event), n in lines.items() if not event and place[first] != place[last + 1])
        for k in range(size):
            kinds = [0, 0]
            for (first, last, event), n in lines.items():
                if event and last == k:
                    kinds[place[first]] += n
            cut += min(kinds)
        least = min(least, cut) if cut else least
    return least


def test_sums_over_risk_sets_may_differ_in_one_person_where_no_margin_does() -> None:
    """Who leaves in the second and fourth interval, less who comes in the third, less who has the event."""
    data = people(*HIDDEN)
    exposed, means = map(pooled, asked(data, EDGES, 1))
    one = exposed @ [0, 1, -1, 1, -1] - exposed[::-1] @ [0, 1, 0, 1, 0]
    np.testing.assert_allclose(one[0], 1, atol=1e-9)
    x = means[..., 0] @ [0, 1, -1, 1, -1] - means[::-1, :, 0] @ [0, 1, 0, 1, 0]
    victim = (data["came"] == 0) & (data["t"] == 350) & (data["d"] == 0)
    np.testing.assert_allclose(x[0], data["x"][victim][0], atol=1e-9)
    assert small_cut(HIDDEN, EDGES) == 1


@pytest.mark.parametrize("lag", [lag or 5 for lag in LAGS])
def test_such_sums_are_withheld_whichever_bundles_are_asked_for(lag: int) -> None:
    data = people(*HIDDEN)
    assert not any(opens(list(part), len(data["t"])) for part in asked(data, EDGES, lag))


def test_bundles_that_hold_enough_people_open_the_sums() -> None:
    """So that the test above is of the one person: twelve more leave without the event where nobody did."""
    rows = [*HIDDEN, (0, 150, 0, 12), (0, 350, 0, 11)]
    data = people(*rows)
    assert all(opens(list(part), len(data["t"])) for part in asked(data, EDGES, 5))
    assert small_cut(rows, EDGES) >= 10


def test_few_who_come_in_an_interval_are_withheld() -> None:
    """Their number follows from the numbers at risk, were the sums over them ever so well hidden."""
    rows = [*HIDDEN, (0, 150, 0, 12), (0, 350, 0, 11), (150, 900, 0, 9)]
    data = people(*rows)
    assert not any(opens(list(part), len(data["t"])) for part in asked(data, EDGES, 5))


def lines_of(data: Columns, time: str = "t", came: str = "came", event: str = "d") -> Lines:
    return [(float(a), float(b), int(c), 1) for a, b, c in zip(data[came], data[time], data[event], strict=True)]


def grid(going: Run) -> np.ndarray:
    """The edges of a fit's grid, from the names of its hazards: `baseline.time`, or `baseline.stratum.time`."""
    result = going.results["a"]
    before = 1 + (result.table("baseline").columns[0].name == "group")
    names = [one.name for one in result.estimates if one.name.startswith("baseline.")]
    return np.array([0.0, *sorted({float(name.split(".", before)[before]) for name in names})])


def test_on_the_grid_that_is_agreed_nobody_hides(tmp_path: Path) -> None:
    data = people(*HIDDEN)
    going = run(tmp_path, data, line(entry="came", times=EDGES[1:-1].tolist()))
    assert not going.stopped
    assert len(grid(going)) < len(EDGES)
    assert small_cut(lines_of(data), grid(going)) >= 10


def smallest(going: Run, data: Columns, parts: list[np.ndarray], **named: str) -> int:
    """The fewest people behind a combination of the sums over any of these parts of the people."""
    chosen = ({name: column[part] for name, column in data.items()} for part in parts)
    return min(small_cut(lines_of(one, **named), grid(going)) for one in chosen)


@pytest.mark.parametrize(("formula", "strata"), [("d ~ x", ""), ("d ~ x", "g"), ("d ~ x + h", "")])
@pytest.mark.parametrize("seed", [0, 2, 4, 7])
def test_no_combination_of_what_a_fit_with_entries_opens_is_over_a_few(
    tmp_path: Path, seed: int, formula: str, strata: str
) -> None:
    """Of people who come all along, or some late; with few events, or few without; those of a stratum leave sooner."""
    random = np.random.default_rng(seed)
    size = 400 + 60 * seed
    came = np.where(random.random(size) < 0.2 + 0.1 * seed, random.integers(1, 500, size), 0)
    t = np.minimum(came + 1 + random.exponential(150, size).round(), 999)
    died = random.random(size) < 0.3 + 0.05 * seed
    data = people(*((a, b, int(c), 1) for a, b, c in zip(came, t, died, strict=True)))
    data["g"] = ((data["t"] < 400) & (data["g"] == 1)).astype(float)
    more = {"strata": strata} if strata else {}
    going = run(tmp_path, data, line(formula, entry="came", times=[60, 120, 180, 240, 320, 400, 500, 600], **more))
    assert stopped(going) in ([], ["withheld_entries"])
    if not going.stopped:
        by = [name for name in ("g", "h") if strata == name or name in formula]
        assert smallest(going, data, [data[name] == level for name in by for level in (0, 1)] or [data["t"] > 0]) >= 10


@pytest.mark.parametrize(
    ("name", "time", "formula", "trait", "times"),
    [
        ("mgus_ages", "until", "died ~ female + hgb", "female", [60, 65, 70, 75, 80, 85, 90]),
        ("relapse", "days", "died ~ nodes + hormon", "hormon", [700, 1400, 2100, 2800, 3500, 4200]),
    ],
)
def test_nor_of_real_people(tmp_path: Path, name: str, time: str, formula: str, trait: str, times: list[int]) -> None:
    asks = f'  a: {{method: cox, cohort: all, formula: "{formula}", time: {time}, entry: came, hospitals: pooled'
    going = house(tmp_path, study(name, f"{asks}, times: {times}}}\n", 10), hospitals(name)).run()
    assert not going.stopped
    assert len(grid(going)) > 3
    data = columns(name)
    parts = [data[trait] == 0, data[trait] == 1, data[time] > 0]
    assert smallest(going, data, parts, time=time, event="died") >= 10


# Changes.

Kinds = dict[tuple[int, int, int, int], int]
"""People by whether they changed, the interval at whose end they first count so, that of their exit, and the event."""


def kinds_of(data: Columns, edges: np.ndarray, chosen: np.ndarray) -> Kinds:
    last = np.searchsorted(edges[1:], data["t"], side="left")
    after = np.searchsorted(edges, data["fell"], side="left")  # the first interval after that of the change
    changed = after <= last
    since = np.where(changed, after, 0)
    every = np.column_stack([changed, np.minimum(since, last), last, data["d"]]).astype(int)[chosen]
    return {tuple(map(int, one)): int(n) for one, n in zip(*np.unique(every, axis=0, return_counts=True), strict=True)}


def fewest(kinds: Kinds, size: int, least: int = 10) -> int:
    """The fewest people that any combination of the sums is over, or `least` where none is over fewer.

    A person at risk in intervals up to the end of m counts C[m] as long as they have not changed, and after it the
    difference of two D; who has the event counts a G of their state and interval besides. All are numbers to be chosen,
    so that one person's two parts may outweigh each other.
    """
    order = list(kinds)
    A = np.zeros((len(order), 4 * size + 2))
    C, D, G = A[:, : size + 1], A[:, size + 1 : 2 * size + 2], A[:, 2 * size + 2 :]
    for row, (changed, since, last, event) in enumerate(order):
        C[row, since if changed else last + 1] += 1  # the start is counted by nobody, C[0] = 0
        if changed:
            D[row, last + 1] += 1
            D[row, since] -= 1
        G[row, changed * size + last] = event
    C[:, 0] = 0
    many = np.array([kinds[one] for one in order], float)
    found = least
    for victim in np.flatnonzero(many < least):
        # Who is counted at all weighs their number; the victim counts one.
        spared = np.column_stack([A, -100 * np.eye(len(order))]), np.column_stack([-A, -100 * np.eye(len(order))])
        exposed = np.append(A[victim], np.zeros(len(order)))[None]
        limits = [optimize.LinearConstraint(one, ub=0) for one in spared]
        limits.append(optimize.LinearConstraint(exposed, 1, 1))
        bounds = optimize.Bounds([-50] * A.shape[1] + [0] * len(order), [50] * A.shape[1] + [1] * len(order))
        whole = np.append(np.zeros(A.shape[1]), np.ones(len(order)))
        cost = np.append(np.zeros(A.shape[1]), many)
        solved = optimize.milp(cost, constraints=limits, bounds=bounds, integrality=whole)
        if solved.success:
            found = min(found, round(solved.fun))
    return found


def falling(*rows: tuple[float, float, int, int]) -> Columns:
    """So many people with a time of change (0 for none), a time of exit and the event or not."""
    data = people(*rows)
    data["fell"] = np.where(data["came"] > 0, data["came"], np.nan)
    data["came"] = np.zeros(len(data["t"]))
    return data


# Ten or nobody change, leave with the event and leave without it in every interval, of those who changed and of those
# who did not. Yet one person changed in the second and leaves in the third, as nobody else does.
FALLEN = [(0, t, event, 12) for t in (50, 150, 250, 350, 900) for event in (0, 1)]
FALLEN += [(20, 250, 0, 11), (120, 250, 0, 1), (120, 350, 0, 11), (20, 900, 0, 12), (20, 900, 1, 12)]
BUNDLES = [(20, 150, 0, 12), (20, 350, 0, 12)]
FEW = np.array([0.0, 100.0, 200.0, 300.0, 400.0, 1000.0])


def test_sums_over_who_has_changed_may_differ_in_one_person() -> None:
    """Of those who have changed: those at risk in the third and last interval, less the second and fourth."""
    data = falling(*FALLEN)
    assert fewest(kinds_of(data, FEW, data["t"] > 0), 5) == 1
    victim = (data["fell"] == 120) & (data["t"] == 250)
    number, x = np.array([0, -1, 1, -1, 1]) @ pooled(asked(data, FEW, 1, changes=True)[1])[0][:, 1:]
    np.testing.assert_allclose([number, x], [1, data["x"][victim][0]], atol=1e-9)
    assert not any(opens(list(part), len(data["t"])) for lag in (1, 2, 3, 4, 5) for part in asked(data, FEW, lag, True))


def test_bundles_of_changed_people_open_the_sums() -> None:
    data = falling(*FALLEN, *BUNDLES)
    assert fewest(kinds_of(data, FEW, data["t"] > 0), 5) >= 10
    assert all(opens(list(part), len(data["t"])) for part in asked(data, FEW, 5, changes=True))


@pytest.mark.parametrize(
    ("left_out", "because"),
    [
        ((0, 250, 0, 12), "nobody stays as they were and leaves without the event: two parts of a person may be one"),
        ((20, 250, 0, 11), "nobody who changed early leaves in the third"),
    ],
)
def test_without_bundles_of_either_the_sums_are_withheld(left_out: Any, because: str) -> None:
    data = falling(*(one for one in [*FALLEN, *BUNDLES] if one != left_out))
    assert not any(opens(list(part), len(data["t"])) for part in asked(data, FEW, 5, changes=True)), because


def test_few_who_change_in_an_interval_are_withheld() -> None:
    data = falling(*FALLEN, *BUNDLES, (350, 900, 0, 9))
    assert not any(opens(list(part), len(data["t"])) for part in asked(data, FEW, 5, changes=True))


@pytest.mark.parametrize(("times", "open_"), [((900, 900), True), ((250, 900), False)])
def test_few_who_had_changed_at_time_zero_are_withheld_in_each_interval(times: tuple[int, int], open_: bool) -> None:
    """They come before all others who change, so that no bundle of these hides them."""
    data = falling(*FALLEN, *BUNDLES, *((40, t, 0, 6) for t in times))
    data["fell"][data["fell"] == 40] = 0.0
    assert [opens(list(part), len(data["t"])) for part in asked(data, FEW, 5, changes=True)] == [open_, open_]


def test_few_who_changed_in_the_interval_in_which_they_left_are_withheld() -> None:
    """They are changed to any analysis that has no grid."""
    data = falling(*FALLEN, *BUNDLES, (500, 900, 0, 12))
    assert all(opens(list(part), len(data["t"])) for part in asked(data, FEW, 5, changes=True))
    data["fell"][np.flatnonzero(data["fell"] == 500)[9:]] = np.nan
    assert not any(opens(list(part), len(data["t"])) for part in asked(data, FEW, 5, changes=True))


def test_a_change_that_does_nothing_has_no_effect_on_a_coarse_grid(tmp_path: Path) -> None:
    """Were exits rounded up and changes not, those who live to change in an interval would look spared (-9 errors)."""
    random = np.random.default_rng(7)
    t = np.minimum(1 + random.exponential(400, 6000).round(), 999)
    fell = np.where(random.random(6000) < 0.7, random.integers(1, 800, 6000), 0)
    data = falling(*((a, b, int(c), 1) for a, b, c in zip(fell, t, random.random(6000) < 0.5, strict=True)))
    result = run(tmp_path, data, line("d ~ x + ill", changes=CHANGES, times=[300, 600])).results["a"]
    (ill,) = (one for one in result.estimates if one.name == "ill")
    assert abs(ill.value / ill.standard_error) < 2


@pytest.mark.parametrize("formula", ["d ~ x + ill", "d ~ x + h + ill", "d ~ x*ill"])
@pytest.mark.parametrize("seed", [1, 4])
def test_no_combination_of_what_a_fit_with_a_change_opens_is_over_a_few(
    tmp_path: Path, seed: int, formula: str
) -> None:
    random = np.random.default_rng(seed)
    size = 900 + 300 * seed
    fell = np.where(random.random(size) < 0.3 + 0.1 * seed, random.integers(1, 500, size), 0)
    t = np.minimum(1 + random.exponential(220, size).round(), 999)
    died = random.random(size) < 0.3 + 0.05 * seed
    data = falling(*((a, b, int(c), 1) for a, b, c in zip(fell, t, died, strict=True)))
    going = run(tmp_path, data, line(formula, changes=CHANGES, times=[60, 120, 200, 300, 450]))
    assert stopped(going) in ([], ["withheld_entries"])
    assert seed == 1 or not going.stopped
    if not going.stopped:
        groups = [data["t"] > 0, *([data["h"] == level for level in (0, 1)] if "h" in formula else [])]
        edges = grid(going)
        assert all(fewest(kinds_of(data, edges, one), len(edges) - 1) >= 10 for one in groups)


# Traits.


def test_the_only_one_with_a_trait_who_leaves_in_an_interval_follows(tmp_path: Path) -> None:
    """So that the test below is of an attack that works: the trait's sum is that person's weight, and so their age."""
    data, edges = rare(), np.arange(0.0, 1001.0, 20.0)
    means = pooled(sums_of_risk_sets(data, edges, [0.3, 0.8]))[0]
    one = np.histogram(data["t"][data["h"] == 1] - 0.5, edges)[0] == 1
    ages = (np.log(means[one, 1]) - 0.8) / 0.3
    found = sum(bool(np.isclose(ages, age, atol=1e-9).any()) for age in data["x"][data["h"] == 1])
    assert found >= 10


def rare() -> Columns:
    """A thousand people of whom one in fifteen has a trait."""
    random = np.random.default_rng(4)
    t = np.minimum(np.ceil(random.exponential(200, 1000)), 999)
    data = people(*((0, time, event, 1) for time, event in zip(t, random.random(1000) < 0.5, strict=True)))
    data["h"] = (random.random(1000) < 1 / 15).astype(float)
    return data


def sums_of_risk_sets(data: Columns, edges: np.ndarray, beta: list[float]) -> list[Aggregate]:
    variables = Study.parse(text(line("d ~ x + h"))).variables
    inside = [Inside(name, variables, one.columns, one.persons) for name, one in divided(data).items()]
    told: dict[str, Any] = {"formula": "d ~ x + h", "time": "t", "entry": "", "strata": "", "changed": [], "at": []}
    told |= {"edges": edges, "lag": 1}
    told |= {"until": np.array([len(edges) - 2.0]), "coefficients": np.array(beta), "centre": np.zeros(2)}
    return [risk_means(one, **told) for one in inside]


@pytest.mark.parametrize("more", [{}, {"strata": "g"}, {"entry": "came"}])
@pytest.mark.parametrize("without", [False, True])
def test_those_with_a_trait_who_leave_in_an_interval_are_nobody_or_enough(
    tmp_path: Path, more: dict[str, str], without: bool
) -> None:
    """Nor those without it, where nearly all have it."""
    data = rare()
    data["h"] = 1 - data["h"] if without else data["h"]
    going = run(tmp_path, data, line("d ~ x + h", **more))
    assert stopped(going) in ([], ["withheld_fit"], ["withheld_entries"])
    if going.stopped:
        return
    strata = [data["g"] == level for level in (0, 1)] if "strata" in more else [np.ones(1000, bool)]
    for part, h, d in product(strata, (0, 1), (0, 1)):
        there = part & (data["h"] == h) & (data["d"] == d)
        cells = np.histogram(np.searchsorted(grid(going)[1:], data["t"][there]), np.arange(len(grid(going))))[0]
        assert ((cells == 0) | (cells >= 10)).all()


def test_those_with_one_trait_and_not_another_are_nobody_or_enough(tmp_path: Path) -> None:
    """The sums of two traits that nearly the same people have differ in the others."""
    data = rare()
    random = np.random.default_rng(5)
    data["g"] = (random.random(1000) < 0.5).astype(float)
    data["h"] = np.where(random.random(1000) < 0.2, 1 - data["g"], data["g"])
    going = run(tmp_path, data, line("d ~ x + g + h"))
    assert not going.stopped
    assert len(grid(going)) > 3
    for g, h, d in product((0, 1), repeat=3):
        there = (data["g"] == g) & (data["h"] == h) & (data["d"] == d)
        cells = np.histogram(np.searchsorted(grid(going)[1:], data["t"][there]), np.arange(len(grid(going))))[0]
        assert ((cells == 0) | (cells >= 10)).all()


CROSSED = [(0, t, event, 96) for t in (50, 150, 250, 900) for event in (0, 1)]
CROSSED += [(20, t, event, 96) for t in (50, 150, 250, 900) for event in (0, 1)]
FOUR = np.array([0.0, 100.0, 200.0, 300.0, 1000.0])


def test_few_with_a_combination_of_three_traits_are_withheld() -> None:
    """Of traits alone all weights are known, so that a few rounds are equations in how many have each combination."""
    data = falling(*CROSSED)
    ill = ~np.isnan(data["fell"])
    rows = [
        (data["t"] == t) & (data["d"] == d) & (ill == fell)
        for t, d, fell in product((50, 150, 250, 900), (0, 1), (0, 1))
    ]
    for one in rows:
        data["g"][one], data["h"][one] = np.array([*product((0, 1), repeat=2)] * 24).T
    opened = asked(data, FOUR, 4, changes=True, formula="d ~ g + h + ill")
    assert all(opens(list(part), len(data["t"])) for part in opened)
    both = (data["t"] == 150) & (data["d"] == 1) & ~ill & (data["g"] == 1) & (data["h"] == 1)
    data["h"][np.flatnonzero(both)[3:]] = 0
    opened = asked(data, FOUR, 4, changes=True, formula="d ~ g + h + ill")
    assert not any(opens(list(part), len(data["t"])) for part in opened)


def of_traits(*rows: tuple[float, float, int, int, int, int]) -> Columns:
    """So many people with a time of entry, a time of exit, the event or not and two traits or not."""
    came, t, d, g, h, many = np.array(rows, float).T
    there = np.random.default_rng(1).permutation(np.repeat(np.arange(len(rows)), many.astype(int)))
    data = people(*((0, one, int(event), int(n)) for one, event, n in zip(t, d, many, strict=True)))
    return data | {"came": came[there], "t": t[there], "d": d[there], "g": g[there], "h": h[there]}


# Of those with both traits, and with neither, many leave in every interval with the event and without; of those with
# the second alone only in intervals that the combination spares.
PLENTY = [(0, t, d, g, g, 24) for t in (50, 150, 250, 350, 900) for d in (0, 1) for g in (0, 1)]
SECOND = [(0, t, d, 0, 1, 12) for t in (50, 250, 900) for d in (0, 1)]


@pytest.mark.parametrize("lag", [lag or 5 for lag in LAGS])
def test_one_person_hides_in_one_traits_sums_less_anothers(lag: int) -> None:
    """Though the bundles of all, of those with either trait and of those without it hold enough."""
    data = of_traits(*PLENTY, *SECOND, *((came, t, d, 1, 0, n) for came, t, d, n in HIDDEN))
    opened = asked(data, EDGES, lag, formula="d ~ x + g + h")
    (_, g, h), (_, dead_g, dead_h) = pooled(opened[1]).transpose(0, 2, 1)
    np.testing.assert_allclose((g - h) @ [0, 1, -1, 1, -1] - (dead_g - dead_h) @ [0, 1, 0, 1, 0], 1, atol=1e-9)
    assert not any(opens(list(part), len(data["t"])) for part in opened)


def test_bundles_of_those_with_one_of_two_traits_open_the_sums() -> None:
    rows = [*HIDDEN, (0, 150, 0, 12), (0, 350, 0, 11)]
    data = of_traits(*PLENTY, *SECOND, *((came, t, d, 1, 0, n) for came, t, d, n in rows))
    assert all(opens(list(part), len(data["t"])) for part in asked(data, EDGES, 5, formula="d ~ x + g + h"))


@pytest.mark.parametrize(("values", "found"), [(2, ["withheld_fit"]), (4, [])])
def test_a_measurement_of_a_few_values_is_a_trait_that_nobody_declared(
    tmp_path: Path, values: int, found: list[str]
) -> None:
    """By how many of sex 1 and 2 leave in an interval a sum of them and of their weights is known."""
    data = people(*((0, 30 + 60 * k, event, 30) for k in range(6) for event in (0, 1)))
    data["x"] = 1 + np.floor(np.random.default_rng(3).random(len(data["t"])) * values)
    assert stopped(run(tmp_path, data, line(times=CUTS))) == found


# Two models.


def cut() -> Columns:
    """Of those with a trait eight have the event in the second interval; so few of another have it in the first that
    a model with it joins the first two, where one without it joins the second and third.
    """
    rows = [
        (50, 1, 1, 0, 9),
        (50, 1, 1, 1, 5),
        (50, 0, 0, 0, 30),
        (50, 0, 1, 0, 30),
        (50, 0, 0, 1, 12),
        (50, 0, 1, 1, 12),
    ]
    rows += [(150, 1, 1, 0, 3), (150, 1, 1, 1, 5), (250, 1, 1, 0, 8), (350, 1, 1, 0, 20), (350, 1, 0, 0, 20)]
    rows += [(t, 0, g, 0, 20) for t in (150, 250, 350) for g in (0, 1)]
    return of_traits(*((0, *one) for one in rows))


def test_intervals_of_two_models_do_not_cut_each_other(tmp_path: Path) -> None:
    """Of one to 100 and 300 days and one to 200, eight with a trait who died are the difference of two opened sums."""
    times = [100, 200, 300]
    one, other = line("d ~ g", times=times), line("d ~ g + h", times=times)
    first, second = (run(tmp_path / name, cut(), text) for name, text in (("first", one), ("second", other)))
    assert [grid(going)[1:-1].tolist() for going in (first, second)] == [[100, 300], [200]]
    both = run(tmp_path / "both", cut(), one, other.replace("  a:", "  b:"))
    assert list(both.stopped) == ["b"]
    assert stopped(both) == ["withheld_fit"]


# Strata.

CUTS = [60, 120, 180, 240, 300]


def test_few_of_a_trait_in_a_stratum_are_withheld(tmp_path: Path) -> None:
    rows = [(0, 30 + 60 * k, event, 30) for k in range(6) for event in (0, 1)]
    data = people(*rows)
    few = np.flatnonzero((data["g"] == 1) & (data["h"] == 1))[9:]
    assert stopped(run(tmp_path / "all", data, line("d ~ x + h", strata="g", times=CUTS))) == []
    data["h"][few] = 0
    assert stopped(run(tmp_path / "few", data, line("d ~ x + h", times=CUTS))) == []
    assert stopped(run(tmp_path / "few in one", data, line("d ~ x + h", strata="g", times=CUTS))) == ["withheld_fit"]


def test_each_stratum_has_no_event_or_enough_in_each_interval(tmp_path: Path) -> None:
    """A single event of one stratum among many of the other."""
    rows = [(0, 30 + 60 * k, event, 60) for k in range(6) for event in (0, 1)]
    data = people(*rows)
    early = (data["g"] == 1) & (data["t"] < 200) & (data["d"] == 1)
    data["d"][early] = 0
    data["d"][np.flatnonzero(early)[0]] = 1
    going = run(tmp_path, data, line(strata="g", times=CUTS))
    assert not going.stopped
    edges = grid(going)
    assert len(edges) > 2
    for g, d in product((0, 1), repeat=2):
        there = (data["g"] == g) & (data["d"] == d)
        cells = np.histogram(np.searchsorted(edges[1:], data["t"][there]), np.arange(len(edges)))[0]
        assert ((cells == 0) | (cells >= 10)).all()


@pytest.mark.parametrize("more", [{"strata": "g"}, {"entry": "came"}, {"changes": CHANGES}])
def test_two_divisions_of_one_cohort_are_a_fault_of_the_file(more: dict[str, str]) -> None:
    ill = "d ~ x + ill" if "changes" in more else FORMULA
    both = line() + line(ill, **more).replace("  a:", "  b:")
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text(both)))
    assert {one.code for one in fault.value.findings} == {"cox_pooled_unlike"}
    Line(Study.parse(text(both.replace("hospitals: pooled", "hospitals: strata", 1))))
    Line(Study.parse(text(line(ill, **more), line(f"{ill} + h", **more).replace("  a:", "  b:"))))
