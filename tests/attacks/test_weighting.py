"""Attacks on weighted comparisons: chosen coefficients, a hospital's own table in its intercept, a few, extremes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows
from gagyo.methods import standardisation, weighting
from gagyo.methods._propensity import scored
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate
from gagyo.release.case import Case
from gagyo.release.decision import Refusal, Release
from gagyo.release.gate import Gate
from gagyo.release.limits import Limits
from gagyo.result import Withheld
from gagyo.runtime.embedded import Embedded
from gagyo.statistics.weighting import Scheme, weights
from tests.attacks.test_door import Stolen, Wiretap, refused
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, hospitals, number, study
from tests.hospitals import House, house

Columns = Mapping[str, np.ndarray]
WOMEN = study(
    "pima",
    '  a: {method: weighting, cohort: all, formula: "diabetic ~ bmi + C(ageband)", outcome: bp, estimand: ato}\n',
    10,
)
TEXT = HEAD % (
    10,
    "\n".join([number("x", -10, 10), number("y", -100, 100), boolean("t"), boolean("s"), boolean("d")]),
    '  a: {method: weighting, cohort: all, formula: "t ~ %s", outcome: %s, estimand: ate%s}\n',
)


def parts(data: Columns, where: np.ndarray, text: str) -> list[Rows]:
    """Hospitals' rows, without doors."""
    parsed = Study.parse(text)
    return [
        Rows(f"h{h}", parsed.variables, {k: v[where == h] for k, v in data.items()}, [b"%d" % i for i in range(n)])
        for h, n in enumerate(np.bincount(where))
    ]


def ruled_out(aggregate: Aggregate, people: int, scope: Any = "share") -> bool:
    """Whether the gate lets nothing out."""
    return isinstance(Gate().rule(Case(scope, aggregate, people, 5, Limits(), hospitals=4)), Refusal)


def asked(formula: str, outcome: str, own: str = "own") -> dict[str, Any]:
    return {"formula": formula, "hospitals": own, "outcome": outcome, "balance": []}


def drawn(size: int = 800, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x = np.clip(random.normal(size=size), -4, 4)
    t, s, d = (np.asarray(random.random(size) < share, float) for share in (0.45, 0.5, 0.4))
    return {"x": x, "y": np.clip(3 * x + random.normal(size=size), -90, 90), "t": t, "s": s, "d": d}


# What a coordinator may ask.


def stopped_at(folder: Path, step: str) -> tuple[House, Any]:
    """A house of real women whose run stands right before a step, and the honest request for it."""
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        tap[0].until = step
        return tap[0]

    one = house(folder, WOMEN, hospitals("pima"), wrap=wrap)
    with pytest.raises(Stolen):
        one.run()
    return one, next(request for request in tap[0].seen if request.step == step and request.site == "seoul")


CHOSEN = {
    "coefficients": np.array([40.0, -3000.0, 900.0]),
    "share": np.array([0.999]),
    "bounds": np.array([0.4999, 0.5001, 1e12]),
    "scheme": ["ate"],
}


@pytest.mark.parametrize("name", CHOSEN)
def test_weights_that_single_people_out_cannot_be_chosen(tmp_path: Path, name: str) -> None:
    """Huge coefficients make each weight 0 or 1, narrow bounds a mark of who lies between: a head count of a few."""
    one, honest = stopped_at(tmp_path, "weighting.weighted")
    chosen = replace(honest, arguments={**honest.arguments, name: CHOSEN[name]})
    refused(one.sites["seoul"], chosen, "not_derived")
    assert one.sites["seoul"].answer(honest).outcome == "released"


def test_bins_of_scores_cannot_close_in_on_a_person(tmp_path: Path) -> None:
    one, honest = stopped_at(tmp_path, "weighting.overlap")
    for edges in ([0.0, 0.01, 1.0], [0.5, 0.75, 1.0]):
        refused(
            one.sites["seoul"],
            replace(honest, arguments={**honest.arguments, "edges": np.array([edges])}),
            "not_derived",
        )
    assert one.sites["seoul"].answer(honest).outcome == "released", "it is the bins that were refused"


# A hospital's own table.


def test_a_trait_of_four_people_at_a_hospital_follows_from_the_sums_so_that_it_adds_nothing() -> None:
    """At coefficients of zero the squares are the sum of n_x p (1 - p), p the share of the treated at each hospital.

    Everyone's number and the treated of each hospital are open; the rest are whole numbers, of which one set fits.
    """
    data, where = drawn(), np.repeat([0, 1, 2], [211, 263, 326])
    data["s"][where == 2] = 0.0
    data["s"][np.flatnonzero(where == 2)[:4]] = 1.0
    there = parts(data, where, TEXT % ("s", "d", ""))
    question = {**asked("t ~ s", "d"), "coefficients": np.zeros(1)}
    squares = sum(weighting.propensity(rows, **question)["fit"].values[2] for rows in there)
    open_ = [(rows.n, rows["t"].mean()) for rows in there]
    having = int(data["s"].sum())
    weight = np.array([share * (1 - share) for _, share in open_])
    found = []
    for first, second in product(range(open_[0][0] + 1), range(open_[1][0] + 1)):
        third = having - first - second
        if 0 <= third <= open_[2][0] and abs(weight @ [first, second, third] - squares) < 1e-9:
            found.append(third)
    assert found == [4], "the attack finds the four"
    assert [ruled_out(weighting.propensity(rows, **question), rows.n) for rows in there] == [False, False, True]
    beside = {**asked("t ~ s + x", "d"), "coefficients": np.zeros(2)}
    assert [ruled_out(weighting.propensity(rows, **beside), rows.n) for rows in there] == [False, False, True]


@pytest.mark.parametrize(("few", "out"), [(0, True), (1, True), (9, True), (10, False)])
def test_treated_people_with_the_outcome_are_nobodys_few_at_any_hospital(few: int, out: bool) -> None:
    """A hospital adds its own shares: k of each group with each outcome, and nobody counts as a few."""
    data = drawn(400)
    data["t"], data["d"] = np.repeat([1.0, 0.0], 200), np.tile([0.0, 1.0], 200)
    data["d"][:200] = 0.0
    data["d"][:few] = 1.0
    (rows,) = parts(data, np.zeros(400, int), TEXT % ("x", "d", ""))
    aggregate = weighting.groups(rows, **asked("t ~ x", "d"))
    assert ruled_out(aggregate, rows.n) == out
    assert not ruled_out(weighting.groups(rows, **asked("t ~ x", "d", "pooled")), rows.n), "in a sum it may be few"


def test_a_combination_of_traits_of_a_few_at_a_hospital_is_refused() -> None:
    """Of traits alone, the sums are equations in the numbers with each combination."""
    data = drawn(400)
    both = np.flatnonzero((data["t"] == 1) & (data["s"] == 1) & (data["d"] == 1))
    data["d"][both[3:]] = 0.0
    (rows,) = parts(data, np.zeros(400, int), TEXT % ("s", "d", ""))
    assert ruled_out(weighting.groups(rows, **asked("t ~ s", "d")), rows.n)
    assert not ruled_out(weighting.groups(rows, **asked("t ~ s + x", "d")), rows.n)


# Over all hospitals.


@pytest.mark.parametrize(("few", "out"), [(9, True), (20, False)])
def test_treated_people_with_the_outcome_are_no_few_over_all_hospitals(tmp_path: Path, few: int, out: bool) -> None:
    data = drawn()
    data["d"][data["t"] == 1] = 0.0
    where = np.arange(800) % 4
    data["d"][np.flatnonzero((data["t"] == 1) & (where == 0))[:few]] = 1.0
    run = house(tmp_path, TEXT % ("x", "d", ", hospitals: pooled"), divide(data, where)).run()
    assert ("a" in run.stopped) == out


def test_a_hospital_with_nine_treated_people_tells_neither_them_nor_their_weights(tmp_path: Path) -> None:
    """With one intercept its sums may be added; its own numbers stay, and the untreated with them.

    Attack: all treated less those whom the others tell would be nine. The smallest of the others is silent too.
    """
    data, where = drawn(), np.arange(800) % 4
    data["t"][(where == 2) & (np.cumsum((data["t"] == 1) & (where == 2)) > 9)] = 0.0
    assert data["t"][where == 2].sum() == 9
    run = house(tmp_path, TEXT % ("x", "y", ", hospitals: pooled"), divide(data, where)).run()
    assert run.stopped == {}
    rows = run.results["a"].table("weighted_hospitals").rows
    assert not any(isinstance(cell, Withheld) for row in (rows[0], rows[3]) for cell in row)
    assert {*rows[1][1:], *rows[2][1:]} == {Withheld("withheld")}, "191 untreated are not called few"
    assert any("beijing, busan" in str(note) for note in run.results["a"].notes)
    first = next(one for one in told(run, "a") if isinstance(one, dict))
    assert [one["groups"].any() for one in first.values() if one.whole("groups")] == [False] * 3, (
        "zeros, to ask who would"
    )


def test_a_further_variable_of_which_the_treated_have_a_few_is_no_balance(tmp_path: Path) -> None:
    """Its balance is two sums a group; the treated with it would be nine, of one hospital, none of whom dominates."""
    data, where = drawn(), np.arange(800) % 4
    data["s"][data["t"] == 1] = 0.0
    data["s"][np.flatnonzero((data["t"] == 1) & (where == 0))[:9]] = 1.0
    assert house(tmp_path / "without", TEXT % ("x", "d", ""), divide(data, where)).run().stopped == {}
    run = house(tmp_path / "with", TEXT % ("x", "d", ", balance: [s]"), divide(data, where)).run()
    assert "a" in run.stopped


def test_an_outcome_that_a_few_of_the_treated_have_is_no_measurement(tmp_path: Path) -> None:
    """A measurement that is zero but for nine treated people: their weighted sum would be theirs."""
    data, where = drawn(), np.arange(800) % 4
    some = np.flatnonzero((data["t"] == 1) & (where == 0))
    text = TEXT % ("x", "y", ", hospitals: pooled")
    for few in (9, 20):
        data["y"][data["t"] == 1] = 0.0
        data["y"][some[:few]] = 7.0
        run = house(tmp_path / str(few), text, divide(data, where)).run()
        assert ("a" in run.stopped) == (few < 10)


def test_a_person_whose_weight_outweighs_all_others_stays(tmp_path: Path) -> None:
    """Treated against all odds: the weight is what the person's own covariates make it, and the sum is theirs."""
    data = drawn()
    data["t"] = (data["x"] + 0.6 * np.random.default_rng(2).normal(size=800) > 0.4).astype(float)
    data["x"][np.flatnonzero(data["t"] == 1)[0]] = -4.0
    run = house(tmp_path / "all", TEXT % ("x", "y", ""), divide(data, np.arange(800) % 4)).run()
    assert "a" in run.stopped
    (there,) = parts(data, np.zeros(800, int), TEXT % ("x", "y", ""))
    how: dict[str, Any] = {
        **asked("t ~ x", "y"),
        "scheme": ["ate"],
        "share": np.array([0.4]),
        "means": np.zeros((2, 0)),
    }
    for low, high, out in ((0.0, 1.0, True), (0.1, 0.9, False)):
        how |= {"coefficients": np.array([2.8]), "bounds": np.array([low, high, 1e12])}
        assert ruled_out(weighting.weighted(there, **how), there.n) == out
    bounded = TEXT % ("x", "y", ", propensity_within: [0.1, 0.9]")
    assert house(tmp_path / "bounded", bounded, divide(data, np.arange(800) % 4)).run().stopped == {}


@pytest.mark.parametrize(("filled", "out"), [(0.0, False), (1.0, True)])
def test_after_a_few_were_found_beside_a_cut_none_is_made_with_nobody_beyond(filled: float, out: bool) -> None:
    """All treated lie above the cut, and untreated people on both sides: further cuts would close in on the first."""
    data = drawn(400)
    data["x"] = np.where(data["t"] == 1, np.abs(data["x"]) + 0.1, data["x"])
    (rows,) = parts(data, np.zeros(400, int), TEXT % ("x", "y", ""))
    places = {"which": np.zeros(1), "edges": np.array([[0.0, 0.5, 1.0]]), "filled": np.array([filled])}
    asked_ = {**asked("t ~ x", "y", "pooled"), "coefficients": np.array([0.0, 1.0]), **places}
    ruling = Gate().rule(Case("pooled", weighting.overlap(rows, **asked_), 400, 5, Limits(), hospitals=4))
    assert isinstance(ruling, Release)
    assert bool(ruling.withheld["bins"].all()) == out


def test_no_bin_of_scores_holds_a_few_of_a_group(tmp_path: Path) -> None:
    result = house(tmp_path, WOMEN, hospitals("pima")).run().results["a"]
    for row in result.table("overlap").rows:
        assert all(count == 0 or count >= 10 for count in row[2:])


# What two analyses tell together.


def test_two_bounds_would_tell_the_heaviest_persons_row() -> None:
    """Sums under both are of everyone, and each may leave; but they differ by the one person beyond a bound."""
    data = drawn()
    (rows,) = parts(data, np.zeros(800, int), TEXT % ("x", "y", ""))
    how: dict[str, Any] = {
        **asked("t ~ x", "y"),
        "scheme": ["ate"],
        "share": np.array([0.4]),
        "means": np.zeros((2, 1)),
    }
    how |= {"balance": ["x"], "coefficients": np.array([0.5])}
    one = scored(rows, rows.formula("t ~ x"), "own", how["coefficients"])
    weight = weights(Scheme("ate"), one.eta, one.response, 0.4).weight * data["t"]
    second, most = np.sort(weight)[-2:]
    sums = []
    for largest in (1e12, (second + most) / 2):
        found = weighting.weighted(rows, **{**how, "bounds": np.array([0.0, 1.0, largest])})
        assert not ruled_out(found, rows.n)
        sums.append(found["weighted"].values[:8].reshape(2, 4)[0])
    of_weights, _, of_outcome, of_x = sums[0] - sums[1]
    who = int(np.argmax(weight))
    np.testing.assert_allclose([of_outcome / of_weights, of_x / of_weights], [data["y"][who], data["x"][who]])


def test_two_estimators_within_other_bounds_would_tell_it_too() -> None:
    """An augmented mean is a weighted one, less what is known: its residual of the one person beyond a bound.

    Of a yes/no outcome the residual has few values it can be, each with the extra weight; and then so has any other's.
    """
    data = drawn()
    (rows,) = parts(data, np.zeros(800, int), TEXT % ("x", "y", ""))
    score = np.array([0.0, 0.8])
    share = np.where(data["t"] == 1, special.expit(score[0] + score[1] * data["x"]), 1.0)
    who, (least, next_) = int(np.argmin(share)), np.sort(share)[:2]
    how: dict[str, Any] = {**asked("t ~ x", "y", "pooled"), "scheme": ["ate"], "share": np.array([0.4])}
    how |= {
        "balance": ["s", "d"],
        "coefficients": score,
        "bounds": np.array([0.0, 1.0, 1e12]),
        "means": np.zeros((2, 2)),
    }
    of_weights, _, of_y, of_s, of_d = weighting.weighted(rows, **how)["weighted"].values[:10].reshape(2, 5)[0]
    beyond, models = {}, {"y": np.array([1.0, 0.5]), "d": np.array([-0.4, 0.3])}
    for outcome, beta in models.items():
        said = {"formula": f"{outcome} ~ s", "treatment": "t", "propensity": "t ~ x", "hospitals": "pooled"}
        bounds = np.array([(least + next_) / 2, 1.0])
        found = standardisation.means(rows, **said, scores=score, bounds=bounds, coefficients=np.tile(beta, (2, 1)))
        mean = np.cumsum(beta) if outcome == "y" else special.expit(np.cumsum(beta))
        everyone = mean[0] * (data["s"] == 0).sum() + mean[1] * (data["s"] == 1).sum()
        unbounded = {"y": of_y, "d": of_d}[outcome] - mean[0] * (of_weights - of_s) - mean[1] * of_s
        beyond[outcome] = (unbounded - (found["means"].values[0] - everyone), mean)
    guesses = [
        beyond["y"][0] / (beyond["d"][0] / (d - beyond["d"][1][s])) + beyond["y"][1][s] for d in (0, 1) for s in (0, 1)
    ]
    assert min(abs(guess - data["y"][who]) for guess in guesses) < 1e-6


WEIGHTING = 'method: weighting, cohort: all, outcome: y, formula: "t ~ x"'
AIPW = 'method: standardisation, cohort: all, treatment: t, estimator: aipw, formula: "y ~ x", propensity: "t ~ x"'


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        (f"{WEIGHTING}, estimand: ate", f"{WEIGHTING}, estimand: ate, propensity_within: [0.1, 0.9]", False),
        (f"{WEIGHTING}, estimand: ate", f"{WEIGHTING}, estimand: att, propensity_within: [0.1, 0.9]", False),
        (f"{WEIGHTING}, estimand: ato", f"{WEIGHTING}, estimand: ato, largest_weight: 0.8", False),
        (f"{WEIGHTING}, estimand: ate, largest_weight: 5", f"{WEIGHTING}, estimand: att, largest_weight: 5", False),
        (AIPW, f"{AIPW}, propensity_within: [0.1, 0.9]", False),
        (f"{WEIGHTING}, estimand: ate", f"{AIPW}, propensity_within: [0.1, 0.9]", False),
        (f"{WEIGHTING}, estimand: ate, largest_weight: 5", AIPW, False),
        (f"{WEIGHTING}, estimand: ate, propensity_within: [0.1, 0.9]", f"{AIPW}, propensity_within: [0.1, 0.9]", True),
        (f"{WEIGHTING}, estimand: att", AIPW, True),
        (f"{WEIGHTING}, estimand: ato, largest_weight: 0.8", AIPW, True),
        (f"{WEIGHTING}, estimand: ate", f"{WEIGHTING}, estimand: att", True),
        (f"{WEIGHTING}, estimand: ate", f"{WEIGHTING}, estimand: ate, stabilised: true", True),
        (f"{WEIGHTING}, estimand: ato", f"{WEIGHTING}, estimand: ate, propensity_within: [0.1, 0.9]", True),
        (f"{WEIGHTING}, estimand: ate", f"{WEIGHTING.replace('t ~', 's ~')}, estimand: ate, largest_weight: 5", True),
    ],
)
def test_weights_of_one_treatment_that_differ_for_a_few_are_no_study(one: str, other: str, fits: bool) -> None:
    """In whatever order, and in whatever cohort."""
    cohort = other.replace("cohort: all", "cohort: grown")
    head = TEXT.partition("analyses:\n")[0].replace("  all: {}", '  all: {}\n  grown: {where: "x > -9"}')
    text = f"{head}analyses:\n  a: {{{one}}}\n  b: {{{cohort}}}\n"
    if fits:
        assert set(Line(Study.parse(text)).methods) == {"a", "b"}
        return
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text))
    found = [finding for finding in fault.value.findings if finding.code == "weighting_one_scheme"]
    assert [finding.values["found"] for finding in found] == ["b"]


# What must pass.

STUDIES = 12
MEASURED = {"age": (10, 100), "weight": (25, 200), "karnofsky": (0, 100), "cd4": (0, 3000), "cd8": (0, 10000)}
TRAITS = ("female", "white", "injected", "symptoms")


def everybody() -> dict[str, np.ndarray]:
    """The people of the ACTG 175 trial (real), as columns."""
    import polars as pl

    from gagyo.demo.weights import divided as sites

    names = (*MEASURED, *TRAITS, "experienced", "fell", "cd4_later")
    whole = pl.concat([rows for _, rows in sites()])
    return {name: whole[name].cast(pl.Float64).to_numpy() for name in names}


@pytest.mark.parametrize("number_", range(STUDIES))
def test_ordinary_studies_pass(tmp_path: Path, number_: int) -> None:
    """Random questions of real people, 300 or more at a hospital, of whom ten or more of a group have each trait.

    One covariate at least is measured: of traits alone, each combination must be of nobody or ten.
    """
    random, data = np.random.default_rng(number_), everybody()
    chosen = dict.fromkeys([random.choice(list(MEASURED)), *random.choice([*MEASURED, *TRAITS], random.integers(1, 6))])
    outcome = str(random.choice(["fell", "cd4_later"]))
    lines = [number(name, *ends) for name, ends in MEASURED.items()] + [number("cd4_later", 0, 3000)]
    lines += [boolean(name) for name in (*TRAITS, "experienced", "fell")]
    covariates = " + ".join(chosen)
    if random.random() < 0.6:
        estimand = random.choice(["ate", "att", "ato"])
        asked_ = (
            f'weighting, cohort: all, formula: "experienced ~ {covariates}", outcome: {outcome}, estimand: {estimand}'
        )
    else:
        estimator = random.choice(["g_formula", f'aipw, propensity: "experienced ~ {covariates}"'])
        head = f'standardisation, cohort: all, formula: "{outcome} ~ {covariates}"'
        asked_ = f"{head}, treatment: experienced, estimator: {estimator}"
    share = random.dirichlet(np.full(4, 30.0)) * 0.3 + 0.175
    where = random.choice(4, len(data["age"]), p=share / share.sum())
    run = house(tmp_path, HEAD % (10, "\n".join(lines), f"  a: {{method: {asked_}}}\n"), divide(data, where)).run()
    assert run.stopped == {}
