"""Attacks on covariates that change in time: few who ever changed, at their entry or in between, or in one order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.document import flow
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.methods._survival.episodes import Changing
from gagyo.methods.cox import newton
from gagyo.protocol.study import Study
from gagyo.site.mapping.load import Loaded, load
from gagyo.site.site_file import SiteFile
from tests.contract.data import HEAD, boolean, divide, label, number
from tests.hospitals import Rows, house

VARIABLES = [number("age", 0, 100), number("days", 0, 4000), boolean("died"), boolean("severe")]
VARIABLES += [number(name, 0, 4000) for name in ("came", "first", "second")]
CHANGES = {name: f"{name}: {{at: {at}, label: {label(name)}}}" for name, at in (("one", "first"), ("two", "second"))}
BOOLEANS = ("died", "severe")
Columns = dict[str, np.ndarray]


def line(right: str, *changes: str, more: str = "", cohort: str = "all") -> str:
    made = ", ".join(CHANGES[name] for name in changes)
    return f'  a: {{method: cox, cohort: {cohort}, formula: "died ~ {right}", time: days, changes: {{{made}}}{more}}}\n'


def text(analyses: str, variables: list[str] = VARIABLES) -> str:
    return HEAD % (10, "\n".join(variables), analyses)


def patients(people: int = 600, seed: int = 3) -> Columns:
    """People of whom some half have the event, a third changed once, and a fifth a second time, early and late."""
    random = np.random.default_rng(seed)
    days = np.ceil(random.exponential(900, people)) + 3
    changed = random.random(people)
    return {
        "age": np.clip(random.normal(60, 10, people), 1, 99),
        "days": np.minimum(days, 2500),
        "died": (random.random(people) < 0.5).astype(float),
        "severe": (random.random(people) < 0.4).astype(float),
        "came": np.zeros(people),
        "first": np.where(changed < 0.5, np.ceil(random.random(people) * 900), np.nan),
        "second": np.where((changed < 0.2) | (changed > 0.8), np.ceil(random.random(people) * 900), np.nan),
    }


def outcome(folder: Path, data: Columns, analyses: str) -> list[str]:
    """The codes of what stopped the analysis; none where it ran."""
    people = divide(data, np.arange(len(data["days"])) % 4)
    run = house(folder, text(analyses), people).run()
    return [one.code for why in run.stopped.values() for one in why.findings]


def only(data: Columns, few: int, chosen: np.ndarray, name: str = "first") -> Columns:
    """The same where only `few` of the chosen changed, and early enough to be seen changed."""
    there = np.flatnonzero(chosen & (data["days"] > 60))
    gone = data[name].copy()
    gone[chosen] = np.nan
    gone[there[:few]] = 50.0
    return data | {name: gone}


ALL = np.ones(600, bool)


def test_one_who_changed_follows_from_the_information() -> None:
    """So that the tests below are of an attack that works: the ratio of two second moments is that person's age."""
    data = only(patients(), 1, ALL)
    study = Study.parse(text(line("age * one", "one")))
    model: dict[str, Any] = {"formula": "died ~ age + one + age:one", "time": "days", "entry": "", "strata": ""}
    model |= {"changed": ["one"], "at": ["first"], "weights": "", "coefficients": np.zeros(3), "ties": 0, "part": 1}
    people = divide(data, np.arange(600) % 4).values()
    fits = [newton(Inside("s", study.variables, one.columns, one.persons), **model)["fit"].values for one in people]
    moments = np.sum(fits, axis=0)[3:9]  # the triangle by rows: age with all, then one with one and with its product
    person = np.flatnonzero(~np.isnan(data["first"]))[0]
    np.testing.assert_allclose(moments[4] / moments[3], data["age"][person], rtol=1e-6)


@pytest.mark.parametrize("right", ["age + one", "age * one", "severe + one"])
@pytest.mark.parametrize("few", [1, 9])
def test_few_who_ever_changed_are_not_told(tmp_path: Path, right: str, few: int) -> None:
    assert outcome(tmp_path, only(patients(), few, ALL), line(right, "one")) == ["answer_withheld"]


def test_few_who_changed_and_had_the_event_are_not_told(tmp_path: Path) -> None:
    data = patients()
    dead = only(data, 9, data["died"] == 1)
    assert outcome(tmp_path, dead, line("age + one", "one")) == ["answer_withheld"]


def test_few_who_changed_among_a_trait_are_not_told(tmp_path: Path) -> None:
    data = patients()
    few = only(data, 9, data["severe"] == 1)
    assert outcome(tmp_path / "few", few, line("severe + one", "one")) == ["answer_withheld"]
    assert outcome(tmp_path / "no", few, line("age + one", "one")) == []


@pytest.mark.parametrize("few", [4, 60])
def test_few_who_had_changed_by_their_entry_are_not_told(tmp_path: Path, few: int) -> None:
    """Nor, which is the same from the other side, few who changed while they were observed."""
    data = patients()
    data["first"] = np.where(data["first"] > 40, data["first"], np.nan)
    came = np.where(np.arange(600) % 2 == 0, 20.0, 0.0)
    came = np.minimum(came, data["days"] - 1)
    early = np.flatnonzero((came == 20.0) & (data["days"] > 25))[:few]
    data["first"][early] = 10.0
    found = outcome(tmp_path, data | {"came": came}, line("age + one", "one", more=", entry: came"))
    assert found == (["answer_withheld"] if few == 4 else [])


@pytest.mark.parametrize("few", [4, 60])
def test_few_who_changed_while_they_were_observed_are_not_told(tmp_path: Path, few: int) -> None:
    data = patients()
    came = np.minimum(20.0, data["days"] - 1)
    changed = ~np.isnan(data["first"])
    data["first"][changed] = 0.0
    late = np.flatnonzero(changed & (data["days"] > 60))[:few]
    data["first"][late] = 50.0
    found = outcome(tmp_path, data | {"came": came}, line("age + one", "one", more=", entry: came"))
    assert found == (["answer_withheld"] if few == 4 else [])


@pytest.mark.parametrize("few", [4, 60])
def test_few_who_had_the_second_change_alone_are_not_told(tmp_path: Path, few: int) -> None:
    data = patients()
    data["second"] = np.where(~np.isnan(data["first"]) & (data["days"] > 300), 200.0, np.nan)
    data["first"] = np.where(np.isnan(data["first"]), np.nan, 100.0)
    never = np.flatnonzero((data["days"] > 300) & np.isnan(data["first"]))[:few]
    data["second"][never] = 240.0
    found = outcome(tmp_path, data, line("age + one + two", "one", "two"))
    assert found == (["answer_withheld"] if few == 4 else [])


@pytest.mark.parametrize(("day", "seen", "found"), [(50.0, 9, ["answer_withheld"]), (51.0, 60, [])])
def test_an_event_at_the_change_is_before_it(tmp_path: Path, day: float, seen: int, found: list[str]) -> None:
    """All but a few of those who changed left on that very day: they count as never changed."""
    data = only(patients(), 60, ALL)
    changed = np.flatnonzero(~np.isnan(data["first"]))
    data["days"][changed[:51]] = day
    inside = Inside("s", Study.parse(text(line("age + one", "one"))).variables, data, [b"p"] * 600)
    assert Changing.of(inside, "days", "", ["one"], ["first"]).rows["one"].sum() == seen
    assert outcome(tmp_path, data, line("age + one", "one")) == found


@pytest.mark.parametrize("seed", range(12))
def test_ordinary_studies_pass(tmp_path: Path, seed: int) -> None:
    """Of hundreds of people, tenths of whom change, with a product, a second change or late entry in turn."""
    data = patients(500 + 40 * seed, seed)
    kinds = [
        line("age * one", "one"),
        line("age + severe + one + two", "one", "two"),
        line("severe * one", "one", more=", robust: true"),
        line("age + two", "two", more=", strata: severe, ties: breslow"),
    ]
    assert outcome(tmp_path, data, kinds[seed % 4]) == []


def read_from_a_file(folder: Path, rows: Rows, study: str, absent: str) -> Loaded:
    """Rows as a hospital reads them that never records one variable, and says so in its site file."""
    names = [name for name in rows.columns if name != absent]
    lines = [",".join(names), *(",".join(map(str, one)) for one in zip(*map(rows.columns.get, names), strict=True))]
    (folder / "rows.csv").write_text("\n".join(lines).replace("nan", ""), encoding="utf-8")
    truths = '{"1.0": true, "0.0": false}'
    variables = {name: f"{{column: {name}{f', values: {truths}' if name in BOOLEANS else ''}}}" for name in names}
    mapped = "\n".join(f"  {name}: {column}" for name, column in variables.items())
    source = "{connector: csv, path: rows.csv, encoding: utf-8}"
    text = f"site: busan\ncountry: KR\ndata: {source}\nvariables:\n{mapped}\nabsent: [{absent}, unheard_of]\n"
    site_file = SiteFile.parse(text, str(folder / "busan.yaml"))
    return load(site_file, Study.parse(study))


def test_who_is_at_a_hospital_that_records_no_change_is_not_taken_for_unchanged(tmp_path: Path) -> None:
    people: dict[str, Any] = dict(divide(patients(), np.arange(600) % 4))
    written = text(line("age + one", "one"))
    people["busan"] = read_from_a_file(tmp_path, people["busan"], written, "first")
    assert np.isnan(people["busan"].columns["first"]).all()
    assert "a" in house(tmp_path / "all", written, people).run().stopped
    without = written.replace("release:", "may_go_on_without: 1\nrelease:")
    run = house(tmp_path / "three", without, people).run()
    assert run.results["a"].people == 450
    assert run.preflight["busan"].payload["absent"] == ["first"]


def faults(analyses: str, variables: list[str] = VARIABLES) -> list[str]:
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text(analyses, variables)))
    return [one.code for one in fault.value.findings]


UNIT = [*VARIABLES[:-2], VARIABLES[-2].replace("type: number", "type: number, unit: mo"), VARIABLES[-1]]


@pytest.mark.parametrize(
    ("analyses", "code"),
    [
        (line("age", "one"), "change_unused"),
        (line("age + one + first", "one"), "change_unused"),
        (line("age + one", "one").replace("at: first", "at: nowhere"), "change_unknown"),
        (line("age + one", "one").replace("at: first", "at: severe"), "change_kind"),
        (line("age + severe", "one").replace("{one:", "{severe:"), "change_name"),
        (line("age + one", "one", more=", hospitals: pooled, entry: came"), "cox_pooled_changes"),
        (line("age + one + two", "one", "two", more=", hospitals: pooled"), "cox_pooled_changes"),
        (line("age + one", "one", more=", strata: one"), "describe_unknown"),
    ],
)
def test_faults_of_a_file_are_said(analyses: str, code: str) -> None:
    assert code in faults(analyses)


def test_a_change_in_another_unit_is_a_fault() -> None:
    assert faults(line("age + one", "one"), UNIT) == ["change_unit"]


def test_a_cohort_of_those_who_changed_alone_is_a_fault() -> None:
    """Another analysis that needs the time would leave only who lived to change: immortal time by the back door."""
    other = '  b: {method: linear, cohort: all, formula: "first ~ age"}\n'
    assert "change_is_needed" in faults(line("age + one", "one") + other)


def test_the_table_of_missing_values_says_what_no_value_means(tmp_path: Path) -> None:
    """Half of all lack a time of the change, and none of them is left out: a reader must not take them for missing."""
    people = divide(patients(), np.arange(600) % 4)
    notes = {}
    for name, analysis in (("plain", line("age")), ("changing", line("age + one", "one"))):
        tables = flow(house(tmp_path / name, text(analysis), people).run()).tables
        notes[name] = [note.to("en") for table in tables if table.name == "missing" for note in table.notes]
    said = "first: no value means that it never happened. Nobody is left out for it."
    assert notes["changing"] == [*notes["plain"], said]


# Beside other variables and cohorts.


@pytest.mark.parametrize(("few", "code"), [(1, ["answer_withheld"]), (20, [])])
def test_a_trait_that_is_nearly_having_changed_is_not_told_beside_it(tmp_path: Path, few: int, code: list[str]) -> None:
    """Products of either and age, summed over those who died, differ by the age of the one who died."""
    data = patients()
    ill = (data["first"] < data["days"]) & (data["died"] == 1)
    data["severe"] = (data["first"] < data["days"]).astype(float)
    data["severe"][np.flatnonzero(ill)[:few]] = 0.0
    other = '  b: {method: logistic, cohort: all, formula: "died ~ age*severe"}\n'
    assert outcome(tmp_path, data, line("age*one", "one") + other) == code


@pytest.mark.parametrize(("few", "code"), [(1, ["answer_withheld"]), (60, [])])
def test_of_those_whom_two_cohorts_leave_few_who_changed_are_withheld(
    tmp_path: Path, few: int, code: list[str]
) -> None:
    """Though many of these have a time of change: one after they left."""
    data = patients(2000)
    ill = np.flatnonzero((data["first"] < data["days"]) & (data["died"] == 1))[:few]
    others = np.setdiff1d(np.arange(900), ill)
    data["first"][others] = np.where(others % 2 == 0, data["days"][others] + 3, np.nan)
    data["severe"] = np.isin(np.arange(2000), [*ill, *others]).astype(float)
    both = line("age*one", "one") + line("age*one", "one", cohort="rest").replace("  a:", "  b:")
    study = text(both).replace("  all: {}", "  all: {}\n  rest: {where: not severe}")
    run = house(tmp_path, study, divide(data, np.arange(2000) % 4)).run()
    assert [one.code for why in run.stopped.values() for one in why.findings] == code
