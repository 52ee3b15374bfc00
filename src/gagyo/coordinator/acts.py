"""Checks what people did, as a hospital's ledger tells it: signed approvals, and reviews in an order that may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gagyo.errors import Tampered
from gagyo.finding import Finding
from gagyo.governance.approval import signature_holds, statement_of
from gagyo.governance.review import TRANSITIONS
from gagyo.release.ledger import Entry

FOLLOWS: Mapping[tuple[str, str], str] = {(before, event): after for (before, event), after in TRANSITIONS.items()}


def check_acts(site: str, entries: Sequence[Entry]) -> int:
    """How many acts of people a ledger holds.

    An answer to what was referred can follow an approved review only; that the hospital's own door sees to. Here it is
    checked that each review went through its states as the table has them, and that approvals are signed.

    Raises:
        Tampered: naming the first link that cannot be.
    """
    states: dict[str, str] = {}
    acts = [entry for entry in entries if entry.record["outcome"] == "noted"]
    for entry in acts:
        told = entry.record["told"]
        sound = _follows(states, told) if "review" in told else _signed(entry.record["plan"], site, told)
        if not sound:
            raise Tampered(Finding("bad_acts", values={"found": site, "number": entry.sequence}))
    return len(acts)


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
    """Whether every statement is signed, and about this plan at this hospital."""
    statements = [statement_of(one) for one in told["statements"]]
    about = all((one.plan, one.site) == (plan, site) for one in statements)
    return about and all(signature_holds(one.key, one.signature, one.signed) for one in statements)
