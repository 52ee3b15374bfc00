"""The table of output review, exhaustively: every state and act, every role and act, and every order of votes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from gagyo.governance import review as reviewing
from gagyo.governance.approval import Terms
from gagyo.governance.review import EVENTS, FINAL, SHOWN, STATES, TRANSITIONS, VERDICTS, Act, Review, lacks
from gagyo.governance.role_key import RoleKey
from gagyo.governance.roles import ACTS, APPROVERS, MAY, ROLES, Role, may, same_person

KEYS: dict[Role, RoleKey] = {role: RoleKey.make(role, f"the {role}") for role in ROLES}
SECOND = RoleKey.make("reviewer", "the second reviewer")
TERMS = Terms(
    (), {role: (key.public,) for role, key in KEYS.items()} | {"reviewer": (KEYS["reviewer"].public, SECOND.public)}
)
AT = datetime(2026, 11, 28, tzinfo=UTC)
FRESH = Review("r", "seoul", "p", "output", "m", "c")
PERSONS = {"submit": "site_engineer", "update": "site_engineer", "vote": "reviewer"}


def signed(review: Review, doing: str, key: RoleKey, verdict: str = "approve", **change: object) -> Act:
    draft = Act(review.site, review.plan, review.review, doing, review.version, review.content)  # type: ignore[arg-type]
    said = {"verdict": verdict if doing == "vote" else "", "reason": "disclosive", **change}
    return reviewing.sign(replace(draft, **said), key, AT)  # type: ignore[arg-type]


def does(review: Review, doing: str, key: RoleKey, verdict: str = "approve") -> Review:
    """A review after an act that counts, looked at first."""
    for one in ("view", doing):
        act = signed(review, one, key, verdict)
        assert lacks(review, act, TERMS) is None, (review.state, one)
        review = replace(review, acts=(*review.acts, act))
    return review


def code(review: Review, act: Act) -> str:
    found = lacks(review, act, TERMS)
    return found.code if found else ""


def keys(votes: tuple[str, ...]) -> Iterator[tuple[RoleKey, str]]:
    return zip((KEYS["reviewer"], SECOND), votes, strict=False)


def at(state: str) -> Review:
    """A review in a state, by a right way there."""
    one = FRESH
    if state == "pending":
        return one
    if state == "withdrawn":
        return does(one, "withdraw", KEYS["site_engineer"])
    one = does(one, "submit", KEYS["site_engineer"])
    votes = {"submitted": (), "partially_reviewed": ("approve",)}.get(state, ("approve", "approve"))
    for key, verdict in keys(votes):
        one = does(one, "vote", key, verdict)
    ends = {"approved": "approve", "released": "approve", "rejected": "reject", "returned": "return"}
    if state in ends:
        one = does(one, ends[state], KEYS["custodian"])
    if state == "released":
        own = Act(one.site, one.plan, one.review, "release", one.version, one.content)
        one = replace(one, acts=(*one.acts, own))
    return one


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_reached_and_says_so(state: str) -> None:
    one = at(state)
    assert one.state == state
    for language in ("en", "ko", "zh"):
        told = reviewing.finding("review_state", one, signed(one, "vote", SECOND))
        assert told.text(language)  # type: ignore[arg-type]


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_what_the_table_names_may_happen_and_nothing_else(state: str, event: str) -> None:
    one = at(state)
    if event == "release":
        assert code(one, signed(one, "release", KEYS["custodian"])) == "review_role", "no person releases by hand"
        return
    holder = RoleKey.make(PERSONS.get(event, "custodian"), "somebody new")  # type: ignore[arg-type]
    terms = replace(TERMS, keys={**TERMS.keys, holder.role: (*TERMS.keys[holder.role], holder.public)})
    seen = replace(one, acts=(*one.acts, signed(one, "view", holder)))
    found = lacks(seen, signed(one, event, holder), terms)
    assert (found is None) == ((state, event) in TRANSITIONS), found
    if found is not None:
        assert found.code == "review_state"


def test_final_states_end_and_votes_are_hidden_until_both_are_in() -> None:
    assert {"rejected", "withdrawn", "released"} == FINAL
    assert {"pending", "submitted", "partially_reviewed"} == set(STATES) - SHOWN


@pytest.mark.parametrize(("role", "doing"), list(product(ROLES, (*EVENTS, "view"))))
def test_only_who_may_does(role: Role, doing: str) -> None:
    """In every state, a role that the table does not name is turned away as a person, before the state is asked."""
    for state in STATES:
        one = at(state)
        newcomer = RoleKey.make(role, "a newcomer")
        terms = replace(TERMS, keys={role: (newcomer.public,)})
        found = lacks(one, signed(one, doing, newcomer), terms)
        assert (found is not None and found.code == "review_role") == (not may(role, f"review.{doing}"))


def test_roles_are_apart() -> None:
    assert set(MAY) == set(ACTS)
    assert APPROVERS == ("custodian", "review_board", "data_protection", "lead")
    asks, decides = MAY["review.submit"], MAY["review.vote"] | MAY["review.approve"]
    assert not asks & decides
    assert not MAY["review.vote"] & MAY["review.approve"]
    for outside in ("lead", "analyst", "hub_operator"):
        assert not any(may(outside, one) for one in ACTS if one.startswith("review."))
    assert [one for one in ACTS if may("auditor", one)] == ["review.view"]
    assert not may("custodian", "anything else")


@pytest.mark.parametrize("votes", list(product(VERDICTS, VERDICTS)))
def test_only_two_approving_votes_let_it_be_approved(votes: tuple[str, str]) -> None:
    one = does(FRESH, "submit", KEYS["site_engineer"])
    for key, verdict in keys(votes):
        one = does(one, "vote", key, verdict)
    one = replace(one, acts=(*one.acts, signed(one, "view", KEYS["custodian"])))
    expected = "" if votes == ("approve", "approve") else "review_votes"
    assert code(one, signed(one, "approve", KEYS["custodian"])) == expected
    assert code(one, signed(one, "reject", KEYS["custodian"])) == ""
    assert code(one, signed(one, "reject", KEYS["custodian"], reason="")) == "review_reason"


def test_never_ones_own_and_never_twice() -> None:
    engineer = KEYS["site_engineer"]
    one = does(FRESH, "submit", engineer)
    alike = RoleKey.make("reviewer", "  The SITE_engineer")
    terms = replace(TERMS, keys={**TERMS.keys, "reviewer": (alike.public,)})
    found = lacks(one, signed(one, "vote", alike), terms)
    assert found is not None
    assert found.code == "review_own", "the same person with a key of another role"
    voted = does(one, "vote", SECOND)
    assert code(voted, signed(voted, "vote", SECOND, "reject")) == "review_twice"
    assert same_person("김 하나", "김하나")
    assert same_person("Ｋｉｍ", "kim")
    assert not same_person("Kim", "Kang")


def test_an_update_resets_votes_and_no_earlier_vote_counts_again() -> None:
    voted = at("partially_reviewed")
    old = voted.votes[0]
    updated = does(voted, "update", KEYS["site_engineer"])
    assert (updated.state, updated.votes) == ("submitted", ())
    assert code(updated, old) == "review_other_version"
    assert code(updated, signed(updated, "vote", KEYS["reviewer"])) == "review_unseen", "it is looked at anew"
    again = does(updated, "vote", KEYS["reviewer"])
    assert again.state == "partially_reviewed"
    back = does(at("returned"), "submit", KEYS["site_engineer"])
    assert (back.state, back.votes) == ("submitted", ())


@pytest.mark.parametrize(
    "change", [{"verdict": "reject"}, {"content": "d"}, {"review": "q"}, {"version": 7}, {"note": "x"}]
)
def test_a_signed_act_cannot_be_changed(change: dict[str, object]) -> None:
    one = does(FRESH, "submit", KEYS["site_engineer"])
    one = replace(one, acts=(*one.acts, signed(one, "view", SECOND)))
    act = signed(one, "vote", SECOND)
    assert code(one, act) == ""
    assert code(one, replace(act, **change)) == "review_signature"  # type: ignore[arg-type]
    stranger = RoleKey.make("reviewer", "stranger")
    assert code(one, signed(one, "vote", stranger)) == "review_unknown_key"
    assert code(one, signed(one, "vote", SECOND, "maybe")) == "review_verdict"
    assert reviewing.parse_act(act.to_bytes().decode()) == act
