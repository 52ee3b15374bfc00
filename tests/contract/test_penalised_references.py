"""Penalised regression against the conditions of its optimum on pooled rows, against R's glmnet, and the gate."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.ask import Ask, Conversation
from gagyo.federation.in_memory import converse
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.statistics.penalised import minimise
from tests.contract.data import GOLDEN, HEAD, boolean, category, columns, divide, hospitals, number, study
from tests.contract.ended import Ended, ended, rehearsed
from tests.hospitals import Rows, house

TIGHT = 1e-8
RIGHT = "glu + bp + skin + bmi + ped + age"
FORMULAS = {"gaussian": f"npreg ~ {RIGHT} + diabetic", "binomial": f"diabetic ~ {RIGHT} + npreg"}
MIXINGS = {"lasso": 1.0, "net": 0.5, "ridge": 0.0}
KINDS = [(family, kind) for family in FORMULAS for kind in MIXINGS]


def line(family: str, kind: str, more: str = "values: 12, folds: 4", name: str = "a") -> str:
    fit = f'formula: "{FORMULAS[family]}", family: {family}, mixing: {MIXINGS[kind]}'
    return f"  {name}: {{method: penalised, cohort: all, {fit}, {more}}}\n"


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Result]:
    """Every family and mixing, run once."""
    out = {}
    for family, kind in KINDS:
        run = ended(tmp_path_factory.mktemp("run"), study("pima", line(family, kind)), hospitals("pima"))
        assert run.stopped == {}
        out[family, kind] = run.results["a"]
    return out


def pooled(family: str) -> tuple[np.ndarray, np.ndarray]:
    """Columns (n, p) and outcome, from the data file."""
    data = columns("pima")
    names = FORMULAS[family].partition(" ~ ")[2].split(" + ")
    return np.column_stack([data[name] for name in names]), data[FORMULAS[family].partition(" ~ ")[0]]


def broken(X: np.ndarray, y: np.ndarray, b0: float, b: np.ndarray, penalty: float, mixing: float, family: str) -> float:
    """By how much the conditions of the optimum fail (Karush, Kuhn, Tucker), in units of the largest score."""
    size = X.std(axis=0)
    eta = b0 + X @ b
    mu = eta if family == "gaussian" else 1 / (1 + np.exp(-eta))
    ridge = penalty * (1 - mixing) / (y.std() if family == "gaussian" else 1.0)
    pull = (X - X.mean(axis=0)).T @ (y - mu) / len(y) / size - ridge * b * size
    most = np.abs((X - X.mean(axis=0)).T @ (y - y.mean()) / size).max() / len(y)
    inside = b != 0
    wrong = np.where(
        inside, np.abs(pull - penalty * mixing * np.sign(b)), np.maximum(np.abs(pull) - penalty * mixing, 0)
    )
    return float(max(wrong.max() / most, abs((y - mu).mean()) / y.std()))


def path(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Penalties, and slopes for one standard deviation, of terms in the order of the figure."""
    series = result.curve("path").series
    return 10 ** np.array(series[0].x), np.array([one.y for one in series]).T


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_the_chosen_models_fulfil_the_conditions_of_the_optimum(fits: Any, family: str, kind: str) -> None:
    result = fits[family, kind]
    X, y = pooled(family)
    names = FORMULAS[family].partition(" ~ ")[2].split(" + ")
    assert result.people == 532
    for model in ("sparser", "least"):
        b = np.array([result.estimate(f"{model}.{name}").value for name in names])
        b0, penalty = (result.estimate(f"{model}.{name}").value for name in ("Intercept", "penalty"))
        np.testing.assert_allclose(broken(X, y, b0, b, penalty, MIXINGS[kind], family), 0, atol=TIGHT)
        # The conditions are sharp: a penalty a thousandth away breaks them.
        if np.any(b != 0):
            assert broken(X, y, b0, b, penalty * 1.001, MIXINGS[kind], family) > 10 * TIGHT


@pytest.mark.parametrize("family", FORMULAS)
def test_the_first_penalty_is_the_least_that_selects_nothing(fits: Any, family: str) -> None:
    penalties, slopes = path(fits[family, "lasso"])
    X, y = pooled(family)
    most = np.abs((X - X.mean(axis=0)).T @ (y - y.mean()) / X.std(axis=0)).max() / len(y)
    np.testing.assert_allclose(penalties[0], most, rtol=1e-10)
    assert not slopes[0].any()
    assert slopes[1].any()
    np.testing.assert_allclose(penalties[-1] / penalties[0], 1e-4, rtol=1e-10)


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/penalised.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "penalised.json").read_text())
    return found


def folds(family: str, number: int) -> np.ndarray:
    """The fold of each person in the order of the data file, as the hospitals deal them out."""
    parsed = Study.parse(study("pima", line(family, "lasso")))
    data, place = columns("pima"), np.full(532, -1)
    for name, one in hospitals("pima").items():
        inside = Inside(name, parsed.variables, one.columns, one.persons, f"{parsed.study} {parsed.seed}")
        strata = one.columns["diabetic"] if family == "binomial" else None
        persons = np.array([int(person[1:]) for person in one.persons])
        place[persons] = inside.folds(number, strata=strata)
    assert place.min() == 0
    assert len(data["age"]) == 532
    return place


def test_r_had_the_folds_that_the_hospitals_deal_out() -> None:
    """Where the keyed hash changes, this file is to be written anew, and R run again."""
    with (GOLDEN / "data" / "folds.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for family in FORMULAS:
        assert [int(one[family]) for one in lines] == folds(family, 4).tolist()


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_paths_are_glmnets_as_far_as_its_threshold_goes(fits: Any, family: str, kind: str) -> None:
    result, case = fits[family, kind], golden()["cases"][f"{family}_{kind}"]
    penalties, slopes = path(result)
    np.testing.assert_allclose(penalties, case["penalties"], rtol=1e-10)
    told = [one.label.to("en") for one in result.curve("path").series]
    (other,) = set(case["names"]) - set(told)  # six terms have a line of their own
    order = [case["names"].index(other if name == "Other terms" else name) for name in told]
    np.testing.assert_allclose(slopes, np.array(case["scaled"])[:, order], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_cross_validation_is_cv_glmnets(fits: Any, family: str, kind: str) -> None:
    result, case = fits[family, kind], golden()["cases"][f"{family}_{kind}"]
    series = result.curve("penalties").series[0]
    np.testing.assert_allclose(series.y, case["mean"], rtol=1e-6)
    np.testing.assert_allclose(np.array(series.upper) - series.y, case["error"], rtol=1e-5)
    rows = result.table("selection").rows
    np.testing.assert_allclose([row[1] for row in rows], [case["lambda_1se"], case["lambda_min"]], rtol=1e-10)
    assert [row[2] for row in rows] == case["selected"]
    np.testing.assert_allclose([row[3] for row in rows], case["explained"], rtol=1e-6, atol=1e-9)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), shares=st.lists(st.floats(0.05, 1), min_size=4, max_size=4))
@pytest.mark.parametrize("family", FORMULAS)
def test_a_path_does_not_depend_on_how_people_are_divided(family: str, seed: int, shares: list[float]) -> None:
    data, text = columns("pima"), study("pima", line(family, "net", "values: 5, folds: 0, penalty: 0.02"))
    where = np.searchsorted(np.cumsum(shares)[:3] / np.sum(shares), np.random.default_rng(seed).random(532))
    whole = {"seoul": divide(data, np.zeros(532, int))["seoul"]}
    found = [rehearsed(text, people)["a"].estimates for people in (divide(data, where), whole)]
    divided, together = ([one.value for one in estimates] for estimates in found)
    np.testing.assert_allclose(divided, together, rtol=1e-8, atol=1e-11)


def test_the_gate_and_the_ring_change_nothing(fits: Any) -> None:
    for family, kind in KINDS:
        inside = rehearsed_here(study("pima", line(family, kind)), hospitals("pima"))
        told = [one.value for one in fits[family, kind].estimates]
        np.testing.assert_allclose(told, [one.value for one in inside.estimates], rtol=1e-9, atol=1e-12)


def rehearsed_here(text: str, people: Mapping[str, Rows]) -> Result:
    """Without gate and ring, with the seed that real hospitals deal out folds by."""
    return converse(Line(Study.parse(text)).methods["a"].combine({}), inside_of(text, people))


def inside_of(text: str, people: Mapping[str, Rows]) -> dict[str, Inside]:
    parsed = Study.parse(text)
    seed = f"{parsed.study} {parsed.seed}"
    return {name: Inside(name, parsed.variables, one.columns, one.persons, seed) for name, one in people.items()}


def noting(text: str, asked: list[Ask]) -> Conversation:
    """The conversation of an analysis, each of whose questions is noted."""
    talk, answer = Line(Study.parse(text)).methods["a"].combine({}), None
    while True:
        try:
            question = talk.send(answer)
        except StopIteration as end:
            return end.value
        assert isinstance(question, Ask)
        asked.append(question)
        answer = yield question


def test_a_constant_column_is_not_selected(tmp_path: Path) -> None:
    data = columns("pima") | {"bp": np.full(532, 70.0)}
    for family in FORMULAS:
        text = study("pima", line(family, "ridge", "values: 4, folds: 0, penalty: 0.01"))
        run = house(tmp_path / family, text, divide(data, np.arange(532) % 4)).run()
        assert run.stopped == {}
        assert run.results["a"].estimate("given.bp").value == 0
        assert run.results["a"].estimate("given.glu").value != 0


def test_separated_outcomes_have_a_path(tmp_path: Path) -> None:
    """Where logistic regression has no estimate, a penalty gives one; far down the gate may see too little variance."""
    data = dict(columns("pima"))
    data["diabetic"] = (data["glu"] + data["age"] > 160).astype(float)
    text = study("pima", line("binomial", "ridge", "values: 4, folds: 0, penalty: 0.05"))
    whole = rehearsed(text, divide(data, np.arange(532) % 4))["a"]
    X = pooled("binomial")[0]
    names = FORMULAS["binomial"].partition(" ~ ")[2].split(" + ")
    b = np.array([whole.estimate(f"given.{name}").value for name in names])
    assert broken(X, data["diabetic"], whole.estimate("given.Intercept").value, b, 0.05, 0.0, "binomial") < TIGHT


@pytest.mark.parametrize("mixing", MIXINGS.values())
def test_a_path_through_separated_people_ends_in_time(mixing: float) -> None:
    """Far down, informations change so fast from penalty to penalty that fits have their own opened."""
    every, outcome = load_breast_cancer(return_X_y=True)
    names = [f"x{j}" for j in range(30)]
    scaled = (every - every.mean(axis=0)) / every.std(axis=0)
    data = {name: scaled[:, j] for j, name in enumerate(names)} | {"d": outcome.astype(float)}
    declared = "\n".join([*(number(name, -20, 20) for name in names), boolean("d")])
    fit = f'formula: "d ~ {" + ".join(names)}", family: binomial, mixing: {mixing}, values: 12, folds: 4'
    text = HEAD % (5, declared, f"  a: {{method: penalised, cohort: all, {fit}, penalty: 0.001}}\n")
    asked: list[Ask] = []
    whole = converse(noting(text, asked), inside_of(text, divide(data, np.arange(569) % 4)))
    assert whole.rounds < 30
    # What is opened more is counted more: a fit's coefficients once, and each information when it is new.
    fits, own = 5 * 13, max(one.arguments["informed"] for one in asked if "informed" in one.arguments)
    spent = sum({one.fit: one.parameters or 0 for one in reversed(asked) if one.fit}.values())
    assert own > 4
    assert fits * 31 + own * 496 <= spent <= fits * (31 + 496)
    b = np.array([whole.estimate(f"given.{name}").value for name in names])
    X = np.column_stack([data[name] for name in names])
    at = whole.estimate("given.Intercept").value
    assert broken(X, data["d"], at, b, 0.001, mixing, "binomial") < TIGHT


def test_a_hundred_penalties_and_four_folds_pass_the_gate(tmp_path: Path) -> None:
    """Of 500 fits four informations are opened; all of them would be 22,000 numbers of 532 people's 8 columns."""
    text = study("pima", line("binomial", "lasso", "values: 100, folds: 4"))
    run = house(tmp_path, text, hospitals("pima")).run()
    assert run.stopped == {}
    result, (X, y) = run.results["a"], pooled("binomial")
    names = FORMULAS["binomial"].partition(" ~ ")[2].split(" + ")
    b = np.array([result.estimate(f"least.{name}").value for name in names])
    b0, penalty = (result.estimate(f"least.{name}").value for name in ("Intercept", "penalty"))
    assert broken(X, y, b0, b, penalty, 1.0, "binomial") < TIGHT


@pytest.mark.parametrize("alike", [0.9, 0.999, 0.999999])
def test_columns_that_are_nearly_one_are_told_apart(alike: float) -> None:
    """Coordinate descent creeps there; what it has selected on the way is not taken for the solution."""
    random = np.random.default_rng(5)
    shared = random.normal(size=(400, 1))
    X = np.sqrt(alike) * shared + np.sqrt(1 - alike) * random.normal(size=(400, 8))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = X[:, 0] - X[:, 3] + 0.1 * random.normal(size=400)
    gram, cross = X.T @ X / 400, X.T @ (y - y.mean()) / 400
    top = np.abs(cross).max()
    for penalty in top * np.array([0.9, 0.1, 1e-2, 1e-3, 1e-4]):
        b = minimise(gram, cross, np.full(8, penalty), np.zeros(8), np.zeros(8))
        pull = cross - gram @ b
        wrong = np.where(b != 0, np.abs(pull - penalty * np.sign(b)), np.maximum(np.abs(pull) - penalty, 0))
        assert wrong.max() < 1e-9 * top


# What the gate does not let out.

VARIABLES = "\n".join(
    [number("x", -10, 10), number("z", -10, 10), number("y", -100, 1000), category("g", ("a", "b")), boolean("d")]
)
FIT = "  a: {method: penalised, cohort: all, family: %s, formula: '%s ~ x + z + C(g)', values: 4, %s}\n"


def drawn(few: int = 120) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    x, z = np.clip(random.normal(size=(2, 480)), -3, 3)
    g = np.zeros(480)
    g[random.permutation(480)[:few]] = 1.0
    d = (random.random(480) < 1 / (1 + np.exp(-x))).astype(float)
    return {"x": x, "z": z, "y": np.clip(50 + 9 * x + 5 * random.normal(size=480), 0, 100), "g": g, "d": d}


def answer(folder: Path, family: str, more: str, data: Mapping[str, np.ndarray], minimum: int = 5) -> Run:
    outcome = {"gaussian": "y", "binomial": "d"}[family]
    text = HEAD % (minimum, VARIABLES, FIT % (family, outcome, more))
    return house(folder, text, divide(data, np.arange(480) % 4)).run()


def withheld(run: Ended) -> bool:
    codes = {one.code for one in run.stopped["a"].findings}
    return run.results == {} and codes <= {"answer_withheld", "withheld_fit"}


@pytest.mark.parametrize("family", FORMULAS)
def test_a_level_that_few_of_a_fold_have_stays(tmp_path: Path, family: str) -> None:
    """Attack: everyone's sums less the training people's are the fold's, in which thirty of 120 have the level."""
    data = drawn()
    assert answer(tmp_path / "ordinary", family, "folds: 4", data).stopped == {}
    assert answer(tmp_path / "whole", family, "folds: 0, penalty: 0.1", data, minimum=35).stopped == {}
    assert withheld(answer(tmp_path / "folds", family, "folds: 4", data, minimum=35))


def test_a_value_that_is_nearly_a_folds_whole_sum_stays(tmp_path: Path) -> None:
    """Attack: four of a hospital's people have nearly all of its outcomes, and one of them all that a fold has."""
    data = drawn()
    here = np.flatnonzero(np.arange(480) % 4 == 2)
    data["y"][here] = np.where(np.arange(120) % 2, 5.0, 0.05)
    ordinary = answer(tmp_path / "ordinary", "gaussian", "folds: 4", data)
    assert ordinary.stopped == {}
    data["y"][here] = 0.05
    data["y"][here[:4]] = 60.0
    assert answer(tmp_path / "whole", "gaussian", "folds: 0, penalty: 0.1", data).stopped == {}
    assert withheld(answer(tmp_path / "folds", "gaussian", "folds: 4", data))


def test_a_path_of_more_numbers_than_data_stays(tmp_path: Path) -> None:
    """Attack: scores at many penalties are as many equations in people's rows; each fit's count."""
    wide = FIT.replace("values: 4", "values: 200")
    text = HEAD % (5, VARIABLES, wide % ("binomial", "d", "folds: 4"))
    run = house(tmp_path, text, divide(drawn(), np.arange(480) % 4)).run()
    assert withheld(run)


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ('formula: "d ~ x", family: gaussian', {"penalised_formula"}),
        ('formula: "y ~ x", family: binomial', {"penalised_formula"}),
        ('formula: "y ~ x - 1", family: gaussian', {"penalised_formula"}),
        ('formula: "y ~ x", family: gaussian, folds: 2', {"penalised_folds"}),
        ('formula: "y ~ x", family: gaussian, folds: 0', {"penalised_folds"}),
        ('formula: "y ~ x", family: binomial, folds: 0', {"penalised_formula", "penalised_folds"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, codes: set[str]) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(HEAD % (5, VARIABLES, f"  a: {{method: penalised, cohort: all, {more}}}\n")))
    assert {one.code for one in caught.value.findings} == codes
