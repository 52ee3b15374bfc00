"""Attacks by what a validation tells of scores: their bins, and the sums of an equation that the plan gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from gagyo.coordinator.run import Run
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


def opened(going: Run, tap: Wiretap, analysis: str, step: str = "score_bins") -> dict[tuple[float, ...], set[float]]:
    """By score set the cuts at which bins were opened; of other counts by the numbers of their descents."""
    asked = [one for one in tap.seen if one.site == "seoul" and one.analysis == analysis]
    shared = {one.statement: one for one in asked if one.step.endswith(step)}
    answers = {one.request: one for one in going.answers}
    found: dict[tuple[float, ...], set[float]] = defaultdict(set)
    for one in asked:
        question = shared.get(str(one.arguments.get("statement")))
        if question is not None and one.step == "open.values":
            edges, sets = question.arguments["edges"], question.arguments.get("sets")
            # The last number is everyone's.
            whole = answers[one.digest].payload["opened"][:-1].reshape(len(edges), -1).all(axis=1)
            for which, (_, cut, _), open_ in zip(question.arguments["which"], edges, whole, strict=True):
                found[(which,) if sets is None else tuple(sets[int(which)])] |= {float(cut)} if open_ else set()
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


@pytest.mark.parametrize("thresholds", ["", DECISION])
def test_all_folds_cut_at_one_place_are_everyone_cut_there(tmp_path: Path, thresholds: str) -> None:
    """Attack: where every fold is cut at a score, all folds' people are; everyone was cut a little beside it, where a
    threshold was declared.
    """
    validated = f"method: validate, cohort: all, model: m, folds: 3{thresholds}"
    model = "method: logistic, cohort: all, formula: 'y ~ x'"
    going, tap = run(tmp_path, people(), {"m": model, "a": validated})
    found = opened(going, tap, "a")
    everywhere = set.intersection(*(found[(4.0, 0.0, fold)] for fold in (0.0, 1.0, 2.0)))
    assert everywhere
    assert everywhere <= found[(1.0, 0.0, 0.0)]


# The sums of a given equation.


@pytest.mark.parametrize("slope", [0.0, 0.0001])
def test_a_trait_of_three_at_a_hospital_does_not_follow_from_its_own_accuracy(tmp_path: Path, slope: float) -> None:
    """Attack: expected cases of an equation with one yes/no variable are how many have it, and log-loss how many of
    them have the outcome; a measurement that hardly counts hides nothing.
    """
    formula = "y ~ t + x" if slope else "y ~ t"
    equation = {"Intercept": -1.0, "t": 1.0} | ({"x": slope} if slope else {})
    for trait, shut in ((3, True), (40, False)):
        going, _ = run(tmp_path / str(trait), people(trait), {"a": given(formula, equation)})
        (answers,) = [one for one in told(going, "a") if isinstance(one, dict)]
        for site in SITES:
            numbers = np.concatenate([answers[site]["expected"], answers[site]["scalars"]])
            assert (np.isnan(numbers) if shut and site == "busan" else np.isfinite(numbers)).all()


def test_a_trait_of_three_beside_measurements_leaves_a_hospitals_own_accuracy_open(tmp_path: Path) -> None:
    equation = {"Intercept": -6.0, "t": 0.7, "x": 0.1}
    going, _ = run(tmp_path, people(3), {"a": given("y ~ t + x", equation)})
    (answers,) = [one for one in told(going, "a") if isinstance(one, dict)]
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
