"""Approvals: signed statements of named roles over one plan at one hospital, and whether they suffice on a day.

A hospital keeps statements as a set. A withdrawal wins over every approval of its role, whichever came first, so no
replay of an older yes brings an approval back; a plan that was withdrawn is planned anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gagyo.canonical import canonical, digest, plain
from gagyo.errors import FileFault
from gagyo.finding import Finding, Place
from gagyo.governance.role_key import RoleKey
from gagyo.governance.roles import APPROVERS, Role, may, same_person
from gagyo.protocol.written import read_text
from gagyo.result import Words

Decision = Literal["approve", "withdraw"]
Lack = Literal[
    "approval_missing",
    "approval_signature",
    "approval_unknown_key",
    "approval_other_site",
    "approval_other_plan",
    "approval_not_yet",
    "approval_expired",
    "approval_other_data",
    "approval_scope",
    "approval_too_few",
    "approval_withdrawn",
]
"""What keeps an approval from counting, the farthest from a yes first; `answer_<code>` is what the outside hears."""
LACKS: tuple[Lack, ...] = get_args(Lack)
EVERY = "*"
"""A scope that covers every analysis of the plan."""
LABEL = b"gagyo approval 1\n"
"""Stands before what is signed, so that no signature made for another purpose fits."""


@dataclass(frozen=True)
class Statement:
    """What a person in a role says of a plan at a hospital.

    plan: its digest. scope: analyses, or `*`. conditions: in the person's words; people read them, nothing enforces
    them. start, until: first and last day on which it counts (YYYY-MM-DD). data: keyed digest of the hospital's data,
    as the hospital tells it; empty where the role does not look at data, which a custodian may not leave so.
    """

    plan: str
    site: str
    role: Role
    person: str
    start: str
    until: str
    key: str
    decision: Decision = "approve"
    scope: tuple[str, ...] = (EVERY,)
    conditions: str = ""
    data: str = ""
    signature: str = field(default="", compare=False)

    @cached_property
    def signed(self) -> bytes:
        """The bytes that the signature covers: everything but itself."""
        said = plain(self)
        del said["signature"]
        return LABEL + canonical(said)

    @cached_property
    def digest(self) -> str:
        """Names the statement."""
        return digest(self.signed)

    def to_bytes(self) -> bytes:
        """The statement as it is kept in a file."""
        return canonical(self) + b"\n"

    def covers(self, analysis: str) -> bool:
        """Whether an analysis is in its scope; what belongs to no analysis ("") always is."""
        return not analysis or EVERY in self.scope or analysis in self.scope


@dataclass(frozen=True)
class Terms:
    """What a hospital's policy asks: of each required role one person, by one of the keys that it names for that role.

    at_least: by role, of how many people where one does not suffice.
    carry_over: whether a yes to an earlier plan of the study counts for what an amendment left as it was. Never a
    custodian's: keys and data are theirs to look at, for every plan.
    """

    required: tuple[Role, ...] = ()
    keys: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)
    carry_over: bool = False
    at_least: Mapping[Role, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a statement must be about: a plan at a hospital with its data, on a day; for one analysis, or ("") all.

    earlier: by digest, plans approved here before, with the analyses that the plan left as they were.
    """

    plan: str
    site: str
    data: str
    day: date
    analysis: str = ""
    earlier: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def about(self, one: Statement) -> bool:
        """Whether a statement is of this plan, or of an earlier one and may be carried over."""
        carried = one.decision == "approve" and one.role != "custodian"
        return one.plan == self.plan or (carried and self.analysis in self.earlier.get(one.plan, ()))


def sign(statement: Statement, key: RoleKey) -> Statement:
    """A statement with the signature of the person who makes it; role, person and key are those of `key`."""
    own = replace(statement, role=key.role, person=key.name, key=key.public)
    return replace(own, signature=key.private.sign(own.signed).hex())


# ── whether it counts ─────────────────────────────────────────────────────────────────────────────────────────────


def lack(one: Statement, terms: Terms, asked: Asked) -> Lack | None:
    """What keeps a statement from counting as its role's word; None where nothing does."""
    if not may(one.role, f"plan.{one.decision}") or one.key not in terms.keys.get(one.role, ()):
        return "approval_unknown_key"
    if not signature_holds(one.key, one.signature, one.signed):
        return "approval_signature"
    if one.site != asked.site:
        return "approval_other_site"
    if not asked.about(one):
        return "approval_other_plan"
    return None if one.decision == "withdraw" else _lapsed(one, asked)


def _lapsed(one: Statement, asked: Asked) -> Lack | None:
    if asked.day < date.fromisoformat(one.start):
        return "approval_not_yet"
    if asked.day > date.fromisoformat(one.until):
        return "approval_expired"
    named = one.data != "" or one.role != "custodian"
    if not named or one.data not in ("", asked.data):
        return "approval_other_data"
    return None if one.covers(asked.analysis) else "approval_scope"


def signature_holds(key: str, signature: str, message: bytes) -> bool:
    """Whether a message was signed with the private half of a public key (both as hexadecimal digits)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def asks_for_it(one: Statement, lead: str) -> bool:
    """Whether who leads a study signs in a role that is to look at it independently; as its lead they may."""
    return one.role != "lead" and same_person(one.person, lead)


def lacks(terms: Terms, statements: Iterable[Statement], asked: Asked) -> dict[Role, Lack]:
    """By required role, what keeps its approval from counting; empty where every required role said yes.

    A withdrawal by a role that is not required, but that the policy names, counts too: whoever may be asked may stop.
    """
    every = tuple(statements)
    found = {role: _lack_of(role, terms, every, asked) for role in _heard(terms)}
    return {role: one for role, one in found.items() if one and (role in terms.required or one == "approval_withdrawn")}


def _heard(terms: Terms) -> list[Role]:
    return [role for role in APPROVERS if role in terms.required or role in terms.keys]


def _lack_of(role: Role, terms: Terms, statements: Sequence[Statement], asked: Asked) -> Lack | None:
    own = [one for one in statements if one.role == role]
    found = [lack(one, terms, asked) for one in own]
    if any(why is None and one.decision == "withdraw" for one, why in zip(own, found, strict=True)):
        return "approval_withdrawn"
    if (signed := people(role, terms, statements, asked)) >= terms.at_least.get(role, 1):
        return None
    if signed:
        return "approval_too_few"
    return max((why for why in found if why), key=LACKS.index, default="approval_missing")


def people(role: Role, terms: Terms, statements: Iterable[Statement], asked: Asked) -> int:
    """How many people of a role said a yes that counts: a second key or a second yes of one person adds nobody."""
    persons: list[Statement] = []
    for one in statements:
        counts = one.role == role and one.decision == "approve" and lack(one, terms, asked) is None
        if counts and not any(one.key == other.key or same_person(one.person, other.person) for other in persons):
            persons.append(one)
    return len(persons)


def finding(why: Lack, role: Role, asked: Asked, one: Statement | None = None) -> Finding:
    """What to tell about a role whose approval does not count."""
    said = one or Statement("-", "-", role, "-", "-", "-", "")
    values = {"role": Words(f"approval.role.{role}"), "person": said.person, "plan": asked.plan, "site": asked.site}
    told = {"found": _found(why, said), "expected": _expected(why, asked)}
    return Finding(why, values={**values, **told})


def _found(why: Lack, one: Statement) -> str:
    by = {
        "approval_unknown_key": one.key,
        "approval_other_site": one.site,
        "approval_other_plan": one.plan,
        "approval_not_yet": one.start,
        "approval_expired": one.until,
        "approval_other_data": one.data or "-",
        "approval_scope": ", ".join(one.scope),
    }
    return by.get(why, one.person)


def _expected(why: Lack, asked: Asked) -> str:
    by = {"approval_other_site": asked.site, "approval_other_plan": asked.plan, "approval_other_data": asked.data}
    return by.get(why, asked.analysis if why == "approval_scope" else asked.day.isoformat())


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_statement(path: Path) -> Statement:
    """The statement of a file; its signature is not looked at here.

    Raises:
        FileFault: there is no such file, or it does not hold exactly one statement.
    """
    try:
        return parse_statement(read_text(path))
    except ValueError:
        raise FileFault(Finding("approval_unreadable", place=Place(str(path)), values={"found": path.name})) from None


def parse_statement(text: str) -> Statement:
    """The statement of a text; ValueError where it is none."""
    try:
        said = json.loads(text)
    except RecursionError:
        raise ValueError("nested") from None
    return statement_of(said)


def statement_of(said: object) -> Statement:
    """The statement of a record; ValueError where it is none."""
    if not isinstance(said, dict) or set(said) != {one.name for one in fields(Statement)}:
        raise ValueError("fields")
    said = dict(said)
    scope = said.pop("scope")
    texts = [*said.values(), *(scope if isinstance(scope, list) and scope else [None])]
    if not all(isinstance(one, str) for one in texts):
        raise ValueError("texts")
    return _checked(Statement(**said, scope=tuple(scope)))


def _checked(one: Statement) -> Statement:
    days = [date.fromisoformat(text) for text in (one.start, one.until)]
    written = [day.isoformat() for day in days] == [one.start, one.until] and days[0] <= days[1]
    if one.role not in APPROVERS or one.decision not in get_args(Decision) or not written:
        raise ValueError("values")
    return one
