"""Attacks by several plans about the same people: what was opened under one counts under the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.planning import make_plan
from gagyo.coordinator.run import Run
from gagyo.exchange.envelope import Keys
from gagyo.protocol.study import Study
from gagyo.runtime.embedded import Embedded
from gagyo.runtime.journal import Journal
from gagyo.site.site import Site
from tests.attacks import test_folds, test_moments
from tests.attacks.test_folds import MODEL, PATH, PEOPLE, VALIDATED, YES
from tests.attacks.test_hostile import told
from tests.contract.data import divide
from tests.hospitals import Rows


class Years:
    """Hospitals that answer one plan after the other; each is started anew before the next."""

    def __init__(self, folder: Path, hospitals: Mapping[str, Rows]) -> None:
        self._folder, self._hospitals, self._number = folder, dict(hospitals), 0
        self._coordinator = Keys.open(folder / "coordinator.keys")

    def correct(self, variable: str, site: str, number: int) -> None:
        """From now on some of a hospital's people have another value."""
        rows = self._hospitals[site]
        column = rows.columns[variable].copy()
        column[:number] = 1 - column[:number]
        self._hospitals[site] = Rows({**rows.columns, variable: column}, rows.persons)

    def run(self, text: str, journal: int = 0) -> Run:
        """One plan, to its end. journal: that of a run which is taken up."""
        self._number += 1
        load = {name: (lambda _, rows=rows: rows) for name, rows in self._hospitals.items()}
        sites = {name: Site(name, self._folder / name, one) for name, one in load.items()}
        keys = {"coordinator": self._coordinator.public} | {name: site.keys.public for name, site in sites.items()}
        plan = make_plan(Study.parse(text), keys)
        for site in sites.values():
            site.approve(plan)
        kept = self._folder / f"{journal or self._number}.jsonl"
        run = Run(plan, Journal(kept, self._coordinator, Embedded(sites)))
        for _ in run:
            pass
        for site in sites.values():
            site.close()
        return run

    def stopped(self, text: str) -> list[str]:
        """Which analyses are stopped, each because hospitals withhold, before anything was opened."""
        run = self.run(text)
        assert {found.code for why in run.stopped.values() for found in why.findings} <= {"answer_withheld"}
        assert not any(told(run, name) for name in run.stopped)
        return list(run.stopped)


@pytest.fixture
def years(tmp_path: Path) -> Years:
    return Years(tmp_path, divide(test_folds.drawn(), np.arange(PEOPLE) % 4))


def folds(analyses: Iterable[str], seed: int = 0, study: str = "contract") -> str:
    return test_folds.text(analyses).replace(
        "study: contract", f"study: {study}\nseed: {seed}" if seed else f"study: {study}"
    )


WITHHELD: dict[str, tuple[Sequence[str], str]] = {
    "the same folds' order": ([f"{PATH}, cohort: all, folds: 25"], f"{PATH}, cohort: all, folds: 26"),
    "another name of the cohort": ([f"{PATH}, cohort: all, folds: 25"], f"{PATH}, cohort: same, folds: 26"),
}


@pytest.mark.parametrize("name", WITHHELD)
def test_folds_of_an_earlier_plan_count(years: Years, name: str) -> None:
    """Everybody's two values follow from sums of 25, 26, ... and 49 folds, one number in each plan."""
    first, then = WITHHELD[name]
    assert years.stopped(folds(first)) == []
    assert years.stopped(folds([then])) == ["a0"]


def test_folds_in_other_orders_are_sums_with_other_weights(years: Years) -> None:
    """Another seed deals anew: twelve studies of 49 folds are as many sums as people."""
    outcome = [years.stopped(folds([f"{PATH}, cohort: all, folds: 49"], seed)) for seed in range(1, 14)]
    assert outcome[:10] == [[]] * 10
    assert outcome[-1] == ["a0"]


def test_a_few_numbers_of_folds_in_other_orders_pass(years: Years) -> None:
    for seed, number in enumerate((25, 26, 27), start=1):
        assert years.stopped(folds([f"{PATH}, cohort: all, folds: {number}"], seed)) == []


def resampling(replicates: int) -> list[str]:
    return [MODEL, f"{VALIDATED}, cohort: all, folds: 0, bootstrap: {replicates}"]


def test_replicates_of_another_study_count(years: Years) -> None:
    assert years.stopped(folds(resampling(300))) == []
    assert years.stopped(folds(resampling(300), study="another")) == ["a1"]


def test_replicates_of_most_people_count_with_those_of_everyone(years: Years) -> None:
    most = [one.replace("cohort: all", "cohort: most") for one in resampling(300)]
    assert years.stopped(folds([*resampling(300), MODEL.replace("all", "most"), most[1].replace("a0", "a2")])) == ["a3"]


# Numbers opened, and moments of the rows.


@pytest.fixture
def forty(tmp_path: Path) -> Years:
    return Years(tmp_path, divide(test_moments.rows(), np.arange(test_moments.PEOPLE) % 4))


def formulas(start: int, end: int) -> list[str]:
    return test_moments.of_products()[start:end]


def test_moments_that_several_plans_open_are_counted_together(forty: Years) -> None:
    """A plan for each few of ninety-eight formulas: a plan alone opens a half of what people times variables are."""
    texts = [test_moments.text(formulas(start, start + 8)) for start in (0, 8, 16)]
    assert forty.run(texts[0]).stopped == {}
    assert 0 < len(forty.run(texts[1]).stopped) < 8
    assert len(forty.run(texts[2]).stopped) == 8


def test_what_a_plan_names_and_does_not_ask_again_counts_too(forty: Years) -> None:
    """Old questions at the end of a new plan are known already when its first one is answered."""
    assert forty.run(test_moments.text(formulas(0, 8))).stopped == {}
    stopped = forty.run(test_moments.text([*formulas(8, 16), *formulas(0, 8)])).stopped
    assert {"f7"} <= set(stopped) <= {"f5", "f6", "f7"}


def test_a_plan_that_is_amended_and_run_again_passes(forty: Years) -> None:
    """The same questions about the same people tell nothing twice: only what is new counts, however often."""
    plan = formulas(0, 8)
    for amended in (plan, [*plan[:7], "y ~ a0 + b0"], ["y ~ z0 + z1", *plan], plan):
        assert forty.run(test_moments.text(amended)).stopped == {}


def test_another_label_is_not_another_question(forty: Years) -> None:
    text = test_moments.text(formulas(0, 8))
    for one in (text, text.replace("en: a0", "en: A zero"), text.replace("  f3:", "  renamed:")):
        assert forty.run(one).stopped == {}


def test_studies_of_other_people_start_anew(tmp_path: Path) -> None:
    """Half of the people, and the other half; what everyone's sums tell is of both."""
    data = {name: np.concatenate([column, column]) for name, column in test_moments.rows().items()}
    data["z0"] = np.repeat([-1.0, 1.0], test_moments.PEOPLE)
    years = Years(tmp_path, divide(data, np.arange(len(data["z0"])) % 4))
    everyone = test_moments.text(formulas(0, 8))
    halves = [everyone.replace("all: {}", f"all: {{where: '{where}'}}") for where in ("z0 < 0", "z0 > 0")]
    for text in (everyone, *halves):
        assert years.run(text).stopped == {}


def test_a_run_that_is_taken_up_gets_what_it_got_before(years: Years) -> None:
    """Another plan in between changes nothing of what was answered, and a plan is not counted against itself."""
    text = folds([f"{PATH}, cohort: all, folds: 25", f"{YES}, cohort: all, folds: 25"])
    first = years.run(text)
    assert years.stopped(folds([f"{PATH}, cohort: all, folds: 5"])) == []
    again = years.run(text, journal=1)
    assert first.stopped == again.stopped == {}
    assert [one.estimates for one in first.results.values()] == [one.estimates for one in again.results.values()]


# Weights within other bounds.

TREATED = "method: weighting, cohort: all, formula: 'd ~ z0', outcome: y, hospitals: pooled, estimand"
BOTH_WAYS = {
    "bounds": (f"{TREATED}: ate", f"{TREATED}: ate, propensity_within: [0.45, 0.55]"),
    "another estimand": (f"{TREATED}: ate", f"{TREATED}: att, propensity_within: [0.45, 0.55]"),
    "a greatest weight": (f"{TREATED}: ate, largest_weight: 2.1", f"{TREATED}: ate"),
}


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_weights_of_two_plans_that_differ_for_a_few_are_withheld(years: Years, name: str) -> None:
    """Within one study they are no study; two plans of the same people would tell the heaviest person's row."""
    first, then = BOTH_WAYS[name]
    assert years.stopped(folds([first])) == []
    assert years.stopped(folds([then])) == ["a0"]


def test_the_same_weights_other_families_and_other_people_pass(years: Years) -> None:
    bounded = f"{TREATED}: ate, propensity_within: [0.45, 0.55]"
    assert years.stopped(folds([f"{TREATED}: ate"])) == []
    assert years.stopped(folds([f"{TREATED}: ate", f"{TREATED}: att", f"{TREATED}: ato"])) == []
    assert years.stopped(folds([bounded.replace("cohort: all", "cohort: most")])) == []
    augmented = (
        "method: standardisation, cohort: all, treatment: d, estimator: aipw, formula: 'y ~ z1', propensity: 'd ~ z0'"
    )
    assert years.stopped(folds([f"{augmented}, hospitals: pooled"])) == []
    assert years.stopped(folds([f"{augmented}, hospitals: pooled, propensity_within: [0.45, 0.55]"])) == ["a0"]


def test_bounds_that_are_amended_after_the_first_were_withheld_pass(tmp_path: Path) -> None:
    """Of unbounded weights one person's would be most: nothing weighted was opened, and bounds are the way out."""
    data = test_folds.drawn()
    data["z0"] = np.clip(np.random.default_rng(1).normal(size=PEOPLE), -4, 4)
    data["d"] = (data["z0"] + 0.6 * np.random.default_rng(2).normal(size=PEOPLE) > 0.4).astype(float)
    data["z0"][np.flatnonzero(data["d"] == 1)[0]] = -4.0
    years = Years(tmp_path, divide(data, np.arange(PEOPLE) % 4))
    assert list(years.run(folds([f"{TREATED}: ate"])).stopped) == ["a0"]
    assert years.stopped(folds([f"{TREATED}: ate, propensity_within: [0.1, 0.9]"])) == []


# Values that were corrected between two plans.

SUMS = "method: linear, cohort: all, formula: 'x ~ d + z0'"


def test_one_corrected_outcome_would_tell_a_persons_row(years: Years) -> None:
    """Sums of d times every other column differ by that person's values: the same question is withheld."""
    assert years.stopped(folds([SUMS])) == []
    years.correct("d", "seoul", 1)
    assert years.stopped(folds([SUMS]).replace("en: x", "en: X")) == ["a0"]


@pytest.mark.parametrize(
    "then", [MODEL, f"{PATH}, cohort: all, folds: 5", "method: describe, cohort: same, variables: [d]"]
)
def test_a_few_corrected_values_are_withheld_whatever_is_asked_of_them(years: Years, then: str) -> None:
    assert years.stopped(folds([SUMS])) == []
    years.correct("d" if "x" not in then.split("formula")[-1] or "d ~" in then else "x", "busan", 9)
    assert years.stopped(folds([then])) == ["a0"]


def test_many_corrected_values_and_those_that_no_question_shares_pass(years: Years) -> None:
    assert years.stopped(folds([SUMS])) == []
    years.correct("z5", "seoul", 1)
    assert years.stopped(folds([SUMS, "method: linear, cohort: all, formula: 'y ~ z5'"])) == []
    years.correct("d", "seoul", 12)
    assert years.stopped(folds([SUMS, "method: linear, cohort: all, formula: 'y ~ z6'"])) == []
    years.correct("d", "seoul", 5)
    assert years.stopped(folds([SUMS.replace("cohort: all", "cohort: most")])) == []
