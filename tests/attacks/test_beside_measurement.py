"""How well an attack works that no rule stops: combinations of traits, counted from fits beside a measurement.

ADR 0111 says why none does, and that whoever approves is told. The numbers in SECURITY.md are those of this attack.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special

from gagyo.cli.plan import plan_text
from gagyo.coordinator.combinations import told_together
from gagyo.coordinator.planning import make_plan
from gagyo.protocol.study import Study
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

SIZE = 400
AGES = np.arange(40.0, 80.0)
VARIABLES = "\n".join(
    [number("age", 30, 90), number("x", 0, 9), *(boolean(name) for name in "tsuyz"), category("g", ("a", "b", "o"))]
)
LINE = "  {name}: {{method: {method}, cohort: all, formula: '{formula}'}}\n"
TWO = "".join(LINE.format(name=name, method="logistic", formula=f"{name} ~ t + s + u + age") for name in "yz")


def people() -> dict[str, np.ndarray]:
    """Of three traits one person has all; both outcomes follow age."""
    random = np.random.default_rng(4)
    data = {
        name: (random.random(SIZE) < part).astype(float) for name, part in zip("tsu", (0.3, 0.35, 0.4), strict=True)
    }
    every = np.flatnonzero(data["t"] * data["s"] * data["u"])
    data["u"][every[1:]] = 0.0
    data |= {"age": np.clip(np.rint(random.normal(60, 8, SIZE)), 40, 79), "x": random.uniform(0, 9, SIZE)}
    data["g"] = data["t"]
    for name, turn in (("y", 0.5), ("z", -0.4)):
        eta = turn * (data["t"] - data["s"] + 1.2 * data["u"] + (data["age"] - 60) / 8)
        data[name] = (random.random(SIZE) < special.expit(eta)).astype(float)
    return data


def test_two_fits_count_the_one_with_all_three_traits_and_tell_their_age(tmp_path: Path) -> None:
    """As bounds: whatever numbers of people, none negative, agree with all that was opened."""
    data = people()
    run = house(tmp_path, HEAD % (10, VARIABLES, TWO), divide(data, np.arange(SIZE) % 4)).run()
    assert not run.stopped
    who = np.array([[1.0, *traits, age - 60] for traits in product((0, 1), repeat=3) for age in AGES])
    upper = np.triu_indices(5)
    equations, sums = [np.ones((1, len(who)))], [np.array([float(SIZE)])]
    for name in "yz":
        beta = np.array([special.logit(data[name].mean()), 0, 0, 0, 0])  # opened, too
        opened = [one["fit"][0] for one in told(run, name) if "fit" in one.values]
        start = special.expit(who @ beta)
        for one in opened:
            mean = special.expit(who @ beta)
            equations += [((mean * (1 - mean))[:, None] * who[:, upper[0]] * who[:, upper[1]]).T]
            equations += [((mean - start)[:, None] * who).T]
            sums += [one[5:20], opened[0][:5] - one[:5]]
            information = np.zeros((5, 5))
            information[upper] = one[5:20]
            beta = beta + np.linalg.solve(information + np.triu(information, 1).T, one[:5])
    left, size, right = np.linalg.svd(np.concatenate(equations), full_matrices=False)
    known = size > 1e-11 * size[0]
    matrix, value = right[known], (left.T @ np.concatenate(sums))[known] / size[known]
    every, age = who[:, 1:4].all(axis=1), data["age"][data["t"] * data["s"] * data["u"] == 1] - 60
    for wanted, true in ((every * 1.0, 1.0), (every * who[:, 4], age[0])):
        ends = [sign * optimize.linprog(sign * wanted, A_eq=matrix, b_eq=value).fun for sign in (1, -1)]
        np.testing.assert_allclose(ends, [true, true], atol=0.2)


@pytest.mark.parametrize(
    ("method", "formula", "expected"),
    [
        ("logistic", "y ~ t + s + C(g) + age", "t, s, g"),
        ("cox", "y ~ t + s + u:x", "t, s, u"),
        ("logistic", "y ~ t + s + u", ""),  # counted
        ("logistic", "y ~ t + s + age", ""),  # so are each two
        ("linear", "age ~ t + s + u + x", ""),
    ],
)
def test_whoever_approves_is_told_of_which_traits(method: str, formula: str, expected: str) -> None:
    line = LINE.format(name="a", method=method, formula=formula)
    line = line.replace("}\n", ", time: x}\n") if method == "cox" else line
    study = Study.parse(HEAD % (10, VARIABLES, line))
    assert ", ".join(told_together(study.analyses["a"], study)) == expected
    assert (f"each combination of {expected} can" in plan_text(make_plan(study))) == bool(expected)


def test_a_trial_without_a_formula_is_looked_at_too() -> None:
    times = "time: x, event: y, start: age, grace: 1, horizon: 5"
    line = f"  a: {{method: target_trial, cohort: all, {times}, adjust: 't + s + u + age'}}\n"
    study = Study.parse(HEAD % (10, VARIABLES, line))
    assert told_together(study.analyses["a"], study) == ("t", "s", "u")
