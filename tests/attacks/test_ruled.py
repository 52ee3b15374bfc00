"""A hospital that checks the rules itself: nothing runs there before its own documents are in force, nor after."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as varied
from hypothesis import settings
from hypothesis import strategies as st

from gagyo.coordinator import planning
from gagyo.coordinator.acts import check_acts
from gagyo.coordinator.run import Progress, Run
from gagyo.demo import rules as demo
from gagyo.errors import FileFault, Refused, Tampered
from gagyo.governance.check import Bounds
from gagyo.governance.pack import vocabulary
from gagyo.protocol.governance import Party
from gagyo.release.ledger import Entry, Ledger
from gagyo.result import Words
from gagyo.site.policy import Policy, RuleTerms
from gagyo.site.ruled import Ruled
from gagyo.site.site_file import SiteFile
from gagyo.text import LANGUAGES
from tests.attacks.test_reviews import TERMS, again, goes_through
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, breast, house

GOVERNANCE = (Path(demo.__file__).parent / "files" / "rules" / "aggregates.yaml").read_text().partition("governance:")
RULED = STUDY + MODEL + "".join(GOVERNANCE[1:])


class Calendar:
    """A day that a test turns."""

    day = date(2026, 11, 28)

    def __call__(self) -> date:
        return self.day


def holds(
    folder: Path, until: str = "2027-10-31", without: str = "", study: str = "breast-mass", site: str = "seoul"
) -> None:
    """Write a list in which a hospital holds every kind of document."""
    kinds = [kind for kind in vocabulary().evidence if kind != without]
    common = {"site": site, "things": ["*"], "from": "2026-01-01", "until": until, "study": study}
    (folder / "evidence.yaml").write_text("".join(f"- {json.dumps({'kind': kind, **common})}\n" for kind in kinds))


def at_seoul(folder: Path, *packs: str, party: Party | None = None) -> tuple[Ruled, Calendar]:
    today = Calendar()
    return Ruled("seoul", RuleTerms("evidence.yaml", packs), folder, party, today), today


def codes(one: House) -> list[str]:
    return [entry.record["code"] for entry in one.sites["seoul"].ledger.entries if entry.record["outcome"] == "refused"]


def checks(one: House) -> list[dict[str, Any]]:
    return [entry.record["told"] for entry in one.sites["seoul"].ledger.entries if entry.record["channel"] == "check"]


def test_a_plan_runs_once_the_hospital_holds_every_document(tmp_path: Path) -> None:
    holds(tmp_path)
    one = house(tmp_path, RULED, breast(), ruled={"seoul": at_seoul(tmp_path)[0]})
    assert not one.run().stopped
    (told,) = checks(one)
    assert [answer["verdict"] for answer in told["answers"]] == ["may_go_ahead"]
    assert (told["day"], len(told["packs"])) == ("2026-11-28", 3)
    assert {held["kind"] for held in told["evidence"]} == set(vocabulary().evidence)
    assert check_acts("seoul", one.sites["seoul"].ledger.entries) == 2, "the check and the approval"


@pytest.mark.parametrize("missing", ["kr.separate_storage", "disclosure_risk_report"])
def test_without_one_document_the_plan_is_not_approved(tmp_path: Path, missing: str) -> None:
    holds(tmp_path, without=missing)
    with pytest.raises(FileFault) as fault:
        house(tmp_path, RULED, breast(), ruled={"seoul": at_seoul(tmp_path)[0]})
    (finding,) = fault.value.findings
    assert finding.code == "rules_not_met"
    assert missing in str(finding.values["expected"])
    sure = {"en": "[text read]", "ko": "[원문 확인]", "zh": "[已核对原文]"}
    assert all(sure[language] in finding.text(language) for language in LANGUAGES), "how sure each rule is"


def test_a_study_that_states_nothing_does_not_run(tmp_path: Path) -> None:
    holds(tmp_path)
    with pytest.raises(FileFault) as fault:
        house(tmp_path, STUDY + MODEL, breast(), ruled={"seoul": at_seoul(tmp_path)[0]})
    assert {one.code for one in fault.value.findings} == {"rules_not_met"}


def test_counting_people_is_ruled_on_too(tmp_path: Path) -> None:
    """A policy that answers counts without an approval still answers none that the rules do not allow."""
    counts = STUDY.rstrip() + " {}\n" + "".join(GOVERNANCE[1:])
    holds(tmp_path, without="disclosure_risk_report")
    with pytest.raises(FileFault) as fault:
        house(tmp_path, counts, breast(), {"seoul": Policy(feasibility=5)}, ruled={"seoul": at_seoul(tmp_path)[0]})
    assert fault.value.findings[0].code == "rules_not_met"


def test_documents_of_another_study_count_for_nothing(tmp_path: Path) -> None:
    holds(tmp_path, study="another-study")
    with pytest.raises(FileFault):
        house(tmp_path, RULED, breast(), ruled={"seoul": at_seoul(tmp_path)[0]})


def stopped_midway(tmp_path: Path) -> tuple[House, Calendar]:
    """A run in whose middle the documents end."""
    holds(tmp_path, until="2026-11-28")
    ruled, today = at_seoul(tmp_path)
    one = house(tmp_path, RULED, breast(), ruled={"seoul": ruled})

    def turn(progress: Progress) -> None:
        if progress.round == 2:
            today.day = date(2026, 11, 29)

    run = Run(one.plan, one.journal, turn)
    list(run)
    assert set(run.stopped) == {"model"}
    return one, today


def test_documents_that_end_in_the_middle_of_a_run_end_it(tmp_path: Path) -> None:
    one, _ = stopped_midway(tmp_path)
    assert "rules_not_met" in codes(one)
    assert [told["day"] for told in checks(one)] == ["2026-11-28", "2026-11-29"]
    released = [e.sequence for e in one.sites["seoul"].ledger.entries if e.record["outcome"] == "released"]
    second = [e.sequence for e in one.sites["seoul"].ledger.entries if e.record["channel"] == "check"][1]
    assert max(released) < second


def test_the_same_command_goes_on_once_they_are_renewed(tmp_path: Path) -> None:
    one, _ = stopped_midway(tmp_path)
    holds(tmp_path)
    again_run = again(one)
    assert not again_run.stopped
    assert "model" in again_run.results
    check_acts("seoul", one.sites["seoul"].ledger.entries)


def test_a_list_that_was_deleted_shows_nothing(tmp_path: Path) -> None:
    holds(tmp_path)
    one = house(tmp_path, RULED, breast(), ruled={"seoul": at_seoul(tmp_path)[0]})
    (tmp_path / "evidence.yaml").unlink()
    with pytest.raises(Refused):
        one.run()
    assert set(codes(one)) == {"rules_not_met"}


def test_the_hospitals_own_word_counts_and_a_contradiction_is_unknown(tmp_path: Path) -> None:
    holds(tmp_path)
    party = Party(country="CN")
    with pytest.raises(FileFault) as fault:
        house(tmp_path, RULED, breast(), ruled={"seoul": at_seoul(tmp_path, party=party)[0]})
    assert fault.value.findings[0].values["verdict"] == Words("rules.verdict.unknown")


OWN = """
format: "1"
pack: hanbit
version: "1"
weight: own
title: {en: Hanbit, ko: 한빛, zh: 韩光}
sources: {}
rules:
  - id: HANBIT-RELEASE
    jurisdiction: KR
    instrument: {original: Hanbit, en: Hanbit, ko: 한빛, zh: 韩光}
    article: '-'
    effective: {from: 2026-01-01, until: null}
    status: in_force
    basis: first_hand
    when: {fact: egress.kind, in: [effect_estimate]}
    effect: limit
    limit: {LIMIT}
    explain: {en: ours, ko: 우리, zh: 我们}
    next_step: {en: ask, ko: 문의, zh: 询问}
"""


def test_an_own_packs_minimum_reaches_the_gate(tmp_path: Path) -> None:
    holds(tmp_path)
    (tmp_path / "own.yaml").write_text(OWN.replace("{LIMIT}", "{minimum_people: 300}"))
    one = house(tmp_path, RULED, breast(), ruled={"seoul": at_seoul(tmp_path, "own.yaml")[0]})
    run = one.run()
    assert "seoul" not in run.results["model"].sites if "model" in run.results else run.stopped
    assert not any(e.record["channel"].startswith("masked") for e in one.sites["seoul"].ledger.entries)


def test_a_named_releaser_that_a_rule_wants_is_asked(tmp_path: Path) -> None:
    holds(tmp_path)
    (tmp_path / "own.yaml").write_text(OWN.replace("{LIMIT}", "{named_releaser: required}"))
    ruled = {"seoul": at_seoul(tmp_path, "own.yaml")[0]}
    one = house(tmp_path, RULED, breast(), {"seoul": Policy(approvals=TERMS)}, ruled=ruled)
    assert one.run().stopped
    assert not any(e.record["channel"].startswith("masked") for e in one.sites["seoul"].ledger.entries)
    goes_through(one.sites["seoul"])
    assert "model" in again(one).results


def test_a_ledger_in_which_something_left_against_a_check_is_not_sound(tmp_path: Path) -> None:
    holds(tmp_path)
    one = house(tmp_path, RULED, breast(), ruled={"seoul": at_seoul(tmp_path)[0]})
    one.run()
    entries = one.sites["seoul"].ledger.entries
    forged = Ledger(tmp_path / "forged.jsonl", one.sites["seoul"].keys.sign)
    for entry in entries:
        record = json.loads(json.dumps(entry.record))
        for answer in record.get("told", {}).get("answers", ()):
            answer["verdict"] = "needs_first"
        forged.record([record])
    with pytest.raises(Tampered):
        check_acts("seoul", list[Entry](forged.entries))


# A hospital that keeps no list: told on record, and still bound by what its packs set.


def test_what_the_rules_said_is_on_record_where_they_do_not_decide(tmp_path: Path) -> None:
    one = house(tmp_path, RULED, breast())
    assert not one.run().stopped
    for site in one.sites.values():
        (told,) = [e.record["told"] for e in site.ledger.entries if e.record["channel"] == "check"]
        assert told["decides"] is False
        assert {answer["verdict"] for answer in told["answers"]} == {"needs_first"}
        assert [pack["name"] for pack in told["packs"]] == ["cn", "kr", "platform"]
        assert check_acts(site.name, site.ledger.entries) == 2, "the check and the approval"
        site.approve(one.plan)
    assert len(checks(one)) == 1, "the same check is written once"


def test_a_study_that_states_nothing_is_not_checked_where_rules_do_not_decide(tmp_path: Path) -> None:
    assert checks(house(tmp_path, STUDY + MODEL, breast())) == []


def test_a_check_that_is_only_told_does_not_lift_a_no(tmp_path: Path) -> None:
    """Who takes the rules out of the policy after a no still shows a ledger that is not sound."""
    holds(tmp_path)
    one = house(tmp_path, RULED, breast(), ruled={"seoul": at_seoul(tmp_path)[0]})
    one.run()
    forged = Ledger(tmp_path / "forged.jsonl", one.sites["seoul"].keys.sign)
    for entry in one.sites["seoul"].ledger.entries:
        record = json.loads(json.dumps(entry.record))
        forged.record([record])
        if record["channel"] == "check":
            for answer in record["told"]["answers"]:
                answer["verdict"] = "needs_first"
            forged.record([record, {**record, "told": {**record["told"], "decides": False}}])
    with pytest.raises(Tampered):
        check_acts("seoul", list[Entry](forged.entries))


GENES = RULED.replace("categories: [clinical]", "categories: [genomic_individual]")


def test_a_coordinator_that_leaves_the_rules_out_gets_nothing_that_they_forbid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GENES != RULED
    with pytest.raises(FileFault) as fault:
        house(tmp_path, GENES, breast())
    assert {one.code for one in fault.value.findings} == {"rules_forbidden"}, "an honest one makes no such plan"
    monkeypatch.setattr(planning, "_shut", lambda *_: [])
    with pytest.raises(FileFault) as fault:
        house(tmp_path / "lax", GENES, breast())
    (finding,) = fault.value.findings
    assert (finding.code, finding.values["site"]) == ("rules_forbidden_here", "beijing"), "the first of China's"


def test_a_hospital_that_holds_the_document_decides_by_its_own_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_shut", lambda *_: [])
    holds(tmp_path, site="*")
    ruled = {
        name: Ruled(name, RuleTerms("evidence.yaml", ()), tmp_path, None, Calendar()) for name in ("beijing", "tianjin")
    }
    one = house(tmp_path, GENES, breast(), ruled=ruled)
    assert not one.run().stopped


def test_a_person_whom_a_rule_wants_is_asked_whatever_the_policy_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Bounds(releaser={"seoul": ("effect_estimate",)})
    monkeypatch.setattr("gagyo.site.ruled.bounds_over", lambda *_: wanted)
    one = house(tmp_path, RULED, breast(), {"seoul": Policy(approvals=TERMS)})
    assert one.run().stopped
    assert not any(e.record["channel"].startswith("masked") for e in one.sites["seoul"].ledger.entries)
    goes_through(one.sites["seoul"])
    assert "model" in again(one).results


@settings(max_examples=15, deadline=None)
@varied(st.integers(5, 15), st.integers(5, 30), st.one_of(st.none(), st.integers(5, 60)), st.booleans(), st.booleans())
def test_no_path_loosens_what_a_hospital_holds(
    asked: int, policy: int, own: int | None, lowered: bool, stated: bool
) -> None:
    """The strictest of rules, policy and study, though a plan lowers its limits or its study states nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        holds(folder)
        (folder / "own.yaml").write_text(OWN.replace("{LIMIT}", f"{{minimum_people: {own or 5}}}"))
        ruled = {"seoul": at_seoul(folder, "own.yaml")[0]} if own and stated else None
        text = RULED if stated else STUDY + MODEL
        text = text.replace("variables:", f"release: {{minimum_people: {asked}}}\nvariables:", 1)
        one = house(folder, text, breast(), {"seoul": Policy(minimum_people=policy)}, ruled=ruled)
        plan = replace(one.plan, limits={**one.plan.limits, "minimum_people": 5}) if lowered else one.plan
        site = one.sites["seoul"]
        site.approve(plan)
        law = 10 if stated else 0
        held = site.sessions.find(plan.digest).limits.minimum_people
        study = 5 if lowered else asked  # the plan's own limit is its signers' business; the rules' is the hospital's
        assert held == max(study, policy, law, own if ruled and own else 0)


def test_the_site_file_names_the_lists(tmp_path: Path) -> None:
    text = "site: seoul\ncountry: KR\ndata: {connector: parquet, path: a}\nvariables: {a: {column: a}}\n"
    policy = "policy: {rules: {evidence: evidence.yaml, packs: [own.yaml]}}\n"
    path = tmp_path / "seoul.yaml"
    path.write_text(text + policy)
    assert SiteFile.read(path).policy.rules == RuleTerms("evidence.yaml", ("own.yaml",))
    with pytest.raises(FileFault) as fault:
        Ruled.of(SiteFile.read(path))
    assert fault.value.findings[0].code == "file_not_found"
    path.write_text(text)
    assert Ruled.of(SiteFile.read(path)) is None
