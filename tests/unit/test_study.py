"""The study file: what it reads, and that every fault is found at once, at its line, in three languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from gagyo.canonical import digest
from gagyo.errors import FileFault
from gagyo.protocol.options import check_options
from gagyo.protocol.study import Study
from gagyo.text import LANGUAGES, Text

EXAMPLE = (Path(__file__).parents[1] / "fixtures" / "study.yaml").read_text(encoding="utf-8")


class Logistic(BaseModel):
    model_config = ConfigDict(extra="forbid")
    formula: str


class Describe(BaseModel):
    model_config = ConfigDict(extra="forbid")
    variables: list[str]
    by: str | None = None


MODELS = {"logistic": Logistic, "describe": Describe}


def faults(text: str) -> list[tuple[str, int | None, str]]:
    with pytest.raises(FileFault) as fault:
        Study.parse(text)
    for language in LANGUAGES:
        assert fault.value.text(language)
    return [(finding.code, finding.place.line, finding.place.path) for finding in fault.value.findings]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def changed(before: str, after: str) -> str:
    assert before in EXAMPLE
    return EXAMPLE.replace(before, after, 1)


def test_the_example_is_read() -> None:
    study = Study.parse(EXAMPLE)
    assert study.title == Text("Blood glucose and disease", "혈당과 질환", "血糖与疾病")
    assert study.sites == ("seoul", "beijing")
    assert study.variables["glucose"].range == (0.0, 60.0)
    assert [level.name for level in study.variables["smoking"].levels] == ["never", "former", "current"]
    assert str(study.cohorts["older"].where) == "age >= 60 and glucose is not null"
    assert study.analyses["algorithm"].options == {"formula": "disease ~ age + glucose"}
    assert study.release.minimum_people == 10
    assert study.waits.days == 7
    assert check_options(study, MODELS) == []


ONE_FAULT = [
    ('gagyo: "1"', 'gagyo: "2"', "not_one_of", "gagyo"),
    ("study: glucose-and-disease", "study: Glucose", "bad_name", "study"),
    ("purpose: scientific_research", "purpose: scientific_reserch", "not_one_of", "purpose"),
    ("country: KR", "country: Korea", "bad_country", "lead.country"),
    ("may_go_on_without: 0", "patience: 180 days", "bad_duration", "patience"),
    ("until: 2027-10-31", "until: 2026-10-31", "period_order", "period"),
    ("until: 2027-10-31", "until: 2027-02-30", "bad_date", "period.until"),
    ("[seoul, beijing]", "[seoul, seoul]", "duplicate", "sites[1]"),
    ("[seoul, beijing]", "[]", "wrong_type", "sites"),
    ("may_go_on_without: 0", "may_go_on_without: 2", "out_of_bounds", "may_go_on_without"),
    ("may_go_on_without: 0", "may_go_on_without: yes", "wrong_type", "may_go_on_without"),
    ("may_go_on_without: 0", "may_go_on: 0", "unknown_key", "may_go_on"),
    ("type: integer", "type: int", "not_one_of", "variables.age.type"),
    ("range: [0, 120]", "range: [120, 0]", "bad_range", "variables.age.range"),
    ("range: [0, 120]", "range: [0, 120.5]", "wrong_type", "variables.age.range[1]"),
    ("range: [0, 120]", "range: [0]", "wrong_type", "variables.age.range"),
    ("unit: mmol/L", "unit: mmol per L", "bad_unit", "variables.glucose.unit"),
    ("analyte: glucose", "analyte: glucos", "not_one_of", "variables.glucose.analyte"),
    (
        "label: {en: Age, ko: 나이, zh: 年龄}",
        "label: {en: Age, ko: 나이}",
        "translation_missing",
        "variables.age.label",
    ),
    ("label: {en: Age, ko: 나이, zh: 年龄}", "label: Age", "translation_missing", "variables.age.label"),
    ("type: boolean", "type: boolean\n    range: [0, 1]", "key_not_for_type", "variables.disease.range"),
    ("age >= 18", "agee >= 18", "unknown_variable", "cohorts.adults.where"),
    ("age >= 18", "__import__('os')", "expression_function", "cohorts.adults.where"),
    ("cohort: adults", "cohort: adult", "unknown_cohort", "analyses.characteristics.cohort"),
    ("{minimum_people: 10}", "{minimum_people: 4}", "out_of_bounds", "release.minimum_people"),
    ("{minimum_people: 10}", "{minimum: 10}", "unknown_key", "release.minimum"),
    ("  adults:\n", "  Adults:\n", "bad_name", "cohorts.Adults"),
]


@pytest.mark.parametrize(("before", "after", "code", "path"), ONE_FAULT)
def test_a_fault_is_found_at_its_place(before: str, after: str, code: str, path: str) -> None:
    found = {(code, path): line for code, line, path in faults(changed(before, after))}
    assert (code, path) in found
    assert found[code, path] is not None


def test_the_line_is_the_entrys_own() -> None:
    text = changed("unit: mmol/L", "unit: nonsense")
    assert faults(text) == [("bad_unit", line_of(text, "unit: nonsense"), "variables.glucose.unit")]


def test_all_faults_are_reported_at_once() -> None:
    text = EXAMPLE
    for before, after in (("KR", "Korea"), ("[0, 120]", "[9, 1]"), ("age >= 18", "agee > 1"), ("10}", "1}")):
        text = text.replace(before, after, 1)
    found = faults(text)
    assert [code for code, *_ in found] == ["bad_country", "bad_range", "unknown_variable", "out_of_bounds"]
    assert [line for _, line, _ in found] == sorted(line or 0 for _, line, _ in found)


@pytest.mark.parametrize("key", ["gagyo", "title", "sites", "variables", "analyses"])
def test_a_missing_key_is_named(key: str) -> None:
    lines = EXAMPLE.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{key}:"))
    end = next((i for i in range(start + 1, len(lines)) if lines[i][:1].isalpha()), len(lines))
    with pytest.raises(FileFault) as fault:
        Study.parse("\n".join(lines[:start] + lines[end:]))
    assert ("missing_key", key) in [(f.code, f.values.get("expected")) for f in fault.value.findings]


NOT_YAML = [
    ("a: &x [1]\nb: *x\n", "yaml_anchor"),
    ("a: !!python/object:os.system x\n", "yaml_tag"),
    ("a: [1\n", "yaml_syntax"),
    ("a: 1\n---\nb: 2\n", "yaml_document"),
    ("%YAML 1.1\n---\na: NO\n", "yaml_document"),
    ("a: " + "[" * 900 + "]" * 900, "yaml_nesting"),
    ("a: " + "x" * 1_000_001, "file_too_large"),
    ("", "file_empty"),
    ("just text", "wrong_type"),
    ("- 1\n- 2\n", "wrong_type"),
]


@pytest.mark.parametrize(("text", "code"), NOT_YAML)
def test_what_is_not_a_study_is_refused(text: str, code: str) -> None:
    assert code in [found for found, *_ in faults(text)]


def test_a_key_twice_is_a_fault_with_both_lines() -> None:
    text = EXAMPLE + "seed: 1\nseed: 2\n"
    assert faults(text) == [("yaml_duplicate_key", line_of(text, "seed: 2"), "seed")]


def test_yaml_1_2_words_stay_words() -> None:
    text = changed("name: Hong Gildong", "name: NO").replace("never:", "no:")
    study = Study.parse(text)
    assert study.lead.name == "NO"
    assert study.variables["smoking"].levels[0].name == "no"


def test_a_file_that_is_absent_or_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="no such file"):
        Study.read(tmp_path / "none.yaml")
    (tmp_path / "study.yaml").write_bytes(EXAMPLE.encode("cp949", errors="ignore"))
    with pytest.raises(FileFault, match="is not UTF-8"):
        Study.read(tmp_path / "study.yaml")


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_bytes(EXAMPLE.encode("utf-8-sig"))
    assert Study.read(tmp_path / "study.yaml") == Study.parse(EXAMPLE)


def test_the_digest_covers_meaning_and_not_layout() -> None:
    one = digest(Study.parse(EXAMPLE).canonical())
    spaced = changed("age >= 18", "age  >=  18").replace("[seoul, beijing]", "[beijing, seoul]") + "# a comment\n"
    assert digest(Study.parse(spaced).canonical()) == one
    for before, after in (
        ("18", "19"),
        ("나이", "연령"),
        ("minimum_people: 10", "minimum_people: 11"),
        ("former", "ex"),
    ):
        assert digest(Study.parse(EXAMPLE.replace(before, after)).canonical()) != one


def test_levels_keep_their_order_in_the_digest() -> None:
    """The first level is the reference, so their order is meaning."""
    lines = EXAMPLE.splitlines()
    index = next(i for i, line in enumerate(lines) if line.strip().startswith("never:"))
    lines[index], lines[index + 1] = lines[index + 1], lines[index]
    assert digest(Study.parse("\n".join(lines)).canonical()) != digest(Study.parse(EXAMPLE).canonical())


def test_a_cohort_of_everyone_and_one_taken_from_the_model() -> None:
    text = EXAMPLE.replace('where: "age >= 18"\n    label', "label", 1)
    text = text.replace("release:", "  validation:\n    method: validate\n    model: algorithm\n\nrelease:")
    study = Study.parse(text)
    assert study.cohorts["adults"].where is None
    assert study.analyses["validation"].cohort == "adults"


@pytest.mark.parametrize("written", ["Logistic", "logistic-", "logistik"])
def test_a_method_that_is_not_quite_called_so_is_told_the_nearest(written: str) -> None:
    (finding,) = check_options(Study.parse(changed("method: logistic", f"method: {written}")), MODELS)
    assert finding.code == "unknown_method"
    assert "Did you mean logistic?" in finding.text("en")


def test_models_that_go_round_in_a_circle_have_no_cohort() -> None:
    circle = "  one: {method: validate, model: two}\n  two: {method: validate, model: one}\n\nrelease:"
    assert [code for code, *_ in faults(EXAMPLE.replace("release:", circle))] == ["missing_key", "missing_key"]


def test_options_are_checked_by_each_methods_own_model() -> None:
    text = changed("    by: disease", "    buy: disease").replace("method: logistic", "method: logistics")
    text = text.replace("variables: [age, glucose, smoking]", "variables: age")
    findings = check_options(Study.parse(text), MODELS)
    assert [(f.code, f.place.line) for f in findings] == [
        ("wrong_type", line_of(text, "variables: age\n")),
        ("unknown_key", line_of(text, "buy: disease")),
        ("unknown_method", line_of(text, "method: logistics")),
    ]
    assert "Did you mean by?" in findings[1].text("en")
    assert all(finding.text(language) for finding in findings for language in LANGUAGES)


def test_a_formulas_faults_are_at_its_line() -> None:
    text = changed("age + glucose", "age + glucos")
    findings = check_options(Study.parse(text), MODELS)
    assert [(f.code, f.place.line) for f in findings] == [("unknown_variable", line_of(text, 'glucos"'))]


def test_a_text_that_was_read_before_is_faulty_in_the_file_that_holds_it_now() -> None:
    for name in ("study.yaml", "plan"):
        with pytest.raises(FileFault) as fault:
            Study.parse("study: [", name)
        assert [one.place.file for one in fault.value.findings] == [name]
