"""Attacks on fits of many people that start on a part of them: of two fits, one person of those who differ is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from gagyo.federation.rows import Rows as Inside
from gagyo.methods import _cox_steps as cox
from gagyo.methods import logistic
from gagyo.protocol.study import Study
from tests.contract.data import HEAD, boolean, number
from tests.hospitals import SITES, Rows, house

SIZE, PART = 5 * 8192, 16
VARIABLES = "\n".join([number("x", 0, 100), number("time", 0, 500), *(boolean(name) for name in ("t", "wider", "d"))])
STUDY = Study.parse(HEAD % (10, VARIABLES, "  a: {method: linear, cohort: all, formula: 'x ~ t'}\n"))
COX = {"time": "time", "entry": "", "strata": "", "changed": [], "at": [], "weights": "", "ties": 0}


def people(secret: bytes = b"seoul") -> Inside:
    """Two traits differ by forty people, of whom the first rows have one."""
    random = np.random.default_rng(1)
    data = {"x": random.uniform(20, 80, SIZE), "time": random.exponential(50, SIZE).clip(0.01, 500)}
    data |= {name: (random.random(SIZE) < 0.4).astype(float) for name in "td"}
    data["wider"] = data["t"].copy()
    some = np.flatnonzero((data["t"] == 0) & (data["d"] == 1))
    data["wider"][some[[5, *range(3000, 3039)]]] = 1.0
    data["time"][some[5]] = 0.02
    return Inside("seoul", STUDY.variables, data, [b"%d" % at for at in range(SIZE)], "study", secret)


def of_logistic(rows: Inside, trait: str) -> float:
    """The trait's score in a part, where nothing has an effect."""
    share = rows["d"].mean()
    start = np.array([[special.logit(share), 0.0, 0.0]])
    found = logistic.newton(rows, formula=f"d ~ {trait} + x", coefficients=start, part=PART)["fit"]
    return float(found.values[0, 1] / PART / (1 - share))  # it is scaled to everyone's


def of_cox(rows: Inside, trait: str) -> float:
    return float(
        cox.newton(rows, formula=f"d ~ {trait} + x", coefficients=np.zeros(2), part=PART, **COX)["fit"].values[0]
    )


FITS = {"logistic": of_logistic, "cox": of_cox}


@pytest.mark.parametrize("fit", FITS)
def test_without_the_rule_two_parts_differ_by_one_persons_outcome(fit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inside, "_place", lambda *_: 0)
    rows = people()
    assert FITS[fit](rows, "wider") - FITS[fit](rows, "t") == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("fit", FITS)
def test_of_two_fits_the_parts_are_other_peoples(fit: str) -> None:
    """So that what they differ by is the sum of thousands."""
    found: Callable[[Inside, str], float] = FITS[fit]
    rows = people()
    assert abs(found(rows, "wider") - found(rows, "t")) > 2
    assert found(rows, "t") == found(rows, "t"), "a fit has the same part in each round"
    assert found(people(b"another"), "t") != found(rows, "t"), "no other hospital can know them"


def test_parts_are_of_a_size_wherever_they_are() -> None:
    rows = people()
    for label in "abc":
        assert [one.stop - one.start for one in rows.slices(8192, PART, label)] == [512] * 5
        assert rows.window(PART, label).n == SIZE // PART
    assert rows.window(1, "a") is rows
    assert [(one.start, one.stop) for one in rows.slices(SIZE, 1, "a")] == [(0, SIZE)]
    starts = {rows.slices(8192, PART, str(label))[0].start for label in range(20)}
    assert len(starts) > 15
    others = Inside("seoul", STUDY.variables, {}, [b"%d" % at for at in range(1, SIZE + 1)], "study", b"seoul")
    assert others.slices(8192, PART, "a") != rows.slices(8192, PART, "a"), "nor of two cohorts"


def test_parts_of_two_cohorts_that_differ_by_a_few_are_other_peoples(tmp_path: Path) -> None:
    """The difference of sums over the same part would be the sum of those few who are in it."""
    text = STUDY.source.replace("  all: {}", "  all: {}\n  most: {where: 'x < 79'}", 1)
    text += "  b: {method: linear, cohort: most, formula: 'x ~ t'}\n"
    rows = {site: people() for site in SITES}
    one = house(tmp_path, text, {site: Rows(dict(each._columns), list(each._persons)) for site, each in rows.items()})
    session = one.sites["seoul"].sessions.find(one.plan.digest)
    assert session is not None
    all_of_them, most = (session.cohorts[name].rows for name in ("all", "most"))
    assert all_of_them._place("a fit", 10**9) != most._place("a fit", 10**9)
