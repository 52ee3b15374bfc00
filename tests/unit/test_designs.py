"""The planning part of a study file: what it reads, what it finds wrong, and how many people it says are needed."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from gagyo.cli import application
from gagyo.coordinator.sizes import required
from gagyo.errors import FileFault
from gagyo.protocol.schema import study_schema
from gagyo.protocol.study import Study
from gagyo.protocol.written import read_entries
from gagyo.statistics.sizes.means import TwoMeans
from tests.shapes import read_json

START = (files("gagyo.cli") / "start" / "study.yaml").read_text(encoding="utf-8")


def written(*designs: str) -> str:
    """The study to start from, with a planning part of one design a line."""
    lines = [f"  one{number}: {{{design}}}" for number, design in enumerate(designs)]
    return "\n".join([START, "planning:", *lines, ""])


def needed(design: str) -> dict[str, int]:
    """What a design needs, by part."""
    found = required(Study.parse(written(design)))["one0"]
    return {need.part: need.number for need in found.needs}


def codes(*designs: str) -> list[str]:
    """The faults of designs."""
    with pytest.raises(FileFault) as fault:
        Study.parse(written(*designs))
    return [finding.code for finding in fault.value.findings]


@pytest.mark.parametrize(
    ("design", "people"),
    [
        ("design: two_means, difference: 5, sd: 10, power: 0.9", {"control": 86, "treated": 86}),
        ("design: two_proportions, control: 0.35, treated: 0.5, power: 0.9", {"control": 227, "treated": 227}),
        (
            "design: two_proportions, control: 0.8, treated: 0.82, aim: non_inferiority, margin: 0.1, power: 0.9",
            {"control": 229, "treated": 229},
        ),
        ("design: survival, hazard_ratio: 0.7, power: 0.9", {"events": 331}),
        (
            "design: survival, hazard_ratio: 0.7, power: 0.9, hazard: 0.05, accrual: 24, follow_up: 18",
            {"events": 331, "control": 236, "treated": 236},
        ),
        ("design: auc, auc: 0.8, power: 0.9, variance: obuchowski", {"cases": 17, "others": 17}),
        (
            "design: accuracy, sensitivity: 0.9, specificity: 0.9, half_width: 0.05, prevalence: 0.2",
            {"cases": 139, "others": 139, "people": 692},
        ),
        ("design: prediction, r2: 0.2, parameters: 10, prevalence: 0.3", {"people": 398}),
    ],
)
def test_people_needed(design: str, people: dict[str, int]) -> None:
    assert needed(design) == people


def test_clusters_and_losses_ask_for_more() -> None:
    bare = "design: two_means, difference: 5, sd: 10, power: 0.9"
    assert needed(f"{bare}, loss: 0.2")["control"] == 107  # 85.03 / 0.8
    assert needed(f"{bare}, cluster_size: 21, icc: 0.05")["control"] == 171  # 85.03 x 2
    events = needed("design: survival, hazard_ratio: 0.7, power: 0.9, cluster_size: 21, icc: 0.05, loss: 0.2")
    assert events == {"events": 661}, "what is lost is people, not events"


def test_as_many_as_are_needed_reach_the_goal_and_one_fewer_does_not() -> None:
    found = required(Study.parse(written("design: two_means, difference: 5, sd: 10, power: 0.9, loss: 0.1")))["one0"]
    counts = {need.part: need.number for need in found.needs}
    reached, fewer = found.reached(counts), found.reached({part: number - 1 for part, number in counts.items()})
    assert reached is not None
    assert fewer is not None
    assert fewer < 0.9 <= reached
    assert reached == TwoMeans(5, 10).power(*(0.9 * number for number in counts.values()))
    assert found.reached({"control": 50}) is None, "nothing is known of the other group"


@pytest.mark.parametrize(
    ("design", "found"),
    [
        ("design: two_meens", ["not_one_of"]),
        ("difference: 5", ["missing_key"]),
        ("design: two_means, difference: 5, power: 0.9", ["missing_key"]),
        ("design: two_means, difference: 5, sd: -1, power: 2, sides: 3", ["out_of_bounds"] * 3),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, sides: 1.5", ["wrong_type"]),
        ("design: two_means, difference: 0, sd: 1, power: 0.9", ["planning_no_effect"]),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, aim: equivalence, margin: 4", ["planning_no_effect"]),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, aim: equivalence", ["planning_margin"]),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, margin: 4", ["planning_no_margin"]),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, hazard: 1", ["unknown_key"]),
        (
            "design: two_means, difference: 1, sd: 1, power: 0.9, aim: equivalence, margin: 4, sides: 1",
            ["planning_sides"],
        ),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, group: smoking", ["planning_variable"]),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, group: sex", ["unknown_variable"]),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, cohort: childs", ["unknown_cohort"]),
        ("design: two_means, difference: 5, sd: 1, power: 0.9, icc: 0.1", ["missing_key"]),
        ("design: survival, hazard_ratio: 0.7, power: 0.9, hazard: 0.1", ["planning_course"]),
        (
            "design: survival, hazard_ratio: 1.4, power: 0.9, aim: non_inferiority, margin: 1.3",
            ["planning_no_effect"],
        ),
        (
            "design: survival, hazard_ratio: 0.7, power: 0.9, aim: non_inferiority, margin: 0.8",
            ["out_of_bounds"],
        ),
        ("design: auc, auc: 0.8", ["planning_goal"]),
        ("design: auc, auc: 0.8, power: 0.9, half_width: 0.1", ["planning_goal"]),
        ("design: auc, auc: 0.8, power: 0.9, null: 0.7, variance: obuchowski", ["planning_obuchowski"]),
    ],
)
def test_faults_are_found_with_their_code(design: str, found: list[str]) -> None:
    assert codes(design) == found


def test_all_faults_are_found_at_once_with_their_lines() -> None:
    with pytest.raises(FileFault) as fault:
        Study.parse(written("design: auc, auc: 0.8", "design: two_means, difference: 5, sd: 0, power: 0.9"))
    lines = [finding.place.line for finding in fault.value.findings]
    assert len(lines) == 2
    assert lines[1] == lines[0] + 1 if lines[0] else False


def test_a_study_without_planning_keeps_its_digest_and_one_with_it_has_another() -> None:
    bare = Study.parse(START).canonical()
    assert "planning" not in bare
    one = Study.parse(written("design: auc, auc: 0.8, power: 0.9")).canonical()
    other = Study.parse(written("design: auc, auc: 0.8, power: 0.8")).canonical()
    assert one["planning"] != other["planning"]


def test_the_schema_takes_what_the_reader_takes() -> None:
    def plain(*designs: str) -> Any:
        return read_entries(written(*designs), "study.yaml").plain()

    schema = Draft202012Validator(study_schema())
    assert schema.is_valid(plain("design: two_means, difference: 5, sd: 10, power: 0.9, group: disease"))
    assert not schema.is_valid(plain("design: two_means, difference: 5, sd: 0, power: 0.9"))
    assert not schema.is_valid(plain("design: two_means, difference: 5, power: 0.9"))


@pytest.mark.parametrize(("language", "said"), [("en", "events: 331"), ("ko", "사건: 331"), ("zh", "事件：331")])
def test_the_command_says_it_in_three_languages(tmp_path: Any, language: str, said: str, capsys: Any) -> None:
    from gagyo.cli import main

    path = tmp_path / "study.yaml"
    path.write_text(written("design: survival, hazard_ratio: 0.7, power: 0.9"), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["power", str(path), "--language", language])
    assert ended.value.code in (0, None)
    assert said in capsys.readouterr().out


def test_the_command_gives_json(tmp_path: Any) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(written("design: survival, hazard_ratio: 0.7, power: 0.9"), encoding="utf-8")
    told = read_json("power", CliRunner().invoke(application(), ["power", str(path), "--json"]).stdout)
    assert told["one0"]["needs"]["events"]["number"] == 331
    assert told["one0"]["formula"] == "survival_schoenfeld"


def test_a_study_without_planning_is_told_so() -> None:
    with pytest.raises(FileFault) as fault:
        required(Study.parse(START))
    assert fault.value.findings[0].code == "no_planning"


def test_consistency_of_regions_is_told(tmp_path: Any, capsys: Any) -> None:
    from gagyo.cli import main

    design = "design: two_means, difference: 5, sd: 10, power: 0.9, regions: {KR: 0.2, CN: 0.4, JP: 0.4}"
    found = required(Study.parse(written(design)))["one0"].regions
    assert found is not None
    assert [round(one, 4) for one in found.kept.values()] == [0.7841, 0.8897, 0.8897]
    assert (round(found.same_direction, 5), round(found.least_share, 5)) == (0.88941, 0.22429)
    path = tmp_path / "study.yaml"
    path.write_text(written(design), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["power", str(path), "--language", "ko"])
    assert "확률 0.889(방법 2)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("regions", "found"),
    [
        ("regions: {KR: 0.2, CN: 0.7}", ["planning_regions"]),
        ("regions: {KR: 1.2, CN: 0.7}", ["out_of_bounds"]),
        ("aim: non_inferiority, margin: 1, regions: {KR: 0.2, CN: 0.8}", ["planning_regions_aim"]),
    ],
)
def test_regions_that_do_not_fit(regions: str, found: list[str]) -> None:
    assert codes(f"design: two_means, difference: 5, sd: 10, power: 0.9, {regions}") == found
