"""Attacks by plans that only count people, which nobody approves one by one: each gate holds, a policy allows few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.planning import make_plan
from gagyo.errors import FileFault
from gagyo.exchange.envelope import Keys
from gagyo.governance.approval import Terms
from gagyo.governance.derive import given, subjects
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.protocol.study import Study
from gagyo.release.decision import Answer
from gagyo.site.policy import Policy
from gagyo.site.site import Site
from tests.hospitals import STUDY, Rows

PEOPLE = 200
ALLOWED = Policy(feasibility=100)


def rows() -> Rows:
    """200 people: `texture` counts them from 0; three have no `radius`; 6 of the small ones are malignant."""
    order = np.arange(PEOPLE, dtype=float)
    columns = {name: np.linspace(0.1, 0.9, PEOPLE) for name in ("smoothness", "compactness", "symmetry")}
    columns |= {"texture": order / 4, "radius": np.where(order < 3, np.nan, 10.0)}
    columns |= {"size": np.repeat([0.0, 1.0], PEOPLE // 2), "malignant": ((order % 16) == 0).astype(float)}
    columns["malignant"][PEOPLE // 2 :] = order[PEOPLE // 2 :] % 2
    return Rows(columns, [f"p{number}".encode() for number in range(PEOPLE)])


COUNTING, ANALYSING = " {}", "\n  table: {method: describe, cohort: a, variables: [smoothness]}"
"""The analyses of a study that only counts, and of one that people would approve."""
BOTH = pytest.mark.parametrize("analyses", [COUNTING, ANALYSING])


def counting(*cohorts: str, study: str = STUDY, analyses: str = COUNTING) -> Study:
    """A study of cohorts `a`, `b`, ... and nothing else, or with an analysis."""
    said = "".join(f"  {name}: {{{cohort}}}\n" for name, cohort in zip("abcdefgh", cohorts, strict=False))
    before, _, _ = study.partition("cohorts:")
    return Study.parse(f"{before}cohorts:\n{said}analyses:{analyses}\n")


def hospital(folder: Path, policy: Policy = ALLOWED) -> Site:
    """Seoul, with the 200 people."""
    return Site("seoul", folder / "seoul", lambda _: rows(), policy)


def plan_of(study: Study, site: Site, folder: Path) -> Plan:
    """The study's plan with the hospital's key."""
    keys = {name: Keys.open(folder / f"{name}.keys").public for name in ("coordinator", *study.sites)}
    return make_plan(study, {**keys, "seoul": site.keys.public})


def ask(plan: Plan, site: Site) -> Answer:
    """The preflight's answer."""
    return site.answer(Request(plan.digest, "", "", 0, "seoul", "preflight"))


def count(folder: Path, site: Site, *cohorts: str, analyses: str = COUNTING) -> dict[str, list[float] | None]:
    """What a preflight tells: by cohort those analysed, not selected and incomplete; None where it is withheld."""
    plan = plan_of(counting(*cohorts, analyses=analyses), site, folder)
    site.approve(plan)
    payload = ask(plan, site).payload
    told = payload["cohorts"]
    return {name: list(payload["values"][f"{name}.flow"]) if told[name] == "ready" else None for name in told}


def code(site: Site, plan: Plan) -> str:
    """Why a hospital does not approve a plan."""
    with pytest.raises(FileFault) as fault:
        site.approve(plan)
    return fault.value.findings[0].code


# Who may count.


def test_a_hospital_whose_policy_says_nothing_counts_nobody(tmp_path: Path) -> None:
    site = hospital(tmp_path, Policy())
    plan = plan_of(counting(""), site, tmp_path)
    assert code(site, plan) == "answer_feasibility_not_allowed"
    answer = ask(plan, site)
    assert (answer.outcome, answer.payload) == ("refused", {})
    assert not site.decided.may_count(plan)


def test_counting_needs_no_signed_approval_and_analyses_still_do(tmp_path: Path) -> None:
    terms = Terms(("custodian",), {"custodian": ("00" * 32,)})
    site = hospital(tmp_path, Policy(feasibility=5, approvals=terms))
    assert count(tmp_path, site, "")["a"] == [PEOPLE, 0, 0]
    text = f"{STUDY}  table: {{method: describe, cohort: all, variables: [texture]}}\n"
    assert code(site, plan_of(Study.parse(text), site, tmp_path)) == "approval_missing"


def test_only_so_many_cohorts_are_counted_over_all_plans_and_a_restart(tmp_path: Path) -> None:
    site = hospital(tmp_path, Policy(feasibility=3))
    first = plan_of(counting("", "where: malignant"), site, tmp_path)
    site.approve(first)
    assert code(site, plan_of(counting("", "where: not malignant"), site, tmp_path)) == "answer_feasibility_spent"
    site.close()
    again = hospital(tmp_path, Policy(feasibility=3))
    again.approve(first)  # the same plan is counted once
    assert code(again, plan_of(counting("", "where: not malignant"), again, tmp_path)) == "answer_feasibility_spent"
    again.approve(plan_of(counting("where: not malignant"), again, tmp_path))
    assert not again.decided.may_count(plan_of(counting("where: texture > 20"), again, tmp_path))


def test_a_withdrawn_count_stays_withdrawn(tmp_path: Path) -> None:
    site = hospital(tmp_path)
    plan = plan_of(counting(""), site, tmp_path)
    site.approve(plan)
    site.decided.withdraw(plan.digest)
    assert ask(plan, site).code == "withdrawn"
    assert code(site, plan) == "approval_withdrawn"


def test_nothing_but_the_preflight_is_answered(tmp_path: Path) -> None:
    site = hospital(tmp_path)
    plan = plan_of(counting(""), site, tmp_path)
    site.approve(plan)
    arguments = {"variables": ["texture"], "by": ""}
    for step in ("describe.counts", "compare.tables", "receive", "relayed", "open.people", "open.values"):
        for roster in ((), tuple(plan.study.sites)):
            asked = Request(plan.digest, "a", "a", 0, "seoul", step, arguments, roster=roster)
            answer = site.answer(asked)
            assert (answer.outcome, answer.payload) == ("refused", {}), step


def test_what_was_counted_is_on_the_ledger(tmp_path: Path) -> None:
    site = hospital(tmp_path)
    count(tmp_path, site, "", "where: malignant")
    records = [entry.record for entry in site.ledger.entries]
    assert records[0]["told"] == {"doing": "count", "statements": [], "cohorts": 2}
    assert (records[1]["step"], records[1]["outcome"], records[1]["channel"]) == ("preflight", "released", "each")
    assert records[1]["numbers"] == 2 * (3 + len(counting("").variables))


# What counts may tell.


def test_small_cohorts_and_their_complements_are_withheld(tmp_path: Path) -> None:
    site = hospital(tmp_path)
    told = count(tmp_path, site, "", "where: texture < 2", "where: texture >= 2")
    assert told == {"a": [PEOPLE, 0, 0], "b": None, "c": None}, "8 people, and all but 8"


def test_two_counts_that_differ_by_a_few_people_are_not_both_told(tmp_path: Path) -> None:
    site = hospital(tmp_path)
    assert count(tmp_path, site, "where: texture >= 10") == {"a": [160, 40, 0]}
    assert count(tmp_path, site, "where: texture >= 11") == {"a": None}, "4 people between them, over two plans"
    assert count(tmp_path, site, "where: texture >= 15") == {"a": [140, 60, 0]}


def test_parts_that_leave_out_a_few_are_not_all_told(tmp_path: Path) -> None:
    """Of 100 small ones 7 are malignant: neither they nor the 93 others are told beside the 100."""
    site = hospital(tmp_path)
    small = "size = 'small'"
    told = count(
        tmp_path, site, f"where: {small}", f"where: {small} and malignant", f"where: {small} and not malignant"
    )
    assert told == {"a": [100, 100, 0], "b": None, "c": None}


def test_three_counts_whose_sum_leaves_out_a_few_are_not_all_told(tmp_path: Path) -> None:
    site = hospital(tmp_path)
    halves = ("where: texture < 25", "where: texture >= 26")
    told = count(tmp_path, site, "", *halves)
    assert told["a"] == [PEOPLE, 0, 0]
    assert told["b"] == [100, 100, 0]
    assert told["c"] is None, "everyone less both halves is 4 people"


@BOTH
def test_a_step_does_not_tell_who_lacks_a_value(tmp_path: Path, analyses: str) -> None:
    """The cohort's 197 complete people are told; that 200 meet its condition would tell of the three."""
    site = hospital(tmp_path)
    told = count(tmp_path, site, "complete: [radius]", "", analyses=analyses)
    assert told["a"] is not None
    assert told["a"][0] == PEOPLE - 3
    assert np.isnan(told["a"][1:]).all()
    assert told["b"] is None


@BOTH
def test_a_selection_is_not_told_through_those_analysed(tmp_path: Path, analyses: str) -> None:
    """180 of a selection have a value and 20 have none; another selection without missing values holds 4 more."""
    data = rows()
    data.columns["radius"] = np.where(np.arange(PEOPLE) >= 180, np.nan, 10.0)
    site = Site("seoul", tmp_path / "seoul", lambda _: data, ALLOWED)
    first, second = "where: texture >= 1, complete: [radius]", "where: texture >= 0.1"
    told = count(tmp_path, site, first, second, analyses=analyses)
    assert told["a"] is None or told["a"][0] == 176
    assert told["b"] is None, "199 less 176 and 20 are 3 people"


@BOTH
def test_what_a_group_lacks_does_not_follow_from_what_all_lack(tmp_path: Path, analyses: str) -> None:
    """30 of all lack a value, 26 of them small: that 4 of the others do is neither told nor follows."""
    data = rows()
    order = np.arange(PEOPLE)
    data.columns["radius"] = np.where((order < 26) | (order >= 196), np.nan, 10.0)
    site = Site("seoul", tmp_path / "seoul", lambda _: data, ALLOWED)
    cohorts = ("", "where: size = 'small'", "where: size = 'medium'")
    said = (f"{one}{', ' if one else ''}complete: [radius]" for one in cohorts)
    plan = plan_of(counting(*said, analyses=analyses), site, tmp_path)
    site.approve(plan)
    values = ask(plan, site).payload["values"]
    radius = list(plan.study.variables).index("radius")
    assert list(values["a.flow"]) == [170, 0, 30]
    assert values["a.missing"][radius] == 30
    for name, people in (("b", 74), ("c", 96)):
        if f"{name}.flow" in values:
            assert values[f"{name}.flow"][0] == people
            assert np.isnan(values[f"{name}.flow"][1:]).all(), "the size of the group tells how many of it lack a value"
            assert np.isnan(values[f"{name}.missing"][radius])


def test_rules_of_a_country_hold_for_counts_too() -> None:
    study = Study.parse(counting("").source + "governance: {parties: {beijing: {country: CN}}}\n")
    found = {(one.site, one.thing, one.to) for one in subjects(given(study, {})) if one.planned}
    assert ("beijing", "aggregate_table", ("lead",)) in found


# Ordinary use.


def test_cohorts_far_from_each_other_are_all_told_and_again(tmp_path: Path) -> None:
    site = hospital(tmp_path)
    asked = ("", "where: size = 'small'", "where: size = 'medium' and malignant", "where: size = 'medium'")
    wanted = {"a": [200, 0, 0], "b": [100, 100, 0], "c": [50, 150, 0], "d": [100, 100, 0]}
    assert count(tmp_path, site, *asked) == wanted
    assert count(tmp_path, site, *asked, "where: texture < 30") == {**wanted, "e": [120, 80, 0]}
