"""A yes that is carried over to an amended plan: only for what was left as it was, and never a custodian's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gagyo.coordinator.acts import check_acts
from gagyo.coordinator.planning import make_plan
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.governance.approval import Statement
from gagyo.governance.roles import Role
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study
from gagyo.site.site_file import SiteFile
from tests.attacks.test_approvals import DAY, TERMS, Hospital
from tests.hospitals import SITES, STUDY

MODEL = '  model: {method: logistic, cohort: all, formula: "malignant ~ texture + smoothness"}\n'
MORE = '  more: {method: logistic, cohort: all, formula: "malignant ~ smoothness + texture"}\n'
ELSEWHERE = '  more: {method: logistic, cohort: large, formula: "malignant ~ texture"}\n'
AMENDED = {
    "more": (STUDY + MODEL + MORE, "model", "more"),
    "title": (STUDY.replace("Breast mass", "Breast masses") + MODEL, "model", ""),
    "formula": (STUDY + MODEL.replace(" + smoothness", ""), "", "model"),
    "purpose": (STUDY.replace("scientific_research", "statistics") + MODEL, "", "model"),
    "lead": (STUDY.replace("name: Kim", "name: Lee") + MODEL, "", "model"),
    "period": (STUDY.replace("2027-10-31", "2028-10-31") + MODEL, "", "model"),
    "sites": (STUDY.replace(", tianjin]", "]") + MODEL, "", "model"),
}
"""By amendment: the study, an analysis that is as it was, and one that has to be looked at again."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, PublicKeys]]:
    folder = tmp_path_factory.mktemp("seed")
    made = {name: Keys.open(folder / name / "keys").public for name in (*SITES, "coordinator")}
    return folder / "seoul" / "keys", made


def planned(text: str, keys: dict[str, PublicKeys]) -> Plan:
    study = Study.parse(text)
    return make_plan(study, {name: keys[name] for name in ("coordinator", *study.sites)})


@pytest.fixture
def seoul(keys: tuple[Path, dict[str, PublicKeys]], tmp_path: Path) -> Iterator[Hospital]:
    """Seoul, where the plan of the model is approved by custodian and officer."""
    (tmp_path / "seoul").mkdir()
    shutil.copy(keys[0], tmp_path / "seoul" / "keys")
    plan = planned(STUDY + MODEL, keys[1])
    one = Hospital(tmp_path / "seoul", plan, plan, replace(TERMS, carry_over=True))
    assert one.approve(one.yes("custodian"), one.yes("data_protection", data="")) == []
    yield one
    one.site.close()


def amended(one: Hospital, keys: dict[str, PublicKeys], text: str) -> Hospital:
    """The same hospital with another plan."""
    one.plan = planned(text, keys)
    return one


def yes(one: Hospital, role: Role, **change: object) -> Statement:
    return one.yes(role, **({"data": ""} if role != "custodian" else {}), **change)


@pytest.mark.parametrize("name", AMENDED)
def test_only_what_changed_needs_a_new_yes(
    seoul: Hospital, keys: tuple[Path, dict[str, PublicKeys]], name: str
) -> None:
    text, same, touched = AMENDED[name]
    one = amended(seoul, keys[1], text)
    short = one.approve(yes(one, "custodian"))
    assert short == ([] if same or name == "formula" else ["approval_missing"])
    if same:
        assert one.code(same) == ""
    else:
        assert one.code("model") == ("approval_other_plan" if name == "formula" else "not_approved")
    if same and touched:
        assert one.code(touched) == "approval_other_plan"
        assert one.approve(yes(one, "data_protection", scope=(touched,))) == []
        assert (one.code(touched), one.code(same)) == ("", "")
        assert check_acts("seoul", one.site.ledger.entries) == 3, "the decisions, with what was carried over"
        told = [entry.record["told"] for entry in one.site.ledger.entries if entry.record["outcome"] == "noted"]
        assert [bool(one.get("carried")) for one in told] == [False, True, True]


def test_a_custodian_always_signs(seoul: Hospital, keys: tuple[Path, dict[str, PublicKeys]]) -> None:
    one = amended(seoul, keys[1], AMENDED["title"][0])
    assert one.approve() == ["approval_other_plan"]
    assert one.code("model") == "not_approved"


def test_a_hospital_that_does_not_say_so_carries_nothing(
    seoul: Hospital, keys: tuple[Path, dict[str, PublicKeys]]
) -> None:
    one = amended(seoul, keys[1], AMENDED["title"][0])
    one.terms = TERMS
    one.reopened()
    assert one.approve(yes(one, "custodian")) == ["approval_missing"]


def test_a_new_cohort_is_not_counted_before_a_yes(seoul: Hospital, keys: tuple[Path, dict[str, PublicKeys]]) -> None:
    large = STUDY.replace("  all: {}", '  all: {}\n  large: {where: "radius > 14"}')
    one = amended(seoul, keys[1], large + MODEL + ELSEWHERE)
    assert one.approve(yes(one, "custodian")) == ["approval_other_plan"]
    assert one.approve(yes(one, "data_protection", scope=("more",))) == []
    assert (one.code("more"), one.code("model")) == ("", "")


def test_a_withdrawal_of_the_earlier_plan_ends_what_was_carried(
    seoul: Hospital, keys: tuple[Path, dict[str, PublicKeys]]
) -> None:
    first = seoul.plan.digest
    one = amended(seoul, keys[1], AMENDED["title"][0])
    assert one.approve(yes(one, "custodian")) == []
    assert one.code("model") == ""
    one.site.decided.withdraw(first)
    assert one.code("model") == "approval_missing"
    one.reopened()
    assert one.approve() == ["approval_missing"]


def test_a_withdrawal_of_the_new_plan_stops_it_whole(seoul: Hospital, keys: tuple[Path, dict[str, PublicKeys]]) -> None:
    one = amended(seoul, keys[1], AMENDED["more"][0])
    assert one.approve(yes(one, "custodian"), yes(one, "data_protection", decision="withdraw")) == [
        "approval_withdrawn"
    ]
    assert one.code("model") == "withdrawn"


def test_a_carried_yes_ends_on_its_own_day(seoul: Hospital, keys: tuple[Path, dict[str, PublicKeys]]) -> None:
    one = amended(seoul, keys[1], AMENDED["title"][0])
    assert one.approve(yes(one, "custodian", until="2027-10-31")) == []
    one.day = DAY + timedelta(days=31)
    assert one.code("model") == "approval_expired"


def test_new_keys_of_a_hospital_carry_nothing(seoul: Hospital, keys: tuple[Path, dict[str, PublicKeys]]) -> None:
    other = {**keys[1], "busan": Keys.make().public}
    one = amended(seoul, other, STUDY + MODEL)
    assert one.approve(yes(one, "custodian")) == ["approval_missing"]
    sealed = {**keys[1], "busan": replace(keys[1]["busan"], sealing=Keys.make().public.sealing)}
    one = amended(seoul, sealed, STUDY + MODEL)
    assert one.approve(yes(one, "custodian")) == [], "keys of a run are the custodian's to compare"


def test_the_site_file_says_so(tmp_path: Path) -> None:
    text = "site: seoul\ncountry: KR\ndata: {connector: parquet, path: a}\nvariables: {a: {column: a}}\n"
    for word, carried in (("carry_over", True), ("sign_anew", False)):
        policy = f"policy: {{approvals: {{amendments: {word}, roles: {{}}}}}}\n"
        assert SiteFile.parse(text + policy).policy.approvals.carry_over is carried
