"""Output review: what the gate refers to people, from its referral to its release, as signed acts over a table.

The state is never stored: it is what the acts, one after the other, make of `pending` in `TRANSITIONS`. Whether a
person may act (`lack_of_person`) is asked apart from whether the state lets the act happen (`lack_of_state`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, get_args

from gagyo.canonical import canonical, digest, plain
from gagyo.finding import Finding
from gagyo.governance.approval import Terms, signature_holds
from gagyo.governance.role_key import RoleKey
from gagyo.governance.roles import ROLES, may, same_person
from gagyo.result import Words

State = Literal[
    "pending",
    "submitted",
    "partially_reviewed",
    "reviewed",
    "approved",
    "returned",
    "rejected",
    "withdrawn",
    "released",
]
STATES: tuple[State, ...] = get_args(State)
Event = Literal["submit", "update", "vote", "approve", "reject", "return", "withdraw", "release"]
EVENTS: tuple[Event, ...] = get_args(Event)
Doing = Literal["submit", "update", "vote", "approve", "reject", "return", "withdraw", "release", "view"]
Verdict = Literal["approve", "reject", "return"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Reason = Literal["disclosive", "out_of_scope", "unclear"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why an output may not leave: it could tell of a person; nobody approved that; nobody could tell what it is. Outside
the hospital a reason is one of these words, since a sentence may carry a value."""

TRANSITIONS: Mapping[tuple[State, Event], State] = {
    ("pending", "submit"): "submitted",
    ("pending", "update"): "pending",
    ("pending", "withdraw"): "withdrawn",
    ("submitted", "vote"): "partially_reviewed",
    ("submitted", "update"): "submitted",
    ("submitted", "withdraw"): "withdrawn",
    ("partially_reviewed", "vote"): "reviewed",
    ("partially_reviewed", "update"): "submitted",
    ("partially_reviewed", "withdraw"): "withdrawn",
    ("reviewed", "approve"): "approved",
    ("reviewed", "reject"): "rejected",
    ("reviewed", "return"): "returned",
    ("reviewed", "update"): "submitted",
    ("reviewed", "withdraw"): "withdrawn",
    ("returned", "submit"): "submitted",
    ("returned", "update"): "returned",
    ("returned", "withdraw"): "withdrawn",
    ("approved", "release"): "released",
    ("approved", "update"): "submitted",
    ("approved", "withdraw"): "withdrawn",
}
"""What may happen in which state, and what comes of it; what does not stand here may not happen."""
FINAL: frozenset[State] = frozenset(one for one in STATES if not any(state == one for state, _ in TRANSITIONS))
SHOWN: frozenset[State] = frozenset({"reviewed", "approved", "returned", "rejected", "withdrawn", "released"})
"""States in which votes may be seen: before, the second reviewer would follow the first."""
REVIEWERS = 2
LABEL = b"gagyo review 1\n"


@dataclass(frozen=True)
class Act:
    """What a person did in a review; `release`, and an `update` without a key, are the hospital's own.

    version: how often the review was submitted or updated before, so that no vote counts for a later version. content:
    keyed digest of what would leave. at: when it was signed (ISO 8601). note: in the person's words; it stays inside.
    """

    site: str
    plan: str
    review: str
    doing: Doing
    version: int
    content: str
    role: str = ""
    person: str = ""
    key: str = ""
    at: str = ""
    verdict: str = ""
    reason: str = ""
    note: str = ""
    signature: str = field(default="", compare=False)

    @cached_property
    def signed(self) -> bytes:
        """The bytes that the signature covers: everything but itself."""
        said = plain(self)
        del said["signature"]
        return LABEL + canonical(said)

    @cached_property
    def digest(self) -> str:
        """Names the act. It covers the signature, so that nobody finds a vote by trying what it may have been."""
        return digest(canonical(self))

    def to_bytes(self) -> bytes:
        """The act as it is kept."""
        return canonical(self)


def sign(act: Act, key: RoleKey, at: datetime) -> Act:
    """An act with the signature of the person who does it; role, person and key are those of `key`."""
    own = replace(act, role=key.role, person=key.name, key=key.public, at=at.isoformat(timespec="seconds"))
    return replace(own, signature=key.private.sign(own.signed).hex())


def parse_act(text: str) -> Act:
    """The act of a text; ValueError where it is none."""
    said = json.loads(text)
    if not isinstance(said, dict) or set(said) != {one.name for one in fields(Act)}:
        raise ValueError("fields")
    texts = [value for name, value in said.items() if name != "version"]
    if not all(isinstance(one, str) for one in texts) or type(said["version"]) is not int:
        raise ValueError("values")
    if said["doing"] not in get_args(Doing):
        raise ValueError("doing")
    return Act(**said)


# ── where a review stands ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Review:
    """One thing that was referred, and everything that was done about it, in order.

    kind: `output` (numbers that were computed and wait), `analysis` (sums, before anything is computed) or `study`
    (three privacy refusals). content: keyed digest of what is shown to the reviewers.
    """

    review: str
    site: str
    plan: str
    kind: str
    analysis: str
    content: str
    acts: tuple[Act, ...] = ()

    @cached_property
    def state(self) -> State:
        """What the acts made of it."""
        state: State = "pending"
        for act in self.acts:
            if act.doing != "view":
                state = TRANSITIONS[state, act.doing]
        return state

    @property
    def version(self) -> int:
        """How often it was submitted or updated."""
        return sum(act.doing in ("submit", "update") for act in self.acts)

    @property
    def votes(self) -> tuple[Act, ...]:
        """The votes on the present version; an update or a new submission leaves none."""
        return tuple(act for act in self._present if act.doing == "vote")

    @property
    def reason(self) -> str:
        """Why it was rejected; empty where it was not."""
        return next((act.reason for act in self.acts if act.doing == "reject"), "")

    @property
    def _present(self) -> tuple[Act, ...]:
        return tuple(act for act in self.acts if act.version == self.version)

    def seen_by(self, key: str) -> bool:
        """Whether the holder of a key was shown the present version."""
        return any(act.doing == "view" and act.key == key for act in self._present)

    def asked_by(self, act: Act) -> bool:
        """Whether who acts is one of those who submitted or updated."""
        askers = [one for one in self.acts if one.doing in ("submit", "update") and one.key]
        return any(one.key == act.key or same_person(one.person, act.person) for one in askers)

    def voted_by(self, act: Act) -> bool:
        """Whether who acts has voted on the present version."""
        return any(one.key == act.key or same_person(one.person, act.person) for one in self.votes)


# ── may this person, may this state ───────────────────────────────────────────────────────────────────────────────


def lacks(review: Review, act: Act, terms: Terms) -> Finding | None:
    """What keeps an act from counting; None where nothing does."""
    code = lack_of_signature(review, act, terms) or lack_of_person(review, act) or lack_of_state(review, act)
    return finding(code, review, act) if code else None


def lack_of_signature(review: Review, act: Act, terms: Terms) -> str | None:
    """Whether it is signed by a key that the policy names for the role, and is about this review as it stands."""
    if act.role not in ROLES or act.key not in terms.keys.get(act.role, ()):
        return "review_unknown_key"
    if not signature_holds(act.key, act.signature, act.signed):
        return "review_signature"
    about = (act.site, act.plan, act.review, act.content, act.version)
    present = (review.site, review.plan, review.review, review.content, review.version)
    return None if about == present else "review_other_version"


def lack_of_person(review: Review, act: Act) -> str | None:
    """Whether this person may: by role, never on what they asked for, and once."""
    if not may(act.role, f"review.{act.doing}"):
        return "review_role"
    if act.doing in ("vote", "approve", "reject", "return") and review.asked_by(act):
        return "review_own"
    if act.doing in ("vote", "approve", "reject", "return") and review.voted_by(act):
        return "review_twice"
    return None


def lack_of_state(review: Review, act: Act) -> str | None:
    """Whether this may happen now."""
    if act.doing == "view":
        return None
    if (review.state, act.doing) not in TRANSITIONS:
        return "review_state"
    if act.doing in ("vote", "approve") and not review.seen_by(act.key):
        return "review_unseen"
    if act.doing == "vote" and act.verdict not in VERDICTS:
        return "review_verdict"
    decided = act.verdict if act.doing == "vote" else act.doing
    if decided in ("reject", "return") and act.reason not in REASONS:
        return "review_reason"
    yes = sum(one.verdict == "approve" for one in review.votes)
    return "review_votes" if act.doing == "approve" and yes < REVIEWERS else None


def finding(code: str, review: Review, act: Act) -> Finding:
    """What to tell about an act that does not count."""
    role = Words(f"approval.role.{act.role}") if act.role in ROLES else act.role
    values = {"role": role, "person": act.person, "review": review.review, "found": act.key}
    told = {"state": Words(f"review.state.{review.state}"), "doing": Words(f"review.doing.{act.doing}")}
    return Finding(code, values={**values, **told})
