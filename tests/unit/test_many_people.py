"""A logistic regression of many people starts on a part of them, and still ends where the pooled fit does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special

from gagyo.methods import logistic
from gagyo.protocol.request import Request
from gagyo.release.aggregate import Floats
from gagyo.release.decision import Answer
from gagyo.runtime.embedded import Embedded
from tests.hospitals import Rows, house, pooled

SIZES = {"seoul": 120_000, "busan": 90_000, "beijing": 29_000, "tianjin": 1_500}
STUDY = """
gagyo: "1"
study: many
title: {en: Many people, ko: 많은 사람, zh: 众多人群}
purpose: scientific_research
lead: {name: Kim, organisation: Hanbit, country: KR}
period: {from: 2026-11-01, until: 2027-10-31}
sites: [seoul, busan, beijing, tianjin]
variables:
  age: {type: number, range: [0, 120], label: {en: Age, ko: 나이, zh: 年龄}}
  creatinine: {type: number, range: [0, 2000], label: {en: Creatinine, ko: 크레아티닌, zh: 肌酐}}
  female: {type: boolean, label: {en: Female, ko: 여성, zh: 女性}}
  rare: {type: boolean, label: {en: Rare trait, ko: 드문 형질, zh: 罕见性状}}
  died: {type: boolean, label: {en: Died, ko: 사망, zh: 死亡}}
cohorts:
  all: {}
analyses:
  model: {method: logistic, cohort: all, formula: "died ~ age + creatinine + female + rare"}
"""


def hospitals() -> dict[str, Rows]:
    """Hospitals of very different sizes; at large ones a person in 1,500 has the rare trait."""
    random = np.random.default_rng(7)
    made = {}
    for name, n in SIZES.items():
        age = np.clip(random.normal(61 + 3 * len(made), 14, n), 18, 104)
        creatinine = np.exp(random.normal(4.4, 0.5, n)).clip(20, 1900)
        female = (random.random(n) < 0.45).astype(float)
        rare = (random.random(n) < (1 / 1500 if n > 20_000 else 1 / 50)).astype(float)
        eta = 0.05 * (age - 65) + 0.006 * (creatinine - 81) - 0.3 * female + 1.1 * rare - 2.2
        died = (random.random(n) < special.expit(eta)).astype(float)
        columns = {"age": age, "creatinine": creatinine, "female": female, "rare": rare, "died": died}
        made[name] = Rows(columns, [f"{name}-{i}".encode() for i in range(n)])
    return made


def reference(people: dict[str, Floats]) -> Any:
    """Statsmodels on the pooled rows, to a gradient of nothing; measures centred for its digits."""
    columns = [people["age"] - 60, people["creatinine"] - 80, people["female"], people["rare"]]
    X = np.column_stack([np.ones(len(columns[0])), *columns])
    return sm.Logit(people["died"], X).fit(method="newton", tol=1e-14, maxiter=30, disp=0)


@dataclass
class Heard:
    """A runtime that notes which step, over which part, was asked of the first hospital."""

    inner: Embedded
    rounds: list[tuple[str, int]]
    name: str = "embedded"

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers of the runtime inside."""
        asked = [one for one in requests if one.site == "seoul" and one.step.startswith("logistic.")]
        self.rounds += [(one.step, int(one.arguments.get("part", 1))) for one in asked]
        return self.inner.ask(requests)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[str, int]], Any, Any]:
    rows, rounds = hospitals(), []
    built = house(tmp_path_factory.mktemp("many"), STUDY, rows, wrap=lambda inner: Heard(inner, rounds))
    run = built.run()
    assert not run.stopped
    return rounds, run.results["model"], reference(pooled(rows))


def test_coefficients_and_errors_equal_the_pooled_fit(fitted: tuple[list[tuple[str, int]], Any, Any]) -> None:
    _, result, expected = fitted
    slopes = [one.value for one in result.estimates][1:]
    errors = [one.standard_error for one in result.estimates][1:]
    np.testing.assert_allclose(slopes, expected.params[1:], rtol=1e-8)
    np.testing.assert_allclose(errors, expected.bse[1:], rtol=1e-8)
    typical = result.estimates[0].value + 60 * slopes[0] + 80 * slopes[1]
    np.testing.assert_allclose(typical, expected.params[0], rtol=1e-8)


def test_only_the_last_rounds_ask_everyone(fitted: tuple[list[tuple[str, int]], Any, Any]) -> None:
    asked = fitted[0]
    whole = [step for step, part in asked if step.endswith("newton") and part == 1]
    assert any(part == logistic.PART for _, part in asked)
    assert any(step.endswith("score") for step, _ in asked)
    assert len(whole) <= 2


def test_a_part_in_which_one_person_stands_out_is_not_used(tmp_path: Path) -> None:
    rows = hospitals()
    random = np.random.default_rng(8)
    for one in rows.values():
        some = random.random(len(one)) < (1 / 300 if one is rows["seoul"] else 1 / 20)
        one.columns["creatinine"] = np.where(some, random.choice([-10.0, 10.0], len(one)), 0.0)
    rows["seoul"].columns["creatinine"][0] = 120.0  # the first of a block: one of the part
    study = STUDY.replace("range: [0, 2000]", "range: [-2000, 2000]")
    run = house(tmp_path, study.replace("+ female + rare", ""), rows).run()
    assert not run.stopped
    people = pooled(rows)
    X = np.column_stack([np.ones(len(people["age"])), people["age"] - 60, people["creatinine"] / 100])
    expected = sm.Logit(people["died"], X).fit(method="newton", tol=1e-14, maxiter=30, disp=0)
    slopes = [one.value for one in run.results["model"].estimates][1:]
    np.testing.assert_allclose(slopes, expected.params[1:] / [1, 100], rtol=1e-8)
