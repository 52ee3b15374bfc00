"""Attacks by measurements that follow from each other but for a few people: in two units, or rounded in two ways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.protocol.study import Study
from gagyo.release.aggregate import NO_SPREAD, NOBODY
from gagyo.site import lines
from gagyo.site.lines import OffLines, off_lines
from tests.attacks.test_hostile import told
from tests.attacks.test_own_compared import own
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

SIZE, WHO = 400, 33
VARIABLES = "\n".join(
    [
        *(number(name, 0, 200) for name in ("x", "n")),
        *(number(name, -30, 30) for name in ("o", "p")),
        number("e", 1e-6, 1e6),
        boolean("t"),
    ]
)
GIVEN = "method: glm, formula: 'n ~ x + t', family: gaussian, link: identity, offset:"
COUNTS = "method: glm, formula: 'n ~ x + t', family: poisson"
LINEAR = "method: linear, formula: 'n ~"


def people(kind: str, few: int = 1) -> dict[str, np.ndarray]:
    """p follows from o, or from x, and e is the exponential of o; but of a few people all are others."""
    random = np.random.default_rng(2)
    x, o = random.uniform(20, 80, SIZE), random.normal(0, 0.7, SIZE)
    p = {
        "shift": o + 1.5,
        "scale": -2 * o,
        "noise": o + random.normal(0, 1e-6, SIZE),
        "of a covariate": x / 50 - 1,
        "none": random.normal(0, 1, SIZE),
    }[kind]
    some = np.arange(WHO, WHO + few)
    p[some] += 2.0
    e = np.exp(o)
    e[some] *= 2.0
    data = {"x": x, "o": o, "p": p, "e": e, "t": (random.random(SIZE) < 0.5).astype(float)}
    return data | {"n": 1.0 + random.poisson(3, SIZE)}


def asked(folder: Path, data: dict[str, np.ndarray], *analyses: str) -> Run:
    text = "".join(f"  a{at}: {{cohort: all, {one}}}\n" for at, one in enumerate(analyses))
    return house(folder, HEAD % (10, VARIABLES, text), divide(data, np.arange(SIZE) % 4)).run()


def test_without_the_rule_two_offsets_tell_a_persons_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gagyo.site.compared.off_lines", lambda *_: OffLines(NOBODY, NO_SPREAD))
    data = people("shift")
    run = asked(tmp_path, data, f"{GIVEN} o", f"{GIVEN} p")
    products = []
    for name in ("a0", "a1"):
        sums, fit = (next(one[of] for one in told(run, name) if of in one.values) for of in ("sums", "fit"))
        products.append(fit[:3] + sums[-1] / sums[1] * fit[3:6])  # of the columns with the outcome less its offset
        columns = fit[3:6]
    row = products[0] - products[1] - 1.5 * columns
    np.testing.assert_allclose(row / row[0], [1, data["x"][WHO] - 100, data["t"][WHO]], atol=1e-6)


TWO: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "offsets a constant apart": ("shift", (f"{GIVEN} o", f"{GIVEN} p")),
    "offsets in two units": ("scale", (f"{GIVEN} o", f"{GIVEN} p")),
    "offsets with another rounding": ("noise", (f"{GIVEN} o", f"{GIVEN} p")),
    "an exposure and its logarithm": ("none", (f"{COUNTS}, offset: o", f"{COUNTS}, exposure: e")),
    "an offset and a covariate": ("of a covariate", (f"{GIVEN} p",)),
    "columns of one model": ("scale", (f"{LINEAR} o + p'",)),
    "columns of two": ("scale", (f"{LINEAR} o'", f"{LINEAR} p'")),
}


@pytest.mark.parametrize("name", TWO)
def test_measurements_that_follow_but_for_one_are_not_both_told(tmp_path: Path, name: str) -> None:
    kind, analyses = TWO[name]
    run = asked(tmp_path, people(kind), *analyses)
    assert list(run.stopped) == [f"a{len(analyses) - 1}"]
    assert not told(run, f"a{len(analyses) - 1}"), "nothing was opened"


def test_those_that_follow_but_for_many_or_not_at_all_are(tmp_path: Path) -> None:
    for at, (kind, few) in enumerate((("scale", 40), ("none", 0))):
        assert asked(tmp_path / str(at), people(kind, few), f"{LINEAR} o'", f"{LINEAR} p'").stopped == {}


def test_nor_are_a_hospitals_own_estimates_by_both(tmp_path: Path) -> None:
    by = "method: meta, formula: 'n ~ {0}', model: linear, terms: [{0}]"
    run = asked(tmp_path, people("scale"), by.format("o"), by.format("p"))
    for site, withheld in (("busan", True), ("seoul", False)):
        assert bool(np.isnan(own(run, "a1", site)["coefficients"]).all()) == withheld


STUDY = Study.parse(HEAD % (10, VARIABLES, f"  a: {{cohort: all, {LINEAR} x'}}\n"))


def off(x: np.ndarray, y: np.ndarray) -> OffLines:
    return off_lines([("o", "p")], {"o": x, "p": y}, STUDY.variables, np.ones(len(x), bool))


def is_one(found: OffLines) -> bool:
    spread = found.spread
    return bool((spread.total - spread.largest - spread.second < 0.2 * spread.largest).any())


def test_who_is_off_a_line_is_counted_wherever_they_stand() -> None:
    random = np.random.default_rng(1)
    x = random.normal(0, 1, 5000)
    y = 3 - 0.5 * x
    assert off(x, y).people.tolist() == [0]
    for few in (1, 9, 2400):
        off_it = y.copy()
        off_it[-few:] += random.uniform(1, 2, few)
        assert off(x, off_it).people.tolist() == [few]
        assert not is_one(off(x, off_it)), "as many as make enough are taken to be elsewhere"
    assert off(x, random.normal(0, 1, 5000)).people.tolist() == [5000], "on no line"
    assert off(x[:11], y[:11] + random.uniform(-0.1, 0.1, 11)).people.tolist() == [11], "the one in the middle is on it"
    rounded = y + random.uniform(-1e-4, 1e-4, 5000)
    assert not is_one(off(x, rounded))
    assert off(x, rounded).people.tolist() == [5000]
    rounded[-4:] += 9.0
    assert is_one(off(x, rounded)), "four"
    loose = y[:40] + random.uniform(-0.05, 0.05, 40)
    loose[-4:] += 20.0
    assert not is_one(off(x[:40], loose)), "most are not on a line, and nobody alone is most"
    loose[-4:-1] -= 20.0
    assert is_one(off(x[:40], loose))


def test_who_lacks_a_value_is_off_no_line_and_what_most_have_is_none() -> None:
    x = np.random.default_rng(1).normal(0, 1, SIZE)
    y = 2 * x
    y[:8] = np.nan
    assert off(x, y).people.tolist() == [0]
    assert off(x, np.where(np.arange(SIZE) < 8, 5.0, 1.0)).people.tolist() == [SIZE]
    some = np.where(np.arange(SIZE) % 10 < 7, 0.0, x)
    assert off(some, 2 * some).people.tolist() == [0], "also where most have none"
    assert lines.off_lines([], {}, STUDY.variables, np.ones(3, bool)).people.tolist() == []
