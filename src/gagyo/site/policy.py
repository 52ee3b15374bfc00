"""What a hospital allows: the policy of its site file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gagyo.governance.approval import Terms
from gagyo.governance.roles import APPROVERS, ROLES, Role
from gagyo.protocol.written import SITE, Entry, Table

POLICY = (
    "minimum_people",
    "methods",
    "referral",
    "independent_partners",
    "automatic_approval",
    "approvals",
    "feasibility",
    "rules",
)
APPROVALS = (("roles",), ("required", "at_least", "amendments"))
AMENDMENTS = ("sign_anew", "carry_over")
RULES = ("evidence", "packs")
ROLE_KEY = r"[0-9a-f]{64}"
PLAN = r"sha256:[0-9a-f]{64}"
FLOOR = 5


@dataclass(frozen=True)
class RuleTerms:
    """Files, relative to the site file's folder, by which a hospital checks each plan against the rules itself.

    evidence: its list of documents held, "" where it holds none. packs: its own rule packs.
    """

    evidence: str = ""
    packs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """What the hospital allows. `independent_partners` is None where it names none and has no objection to any."""

    minimum_people: int = 10
    methods: Literal["all"] | tuple[str, ...] = "all"
    referral: tuple[str, ...] = ()
    independent_partners: tuple[str, ...] | None = None
    automatic_approval: tuple[str, ...] = ()
    """Digests of plans that are approved as they come; of others only those that `feasibility` allows."""
    feasibility: int = 0
    """How many cohorts are counted for plans that do nothing else, as they come, over the life of the record here."""
    approvals: Terms = field(default_factory=Terms)
    """Whose signed approvals a plan needs here, and their keys; nobody's where the file asks for none."""
    rules: RuleTerms | None = None
    """Where it stands, nothing runs here but what this hospital's own check of the rules allows on the day."""


def policy_of(entry: Entry) -> Policy:
    """The policy that an entry of a site file writes; what is wrong with it is noted there."""
    inner = entry.table((), POLICY)
    people = inner["minimum_people"].whole(FLOOR) if "minimum_people" in inner else None
    return Policy(
        minimum_people=Policy.minimum_people if people is None else people,
        methods=_methods(inner),
        referral=_names(inner, "referral"),
        independent_partners=_names(inner, "independent_partners") if "independent_partners" in inner else None,
        automatic_approval=_plans(inner),
        feasibility=(inner["feasibility"].whole(0) or 0) if "feasibility" in inner else 0,
        approvals=_terms(inner["approvals"]) if "approvals" in inner else Terms(),
        rules=_rules(inner["rules"]) if "rules" in inner else None,
    )


def _rules(entry: Entry) -> RuleTerms:
    inner = entry.table((), RULES)
    packs = inner["packs"].items() if "packs" in inner else []
    evidence = (inner["evidence"].text() or "") if "evidence" in inner else ""
    return RuleTerms(evidence, tuple(text for one in packs if (text := one.text())))


def _terms(entry: Entry) -> Terms:
    """Required roles and their keys. No key serves two roles, and every required role has one."""
    inner = entry.table(*APPROVALS)
    asked = [one.one_of(APPROVERS) for one in inner["required"].items()] if "required" in inner else []
    if "required" in inner and not asked:
        inner["required"].wrong("filled")
    required: tuple[Role, ...] = tuple(dict.fromkeys(role for role in asked if role))  # type: ignore[misc]
    roles = inner["roles"].table((), ROLES) if "roles" in inner else {}
    keys: dict[Role, tuple[str, ...]] = {name: _role_keys(one) for name, one in roles.items()}  # type: ignore[misc]
    for role in required:
        if not keys.get(role):
            entry.fault("approval_role_no_key", found=role)
    every = [key for some in keys.values() for key in some]
    for key in sorted({one for one in every if every.count(one) > 1}):
        entry.fault("approval_key_twice", found=key)
    amendments = inner["amendments"].one_of(AMENDMENTS) if "amendments" in inner else None
    least = inner["at_least"].table((), required) if "at_least" in inner else {}
    return Terms(required, keys, amendments == "carry_over", _least(least, keys))


def _least(written: Mapping[str, Entry], keys: Mapping[Role, tuple[str, ...]]) -> dict[Role, int]:
    """Of how many people of a role an approval is needed: no more than it has keys."""
    found: dict[Role, int] = {}
    for role, entry in written.items():
        most = len(keys.get(role, ()))  # type: ignore[call-overload]
        if (number := entry.whole(1, max(most, 1))) is not None:
            found[role] = number  # type: ignore[index]
    return found


def _role_keys(entry: Entry) -> tuple[str, ...]:
    return tuple(key for one in entry.items() if (key := one.text(ROLE_KEY)) is not None)


def _plans(inner: Table) -> tuple[str, ...]:
    entries = inner["automatic_approval"].items() if "automatic_approval" in inner else []
    return tuple(text for entry in entries if (text := entry.text(PLAN)) is not None)


def _methods(inner: Table) -> Literal["all"] | tuple[str, ...]:
    if "methods" not in inner or inner["methods"].raw == "all":
        return "all"
    return _names(inner, "methods")


def _names(inner: Table, key: str) -> tuple[str, ...]:
    if key not in inner:
        return ()
    return tuple(name for item in inner[key].items() if (name := item.text(SITE)))
