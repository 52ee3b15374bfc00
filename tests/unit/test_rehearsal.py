"""A rehearsal draws people that fit a study's dictionary, runs the study on them, and says plainly what it is."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.cli import main
from gagyo.cli.new import write as new
from gagyo.errors import FileFault
from gagyo.protocol.study import Study
from gagyo.rehearsal import Expected, Rehearsed, rehearse
from gagyo.rehearsal.draw import people_of
from gagyo.rehearsal.expected import Spread
from gagyo.report import write
from gagyo.text import LANGUAGES, translate
from tests.contract.test_methods import EXAMPLES

HEAD = """
gagyo: "1"
study: drawn
title: {en: Drawn, ko: 생성, zh: 生成}
purpose: scientific_research
lead: {name: Kim, organisation: Hanbit, country: KR}
period: {from: 2026-11-01, until: 2027-10-31}
sites: [seoul, busan, beijing]
variables:
  age: {type: integer, range: [18, 90], unit: a, label: {en: Age, ko: 나이, zh: 年龄}}
  glucose: {type: number, range: [2, 30], label: {en: Glucose, ko: 혈당, zh: 血糖}}
  days: {type: integer, range: [0, 3000], label: {en: Days, ko: 일수, zh: 天数}}
  came: {type: integer, range: [0, 3000], label: {en: Came, ko: 등록, zh: 入组}}
  grafted: {type: integer, range: [0, 3000], label: {en: Grafted, ko: 이식, zh: 移植}}
  died: {type: boolean, label: {en: Died, ko: 사망, zh: 死亡}}
  seen: {type: date, range: [2020-01-01, 2024-12-31], label: {en: Seen, ko: 방문, zh: 就诊}}
  stage:
    type: category
    label: {en: Stage, ko: 병기, zh: 分期}
    levels: {early: {en: early, ko: 조기, zh: 早期}, late: {en: late, ko: 진행, zh: 晚期}}
cohorts:
  all: {}
analyses:
  late: {method: cox, cohort: all, formula: "died ~ age + stage", time: days, entry: came}
  grafts:
    method: cox
    cohort: all
    formula: "died ~ age + graft"
    time: days
    changes: {graft: {at: grafted, label: {en: Graft, ko: 이식, zh: 移植}}}
  filled: {method: imputation, cohort: all, formula: "died ~ age + glucose", impute: [glucose], model: logistic}
"""


@pytest.fixture
def study() -> Study:
    return Study.parse(HEAD)


def drawn(study: Study, expected: Expected | None = None, seed: int = 1) -> dict[str, Any]:
    people = people_of(study, expected or Expected.of(study, 4000), "busan", np.random.default_rng(seed))
    return {name: people[name] for name in people.columns}


def test_people_fit_the_dictionary_and_what_the_study_relates(study: Study) -> None:
    people = drawn(study)
    assert people["person"].n_unique() == 4000
    for name in ("age", "glucose", "days", "came"):
        low, high = study.variables[name].bounds
        assert low <= people[name].min() <= people[name].max() <= high
    assert people["days"].min() > 0
    assert set(people["stage"].unique()) == {"early", "late"}
    assert people["seen"].min().year >= 2020
    assert (people["came"] < people["days"]).all(), "nobody comes under observation after they leave"
    lacking = {name: one.null_count() / 4000 for name, one in people.items()}
    assert lacking["grafted"] == pytest.approx(0.5, abs=0.05), "a time that not everyone has"
    assert drawn(study, Expected.of(study, 100_000))["grafted"].min() > 0, "of the few at zero nothing could be told"
    assert lacking["glucose"] == pytest.approx(0.1, abs=0.03), "what the study imputes lacks for some"
    assert all(share == 0 for name, share in lacking.items() if name not in ("grafted", "glucose"))


def test_starts_of_a_treatment_come_while_people_are_observed() -> None:
    people = drawn(Study.parse(EXAMPLES["target_trial"].study))
    assert 0.1 < people["start"].is_not_null().mean() < 0.5
    assert (people["start"] > 0).all(), "nobody starts at time zero itself"
    assert (people["start"] <= people["days"]).all(), "a start after the end of follow-up is no start"
    assert (people["start"] <= 90).mean() > 0.4, "the grace period has people who start in it"


def test_clusters_hold_as_many_people_as_are_expected(study: Study) -> None:
    ward = "  ward: {type: integer, range: [1, 500], label: {en: Ward, ko: 병동, zh: 病区}}\n  seen:"
    wards = '  wards: {method: gee, cohort: all, formula: "died ~ age", family: binomial, cluster: ward}\n'
    clustered = Study.parse(HEAD.replace("  seen:", ward) + wards)
    assert drawn(clustered)["ward"].value_counts()["count"].mean() == 80
    assert drawn(clustered)["ward"].min() == 1
    few = Expected({"busan": 4000}, {}, {"ward": Spread(cluster_size=20)})
    assert drawn(clustered, few)["ward"].n_unique() == 200
    told = Expected({"busan": 4000}, {}, {"ward": Spread(mean=250.0, sd=50.0)})
    assert 240 < drawn(clustered, told)["ward"].mean() < 260


def test_the_same_seed_draws_the_same_people(study: Study) -> None:
    first, same, other = (drawn(study, seed=seed)["age"].to_list() for seed in (1, 1, 2))
    assert first == same != other


GOVERNED = """governance:
  activities: [academic_cooperation]
  human_subjects: true
  parties:
    beijing: {country: CN, kind: hospital, controlled_by: CN, label: {en: Beijing, ko: 베이징, zh: 北京}}
"""
EXPECTED = """
people: {busan: 4000, beijing: 60}
countries: {beijing: CN}
variables:
  age: {mean: 70, sd: 4}
  days: {mean: 400}
  died: {share: 0.1, missing: 0.2}
  stage: {shares: {early: 0.9, late: 0.1}}
  came: {cluster_size: 400}
"""


def test_what_is_expected_is_drawn(study: Study, tmp_path: Path) -> None:
    (tmp_path / "expected.yaml").write_text(EXPECTED)
    expected = Expected.read(tmp_path / "expected.yaml", study, 300)
    assert expected.people == {"seoul": 300, "busan": 4000, "beijing": 60}
    assert expected.variables["came"].cluster_size == 400
    assert expected.countries == {"seoul": "KR", "busan": "KR", "beijing": "CN"}
    people = drawn(study, expected)
    assert (people["age"].mean(), people["age"].std()) == pytest.approx((69.5, 4), abs=0.3)
    assert people["days"].mean() == pytest.approx(400, rel=0.1)
    assert people["died"].mean() == pytest.approx(0.1, abs=0.02)
    assert people["died"].null_count() / 4000 == pytest.approx(0.2, abs=0.03)
    assert (people["stage"] == "late").mean() == pytest.approx(0.1, abs=0.02)


def test_all_faults_of_what_is_expected_are_said_at_once(study: Study, tmp_path: Path) -> None:
    said = """people: {seoul: -3, busa: 3}
countries: {seoul: Korea}
variables:
  age: {mean: x, sd: 0, share: 2}
  glucose: {mean: 99}
  died: {share: 1.5}
  stage: {shares: {early: 0.9, late: 0.2}}
"""
    (tmp_path / "wrong.yaml").write_text(said)
    with pytest.raises(FileFault) as fault:
        Expected.read(tmp_path / "wrong.yaml", study)
    found = {(one.code, one.place.line) for one in fault.value.findings if one.place}
    assert found == {
        ("out_of_bounds", 1),
        ("unknown_key", 1),
        ("bad_country", 2),
        ("wrong_type", 4),
        ("out_of_bounds", 4),
        ("unknown_key", 4),
        ("out_of_bounds", 5),
        ("out_of_bounds", 6),
        ("shares_not_one", 7),
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_people_of_every_methods_example_can_be_drawn(name: str) -> None:
    study = Study.parse(EXAMPLES[name].study)
    people = people_of(study, Expected.of(study, 20), study.sites[0], np.random.default_rng(0))
    assert set(people.columns) == {"person", *study.variables}


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rehearsed]:
    """The study that `gagyo new` writes, with a hospital too small for its rarest outcome."""
    folder = tmp_path_factory.mktemp("rehearsal")
    new(folder / "new")
    study = Study.read(folder / "new" / "study.yaml")
    people = {"seoul": 300, "busan": 60, "beijing": 400, "tianjin": 40}
    expected = Expected(people, Expected.of(study).countries)
    return folder, rehearse(folder / "new" / "study.yaml", folder / "out", expected)


def test_a_rehearsal_is_another_plan_and_every_page_says_what_it_is(rehearsed: tuple[Path, Rehearsed]) -> None:
    folder, found = rehearsed
    study = Study.read(folder / "new" / "study.yaml")
    assert found.finished.plan.study.canonical() != study.canonical()
    assert {one.name for one in (folder / "out").iterdir()} >= {"study.yaml", "hospitals", "run"}
    for page, language in zip(sorted(write(found.finished.document, folder)), LANGUAGES, strict=True):
        text = html.unescape(page.read_text(encoding="utf-8"))
        title = translate("rehearsal.title", language, title=study.title.to(language))
        assert text.count(translate("rehearsal.notice", language)) >= 2, "at the top and beside results"
        assert title in text


def test_numbers_that_were_opened_are_held_against_what_the_gate_opens(rehearsed: tuple[Path, Rehearsed]) -> None:
    _, found = rehearsed
    columns = len(found.finished.plan.study.variables)
    assert found.sums.most == 800 * columns
    assert {site: one.most for site, one in found.each.items()}["tianjin"] == 40 * columns // 2
    assert 0 < found.sums.spent < found.sums.most
    assert all(0 < one.spent < one.most for one in found.each.values())


def test_a_study_under_rules_is_rehearsed_without_them_and_any_name_is_a_variables(tmp_path: Path) -> None:
    """The law asks for documents of people who are none here; and a study may have a variable `person`."""
    said = HEAD.split("analyses:")[0].replace("  age:", "  person:").replace("sites:", GOVERNED + "sites:")
    (tmp_path / "study.yaml").write_text(
        said + "analyses:\n  mean: {method: describe, cohort: all, variables: [person]}\n"
    )
    found = rehearse(tmp_path / "study.yaml", tmp_path / "out")
    assert not found.finished.stopped
    assert found.finished.plan.study.governance is None
    governed = Study.read(tmp_path / "study.yaml")
    assert governed.governance is not None
    assert Expected.of(governed).countries == {"seoul": "KR", "busan": "KR", "beijing": "CN"}


def test_a_rehearsal_says_which_rule_kept_what_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which only the hospital's own people read otherwise."""
    new(tmp_path)
    (tmp_path / "few.yaml").write_text("people: 60\nvariables:\n  disease: {share: 0.05}\n")
    arguments = ["rehearse", tmp_path / "study.yaml", "--out", tmp_path / "out", "--expect", tmp_path / "few.yaml"]
    with pytest.raises(SystemExit) as ended:
        main(["--language", "en", *map(str, arguments)])
    assert ended.value.code == 6
    said = capsys.readouterr().out
    assert "algorithm open.values withheld: minimum_people (seoul, busan, beijing, tianjin)" in said
    assert "of at most 960 that the gate opens" in said
    with pytest.raises(SystemExit) as again:
        main(["--language", "en", *map(str, arguments)])
    assert again.value.code == 1
    assert "holds something already" in capsys.readouterr().err
