"""Attacks by an offset that a study chooses: it sets a few apart, or leaves a few alone with a weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.methods._glm_cells import by_combination
from gagyo.methods._glm_sums import cells_of
from gagyo.methods._offset import NONE, Offset
from gagyo.protocol.study import Study
from gagyo.release.aggregate import NO_SPREAD, Measure
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

SIZE = 400
VARIABLES = "\n".join(
    [
        *(number(name, 0.5, 100) for name in ("x", "n")),
        number("o", -30, 30),
        number("w", 0.5, 8),
        *(boolean(name) for name in ("t", "d")),
    ]
)
MODELS = {
    "logit": "d ~ x + t, binomial, logit",
    "in_the_large": "d ~ 1, binomial, logit",
    "probit": "d ~ x + t, binomial, probit",
    "cloglog": "d ~ x + t, binomial, cloglog",
    "poisson": "n ~ x + t, poisson, log",
    "negative_binomial": "n ~ x + t, negative_binomial, log",
    "gamma": "n ~ x + t, gamma, log",
    "gaussian": "n ~ x + t, gaussian, identity",
}
FEW = np.arange(4) * 4
"""Four people of one hospital."""


def people(o: np.ndarray, seed: int = 3) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    data = {"x": random.uniform(20, 80, SIZE), "t": (np.arange(SIZE) // 4 % 2).astype(float), "o": o}
    data |= {"w": random.uniform(0.5, 8, SIZE), "d": (random.random(SIZE) < 0.5).astype(float)}
    return data | {"n": 1.0 + random.poisson(3, SIZE)}


def line(name: str, at: str = "a") -> str:
    formula, family, link = MODELS[name].split(", ")
    return f'  {at}: {{method: glm, cohort: all, formula: "{formula}", family: {family}, link: {link}, offset: o}}\n'


def asked(folder: Path, lines: str, data: dict[str, np.ndarray]) -> Run:
    return house(folder, HEAD % (10, VARIABLES, lines), divide(data, np.arange(SIZE) % 4)).run()


def score() -> np.ndarray:
    """An honest one: the log odds of a published model."""
    return np.random.default_rng(1).normal(0, 0.7, SIZE)


def test_an_honest_score_is_told_in_all_models(tmp_path: Path) -> None:
    run = asked(tmp_path, "".join(line(name, name) for name in MODELS), people(score()))
    assert run.stopped == {}
    offsets = [one.values["found"] for one in run.results["logit"].methods_text if one.key == "glm.text_offset"]
    assert offsets == ["o"]
    assert "o" in Line(run.plan.study).methods["logit"].complete, "whoever lacks one is left out"


def a_few() -> np.ndarray:
    o = np.zeros(SIZE)
    o[FEW] = 1.0
    return o


@pytest.mark.parametrize("name", ["logit", "negative_binomial"])
def test_an_offset_that_a_few_have_is_withheld(tmp_path: Path, name: str) -> None:
    """The difference from the model without it is theirs."""
    run = asked(tmp_path, line(name), people(a_few()))
    assert list(run.stopped) == ["a"]
    assert not any(one.whole("sums") for one in told(run, "a"))


def unmoved() -> dict[str, np.ndarray]:
    """Four people stay in the middle of a yes/no outcome's range, all others come to its ends, as their outcomes do."""
    random = np.random.default_rng(2)
    o = np.where(np.arange(SIZE) // 2 % 2 == 0, 25.0, -25.0) + random.uniform(-1, 1, SIZE)
    o[FEW] = random.uniform(-0.1, 0.1, len(FEW))
    data = people(o)
    data["d"] = np.where(np.abs(o) > 1, o > 0, data["d"]).astype(float)
    data["t"][FEW] = 1.0
    return data


def test_without_the_rule_the_information_is_that_of_the_few_who_are_not_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = unmoved()
    monkeypatch.setattr(Offset, "weighed", lambda *_: NO_SPREAD)
    fits = [one["fit"] for one in told(asked(tmp_path, line("logit"), data), "a") if "fit" in one.values]
    x = data["x"][FEW] - 50.25
    information = fits[0][3:9] / fits[0][3]
    np.testing.assert_allclose(information[[0, 1, 2, 5]], [1, x.mean(), 1, 1], rtol=1e-2)
    np.testing.assert_allclose(information[3], (x**2).mean(), rtol=1e-2)


@pytest.mark.parametrize("name", ["logit", "probit"])
def test_an_offset_that_leaves_only_a_few_a_weight_is_withheld(tmp_path: Path, name: str) -> None:
    run = asked(tmp_path, line(name), unmoved())
    assert list(run.stopped) == ["a"]
    assert not any("fit" in one.values for one in told(run, "a"))


def test_nor_a_few_of_those_with_a_trait(tmp_path: Path) -> None:
    data = unmoved()
    some = (data["t"] == 0) & (np.arange(SIZE) > FEW[-1])
    data["o"][some] /= 25.0  # all without the trait stay in the middle, and of those with it four
    assert list(asked(tmp_path, line("logit"), data).stopped) == ["a"]


STUDY = Study.parse(HEAD % (10, VARIABLES, "  a: {method: describe, cohort: all, variables: [x], by: t}\n"))


GIVEN = Offset(given="o")


def inside(data: dict[str, np.ndarray]) -> Inside:
    return Inside("seoul", STUDY.variables, data, [b"p%d" % number for number in range(SIZE)])


def cells(o: np.ndarray, family: str, link: str, formula: str = "n ~ x + t") -> Measure:
    rows = inside(people(o))
    return cells_of(rows, rows.formula(formula), (family, link), GIVEN)


def is_one(measure: Measure) -> bool:
    spread = measure.spread
    return bool((spread.total - spread.largest - spread.second < 0.2 * spread.largest).any())


def is_few(measure: Measure) -> bool:
    return bool(((measure.people > 0) & (measure.people < 10)).any())


@pytest.mark.parametrize("model", MODELS.values())
def test_a_few_who_have_an_offset_are_seen_in_all_models(model: str) -> None:
    formula, family, link = model.split(", ")
    assert is_few(cells(a_few(), family, link, formula))
    assert not is_few(cells(score(), family, link, formula))


def test_who_counts_for_most_is_seen_on_the_scale_of_the_mean() -> None:
    """An offset of 20 multiplies a mean by 5e8, or a gamma's outcome divided by it, where differences are small."""
    o = np.random.default_rng(1).uniform(-9, 9, SIZE)
    assert not is_one(cells(o, "gaussian", "identity"))
    o[FEW] = 20.0
    assert is_one(cells(o, "poisson", "log"))
    assert not is_one(cells(o, "gamma", "log", "n ~ x"))
    assert is_one(cells(-o, "gamma", "log"))
    assert not is_one(cells(-o, "poisson", "log", "n ~ x"))
    assert not is_one(cells(o, "gaussian", "identity"))


@pytest.mark.parametrize("role", ["offset", "offset with weights", "weights"])
def test_few_values_of_an_offset_or_of_weights_are_a_trait(role: str) -> None:
    """Beside a trait the information is an equation in who has which of them."""
    values = 1 + np.arange(SIZE) // 8 % 3.0
    assert not is_few(in_role(role, values))
    having = np.flatnonzero((np.arange(SIZE) // 4 % 2 == 1) & (values == 3))
    values[having[4:]] = 2.0
    assert is_few(in_role(role, values))


def test_few_values_of_weights_are_counted_with_each_two_traits() -> None:
    """The information has sums of weights over those with both."""
    values, some = 1 + np.arange(SIZE) // 8 % 3.0, (people(score())["d"] == 1) & (np.arange(SIZE) // 4 % 2 == 1)
    assert not is_few(in_role("weights", values, "n ~ x + t + d"))
    values[np.flatnonzero(some & (values == 3))[4:]] = 2.0
    assert is_few(in_role("weights", values, "n ~ x + t + d"))
    assert not is_few(in_role("weights", values, "n ~ x + t"))
    assert not is_few(in_role("weights", values, "n ~ x + d"))


def in_role(role: str, values: np.ndarray, formula: str = "n ~ x + t") -> Measure:
    rows = inside(people(score()) | ({"w": values} if role == "weights" else {"o": values}))
    weights = "" if role == "offset" else "w"
    return cells_of(rows, rows.formula(formula), ("poisson", "log"), NONE if role == "weights" else GIVEN, weights)


def test_an_outcome_is_looked_at_over_what_the_offset_expects() -> None:
    """A gamma's score weighs outcomes over their means, by combination of traits."""
    o = score()
    rows = inside(people(o))
    found = by_combination(rows, rows.formula("n ~ t"), GIVEN)
    np.testing.assert_allclose(found.sum(axis=1), rows["n"] * np.exp(-o))


def test_of_two_offsets_that_are_the_same_for_all_but_a_few_one_is_told(tmp_path: Path) -> None:
    """The difference of the two fits is these few's; `site/alike.py` compares whatever variables analyses name."""
    data = people(score())
    data["p"] = data["o"].copy()
    data["p"][FEW] += 1.0
    lines = "".join(
        f'  {one}: {{method: glm, cohort: all, formula: "d ~ x", family: binomial, link: logit, offset: {one}}}\n'
        for one in "op"
    )
    study = HEAD % (10, VARIABLES + "\n" + number("p", -30, 30), lines)
    run = house(tmp_path, study, divide(data, np.arange(SIZE) % 4)).run()
    assert (list(run.results), list(run.stopped)) == (["o"], ["p"])


def test_an_exposure_and_its_logarithm_are_one_model(tmp_path: Path) -> None:
    data = people(score())
    data["x"], data["n"] = np.exp(data["o"]) * 5, np.round(data["n"])
    lines = "".join(
        f'  {name}: {{method: glm, cohort: all, formula: "n ~ w + t", family: poisson, {beside}}}\n'
        for name, beside in (("a", "offset: o"), ("b", "exposure: x"))
    )
    run = asked(tmp_path, lines, data)
    assert run.stopped == {}
    a, b = ([one.value for one in run.results[name].estimates] for name in "ab")
    np.testing.assert_allclose(a[1:], b[1:], rtol=1e-9)
    np.testing.assert_allclose(a[0] - b[0], np.log(5), rtol=1e-9)
    tests = [run.results[name].table("model_test").rows[0] for name in "ab"]
    np.testing.assert_allclose(tests[0][1:], tests[1][1:], rtol=1e-8)


def only_as_others() -> dict[str, np.ndarray]:
    """Four people without the trait would stand in the middle of the range if they had it, and no others would."""
    random, place = np.random.default_rng(8), np.arange(SIZE) // 4
    o = np.where(place < 50, -10.0, np.where(place < 63, 0.0, 14.0)) + random.uniform(-0.5, 0.5, SIZE)
    o[WOULD] = -10 + random.uniform(-0.3, 0.3, len(WOULD))
    data = people(o)
    data["t"] = (place < 50).astype(float)
    data["d"] = np.where(place < 63, random.random(SIZE) < 0.5, o > 0).astype(float)
    return data


WOULD = np.arange(380, 396, 4)
EFFECTS = line("logit").replace("offset: o", "offset: o, marginal_effects: true").replace("x + t", "t + x")


def test_without_the_rule_the_effect_of_a_trait_tells_of_those_whom_it_would_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The effect's derivatives, less the information of those with the trait and of the others, are the four's."""
    data = only_as_others()
    monkeypatch.setattr("gagyo.methods.glm.steep_at_levels", lambda *_: ())
    opened = told(asked(tmp_path, EFFECTS, data), "a")
    of_trait = opened[-1]["effects"][0][1:]
    information = opened[-2]["fit"]
    everyone, having = information[[3, 5]], information[[4, 7]]  # in the intercept and in x
    theirs = of_trait[[0, 2]] - (having - (everyone - having))
    assert theirs[1] / theirs[0] + 50.25 == pytest.approx(data["x"][WOULD].mean(), abs=0.5)


def test_effects_that_move_only_a_few_are_withheld(tmp_path: Path) -> None:
    run = asked(tmp_path, EFFECTS, only_as_others())
    assert not any(one.whole("effects") for one in told(run, "a") if "effects" in one.values)
    run = asked(tmp_path / "honest", EFFECTS, people(score()))
    assert any("effects" in one.values for one in told(run, "a"))
