"""Validation of models of imputed data against the same draws on pooled rows, by scikit-learn and statsmodels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from gagyo.errors import FileFault
from gagyo.federation import rows as federation
from gagyo.federation.in_memory import converse
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Interval, Result
from tests.contract.data import NUMBERS, columns, divide, study
from tests.contract.ended import drawn, rehearsed
from tests.contract.imputation_pooled import Asked, People, completed, logit, told
from tests.contract.test_imputation_references import everyone, line
from tests.hospitals import Rows, house
from tests.mutations import ROOT

NUMBER = Asked(
    "diabetic",
    ["glu", "bmi", "age"],
    ["bmi"],
    NUMBERS["pima"],
    logistic=True,
    times=5,
    sweeps=2,
    own=False,
    prediction=True,
)
CASES = {
    "a number": replace(NUMBER, auxiliary=["skin"]),
    "a number and yes or no": replace(NUMBER, predictors=["glu", "bmi", "heavy"], impute=["bmi", "heavy"], seed=3),
    "a category": replace(
        NUMBER, predictors=["glu", "ped", "ageband"], impute=["ageband"], levels={"ageband": 3}, sweeps=1
    ),
}
VALIDATION = "  v: {method: validate, cohort: all, model: a, folds: 0, leave_out: site}\n"


def text(asked: Asked) -> str:
    """The study of an analysis and its validation."""
    model = line(asked).replace("method: imputation", "method: imputation, purpose: prediction")
    whole = study("pima", model + VALIDATION, 10)
    return whole.replace(
        "cohorts:\n", "  heavy: {type: boolean, label: {en: Heavy, ko: 과체중, zh: 超重}}\ncohorts:\n", 1
    )


@cache
def people() -> dict[str, Rows]:
    """Real women with values deleted at random; those of unlike age are at unlike hospitals."""
    found = {key: column.copy() for key, column in columns("pima").items()}
    random = np.random.default_rng(5)
    found["heavy"] = (found["ped"] + 0.3 * random.normal(size=len(found["ped"])) > 0.55).astype(float)
    # Many lack one and many both, and so divided that those with the outcome, of those who lack the one also with the
    # other or without, are a group at any three hospitals.
    found["heavy"][random.random(len(found["ped"])) < 0.4] = np.nan
    found["bmi"][random.random(len(found["ped"])) < 0.4] = np.nan
    found["ageband"][np.random.default_rng(6).random(len(found["ped"])) < 0.3] = np.nan
    older = np.searchsorted(np.quantile(found["age"], [0.3, 0.6]), found["age"])
    where = np.where(random.random(len(older)) < 0.6, random.integers(0, 4, len(older)), older)
    return divide({key: column for key, column in found.items() if key != "hospital"}, where)


# The same on pooled rows.


def designs(asked: Asked, all_people: People, among: np.ndarray) -> list[np.ndarray]:
    """The design of everyone in each data set, imputed by models of those among."""
    done = (completed(asked, all_people, chain, among) for chain in range(asked.times))
    return [
        np.column_stack([np.ones(len(among)), *(told(asked, one, name) for name in asked.predictors)]) for one in done
    ]


def predictors(asked: Asked, all_people: People, among: np.ndarray) -> list[np.ndarray]:
    """Linear predictors in each data set by the equation that is pooled over the fits of those among."""
    found, y = designs(asked, all_people, among), all_people.columns[asked.outcome]
    beta = np.mean([logit(one[among], y[among])[0] for one in found], axis=0)
    return [np.round(one @ beta, 10) for one in found]


def rubin(values: Any, variances: Any) -> tuple[float, float, float]:
    """Rubin's rules as in his book: the mean with limits by Student's t."""
    m, mean, within = len(values), float(np.mean(values)), float(np.mean(variances))
    between = (1 + 1 / m) * float(np.var(values, ddof=1))
    freedom = (m - 1) * (1 + within / between) ** 2 if between else np.inf
    reach = float(stats.t.ppf(0.975, freedom)) * np.sqrt(within + between)
    return mean, mean - reach, mean + reach


def placements(lp: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each person the share of the other class on the right side."""
    cases, controls = lp[y == 1], lp[y == 0]
    ahead = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    out = np.empty(len(y))
    out[y == 1], out[y == 0] = ahead.mean(axis=1), ahead.mean(axis=0)
    return out


def of_hospital(lps: list[np.ndarray], y: np.ndarray) -> dict[str, Any]:
    """The pooled measures of one hospital from its data sets' linear predictors."""
    parts: dict[str, list[tuple[float, float]]] = {name: [] for name in ("auc", "oe", "slope", "citl", "log_loss")}
    for lp in lps:
        area, placed, p = roc_auc_score(y, lp), placements(lp, y), special.expit(lp)
        delong = placed[y == 1].var(ddof=1) / (y == 1).sum() + placed[y == 0].var(ddof=1) / (y == 0).sum()
        line, large = calibration(lp, y)
        loss = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        parts["auc"].append((special.logit(area), delong / (area * (1 - area)) ** 2))
        parts["oe"].append((np.log(y.sum() / p.sum()), (1 - y.mean()) / y.sum()))
        parts["slope"].append(line)
        parts["citl"].append(large)
        parts["log_loss"].append((loss.mean(), loss.var(ddof=1) / len(y)))
    told: dict[str, Any] = {name: rubin(*np.array(pairs).T) for name, pairs in parts.items()}
    told["auc"], told["oe"] = special.expit(told["auc"]), np.exp(told["oe"])
    told["brier"] = np.mean([brier_score_loss(y, special.expit(lp)) for lp in lps])
    return told


def calibration(lp: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Slope and calibration-in-the-large with their variances."""
    line = sm.Logit(y, sm.add_constant(lp)).fit(disp=0, method="newton", tol=1e-14)
    large = sm.GLM(y, np.ones(len(y)), sm.families.Binomial(), offset=lp).fit(tol=1e-14)
    return (line.params[1], line.cov_params()[1, 1]), (large.params[0], large.cov_params()[0, 0])


def over_all(lps: list[np.ndarray], y: np.ndarray, where: np.ndarray) -> dict[str, Any]:
    """The pooled measures over all hospitals; people are compared within hospitals."""
    parts: dict[str, list[tuple[float, float]]] = {name: [] for name in ("auc", "oe", "slope", "citl")}
    for lp in lps:
        pairs = concordant = squares = 0.0
        for site in set(where):
            here = where == site
            placed, cases, controls = placements(lp[here], y[here]), (y[here] == 1).sum(), (y[here] == 0).sum()
            area = placed[y[here] == 1].mean()
            pairs, concordant = pairs + cases * controls, concordant + area * cases * controls
            squares += float((((placed - area) * np.where(y[here] == 1, controls, cases)) ** 2).sum())
        area = concordant / pairs
        line, large = calibration(lp, y)
        parts["auc"].append((special.logit(area), squares / pairs**2 / (area * (1 - area)) ** 2))
        parts["oe"].append((np.log(y.sum() / special.expit(lp).sum()), (1 - y.mean()) / y.sum()))
        parts["slope"].append(line)
        parts["citl"].append(large)
    told: dict[str, Any] = {name: rubin(*np.array(pairs).T) for name, pairs in parts.items()}
    told["auc"], told["oe"] = special.expit(told["auc"]), np.exp(told["oe"])
    told["brier"] = np.mean([brier_score_loss(y, special.expit(lp)) for lp in lps])
    told["log_loss"] = np.mean([log_loss(y, special.expit(lp)) for lp in lps])
    return told


# The comparison.


def cells(result: Result, table: str, at: int) -> dict[str, Any]:
    found = result.table(table)
    named = dict(zip([column.name for column in found.columns], found.rows[at], strict=True))
    return {key: (one.value, one.lower, one.upper) if isinstance(one, Interval) else one for key, one in named.items()}


def close(found: Mapping[str, Any], wanted: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """At 1e-8 relative; near 0, where limits cancel, in units of the interval."""
    for name, at in names.items():
        got, want = np.atleast_1d(found[at]), np.atleast_1d(wanted[name])
        scale = np.abs(want[0]) if len(want) == 1 else max(np.abs(want[0]), want[-1] - want[0])
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8 * scale, err_msg=name)


OWN = {name: name for name in ("auc", "oe", "slope", "citl", "log_loss", "brier")}
JOINT = {**{name: name for name in ("oe", "slope", "citl", "brier", "log_loss")}, "auc": "auc_within"}
APART = {name: name for name in ("auc", "oe", "slope")}


def check_equal(
    result: Result, asked: Asked, there: Mapping[str, Rows], secrets: Mapping[str, bytes] | None = None
) -> None:
    whole = everyone(there, secrets)
    y, all_of_them = whole.columns[asked.outcome], np.ones(len(whole.persons), bool)
    lps = predictors(asked, whole, all_of_them)
    close(cells(result, "performance", 0), over_all(lps, y, whole.sites), JOINT)
    for at, site in enumerate(there):
        here = whole.sites == site
        close(cells(result, "by_hospital", at), of_hospital([lp[here] for lp in lps], y[here]), OWN)
        others = predictors(replace(asked, walk=f"without {site}"), whole, ~here)
        close(cells(result, "external", at), of_hospital([lp[here] for lp in others], y[here]), APART)


@pytest.mark.parametrize("name", CASES)
def test_performance_is_that_of_the_same_draws_on_pooled_rows(tmp_path: Path, name: str) -> None:
    """Over all hospitals, at each, and at each by imputation models, draws and equation of the others."""
    going, secrets = drawn(tmp_path, text(CASES[name]), people(), doors=name == "a category")
    assert going.stopped == {}
    check_equal(going.results["v"], CASES[name], people(), secrets)


@settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), shares=st.lists(st.floats(0.2, 1), min_size=4, max_size=4))
def test_however_people_are_divided_it_is_the_same_as_on_pooled_rows(seed: int, shares: list[float]) -> None:
    asked = replace(CASES["a number"], times=3, sweeps=1)
    whole = everyone(people())
    random = np.random.default_rng(seed)
    where = np.searchsorted(np.cumsum(shares)[:3] / np.sum(shares), random.random(len(whole.persons)))
    there = divide(dict(whole.columns), where)
    check_equal(rehearsed(text(asked), there)["v"], asked, there)


GIVEN = {"Intercept": -9.0, "glu": 0.035, "bmi": 0.07, "age": 0.04}


def given_equation(coefficients: Mapping[str, float]) -> str:
    """The study of an equation of other people, on data that an analysis imputes."""
    told = ", ".join(f"{name}: {value}" for name, value in coefficients.items())
    equation = f'equation: {{outcome: diabetic, formula: "diabetic ~ glu + bmi + age", coefficients: {{{told}}}}}'
    return text(CASES["a number"]).replace("model: a, folds: 0, leave_out: site", f"imputation: a, {equation}")


def test_a_given_equation_is_validated_on_the_same_data_sets(tmp_path: Path) -> None:
    asked, there = CASES["a number"], people()
    going, secrets = drawn(tmp_path, given_equation(GIVEN), there)
    assert going.stopped == {}
    result, whole = going.results["v"], everyone(there, secrets)
    y, all_of_them = whole.columns[asked.outcome], np.ones(len(whole.persons), bool)
    lps = [np.round(one @ np.array(list(GIVEN.values())), 10) for one in designs(asked, whole, all_of_them)]
    close(cells(result, "performance", 0), over_all(lps, y, whole.sites), JOINT)
    for at, site in enumerate(there):
        here = whole.sites == site
        wanted = of_hospital([lp[here] for lp in lps], y[here])
        close(cells(result, "by_hospital", at), wanted, OWN)
        close(cells(result, "external", at), wanted, APART)
    assert [one.name for one in result.estimates] == ["auc_external", "oe_external", "slope_external"]


def test_the_validation_of_the_how_to_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "impute-missing-values.md").read_text(encoding="utf-8")
    whole, _, part, more, last = (one.partition("```")[0] for one in page.split("```yaml\n")[1:6])
    data = columns("pima_missing")
    there = divide({key: column for key, column in data.items() if key != "hospital"}, data["hospital"])
    going = house(
        tmp_path, whole.partition("analyses:\n")[0] + part + more + last + "release: {minimum_people: 10}\n", there
    ).run()
    assert going.stopped == {}
    assert all(row[2] for row in going.results["internal"].table("thresholds").rows)
    for name in ("validation", "published"):
        assert all(isinstance(row[4], Interval) for row in going.results[name].table("external").rows[:4])


# What must not be seen.


def changed(there: Mapping[str, Rows], where: Mapping[str, Any]) -> dict[str, Rows]:
    """People with other columns at some hospitals: by hospital, a function of its columns."""
    out = {}
    for site, one in there.items():
        columns = {name: column.copy() for name, column in one.columns.items()}
        if site in where:
            where[site](columns)
        out[site] = Rows(columns, one.persons)
    return out


def test_outcomes_change_no_imputed_value() -> None:
    """Every outcome turned round: the equation is another, what was drawn and imputed is the same to the last bit."""

    def turned(columns: dict[str, np.ndarray]) -> None:
        columns["diabetic"] = 1 - columns["diabetic"]

    asked = CASES["a number and yes or no"]
    before, after = (
        rehearsed(text(asked), people())["a"],
        rehearsed(text(asked), changed(people(), dict.fromkeys(people(), turned)))["a"],
    )
    np.testing.assert_array_equal(before.kept.draws, after.kept.draws)
    assert before.table("missing") == after.table("missing")
    assert before.equation != after.equation


def test_the_model_of_the_others_has_nothing_of_the_hospital_left_out() -> None:
    """Its rows altered, all of them: what it is sent about the others is the same to the last bit."""

    def altered(columns: dict[str, np.ndarray]) -> None:
        columns["glu"] = 200 - columns["glu"]
        columns["bmi"] = columns["bmi"] + 3
        columns["diabetic"] = 1 - columns["diabetic"]

    asked = CASES["a number"]
    before, after = received(asked, people(), "busan"), received(asked, changed(people(), {"busan": altered}), "busan")
    assert set(before) == {"walk", "starts", "draws", "coefficients", "shut"}
    for name in ("starts", "draws", "coefficients"):
        found = before[name]
        assert found.size
        # Newton's steps start at all hospitals' fit, and end within 1e-8 standard errors of the others'.
        np.testing.assert_allclose(found, after[name], rtol=1e-9, atol=1e-12)


def received(asked: Asked, there: Mapping[str, Rows], site: str) -> dict[str, Any]:
    """What a hospital that is left out makes of the others' sums."""
    from gagyo.federation.ask import LeaveOut
    from gagyo.federation.in_memory import _ask

    parsed = Study.parse(text(asked))
    inside = {
        name: federation.Rows(name, parsed.variables, one.columns, one.persons, f"{parsed.study} {parsed.seed}")
        for name, one in there.items()
    }
    methods = Line(parsed).methods
    talk, answer = methods["v"].combine({"a": converse(methods["a"].combine({}), inside)}), None
    while not isinstance(question := talk.send(answer), LeaveOut):
        answer = _ask(question, inside)
    fit, answer = question.fit(site), None
    others = {name: rows for name, rows in inside.items() if name != site}
    while True:
        try:
            answer = _ask(fit.send(answer), others)
        except StopIteration as end:
            return dict(end.value)


# What a study may say.


@pytest.mark.parametrize(
    ("found", "instead", "codes"),
    [
        ("purpose: prediction, ", "", ["validate_imputed"]),
        ("hospitals: pooled", "hospitals: own", ["imputation_levels"]),
        ("folds: 0", "folds: 0, bootstrap: 50, repeats: 2", ["validate_imputed_design"]),
        ("model: logistic", "model: linear", ["validate_imputed"]),
        ("model: a", "model: a, imputation: a", ["option_imputation"]),
    ],
)
def test_what_does_not_fit_is_found_before_anything_runs(found: str, instead: str, codes: list[str]) -> None:
    said = text(CASES["a number"])
    assert found in said
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(said.replace(found, instead)))
    assert [one.code for one in fault.value.findings] == codes


@pytest.mark.parametrize(
    ("found", "instead", "codes"),
    [
        ("imputation: a", "imputation: v", ["option_analysis"]),
        ("age: 0.04", "skin: 0.04", ["option_equation"]),
        ('formula: "diabetic ~ glu + bmi + age", coef', 'formula: "diabetic ~ glu + bmi", coef', ["option_equation"]),
        ("purpose: prediction, ", "", ["validate_imputed"]),
        ("equation:", "repeats: 2, equation:", ["validate_imputed_design"]),
    ],
)
def test_what_does_not_fit_a_given_equation_is_found(found: str, instead: str, codes: list[str]) -> None:
    said = given_equation(GIVEN)
    assert found in said
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(said.replace(found, instead)))
    assert [one.code for one in fault.value.findings] == codes
