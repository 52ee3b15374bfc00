"""Attacks by what hospitals tell of themselves in two analyses of a plan, which leaves a few people of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from gagyo.coordinator.run import Run
from tests.attacks.test_amended import Years
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, number
from tests.hospitals import SITES, Rows, house

EACH = 160
FIVE = (*SITES, "jeju")
VARIABLES = "\n".join([*(boolean(name) for name in ("t", "wider", "y", "s")), number("x", 0, 100), number("v", 0, 100)])
Columns = dict[str, np.ndarray]


def drawn(seed: int, wider: int, women: int) -> Columns:
    """A hospital where some have the wider trait alone, and of those over 98 some are women, all with the outcome."""
    random = np.random.default_rng(seed)
    data = {name: (random.random(EACH) < share).astype(float) for name, share in (("t", 0.4), ("y", 0.5), ("s", 0.5))}
    data |= {"x": random.uniform(0, 97, EACH), "v": random.normal(50, 10, EACH).round(1)}
    data["wider"] = data["t"].copy()
    data["wider"][np.flatnonzero(data["t"] == 0)[:wider]] = 1
    over = np.concatenate([np.flatnonzero(data["s"] == 1)[:women], np.flatnonzero(data["s"] == 0)[:24]])
    data["x"][over] = 99.0
    data["y"][over] = np.where(data["s"][over] == 1, 1.0, np.arange(len(over)) % 2)
    return data


def hospitals(few: int) -> dict[str, Columns]:
    """Few of one hospital, and enough of the others."""
    return {site: drawn(at, *((few, few) if site == "seoul" else (14, 22))) for at, site in enumerate(FIVE)}


def ran(folder: Path, few: int, analyses: Mapping[str, str], data: Mapping[str, Columns] | None = None) -> Run:
    every = data or hospitals(few)
    rows = {site: Rows(one, [f"{site}{at}".encode() for at in range(EACH)]) for site, one in every.items()}
    return house(folder, text_of(analyses), rows).run()


def text_of(analyses: Mapping[str, str]) -> str:
    lines = "".join(f"  {name}: {{{one}}}\n" for name, one in analyses.items())
    text = (HEAD % (10, VARIABLES, lines)).replace("  all: {}\n", "  all: {}\n  most: {where: 'x < 98'}\n")
    return text.replace("tianjin]", "tianjin, jeju]")


def own(run: Run, analysis: str, site: str = "seoul") -> dict[str, np.ndarray]:
    """What a hospital told of itself, last."""
    records = [part.record for part in run._history if part.cursor.analysis == analysis and part.record]
    answers = (one for record in records if not record.shares for one in record.values)
    (*_, found) = [dict(one.payload["values"]) for one in answers if one.site == site]
    return found


def tables(said: Mapping[str, np.ndarray]) -> set[tuple[int, ...]]:
    """The tables of which a logistic model has this coefficient and error: with the trait, of these with the outcome,
    without the trait, of these with the outcome.
    """
    n, beta, error = (float(said[name][0]) for name in ("people", "coefficients", "errors"))
    found = set()
    for having in range(1, int(n)):
        for yes in range(1, having):
            share = special.expit(special.logit(yes / having) - beta)
            others = round(share * (n - having))
            cells = np.array([yes, having - yes, others, n - having - others])
            if (
                cells.min() > 0
                and np.isclose([others, error], [share * (n - having), np.sqrt((1 / cells).sum())]).all()
            ):
                found.add((having, yes, int(n) - having, others))
    return found


def meta(term: str, cohort: str = "all", of: str = "y") -> str:
    model = "linear" if of == "v" else "logistic"
    return f"method: meta, cohort: {cohort}, formula: '{of} ~ {term}', terms: [{term}], model: {model}"


def test_without_the_rule_two_estimates_of_a_hospital_tell_a_persons_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.site.steps.own_compared", lambda *_: {})
    run = ran(tmp_path, 1, {"a": meta("t"), "b": meta("wider")})
    pairs = product(tables(own(run, "a")), tables(own(run, "b")))
    moved = [(two[1] - one[1]) for one, two in pairs if two[0] - one[0] == 1 and abs(two[3] - one[3]) <= 1]
    data = hospitals(1)["seoul"]
    person = np.flatnonzero((data["t"] == 0) & (data["wider"] == 1))
    assert set(moved) == {int(data["y"][person[0]])}


TWO = {
    "a wider trait": (meta("t"), meta("wider")),
    "its means": (meta("t", of="v"), meta("wider", of="v")),
    "women of most": (meta("s"), meta("s", "most")),
    "women's outcome": (meta("t"), meta("s", "most")),
}


@pytest.mark.parametrize("few", [1, 9, 12])
@pytest.mark.parametrize("name", TWO)
def test_a_hospitals_own_estimates_leave_nobody_or_enough(tmp_path: Path, name: str, few: int) -> None:
    first, then = TWO[name]
    run = ran(tmp_path, few, {"a": first, "b": then})
    assert run.stopped == {}, "the other hospitals' estimates are told"
    assert not np.isnan(own(run, "a")["coefficients"]).any()
    here = name != "women's outcome"  # of everyone's estimate by t nothing says how many women have the outcome
    assert bool(np.isnan(own(run, "b")["coefficients"]).all()) == (here and few < 10)
    assert not np.isnan(own(run, "b", "busan")["coefficients"]).any()
    assert set(own(run, "b")) == {"people", "coefficients", "errors"}
    assert own(run, "b")["people"][0] == len(hospitals(few)["seoul"]["x"]) - ("most" in then) * (24 + few)


def test_one_woman_without_the_outcome_among_enough_stays(tmp_path: Path) -> None:
    data = hospitals(12)
    women = np.flatnonzero((data["seoul"]["x"] > 98) & (data["seoul"]["s"] == 1))
    data["seoul"]["y"][women[0]] = 0
    run = ran(tmp_path, 12, {"a": meta("s"), "b": meta("s", "most")}, data)
    assert np.isnan(own(run, "b")["coefficients"]).all()


@pytest.mark.parametrize("few", [1, 12])
def test_a_wider_trait_of_another_plan_leaves_nobody_or_enough(tmp_path: Path, few: int) -> None:
    """A hospital keeps bits of everybody's values of what a plan named: two variables are compared by these."""
    rows = {site: Rows(one, [f"{site}{at}".encode() for at in range(EACH)]) for site, one in hospitals(few).items()}
    years = Years(tmp_path, rows)
    plans = [text_of({"a": one}) for one in (meta("t"), meta("wider"), meta("t"))]
    first, then, again = (years.run(plan) for plan in plans)
    assert not np.isnan(own(first, "a")["coefficients"]).any()
    assert bool(np.isnan(own(then, "a")["coefficients"]).all()) == (few < 10)
    assert not np.isnan(own(then, "a", "busan")["coefficients"]).any()
    assert not np.isnan(own(again, "a")["coefficients"]).any(), "the same plan again has the same answers"


@pytest.mark.parametrize("few", [1, 12])
def test_a_wider_trait_of_a_part_leaves_nobody_or_enough(tmp_path: Path, few: int) -> None:
    """Everyone by a trait, less a part by it, are the other part by it."""
    data = hospitals(few)
    for site, one in data.items():
        under = np.flatnonzero((one["t"] == 0) & (one["x"] < 98))
        one["wider"] = one["t"].copy()
        one["wider"][under[: few if site == "seoul" else 14]] = 1
    run = ran(tmp_path, few, {"a": meta("t"), "b": meta("wider", "most")}, data)
    assert bool(np.isnan(own(run, "b")["coefficients"]).all()) == (few < 10)


MIXED = "method: mixed, formula: 'v ~ s', hospital: random, slopes: [s]"


def test_without_the_rule_a_hospitals_sums_of_two_cohorts_tell_a_persons_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.site.steps.own_compared", lambda *_: {})
    analyses = {"a": MIXED + ", cohort: all", "b": MIXED + ", cohort: most"}
    run = ran(tmp_path, 1, analyses)
    assert run.stopped == {}
    women = np.subtract(*(of_women(run, name) for name in analyses))
    data = hospitals(1)["seoul"]
    assert women == pytest.approx([1, data["v"][(data["s"] == 1) & (data["x"] > 98)][0]], rel=1e-9)


def of_women(run: Run, name: str) -> tuple[float, float]:
    """How many women Seoul has, and the sum of their values: from its own sums about the opened means."""
    first = told(run, name)[0]
    of_s, of_v = (first["sums"] / first["people"])[1:]
    (n, s, v), (_, _, product_) = own(run, name)["block"]
    women = s + n * of_s
    return women, product_ + of_s * v + of_v * women


@pytest.mark.parametrize("few", [1, 12])
def test_a_hospitals_own_sums_leave_nobody_or_enough(tmp_path: Path, few: int) -> None:
    run = ran(tmp_path, few, {"a": MIXED + ", cohort: all", "b": MIXED + ", cohort: most"})
    assert list(run.stopped) == (["b"] if few < 10 else [])


STRATIFIED = {
    "a wider trait": ("by: t", "by: wider", "all"),
    "women of most": ("by: s", "by: s", "most"),
}


@pytest.mark.parametrize("few", [1, 12])
@pytest.mark.parametrize("name", STRATIFIED)
def test_strata_leave_nobody_or_enough_at_each_hospital(tmp_path: Path, name: str, few: int) -> None:
    """Each hospital's table follows from Mantel and Haenszel's sums over the hospitals as strata."""
    first, then, cohort = STRATIFIED[name]
    table = "method: compare, variables: [y], stratified: true"
    run = ran(tmp_path, few, {"a": f"{table}, {first}, cohort: all", "b": f"{table}, {then}, cohort: {cohort}"})
    assert run.stopped == {}, "groups are compared without strata"
    opened = {analysis: any("y.strata" in one.values for one in told(run, analysis)) for analysis in "ab"}
    assert opened == {"a": True, "b": few >= 10}


MODEL = "method: logistic, cohort: %s, formula: 'y ~ x + v'"
VALIDATED = "method: validate, cohort: %s, model: %s, folds: 0"


@pytest.mark.parametrize("few", [1, 12])
def test_a_hospitals_own_accuracy_in_two_cohorts_leaves_nobody_or_enough(tmp_path: Path, few: int) -> None:
    """How many cases each cohort has is told, and so how many of those between; women there all are, as half the men.

    Without men among them that are none, nobody would be left without the outcome.
    """
    analyses = {"m": MODEL % "all", "v": VALIDATED % ("all", "m"), "n": MODEL % "most", "w": VALIDATED % ("most", "n")}
    data = hospitals(few)
    men = np.flatnonzero((data["seoul"]["x"] > 98) & (data["seoul"]["s"] == 0))
    data["seoul"]["y"][men[: 24 - few]] = 1
    data["seoul"]["y"][men[24 - few :]] = 0
    run = ran(tmp_path, few, analyses, data=data)
    assert run.stopped == {}
    assert not np.isnan(own(run, "v")["cases"]).any()
    for name in ("cases", "expected", "scalars"):
        assert bool(np.isnan(own(run, "w")[name]).all()) == (few < 10)
