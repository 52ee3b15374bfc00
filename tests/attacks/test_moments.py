"""Attack: cross-products of many formulas of products are moments of the rows; from these everybody's values follow."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np

from gagyo.coordinator.run import Run
from tests.contract.data import HEAD, divide, number
from tests.hospitals import house

PEOPLE = 40
HALVES = [f"a{at}" for at in range(6)], [f"b{at}" for at in range(6)]
OTHERS = ["q", "y", *(f"z{at}" for at in range(24))]


def products(names: list[str]) -> list[tuple[str, ...]]:
    """Products of up to three variables: more than there are people."""
    return [one for size in range(4) for one in combinations(names, size)]


def rows() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    names = [*HALVES[0], *HALVES[1], *OTHERS]
    return {name: random.choice([-1, 1], PEOPLE) * random.uniform(0.7, 1.3, PEOPLE) for name in names}


def text(formulas: list[str]) -> str:
    variables = "\n".join(number(name, -6, 6) for name in rows())
    fits = "".join(f"  f{at}: {{method: linear, cohort: all, formula: '{one}'}}\n" for at, one in enumerate(formulas))
    return HEAD % (10, variables, fits)


def run(folder: Path, formulas: list[str]) -> Run:
    return house(folder, text(formulas), divide(rows(), np.arange(PEOPLE) % 4)).run()


def test_without_the_rule_everybodys_value_follows_from_moments() -> None:
    """Sums of u w and of u w q over all products u, w: two matrices of which the values of q are the eigenvalues."""
    data = rows()
    left, right = (
        np.array([np.prod([data[name] for name in one], axis=0) * np.ones(PEOPLE) for one in products(half)])
        for half in HALVES
    )
    plain, with_q = left @ right.T, (left * data["q"]) @ right.T
    u, _, w = np.linalg.svd(plain)
    u, w = u[:, :PEOPLE].T, w[:PEOPLE].T
    found = np.linalg.eigvals(np.linalg.solve(u @ plain @ w, u @ with_q @ w))
    np.testing.assert_allclose(np.sort(found.real), np.sort(data["q"]), atol=1e-6)


def of_products() -> list[str]:
    """Ninety-eight formulas of thirteen columns: all products of two halves."""
    us, ws = (products(half) for half in HALVES)
    formulas = []
    for first in range(0, len(us), 6):
        for second in range(0, len(ws), 3):
            some = ws[second : second + 3]
            terms = [*us[first : first + 6], *some, *((*one, "q") for one in some)]
            formulas.append("y ~ " + " + ".join(":".join(one) for one in dict.fromkeys(terms) if one))
    return formulas


def test_the_numbers_of_a_fit_are_counted_and_not_its_parameters(tmp_path: Path) -> None:
    """Ninety-eight fits of thirteen columns have 1,274 parameters, and 10,290 products of 1,520 values."""
    going = run(tmp_path, of_products()[:20])
    assert 10 < len(going.results) < 16
    assert {found.code for why in going.stopped.values() for found in why.findings} <= {
        "answer_withheld",
        "answer_referred",
    }


def test_as_many_models_of_a_few_columns_pass(tmp_path: Path) -> None:
    assert run(tmp_path, [f"y ~ a0 + b0 + z{at}" for at in range(20)]).stopped == {}
