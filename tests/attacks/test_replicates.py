"""Attack: bootstrap replicates of everyone and of most people, less each other, are as many sums of the few others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import special

from gagyo.coordinator.run import Run
from gagyo.federation.ask import Pooled
from gagyo.federation.rows import Rows
from gagyo.methods._newton import symmetric
from gagyo.protocol.study import Study
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import SITES, house

PEOPLE, BEYOND, REPLICATES = 600, 24, 60
ANALYSES = """\
  model: {{method: logistic, cohort: all, formula: 'd ~ x'}}
  everyone: {{method: validate, cohort: all, model: model, folds: 0, bootstrap: {0}}}
  model_of_most: {{method: logistic, cohort: most, formula: 'd ~ x'}}
  most: {{method: validate, cohort: most, model: model_of_most, folds: 0, bootstrap: {0}}}
"""


def drawn() -> dict[str, np.ndarray]:
    """Twenty-four people of one hospital are what the other cohort is without."""
    random = np.random.default_rng(7)
    x, out = random.normal(50, 10, PEOPLE), np.zeros(PEOPLE)
    out[random.choice(PEOPLE // 4, BEYOND, replace=False) * 4] = 1.0
    d = (random.random(PEOPLE) < special.expit((x - 50) / 10)).astype(float)
    d[np.flatnonzero(out)] = np.arange(BEYOND) % 2
    return {"x": x, "out": out, "d": d}


def text() -> str:
    declared = "\n".join([number("x", 0, 100), boolean("out"), boolean("d")])
    head = HEAD % (10, declared, ANALYSES.format(REPLICATES))
    return head.replace("  all: {}\n", "  all: {}\n  most: {where: 'not out'}\n")


def first_sums(run: Run, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each replicate the score (replicates, 2) and the information at the joint fit, as they were opened."""
    opened = (one["fit"] for one in told(run, name) if isinstance(one, Pooled) and "fit" in one.values)
    found = next(one for one in opened if one.shape == (REPLICATES, 6))
    return found[:, :2], np.array([symmetric(one, 2) for one in found[:, 2:5]])


def coefficients(run: Run, name: str) -> np.ndarray:
    return np.array([one.value for one in run.results[name].estimates])


def weights(who: np.ndarray) -> np.ndarray:
    """Everybody's weight in each replicate (people, replicates), of a cohort's people; 0 of all others.

    A file without identifiers: they are known to whoever knows the study and who is in the cohort.
    """
    study, sites = Study.parse(text()), divide(drawn(), np.arange(PEOPLE) % 4)
    out = np.zeros((PEOPLE, REPLICATES))
    for at, site in enumerate(SITES):
        there = who[at::4]
        persons = [one for one, inside in zip(sites[site].persons, there, strict=True) if inside]
        rows = Rows(site, study.variables, {}, persons, f"{study.study} {study.seed}")
        some = np.zeros((len(there), REPLICATES))
        some[there] = np.column_stack([rows.poisson(b) for b in range(REPLICATES)])
        out[at::4] = some
    return out


def theirs(run: Run) -> np.ndarray:
    """Each replicate's score of everyone less that of most, brought to the same coefficients: (replicates, 2)."""
    (score, bend), (of_most, bend_of_most) = first_sums(run, "everyone"), first_sums(run, "most")
    apart = coefficients(run, "model") - coefficients(run, "model_of_most")
    return np.asarray(score - (of_most - np.einsum("rij,j->ri", (bend + bend_of_most) / 2, apart)))


def test_rows_of_those_left_between_two_cohorts_do_not_follow_from_replicates(tmp_path: Path) -> None:
    """With one weight a person in both cohorts these were sixty sums over twenty-four people: x to a millionth."""
    run = house(tmp_path, text(), divide(drawn(), np.arange(PEOPLE) % 4)).run()
    assert run.stopped == {}
    few = drawn()["out"] == 1
    known = weights(np.ones(PEOPLE, bool))[few].T
    pulls = np.linalg.lstsq(known, theirs(run), rcond=None)[0]
    assert np.median(np.abs(pulls[:, 1] / pulls[:, 0] - drawn()["x"][few])) > 3


def test_the_same_people_have_the_same_weights_and_others_have_others() -> None:
    few = drawn()["out"] == 1
    everyone, most = weights(np.ones(PEOPLE, bool)), weights(~few)
    assert np.array_equal(everyone, weights(np.ones(PEOPLE, bool)))
    there = np.arange(PEOPLE) % 4 == 0
    assert np.mean(everyone[there & ~few] == most[there & ~few]) < 0.5
    assert np.array_equal(everyone[~there], most[~there]), "at hospitals where they are the same people"
    assert most[~few].mean() == pytest.approx(1.0, abs=0.03)
