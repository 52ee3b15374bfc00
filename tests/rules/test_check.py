"""The check: the strictest wins, unknown is never a yes, dates decide, and no fact turns a no into a yes unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given as varied
from hypothesis import settings
from hypothesis import strategies as st

from gagyo.governance.check import STRICTER, Answer, answer, outcome, strictest
from gagyo.governance.derive import Subject
from gagyo.governance.evidence import EVERY, Evidence, held
from gagyo.governance.facts import Fact, Value
from gagyo.governance.grammar import Is
from gagyo.governance.pack import Pack, Rule, packs, vocabulary

DAY = date(2026, 11, 25)
WORDS = vocabulary()
RULES = {rule.id: rule for pack in packs() for rule in pack.rules}


def values(fact: Fact) -> st.SearchStrategy[Value]:
    """Values of a fact, near the bounds that rules set where it is a number or a day."""
    bounds = (0, 1, 5, 500, 501, 999, 1000, 9_999, 10_000, 99_999, 100_000, 999_999, 1_000_000, 10_000_000)
    match fact.shape:
        case "bool":
            return st.booleans()
        case "enum":
            return st.sampled_from(fact.values)
        case "set":
            return st.sets(st.sampled_from(fact.values), max_size=3).map(lambda names: tuple(sorted(names)))
        case "count":
            return st.sampled_from(bounds)
        case "date":
            return st.sampled_from((date(2026, 3, 30), date(2026, 3, 31), DAY))


@st.composite
def known_facts(draw: st.DrawFn) -> dict[str, Value]:
    """Some facts, of all; what is likely to matter is more often known."""
    names = draw(st.sets(st.sampled_from(sorted(WORDS.facts)), max_size=len(WORDS.facts)))
    likely = {"site.country", "data.state", "data.categories", "egress.kind", "egress.leaves_country"}
    if draw(st.booleans()):
        names |= likely
    return {name: draw(values(WORDS.facts[name])) for name in sorted(names)}


evidence_held = st.sets(st.sampled_from(sorted(WORDS.evidence)), max_size=len(WORDS.evidence)).map(frozenset)
most_evidence = st.sets(st.sampled_from(sorted(WORDS.evidence)), max_size=4).map(
    lambda absent: frozenset(WORDS.evidence) - absent
)
shown = st.one_of(evidence_held, most_evidence)


def answered(facts: Mapping[str, Value], evidence: frozenset[str], *more: Pack, day: date = DAY) -> Answer:
    return answer(Subject("a", str(facts.get("egress.kind", "")), (), True, facts), (*packs(), *more), evidence, day)


@settings(max_examples=300, deadline=None)
@varied(known_facts(), shown, st.data())
def test_a_fact_turns_a_no_into_a_yes_only_where_it_was_asked_for(
    facts: dict[str, Value], evidence: frozenset[str], data: st.DataObject
) -> None:
    before = answered(facts, evidence)
    absent = sorted(set(WORDS.facts) - set(facts) - before.asks)
    if before.verdict == "may_go_ahead" or not absent:
        return
    name = data.draw(st.sampled_from(absent))
    after = answered({**facts, name: data.draw(values(WORDS.facts[name]))}, evidence)
    assert after.verdict != "may_go_ahead"


@settings(max_examples=300, deadline=None)
@varied(known_facts(), shown, st.data())
def test_evidence_turns_a_no_into_a_yes_only_where_it_was_asked_for(
    facts: dict[str, Value], evidence: frozenset[str], data: st.DataObject
) -> None:
    before = answered(facts, evidence)
    asked = {kind for one in before.deciding for kind in (*one.missing, *one.lifts)}
    absent = sorted(set(WORDS.evidence) - evidence - asked)
    if before.verdict == "may_go_ahead" or not absent:
        return
    after = answered(facts, evidence | {data.draw(st.sampled_from(absent))})
    assert after.verdict != "may_go_ahead"


@settings(max_examples=200, deadline=None)
@varied(known_facts(), shown, st.data())
def test_more_evidence_is_never_stricter(
    facts: dict[str, Value], evidence: frozenset[str], data: st.DataObject
) -> None:
    more = evidence | {data.draw(st.sampled_from(sorted(WORDS.evidence)))}
    before, after = answered(facts, evidence).verdict, answered(facts, more).verdict
    assert STRICTER.index(after) <= STRICTER.index(before)


@settings(max_examples=200, deadline=None)
@varied(known_facts())
def test_nothing_known_of_a_thing_is_never_a_yes(facts: dict[str, Value]) -> None:
    about = {name: value for name, value in facts.items() if name not in ("egress.kind", "site.country")}
    assert answered(about, frozenset(WORDS.evidence)).verdict != "may_go_ahead"


# An own pack.


def own_rule(effect: str, requires: tuple[str, ...] = (), **changes: object) -> Rule:
    """A rule that applies to tables of aggregates."""
    rule = replace(RULES["POLICY-EGRESS-MIN-CELL"], id="OWN", weight="own", limit={}, requires=requires)
    return replace(rule, effect=effect, when=Is("egress.kind", ("aggregate_table",)), **changes)  # type: ignore[arg-type]


def own_pack(*rules: Rule) -> Pack:
    return replace(packs()[0], name="own", weight="own", rules=rules)


own_rules = st.builds(
    lambda rule, effect, requires: replace(rule, id=f"OWN-{rule.id}", weight="own", effect=effect, requires=requires),
    st.sampled_from(sorted(RULES.values(), key=lambda rule: rule.id)),
    st.sampled_from(("forbid", "needs_first", "allow_if", "limit", "notify", "advise")),
    st.lists(st.sampled_from(sorted(WORDS.evidence)), max_size=2).map(tuple),
)


@settings(max_examples=300, deadline=None)
@varied(known_facts(), shown, st.lists(own_rules, max_size=3))
def test_an_own_pack_only_makes_stricter(facts: dict[str, Value], evidence: frozenset[str], rules: list[Rule]) -> None:
    without, beside = answered(facts, evidence), answered(facts, evidence, own_pack(*rules))
    assert STRICTER.index(beside.verdict) >= STRICTER.index(without.verdict)
    assert beside.of("law") == without.of("law")
    assert beside.of("platform") == without.of("platform")


def test_an_own_permission_does_not_fill_a_gap() -> None:
    facts: dict[str, Value] = {
        "egress.kind": "aggregate_table",
        "site.country": "other",
        "egress.leaves_country": "other",
    }
    beside = answered(facts, frozenset(), own_pack(own_rule("allow_if")))
    assert beside.gap
    assert beside.verdict == "forbidden"


# Effects.

TABLE: dict[str, Value] = {"egress.kind": "aggregate_table"}


@pytest.mark.parametrize(
    ("effect", "evidence", "expected"),
    [
        ("forbid", (), "forbidden"),
        ("forbid", ("egress_manifest",), "forbidden"),
        ("needs_first", (), "needs_first"),
        ("needs_first", ("egress_manifest",), "may_go_ahead"),
        ("allow_if", (), "needs_first"),
        ("allow_if", ("egress_manifest",), "may_go_ahead"),
        ("limit", (), "may_go_ahead"),
        ("notify", (), "may_go_ahead"),
        ("advise", (), "may_go_ahead"),
    ],
)
def test_what_an_effect_comes_to(effect: str, evidence: tuple[str, ...], expected: str) -> None:
    found = outcome(own_rule(effect, ("egress_manifest",)), TABLE, evidence, DAY)
    assert found is not None
    assert found.verdict == expected
    unknown = outcome(own_rule(effect, ("egress_manifest",)), {}, evidence, DAY)
    assert unknown is not None
    assert unknown.verdict == ("unknown" if effect == "forbid" or expected == "needs_first" else "may_go_ahead")


def test_the_strictest_wins() -> None:
    assert strictest(["needs_first", "forbidden", "may_go_ahead", "unknown"]) == "forbidden"
    assert strictest(["needs_first", "unknown"]) == "unknown"
    assert strictest(["may_go_ahead", "needs_first"]) == "needs_first"


def test_a_rule_from_memory_never_decides_alone() -> None:
    for effect in ("forbid", "needs_first"):
        found = outcome(own_rule(effect, ("egress_manifest",), basis="memory"), TABLE, (), DAY)
        assert found is not None
        assert found.verdict == "unknown"


def test_a_lifted_rule_still_needs_what_it_says() -> None:
    rule = RULES["KR-PIPA-28-8-OVERSEAS"]
    facts: dict[str, Value] = {
        "egress.leaves_country": "KR",
        "egress.kind": "row_level",
        "data.state": "pseudonymised",
        "egress.is_entrustment": False,
    }
    bare, lifted = (outcome(rule, facts, held, DAY) for held in ((), ("kr.consent_overseas",)))
    assert bare is not None
    assert lifted is not None
    assert (bare.verdict, lifted.verdict) == ("forbidden", "needs_first")
    assert lifted.missing == ("kr.transfer_safeguards", "kr.transfer_contract_annex")


# Days.


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.start], ids=lambda rule: rule.id)
def test_a_rule_decides_from_its_first_day(rule: Rule) -> None:
    assert rule.start is not None
    assert not rule.decides(rule.start - timedelta(days=1))
    assert rule.decides(rule.start) == (rule.status != "draft")


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.status == "draft"], ids=lambda rule: rule.id)
def test_a_draft_never_decides(rule: Rule) -> None:
    assert not any(rule.decides(day) for day in (date.min, DAY, date(2027, 3, 10), date.max))


def test_a_rule_that_is_over_is_not_shown() -> None:
    over = own_rule("forbid", until=DAY - timedelta(days=1))
    assert not any(one.rule.id == "OWN" for one in answered(TABLE, frozenset(), own_pack(over)).outcomes)


def test_a_future_rule_warns_and_then_decides() -> None:
    facts: dict[str, Value] = {
        "site.country": "KR",
        "study.purposes": ("ai_training",),
        "data.state": "identified",
        "kr.deidentification_infeasible": True,
    }
    found = [outcome(RULES["KR-PIPA-28-12-AI-SPECIAL"], facts, (), day) for day in (DAY, date(2027, 3, 10))]
    assert [one and one.decides for one in found] == [False, True]


# Evidence.


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"site": "busan"}, False),
        ({"site": EVERY}, True),
        ({"things": ("row_level",)}, False),
        ({"things": (EVERY,)}, True),
        ({"start": DAY + timedelta(days=1)}, False),
        ({"until": DAY - timedelta(days=1)}, False),
        ({"until": DAY}, True),
        ({"kind": "kr.pipc_ai_resolution"}, False),
        ({"kind": "nonsense"}, False),
    ],
)
def test_evidence_counts_within_its_scope_and_time(change: dict[str, object], counts: bool) -> None:
    one = replace(Evidence("kr.irb_approval", "seoul", ("aggregate_table",), DAY), **change)  # type: ignore[arg-type]
    found = held([one], WORDS.evidence, "seoul", "aggregate_table", DAY)
    assert bool(found) == counts
    assert ("kr.irb_decision" in found) == counts, "a group is satisfied by a member"
