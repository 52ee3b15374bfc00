"""Approvals at the hospital's door: forged, expired, of another plan or hospital, replayed after a withdrawal."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from gagyo.coordinator.planning import make_plan
from gagyo.errors import FileFault
from gagyo.exchange.envelope import Keys
from gagyo.governance.approval import Statement, Terms, sign
from gagyo.governance.role_key import RoleKey
from gagyo.governance.roles import APPROVERS, Role
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.protocol.study import Study
from gagyo.site.keyed_digests import snapshot
from gagyo.site.policy import Policy
from gagyo.site.site import Site
from tests.attacks.test_left_out import at_the_others, send
from tests.conftest import MODEL
from tests.hospitals import SITES, STUDY, Rows, breast

DAY = date(2026, 11, 25)
HOLDERS = {role: RoleKey.make(role, f"holder of {role}") for role in APPROVERS}
TERMS = Terms(("custodian", "data_protection"), {role: (key.public,) for role, key in HOLDERS.items()})


@dataclass
class Hospital:
    """Seoul with a calendar that a test turns, its plan, and another plan of the same study."""

    folder: Path
    plan: Plan
    other: Plan
    terms: Terms
    day: date = DAY
    rows: Rows = field(default_factory=lambda: breast()["seoul"])
    site: Site = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        policy = Policy(approvals=self.terms)
        self.site = Site("seoul", self.folder, lambda _: self.rows, policy, today=lambda: self.day)

    def reopened(self) -> None:
        self.site.close()
        self.open()

    @property
    def data(self) -> str:
        return snapshot(self.rows, self.site._secret("data"))

    def yes(self, role: Role, **change: object) -> Statement:
        """A right approval, or one with something else in it, signed by the holder of the role."""
        until = (DAY + timedelta(days=30)).isoformat()
        right = Statement(self.plan.digest, "seoul", role, "", DAY.isoformat(), until, "", data=self.data)
        return sign(replace(right, **change), HOLDERS[role])  # type: ignore[arg-type]

    def approve(self, *statements: Statement) -> list[str]:
        """The codes of what forbids the approval; none where it holds."""
        try:
            self.site.approve(self.plan, statements)
        except FileFault as fault:
            return [one.code for one in fault.findings]
        return []

    def code(self, analysis: str = "") -> str:
        """What the door says to a request: its refusal's code, or nothing where it answers."""
        answer = self.site.answer(Request(self.plan.digest, analysis, "", 0, "seoul", "close"))
        assert (answer.outcome == "released") == (answer.code == "")
        assert answer.outcome == "released" or not answer.payload
        return answer.code


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan, Plan]:
    """The hospital's keys, a plan that names them, and an amended plan."""
    folder = tmp_path_factory.mktemp("seed")
    keys = {name: Keys.open(folder / name / "keys").public for name in (*SITES, "coordinator")}
    text = STUDY + MODEL
    plans = [make_plan(Study.parse(one), keys) for one in (text, text.replace("Breast mass", "Breast masses"))]
    return folder / "seoul" / "keys", plans[0], plans[1]


def hospital(seed: tuple[Path, Plan, Plan], folder: Path, terms: Terms = TERMS) -> Hospital:
    folder.mkdir(parents=True)
    shutil.copy(seed[0], folder / "keys")
    return Hospital(folder, seed[1], seed[2], terms)


@pytest.fixture
def seoul(seed: tuple[Path, Plan, Plan], tmp_path: Path) -> Iterator[Hospital]:
    one = hospital(seed, tmp_path / "seoul")
    yield one
    one.site.close()


def test_a_plan_runs_once_every_required_role_has_signed(seoul: Hospital) -> None:
    assert seoul.code() == "not_approved"
    assert seoul.approve() == ["approval_missing", "approval_missing"]
    assert seoul.approve(seoul.yes("custodian")) == ["approval_missing"]
    assert seoul.code() == "not_approved"
    assert seoul.approve(seoul.yes("data_protection", data="")) == [], "the custodian's was kept"
    assert seoul.code() == ""
    seoul.reopened()
    seoul.site.ensure_open(seoul.plan.digest, lambda: seoul.plan)
    assert seoul.code() == ""


def test_two_people_of_a_board_are_two_people(seed: tuple[Path, Plan, Plan], tmp_path: Path) -> None:
    """Attack: one person's yes made twice, with a second key, or under the same name counts once."""
    keys = [RoleKey.make("review_board", name) for name in ("Kim Minji", "KIM  Minji", "Park Jiho", "Lee Sora")]
    named = {**TERMS.keys, "review_board": tuple(key.public for key in keys)}
    one = hospital(seed, tmp_path / "seoul", Terms(("custodian", "review_board"), named, at_least={"review_board": 2}))
    days = (DAY.isoformat(), (DAY + timedelta(days=30)).isoformat())

    def yes(number: int, **change: object) -> Statement:
        draft = Statement(one.plan.digest, "seoul", "review_board", "", *days, "", data="")
        return sign(replace(draft, **change), keys[number])  # type: ignore[arg-type]

    assert one.approve(one.yes("custodian")) == ["approval_missing"]
    assert one.approve(yes(0), yes(0, conditions="again")) == ["approval_too_few"]
    assert one.approve(yes(1)) == ["approval_too_few"]
    assert one.approve(yes(2, until=DAY.isoformat())) == []
    assert one.code() == ""
    one.day = LATER
    assert one.code() == "approval_too_few", "the second has ended"
    assert one.approve(yes(3)) == []
    assert one.code() == ""
    one.approve(yes(2, decision="withdraw"))
    assert one.code() in ("withdrawn", "approval_withdrawn"), "one of them may stop it"
    one.site.close()


def test_without_approvals_in_the_policy_the_command_is_the_approval(
    seed: tuple[Path, Plan, Plan], tmp_path: Path
) -> None:
    one = hospital(seed, tmp_path / "seoul", Terms())
    assert one.approve() == []
    assert one.code() == ""
    one.site.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"plan": "sha256:" + "0" * 64}, "approval_other_plan"),
        ({"site": "busan"}, "approval_other_site"),
        ({"start": "2026-11-01", "until": "2026-11-24"}, "approval_expired"),
        ({"start": "2026-11-26"}, "approval_not_yet"),
        ({"data": "0" * 64}, "approval_other_data"),
        ({"data": ""}, "approval_other_data"),
    ],
)
def test_an_approval_of_something_else_is_not_taken_in(seoul: Hospital, change: dict[str, str], code: str) -> None:
    assert seoul.approve(seoul.yes("data_protection"), seoul.yes("custodian", **change)) == [code]
    assert seoul.code() == "not_approved"
    assert {one.role for one in seoul.site.decided.statements(seoul.plan.digest)} == {"data_protection"}


@pytest.mark.parametrize(
    "change",
    [
        {"until": "2036-01-01"},
        {"scope": ("model",)},
        {"person": "somebody else"},
        {"conditions": "none at all"},
        {"decision": "withdraw"},
    ],
)
def test_a_signed_approval_cannot_be_changed(seoul: Hospital, change: dict[str, str]) -> None:
    forged = replace(seoul.yes("custodian"), **change)  # type: ignore[arg-type]
    assert seoul.approve(seoul.yes("data_protection"), forged) == ["approval_signature"]


def test_a_strangers_key_and_a_key_of_another_role_count_for_nothing(seoul: Hospital) -> None:
    stranger = sign(seoul.yes("custodian"), RoleKey.make("custodian", "stranger"))
    assert seoul.approve(stranger) == ["approval_unknown_key", "approval_missing"]
    # The officer signs in the custodian's role with the officer's own key.
    posing = RoleKey("custodian", "officer", HOLDERS["data_protection"].private)
    both = (seoul.yes("data_protection"), sign(seoul.yes("custodian"), posing))
    assert seoul.approve(*both) == ["approval_unknown_key"]


def test_an_approval_expires_between_two_requests(seoul: Hospital) -> None:
    last = DAY + timedelta(days=2)
    assert seoul.approve(seoul.yes("custodian", until=last.isoformat()), seoul.yes("data_protection")) == []
    seoul.day = last
    assert seoul.code() == ""
    seoul.day = last + timedelta(days=1)
    assert seoul.code() == "approval_expired"
    seoul.reopened()
    with pytest.raises(FileFault) as why:
        seoul.site.ensure_open(seoul.plan.digest, lambda: seoul.plan)
    assert [one.code for one in why.value.findings] == ["approval_expired"]
    renewed = seoul.yes("custodian", start=seoul.day.isoformat(), until="2027-01-31")
    assert seoul.approve(renewed) == []
    assert seoul.code() == ""


def test_an_approval_covers_the_analyses_that_it_names(seoul: Hospital) -> None:
    assert seoul.approve(seoul.yes("custodian", scope=("model",)), seoul.yes("data_protection")) == []
    assert seoul.code("model") == ""
    assert seoul.code("other") == "approval_scope"
    assert seoul.code() == "", "what belongs to no analysis is covered"


def test_a_withdrawal_wins_and_no_replay_brings_the_yes_back(seoul: Hospital) -> None:
    yes = (seoul.yes("custodian"), seoul.yes("data_protection"))
    assert seoul.approve(*yes) == []
    assert seoul.code() == ""
    assert seoul.approve(seoul.yes("data_protection", decision="withdraw")) == ["approval_withdrawn"]
    assert seoul.code() == "withdrawn"
    later = seoul.yes("data_protection", until="2027-06-30")
    assert seoul.approve(*yes, later) == ["approval_withdrawn"]
    seoul.reopened()
    assert seoul.approve(*yes) == ["approval_withdrawn"]
    assert seoul.code() == "withdrawn"


def test_nobody_approves_the_study_that_they_lead(seoul: Hospital) -> None:
    """The lead holds a right custodian's key, too: one person cannot ask and agree. The lead's own role may say yes."""
    lead = RoleKey.make("custodian", " KIM ")
    seoul.terms = replace(TERMS, keys={**TERMS.keys, "custodian": (*TERMS.keys["custodian"], lead.public)})
    seoul.reopened()
    own = sign(seoul.yes("custodian"), lead)
    assert own.person == " KIM "
    assert seoul.approve(own, seoul.yes("data_protection")) == ["approval_own"]
    assert seoul.code() == "not_approved"
    own_role = RoleKey.make("lead", "Kim")
    seoul.terms = Terms(("custodian", "lead"), {**TERMS.keys, "lead": (own_role.public,)})
    seoul.reopened()
    assert seoul.approve(seoul.yes("custodian"), sign(seoul.yes("lead"), own_role)) == []


def test_a_withdrawal_that_comes_before_the_approval_wins_too(seoul: Hospital) -> None:
    both = (seoul.yes("review_board", decision="withdraw"), seoul.yes("custodian"), seoul.yes("data_protection"))
    assert seoul.approve(*both) == ["approval_withdrawn"], "a board that is not required may stop as well"
    assert seoul.code() == "withdrawn"


def test_a_statement_that_somebody_moved_in_the_hospitals_memory_does_not_count(seoul: Hospital) -> None:
    """Whoever can write memory.sqlite still cannot make an approval: each is verified again at every request."""
    assert seoul.approve(seoul.yes("custodian"), seoul.yes("data_protection")) == []
    base = seoul.site._store._base
    old = replace(seoul.yes("custodian"), plan=seoul.other.digest)
    base.execute('delete from statements where body like \'%"role":"custodian"%\'')
    assert seoul.code() == "approval_missing"
    seoul.site._store.keep_statement(seoul.plan.digest, sign(old, HOLDERS["custodian"]))
    assert seoul.code() == "approval_other_plan"
    seoul.site._store.keep_statement(seoul.plan.digest, replace(seoul.yes("custodian"), conditions="x"))
    assert seoul.code() in ("approval_signature", "approval_other_plan")


def test_other_data_are_not_answered_about(seoul: Hospital) -> None:
    assert seoul.approve(seoul.yes("custodian"), seoul.yes("data_protection")) == []
    changed = {name: values.copy() for name, values in seoul.rows.columns.items()}
    changed["texture"][0] += 1
    seoul.rows = Rows(changed, seoul.rows.persons)
    seoul.reopened()
    assert seoul.approve(seoul.yes("custodian")) == ["data_changed"]
    assert seoul.code() == "not_approved"


# Generated situations.

LATER = DAY + timedelta(days=10)
GOOD = "good"
KINDS = (
    *("missing", "expired", "expires_between", "not_yet", "other_plan", "other_site", "other_data", "stranger"),
    *("forged", "other_analysis", "withdrawn"),
)


def brought(one: Hospital, role: Role, kind: str) -> list[Statement]:
    """The statements of one role in one kind of situation."""
    soon = (DAY + timedelta(days=5)).isoformat()
    changes: dict[str, dict[str, object]] = {
        "expired": {"start": "2026-01-01", "until": "2026-11-24"},
        "expires_between": {"until": soon},
        "not_yet": {"start": "2026-12-20"},
        "other_plan": {"plan": one.other.digest},
        "other_site": {"site": "tianjin"},
        "other_data": {"data": "f" * 64},
        "other_analysis": {"scope": ("table",)},
    }
    right = one.yes(role, **changes.get(kind, {}))
    if kind == "missing":
        return []
    if kind == "stranger":
        return [sign(right, RoleKey.make(role, "stranger"))]
    if kind == "forged":
        return [replace(right, until="2099-01-01")]
    return [right, one.yes(role, decision="withdraw")] if kind == "withdrawn" else [right]


@pytest.mark.parametrize("number", range(200))
def test_the_site_runs_exactly_what_it_should(seed: tuple[Path, Plan, Plan], tmp_path: Path, number: int) -> None:
    draw = random.Random(number)
    required = tuple(draw.sample(APPROVERS, draw.randint(1, 4)))
    kinds = {role: GOOD if draw.random() < 0.75 else draw.choice(KINDS) for role in required}
    one = hospital(seed, tmp_path / "seoul", replace(TERMS, required=required))
    statements = [said for role, kind in kinds.items() for said in brought(one, role, kind)]
    draw.shuffle(statements)
    one.approve(*statements)
    one.day = LATER
    version = draw.random() < 0.1
    plan = one.other if version else one.plan
    answer = one.site.answer(Request(plan.digest, "model", "", 0, "seoul", "close"))
    should = not version and set(kinds.values()) == {GOOD}
    assert (answer.outcome == "released") == should, (kinds, answer.code)
    one.site.close()


def test_a_letter_inside_a_request_needs_an_approval_of_its_own_analysis(tmp_path: Path) -> None:
    """A hospital that is left out writes inside a request: its own analysis must be covered, not the outer one's."""
    one, outer, inner = at_the_others(tmp_path)
    site = one.sites[outer.site]
    data = site._store.approved_data(one.plan.digest)
    days = (DAY.isoformat(), (DAY + timedelta(days=30)).isoformat())
    site._approvals._terms, site._approvals._today = replace(TERMS, required=("custodian",)), lambda: DAY
    draft = Statement(one.plan.digest, outer.site, "custodian", "", *days, "", scope=("another",), data=data)
    site._store.keep_statement(one.plan.digest, sign(draft, HOLDERS["custodian"]))
    hidden = replace(outer, analysis="another")
    assert send(one, hidden, inner).code == "approval_scope"
    covering = sign(replace(draft, scope=("another", inner.analysis)), HOLDERS["custodian"])
    site._store.keep_statement(one.plan.digest, covering)
    assert send(one, hidden, inner).outcome == "released"
