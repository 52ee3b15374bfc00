"""Feasibility from the study file to the verdict: counts by hospital, what designs lack, and who would supply it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.api import feasibility, run_embedded, verify
from gagyo.cli import main
from gagyo.cli.aligned import aligned, width
from gagyo.coordinator.feasibility import Count, Feasibility, Hospital, _judged
from gagyo.coordinator.sizes import required
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.counting import counting_of
from gagyo.protocol.study import Study
from tests.shapes import read_json

PLANNING = """
planning:
  glucose: {design: two_means, difference: 0.5, sd: 1.2, power: 0.9, cohort: adults, group: disease}
  rarer: {design: two_means, difference: 0.2, sd: 1.2, power: 0.9, cohort: adults, group: disease}
  model: {design: prediction, r2: 0.1, parameters: 10, prevalence: 0.3, cohort: adults}
  test:
    {design: accuracy, sensitivity: 0.9, specificity: 0.8, half_width: 0.06, prevalence: 0.4, condition: disease,
     cohort: adults}
  nobody: {design: two_means, difference: 0.5, sd: 1.2, power: 0.9}
"""


@pytest.fixture
def study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The study that `gagyo new` writes, with designs; three of four hospitals allow counts."""
    with pytest.raises(SystemExit):
        main(["new", str(tmp_path / "study")])
    capsys.readouterr()
    path = tmp_path / "study" / "study.yaml"
    path.write_text(path.read_text(encoding="utf-8") + PLANNING, encoding="utf-8")
    for name in ("seoul", "busan", "beijing"):
        _allow(path, name)
    return path


def _allow(study: Path, name: str) -> None:
    file = study.parent / "sites" / f"{name}.yaml"
    text = file.read_text(encoding="utf-8")
    assert "policy: {" in text
    file.write_text(text.replace("policy: {", "policy: {feasibility: 40, "), encoding="utf-8")


def asked(study: Path, out: str = "count") -> Feasibility:
    return feasibility(study, study.parent / out, sites=study.parent / "sites")


def test_counts_are_those_of_the_later_analyses(study: Path) -> None:
    found = asked(study)
    assert {name: one.state for name, one in found.hospitals.items()} == {
        "seoul": "counted",
        "busan": "counted",
        "beijing": "counted",
        "tianjin": "refused",
    }
    finished = run_embedded(study, study.parent / "sites", study.parent / "out")
    flow = next(table for table in finished.document["flow"]["tables"] if table["name"] == "flow")
    # Having been counted keeps no hospital from answering, and the numbers are the same.
    analysed = {site: row[-1] for site, row in zip(found.hospitals, flow["rows"], strict=True)}
    counted = {site: one.analysed for site, one in found.counts["adults"].items() if one.analysed is not None}
    assert counted == {site: analysed[site] for site in ("seoul", "busan", "beijing")}
    assert not finished.stopped


def test_designs_are_weighed_against_the_counts(study: Path) -> None:
    found = asked(study)
    glucose, rarer, model = (found.verdicts[name] for name in ("glucose", "rarer", "model"))
    people = found.total("adults")
    assert sum(glucose.have.values()) == people
    assert glucose.feasible
    assert glucose.reached is not None
    assert glucose.reached >= 0.9
    assert set(rarer.short) == {"control", "treated"}
    assert rarer.reached is not None
    assert rarer.reached < 0.9
    assert rarer.short["treated"] == rarer.need["treated"] - rarer.have["treated"]
    assert rarer.unheard == ("tianjin",)
    assert model.short == {"people": 850 - people}
    # One more hospital of the size of any is enough, and so the countries are too.
    assert set(model.another) == {"seoul", "busan", "beijing"}
    assert set(model.another_country) == {"KR", "CN"}
    most = max(rarer.times, key=lambda site: rarer.times[site])
    needed = rarer.times[most]
    one = {part: found_part for part, found_part in _brings(found, most).items()}
    assert all(rarer.have[part] + needed * one[part] >= rarer.need[part] for part in rarer.need)
    assert any(rarer.have[part] + (needed - 1) * one[part] < rarer.need[part] for part in rarer.need)
    assert found.verdicts["nobody"].feasible is None
    test = found.verdicts["test"]
    assert test.feasible == (test.reached is not None and test.reached <= 0.06)


@pytest.mark.parametrize(
    ("everyone", "unheard"), [((20,), ()), ((120,), ("tianjin",)), ((None,), ("tianjin",)), ((), ("tianjin",))]
)
def test_a_hospital_that_cannot_have_whoever_is_missing_is_not_said_to(
    study: Path, everyone: tuple[int | None, ...], unheard: tuple[str, ...]
) -> None:
    """Of its people in each part nothing is told; of all its people there may be a number."""
    needs = {"few": required(Study.read(study))["rarer"]}
    parts = {"control": "without", "treated": "with"}
    short = needs["few"].needs[0].number - 100
    counts = {name: {"seoul": Count("counted", short), "tianjin": Count("withheld")} for name in parts.values()}
    hospitals = {name: Hospital(name, "counted", "KR") for name in ("seoul", "tianjin")}
    most = {"seoul": None, "tianjin": next(iter(everyone), None)}
    assert _judged(needs["few"], parts, counts, hospitals, most).unheard == unheard


def _brings(found: Feasibility, site: str) -> dict[str, int]:
    """A hospital's people by part, counted from its own file."""
    from gagyo.site.mapping.load import load
    from gagyo.site.site_file import SiteFile

    file = Path(found.study.file).parent / "sites" / f"{site}.yaml"
    columns = load(SiteFile.read(file), found.study).columns
    there = (columns["age"] >= 18) & ~np.any([np.isnan(columns[name]) for name in ("glucose", "smoking")], axis=0)
    return {
        "control": int((there & (columns["disease"] == 0)).sum()),
        "treated": int((there & (columns["disease"] == 1)).sum()),
    }


def test_a_hospital_without_which_a_design_is_not_feasible_is_named(study: Path) -> None:
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("r2: 0.1, parameters: 10", "r2: 0.1, parameters: 7"), encoding="utf-8")
    model = asked(study).verdicts["model"]
    assert model.feasible
    assert model.need == {"people": 595}
    assert set(model.indispensable) == {"seoul", "busan", "beijing"}, "595 of 681: none of the three may be missing"


def test_steps_tell_who_meets_each_condition_where_that_is_safe(study: Path) -> None:
    found = asked(study)
    steps = dict(found.steps["older"])
    assert list(steps) == ["", "age >= 60", "glucose is not null"]
    for site in ("seoul", "busan", "beijing"):
        everyone, last = steps[""][site], steps["glucose is not null"][site]
        assert everyone == 240
        assert last == found.counts["older"][site].analysed
        assert steps["age >= 60"][site] is None, "a few of the older have no glucose"


def test_the_counting_study_asks_for_no_more_than_cohorts(study: Path) -> None:
    read = Study.read(study)
    made = counting_of(read, Line(read).complete).study
    assert made.counts_only
    assert made.study == "glucose-and-disease-feasibility"
    assert not made.planning
    assert set(made.cohorts["adults"].complete) == {"age", "glucose", "smoking", "disease"}
    assert str(made.cohorts["adults__treated"].where) == "age >= 18 and disease = true"
    assert made.cohorts["adults__treated"].complete == made.cohorts["adults"].complete


def test_the_count_can_be_verified_and_taken_up_again(study: Path) -> None:
    first = asked(study)
    assert verify(study.parent / "count").analyses == 0
    again = asked(study)
    assert again.to_json() == first.to_json()
    assert read_json("feasibility", (study.parent / "count" / "feasibility.json").read_text()) == first.to_json()


def test_where_no_hospital_allows_it_each_says_why(study: Path) -> None:
    for file in (study.parent / "sites").glob("*.yaml"):
        file.write_text(file.read_text(encoding="utf-8").replace("feasibility: 40, ", ""), encoding="utf-8")
    with pytest.raises(FileFault) as fault:
        asked(study)
    assert [one.code for one in fault.value.findings] == ["answer_feasibility_not_allowed"] * 4


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["681 people at 3 of 4 hospitals", "Not feasible yet. Missing: people: 169.", "Feasible."]),
        ("ko", ["병원 4곳 중 3곳의 대상자 681명", "부족: 대상자: 169.", "실행 가능합니다."]),
        ("zh", ["4 家医院中 3 家共 681 名受试者", "还缺：受试者：169。", "可行。"]),
    ],
)
def test_the_command_says_it_in_three_languages(
    study: Path, language: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["feasibility", str(study), "--sites", str(study.parent / "sites"), "--language", language])
    assert ended.value.code in (0, None)
    out = capsys.readouterr().out
    assert all(text in out for text in said), out


def test_the_command_gives_json(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["feasibility", str(study), "--sites", str(study.parent / "sites"), "--json"])
    told = read_json("feasibility", capsys.readouterr().out)
    assert told["cohorts"]["adults"]["people"] == 681
    assert told["designs"]["model"]["short"] == {"people": 169}
    assert told["hospitals"]["tianjin"] == {"state": "refused", "country": "", "why": "answer_feasibility_not_allowed"}


def test_columns_stand_under_each_other_in_every_script() -> None:
    lines = aligned([["병원", "명"], ["a", "1,000"], ["北京", "20"]])
    assert [width(line) for line in lines] == [11, 11, 11]


def test_a_study_without_analyses_is_checked_planned_and_run_like_any_other(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = study.read_text(encoding="utf-8")
    study.write_text(text[: text.index("analyses:")] + "analyses: {}\n", encoding="utf-8")
    _allow(study, "tianjin")
    for command in (["check", str(study)], ["plan", str(study)]):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--language", "en"])
        assert ended.value.code in (0, None)
        out = capsys.readouterr().out
        assert "Only counts people" in out
        assert "adults: age >= 18" in out
    with pytest.raises(SystemExit) as ended:
        main(["run", str(study), "--sites", str(study.parent / "sites"), "--out", str(study.parent / "run")])
    assert ended.value.code in (0, None)
    assert (study.parent / "run" / "report.ko.html").exists()
    assert verify(study.parent / "run").analyses == 0
