"""Attacks on the validation of models of imputed data: few who lack values, one hospital's spread, chosen draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.errors import FileFault
from gagyo.federation import wire
from gagyo.federation.ask import LeaveOut
from gagyo.federation.in_memory import _ask, converse
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.methods._validation.imputed import _moved, leave_one_out
from gagyo.protocol.request import Request
from gagyo.protocol.study import Study
from gagyo.release.aggregate import count
from gagyo.release.case import Case, Spending
from gagyo.release.decision import Answer
from gagyo.release.limits import Limits
from gagyo.release.rules.saturation import saturation
from gagyo.result import Interval, Result, Withheld
from gagyo.runtime.embedded import Embedded
from gagyo.site.admission import NotAdmitted, _is_near, check_near
from gagyo.site.policy import Policy
from tests.attacks.test_door import Stolen, Wiretap
from tests.attacks.test_left_out import send
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import SITES, House, Rows, house

VARIABLES = "\n".join([number("x", -10, 10), number("v", -50, 50), number("w", -50, 50), boolean("d")])
MODEL = (
    '  a: {method: imputation, purpose: prediction, cohort: all, formula: "d ~ x + %s", model: logistic,'
    " impute: [%s], times: 4, sweeps: 2}\n"
)
VALIDATION = "  b: {method: validate, cohort: all, model: a, folds: 0, leave_out: site}\n"


def text(*impute: str) -> str:
    return HEAD % (10, VARIABLES, MODEL % (" + ".join(impute), ", ".join(impute)) + VALIDATION)


def people(lacking: dict[str, np.ndarray], size: int = 800) -> dict[str, Rows]:
    """Four hospitals of equal size; `lacking`: by variable, the numbers of those who lack it."""
    random = np.random.default_rng(1)
    x = np.clip(random.normal(size=size), -4, 4)
    data = {"x": x, "v": x + random.normal(size=size), "w": -x + random.normal(size=size)}
    data["d"] = (random.random(size) < 1 / (1 + np.exp(-x - 0.5 * data["v"]))).astype(float)
    for name, who in lacking.items():
        data[name][who] = np.nan
    return divide(data, np.arange(size) % 4)


def validated(folder: Path, study: str, there: dict[str, Rows]) -> Result:
    going = house(folder, study, there).run()
    assert going.stopped == {}
    return going.results["b"]


def column(result: Result, table: str, name: str) -> list[Any]:
    found = result.table(table)
    at = [one.name for one in found.columns].index(name)
    return [row[at] for row in found.rows[:4]]


# A hospital's own numbers.


def test_the_spread_between_data_sets_of_few_people_is_told_nowhere(tmp_path: Path) -> None:
    """The error of log O/E within data sets follows from counts: what is over is the spread of the expected cases, and
    that of one person who lacks a value tells where this person stands. Beside that hospital the smallest is silent.
    """
    few = np.arange(4, 160, 4)[:3]  # of the first hospital
    many = np.setdiff1d(np.arange(240), np.arange(0, 800, 4))
    result = validated(tmp_path, text("v"), people({"v": np.concatenate([few, many])}))
    for table in ("by_hospital", "external"):
        for name in ("auc", "oe", "slope"):
            cells = column(result, table, name)
            assert [isinstance(one, Withheld) for one in cells] == [site in ("seoul", "beijing") for site in SITES]
        assert column(result, table, "people")[0] == 200


# Patterns of what is missing: draws that a hospital chooses tell more of them than draws that are drawn.


def both(number_of_both: int) -> dict[str, Rows]:
    """Sixty and more who lack one variable, and some who lack both, at every hospital alike."""
    return people({"v": np.arange(160), "w": np.arange(160 - number_of_both, 320)})


def test_few_who_lack_both_are_no_group_of_the_others(tmp_path: Path) -> None:
    """Over all hospitals draws hide them; the hospital left out is told nothing that its own draws would uncover."""
    result = validated(tmp_path / "few", text("v", "w"), both(8))
    assert all(isinstance(one, Interval) for one in column(result, "by_hospital", "auc"))
    assert column(result, "external", "auc") == [Withheld("withheld")] * 4
    result = validated(tmp_path / "enough", text("v", "w"), both(120))
    assert all(isinstance(one, Interval) for one in column(result, "external", "auc"))


# Letters to the others.


def stopped_at(folder: Path, step: str, sweep: int = 0) -> tuple[House, Request, Request]:
    """A house at the first letter of a step, drawn so often, that Seoul writes and Busan reads: outer and inner."""
    found: list[tuple[Request, Request]] = []

    class Reading(Wiretap):
        def ask(self, requests: Sequence[Request]) -> list[Answer]:
            letters = [one for one in requests if one.step == "relayed" and one.site == "busan"]
            for outer in (one for one in letters if one.arguments["from"] == "seoul"):
                busan, seoul = (self.inner.sites[name].keys for name in ("busan", "seoul"))
                inner = wire.open_request(outer.relay["sealed"], busan, seoul.public, outer.plan)
                if inner.step == step and inner.arguments.get("draws", np.zeros((1, 0))).shape[1] >= 3 * sweep:
                    found.append((outer, inner))
                    raise Stolen
            return self.inner.ask(requests)

    def wrap(inner: Embedded) -> Wiretap:
        return Reading(inner)

    one = house(folder, text("v"), people({"v": np.arange(240)}), wrap=wrap)
    with pytest.raises(Stolen):
        one.run()
    return one, *found[0]


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, Request, Request]:
    """The first letter after a draw, and its house: what is refused changes nothing there."""
    return stopped_at(tmp_path_factory.mktemp("letter"), "imputation.model", 1)


FAR: dict[str, Any] = {
    "draws": lambda honest: honest + np.array([0.0, 30.0, 0.0]),
    "starts": lambda honest: honest + np.array([[9.0, 0.0]]),
}


@pytest.mark.parametrize("name", FAR)
def test_draws_that_make_a_mark_of_few_people_are_not_imputed(
    letter: tuple[House, Request, Request], name: str
) -> None:
    one, outer, inner = letter
    far = replace(inner, arguments={**inner.arguments, name: FAR[name](inner.arguments[name])})
    answer = send(one, outer, far)
    assert (answer.outcome, answer.code) == ("refused", "not_derived")
    assert send(one, outer, inner).outcome == "released"


@pytest.mark.parametrize(
    "change",
    [
        {"times": 3},
        {"swept": 8},
        {"purpose": "association"},
        {"seed": 1},
        {"impute": ["x"]},
        {"variable": "x"},
        {"coefficients": np.full((4, 2), 0.001)},
        {"draws": np.zeros((4, 2))},
        {"draws": np.zeros((4, 6))},
    ],
)
def test_all_else_is_what_the_method_asks(letter: tuple[House, Request, Request], change: dict[str, Any]) -> None:
    one, outer, inner = letter
    answer = send(one, outer, replace(inner, arguments={**inner.arguments, **change}))
    assert (answer.outcome, answer.code) == ("refused", "not_derived")


def test_completed_fits_stay_near_and_are_counted_number_by_number(tmp_path: Path) -> None:
    """Points that a hospital chooses are no iterates of a fit: it is opened no more numbers than there are data."""
    one, outer, inner = stopped_at(tmp_path, "imputation.newton")
    far = inner.arguments["coefficients"] + np.array([0.0, 40.0, 0.0])
    answer = send(one, outer, replace(inner, arguments={**inner.arguments, "coefficients": far}))
    assert (answer.outcome, answer.code) == ("refused", "not_derived")
    asked = leaving(text("v"), people({"v": np.arange(240)}))[1].allows("seoul")
    assert all(allowing.ask.every_round for allowing in asked[1:])
    assert send(one, outer, inner).outcome == "released"


@pytest.mark.parametrize("chosen", [True, False])
def test_a_fit_whose_points_are_chosen_costs_every_number_of_every_round(chosen: bool) -> None:
    """Iterates of a fit that is followed cost its free parameters once."""
    opened = {"fit": count(np.ones((100, 40), bool))}
    spent = Spending(pooled=380, fits=frozenset({"a fit"}))
    case = Case("pooled", opened, 100, 4, Limits(), fit="a fit", parameters=4, spending=spent, every_round=chosen)
    assert case.numbers == (40 if chosen else 0)
    assert [one.code for one in saturation(case)] == (["saturation"] if chosen else [])


def test_hospitals_count_them_so(tmp_path: Path) -> None:
    one = house(tmp_path, text("v"), people({"v": np.arange(240)}))
    assert one.run().stopped == {}
    told = [entry.record for entry in one.sites["busan"].ledger.entries]
    opened = [each["numbers"] for each in told if (each["receiver"], each["channel"]) == ("seoul", "pooled")]
    # A start, two sweeps of a linear model of two columns in four data sets, and the steps of the completed fits.
    assert opened[:3] == [5, 4 * 9, 4 * 9]
    assert len(opened) > 5
    assert set(opened[3:]) == {4 * 11}


# What is near.


@cache
def _left(study: str) -> tuple[Any, LeaveOut]:
    return leaving(study, twins())


def leaving(study: str, there: dict[str, Rows]) -> tuple[Any, LeaveOut]:
    """The chains of all hospitals, and the question that leaves each of them out."""
    parsed = Study.parse(study)
    inside = {
        name: Inside(name, parsed.variables, rows.columns, rows.persons, "contract 0") for name, rows in there.items()
    }
    methods = Line(parsed).methods
    first = converse(methods["a"].combine({}), inside)
    talk, answer = methods["b"].combine({"a": first}), None
    while not isinstance(question := talk.send(answer), LeaveOut):
        answer = _ask(question, inside)
    return first.kept, question


def twins() -> dict[str, Rows]:
    """Whoever has v has two columns that are all but one; who lacks it differs in them."""
    random = np.random.default_rng(3)
    there = people({"v": np.arange(240)})
    for rows in there.values():
        lacks = np.isnan(rows.columns["v"])
        rows.columns["w"] = rows.columns["x"] + np.where(lacks, random.normal(size=len(lacks)), 1e-4 * lacks)
        rows.columns["w"] += 1e-4 * random.normal(size=len(lacks))
    return there


def test_a_direction_that_only_those_have_who_lack_a_value_is_no_way_out() -> None:
    """Of those who have v the sums hardly know x from w: within their information alone a change of the difference by
    hundreds would pass, and those who lack v would be marked by it.
    """
    study = HEAD % (10, VARIABLES, MODEL % ("w + v", "v") + VALIDATION)
    chained, question = _left(study)
    last = question.allows("seoul")[-1]
    terms = [column.name for column in chained.spec.models["v"].columns(chained.spec.variables)]
    honest = chained.draws
    step = np.zeros(honest.shape[1])
    step[[terms.index("x"), terms.index("w")]] = 60.0, -60.0
    near = last.near["draws"]
    assert _is_near(honest, near, chained.people)
    assert not _is_near(honest + step, near, chained.people)
    alone = chained.models[0].information / chained.models[0].draws[:, -1, None, None] ** 2
    loose = (replace(near[0], information=alone), *near[1:])
    assert _is_near(honest + step, loose, chained.people), "this is what the products of everyone are asked for"


def test_of_yes_or_no_those_who_lack_it_count_too() -> None:
    chained, _ = _left(HEAD % (10, VARIABLES, MODEL % ("w + v", "v") + VALIDATION))
    whole = replace(
        chained.spec, variables={**chained.spec.variables, "v": replace(chained.spec.variables["v"], type="boolean")}
    )
    one = chained.models[0]
    np.testing.assert_allclose(_moved(one, whole, np.ones_like(one.information)), 0.25)


def test_a_column_that_was_left_out_stays_left_out() -> None:
    """Its coefficient says nothing among those who have the value, so that no information bounds it."""
    chained, _ = _left(HEAD % (10, VARIABLES, MODEL % ("w + v", "v") + VALIDATION))
    model = chained.models[0]
    gone = np.zeros_like(model.aliased)
    gone[:, 1] = True
    without = model.information.copy()
    without[:, 1, :] = without[:, :, 1] = 0.0
    draws = model.draws.copy()
    draws[:, 1] = 0.0
    models = (replace(model, aliased=gone, information=without, draws=draws), *chained.models[1:])
    again = replace(chained, models=models)
    near = leave_one_out(again, {"v": without}).allows("seoul")[-1].near["draws"]
    assert _is_near(again.draws, near, chained.people)
    moved = again.draws.copy()
    moved[:, 1] = 500.0
    assert not _is_near(moved, near, chained.people)


def test_a_question_that_no_walk_puts_has_no_answer() -> None:
    _, question = _left(HEAD % (10, VARIABLES, MODEL % ("w + v", "v") + VALIDATION))
    asked = question.allows("seoul")
    honest = asked[1].ask
    request = Request("p", "b", "all", 3, "busan", honest.step.name, honest.arguments, receiver="seoul")
    assert check_near(request, asked, 1e9).step is honest.step
    with pytest.raises(NotAdmitted):
        check_near(replace(request, step="imputation.sums"), asked, 1e9)


# The hospital decides.


def test_a_hospital_that_allows_no_imputation_refuses_at_once(tmp_path: Path) -> None:
    there = people({"v": np.arange(240)})
    policies = {"busan": Policy(methods=["validate", "logistic"])}
    with pytest.raises(FileFault) as found:
        house(tmp_path, text("v"), there, policies)
    assert [one.code for one in found.value.findings] == ["answer_method_not_allowed"]
