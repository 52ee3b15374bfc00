"""A person's decision on a plan, or act in a review: carried out here, or by the hospital's service where that runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.governance.approval import Statement
from gagyo.governance.review import Act
from gagyo.site.folder import held
from gagyo.site.inbox import Inbox, Proposed, Verb, Wish
from gagyo.site.wishes import decide

if TYPE_CHECKING:
    from gagyo.site.site import Site

PATIENCE_SECONDS = 120.0


def take(
    file: Path, folder: Path, verb: Verb, plan: str, reason: str = "", statements: Sequence[Statement] = ()
) -> Proposed:
    """Approve, refuse or withdraw a plan (by the first characters of its digest); how it stands then.

    statements: signed approvals and withdrawals to take in.

    Raises:
        FileFault: no such plan, or what forbids the decision.
    """
    with closing(Inbox(folder / "inbox.sqlite")) as inbox:
        whole = inbox.plan(plan).plan
        inbox.bring(whole, statements)
        with held(folder) as here:
            faults = _here(file, folder, inbox, Wish(0, whole, verb, reason)) if here else None
        if faults is None:
            faults = _by_service(inbox, whole, verb, reason)
        if faults:
            raise FileFault(*faults)
        return inbox.plan(whole)


def _here(file: Path, folder: Path, inbox: Inbox, wish: Wish) -> tuple[Finding, ...]:
    with closing(_site(file, folder)) as site:
        return decide(site, inbox, wish)


def _site(file: Path, folder: Path) -> Site:
    # Only where no service runs: a custodian's command, which leaves a wish, then starts in half the time.
    from gagyo.site.site import Site

    return Site.open(file, folder)


def _by_service(inbox: Inbox, plan: str, verb: Verb, reason: str) -> tuple[Finding, ...]:
    number = inbox.wish(plan, verb, reason)
    give_up = time.monotonic() + PATIENCE_SECONDS
    while (faults := inbox.outcome(number)) is None:
        if time.monotonic() > give_up:
            return (Finding("service_busy", values={"found": plan}),)
        time.sleep(0.2)
    return tuple(faults)


def withdraw(file: Path, folder: Path, plan: str, statements: Sequence[Statement] = ()) -> str:
    """Withdraw the approval of a plan, that of an embedded run too; the plan's digest.

    Raises:
        FileFault: no such plan here, or as `take`.
    """
    with closing(Inbox(folder / "inbox.sqlite")) as inbox:
        came = inbox.known(plan) is not None
    with held(folder) as here:
        if here and not came:
            with closing(_site(file, folder)) as site:
                if site.decided.ever(plan):  # in an embedded run: its plan never came through the inbox
                    site.decided.withdraw(plan, statements)
                    return plan
    return take(file, folder, "withdraw", plan, statements=statements).plan


def review(file: Path, folder: Path, act: Act) -> None:
    """Do what a person signed in an output review.

    Raises:
        FileFault: what keeps it from counting.
    """
    wish = Wish(0, act.plan, "review", act.to_bytes().decode())
    with closing(Inbox(folder / "inbox.sqlite")) as inbox:
        with held(folder) as here:
            faults = _here(file, folder, inbox, wish) if here else None
        if faults is None:
            faults = _by_service(inbox, wish.plan, wish.verb, wish.reason)
    if faults:
        raise FileFault(*faults)
