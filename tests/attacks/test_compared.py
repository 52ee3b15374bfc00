"""Attacks by analyses of one plan that leave a few people between them, though no cohort and no cell is of a few."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import interpolate

from gagyo.federation.line import Line
from gagyo.methods._survival.agreed import Grid
from gagyo.methods._survival.grid import _Grown
from gagyo.protocol.study import Study
from gagyo.release.halves import nested
from gagyo.runtime.embedded import Embedded
from gagyo.site.compared import Compared
from gagyo.site.groups_told import groups_told
from gagyo.statistics.calibration import spline_basis
from tests.attacks.test_door import Wiretap
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

SIZE = 800
Columns = dict[str, np.ndarray]
DECLARED = {
    "boolean": boolean("s"),
    "number": number("s", 0, 9),
}


def variables(sex: str = "boolean") -> str:
    lines = [number("x", 0, 100), number("v", 0, 100), boolean("d"), category("g", ("a", "b", "c"))]
    return "\n".join([*lines, DECLARED[sex]])


def drawn(women: int, men: int = 60) -> Columns:
    """Half are women; some women and some men are over 98, nobody else is."""
    random = np.random.default_rng(3)
    s = (np.arange(SIZE) % 8 < 4).astype(float)
    x = random.uniform(0, 97, SIZE)
    beyond = np.concatenate([np.flatnonzero(s == 1)[:women], np.flatnonzero(s == 0)[:men]])
    x[beyond] = random.uniform(98.5, 100, len(beyond))
    made = {"s": s, "x": x, "v": random.normal(50, 10, SIZE), "g": random.integers(0, 3, SIZE).astype(float)}
    return made | {"d": (random.random(SIZE) < 0.5).astype(float)}


def text(cohorts: Mapping[str, str], analyses: Mapping[str, str], sex: str = "boolean") -> str:
    lines = "".join(f"  {name}: {{{one}}}\n" for name, one in analyses.items())
    where = "".join(f"  {name}: {{where: '{one}'}}\n" for name, one in cohorts.items())
    return (HEAD % (10, variables(sex), lines)).replace("  all: {}\n", "  all: {}\n" + where)


def withheld(
    folder: Path, data: Columns, cohorts: Mapping[str, str], analyses: Mapping[str, str], sex: str = "boolean"
) -> list[str]:
    """Which analyses are stopped, each because hospitals withhold."""
    going = house(folder, text(cohorts, analyses, sex), divide(data, np.arange(SIZE) % 4)).run()
    codes = {found.code for why in going.stopped.values() for found in why.findings}
    assert codes <= {"answer_withheld", "withheld_fit"}
    return list(going.stopped)


BY_SEX = {
    "table": "method: describe, variables: [v], by: s",
    "sums": "method: linear, formula: 'v ~ s'",
    "fit": "method: logistic, formula: 'd ~ x + s'",
    "outcome": "method: logistic, formula: 's ~ v'",
    "reduced bias": "method: firth, formula: 'd ~ v + s'",
    "path": "method: penalised, formula: 'd ~ v + s', family: binomial, folds: 0, penalty: 0.1",
    "hospitals": "method: mixed, formula: 'v ~ x + s'",
}


@pytest.mark.parametrize("women", [3, 40])
@pytest.mark.parametrize("name", BY_SEX)
def test_everyone_by_sex_less_most_by_sex_are_the_others_by_sex(tmp_path: Path, name: str, women: int) -> None:
    """Attack: 63 people are over 98, and their sums follow; three of them are women."""
    analyses = {"all": f"{BY_SEX[name]}, cohort: all", "most": f"{BY_SEX[name]}, cohort: most"}
    stopped = withheld(tmp_path, drawn(women), {"most": "x < 98"}, analyses)
    assert stopped == (["most"] if women < 10 else [])


@pytest.mark.parametrize("women", [3, 40])
def test_a_trait_declared_as_a_number_is_no_way_around(tmp_path: Path, women: int) -> None:
    analyses = {name: f"{BY_SEX['sums']}, cohort: {name}" for name in ("all", "most")}
    stopped = withheld(tmp_path, drawn(women), {"most": "x < 98"}, analyses, "number")
    assert stopped == (["most"] if women < 10 else [])


@pytest.mark.parametrize("women", [0, 3, 40])
@pytest.mark.parametrize("first", ["level", "cohort"])
def test_the_women_of_everyone_less_a_cohort_of_women_are_the_others(tmp_path: Path, first: str, women: int) -> None:
    level, cohort = f"{BY_SEX['table']}, cohort: all", "method: describe, variables: [v], cohort: most"
    analyses = {"a": level, "b": cohort} if first == "level" else {"a": cohort, "b": level}
    stopped = withheld(tmp_path, drawn(women), {"most": "s and x < 98"}, analyses)
    assert stopped == (["b"] if 0 < women < 10 else [])


@pytest.mark.parametrize("women", [3, 40])
def test_women_of_a_group_less_a_cohort_of_them_are_the_others(tmp_path: Path, women: int) -> None:
    """Who has both of two traits is in the products of a design."""
    data = drawn(women)
    data["g"][np.flatnonzero((data["s"] == 1) & (data["x"] > 98))] = 2.0
    # Men of the group, and its women, are many beside them.
    analyses = {"a": "method: linear, formula: 'v ~ s * g', cohort: all"}
    analyses["b"] = "method: describe, variables: [v], cohort: most"
    stopped = withheld(tmp_path, data, {"most": 's and g = "c" and x < 98'.replace('"', "''")}, analyses)
    assert stopped == (["b"] if women < 10 else [])


@pytest.mark.parametrize("women", [3, 40])
def test_everyone_less_two_cohorts_are_the_others(tmp_path: Path, women: int) -> None:
    cohorts = {"young": "x < 50", "middle": "x >= 50 and x < 98"}
    analyses = {name: f"{BY_SEX['sums']}, cohort: {name}" for name in ("all", *cohorts)}
    assert withheld(tmp_path, drawn(women), cohorts, analyses) == (["middle"] if women < 10 else [])


LACKING = {
    "sum": "method: describe, variables: [v]",
    "by sex": "method: describe, variables: [v], by: s",
}


@pytest.mark.parametrize("few", [3, 60])
@pytest.mark.parametrize("name", LACKING)
def test_those_who_have_a_value_less_complete_cases_are_the_others(tmp_path: Path, name: str, few: int) -> None:
    """Attack: of those over 98 few have a value, which is of everyone's sum but of none of the complete cases'."""
    data = drawn(200, 200)
    beyond = np.flatnonzero(data["x"] > 98)
    data["v"][beyond[few:]] = np.nan
    analyses = {"a": f"{LACKING[name]}, cohort: all", "b": "method: linear, formula: 'v ~ d', cohort: most"}
    stopped = withheld(tmp_path, data, {"most": "x < 98"}, analyses)
    assert stopped == (["b"] if few < 10 else [])


ORDINARY = {
    "halves": ({"young": "x < 50", "old": "x >= 50"}, [*BY_SEX.values()][:4]),
    "by what cohorts are made of": ({"women": "s", "men": "not s"}, ["method: linear, formula: 'v ~ x + g'"]),
    "the same people": ({"same": "x <= 100"}, [*BY_SEX.values()][:2]),
    "a subgroup": (
        {"women": "s"},
        ["method: describe, variables: [v, s, d], by: g", "method: linear, formula: 'v ~ d'"],
    ),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_subgroups_of_enough_people_pass(tmp_path: Path, name: str) -> None:
    cohorts, methods = ORDINARY[name]
    places = [(at, one) for at in range(len(methods)) for one in ("all", *cohorts)]
    analyses = {f"{one}_{at}": f"{methods[at]}, cohort: {one}" for at, one in places}
    assert withheld(tmp_path, drawn(40), cohorts, analyses) == []


# Splines of one variable whose knots are moved.

MOVED = (50.0, 51.5, 53.0, 54.5, 56.0)


def between(few: int) -> Columns:
    """A few people are between the moved knots."""
    random = np.random.default_rng(4)
    x = random.uniform(0, 100, SIZE)
    x[(x > 49) & (x < 57)] = 40.0
    x[:few] = random.uniform(51.6, 54.4, few)
    return drawn(40) | {"x": x}


def test_without_the_rule_moved_knots_leave_who_is_between_them() -> None:
    """Five columns' sums, and those of x, are one function of the one person's value."""
    x = between(1)["x"]
    sums = np.array([spline_basis(x, np.array([knot, 70.0, 90.0]))[:, -1].sum() * (90 - knot) ** 2 for knot in MOVED])
    weights = np.array([1, -4, 6, -4, 1])
    bump = interpolate.BSpline.basis_element(np.array(MOVED))(x[0])
    # The fourth difference of cubes is the B-spline; those of all else, which are lines in the first knot, are nothing.
    assert weights @ sums == pytest.approx(24 * 1.5**4 * bump / 4 / 1.5, rel=1e-6)


@pytest.mark.parametrize("few", [1, 9, 60])
@pytest.mark.parametrize("method", ["method: linear, formula: 'v", "method: logistic, formula: 'd"])
def test_moved_knots_are_counted_together(tmp_path: Path, method: str, few: int) -> None:
    analyses = {f"a{at}": f"{method} ~ rcs(x, {knot}, 70, 90)', cohort: all" for at, knot in enumerate(MOVED)}
    assert ("a4" in withheld(tmp_path, between(few), {}, analyses)) is (few < 10)


def test_the_same_people_under_another_name_are_no_way_around(tmp_path: Path) -> None:
    cohorts = {f"c{at}": f"x < {101 + at}" for at in range(len(MOVED))}
    spline = "method: linear, formula: 'v ~ rcs(x, {}, 70, 90)', cohort: c{}"
    analyses = {f"a{at}": spline.format(knot, at) for at, knot in enumerate(MOVED)}
    assert "a4" in withheld(tmp_path, between(3), cohorts, analyses)


def test_other_knots_with_enough_people_between_them_pass(tmp_path: Path) -> None:
    written = ["20, 50, 80", "5, 35, 65, 95", "4", "20, 50, 80"]
    analyses = {
        f"a{at}": f"method: linear, formula: 'v ~ rcs(x, {one})', cohort: all" for at, one in enumerate(written)
    }
    assert withheld(tmp_path, drawn(40), {}, analyses) == []


# Numbers of people in cells of values and of times.


COUNTING = {
    "times": "method: kaplan_meier, time: v, event: d",
    "times by group": "method: kaplan_meier, time: v, event: d, by: s",
    "incidence": "method: cumulative_incidence, time: v, cause: g",
    "values": "method: quantiles, variables: [v]",
    "a table": "method: describe, variables: [v], quantiles: true",
}


def cells_of(folder: Path, data: Columns, analyses: Mapping[str, str]) -> list[tuple[float, float]]:
    """The cells of the second cohort in which numbers of people were opened, [low, high)."""
    taps: list[Wiretap] = []
    written = text({"most": "x < 98"}, analyses)
    going = house(folder, written, divide(data, np.arange(SIZE) % 4), wrap=partial(_listen, taps)).run()
    assert going.stopped == {}
    asked = [one for one in taps[0].seen if one.site == "seoul"]
    shared = {one.statement: one for one in asked if "edges" in one.arguments and one.cohort == "most"}
    answers = {one.request: one for one in going.answers}
    found = []
    for one in asked:
        question = shared.get(str(one.arguments.get("statement")))
        if question is not None and one.step == "open.values":
            opened, edges = answers[one.digest].payload["opened"], question.arguments["edges"]
            cells = nested(edges).reshape(-1, 3) if question.step.endswith("value_bins") else edges
            # The last number is everyone's.
            whole = opened[: opened.size - 1].reshape(len(cells), -1).all(axis=1)
            found += [pair for ends in cells[whole] for pair in pairwise(ends.tolist())]
    return found


def _listen(taps: list[Wiretap], runtime: Embedded) -> Wiretap:
    taps.append(Wiretap(runtime))
    return taps[-1]


@pytest.mark.parametrize("name", COUNTING)
def test_cells_of_values_and_times_leave_nobody_or_enough(tmp_path: Path, name: str) -> None:
    """Attack: two of those over 98 leave in a month, as everyone who does less the others who do."""
    data = drawn(80, 100)
    analyses = {one: f"{COUNTING[name]}, cohort: {one}" for one in ("all", "most")}
    cells = cells_of(tmp_path, data, analyses)
    beyond = data["x"] > 98
    for group in (beyond & (data["s"] == 0), beyond & (data["s"] == 1)) if "group" in name else (beyond,):
        # Times are in (low, high], values in [low, high); no value is at an end.
        numbers = [((data["v"][group] > low) & (data["v"][group] < high)).sum() for low, high in cells]
        assert not any(0 < number < 10 for number in numbers)
    assert len(cells) > 6


# What is counted.


def test_of_one_cohort_only_variables_that_may_be_alike_are_counted() -> None:
    analyses = {name: f"{one}, cohort: all" for name, one in zip("abcdefg", BY_SEX.values(), strict=True)}
    line = Line(Study.parse(text({}, analyses)))
    found = [Compared.of(line, name, analyses) for name in analyses]
    assert all((one.earlier, one.knots, one.resampled, one.equations) == ({}, {}, False, {}) for one in found)
    alone = Line(Study.parse(text({}, {"a": BY_SEX["table"] + ", cohort: all"})))
    assert Compared.of(alone, "a", ["a"]).cohorts == ()


def test_groups_are_the_levels_of_what_an_analysis_names() -> None:
    line = Line(Study.parse(text({}, {"a": "method: logistic, formula: 'd ~ g', cohort: all"})))
    told = groups_told(line, "a")
    assert told >= {(), (("d", 0),), (("d", 1),), *((("g", level),) for level in range(3))}
    assert {(("d", one), ("g", two)) for one in range(2) for two in range(3)} <= told
    assert not any(name == "s" for group in told for name, _ in group)


PARTS = {"all": "", "young": "x < 50", "old": "x >= 50"}


def edges_of_curves(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The ends of the intervals of three curves, of everyone and of two parts, and when everybody left."""
    random = np.random.default_rng(seed)
    data = drawn(40) | {"v": np.clip(random.exponential(10, SIZE), 0.1, 99), "x": random.uniform(0, 100, SIZE)}
    grids: list[Grid] = []
    made = _Grown.grid
    monkeypatch.setattr(_Grown, "grid", lambda self, *found: grids.append(made(self, *found)) or grids[-1])
    analyses = {name: f"method: kaplan_meier, cohort: {name}, time: v, event: d" for name in PARTS}
    assert withheld(folder, data, {name: where for name, where in PARTS.items() if where}, analyses) == []
    inside = {"all": SIZE, "young": np.count_nonzero(data["x"] < 50), "old": np.count_nonzero(data["x"] >= 50)}
    return {name: next(one.edges for one in grids if one.people == n) for name, n in inside.items()}, data["v"]


def between_curves(edges: Mapping[str, np.ndarray], left: np.ndarray) -> list[int]:
    """How many left between each end that the curves of both parts have, which together are everyone's, and each end of
    everyone's own: those numbers that are few.
    """
    common = np.intersect1d(edges["young"], edges["old"])
    numbers = [abs(np.count_nonzero(left <= a) - np.count_nonzero(left <= b)) for a in common for b in edges["all"]]
    return [number for number in numbers if 0 < number < 10]


def test_curves_of_two_parts_end_nowhere_a_few_people_away_from_everyones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr("gagyo.site.compared.between_times", lambda *_: [])
        assert between_curves(*edges_of_curves(tmp_path / "without", without, 0))
    edges, left = edges_of_curves(tmp_path / "with", monkeypatch, 0)
    assert between_curves(edges, left) == []
    assert min(map(len, edges.values())) > 15, "they are curves all the same"


COMPETING = {
    "incidence": "method: cumulative_incidence, time: v, cause: g",
    "model": "method: fine_gray, time: v, formula: 'g ~ s', event: b, profiles: {women: {s: true}}",
}


@pytest.mark.parametrize("young", [3, 12])
@pytest.mark.parametrize("name", COMPETING)
def test_curves_of_competing_events_end_nowhere_a_few_people_apart(tmp_path: Path, name: str, young: int) -> None:
    """Those under fifty who leave between 40 and 41, of whom two curves would tell who had which event."""
    data = drawn(40)
    data["v"] = np.random.default_rng(1).uniform(1, 99, SIZE)
    data["v"][(data["v"] > 40) & (data["v"] <= 41)] = 50
    data["v"][np.flatnonzero(data["x"] < 50)[:young]] = 40.5
    analyses = {"a": f"{COMPETING[name]}, cohort: young, times: [40]"}
    analyses["b"] = f"{COMPETING[name]}, cohort: all, times: [41, 70]"
    one = house(tmp_path, text({"young": "x < 50"}, analyses), divide(data, np.arange(SIZE) % 4))
    assert one.run().stopped == {}
    session = one.sites["seoul"].sessions.find(one.plan.digest)
    assert session is not None
    ends = set().union(*(cell.cuts.tolist() for cell in session.history.cells if cell.cohort == "all"))
    assert ends - {0, 100} == ({70} if young == 3 else {41, 70})


def ends_of_cells(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The cuts of cells from which deciles were told, of everyone and of two parts, and everybody's value."""
    random = np.random.default_rng(2)
    data = drawn(40) | {"v": np.clip(random.exponential(10, SIZE), 0.1, 99), "x": random.uniform(0, 100, SIZE)}
    deciles = "quantiles: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]"
    analyses = {name: f"method: quantiles, cohort: {name}, variables: [v], {deciles}" for name in PARTS}
    cohorts = {name: where for name, where in PARTS.items() if where}
    one = house(folder, text(cohorts, analyses), divide(data, np.arange(SIZE) % 4))
    assert one.run().stopped == {}
    session = one.sites["seoul"].sessions.find(one.plan.digest)
    assert session is not None
    opened = session.history.cells
    return {name: np.concatenate([cell.cuts for cell in opened if cell.cohort == name]) for name in PARTS}, data["v"]


def test_cells_of_two_parts_end_nowhere_a_few_people_away_from_everyones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr("gagyo.site.compared.between_grids", lambda *_: [])
        assert between_curves(*ends_of_cells(tmp_path / "without"))
    assert between_curves(*ends_of_cells(tmp_path / "with")) == []
