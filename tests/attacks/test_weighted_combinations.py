"""Attacks by weights and offsets over combinations of traits, and by an offset that only a likelihood feels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from gagyo.coordinator.run import Run
from gagyo.federation.rows import Rows as Inside
from gagyo.methods import _set_apart
from gagyo.methods._gee_cells import pooled_cells
from gagyo.methods._glm_cells import by_combination
from gagyo.methods._glm_sums import cells_of
from gagyo.methods._offset import NONE, Offset
from gagyo.methods.categorical import _cells as cells_of_levels
from gagyo.methods.glm import Method, step
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Measure, Spread
from gagyo.release.parts import spread_of_two
from gagyo.statistics.families import cloglog
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

SIZE = 400
VARIABLES = "\n".join(
    [
        *(number(name, 0.5, 100) for name in ("x", "n")),
        number("m", 0, 100),
        number("o", -30, 30),
        number("w", 1e-9, 8),
        number("e", 0.5, 4),
        *(boolean(name) for name in ("t", "s", "u", "d")),
        category("g", ("low", "middle", "high")),
    ]
)
LOGIT = "{method: glm, cohort: all, formula: 'd ~ t + s + u', family: binomial, link: logit, weights: w, robust: HC0}"


def people(only: bool) -> dict[str, np.ndarray]:
    """only: of all three traits only one person has each; else more do."""
    random = np.random.default_rng(5)
    data = {name: (random.random(SIZE) < 0.5).astype(float) for name in "tsu"}
    every = np.flatnonzero(data["t"] * data["s"] * data["u"])
    data["u"][every[1:]] = float(not only)
    eta = 0.8 * data["t"] - 0.6 * data["s"] + 0.5 * data["u"] - 0.3
    data |= {"x": random.uniform(20, 80, SIZE), "d": (random.random(SIZE) < special.expit(eta)).astype(float)}
    data |= {"n": 1.0 + random.poisson(3 * np.exp(eta / 2)), "g": random.integers(0, 3, SIZE).astype(float)}
    data |= {
        "w": random.uniform(0.9, 1.1, SIZE),
        "o": random.normal(0, 0.7, SIZE),
        "m": np.zeros(SIZE),
        "e": np.ones(SIZE),
    }
    data["d"][every[0]], data["g"][every[0]] = 1.0, 2.0
    return data


def asked(folder: Path, lines: str, data: dict[str, np.ndarray]) -> Run:
    return house(folder, HEAD % (10, VARIABLES, lines), divide(data, np.arange(SIZE) % 4)).run()


def fits(run: Run, name: str) -> list[np.ndarray]:
    return [one["fit"] for one in told(run, name) if "fit" in one.values]


def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_of_combinations", "_by_combination"):
        monkeypatch.setattr(_set_apart, name, lambda *_: ())


def test_without_the_rule_the_weight_of_the_one_with_all_three_traits_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The information of each round is seven equations in the weights of eight combinations."""
    nothing(monkeypatch)
    data = people(only=True)
    run = asked(tmp_path, f"  a: {LOGIT}\n", data)
    having = np.array([[1, a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], float)
    outcomes, weights = next(one["sums"] for one in told(run, "a") if "sums" in one.values)
    beta, upper = np.array([special.logit(outcomes / weights), 0, 0, 0]), np.triu_indices(4)
    equations, sums = [], []
    for one in fits(run, "a"):
        mean = special.expit(having @ beta)
        equations += [(mean * (1 - mean) * having[:, j] * having[:, k]) for j, k in zip(*upper, strict=True)]
        sums += one[4:14].tolist()
        information = np.zeros((4, 4))
        information[upper] = one[4:14]
        beta = beta + np.linalg.solve(information + np.triu(information, 1).T, one[:4])
    found = np.linalg.lstsq(np.array(equations), np.array(sums), rcond=None)[0]
    (who,) = np.flatnonzero(data["t"] * data["s"] * data["u"])
    assert found[-1] == pytest.approx(data["w"][who], rel=1e-9)


@pytest.mark.parametrize("only", [True, False])
def test_a_combination_that_one_has_is_told_of_no_weighted_fit(tmp_path: Path, only: bool) -> None:
    run = asked(tmp_path, f"  a: {LOGIT}\n", people(only))
    assert list(run.stopped) == ["a"] * only
    assert bool(fits(run, "a")) != only


HAZARD = "  a: {method: glm, cohort: all, formula: 'd ~ t + s', family: binomial, link: cloglog, exposure: e}\n"


def years(few: bool) -> dict[str, np.ndarray]:
    """Of those with both traits one was there for three years, all others for one or two; or more were."""
    data = people(only=False)
    having = data["t"] + 2 * data["s"] + 4 * data["d"]
    for one in range(8):
        data["e"][having == one] = 1.0 + np.arange((having == one).sum()) % 3
    long = np.flatnonzero(data["t"] * data["s"] * (data["e"] == 3))
    data["e"][long[1:]] = 2.0 if few else 3.0
    return data


def test_without_the_rule_it_is_told_how_long_those_with_each_combination_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hazard's weights bend: ten rounds are equations enough in who has which exposure."""
    monkeypatch.setattr(Offset, "beside", lambda _, rows, formula: formula)
    at: list[np.ndarray] = []
    named = Method._named
    monkeypatch.setattr(Method, "_named", lambda self, beta: at.append(beta) or named(self, beta))
    data = years(few=True)
    opened = fits(asked(tmp_path, HAZARD, data), "a")
    having = np.array([[1, a, b] for a in (0, 1) for b in (0, 1)], float)
    equations, sums = [], []
    for beta, one in zip(dict.fromkeys(map(tuple, at)), opened, strict=True):
        mean = np.add.outer(having @ np.array(beta), np.log([1, 2, 3]))
        weight = cloglog(np.zeros(12), mean.ravel()).weight
        equations += [
            weight * np.repeat(having[:, j] * having[:, k], 3) for j, k in zip(*np.triu_indices(3), strict=True)
        ]
        sums += one[3:9].tolist()
    found = np.linalg.lstsq(np.array(equations), np.array(sums), rcond=1e-14)[0]
    years_of_both = data["e"][data["t"] * data["s"] == 1]
    np.testing.assert_allclose(found[-3:], [(years_of_both == one).sum() for one in (1, 2, 3)], atol=1e-3)


@pytest.mark.parametrize("few", [True, False])
def test_values_of_an_exposure_are_counted_in_each_combination(tmp_path: Path, few: bool) -> None:
    assert list(asked(tmp_path, HAZARD, years(few)).stopped) == ["a"] * few


def inside(data: dict[str, np.ndarray]) -> Inside:
    study = Study.parse(HEAD % (10, VARIABLES, "  a: {method: describe, cohort: all, variables: [x], by: t}\n"))
    return Inside("seoul", study.variables, data, [b"p%d" % number for number in range(SIZE)])


def of_glm(formula: str, family: str, link: str, offset: Offset, weights: str = "") -> Callable[[Inside], Measure]:
    return lambda rows: cells_of(rows, rows.formula(formula), (family, link), offset, weights)


GIVEN = Offset(given="o")
CELLS: dict[str, Callable[[Inside], Measure]] = {
    "probit": of_glm("d ~ t + s + u", "binomial", "probit", NONE, "w"),
    "poisson": of_glm("n ~ t + s + u", "poisson", "log", NONE, "w"),
    "poisson with an offset": of_glm("n ~ t + s + u", "poisson", "log", GIVEN),
    "gamma with both": of_glm("n ~ t + s + u", "gamma", "log", GIVEN, "w"),
    "equations": lambda rows: pooled_cells(rows, rows.formula("d ~ t + s + u"), "binomial", "w"),
    "levels": lambda rows: cells_of_levels(rows, rows.formula("g ~ t + s + u"), "w"),
}


def is_few(measure: Measure) -> bool:
    return bool(((measure.people > 0) & (measure.people < 10)).any())


def is_one(measure: Measure) -> bool:
    spread = measure.spread
    return bool((spread.total - spread.largest - spread.second < 0.2 * spread.largest).any())


@pytest.mark.parametrize("model", CELLS)
def test_it_is_counted_in_every_model(model: str) -> None:
    assert not is_few(CELLS[model](inside(people(only=False))))
    assert is_few(CELLS[model](inside(people(only=True))))


def test_who_has_other_weights_is_counted_in_each_combination() -> None:
    """Of weights that most have, the others are a part; of other weights of everybody, one may be most."""
    data, cells = people(only=False), CELLS["poisson"]
    every = np.flatnonzero(data["t"] * data["s"] * data["u"])
    usual = np.where(np.arange(SIZE) % 5 < 2, data["w"], 1.0)
    usual[every] = 1.0
    assert not is_few(cells(inside(data | {"w": usual})))
    usual[every[:4]] = data["w"][every[:4]]
    assert is_few(cells(inside(data | {"w": usual})))
    heavy = 0.8 + 0.2 * data["w"]
    assert not is_one(cells(inside(data | {"w": heavy})))
    heavy[every[0]] = 5.0
    assert is_one(cells(inside(data | {"w": heavy})))


def test_a_gammas_outcomes_are_looked_at_by_combination_as_they_are_weighted() -> None:
    data = people(only=False)
    rows = inside(data)
    found = by_combination(rows, rows.formula("n ~ t + s"), GIVEN, "w")
    assert found.shape == (SIZE, 4)
    np.testing.assert_allclose(found.sum(axis=1), data["w"] * data["n"] * np.exp(-data["o"]))
    asked = {"formula": "n ~ t + s + u", "family": "gamma", "link": "log", "offset": "", "weights": "w"}
    at = np.array([np.log(data["n"].mean()), 0, 0, 0])
    assert not is_one(step(rows, **asked, coefficients=at)["fit"])
    every = np.flatnonzero(data["t"] * data["s"] * data["u"])
    data["n"][every], data["n"][every[0]], data["w"][every[0]] = 1.0, 50.0, 8.0
    assert is_one(step(inside(data), **asked, coefficients=at)["fit"])


# Of two traits: who weighs at all.


def of_two(data: dict[str, np.ndarray]) -> np.ndarray:
    """Forty of one hospital, four of them with both of two traits."""
    t, s, here = data["t"] == 1, data["s"] == 1, np.arange(SIZE) % 4 == 0
    some = [np.flatnonzero(side & here)[:12] for side in (t & ~s, ~t & s, ~t & ~s)]
    return np.concatenate([*some, np.flatnonzero(t & s & here)[:4]])


def weighed() -> dict[str, np.ndarray]:
    data = people(only=False)
    data["w"] = data["w"] * 1e-6
    heavy = of_two(data)
    data["w"][heavy] = np.random.default_rng(1).uniform(0.99, 1.01, len(heavy))
    return data


def moved() -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)
    data = people(only=False)
    place, seoul = np.arange(SIZE) // 4, np.arange(SIZE) % 4 == 0
    up = np.where(seoul, place % 4 > 0, place % 12 < 5)  # those who are not moved are not the usual ones there
    data["o"] = np.where(up, 1, -1) * random.uniform(15, 29, SIZE)
    heavy = of_two(data)
    data["o"][heavy] = 0.0
    data["o"][~seoul] -= data["o"].sum() / (~seoul).sum()
    return data


TWO = {
    "offset: o": ("binomial, link: logit", moved),
    "weights: w, robust: HC0": ("binomial, link: logit", weighed),
}


@pytest.mark.parametrize("role", TWO)
def test_without_the_rule_four_with_both_of_two_traits_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    family, make = TWO[role]
    line = f"  a: {{method: glm, cohort: all, formula: 'd ~ x + t + s', family: {family}, {role}}}\n"
    assert fits(asked(tmp_path / "with", line, make()), "a") == []

    def of_one(size: np.ndarray, sides: np.ndarray) -> Spread:
        return spread_of_two(size, sides[:, :1])

    for module in ("_set_apart", "_offset"):
        monkeypatch.setattr(f"gagyo.methods.{module}.spread_of_two", of_one)
    information = fits(asked(tmp_path / "without", line, make()), "a")[0][4:14]
    assert information[8] / information[0] * 40 == pytest.approx(4, abs=0.1)


def test_ten_of_two_traits_at_a_hospital_may_weigh_alike() -> None:
    """Others elsewhere weigh at least as those of these who weigh least."""
    ten = np.linspace(0.05, 1, 10)
    sides = np.ones((10, 1), bool)
    for size, alone in ((ten, False), (np.where(np.arange(10) < 4, 1.0, 1e-6), True)):
        spread = spread_of_two(size, sides)
        assert bool((spread.total - spread.largest - spread.second < 0.2 * spread.largest).any()) == alone


# On the scale of the likelihood.


def alone(n: float) -> dict[str, np.ndarray]:
    data = people(only=False)
    data["m"], data["o"] = data["n"] - 1, np.random.default_rng(2).normal(0, 0.01, SIZE)
    data["o"][33], data["m"][33] = -30.0, n
    return data


COUNTS = "method: glm, cohort: all, formula: 'm ~ x', family: poisson"
NAMES = ("plain", "moved")
BOTH = f"  plain: {{{COUNTS}}}\n  moved: {{{COUNTS}, offset: o}}\n"


def test_without_the_rule_a_likelihood_tells_how_often_one_person_had_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An offset of -30 expects nothing of that person, as one of -9 would; but multiplies the outcome."""
    monkeypatch.setattr(Offset, "weighing", lambda self, rows, *_: [np.exp(self.of(rows))])
    for events in (0.0, 3.0):
        run = asked(tmp_path / str(events), BOTH, alone(events))
        sums = [next(one["sums"] for one in told(run, name) if "sums" in one.values) for name in NAMES]
        start = [np.log(one[0] / one[-1]) for one in sums]
        plain, moved = (fits(run, name)[0][-1] - beta * sums[0][0] for name, beta in zip(NAMES, start, strict=True))
        assert (moved - plain) / -30 == pytest.approx(events, abs=0.1)


def test_who_is_far_from_others_on_the_likelihoods_scale_is_seen() -> None:
    data = alone(0.0)
    for family, link in (("poisson", "log"), ("negative_binomial", "log"), ("binomial", "cloglog")):
        outcome = "d" if family == "binomial" else "m"
        assert is_one(of_glm(f"{outcome} ~ x", family, link, GIVEN)(inside(data)))
        assert not is_one(of_glm(f"{outcome} ~ x", family, link, GIVEN)(inside(people(only=False))))
    square = np.where(np.arange(SIZE) == 33, 25.0, np.random.default_rng(2).uniform(-0.2, 0.2, SIZE))
    rows = inside(data | {"o": square})
    assert is_one(of_glm("d ~ x", "binomial", "probit", GIVEN)(rows))
    assert not is_one(of_glm("d ~ x", "binomial", "logit", GIVEN)(rows))
