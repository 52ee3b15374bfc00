"""Attacks by roles that set a few apart: entry, strata, changes, weights, exposures, beside the model without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.federation.rows import Rows as Inside
from gagyo.methods._set_apart import weighed_apart
from gagyo.methods._survival.set_apart import set_apart_in_time
from gagyo.protocol.study import Study
from gagyo.release.aggregate import NOBODY, Measure, compared, few_or_none
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, label, number
from tests.hospitals import house

SIZE, TARGET = 400, 33
VARIABLES = "\n".join(
    [
        *(number(name, 0, 2000) for name in ("x", "time", "came", "at", "c1")),
        *(number(name, 0.5, 4) for name in ("w", "e")),
        *(boolean(name) for name in ("t", "d", "s", "ever")),
    ]
)
COX = "method: cox, formula: 'd ~ x + t', time: time, proportional: none"
POISSON = "method: glm, family: poisson, formula: 'c1 ~ x + t'"
PLAIN = {"plain": COX, "counts": POISSON}
ROLES = {
    "entered": COX + ", entry: came",
    "divided": COX + ", strata: s",
    "changed": COX.replace("+ t", "+ t + now") + f", changes: {{now: {{at: at, label: {label('now')}}}}}",
    "weighted": COX + ", weights: w",
    "exposed": POISSON + ", exposure: e",
    "survey": POISSON + ", weights: w, robust: HC0",
}


def people(few: int) -> dict[str, np.ndarray]:
    """A few people come late, have a stratum of their own, change after the first events, and count otherwise."""
    random = np.random.default_rng(3)
    data = {"x": random.normal(60, 10, SIZE), "t": (np.arange(SIZE) // 4 % 2).astype(float)}
    data |= {"d": (random.random(SIZE) < 0.5).astype(float), "time": 2 + random.exponential(100, SIZE)}
    data["c1"] = random.poisson(3, SIZE).astype(float)
    some = np.arange(TARGET, TARGET + few)
    data["time"][some] = np.where(np.arange(few) == 0, 500, data["time"][some] + 200)
    data["ever"] = (np.arange(SIZE) % 3 == 0).astype(float)
    data["ever"][some] = 1.0
    # Most change before anybody has the event.
    data["at"] = np.where(data["ever"] == 1, 0.5, np.nan)
    for name, usual, other in (("came", 0, 150), ("s", 0, 1), ("at", None, 150), ("w", 1, 2), ("e", 2, 3)):
        data[name] = data["at"] if usual is None else np.full(SIZE, float(usual))
        data[name][some] = other + (random.random(few) / 10 if name in "we" else 0)
    return data


def one_of_many_values() -> dict[str, np.ndarray]:
    """One person who is set apart, at a hospital where weights and exposures have more values than a trait has."""
    data = people(1)
    for name in "we":
        data[name][TARGET + 4 : TARGET + 16 : 4] += np.array([1, 2, 3]) * 1e-12
    return data


def asked(folder: Path, data: dict[str, np.ndarray], *names: str) -> Run:
    lines = "".join(f"  {name}: {{cohort: all, {(PLAIN | ROLES)[name]}}}\n" for name in names)
    return house(folder, HEAD % (10, VARIABLES, lines), divide(data, np.arange(SIZE) % 4)).run()


def fits(run: Run, name: str) -> np.ndarray:
    return next(one["fit"] for one in told(run, name) if "fit" in one.values)


def test_without_the_rule_the_one_who_came_late_and_the_one_who_counts_twice_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.methods._cox_steps.set_apart_in_time", lambda *_: compared(NOBODY))
    monkeypatch.setattr("gagyo.methods._glm_sums.weighed_apart", lambda *_: few_or_none(NOBODY))
    data = one_of_many_values()
    run = asked(tmp_path, data, *PLAIN, "entered", "exposed")
    row = np.array([1, data["x"][TARGET] - 1000, data["t"][TARGET]])
    counts, exposed = (fits(run, name)[3:9] / sums(run, name) for name in ("counts", "exposed"))
    squares = (exposed - 2 * counts) / (data["e"][TARGET] - 2)
    np.testing.assert_allclose(squares, np.outer(row, row)[np.triu_indices(3)], rtol=1e-6, atol=1e-8)
    times = [told(run, name)[0]["time"][0] for name in ("plain", "entered")]
    assert times[0] - times[1] == pytest.approx(data["came"][TARGET])
    score = (fits(run, "entered") - fits(run, "plain"))[:2]
    hazard = (fits(run, "entered") - fits(run, "plain"))[-1]  # of the times that the person was not at risk in
    assert (score / hazard)[1] == pytest.approx(data["t"][TARGET] - data["t"].mean(), abs=0.1)


def sums(run: Run, name: str) -> float:
    """The mean of a Poisson model's start: outcomes by exposures."""
    outcomes, *_, over = next(one["sums"] for one in told(run, name) if "sums" in one.values)
    return float(outcomes / over)


@pytest.mark.parametrize("names", [tuple(ROLES)[:3], tuple(ROLES)[3:]])
def test_whom_a_role_sets_apart_is_nobody_or_enough(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Three in a plan: after three refusals everything goes to a person."""
    run = asked(tmp_path, one_of_many_values(), *names)
    assert sorted(run.stopped) == sorted(names)
    assert not any("fit" in getattr(one, "values", {}) for name in names for one in told(run, name))


def test_enough_of_each_are_told(tmp_path: Path) -> None:
    assert list(asked(tmp_path, people(160), *ROLES).stopped) == []


STUDY = Study.parse(HEAD % (10, VARIABLES, f"  plain: {{cohort: all, {COX}}}\n"))


def inside(**columns: np.ndarray) -> Inside:
    data = people(0) | columns
    return Inside("seoul", STUDY.variables, data, [b"p%d" % number for number in range(SIZE)])


def is_few(measure: Measure) -> bool:
    return bool(((measure.people > 0) & (measure.people < 10)).any())


def is_one(measure: Measure) -> bool:
    spread = measure.spread
    return bool((spread.total - spread.largest - spread.second < 0.2 * spread.largest).any())


def weighed(w: np.ndarray) -> Measure:
    rows = inside(w=w)
    return weighed_apart(rows, rows.formula("c1 ~ x + t + s"), rows["w"])


def test_weights_that_are_nearly_alike_hide_nobody() -> None:
    noise = 1 + np.random.default_rng(1).random(SIZE) * 1e-9
    survey = np.random.default_rng(1).choice([1.0, 1.5, 2.5, 4.0], SIZE)
    assert not is_few(weighed(noise)), "everybody's are others"
    assert not is_one(weighed(noise))
    assert is_one(weighed(np.where(np.arange(SIZE) < 3, 2.0, noise)))
    assert not is_one(weighed(survey))
    assert not is_few(weighed(survey))
    assert not is_one(weighed(np.ones(SIZE)))
    assert not is_few(weighed(np.ones(SIZE)))


def test_weights_are_counted_with_each_two_traits() -> None:
    t = people(0)["t"] == 1
    w, s = np.ones(SIZE), np.zeros(SIZE)
    w[np.flatnonzero(t)[:40]] = w[np.flatnonzero(~t)[:20]] = 2.0
    s[np.flatnonzero(t)[31:80]] = s[np.flatnonzero(~t)[:40]] = 1.0
    rows = inside(w=w, s=s)
    assert is_few(weighed_apart(rows, rows.formula("c1 ~ x + t + s"), rows["w"])), "nine others have both"
    assert not is_few(weighed_apart(rows, rows.formula("c1 ~ x + t"), rows["w"]))
    assert not is_few(weighed_apart(rows, rows.formula("c1 ~ x + s"), rows["w"]))


def in_time(came: np.ndarray, at: np.ndarray | None = None, strata: str = "", exact: bool = True) -> Measure:
    data = people(0)
    rows = inside(came=came, at=np.full(SIZE, np.nan) if at is None else at, time=np.maximum(data["time"], came + 0.5))
    changes = [] if at is None else ["at"]
    return set_apart_in_time(rows, rows.formula("d ~ x + t"), "time", "came", strata, changes, exact)


def test_who_comes_before_the_first_event_is_not_late() -> None:
    early, late = np.full(SIZE, 0.001), np.full(SIZE, 0.001)
    late[:4] = 150.0
    assert not is_few(in_time(early))
    assert is_few(in_time(late)), "all have a time of entry, and four miss an event"
    assert not is_few(in_time(late, exact=False)), "on a grid the sums by interval say so"
    late[:] = 0.0
    late[:4] = 0.001
    assert is_few(in_time(late, exact=False)), "four have a time of entry at all"


def test_one_who_misses_most_events_is_not_hidden_by_others_who_miss_one() -> None:
    came = np.full(SIZE, 0.001)
    came[:3], came[3:15] = 400.0, np.sort(people(0)["time"][people(0)["d"] == 1])[1]
    assert is_one(in_time(came))
    came[:40] = 100.0 + np.arange(40)
    assert not is_one(in_time(came))


def test_who_changes_before_any_event_has_changed_from_the_start() -> None:
    changed = np.where(np.arange(SIZE) % 2 == 0, 0.001, np.nan)
    assert not is_few(in_time(np.zeros(SIZE), changed))
    changed[:8:2] = 30.0
    assert is_few(in_time(np.zeros(SIZE), changed))
