"""Thresholds, subgroups and folds of imputed data against the same draws on pooled rows, by numpy and scikit-learn."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, roc_auc_score

from gagyo.errors import FileFault
from gagyo.federation.in_memory import _ask, converse
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.methods._validation import filled, imputed_folds
from gagyo.protocol.study import Study
from gagyo.result import Interval, Result, Withheld
from tests.contract.data import divide
from tests.contract.ended import drawn, rehearsed, secrets_of
from tests.contract.imputation_pooled import Asked, People
from tests.contract.test_foreseen_references import (
    CASES,
    GIVEN,
    JOINT,
    VALIDATION,
    calibration,
    cells,
    changed,
    close,
    designs,
    given_equation,
    over_all,
    people,
    placements,
    predictors,
    received,
    rubin,
    text,
)
from tests.contract.test_imputation_references import everyone
from tests.hospitals import Rows, house
from tests.told import untold

THRESHOLDS = (0.2, 0.35, 0.5)
DECISION = (0.1, 0.2, 0.3, 0.4, 0.6)
CUTS = (30.0,)
DESIGN = (
    f"threshold: [{', '.join(f'{{value: {one}}}' for one in THRESHOLDS)}], decision: {list(DECISION)}, "
    f"subgroups: [{{variable: age, cuts: {list(CUTS)}}}]"
)
FOLDS = 4


def asking(asked: Asked, folds: int, design: str = DESIGN) -> str:
    """The study of an analysis and a validation of such designs."""
    return text(asked).replace(
        VALIDATION, f"  v: {{method: validate, cohort: all, model: a, folds: {folds}, {design}}}\n"
    )


# The same on pooled rows.


def dealt(asked: Asked, whole: People, number: int) -> np.ndarray:
    """Everyone's fold, as the documentation says: at each hospital, ranks of keyed hashes within outcome and lack."""
    fold, mask = np.empty(len(whole.persons), np.int64), 2**64 - 1
    strata = whole.columns[asked.outcome].copy()
    for at, name in enumerate(asked.impute, start=1):
        strata += 2.0**at * ~np.isnan(whole.columns[name])
    for site in dict.fromkeys(whole.sites):
        key, here = f"gagyo people {asked.study} {site}".encode(), np.flatnonzero(whole.sites == site)
        ranks = []
        for i in here:
            raw = hmac.digest(key, whole.persons[i] + bytes(4), "sha256")[:8]
            z = (int.from_bytes(raw, "big") + 0x9E3779B97F4A7C15 * 1_000_001) & mask
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            ranks.append((strata[i], z ^ (z >> 31)))
        start = int(hashlib.sha256(f"{asked.study} {site}".encode()).hexdigest()[:8], 16)
        for place, at in enumerate(sorted(range(len(here)), key=ranks.__getitem__)):
            fold[here[at]] = (place + start) % number
    return fold


def out_of_fold(asked: Asked, whole: People, fold: np.ndarray) -> list[np.ndarray]:
    """Linear predictors in each data set, of every person by what the people outside its fold made."""
    found, number = np.empty((asked.times, len(fold))), int(fold.max()) + 1
    for one in range(number):
        outside = f"outside fold {one} of {number}"
        drawn = replace(asked, drawn=f"{asked.study} {outside}", walk=outside)
        found[:, fold == one] = np.array(predictors(drawn, whole, fold != one))[:, fold == one]
    return list(found)


def crossed(lps: list[np.ndarray], y: np.ndarray, where: np.ndarray, fold: np.ndarray) -> dict[str, Any]:
    """As `over_all`, of scores that are compared within hospital and fold alone."""
    told, areas = over_all(lps, y, where), []
    for lp in lps:
        pairs = concordant = squares = 0.0
        for site in set(where):
            right, others = np.zeros(len(y)), np.zeros(len(y))
            for one in set(fold):
                here = (where == site) & (fold == one)
                cases, controls = (y[here] == 1).sum(), (y[here] == 0).sum()
                others[here] = np.where(y[here] == 1, controls, cases)
                right[here] = placements(lp[here], y[here]) * others[here] if cases and controls else 0.0
            seen = (where == site) & (y == 1)
            own, all_own = right[seen].sum(), others[seen].sum()
            concordant, pairs = concordant + own, pairs + all_own
            squares += float(((right - own / all_own * others)[where == site] ** 2).sum())
        area = concordant / pairs
        areas.append((special.logit(area), squares / pairs**2 / (area * (1 - area)) ** 2))
    return told | {"auc": special.expit(rubin(*np.array(areas).T))}


def at_threshold(lps: list[np.ndarray], y: np.ndarray, threshold: float) -> dict[str, Any]:
    """Accuracy by tables of every data set; shares on the logit, ratios on the logarithmic scale."""
    parts: dict[str, list[tuple[float, float]]] = {}
    for lp in lps:
        (tn, fp), (fn, tp) = confusion_matrix(y == 1, special.expit(lp) >= threshold).astype(float)
        for name, a, b in (("sensitivity", tp, fn), ("specificity", tn, fp), ("ppv", tp, fp), ("npv", tn, fn)):
            parts.setdefault(name, []).append((special.logit(a / (a + b)), 1 / a + 1 / b))
        cases, controls = tp + fn, tn + fp
        for name, a, b in (("lr_positive", tp, fp), ("lr_negative", fn, tn)):
            value = np.log(a / cases) - np.log(b / controls)
            parts.setdefault(name, []).append((value, 1 / a - 1 / cases + 1 / b - 1 / controls))
    back = {name: np.exp if name.startswith("lr") else special.expit for name in parts}
    return {name: back[name](rubin(*np.array(pairs).T)) for name, pairs in parts.items()}


def net_benefit(lps: list[np.ndarray], y: np.ndarray, threshold: float) -> tuple[float, float, float]:
    """A mean over people of 1, minus the odds, or 0, with its variance."""
    each = [
        np.where(special.expit(lp) >= threshold, np.where(y == 1, 1.0, -threshold / (1 - threshold)), 0.0) for lp in lps
    ]
    return rubin([one.mean() for one in each], [one.var() / len(y) for one in each])


def of_group(
    lps: list[np.ndarray], y: np.ndarray, where: np.ndarray, fold: np.ndarray, group: np.ndarray
) -> dict[str, Any]:
    some = [lp[group] for lp in lps]
    told = crossed(some, y[group], where[group], fold[group])
    return {"people": group.sum(), "cases": y[group].sum(), "auc": told["auc"], "oe": told["oe"]}


GROUP = {"people": "people", "cases": "cases", "auc": "auc_within", "oe": "oe"}


def check_designs(
    result: Result, whole: People, y: np.ndarray, lps: list[np.ndarray], fold: np.ndarray, opened: bool = False
) -> None:
    """Thresholds, decision curve and subgroups; opened: whether none may be withheld."""
    told = 0
    for at, threshold in enumerate(THRESHOLDS):
        found = cells(result, "thresholds", at)
        if isinstance(found["sensitivity"], tuple):
            wanted, told = at_threshold(lps, y, threshold), told + 1
            close(found, wanted, {name: name for name in wanted})
    assert told == len(THRESHOLDS) if opened else told
    curve = next(one for one in result.curves if one.name == "decision").series[0]
    assert set(curve.x) <= set(DECISION)
    for at, threshold in enumerate(curve.x):
        found = {"net": (curve.y[at], curve.lower[at], curve.upper[at])}
        close(found, {"net": net_benefit(lps, y, threshold)}, {"net": "net"})
    group = np.searchsorted(CUTS, whole.columns["age"], side="right")
    withheld = isinstance(cells(result, "subgroups", 0)["people"], Withheld)
    assert not (opened and withheld)
    groups = [cells(result, "subgroups", at) for at in range(0 if withheld else len(CUTS) + 1)]
    # A hospital with too few of a group keeps out of it; divided anyhow, there may be one.
    covered = [at for at, found in enumerate(groups) if not opened or found["people"] == (group == at).sum()]
    assert covered or withheld
    for at in covered:
        close(groups[at], of_group(lps, y, whole.sites, fold, group == at), GROUP)


def test_behind_doors_folds_are_the_same_and_hospitals_send_what_the_plan_tells(tmp_path: Path) -> None:
    asked, there = CASES["a number"], people()
    built = house(tmp_path, asking(asked, FOLDS), there)
    going = built.run()
    assert going.stopped == {}
    check_folds(going.results["v"], asked, everyone(there, secrets_of(built)), FOLDS)
    for site in built.sites:
        assert untold(built.plan, tmp_path / site / "ledger.jsonl") == []


# The comparison.


@pytest.mark.parametrize("name", ["a number", "a number and yes or no", "a category"])
def test_designs_without_folds_are_those_of_the_same_draws_on_pooled_rows(tmp_path: Path, name: str) -> None:
    asked, there = CASES[name], people()
    going, secrets = drawn(tmp_path, asking(asked, 0), there)
    assert going.stopped == {}
    whole = everyone(there, secrets)
    nobody = np.zeros(len(whole.persons), int)
    lps = predictors(asked, whole, nobody == 0)
    check_designs(going.results["v"], whole, whole.columns[asked.outcome], lps, nobody)


def test_designs_of_a_given_equation_are_those_of_pooled_rows(tmp_path: Path) -> None:
    asked, there = CASES["a number"], people()
    said = given_equation(GIVEN)
    assert "equation: {" in said
    going, secrets = drawn(tmp_path, said.replace("equation: {", f"{DESIGN}, equation: {{"), there)
    assert going.stopped == {}
    whole = everyone(there, secrets)
    nobody = np.zeros(len(whole.persons), int)
    lps = [np.round(one @ np.array(list(GIVEN.values())), 10) for one in designs(asked, whole, nobody == 0)]
    check_designs(going.results["v"], whole, whole.columns[asked.outcome], lps, nobody)


@pytest.mark.parametrize("name", ["a number", "a number and yes or no"])
def test_folds_are_those_of_the_same_draws_on_pooled_rows(tmp_path: Path, name: str) -> None:
    """Imputation models, draws and equation of each fold's training people; its people's scores by them."""
    asked, there = CASES[name], people()
    going, secrets = drawn(tmp_path, asking(asked, FOLDS), there)
    assert going.stopped == {}
    check_folds(going.results["v"], asked, everyone(there, secrets), FOLDS)


def check_folds(result: Result, asked: Asked, whole: People, number: int, opened: bool = False) -> None:
    y, fold = whole.columns[asked.outcome], dealt(asked, whole, number)
    lps = out_of_fold(asked, whole, fold)
    close(cells(result, "performance", 1), crossed(lps, y, whole.sites, fold), JOINT)
    check_designs(result, whole, y, lps, fold, opened)
    told = {one.name: one for one in result.estimates}
    assert told["auc_cross_validated"].value == cells(result, "performance", 1)["auc_within"][0]


@settings(max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), shares=st.lists(st.floats(0.2, 1), min_size=4, max_size=4))
def test_however_people_are_divided_folds_are_the_same_as_on_pooled_rows(seed: int, shares: list[float]) -> None:
    asked = replace(CASES["a number"], times=3, sweeps=1)
    whole = everyone(people())
    random = np.random.default_rng(seed)
    where = np.searchsorted(np.cumsum(shares)[:3] / np.sum(shares), random.random(len(whole.persons)))
    there = divide(dict(whole.columns), where)
    check_folds(rehearsed(asking(asked, 3), there)["v"], asked, everyone(there), 3, opened=True)


def inside(parsed: Study, there: Mapping[str, Rows]) -> dict[str, Inside]:
    return {
        name: Inside(name, parsed.variables, one.columns, one.persons, f"{parsed.study} {parsed.seed}")
        for name, one in there.items()
    }


def test_without_missing_values_it_is_cross_validation_as_of_complete_data() -> None:
    """Where nobody lacks anything all data sets are one: scikit-learn's area within hospitals and folds, by pairs."""
    asked = replace(CASES["a number"], auxiliary=[], times=2, sweeps=1)
    there = {}
    for site, one in people().items():
        keep = ~np.isnan(one.columns["bmi"])
        persons = [person for person, here in zip(one.persons, keep, strict=True) if here]
        there[site] = Rows({key: column[keep] for key, column in one.columns.items()}, persons)
    whole = everyone(there)
    fold, y = dealt(asked, whole, 3), whole.columns["diabetic"]
    lp = out_of_fold(asked, whole, fold)[0]
    pairs, area = 0.0, 0.0
    for site in set(whole.sites):
        for one in range(3):
            here = (whole.sites == site) & (fold == one)
            number = float((y[here] == 1).sum() * (y[here] == 0).sum())
            pairs, area = pairs + number, area + number * roc_auc_score(y[here], lp[here])
    result = rehearsed(asking(asked, 3), there)["v"]
    row = cells(result, "performance", 1)
    np.testing.assert_allclose(row["auc_within"][0], area / pairs, rtol=1e-10)
    np.testing.assert_allclose(row["brier"], brier_score_loss(y, special.expit(lp)), rtol=1e-10)
    np.testing.assert_allclose(row["log_loss"], log_loss(y, special.expit(lp)), rtol=1e-10)
    np.testing.assert_allclose(row["slope"][0], calibration(lp, y)[0][0], rtol=1e-8)


# What must not be seen.


def equations(asked: Asked, there: Mapping[str, Rows]) -> dict[str, Any]:
    """What is drawn and fitted for each of three folds."""
    parsed = Study.parse(asking(asked, 3))
    hospitals = inside(parsed, there)
    chained = converse(Line(parsed).methods["a"].combine({}), hospitals).kept
    talk, answer = imputed_folds.fold_equations(chained, 3), None
    while True:
        try:
            answer = _ask(talk.send(answer), hospitals)
        except StopIteration as end:
            return dict(end.value)


def test_what_scores_a_fold_has_nothing_of_its_people() -> None:
    """Their predictors altered, all of them: imputation models, draws and equation of the others are the same."""
    asked, there = CASES["a number"], people()
    whole = everyone(there)
    held = dealt(asked, whole, 3) == 0
    sites = {site: held[whole.sites == site] for site in there}

    def altered(site: str) -> Any:
        def change(columns: dict[str, np.ndarray]) -> None:
            columns["glu"] = np.where(sites[site], 200 - columns["glu"], columns["glu"])
            columns["bmi"] = np.where(sites[site], columns["bmi"] + 3, columns["bmi"])

        return change

    before, after = equations(asked, there), equations(asked, changed(there, {site: altered(site) for site in there}))
    for name in ("starts", "draws", "coefficients"):
        np.testing.assert_allclose(before[name][0], after[name][0], rtol=1e-9, atol=1e-12)
        assert not np.allclose(before[name][1], after[name][1])


def test_no_outcome_tells_what_is_imputed_for_a_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every outcome turned round, with folds that are not balanced by it: what is drawn is the same to the last bit."""

    def turned(columns: dict[str, np.ndarray]) -> None:
        columns["diabetic"] = 1 - columns["diabetic"]

    monkeypatch.setattr(filled, "outcome", lambda rows, spec: np.zeros(rows.n))
    asked, there = CASES["a number and yes or no"], people()
    before, after = equations(asked, there), equations(asked, changed(there, dict.fromkeys(there, turned)))
    np.testing.assert_array_equal(before["draws"], after["draws"])
    assert not np.allclose(before["coefficients"], after["coefficients"])


@pytest.mark.parametrize("walk", ["a fold", "a hospital that is left out"])
def test_people_are_given_other_numbers_by_other_models(monkeypatch: pytest.MonkeyPatch, walk: str) -> None:
    """By the same number a yes/no is another answer of one or two people alone: sums of two walks would be theirs."""
    asked, there, named = CASES["a number and yes or no"], people(), list[set[str]]()
    uniforms = Inside.uniforms

    def noting(rows: Inside, label: str) -> np.ndarray:
        named[-1].add(label)
        return uniforms(rows, label)

    monkeypatch.setattr(Inside, "uniforms", noting)
    named.append(set())
    hospitals = inside(Study.parse(asking(asked, 3)), there)
    converse(Line(Study.parse(asking(asked, 3))).methods["a"].combine({}), hospitals)
    named.append(set())
    if walk == "a fold":
        equations(asked, there)
    else:
        received(asked, there, "seoul")
    whole, again = named
    more = again - whole
    assert whole
    # What is made again is everyone's, and of another walk nothing is.
    assert len(more) >= len(whole)
    assert again == whole | more


# What a study may say.


@pytest.mark.parametrize(
    ("design", "code"),
    [
        ("repeats: 3", "validate_imputed_design"),
        ("bootstrap: 50", "validate_imputed_design"),
        ("nonlinearity: true", "validate_imputed_design"),
        ("threshold: {sensitivity: 0.9}", "validate_imputed_design"),
        ("subgroups: [{variable: bmi, cuts: [30]}]", "validate_imputed_group"),
        ("subgroups: [age]", "option_cuts"),
        ("subgroups: [nothing]", "unknown_variable"),
    ],
)
def test_designs_that_do_not_fit_are_found_before_anything_runs(design: str, code: str) -> None:
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(asking(CASES["a number"], 5, design)))
    assert [one.code for one in fault.value.findings] == [code]


def test_thresholds_of_the_same_people_stand_in_one_validation() -> None:
    said = asking(CASES["a number"], 0, "threshold: {value: 0.2}")
    more = "  w: {method: validate, cohort: all, model: a, folds: 0, decision: [0.21]}\n"
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(said.replace("  v: {", more + "  v: {")))
    assert [one.code for one in fault.value.findings] == ["validate_imputed_thresholds"]
    Line(Study.parse(said.replace("  v: {", more.replace("decision: [0.21]", "leave_out: site") + "  v: {")))


def test_what_is_withheld_is_an_interval_nowhere(tmp_path: Path) -> None:
    """More folds than those who lack a value allow: cross-validation is withheld, all else is told."""
    built = house(tmp_path, asking(CASES["a number"], 40), people())
    going = built.run()
    assert going.stopped == {}
    result = going.results["v"]
    rows = result.table("performance").rows
    assert isinstance(rows[0][1], Interval)
    assert not any(isinstance(cell, Interval | float) for cell in rows[1])
    assert result.estimates[0].value is None
