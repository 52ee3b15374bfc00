"""Fulfils what a person wished, a decision on a plan or an act in a review: at the hospital, and in its inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gagyo.errors import GagyoError
from gagyo.finding import Finding
from gagyo.governance.review import Act, parse_act
from gagyo.result import Words
from gagyo.site.inbox import Inbox, State, Wish

if TYPE_CHECKING:
    from gagyo.site.site import Site

FROM = {
    "approve": ("waiting", "refused", "approved"),
    "refuse": ("waiting", "refused"),
    "withdraw": ("waiting", "approved", "withdrawn"),
}
"""By decision, the states of a plan in which it may be taken."""
TO: dict[str, State] = {"approve": "approved", "refuse": "refused", "withdraw": "withdrawn"}


def decide(site: Site, inbox: Inbox, wish: Wish) -> tuple[Finding, ...]:
    """Carry out a person's decision at the hospital; the faults that forbid it (none: it holds)."""
    if wish.verb == "review":
        return _review(site, parse_act(wish.reason))
    proposed = inbox.plan(wish.plan)
    if proposed.state not in FROM[wish.verb]:
        state, decision = Words(f"approval.plan_state.{proposed.state}"), Words(f"approval.decision.{wish.verb}")
        return (Finding("plan_not_waiting", values={"found": state, "expected": decision}),)
    try:
        if wish.verb == "approve":
            site.approve(proposed.read(), inbox.brought(proposed.plan))
        elif wish.verb == "withdraw":
            site.decided.withdraw(proposed.plan, inbox.brought(proposed.plan))
        else:
            site.decided.refuse(proposed.plan, wish.reason)
    except GagyoError as fault:
        if site.decided.withdrawn(proposed.plan):
            inbox.set_state(proposed.plan, "withdrawn")
        return fault.findings
    finally:
        inbox.clear(proposed.plan)
    inbox.set_state(proposed.plan, TO[wish.verb], wish.reason)
    return ()


def _review(site: Site, act: Act) -> tuple[Finding, ...]:
    try:
        site.reviews.take(act)
    except GagyoError as fault:
        return fault.findings
    return ()
