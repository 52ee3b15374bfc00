"""Attacks on imputed categories: few people of a level, of those who lack another value, at one hospital; faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gagyo.errors import FileFault, Stopped
from gagyo.federation.in_memory import converse
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.methods._validation.imputed import _moved
from gagyo.protocol.study import Study
from gagyo.runtime.embedded import Embedded
from gagyo.site.admission import _is_near
from tests.attacks.test_door import Stolen, Wiretap, refused
from tests.attacks.test_foreseen import leaving
from tests.attacks.test_imputation import Columns, asked_and_opened, people
from tests.contract.data import HEAD, boolean, category, number
from tests.hospitals import Rows, house

ADVICE = ("impute_lacking", "impute_rare")
LEVELS = ("never", "former", "light", "heavy")
VARIABLES = "\n".join(
    [number("x", -10, 10), number("v", -50, 50), number("y", -100, 100), boolean("s"), category("smoke", LEVELS)]
)
LINE = (
    '  a: {method: imputation, cohort: all, formula: "y ~ x + s + v + smoke", model: linear, impute: [%s], times: 5,'
    " sweeps: 2, hospitals: %s}\n"
)


def text(impute: str = "smoke", own: str = "pooled", levels: tuple[str, ...] = LEVELS) -> str:
    return HEAD % (10, VARIABLES.replace(category("smoke", LEVELS), category("smoke", levels)), LINE % (impute, own))


def drawn(size: int = 1200) -> Columns:
    """People whose category goes with what else they have; every level with and without s has more than fifty."""
    random = np.random.default_rng(4)
    x, s = np.clip(random.normal(size=size), -4, 4), (random.random(size) < 0.4).astype(float)
    c = np.digitize(0.5 * x + 0.3 * s + random.logistic(size=size), [-0.8, 0.3, 1.3]).astype(float)
    v = x + 0.5 * c + random.normal(size=size)
    return {"x": x, "s": s, "smoke": c, "v": v, "y": x + s + v + 0.5 * c + random.normal(size=size)}


def inside(study: Study, there: Mapping[str, Rows]) -> dict[str, Inside]:
    return {name: Inside(name, study.variables, one.columns, one.persons, "k 0") for name, one in there.items()}


def codes(folder: Path, study: str, there: Mapping[str, Rows]) -> list[str]:
    """Why the analysis stopped; empty where it came to its end."""
    going = house(folder, study, there).run()
    return [found.code for found in going.stopped["a"].findings] if going.stopped else []


def is_withheld(found: list[str]) -> bool:
    """Withheld, with the advice that goes with every category."""
    return found in (["withheld_fit", *ADVICE], ["answer_withheld", *ADVICE])


# Those who lack the category, and those who lack another value and have it.


def test_what_few_lack_follows_from_two_sums_and_is_not_opened(tmp_path: Path) -> None:
    """Without the gate the outcomes and traits of four people who lack the category come out to the last digit."""
    data, few = drawn(), np.array([0, 5, 10, 15])
    there = people(data, {"smoke": few})
    parsed = Study.parse(text())
    seen = asked_and_opened(parsed, inside(parsed, there))
    model = next(opened for ask, opened in seen if ask.step.name == "imputation.model")["fit"][0]
    width = 5
    # At the shares of levels the first level's block of the information is that of everyone, times p (1 - p).
    shares = np.bincount(np.delete(data["smoke"], few).astype(int)) / (len(data["smoke"]) - 4)
    row = model[3 * width :][:width] / (shares[1] * (1 - shares[1]))
    total = next(opened for ask, opened in seen if ask.step.name == "imputation.sums")["sums"][0]
    # The design: intercept, x, s, v, three levels; then y. Of the model: intercept, y, x, s, v.
    found = np.array([total[0] - row[0], total[7] - row[1], total[1] - row[2], total[2] - row[3]])
    np.testing.assert_allclose(found, [4, *(data[name][few].sum() for name in ("y", "x", "s"))], atol=1e-8)
    for own in ("own", "pooled"):
        assert is_withheld(codes(tmp_path / own, text(own=own), there))


@pytest.mark.parametrize(("level", "few"), [(0, 3), (0, 60), (1, 3), (3, 3)])
def test_the_levels_of_few_who_lack_another_value_stay(tmp_path: Path, few: int, level: int) -> None:
    """Without the gate, who of those who lack v have each level, of which others lack it, are counted to the last one:
    the first level too, as what the others leave.
    """
    data = drawn()
    of = [np.flatnonzero(data["smoke"] == one) for one in range(4)]
    lack_v = np.concatenate([of[one][: few if one == level else 60] for one in range(4)])
    there = people(data, {"v": lack_v, "smoke": np.setdiff1d(np.arange(1200), lack_v)[::5]})
    parsed = Study.parse(text("v, smoke"))
    seen = asked_and_opened(parsed, inside(parsed, there))
    start = next(got["sums"] for ask, got in seen if ask.step.name == "imputation.start")
    models = [(ask, got["fit"]) for ask, got in seen if ask.step.name == "imputation.model"]
    of_v, of_c = (
        next(fit for ask, fit in reversed(models) if ask.arguments["variable"] == name) for name in ("v", "smoke")
    )
    width = 7
    # The first row of the information of v's model ends with the sums of levels over those who have v, given ones too.
    over_v, given = of_v[:, 2 * width - 3 : 2 * width], of_c[:, -3:]
    others = start[4:7] - (over_v - given)
    found = np.column_stack([len(lack_v) - others.sum(axis=1), others])
    np.testing.assert_allclose(found, np.tile([few if one == level else 60 for one in range(4)], (5, 1)), atol=1e-8)
    stopped = codes(tmp_path, text("v, smoke"), there)
    assert is_withheld(stopped) if few < 10 else stopped == []


@pytest.mark.parametrize("few", [4, 40])
@pytest.mark.parametrize("level", [0, 3])
def test_a_trait_of_few_of_a_level_who_lack_another_value_stays(tmp_path: Path, few: int, level: int) -> None:
    """What v's model has of c with s, of those who have v, and c's own model of those who have c, differ by these."""
    data = drawn()
    kinds = {(c, s): np.flatnonzero((data["smoke"] == c) & (data["s"] == s)) for c in range(4) for s in (0, 1)}
    lack_v = np.concatenate([one[: few if kind == (level, 1) else 40] for kind, one in kinds.items()])
    there = people(data, {"v": lack_v, "smoke": np.setdiff1d(np.arange(1200), lack_v)[::5]})
    stopped = codes(tmp_path, text("v, smoke"), there)
    assert is_withheld(stopped) if few < 10 else stopped == []


@pytest.mark.parametrize("few", [4, 40])
@pytest.mark.parametrize("level", [0, 3])
def test_a_trait_of_few_who_have_a_level_stays(tmp_path: Path, few: int, level: int) -> None:
    """The score of the category's own model counts them, at any coefficients."""
    data = drawn()
    having = np.flatnonzero((data["smoke"] == level) & (data["s"] == 1))
    data["s"][having[few:]] = 0.0
    there = people(data, {"smoke": np.setdiff1d(np.arange(1200), having)[::5]})
    parsed = Study.parse(text())
    seen = asked_and_opened(parsed, inside(parsed, there))
    fits = [
        (ask.arguments["coefficients"][0], got["fit"][0]) for ask, got in seen if ask.step.name == "imputation.model"
    ]
    fitted = told_of_levels(fits[0], data, there)
    np.testing.assert_allclose(fitted[level], few, atol=1e-8)
    stopped = codes(tmp_path, text(), there)
    assert is_withheld(stopped) if few < 10 else stopped == []


def told_of_levels(asked: tuple[Any, Any], data: Columns, there: Mapping[str, Rows]) -> np.ndarray:
    """How many of each level have s: the score at the shares of levels, and what these expect of all who have s."""
    _, fit = asked
    known = np.concatenate([~np.isnan(one.columns["smoke"]) for one in there.values()])
    levels = np.concatenate([one.columns["smoke"] for one in there.values()])[known]
    with_s = np.concatenate([one.columns["s"] for one in there.values()])[known].sum()
    shares = np.bincount(levels.astype(int)) / len(levels)
    others = fit[3:15:5] + shares[1:] * with_s
    return np.array([with_s - others.sum(), *others])


@pytest.mark.parametrize("few", [3, 30])
def test_a_trait_of_few_at_the_first_level_of_a_category_that_nobody_lacks_stays(tmp_path: Path, few: int) -> None:
    """It has no column: who has it and s are those with s less those of each other level, in the products."""
    data = drawn()
    first = np.flatnonzero((data["smoke"] == 0) & (data["s"] == 1))
    data["s"][first[few:]] = 0.0
    there = people(data, {"v": np.setdiff1d(np.arange(1200), first)[::5]})
    parsed = Study.parse(text("v"))
    products = next(got for ask, got in asked_and_opened(parsed, inside(parsed, there)) if "products" in ask.step.name)
    width = 8
    # About their means: the product of s and a level, in the first chain, is their number less what independence gives.
    at = [
        place
        for place, pair in enumerate(zip(*np.triu_indices(width), strict=True))
        if pair[0] == 2 and 3 < pair[1] < 7
    ]
    shares = np.bincount(data["smoke"].astype(int)) / 1200
    of_levels = products["products"][0][at] + shares[1:] * data["s"].sum()
    np.testing.assert_allclose(data["s"].sum() - of_levels.sum(), few, atol=1e-8)
    stopped = codes(tmp_path, text("v"), there)
    assert stopped in (["withheld_fit", ADVICE[0]], ["answer_withheld", ADVICE[0]]) if few < 10 else stopped == []


# One hospital.


@pytest.mark.parametrize("few", [0, 4])
def test_a_hospital_with_few_of_a_level_hides_among_the_others_only_without_its_own_levels(
    tmp_path: Path, few: int
) -> None:
    """Its own levels are made of its shares: at coefficients of zero, of fractions over those who have the category.

    Where nobody there has a level, its level has no end, and nobody there would ever be given it.
    """
    data = drawn()
    here = np.flatnonzero((np.arange(1200) % 4 == 2) & (data["smoke"] == 3))
    data["smoke"][here[few:]] = 2.0
    there = people(data, {"smoke": np.arange(0, 400)})
    assert is_withheld(codes(tmp_path / "own", text(own="own"), there))
    assert codes(tmp_path / "pooled", text(own="pooled"), there) == []


def test_with_enough_of_each_level_at_each_hospital_own_levels_pass(tmp_path: Path) -> None:
    assert codes(tmp_path, text(own="own"), people(drawn(), {"smoke": np.arange(0, 400)})) == []


@pytest.mark.parametrize("few", [4, 30])
def test_few_of_a_level_at_a_hospital_who_have_another_imputed_value(tmp_path: Path, few: int) -> None:
    """v's own level at a hospital rests on who of those who have v have each level."""
    data = drawn()
    here = np.flatnonzero((np.arange(1200) % 4 == 1) & (data["smoke"] == 0))
    lack_v = np.concatenate([here[few:], np.flatnonzero(np.arange(1200) % 4 != 1)[:200]])
    there = people(data, {"v": lack_v, "smoke": np.setdiff1d(np.arange(1200), lack_v)[::6]})
    stopped = codes(tmp_path, text("v, smoke", "own"), there)
    assert is_withheld(stopped) if few < 10 else stopped == []


# What chains tell of those who lack two values.


def test_each_column_of_a_category_tells_as_much_as_a_number(tmp_path: Path) -> None:
    """Three columns are drawn each time, so that a third of the chains and sweeps tell as much of who lacks both."""
    lacking = {"v": np.arange(0, 190), "smoke": np.arange(184, 400)}
    study = text("v, smoke").replace("times: 5, sweeps: 2", "times: %d, sweeps: 4")
    assert codes(tmp_path / "fewer", study % 40, people(drawn(), lacking)) == [], "480 for 300 people of a hospital"
    assert is_withheld(codes(tmp_path / "more", study % 52, people(drawn(), lacking))), "624 are over twice these"


def test_draws_cannot_be_chosen(tmp_path: Path) -> None:
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        tap[0].until = "imputation.sums"
        return tap[0]

    built = house(tmp_path, text(), people(drawn(), {"smoke": np.arange(240)}), wrap=wrap)
    with pytest.raises(Stolen):
        built.run()
    honest = next(one for one in tap[0].seen if one.step == "imputation.sums" and one.site == "seoul")
    for name, change in (("draws", 1.01), ("starts", 0.9)):
        changed = {**honest.arguments, name: honest.arguments[name] * change}
        refused(built.sites["seoul"], replace(honest, arguments=changed), "not_derived")
    assert built.sites["seoul"].answer(honest).outcome == "released"


LEFT_OUT = (
    '  a: {method: imputation, purpose: prediction, cohort: all, formula: "s ~ x + smoke", model: logistic,'
    " impute: [smoke], times: 4, sweeps: 1}\n"
    "  b: {method: validate, cohort: all, model: a, folds: 0, leave_out: site}\n"
)


def test_a_hospital_that_is_left_out_cannot_choose_far_draws() -> None:
    """Log odds of a level that would mark those with x far out are no draws that the others answer."""
    study = HEAD % (10, VARIABLES, LEFT_OUT)
    chained, question = leaving(study, people(drawn(), {"smoke": np.arange(400)}))
    near = question.allows("seoul")[-1].near["draws"]
    honest = chained.draws
    assert honest.shape[1] == 2 * 3 * 2, "of three levels an intercept and x: the fit, and what is drawn"
    assert _is_near(honest, near, chained.people)
    for column in (7, 9, 11):
        far = honest.copy()
        far[:, column] += 6.0
        assert not _is_near(far, near, chained.people)


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_no_person_adds_more_information_than_it_is_measured_by(levels: int) -> None:
    random = np.random.default_rng(2)
    spec = SimpleNamespace(is_measured=lambda name: False, columns=lambda name: levels - 1)
    most = _moved(SimpleNamespace(name="smoke"), spec, np.ones((1, 1, 1)))[0]
    even = np.full(levels - 1, 1 / levels)
    for chance in (even, *(random.dirichlet(np.full(levels, 0.5))[1:] for _ in range(200))):
        assert np.linalg.eigvalsh(most - np.diag(chance) + np.outer(chance, chance)).min() > -1e-12


# What cannot be imputed is said.


def rehearsed(study: str, there: Mapping[str, Rows]) -> list[Any]:
    """The findings of an analysis without the gate."""
    parsed = Study.parse(study)
    with pytest.raises(Stopped) as found:
        converse(Line(parsed).methods["a"].combine({}), inside(parsed, there))
    return list(found.value.findings)


def test_a_level_that_nobody_has_is_named_where_no_rule_withholds_it() -> None:
    data = drawn()
    data["smoke"] = np.minimum(data["smoke"], 2.0)
    (found,) = rehearsed(text(), people(data, {"smoke": np.arange(240)}))
    assert (found.code, found.values) == ("impute_level", {"variable": "smoke", "found": "heavy"})


def test_and_else_it_is_withheld(tmp_path: Path) -> None:
    data = drawn()
    data["smoke"] = np.minimum(data["smoke"], 2.0)
    assert is_withheld(codes(tmp_path, text(), people(data, {"smoke": np.arange(240)})))


def test_a_level_that_a_number_tells_apart_separates_the_model() -> None:
    data = drawn()
    data["smoke"] = np.digitize(data["x"], [-0.8, 0.1, 0.9]).astype(float)
    (found,) = rehearsed(text(), people(data, {"smoke": np.arange(240)}))
    assert found.code == "impute_separation"
    assert found.values["variable"] == "smoke"
    assert str(found.values["found"]).partition(".")[0] in LEVELS


@pytest.mark.parametrize(
    ("study", "expected"),
    [
        (text(levels=tuple(f"stage{one}" for one in range(9))), "impute_levels"),
        (text().replace("+ smoke", "+ smoke:x").replace("s + v", "smoke + s + v"), "impute_product"),
        (text().replace("impute: [smoke]", "impute: [day]").replace("y ~ x", "y ~ x + day"), "impute_type"),
    ],
)
def test_what_does_not_fit_is_found_before_anything_runs(study: str, expected: str) -> None:
    day = "  day: {type: date, range: [2020-01-01, 2026-01-01], label: {en: Day, ko: 날짜, zh: 日期}}\n"
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(study.replace("cohorts:\n", day + "cohorts:\n", 1)))
    assert [one.code for one in fault.value.findings] == [expected]


def test_a_category_without_levels_is_a_fault_of_its_declaration() -> None:
    bare = VARIABLES.replace(category("smoke", LEVELS), "  smoke: {type: category, label: {en: C, ko: 씨, zh: 丙}}")
    with pytest.raises(FileFault) as fault:
        Study.parse(HEAD % (10, bare, LINE % ("smoke", "pooled")))
    assert "missing_key" in [one.code for one in fault.value.findings]
