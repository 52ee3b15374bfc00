"""Robust errors of people and of clusters against sandwich, clubSandwich and statsmodels, and whose variance stays."""

from __future__ import annotations

import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from tests.contract.data import GOLDEN, HEAD, boolean, category, divide, hospitals, number, study
from tests.contract.ended import Ended, ended, rehearsed
from tests.contract.test_gee_references import numbers, pupils
from tests.contract.test_gee_references import text as pupils_study
from tests.contract.test_mixed_references import divided
from tests.hospitals import SITES, house

TIGHT = 1e-8


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/robust.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "robust.json").read_text())
    return found


def more(case: dict[str, Any]) -> str:
    return f", {case['more']}" if case["more"] else ""


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Ended]:
    """Every case of people, run once; a study asks for one power of leverages only."""
    out = {}
    for data, robust in product(("pima", "births"), ("HC2", "HC3")):
        lines = [
            f'  {name}: {{method: {case["method"]}, cohort: all, formula: "{case["formula"]}", '
            f"robust: {robust}{more(case)}}}\n"
            for name, case in golden()["cases"].items()
            if case["data"] == data
        ]
        folder = tmp_path_factory.mktemp(data + robust)
        out[data, robust] = ended(folder, study(data, "".join(lines)), hospitals(data))
    return out


def errors(result: Result) -> list[float | None]:
    return [one.standard_error for one in result.estimates]


@pytest.mark.parametrize("robust", ["HC2", "HC3"])
@pytest.mark.parametrize("name", golden()["cases"])
def test_errors_of_leverages_are_those_of_sandwich(fits: dict[tuple[str, str], Ended], name: str, robust: str) -> None:
    case = golden()["cases"][name]
    run = fits[case["data"], robust]
    assert run.stopped == {}
    np.testing.assert_allclose(errors(run.results[name]), case[robust], rtol=TIGHT)
    assert run.results[name].methods_text[-1].key == f"regression.errors_{robust}"


def clustered(case: dict[str, Any], robust: str) -> Result:
    """Without a gate: classes of twenty have too few of some kind for it."""
    by = ", cluster: class" if case["cluster"] == "class" else ""
    line = f'method: {case["method"]}, cohort: all, formula: "{case["formula"]}", robust: {robust}{by}{more(case)}'
    text = pupils_study("").replace("{method: gee, cohort: all, }", f"{{{line}}}")
    text = text.replace("count: {type: number, range: [0, 70]", "count: {type: number, range: [1, 70]")
    return rehearsed(text, divided(pupils(), SITES))["a"]


@pytest.mark.parametrize("robust", ["CR0", "CR1", "CR1S", "CR2"])
@pytest.mark.parametrize("name", golden()["grouped"])
def test_errors_of_clusters_are_those_of_clubsandwich(name: str, robust: str) -> None:
    case = golden()["grouped"][name]
    result = clustered(case, robust)
    np.testing.assert_allclose(errors(result), case[robust], rtol=TIGHT)
    freedom = [row[3] for row in result.table("coefficients").rows]
    wanted = case["freedom"] if robust == "CR2" else [case["clusters"] - 1.0] * len(freedom)
    np.testing.assert_allclose(freedom, wanted, rtol=1e-7)
    assert result.methods_text[-1].values["found"] == case["clusters"]
    few = case["clusters"] < 10 and robust != "CR2"
    assert [note.key for note in result.notes if "clusters" in note.key] == ["regression.few_clusters"] * few


@pytest.mark.parametrize("robust", ["CR1S", "CR2"])
def test_clusters_behind_real_doors_are_those_of_statsmodels(tmp_path: Path, robust: str) -> None:
    import statsmodels.api as sm

    line = f"  a: {{method: linear, cohort: all, formula: glu ~ bmi + skin, cluster: ageband, robust: {robust}}}\n"
    people = hospitals("pima")
    run = house(tmp_path, study("pima", line), people).run()
    assert run.stopped == {}
    result = run.results["a"]
    data = {name: np.concatenate([one.columns[name] for one in people.values()]) for name in ("glu", "bmi", "skin")}
    place = [100 * at + one.columns["ageband"] for at, one in enumerate(people.values())]
    X = sm.add_constant(np.column_stack([data["bmi"], data["skin"]]))
    model = sm.OLS(data["glu"], X).fit(cov_type="cluster", cov_kwds={"groups": np.concatenate(place)}, use_t=True)
    np.testing.assert_allclose([one.value for one in result.estimates], model.params, rtol=TIGHT)
    assert result.table("coefficients").columns[3].name == "freedom"
    if robust == "CR1S":
        np.testing.assert_allclose(errors(result), model.bse, rtol=TIGHT)
        np.testing.assert_allclose([one.p for one in result.estimates], model.pvalues, rtol=1e-7, atol=1e-12)
    else:
        assert all(np.array(errors(result)) > model.bse * 0.9)


def test_logistic_clusters_are_those_of_estimating_equations_with_independence() -> None:
    case = golden()["grouped"]["logistic_class"]
    equations = f'formula: "{case["formula"]}", family: binomial, cluster: class, correlation: independence'
    for robust, sandwich in (("CR0", "sandwich"), ("CR2", "CR2")):
        gee = rehearsed(pupils_study(f"{equations}, errors: {sandwich}"), divided(pupils(), SITES))["a"]
        np.testing.assert_allclose(numbers(clustered(case, robust)), numbers(gee), rtol=TIGHT)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("robust: HC3, cluster: ageband", "robust_cluster"),
        ("cluster: ageband", "robust_cluster"),
        ("robust: CR1, cluster: skin", "mixed_cluster"),
        ("robust: CR1, cluster: nowhere", "mixed_cluster"),
    ],
)
@pytest.mark.parametrize("method", ["linear", "logistic", "glm"])
def test_what_does_not_fit_together_is_said(method: str, line: str, code: str) -> None:
    family = ", family: binomial, link: probit" if method == "glm" else ""
    outcome = "bmi" if method == "linear" else "diabetic"
    text = study("pima", f"  a: {{method: {method}, cohort: all, formula: {outcome} ~ glu, {line}{family}}}\n")
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text))
    assert [one.code for one in fault.value.findings] == [code]


# What the gate does not let out.

VARIABLES = "\n".join(
    [number("x", -50, 50), number("y", -50, 50), number("z", -50, 50), category("g", ("a", "b", "c"))]
)
LINE = "  a: {method: linear, cohort: all, formula: %s, robust: %s%s}\n"


def ordinary(people: int = 480) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    x, z = (np.clip(random.normal(size=people), -4, 4) for _ in range(2))
    y = np.clip(x + random.normal(size=people), -9, 9)
    return {"x": x, "y": y, "z": z, "g": np.arange(people) // 4 % 3 * 1.0}


def answer(folder: Path, right: str, robust: str, data: dict[str, np.ndarray], by: str = "") -> Run:
    text = HEAD % (10, VARIABLES, LINE % (f"y ~ {right}", robust, by))
    return house(folder, text, divide(data, np.arange(len(data["x"])) % 4)).run()


def withheld(run: Ended) -> bool:
    return bool(run.stopped) and {one.code for one in run.stopped["a"].findings} <= {"answer_withheld", "withheld_fit"}


@pytest.mark.parametrize("robust", ["HC0", "HC1", "HC2", "HC3"])
def test_ordinary_people_pass(tmp_path: Path, robust: str) -> None:
    assert answer(tmp_path, "x + z", robust, ordinary()).stopped == {}


def test_a_person_who_alone_decides_on_a_coefficient_stays(tmp_path: Path) -> None:
    """Attack: x and z are all but the same column for everybody but one, whose leverage is near one: no column's sum of
    squares is this person's, but what the others' fit misses of this outcome is most of HC3's variance.
    """
    data = ordinary()
    data["z"] = data["x"] + 0.03 * data["z"]
    data["z"][7] = data["x"][7] + 1.5
    data["y"][7] += 3.0
    for robust in ("HC2", "HC3"):
        assert withheld(answer(tmp_path / robust, "x + z", robust, data))
    assert answer(tmp_path / "HC0", "x + z", "HC0", data).stopped == {}  # the fit has nearly no residual there
    data["z"][7] = data["x"][7] + 0.03
    assert answer(tmp_path / "without", "x + z", "HC3", data).stopped == {}


@pytest.mark.parametrize("robust", ["HC0", "HC2", "HC3"])
def test_a_person_who_is_most_of_a_hospitals_squared_scores_stays(tmp_path: Path, robust: str) -> None:
    """Far out in x and far off the line, though neither more than others together."""
    data = ordinary()
    data["x"][7], data["y"][7] = 8.0, 17.0
    assert answer(tmp_path / "none", "x + z", "none", data).stopped == {}
    assert withheld(answer(tmp_path / robust, "x + z", robust, data))


TWO = LINE % ("y ~ x + z", "HC3", "") + LINE.replace("  a:", "  b:") % ("y ~ z + x", "%s", "")


def test_one_study_does_not_ask_for_unlike_powers_of_leverages() -> None:
    """Attack: HC3 less HC0 weighs people by about twice their leverage, HC3 less twice HC2 and HC0 by its square."""
    for other, codes in (("HC0", ["robust_twice"]), ("HC2", ["robust_twice"]), ("HC3", []), ("CR1", [])):
        try:
            Line(Study.parse(HEAD % (10, VARIABLES, TWO % other)))
            found = []
        except FileFault as fault:
            found = [one.code for one in fault.findings]
        assert found == codes


@pytest.mark.parametrize(("method", "more"), [("logistic", ""), ("glm", ", family: binomial, link: probit")])
@pytest.mark.parametrize("cohort", ["all", "everyone"])
def test_nor_by_another_method_or_cohort(method: str, more: str, cohort: str) -> None:
    """Attack: nearly the same model by another link, or of two cohorts whose conditions select the same people."""
    lines = '  a: {method: logistic, cohort: all, formula: "ill ~ x + z", robust: HC3}\n'
    lines += f'  b: {{method: {method}, cohort: {cohort}, formula: "ill ~ x + z", robust: %s{more}}}\n'
    text = HEAD % (10, f"{VARIABLES}\n{boolean('ill')}", lines)
    text = text.replace("analyses:\n", '  everyone: {where: "x > -51"}\nanalyses:\n')
    Line(Study.parse(text % "HC3"))
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text % "HC0"))
    assert [one.code for one in fault.value.findings] == ["robust_twice"]


def test_a_difference_of_powers_is_soon_one_persons() -> None:
    """What that is for: of a person with ten times the others' leverage, which no rule on one sum notices."""
    random = np.random.default_rng(1)
    X = np.column_stack([np.ones(200), np.append(random.normal(size=199), 8.0)])
    e = random.normal(size=200)
    h = np.einsum("ij,ij->i", X @ np.linalg.inv(X.T @ X), X)
    parts = (X[:, 1] * e) ** 2 * np.subtract.outer(1 / (1 - h), [1.0]).ravel() ** 2  # HC3 less twice HC2 and HC0
    assert h[-1] < 0.5
    assert parts[-1] > 0.8 * parts.sum()


def test_a_cluster_of_few_people_stays(tmp_path: Path) -> None:
    data = ordinary()
    assert answer(tmp_path / "many", "x + z", "CR1", data, ", cluster: g").stopped == {}
    few = np.flatnonzero((data["g"] == 2) & (np.arange(480) % 4 == 1))
    data["g"][few[4:]] = 1.0  # four of one hospital are left, none of whom outweighs the others
    for name in ("x", "y", "z"):
        data[name][few[:4]] = [0.5, -0.6, 0.7, 0.8]
    assert withheld(answer(tmp_path / "few", "x + z", "CR1", data, ", cluster: g"))


def test_a_person_who_is_most_of_a_clusters_sum_stays(tmp_path: Path) -> None:
    data = ordinary()
    inside = np.flatnonzero((data["g"] == 2) & (np.arange(480) % 4 == 1))
    data["z"][inside], data["z"][inside[:2]] = 0.001, [1.0, 0.9]  # no more than others of the hospital
    assert withheld(answer(tmp_path, "x + z", "CR0", data, ", cluster: g"))
