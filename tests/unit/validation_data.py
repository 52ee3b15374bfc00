"""Real rows for tests of `validate`: the breast mass data in four teaching sites, and the UCI heart data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.federation.rows import Rows
from gagyo.methods import logistic, validate
from gagyo.protocol.study import Study
from gagyo.result import Result
from tests.hospitals import PREDICTORS, STUDY, breast

HEART = Path(__file__).parents[3] / "shared" / "data" / "heart-uci4"
HEART_FORMULA = "disease ~ age + sex + asymptomatic + thalach + exang + oldpeak"
HEART_STUDY = """
gagyo: "1"
study: heart
title: {en: Heart disease, ko: 심장질환, zh: 心脏病}
purpose: scientific_research
lead: {name: Kim, organisation: Hanbit, country: KR}
period: {from: 2026-11-01, until: 2027-10-31}
sites: [cleveland, hungary, switzerland, va]
release: {minimum_people: 5}
variables:
  age: {type: integer, range: [0, 120], label: {en: Age, ko: 나이, zh: 年龄}}
  sex: {type: boolean, label: {en: Male, ko: 남성, zh: 男性}}
  asymptomatic: {type: boolean, label: {en: Asymptomatic, ko: 무증상, zh: 无症状}}
  thalach: {type: number, range: [0, 250], label: {en: Heart rate, ko: 심박수, zh: 心率}}
  exang: {type: boolean, label: {en: Exercise angina, ko: 운동 협심증, zh: 运动性心绞痛}}
  oldpeak: {type: number, range: [-10, 10], label: {en: ST depression, ko: ST 하강, zh: ST压低}}
  disease: {type: boolean, label: {en: Disease, ko: 질환, zh: 疾病}}
cohorts:
  all: {}
analyses:
"""
FULL = """, folds: 10, bootstrap: 100, leave_out: site, joining: true,
    threshold: [{sensitivity: 0.95}, {value: 0.3}], nonlinearity: true}
"""


def heart_columns() -> dict[str, dict[str, np.ndarray]]:
    """Complete cases by hospital; skips where the files are not there."""
    if not HEART.is_dir():
        pytest.skip("the UCI heart data are not here")
    files = {"cleveland": "cleveland", "hungary": "hungarian", "switzerland": "switzerland", "va": "va"}
    out = {}
    for site, name in files.items():
        raw = np.genfromtxt(HEART / f"processed.{name}.data", delimiter=",", missing_values="?")
        age, sex, cp, thalach, exang, oldpeak, number = raw[:, [0, 1, 2, 7, 8, 9, 13]].T
        table = np.column_stack([age, sex, cp == 4, thalach, exang, oldpeak, number > 0]).astype(float)
        table = table[~np.isnan(table).any(axis=1)]
        names = ("age", "sex", "asymptomatic", "thalach", "exang", "oldpeak", "disease")
        out[site] = dict(zip(names, table.T.copy(), strict=True))
    return out


def study(head: str, formula: str, more: str, method: str = "model: model") -> Study:
    """A study of one model and its validation."""
    model = f'  model: {{method: logistic, cohort: all, formula: "{formula}"}}\n'
    return Study.parse(f"{head}{model}  check: {{method: validate, cohort: all, {method}{more}")


def rows(
    one: Study, columns: dict[str, dict[str, np.ndarray]], ids: dict[str, list[bytes]] | None = None
) -> dict[str, Rows]:
    """Hospitals' rows as a site would hold them."""
    out = {}
    for site, values in columns.items():
        persons = ids[site] if ids else [f"{site}{i}".encode() for i in range(len(next(iter(values.values()))))]
        out[site] = Rows(site, one.variables, values, persons, str(one.seed))
    return out


def breast_study(more: str = "}\n") -> tuple[Study, dict[str, Rows]]:
    """The breast mass data and a study of it."""
    one = study(STUDY, f"malignant ~ {PREDICTORS}", more)
    data = breast()
    return one, rows(one, {s: d.columns for s, d in data.items()}, {s: d.persons for s, d in data.items()})


def heart_study(more: str = "}\n") -> tuple[Study, dict[str, Rows]]:
    """The heart data and a study of it."""
    one = study(HEART_STUDY, HEART_FORMULA, more)
    return one, rows(one, heart_columns())


def run(one: Study, hospitals: dict[str, Rows]) -> Result:
    """Fit and validate in memory."""
    from gagyo.federation.in_memory import converse

    fitted = converse(logistic.Method.read(one.analyses["model"], one).combine({}), hospitals)
    return converse(validate.Method.read(one.analyses["check"], one).combine({"model": fitted}), hospitals)
