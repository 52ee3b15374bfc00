"""Facts from the plan: what leaves, to whom, across which border; nothing asked twice; the count stays at zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given as varied
from hypothesis import settings
from hypothesis import strategies as st

from gagyo.coordinator.planning import bounds_of, limits_of, make_plan, sends_of
from gagyo.errors import FileFault
from gagyo.federation.local import method_names
from gagyo.governance.bounds import days_of
from gagyo.governance.check import Checked, check
from gagyo.governance.derive import ESTIMATES, TABLES, Subject, given, subjects
from gagyo.governance.evidence import EVERY, Evidence
from gagyo.governance.exports import exported
from gagyo.governance.inventory import inventory
from gagyo.governance.pack import Pack, vocabulary
from gagyo.protocol.schema import site_schema, study_schema
from gagyo.protocol.study import Study
from gagyo.site.policy import Policy
from gagyo.site.site_file import SiteFile
from tests.hospitals import STUDY, breast, house
from tests.rules.test_check import own_pack, own_rule

DAY = date(2026, 11, 25)
ANALYSES = """  table: {method: describe, cohort: all, variables: [texture]}
  model: {method: logistic, cohort: all, formula: "malignant ~ texture"}
"""
PARTIES = """
  parties:
    seoul: {country: KR, kind: hospital, controlled_by: KR}
    busan: {country: KR, kind: hospital, controlled_by: KR}
    beijing: {country: CN, kind: hospital, controlled_by: CN, critical_infrastructure: false, free_trade_zone: none,
      persons_processed: 300000, exported_sensitive_this_year: 0, exported_other_this_year: 0}
    tianjin: {country: CN, kind: hospital, controlled_by: CN, critical_infrastructure: false, free_trade_zone: none,
      persons_processed: 300000, exported_sensitive_this_year: 0, exported_other_this_year: 0}
"""
CLINICAL = """governance:
  activities: [academic_cooperation]
  human_subjects: true
  automated_decision: false
  trial: none
  product: none
  deal: none
  incident: none
  data: {categories: [clinical], state: pseudonymised, linked_to_genes: false, important: false, persons: 300}
  leaves: []"""


def study(governance: str = CLINICAL + PARTIES) -> Study:
    return Study.parse(STUDY + ANALYSES + governance)


def subjects_of(read: Study) -> dict[tuple[str, str], Subject]:
    return {(one.site, one.thing): one for one in subjects(given(read, sends_of(read)))}


def checked(read: Study, *evidence: Evidence, day: date = DAY, own: tuple[Pack, ...] = ()) -> Checked:
    return check(given(read, sends_of(read)), day, evidence, own)


def everything() -> tuple[Evidence, ...]:
    return tuple(Evidence(kind, EVERY, (EVERY,), date(2020, 1, 1)) for kind in vocabulary().evidence)


def test_every_installed_method_is_known_by_what_it_sends() -> None:
    """A new method is listed in derive.py; until then the rules treat what it sends as unknown."""
    assert set(method_names()) <= {*TABLES, *ESTIMATES}


def test_what_leaves_is_read_from_the_plan() -> None:
    found = subjects_of(study())
    assert set(found) == {
        (site, thing)
        for site in ("seoul", "busan", "beijing", "tianjin")
        for thing in ("aggregate_table", "effect_estimate")
    }
    assert found["seoul", "aggregate_table"].to == ("beijing", "busan", "lead", "tianjin")
    assert found["seoul", "effect_estimate"].facts["egress.leaves_country"] == "KR"
    assert found["beijing", "effect_estimate"].facts["egress.leaves_country"] == "CN"
    assert found["beijing", "effect_estimate"].facts["study.international_collab"] is True


def test_what_comes_from_genes_is_a_genomic_summary() -> None:
    found = subjects_of(study(CLINICAL.replace("[clinical]", "[clinical, genomic_individual]") + PARTIES))
    assert {thing for _, thing in found} == {"genomic_summary"}
    assert "cn.hgr_info_provided" not in found["beijing", "genomic_summary"].facts, "no authority has said"


def test_a_method_that_nobody_listed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gagyo.governance.derive.ESTIMATES", ())
    found = checked(study(), *everything())
    assert found.verdict("seoul") == "unknown"


def test_without_a_governance_part_nothing_is_a_yes() -> None:
    found = checked(study(""), *everything())
    assert {found.verdict(site) for site in found_sites()} <= {"unknown", "forbidden"}


def found_sites() -> tuple[str, ...]:
    return ("seoul", "busan", "beijing", "tianjin")


def test_aggregates_go_ahead_once_everything_is_in_force() -> None:
    assert {checked(study()).verdict(site) for site in found_sites()} == {"needs_first"}
    assert {checked(study(), *everything()).verdict(site) for site in found_sites()} == {"may_go_ahead"}


def test_what_is_listed_as_needed_is_enough() -> None:
    """The inventory is complete: holding what it names, round after round, leads to the yes."""
    held: list[Evidence] = []
    for _ in range(4):
        found = checked(study(), *held)
        assert inventory(found).questions == ()
        held += [Evidence(one.kind.id, one.site, one.things, DAY) for one in inventory(found).needed]
    assert {found.verdict(site) for site in found_sites()} == {"may_go_ahead"}


def test_evidence_of_one_hospital_serves_no_other() -> None:
    own = [replace(one, site="seoul") for one in everything()]
    found = checked(study(), *own)
    assert found.verdict("seoul") == "may_go_ahead"
    assert found.verdict("busan") != "may_go_ahead"


def test_a_hospital_and_the_study_that_disagree_make_a_fact_unknown() -> None:
    read = study()
    site = SiteFile.parse(SITE.replace("state: pseudonymised", "state: identified"))
    assert site.governance is not None
    parts = {"seoul": site.governance}
    stated = given(read, sends_of(read), parts)
    assert stated.conflicts["seoul"] == frozenset(), "the study says it of its data, the hospital of its own: it holds"
    parts = {"beijing": replace(site.governance, country="KR")}
    stated = given(read, sends_of(read), parts)
    assert "site.country" in stated.conflicts["beijing"]
    assert all("site.country" not in one.facts for one in subjects(stated) if one.site == "beijing")


SITE = """
site: seoul
country: KR
data: {connector: csv, path: a.csv, encoding: utf-8}
variables: {texture: {column: a}}
governance: {kind: hospital, controlled_by: [KR], data: {state: pseudonymised, categories: [clinical]}}
"""


def test_a_hospital_elsewhere_is_refused_since_no_pack_speaks_of_its_country() -> None:
    read = study(CLINICAL + PARTIES.replace("seoul: {country: KR", "seoul: {country: JP"))
    found = checked(read, *everything())
    assert (found.verdict("seoul"), found.verdict("busan")) == ("forbidden", "may_go_ahead")
    assert all(one.gap and not one.gap_asks for one in found.at("seoul"))


# The year's count.


def test_what_the_platform_sends_counts_nobody() -> None:
    found = list(subjects_of(study()).values())
    assert [exported(site, found).platform for site in found_sites()] == [0, 0, 0, 0]


def test_rows_that_leave_beside_it_are_counted() -> None:
    rows = "  leaves: [{what: row_level, from: [beijing], to: [seoul], people: 5000, entrusted: false}]"
    read = study(CLINICAL.replace("  leaves: []", rows) + PARTIES)
    found = subjects_of(read)
    assert exported("beijing", found.values()).beside == 5000
    assert found["beijing", "row_level"].facts["egress.persons_ytd_sensitive"] == 5000
    assert found["beijing", "row_level"].facts["storage.outside_cn"] is True
    assert found["beijing", "effect_estimate"].facts.get("egress.persons_ytd_sensitive") is None


# Limits reach the gate.


@settings(max_examples=60, deadline=None)
@varied(st.integers(5, 40), st.integers(0, 60))
def test_no_path_loosens_the_minimum(asked: int, own: int) -> None:
    read = Study.parse(_with_release(asked))
    pack = own_pack(own_rule("limit", limit={"minimum_people": own}))
    without = replace(read, governance=None)
    plain, ruled, beside = (
        limits_of(without),
        limits_of(read, bounds_of(read)),
        limits_of(read, bounds_of(read, own=[pack])),
    )
    assert plain.minimum_people == asked
    assert ruled.minimum_people == max(asked, 10)
    assert beside.minimum_people == max(asked, 10, own)
    assert ruled.strictest(plain) == ruled
    assert beside.strictest(ruled) == beside


def _with_release(asked: int) -> str:
    return (
        STUDY.replace("variables:", f"release: {{minimum_people: {asked}}}\nvariables:", 1)
        + ANALYSES
        + CLINICAL
        + PARTIES
    )


def test_the_plan_and_its_study_hold_the_stricter_minimum() -> None:
    plan = make_plan(Study.parse(_with_release(5)))
    assert plan.limits["minimum_people"] == 10
    assert plan.study.release.minimum_people == 10


def test_a_hospital_holds_the_rules_minimum_whatever_the_plan_says(tmp_path: Path) -> None:
    """A coordinator that leaves the rules out cannot lower what each hospital's own packs set."""
    lax = {name: Policy(minimum_people=5) for name in found_sites()}
    one = house(tmp_path, _with_release(5), breast(), lax)
    lowered = replace(one.plan, limits={**one.plan.limits, "minimum_people": 5})
    site = one.sites["seoul"]
    site.approve(lowered)
    assert site.sessions.find(lowered.digest).limits.minimum_people == 10
    assert lowered.digest != one.plan.digest


def test_a_study_with_the_part_runs(tmp_path: Path) -> None:
    found = house(tmp_path, _with_release(5), breast()).run()
    assert set(found.results) == {"table", "model"}


def test_a_study_without_the_part_keeps_its_plan() -> None:
    read = study("")
    assert make_plan(read).limits["minimum_people"] == read.release.minimum_people == 10
    assert "governance" not in read.canonical()
    assert study().canonical()["governance"]["facts"]["data.state"] == "pseudonymised"


def test_a_plan_that_a_rule_forbids_is_not_made() -> None:
    genes = CLINICAL.replace("[clinical]", "[genomic_individual]") + PARTIES
    with pytest.raises(FileFault) as fault:
        make_plan(study(genes))
    assert {(finding.code, finding.values["site"]) for finding in fault.value.findings} == {
        ("rules_forbidden", "beijing"),
        ("rules_forbidden", "tianjin"),
    }
    reply = Evidence("cn.nhc_written_reply", EVERY, ("genomic_summary",), date(2026, 1, 1))
    assert make_plan(study(genes + ""), evidence=[reply]).limits["minimum_people"] == 10


def test_the_plan_counts_every_day_of_the_study_on_which_rules_change() -> None:
    read = study()
    assert days_of(read) == [read.period.start, date(2027, 3, 9)]
    rule = own_rule("limit", limit={"minimum_people": 33}, start=date(2027, 10, 1))
    assert limits_of(read, bounds_of(read, own=[own_pack(rule)])).minimum_people == 33
    later = own_rule("limit", limit={"minimum_people": 33}, start=date(2027, 11, 1))
    assert limits_of(read, bounds_of(read, own=[own_pack(later)])).minimum_people == 10


# Files.


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("state: pseudonymised", "state: coded", "not_one_of"),
        ("[clinical]", "[clinic]", "not_one_of"),
        ("human_subjects: true", "human_subjects: maybe", "wrong_type"),
        ("persons: 300", "persons: -3", "out_of_bounds"),
        ("deal: none", "deal: {technology: true}", "unknown_key"),
        ("leaves: []", "leaves: [{what: row_level, from: [seoul], to: [shanghai]}]", "not_one_of"),
        ("leaves: []", "leaves: [{what: row_level, to: [seoul]}]", "missing_key"),
        ("incident: none", "incidents: none", "unknown_key"),
        ("seoul: {country: KR,", "seoul: {country: Korea,", "bad_country"),
    ],
)
def test_a_fault_of_the_part_is_found_with_its_line(old: str, new: str, code: str) -> None:
    text = STUDY + ANALYSES + CLINICAL + PARTIES
    line = next(n for n, one in enumerate(text.splitlines(), 1) if old in one)
    with pytest.raises(FileFault) as fault:
        Study.parse(text.replace(old, new))
    assert (code, line) in [(finding.code, finding.place.line) for finding in fault.value.findings]


def test_unknown_may_be_written() -> None:
    read = study(CLINICAL.replace("human_subjects: true", "human_subjects: unknown") + PARTIES)
    assert read.governance is not None
    assert "kr.human_subject_research" not in read.governance.facts


def _plain(text: str) -> Any:
    from gagyo.protocol.written import read_entries

    return read_entries(text, "a").plain()


def test_the_schemas_take_what_the_readers_take() -> None:
    jsonschema.validate(_plain(STUDY + ANALYSES + CLINICAL + PARTIES), study_schema())
    jsonschema.validate(_plain(SITE), site_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            _plain(STUDY + ANALYSES + CLINICAL.replace("state: ps", "state: xs") + PARTIES), study_schema()
        )
