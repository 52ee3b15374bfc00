"""Attacks by what a validation tells of scores: their bins, and the sums of an equation that the plan gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from gagyo.coordinator.run import Run
from gagyo.federation.ask import Pooled
from gagyo.federation.rows import Rows
from gagyo.methods._validation.cuts import at_cuts
from gagyo.release.halves import nested
from gagyo.runtime.embedded import Embedded
from tests.attacks.test_door import Wiretap
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import SITES, house

SIZE = 400
Columns = dict[str, np.ndarray]
VARIABLES = "\n".join([number("x", 0, 120), number("v", 0, 100), boolean("y"), boolean("t")])


def people(trait: int = 40) -> Columns:
    """Measured x and v, an outcome that x foretells, and a trait of forty at each hospital, and of so many in Busan."""
    random = np.random.default_rng(5)
    x = np.round(random.normal(60, 12, SIZE), 2)
    y = (random.random(SIZE) < special.expit((x - 60) / 15)).astype(float)
    order = np.repeat(random.permutation(SIZE // 4), 4)
    t = (order < np.where(np.arange(SIZE) % 4 == SITES.index("busan"), trait, 40)).astype(float)
    return {"x": x, "y": y, "t": t, "v": random.normal(50, 10, SIZE)}


def given(formula: str, coefficients: Mapping[str, float], more: str = "", cohort: str = "all") -> str:
    """A validation of a given equation."""
    written = ", ".join(f"'{name}': {value!r}" for name, value in coefficients.items())
    equation = f"{{outcome: y, formula: '{formula}', coefficients: {{{written}}}}}"
    return f"method: validate, cohort: {cohort}, equation: {equation}{more}"


def run(
    folder: Path, data: Columns, analyses: Mapping[str, str], cohorts: Mapping[str, str] | None = None
) -> tuple[Run, Wiretap]:
    """A study's run, and what its coordinator asked."""
    taps: list[Wiretap] = []

    def listen(runtime: Embedded) -> Wiretap:
        taps.append(Wiretap(runtime))
        return taps[-1]

    lines = "".join(f"  {name}: {{{one}}}\n" for name, one in analyses.items())
    where = "".join(f"  {name}: {{where: '{one}'}}\n" for name, one in (cohorts or {}).items())
    text = (HEAD % (10, VARIABLES, lines)).replace("  all: {}\n", "  all: {}\n" + where)
    return house(folder, text, divide(data, np.arange(SIZE) % 4), wrap=listen).run(), taps[0]


def opened(going: Run, tap: Wiretap, analysis: str, step: str = "score_bins") -> dict[Any, set[float]]:
    """By score set the cuts at which bins were opened; of values by the variable that forms groups."""
    asked = [one for one in tap.seen if one.site == "seoul" and one.analysis == analysis]
    shared = {one.statement: one for one in asked if one.step.endswith(step)}
    answers = {one.request: one for one in going.answers}
    found: dict[Any, set[float]] = defaultdict(set)
    for one in asked:
        question = shared.get(str(one.arguments.get("statement")))
        if question is not None and one.step == "open.values":
            cuts, sets = nested(question.arguments["edges"])[:, :, 1], question.arguments.get("sets")
            # The last number is everyone's.
            whole = answers[one.digest].payload["opened"][:-1].reshape(*cuts.shape, -1).all(axis=2)
            for which, places, open_ in zip(question.arguments["which"], cuts, whole, strict=True):
                if sets is None and question.arguments["variables"][int(which)] != "x":
                    continue
                key = str(question.arguments.get("by", "")) if sets is None else tuple(sets[int(which)])
                found[key] |= set(places[open_].tolist())
    return found


def fewest(values: np.ndarray, ends: set[float]) -> int:
    """The smallest number of people between two neighbouring ends, nobody apart."""
    numbers = [int(((values >= a) & (values < b)).sum()) for a, b in pairwise(sorted(ends))]
    return min(number for number in numbers if number)


# The bins of scores.

DECISION = f", decision: [{', '.join(f'{one / 100:.2f}' for one in range(5, 96))}]"


def test_two_trees_of_the_same_scores_would_leave_a_few_between_their_edges(tmp_path: Path) -> None:
    """Attack: an ordinary decision curve of an equation. Scores were halved twice, with its thresholds and without: one
    person lay between an edge of one and an edge of the other, and the counts by class told that person's outcome.
    """
    data = people()
    going, tap = run(tmp_path, data, {"a": given("y ~ x", {"Intercept": -6.0, "x": 0.1}, DECISION)})
    found = opened(going, tap, "a")
    assert fewest(np.round(-6 + 0.1 * data["x"], 10), set().union(*found.values())) >= 10
    assert len(set().union(*found.values())) > 20


def test_all_folds_cut_at_one_place_are_everyone_cut_there(tmp_path: Path) -> None:
    """Attack: where every fold is cut at a score, all folds' people are; everyone was cut a little beside it, where a
    threshold was declared.
    """
    validated = f"method: validate, cohort: all, model: m, folds: 3{DECISION}"
    model = "method: logistic, cohort: all, formula: 'y ~ x'"
    going, tap = run(tmp_path, people(), {"m": model, "a": validated})
    found = opened(going, tap, "a")
    everywhere = set.intersection(*(found[(4.0, 0.0, fold)] for fold in (0.0, 1.0, 2.0)))
    assert everywhere
    assert everywhere <= found[(1.0, 0.0, 0.0)]


def test_cuts_chosen_for_a_sensitivity_leave_nobody_or_enough_beside_the_folds_bins(tmp_path: Path) -> None:
    """Attack: both folds' people under cuts that their training people chose, less those under the nearest ends of the
    folds' own bins: where one fold was halved just there, these are a few people of the other.
    """
    data, shares = people(), (0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
    wanted = ", ".join(f"{{sensitivity: {one}}}" for one in shares)
    validated = f"method: validate, cohort: all, model: m, folds: 2, threshold: [{wanted}]"
    going, tap = run(tmp_path, data, {"m": "method: logistic, cohort: all, formula: 'y ~ x'", "a": validated})
    ends = opened(going, tap, "a")
    asked = next(one for one in tap.seen if one.step == "validate.at_cuts").arguments
    (*_, bins) = [one["bins"] for one in told(going, "a") if isinstance(one, Pooled) and "bins" in one.values]
    study, hospitals = going.plan.study, divide(data, np.arange(SIZE) % 4)
    seed = f"{study.study} {study.seed}"
    rows = [Rows(name, study.variables, one.columns, one.persons, seed) for name, one in hospitals.items()]

    def under(cuts: np.ndarray) -> np.ndarray:
        counted = [at_cuts(one, **{**asked, "cuts": cuts})["bins"].people[:, 0, 0] for one in rows]
        return np.asarray(np.sum(counted, axis=0))

    open_ = ~np.isnan(bins.reshape(len(shares), -1)).any(axis=1)
    assert open_.sum() >= 2
    for side in (-1, 1):
        nearest = asked["cuts"].copy()
        for (row, fold), cut in np.ndenumerate(asked["cuts"]):
            far = [abs(end - cut) for end in ends[(4.0, 0.0, float(fold))] if (end - cut) * side >= 0]
            nearest[row, fold] = cut + side * min(far, default=50.0)
        between = np.abs(under(asked["cuts"]) - under(nearest))[open_]
        assert not any(0 < one < 10 for one in between)


# The sums of a given equation.


@pytest.mark.parametrize("slope", [0.0, 0.0001])
def test_a_trait_of_three_at_a_hospital_does_not_follow_from_its_own_accuracy(tmp_path: Path, slope: float) -> None:
    """Attack: expected cases of an equation with one yes/no variable are how many have it, and log-loss how many of
    them have the outcome; a measurement that hardly counts hides nothing.
    """
    formula = "y ~ t + x" if slope else "y ~ t"
    equation = {"Intercept": -1.0, "t": 1.0} | ({"x": slope} if slope else {})
    for trait, shut in ((3, ("busan", "beijing")), (40, ())):
        going, _ = run(tmp_path / str(trait), people(trait), {"a": given(formula, equation)})
        (_, answers) = [one for one in told(going, "a") if isinstance(one, dict)]
        for site in SITES:
            numbers = np.concatenate([answers[site]["expected"], answers[site]["scalars"]])
            assert (np.isnan(numbers) if site in shut else np.isfinite(numbers)).all()


def test_two_with_a_trait_and_the_outcome_do_not_follow_from_a_hospitals_own_accuracy(tmp_path: Path) -> None:
    """Attack: an equation of one trait has two scores; its area and log-loss are the table of trait by outcome."""
    data = people()
    both = np.flatnonzero((np.arange(SIZE) % 4 == SITES.index("busan")) & (data["t"] == 1) & (data["y"] == 1))
    data["y"][both[2:]] = 0.0
    going, _ = run(tmp_path, data, {"a": given("y ~ t", {"Intercept": -1.0, "t": 1.0})})
    (_, answers) = [one for one in told(going, "a") if isinstance(one, dict)]
    assert np.isnan(answers["busan"]["scalars"]).all()
    assert np.isfinite(answers["seoul"]["scalars"]).all()


def test_a_trait_of_three_beside_measurements_leaves_a_hospitals_own_accuracy_open(tmp_path: Path) -> None:
    equation = {"Intercept": -6.0, "t": 0.7, "x": 0.1}
    going, _ = run(tmp_path, people(3), {"a": given("y ~ t + x", equation)})
    (_, answers) = [one for one in told(going, "a") if isinstance(one, dict)]
    assert all(np.isfinite(answers[site]["expected"]).all() for site in SITES)


@pytest.mark.parametrize("few", [3, 12])
def test_two_equations_that_differ_for_a_few_do_not_tell_these(tmp_path: Path, few: int) -> None:
    """Attack: the same equation with another coefficient of a trait that three have: expected cases and log-loss differ
    by theirs, exactly.
    """
    data = people()
    data["t"] = (np.arange(SIZE) < few).astype(float)
    first = given("y ~ t + x", {"Intercept": -6.0, "t": 0.5, "x": 0.1})
    going, _ = run(tmp_path, data, {"a": first, "b": given("y ~ x", {"Intercept": -6.0, "x": 0.1})})
    assert list(going.stopped) == (["a"] if few < 10 else [])


# Places where a plan divides the same people twice.


def beside(data: Columns, cut: float, to: float) -> Columns:
    """One person lies between two values, and nobody else."""
    x = data["x"]
    x[(x >= cut) & (x < to)] = cut - 5
    x[0] = (cut + to) / 2
    return data


SCORE = {"Intercept": -6.0, "x": 0.1}


@pytest.mark.parametrize("equation", [SCORE, {"Intercept": -12.0, "x": 0.2, "v": 1e-9}])
def test_a_threshold_a_little_beside_the_bins_of_another_validation_is_not_opened(
    tmp_path: Path, equation: Mapping[str, float]
) -> None:
    """Attack: the same equation twice, or one that orders people alike, with thresholds between which one person lies:
    the counts by class differ by that person.
    """
    data = beside(people(), 63.1, 63.5)
    thresholds = [f", threshold: {{value: {float(special.expit(-6 + 0.1 * x))!r}}}" for x in (63.1, 63.5)]
    second = f", threshold: {{value: {float(special.expit(equation['x'] * 3.5))!r}}}"
    formula = f"y ~ {' + '.join(list(equation)[1:])}"
    analyses = {"a": given("y ~ x", SCORE, thresholds[0]), "b": given(formula, equation, second)}
    going, tap = run(tmp_path, data, analyses)
    found = [opened(going, tap, name)[(0.0, 0.0, 0.0)] for name in "ab"]
    told_at = found[0] | {one * 0.1 / equation["x"] for one in found[1]}
    assert min(abs(one - 0.31) for one in found[0]) < 1e-9, "the first one is open"
    assert fewest(np.round(-6 + 0.1 * data["x"], 6), {round(one, 6) for one in told_at}) >= 10


def test_the_same_equation_again_is_opened_where_it_was(tmp_path: Path) -> None:
    """In everyone, and by subgroup."""
    threshold = f", threshold: {{value: {float(special.expit(0.31))!r}}}"
    analyses = {"a": given("y ~ x", SCORE, threshold), "b": given("y ~ x", SCORE, threshold + ", subgroups: [t]")}
    going, tap = run(tmp_path, people(), analyses)
    first, second = (opened(going, tap, name) for name in "ab")
    assert first == second
    assert going.stopped == {}


NEARLY = given("y ~ x + v", SCORE | {"v": 1e-9}, f", threshold: {{value: {float(special.expit(0.2))!r}}}")
COUNTED = {
    "values": ("value_bins", "method: quantiles, variables: [x], edges: {x: [62]}"),
    "values of two": ("value_bins", "method: quantiles, variables: [x, v], edges: {x: [62]}"),
    "values by group": ("value_bins", "method: quantiles, variables: [x], by: y, edges: {x: [62]}"),
    "scores": ("score_bins", given("y ~ x", SCORE, f", threshold: {{value: {float(special.expit(0.2))!r}}}")),
}


DIVIDED = {
    "cohort": "x < 62.4",
    "cohort by two": "not (v < 0 or x >= 62.4)",
    "cohort by a sum": "x + 0 * v < 62.4",
    "subgroup": "",
}


@pytest.mark.parametrize(
    ("name", "divided"),
    [
        ("values", "cohort by two"),
        ("values", "cohort by a sum"),
        ("values of two", "cohort"),
        ("values by group", "cohort"),
        ("scores", "subgroup"),
        ("nearly scores", "cohort"),
    ],
)
def test_cells_beside_a_cohorts_end_leave_nobody_or_enough(tmp_path: Path, name: str, divided: str) -> None:
    """Attack: cells that end at 62 beside a cohort, or a subgroup, of those under 62.4; one person is between."""
    step, asked = {**COUNTED, "nearly scores": ("score_bins", NEARLY)}[name]
    data = beside(people(), 62.0, 62.4)
    groups = ", subgroups: [{variable: x, cuts: [62.4]}]"
    other = {
        True: "method: describe, cohort: young, variables: [v], by: y",
        False: given("y ~ v", {"Intercept": -1.0, "v": 0.02}, groups),
    }[bool(DIVIDED[divided])]
    cohorts = {"young": DIVIDED[divided]} if DIVIDED[divided] else {}
    asked = asked if "cohort" in asked else f"{asked}, cohort: all"
    going, tap = run(tmp_path, data, {"a": asked, "b": other}, cohorts)
    for by, cuts in opened(going, tap, "a", step).items():
        ends = {round(60 + 10 * one, 6) for one in cuts} if "scores" in name else cuts
        for among in (data["y"] == 0, data["y"] == 1) if by == "y" else (np.ones(SIZE, bool),):
            x = np.round(data["x"][among], 6)
            between = [((x >= end) & (x < 62.4)).sum() + ((x >= 62.4) & (x < end)).sum() for end in ends]
            assert not any(0 < number < 10 for number in between)
        assert len(ends) > 3
    assert going.stopped == {}


def test_cells_of_two_kinds_in_two_cohorts_leave_nobody_or_enough(tmp_path: Path) -> None:
    """Attack: cells about a cohort's mean, and quantiles' cells of everyone: beyond 55 these are the same people."""
    analyses = {
        "m": "method: logistic, cohort: most, formula: 'y ~ x'",
        "n": "method: validate, cohort: most, model: m, folds: 0, nonlinearity: true",
        "q": "method: quantiles, cohort: all, variables: [x], histogram: true",
    }
    data = people()
    going, tap = run(tmp_path, data, analyses, {"most": "x >= 55"})
    assert going.stopped == {}
    one, other = opened(going, tap, "q", "value_bins")[""], opened(going, tap, "n", "variable_bins")[""]
    assert len(one) >= 3
    assert len(other) > 10
    x = data["x"][data["x"] >= 55]
    between = [((x >= min(a, b)) & (x < max(a, b))).sum() for a in one for b in other]
    assert not any(0 < number < 10 for number in between)


def test_times_beside_the_end_of_a_landmark_cohort_leave_nobody_or_enough(tmp_path: Path) -> None:
    """Attack: a curve with a time of 30 beside a cohort of those still there after 30.5."""
    data = people()
    data["v"] = np.random.default_rng(2).exponential(40, SIZE).clip(0.1, 99)
    between = np.flatnonzero((data["v"] >= 29) & (data["v"] <= 31))
    data["v"][between], data["v"][0] = 28.0, 30.2
    analyses = {
        "a": "method: kaplan_meier, cohort: all, time: v, event: y, at: [30]",
        "b": "method: describe, cohort: later, variables: [x], by: y",
    }
    going, tap = run(tmp_path, data, analyses, {"later": "v > 30.5"})
    asked = {one.statement: one for one in tap.seen if one.site == "seoul" and "edges" in one.arguments}
    answers = {one.request: one for one in going.answers}
    ends: set[float] = set()
    for one in tap.seen:
        question = asked.get(str(one.arguments.get("statement")))
        if question is not None and one.step == "open.values" and one.site == "seoul":
            edges = question.arguments["edges"]
            whole = answers[one.digest].payload["opened"][:-1].reshape(len(edges), -1).all(axis=1)
            ends |= {float(end) for end in edges[whole].ravel()}
    numbers = [int(((data["v"] > min(end, 30.5)) & (data["v"] <= max(end, 30.5))).sum()) for end in ends]
    assert len(ends) > 5
    assert not any(0 < number < 10 for number in numbers)


# Given equations that are steps, and splines of those who are left.


def test_an_equation_that_is_a_step_is_refused(tmp_path: Path) -> None:
    """Attack: no risk under 71.2 and certainty over it; and the same at 71.6. Expected cases differ by the one who is
    between, and squared errors by that person's outcome.
    """
    steep = {name: given("y ~ x", {"Intercept": -cut * 40, "x": 40.0}) for name, cut in (("a", 71.2), ("b", 71.6))}
    going, _ = run(tmp_path, beside(people(), 71.2, 71.6), steep)
    assert list(going.stopped) == ["a", "b"]
    assert told(going, "a") == told(going, "b") == []


def test_the_farthest_persons_value_is_not_what_a_score_was_held_at(tmp_path: Path) -> None:
    """Attack: scores are held within 36, here one person's. Their sum and that of x give what is beyond."""
    data = people()
    data["x"] = np.where(np.arange(SIZE) == 8, 119.5, data["x"].clip(0, 90))
    going, _ = run(tmp_path, data, {"a": given("y ~ x", {"Intercept": -37.2, "x": 0.62})})
    assert list(going.stopped) == ["a"]


@pytest.mark.parametrize("few", [4, 200])
def test_two_equations_that_score_all_but_a_few_alike_are_not_both_told(tmp_path: Path, few: int) -> None:
    """Attack: those with a trait have risks that nobody looks at twice; of the others all but a few are far under any
    risk, and these few another coefficient moves.
    """
    data = people()
    random = np.random.default_rng(4)
    rest = data["t"] == 0
    data["v"] = np.where(rest, random.uniform(0, 20, SIZE), 0.0)
    data["v"][np.flatnonzero(rest)[:few]] = random.uniform(92, 99, min(few, rest.sum()))
    first = {"Intercept": -18.0, "t": 18.0, "v": 0.18}
    analyses = {"a": given("y ~ t + v", first), "b": given("y ~ t + v", first | {"v": 0.19})}
    going, _ = run(tmp_path, data, analyses)
    known = [any(isinstance(one, Pooled) and "expected" in one.values for one in told(going, name)) for name in "ab"]
    assert known == [True, few > 10]


def test_two_published_equations_and_one_in_a_subgroup_pass(tmp_path: Path) -> None:
    score = ", threshold: {value: 0.3}, subgroups: [t]"
    other = {"Intercept": -4.4, "x": 0.08, "v": -0.01}
    analyses = {
        "a": given("y ~ x", SCORE, score),
        "b": given("y ~ x + v", other, score),
        "c": given("y ~ x", SCORE, cohort="with_trait"),
    }
    going, _ = run(tmp_path, people(), analyses, {"with_trait": "t"})
    assert going.stopped == {}


@pytest.mark.parametrize("cut", [63.6, 75.0])
def test_a_splines_few_beyond_a_knot_who_are_left_by_a_cohort_stay(tmp_path: Path, cut: float) -> None:
    """Attack: a spline that begins at 63, in everyone and in those from 63.6: of those left, one person has any of it,
    and the columns' sums differ by that one's.
    """
    data = beside(people(), 63.0, 63.6)
    spline = "method: linear, cohort: {}, formula: 'v ~ rcs(x, 63, 67, 72)'"
    analyses = {"a": spline.format("all"), "b": spline.format("old")}
    going, _ = run(tmp_path, data, analyses, {"old": f"x >= {cut}" if cut < 70 else "t"})
    assert list(going.stopped) == (["b"] if cut < 70 else [])
