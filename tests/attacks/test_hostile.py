"""What a hostile reviewer got out: each test states an attack, and fails for as long as the attack works.

Three attackers: a coordinator that sees all that it is sent and may send anything; a hospital with valid keys and a
changed program; a researcher whose study file passes every check and is approved.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.coordinator.verify import verify
from gagyo.errors import GagyoError, Stopped, Tampered
from gagyo.exchange.envelope import PublicKeys
from gagyo.federation import wire
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.line import Line
from gagyo.federation.opened import Opened, apply, numbers
from gagyo.federation.secure_sum import Record, check_record, secure_sum
from gagyo.finding import Finding
from gagyo.protocol.request import Request
from gagyo.release import sharing
from gagyo.release.decision import Answer
from gagyo.site.policy import Policy
from tests.attacks.test_door import SITES, stopped_at
from tests.attacks.test_left_out import at_the_others, send
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, Rows, breast, house
from tests.unit.test_run_and_verify import audit, finished

DESCRIBE = "  {name}: {{method: describe, cohort: {cohort}, variables: [{variables}]{more}}}\n"
FEWER = ("seoul", "busan", "beijing")


def described(name: str = "table", cohort: str = "all", variables: str = "radius", more: str = "") -> str:
    """A study's line of a Table 1."""
    return DESCRIBE.format(name=name, cohort=cohort, variables=variables, more=more)


def with_variables(study: str, **types: str) -> str:
    """The study with more variables."""
    lines = "".join(
        f"  {name}: {{type: {kind}, label: {{en: {name}, ko: {name}, zh: {name}}}}}\n" for name, kind in types.items()
    )
    return study.replace("cohorts:\n", lines + "cohorts:\n", 1)


def with_cohorts(study: str, **where: str) -> str:
    """The study with more cohorts."""
    lines = "".join(f'  {name}: {{where: "{condition}"}}\n' for name, condition in where.items())
    return study.replace("analyses:\n", lines + "analyses:\n", 1)


def told(run: Run, name: str) -> list[Any]:
    """What was opened for an analysis, question by question."""
    return [numbers(one.record) for one in run._history if one.cursor.analysis == name and one.record]


def among_few(value: float, least: int = 10) -> bool:
    """Whether a number of people is one to k - 1."""
    return 0.5 < abs(value) < least - 0.5


def whole(hospitals: dict[str, Rows], name: str) -> np.ndarray:
    """A column over all hospitals."""
    return np.concatenate([rows.columns[name] for rows in hospitals.values()])


# A coordinator: one hospital's part of a sum, from sums over two rosters.


def opened_sum(one: House, first: Request, **forged: Any) -> tuple[Pooled | None, list[Answer]]:
    """A secure sum as a coordinator drives it; `forged` changes every request of the second phase."""
    asking = secure_sum(first)
    requests = next(asking)
    answers: list[Answer] = []
    try:
        while True:
            some = [one.sites[request.site].answer(request) for request in requests]
            answers += some
            requests = [replace(request, **forged) for request in asking.send(some)]
    except StopIteration as end:
        return end.value[0], answers
    except GagyoError:
        return None, answers


def asks(one: House, line: Line, history: list[Opened], roster: Sequence[str] = SITES) -> Request:
    """The request that an honest coordinator would make now."""
    assert line.cursor
    assert isinstance(line.question, Ask)
    cohort = one.study.analyses[line.cursor.analysis].cohort
    return Request(
        one.plan.digest,
        line.cursor.analysis,
        cohort,
        line.cursor.round,
        "",
        line.question.step.name,
        line.question.arguments,
        roster=tuple(roster),
        relay={"history": list(history)},
    )


def record_of(answers: list[Answer], roster: Sequence[str]) -> Record:
    """The record of a secure sum's answers: shares first, values last."""
    return Record(tuple(answers[-len(roster) :]), tuple(answers[: len(roster)]))


def move(line: Line, history: list[Opened], record: Record | None) -> None:
    """Take in a record, or stop the analysis."""
    assert line.cursor
    history.append(Opened(line.cursor, record, "" if record else "withheld_fit"))
    apply(line, history[-1])


def refused_over_fewer(one: House, first: Request) -> None:
    """A sum over three of the four hospitals over which one was opened: the difference would be Tianjin alone."""
    of_fewer, answers = opened_sum(one, first)
    assert of_fewer is None
    assert {answer.code for answer in answers if answer.outcome == "refused"} == {"bad_roster"}


@pytest.mark.parametrize("receiver", ["nobody", "busan"])
def test_an_opening_in_the_name_of_another_receiver_is_refused(tmp_path: Path, receiver: str) -> None:
    """No hospital would find it among what the coordinator saw, and a second table could be asked of three: their
    difference is Tianjin alone. (It would also book the numbers on an account that no rule looks at.)
    """
    one = house(tmp_path, STUDY + described("first") + described("second"), breast())
    of_all, answers = opened_sum(one, asks(one, Line(one.study), []), receiver=receiver)
    assert of_all is None
    assert {answer.code for answer in answers if answer.outcome == "refused"} == {"bad_roster"}


def test_shares_that_were_left_unopened_are_not_opened_after_another_roster(tmp_path: Path) -> None:
    """The first analysis is shared over three hospitals and left; the second is opened over four; then the shares of
    the first are opened by requests that name the second analysis and the first one's statement.
    """
    one = house(tmp_path, STUDY + described("first") + described("second"), breast())
    line, history = Line(one.study), []
    early = asks(one, line, history, FEWER)
    shares = [one.sites[site].answer(replace(early, site=site)) for site in FEWER]
    assert {share.outcome for share in shares} == {"released"}
    move(line, history, None)
    now = asks(one, line, history)
    of_all, _ = opened_sum(one, now)
    assert of_all is not None
    asking = secure_sum(replace(now, roster=FEWER))
    next(asking)
    statement = {"statement": early.statement}
    requests = [replace(request, arguments=statement) for request in asking.send(shares)]
    answers = [one.sites[request.site].answer(request) for request in requests]
    assert [answer.code for answer in answers] == ["bad_roster"] * len(FEWER)


def test_two_cohorts_of_the_same_people_are_opened_over_one_roster(tmp_path: Path) -> None:
    """A second cohort that selects everyone: the rule of one roster goes by the cohort's name, not by its people."""
    study = with_cohorts(STUDY, again="radius >= 0") + described("first") + described("second", "again")
    one = house(tmp_path, study, breast())
    line, history = Line(one.study), []
    of_all, answers = opened_sum(one, asks(one, line, history))
    assert of_all is not None
    move(line, history, record_of(answers, SITES))
    while line.cursor and line.cursor.analysis == "first":
        move(line, history, None)
    refused_over_fewer(one, asks(one, line, history, FEWER))


def test_two_plans_on_the_same_data_are_opened_over_one_roster(tmp_path: Path) -> None:
    """The same table, planned again with another title and asked of three hospitals."""
    one = house(tmp_path, STUDY + described(), breast())
    of_all, _ = opened_sum(one, asks(one, Line(one.study), []))
    from gagyo.coordinator.planning import make_plan
    from gagyo.protocol.study import Study

    study = Study.parse(one.plan.text.replace("study: breast-mass", "study: breast-mass-2"))
    keys = {name: PublicKeys(**public) for name, public in one.plan.keys.items()}
    again = replace(one, study=study, plan=make_plan(study, keys))
    for site in again.sites.values():
        site.approve(again.plan)
    assert of_all is not None
    refused_over_fewer(again, asks(again, Line(study), [], FEWER))


def test_an_honest_run_does_not_give_away_a_hospital_that_some_cohorts_go_on_without(tmp_path: Path) -> None:
    """Nobody cheats. Tianjin has four women, too few for two of three cohorts; the study goes on without it there.
    Everyone over four hospitals, less women and men over three, is the sum over Tianjin's people alone.
    """
    study = with_variables(STUDY, woman="boolean").replace("variables:\n", "may_go_on_without: 1\nvariables:\n", 1)
    study = with_cohorts(study, women="woman", men="not woman")
    study += described("everyone") + described("of_women", "women") + described("of_men", "men")
    hospitals = breast()
    for site, rows in hospitals.items():
        rows.columns["woman"] = (np.arange(len(rows)) < (4 if site == "tianjin" else 30)).astype(float)
    run = house(tmp_path, study, hospitals).run()
    if set(run.results) != {"everyone", "of_women", "of_men"}:
        return
    everyone, women, men = (told(run, name)[0]["radius.sum"][0] for name in ("everyone", "of_women", "of_men"))
    exact = hospitals["tianjin"].columns["radius"].sum()
    assert everyone - men - women != pytest.approx(exact, rel=1e-9), "the sum of one hospital"


# A coordinator: what it says was opened.


def test_a_history_of_shares_from_two_attempts_is_no_history(tmp_path: Path) -> None:
    """Each share is signed, but they are of different attempts: their masks do not cancel, the "sum" is noise, and
    the coordinator picks, among as many mixtures as it likes, the noise from which it wants arguments derived.
    """
    one = house(tmp_path, STUDY + MODEL, breast())
    line, history = Line(one.study), []
    first = asks(one, line, history)
    tries = [
        [one.sites[site].answer(replace(first, site=site, attempt=attempt)) for site in SITES] for attempt in range(12)
    ]
    pooled_sum, answers = opened_sum(one, replace(first, attempt=11))
    assert pooled_sum
    values = tuple(answers[-4:])
    for seed in range(4000):
        picks = np.random.default_rng(seed).integers(12, size=4)
        mixed = Record(values, tuple(tries[pick][number] for number, pick in enumerate(picks)))
        people, events = numbers(mixed)["people"]
        if len(set(picks)) > 1 and people > events > 0:
            break
    publics = {name: PublicKeys(**keys) for name, keys in one.plan.keys.items()}
    with pytest.raises(Tampered, match="different hospitals"):
        check_record(mixed, publics)
    line, history = Line(one.study), []
    move(line, history, mixed)
    wanted = asks(one, line, history)
    assert wanted.step == "logistic.newton", "the noise was taken for counts"
    answer = one.sites["seoul"].answer(replace(wanted, site="seoul"))
    assert answer.outcome == "refused", "the hospital computes at coefficients that the coordinator picked"


# A hospital with valid keys.


def five(folder: Path, lines: str) -> House:
    """Five hospitals: Beijing's people in two of them."""
    hospitals = breast()
    beijing = hospitals.pop("beijing")
    half = np.arange(len(beijing)) % 2 == 0
    for name, chosen in (("beijing", half), ("daegu", ~half)):
        persons = [person for person, inside in zip(beijing.persons, chosen, strict=True) if inside]
        hospitals[name] = Rows({key: column[chosen] for key, column in beijing.columns.items()}, persons)
    return house(folder, STUDY.replace("beijing, tianjin]", "beijing, tianjin, daegu]") + lines, hospitals)


def test_a_hospital_that_is_left_out_asks_all_the_others_or_none(tmp_path: Path) -> None:
    """Of five: Seoul leaves Daegu out of its letters too. The joint sum at the same coefficients, less Seoul's own and
    less the three, is Daegu's information matrix alone.
    """
    one = five(tmp_path, MODEL + "  validation: {method: validate, model: model, folds: 0, leave_out: site}\n")
    letters: list[Request] = []
    honest = one.journal._inner.ask

    def tapped(requests: Sequence[Request]) -> list[Answer]:
        letters.extend(request for request in requests if request.step == "relayed" and request.site == "busan")
        if letters:
            raise Stopped(Finding("withheld_fit"))
        return honest(requests)

    one.journal._inner.ask = tapped  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        one.run()
    outer = letters[0]
    busan = one.sites["busan"]
    inner = wire.open_request(outer.relay["sealed"], busan.keys, PublicKeys(**one.plan.keys["seoul"]), one.plan.digest)
    assert len(inner.roster) == 4
    answer = send(one, outer, replace(inner, roster=("busan", "beijing", "tianjin")))
    assert (answer.outcome, answer.code) == ("refused", "bad_roster")


def test_a_hospital_that_is_left_out_asks_no_more_often_than_a_fit_needs(tmp_path: Path, monkeypatch: Any) -> None:
    """Any coefficients inside the ellipsoid, as often as it likes, counted as one fit: sums at as many points as there
    are numbers in the others' data. Thirty rounds are a fit, also where a plan told of more.
    """
    monkeypatch.setattr("gagyo.site.steps.check_told", lambda *told: None)
    one, outer, inner = at_the_others(tmp_path)
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(40):
        near = inner.arguments["coefficients"] + rng.normal(size=(1, 5)) * [0.02, 0.001, 0.1, 0.05, 0.1]
        letter = replace(inner, arguments={**inner.arguments, "coefficients": near})
        answers.append(send(one, outer, letter))
    assert sum(answer.outcome == "released" for answer in answers) <= one.plan.limits["rounds"]
    assert {answer.code for answer in answers if answer.outcome != "released"} == {"not_derived"}


def test_a_hospital_cannot_steer_the_coefficients_by_what_it_adds(tmp_path: Path, monkeypatch: Any) -> None:
    """Busan adds, instead of its score and information, numbers so large that the others' do not matter: the next
    step is then Busan's choice, signed and derived. At coefficients that make a half-space, the others' sums are head
    counts, and Busan can take its own out.
    """
    one = house(tmp_path, STUDY + MODEL, breast())
    line, history = Line(one.study), []
    counts, answers = opened_sum(one, asks(one, line, history))
    assert counts
    move(line, history, record_of(answers, SITES))
    start = line.question.arguments["coefficients"][0]  # type: ignore[union-attr]
    aim = np.array([-200.0, 10.0, 0.0, 0.0, 0.0])
    size = 1e12
    lay_out = sharing.lay_out
    turn = {"site": ""}

    def lying(aggregate: Any, cohort: int) -> Any:
        share = lay_out(aggregate, cohort)
        if turn["site"] == "busan":
            upper = np.eye(5)[np.triu_indices(5)] * size
            share = replace(share, values=np.concatenate([size * (aim - start), upper, [-400.0]]))
        return share

    monkeypatch.setattr(sharing, "lay_out", lying)
    asking = secure_sum(asks(one, line, history))
    requests, answers = next(asking), []
    try:
        while True:
            for request in requests:
                turn["site"] = request.site
                answers.append(one.sites[request.site].answer(request))
            requests = asking.send(answers[-4:])
    except StopIteration:
        pass
    except GagyoError:
        return
    move(line, history, record_of(answers, SITES))
    if line.cursor is None:
        return
    wanted = asks(one, line, history)
    np.testing.assert_allclose(wanted.arguments["coefficients"][0], aim, rtol=0.01, atol=0.5)
    answer = one.sites["seoul"].answer(replace(wanted, site="seoul"))
    assert answer.outcome != "released", "a half-space of Busan's choice"
    assert answer.code == "bad_record", "what Busan added is more than its people could"


# A researcher: a value of fewer than k people, from study files that pass every check.


def test_a_group_of_one_person_does_not_follow_from_all_sums_but_its_own(tmp_path: Path) -> None:
    """Table 1 by a category in which one person has the first level, and Table 1 over everyone. The one person's sum
    is withheld, the other groups' are not, and everyone's less theirs is that person's exact value.
    """
    hospitals = breast()
    for rows in hospitals.values():
        rows.columns["size"] = 1.0 + np.arange(len(rows)) % 2
    hospitals["busan"].columns["size"][7] = 0.0
    study = STUDY + described("whole") + described("grouped", more=", by: size")
    run = house(tmp_path, study, hospitals).run()
    if set(run.results) != {"whole", "grouped"}:
        return
    everyone, groups = told(run, "whole")[0]["radius.sum"], told(run, "grouped")[0]["radius.sum"]
    value = hospitals["busan"].columns["radius"][7]
    assert float(everyone[0] - np.nansum(groups)) != pytest.approx(value, rel=1e-9), "one person's radius"


def test_two_tables_of_nested_cohorts_do_not_give_a_small_cell_by_subtraction(tmp_path: Path) -> None:
    """A category over everyone and over a large part of them: each cell is large, a difference is three people."""
    hospitals = breast()
    marked = whole(hospitals, "radius") >= 14
    sizes = np.ones(569)
    sizes[np.flatnonzero(marked)[:27]] = 0.0
    sizes[np.flatnonzero(~marked)[:3]] = 0.0
    at = np.cumsum([len(rows) for rows in hospitals.values()])[:-1]
    for rows, part in zip(hospitals.values(), np.split(sizes, at), strict=True):
        rows.columns["size"] = part
    study = with_cohorts(STUDY, large="radius >= 14")
    study += described("of_all", variables="size") + described("of_large", "large", "size")
    run = house(tmp_path, study, hospitals).run()
    if set(run.results) != {"of_all", "of_large"}:
        return
    rest = told(run, "of_all")[0]["size.cells"] - told(run, "of_large")[0]["size.cells"]
    assert not any(among_few(one) for one in rest.ravel() if np.isfinite(one)), rest


def test_a_sum_over_three_people_is_not_a_sum_over_everyone(tmp_path: Path) -> None:
    """`radius ~ rare:texture` has one column, texture where `rare` holds: three people of one hospital. It is no
    indicator, so nobody counts whom it is zero for; three equal contributions pass the dominance rule.
    """
    hospitals = breast()
    for rows in hospitals.values():
        rows.columns["rare"] = np.zeros(len(rows))
    hospitals["busan"].columns["rare"][:3] = 1.0
    study = with_variables(STUDY, rare="boolean")
    study += '  fit: {method: linear, cohort: all, formula: "radius ~ rare:texture"}\n'
    run = house(tmp_path, study, hospitals).run()
    opened = told(run, "fit")
    exact = hospitals["busan"].columns["texture"][:3].sum()
    assert not opened or opened[0]["sums"][1] != pytest.approx(exact, rel=1e-9), "the sum over three people"


@pytest.mark.parametrize("declared", ["integer, range: [0, 1]", "number, range: [0, 1]"])
def test_a_count_is_a_count_however_its_variable_is_declared(tmp_path: Path, declared: str) -> None:
    """A rare disease declared as a number from 0 to 1 instead of a boolean: its sum is the number of three people."""
    hospitals = breast()
    for rows in hospitals.values():
        rows.columns["rare"] = np.zeros(len(rows))
    hospitals["busan"].columns["rare"][:3] = 1.0
    study = with_variables(STUDY, rare=declared) + described(variables="rare")
    opened = told(house(tmp_path, study, hospitals).run(), "table")
    assert not opened or not among_few(opened[0]["rare.sum"][0]), "three people of one hospital"


def test_a_category_as_outcome_of_a_line_is_a_table(tmp_path: Path) -> None:
    """Least squares on a category's level numbers: the sum and the sum of squares give the two counts exactly."""
    hospitals = breast()
    for rows in hospitals.values():
        rows.columns["size"] = (np.arange(len(rows)) % 3 == 0).astype(float)
    hospitals["busan"].columns["size"][[1, 2, 4]] = 2.0
    study = STUDY + '  fit: {method: linear, cohort: all, formula: "size ~ texture"}\n'
    with pytest.raises(GagyoError, match="is a category"):
        house(tmp_path, study, hospitals)


def test_iterates_of_a_fit_do_not_give_a_cell_of_three_traits(tmp_path: Path) -> None:
    """Three booleans: every two-way cell is large, and two people have all three. The information of each iterate is
    the same eight head counts under other weights; a few iterates are enough equations for all eight.
    """
    rng = np.random.default_rng(4)
    hospitals = breast()
    rows = 569
    a, b, c = (rng.random(rows) < share for share in (0.4, 0.4, 0.4))
    c &= ~(a & b & c)
    both = np.flatnonzero(a & b)[:2]
    c[both] = True
    at = np.cumsum([len(one) for one in hospitals.values()])[:-1]
    for name, column in (("ta", a), ("tb", b), ("tc", c)):
        for one, part in zip(hospitals.values(), np.split(column.astype(float), at), strict=True):
            one.columns[name] = part
    study = with_variables(STUDY, ta="boolean", tb="boolean", tc="boolean")
    study += '  fit: {method: logistic, cohort: all, formula: "malignant ~ ta + tb + tc"}\n'
    tapped: list[Request] = []
    one = house(tmp_path, study, hospitals)
    honest = one.journal._inner.ask

    def tap(requests: Sequence[Request]) -> list[Answer]:
        tapped.extend(request for request in requests if request.step == "logistic.newton")
        return honest(requests)

    one.journal._inner.ask = tap  # type: ignore[method-assign]
    run = one.run()
    fits = [answer["fit"][0] for answer in told(run, "fit")[1:]]
    betas = [request.arguments["coefficients"][0] for request in tapped[:: len(SITES)]]
    cells = np.array([[1, i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    upper = np.triu_indices(4)
    equations, right = [], []
    for beta, fit in zip(betas, fits, strict=False):
        mu = 1 / (1 + np.exp(-cells @ beta))
        equations += [cells[:, i] * cells[:, j] * mu * (1 - mu) for i, j in zip(*upper, strict=True)]
        right += list(fit[4:-1])
    if not equations or np.linalg.matrix_rank(np.array(equations), tol=1e-6) < 8:
        return
    found = np.linalg.lstsq(np.array(equations), np.array(right), rcond=None)[0]
    assert found[-1] != pytest.approx(2, abs=0.01), "two people have all three"


def test_knots_do_not_lie_around_one_person(tmp_path: Path) -> None:
    """A spline's stated knots stand so close around one person that, beyond them, it is a line with known slope: the
    difference of two such splines is that person's value. No rule looks at how many people lie between knots.
    """
    hospitals = breast()
    texture = np.sort(whole(hospitals, "texture"))
    gaps = np.diff(texture[200:400])
    middle = 201 + int(np.argmax(gaps[:-1] + gaps[1:]))
    low, high = texture[middle - 1], texture[middle + 1]
    knots = ", ".join(f"{low + share * (high - low):.6f}" for share in (0.2, 0.5, 0.8))
    study = STUDY + f'  fit: {{method: linear, cohort: all, formula: "radius ~ rcs(texture, {knots})"}}\n'
    run = house(tmp_path, study, hospitals).run()
    assert not run.results, "one person lies between the knots"


@pytest.mark.parametrize(("one_in", "folds", "told_of"), [(10, 10, False), (4, 3, True)])
def test_a_folds_cells_are_cells_too(tmp_path: Path, one_in: int, folds: int, told_of: bool) -> None:
    """The fold models start from the joint fit's coefficients, where the joint information is known: the difference is
    the left-out fold's. With one boolean it is how many of that fold have the trait: three to eight people in ten
    folds, enough of them in three.
    """
    hospitals = breast()
    for rows in hospitals.values():
        rows.columns["trait"] = (np.arange(len(rows)) % one_in < 1).astype(float)
        rows.columns["malignant"] = (np.arange(len(rows)) % 3 == 0).astype(float)
    study = with_variables(STUDY, trait="boolean")
    study += '  model: {method: logistic, cohort: all, formula: "malignant ~ trait"}\n'
    study += f"  check: {{method: validate, model: model, folds: {folds}}}\n"
    run = house(tmp_path, study, hospitals).run()
    assert "model" in run.results, "the joint fit itself is open"
    fits = [one["fit"] for one in told(run, "check") if isinstance(one, Pooled) and "fit" in one.values]
    fits = [fit for fit in fits if fit.shape == (folds, 6)]
    assert bool(fits) is told_of
    if fits:
        equation = run.results["model"].equation
        assert equation
        mu = 1 / (1 + np.exp(-sum(equation.coefficients)))
        counts = (np.array(equation.information)[1, 1] - fits[0][:, 4]) / (mu * (1 - mu))
        np.testing.assert_allclose(counts, np.round(counts), atol=1e-6)
        assert counts.min() >= 10


def by_equation(texture: float, intercept: float, more: str) -> str:
    """A validation of a given equation of one predictor."""
    return (
        "{method: validate, cohort: all, equation: {outcome: malignant, formula: malignant ~ texture, "
        f"coefficients: {{Intercept: {intercept!r}, texture: {texture!r}}}}}{more}}}\n"
    )


def test_a_given_equation_is_not_a_head_count_of_a_hospitals_half_space(tmp_path: Path) -> None:
    """A steep equation turns a hospital's expected cases into how many of its people lie over a value: here three at
    each. It would leave by hospital, in the clear.
    """
    hospitals = breast()
    for rows in hospitals.values():
        texture = rows.columns["texture"]
        texture[:] = np.where(np.arange(len(rows)) < 3, 30.0, np.minimum(texture, 25.0))
    study = STUDY + "  check: " + by_equation(5.0, -140.0, "")
    run = house(tmp_path, study, hospitals).run()
    answers = [one for one in told(run, "check") if isinstance(one, dict)]
    assert all(np.isnan(answer["expected"]).all() for one in answers for answer in one.values())
    for name, rows in hospitals.items():  # one at each of three hospitals: the sum over all is three people, too
        rows.columns["texture"][1:3] = 20.0
        rows.columns["texture"][0] = 20.0 if name == "tianjin" else 30.0
    run = house(tmp_path / "pooled", study, hospitals).run()
    sums = [one for one in told(run, "check") if isinstance(one, Pooled) and "expected" in one.values]
    assert all(np.isnan(one["expected"]).all() for one in sums)
    gentle = STUDY + "  check: " + by_equation(0.2, -4.0, "")
    run = house(tmp_path / "gentle", gentle, hospitals).run()
    (_, by_hospital) = [one for one in told(run, "check") if isinstance(one, dict)]
    assert all(np.isfinite(answer["expected"]).all() for answer in by_hospital.values())


SUBGROUPS = "  check: {{method: validate, model: model, folds: 0, subgroups: [{groups}]}}\n"


@pytest.mark.parametrize("few", [1, 5, 7])
def test_subgroups_do_not_leave_a_few_people_over(tmp_path: Path, few: int) -> None:
    """A few people in the first level: if that group alone stayed shut, the others and the sums over everyone would
    leave their outcomes and predicted risks. Of five the pooled rule counts how many they are. One, and seven of whom
    one makes up most of a sum, are kept out by the hospital, and counted as such.
    """
    hospitals = breast()
    for rows in hospitals.values():
        rows.columns["size"] = 1.0 + np.arange(len(rows)) % 2
    hospitals["busan"].columns["size"][:few] = 0.0
    run = house(tmp_path, STUDY + MODEL + SUBGROUPS.format(groups="size"), hospitals).run()
    groups = [one for one in told(run, "check") if isinstance(one, Pooled) and "groups" in one.values]
    assert len(groups) == 1
    assert np.isnan(groups[0]["groups"]).all()
    for rows in hospitals.values():
        rows.columns["size"] = np.arange(len(rows)) % 3.0
    run = house(tmp_path / "filled", STUDY + MODEL + SUBGROUPS.format(groups="size"), hospitals).run()
    (filled,) = [one for one in told(run, "check") if isinstance(one, Pooled) and "groups" in one.values]
    assert np.isfinite(filled["groups"]).all(), "groups of many people are open"


def test_two_cuts_of_a_subgroup_do_not_enclose_one_person(tmp_path: Path) -> None:
    """The same variable cut twice, with one person between the cuts: the difference of the lower groups is that
    person's outcome and exact predicted risk.
    """
    hospitals = breast()
    radius = np.sort(whole(hospitals, "radius"))
    at = next(i for i in range(250, 350) if radius[i - 1] < radius[i] - 0.005 < radius[i] + 0.005 < radius[i + 1])
    cuts = [float(radius[at - 1] + radius[at]) / 2, float(radius[at] + radius[at + 1]) / 2]
    groups = ", ".join(f"{{variable: radius, cuts: [{cut!r}]}}" for cut in cuts)
    with pytest.raises(GagyoError, match="one entry for each variable"):
        house(tmp_path, STUDY + MODEL + SUBGROUPS.format(groups=groups), hospitals)
    # Cut twice in one entry, the person is a group, and all groups stay shut.
    both = f"{{variable: radius, cuts: [{cuts[0]!r}, {cuts[1]!r}]}}"
    run = house(tmp_path / "both", STUDY + MODEL + SUBGROUPS.format(groups=both), hospitals).run()
    (found,) = [one for one in told(run, "check") if isinstance(one, Pooled) and "groups" in one.values]
    assert np.isnan(found["groups"]).all()


def with_missing(few: int) -> tuple[dict[str, Rows], np.ndarray]:
    """Hospitals where some people's smoothness is missing, and in Seoul whose."""
    hospitals = breast()
    for site, rows in hospitals.items():
        lacking = np.flatnonzero(rows.columns["radius"] < 14)[: 30 if site != "seoul" else few]
        rows.columns["smoothness"][lacking] = np.nan
    return hospitals, np.isnan(hospitals["seoul"].columns["smoothness"])


def flow_of(run: Run, site: str, cohort: str) -> np.ndarray:
    """People analysed, not selected and left out, as a hospital told them."""
    return np.asarray(run.preflight[site].payload["values"].get(f"{cohort}.flow", np.full(3, np.nan)))


def test_a_withheld_number_of_missing_does_not_follow_from_another_cohorts_flow(tmp_path: Path) -> None:
    """A hospital's size follows from any cohort whose flow is open. Less those analysed and those not selected of
    another cohort, it is that cohort's number of incomplete people, which was withheld.
    """
    hospitals, _ = with_missing(40)
    rows = hospitals["seoul"]
    radius = rows.columns["radius"]
    complete = np.flatnonzero((radius < 14) & ~np.isnan(rows.columns["smoothness"]))
    rows.columns["smoothness"][radius >= 14] = 0.1
    few = np.flatnonzero(radius >= 14)[:3]
    rows.columns["smoothness"][few] = np.nan
    assert len(complete) > 20
    study = with_cohorts(STUDY, small="radius < 14", large="radius >= 14")
    study += described("of_small", "small", "smoothness", ", complete: [smoothness]")
    study += described("of_large", "large", "smoothness", ", complete: [smoothness]")
    run = house(tmp_path, study, hospitals).run()
    size = flow_of(run, "seoul", "small").sum()
    analysed, not_selected, left_out = flow_of(run, "seoul", "large")
    assert not np.isnan(size)
    assert np.isnan(left_out), "three people stay"
    assert np.isnan(not_selected) or not among_few(size - analysed - not_selected), "three people all the same"


def test_cohorts_of_the_same_complete_people_do_not_tell_who_is_incomplete(tmp_path: Path) -> None:
    """The differencing rule compares those analysed. Cohorts that select all complete people, and of the incomplete
    those under a value, are the same to it; the numbers of those left out, by hospital, tell each one's value.
    """
    hospitals, lacking = with_missing(60)
    radius = np.sort(hospitals["seoul"].columns["radius"][lacking])
    cuts = [float(radius[i] + radius[i + 1]) / 2 for i in (20, 21, 22, 23)]
    conditions = {f"c{number}": f"smoothness is not null or radius < {cut!r}" for number, cut in enumerate(cuts)}
    study = with_cohorts(STUDY, **conditions)
    for name in conditions:
        study += described(f"of_{name}", name, "smoothness", ", complete: [smoothness]")
    run = house(tmp_path, study, hospitals).run()
    left_out = np.array([flow_of(run, "seoul", name)[2] for name in conditions])
    steps = np.diff(left_out[np.isfinite(left_out)])
    assert not any(among_few(step) for step in steps), f"one person at a time: {left_out}"


# What is checked when a plan is approved.


@pytest.mark.parametrize(
    "looser",
    [{"hospitals": 1}, {"dominance": 0.0}, {"numbers_sum": 1e9}, {"parameters_per_person": 9.0}, {"ellipsoid": 1e9}],
)
def test_a_plan_does_not_loosen_the_limits_of_the_gate(tmp_path: Path, looser: dict[str, float]) -> None:
    """A coordinator writes into the plan that a sum of one hospital is a sum, or that one person may make it up."""
    one = house(tmp_path, STUDY + MODEL, breast())
    plan = replace(one.plan, limits={**one.plan.limits, **looser})
    with pytest.raises(GagyoError):
        one.sites["seoul"].approve(plan)


def test_a_plan_that_names_no_methods_does_not_pass_a_policy_of_methods(tmp_path: Path) -> None:
    """The versions and the policy are checked for the methods that the plan lists, not for those that it uses."""
    one = house(tmp_path, STUDY + described(), breast(), {"seoul": Policy(methods=("describe",))})
    from gagyo.coordinator.planning import make_plan
    from gagyo.protocol.study import Study

    keys = {name: PublicKeys(**public) for name, public in one.plan.keys.items()}
    plan = replace(make_plan(Study.parse(STUDY + MODEL), keys), methods={})
    with pytest.raises(GagyoError):
        one.sites["seoul"].approve(plan)


# The door itself.


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {"x": float("nan")}},
        {"arguments": {"x": 2**60}},
        {"round": 2**60},
        {"analysis": "\ud800"},
        {"arguments": {"x": object()}},
    ],
)
def test_no_request_makes_the_door_raise(tmp_path: Path, change: dict[str, Any]) -> None:
    """What has no canonical form has no digest: the refusal needs one, and raises where nothing catches it."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    answer = one.sites["seoul"].answer(replace(honest, **change))
    assert answer.outcome == "refused"
    assert one.sites["seoul"].answer(honest).outcome == "released"


def test_no_request_spoils_the_ledger_for_those_after_it(tmp_path: Path) -> None:
    """A statement that is an array is written into the receipt of the refusal; comparing it with any other fails."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    refusal = one.sites["seoul"].answer(replace(honest, step="open.people", arguments={"statement": np.zeros(3)}))
    assert refusal.outcome == "refused"
    assert one.sites["seoul"].answer(honest).outcome == "released"


# The record: what `verify` accepts.


def test_a_refusal_that_a_hospital_never_made_is_found(tmp_path: Path) -> None:
    """The coordinator leaves Tianjin out, writes an unsigned refusal in its name, and the study goes on without it."""
    study = (STUDY + MODEL).replace("variables:\n", "may_go_on_without: 1\nvariables:\n", 1)
    one = house(tmp_path, study, breast())
    honest = one.journal._inner.ask

    def without_tianjin(requests: Sequence[Request]) -> list[Answer]:
        return [
            Answer(request.digest, "tianjin", "refused", "withheld")
            if request.site == "tianjin"
            else honest([request])[0]
            for request in requests
        ]

    one.journal._inner.ask = without_tianjin  # type: ignore[method-assign]
    document = finished(tmp_path, one)
    assert document["analyses"]["model"]["sites"] == ["seoul", "busan", "beijing"]
    with pytest.raises(Tampered):
        verify(tmp_path, audit(tmp_path))


def _add_analysis(document: dict[str, Any]) -> None:
    document["analyses"]["better"] = document["analyses"]["model"]


def _less_strict(document: dict[str, Any]) -> None:
    document["minimum_people"] = 5


def _no_notice(document: dict[str, Any]) -> None:
    document["title"]["en"], document["purpose"] = "Another study", "product_development"


def _other_variable(document: dict[str, Any]) -> None:
    document["variables"]["texture"]["unit"] = "mmol/L"


@pytest.mark.parametrize("edit", [_add_analysis, _less_strict, _no_notice, _other_variable])
def test_every_part_of_the_results_is_verified(tmp_path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """An analysis that was never run, another minimum, title, purpose or unit: `verify` looks at none of them."""
    one = house(tmp_path, STUDY + MODEL, breast())
    document = finished(tmp_path, one)
    edit(document)
    (tmp_path / "results.json").write_text(json.dumps(document))
    with pytest.raises(Tampered):
        verify(tmp_path, audit(tmp_path))


class Noted:
    """A runtime that says which hospital answers now."""

    name = "embedded"

    def __init__(self, inner: Any, turn: dict[str, str]) -> None:
        self._inner, self._turn = inner, turn

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        answers: list[Answer] = []
        for request in requests:
            self._turn["site"] = request.site
            answers += self._inner.ask([request])
        return answers


@pytest.mark.parametrize("last", [True, False])
def test_what_a_hospital_adds_to_the_last_sum_of_an_analysis_is_no_result(
    tmp_path: Path, monkeypatch: Any, last: bool
) -> None:
    """The others see only with what is asked next, or at the end, that it is more than people can add."""
    lay_out, turn = sharing.lay_out, {"site": ""}

    def lying(aggregate: Any, cohort: int) -> Any:
        share = lay_out(aggregate, cohort)
        lies = turn["site"] == "busan" and "residuals" in aggregate
        return replace(share, values=np.full_like(share.values, 1e12)) if lies else share

    monkeypatch.setattr(sharing, "lay_out", lying)
    line = '  line: {method: linear, cohort: all, formula: "radius ~ texture"}\n'
    one = house(
        tmp_path,
        STUDY + (described() + line if last else line + described()),
        breast(),
        wrap=lambda inner: Noted(inner, turn),
    )
    run = Run(one.plan, one.journal)
    told = [(name, isinstance(found, Stopped)) for name, found in run]
    assert told == ([("table", False), ("line", True)] if last else [("line", False), ("line", True), ("table", True)])
    assert set(run.results) == ({"table"} if last else set())
    assert {one.code for one in run.stopped["line"].findings} == {"answer_bad_record"}
    again = Run(one.plan, one.journal)
    assert [(name, isinstance(found, Stopped)) for name, found in again] == told
    assert set(again.results) == set(run.results)
