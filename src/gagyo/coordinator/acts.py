"""Checks what people did, as a hospital's ledger tells it: approvals, checks of rules, and reviews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gagyo.errors import Tampered
from gagyo.finding import Finding
from gagyo.governance.approval import signature_holds, statement_of
from gagyo.governance.review import TRANSITIONS
from gagyo.release.ledger import HANDED, Entry

FOLLOWS: Mapping[tuple[str, str], str] = {(before, event): after for (before, event), after in TRANSITIONS.items()}


def check_acts(site: str, entries: Sequence[Entry]) -> int:
    """How many acts of people a ledger holds.

    An answer to what was referred can follow an approved review only; that the hospital's own door sees to. Here it is
    checked that each review went through its states as the table has them, that approvals are signed, and that nothing
    was released between a check of the rules that did not allow it and the next that did, where checks decide.

    Raises:
        Tampered: naming the first link that cannot be.
    """
    states: dict[str, str] = {}
    shut: set[str] = set()
    for entry in entries:
        if not _sound(site, entry.record, states, shut):
            raise Tampered(Finding("bad_acts", values={"found": site, "number": entry.sequence}))
    return sum(entry.record["outcome"] == "noted" for entry in entries)


def _sound(site: str, record: Mapping[str, Any], states: dict[str, str], shut: set[str]) -> bool:
    """Whether a link may stand here. shut: plans whose last check of the rules was no yes, kept up by this."""
    if record["outcome"] != "noted":
        return record["outcome"] != "released" or record["plan"] not in shut
    told = record["told"]
    if record["channel"] == HANDED:  # the chain's own check sees to it
        return True
    if record["channel"] == "check":
        allowed = all(one["verdict"] == "may_go_ahead" for one in told["answers"])
        if told.get("decides", True):  # the policy lets the rules decide: one that was only told changes nothing
            (shut.discard if allowed else shut.add)(record["plan"])
        return True
    return _follows(states, told) if "review" in told else _signed(record["plan"], site, told)


def _follows(states: dict[str, str], told: dict[str, Any]) -> bool:
    """Whether an act may follow the one before it, and comes to the state that it says."""
    name, doing = told["review"], told["doing"]
    if doing == "refer":
        states.setdefault(name, "pending")
        return True
    before = states.get(name, "")
    after = before if doing == "view" else FOLLOWS.get((before, doing), "")
    states[name] = told["state"]
    return bool(after) and after == told["state"]


def _signed(plan: str, site: str, told: dict[str, Any]) -> bool:
    """Whether every statement is signed, and of this hospital and plan, or of an earlier plan where carried."""
    own, carried = ([statement_of(one) for one in told.get(name, ())] for name in ("statements", "carried"))
    about = all(one.plan == plan for one in own) and all(one.plan != plan for one in carried)
    every = [*own, *carried]
    return about and all(one.site == site and signature_holds(one.key, one.signature, one.signed) for one in every)
