"""What this hospital has said under a plan, as its ledger has it: sums opened, numbers spent, questions refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gagyo.protocol.request import Request
from gagyo.release.case import Spending
from gagyo.release.ledger import Entry, Ledger
from gagyo.site.admission import NotAdmitted

OVER = ("analysis", "round", "receiver")
"""What the rounds of a leave-one-out fit have in common."""
SHARED = ("masked", "masked_people")
"""Channels of shares; the second also opens the people's mask to the other hospitals."""
LEAVING = ("each", "pooled")
"""Channels in which values leave."""
WORDS = tuple(f'"{word}"'.encode() for word in (*LEAVING, *SHARED, "close", "withheld"))
OPENING = ("people", "masked_people", "pooled")
"""Channels in which a mask was opened."""


@dataclass
class _Account:
    """What the links about one plan add up to, so that each is looked at once however long a study is."""

    read: int = 0
    refused: dict[tuple[str, int], dict[str, set[str]]] = field(default_factory=dict)
    """By question (analysis, round) and receiver the requests that were refused for privacy."""
    numbers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Numbers by (receiver, channel)."""
    fits: dict[str, set[str]] = field(default_factory=dict)
    shares: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    statements: dict[tuple[str, str, str], set[str]] = field(default_factory=dict)
    """By (analysis, step, receiver), the statements of which this hospital's part left."""
    opened: dict[str, list[tuple[Sequence[str], int]]] = field(default_factory=dict)
    """The roster and attempt of each opening of a statement."""

    def take(self, record: Mapping[str, Any]) -> None:
        """Add one link."""
        channel, receiver = record["channel"], record["receiver"]
        if record["code"] == "withheld" and record["step"] != "preflight":
            receivers = self.refused.setdefault((record["analysis"], record["round"]), {})
            receivers.setdefault(receiver, set()).add(record["request"])
        self.numbers[receiver, channel] += record["numbers"]
        if channel == "pooled" and record["fit"]:
            self.fits.setdefault(receiver, set()).add(record["fit"])
        if channel in SHARED:
            self.shares[tuple(record[name] for name in OVER)] += 1
        if channel in (*SHARED, "each"):
            place = (record["analysis"], record["step"], receiver)
            self.statements.setdefault(place, set()).add(record["statement"])
        if channel in OPENING:
            self.opened.setdefault(record["statement"], []).append((record["roster"], record["attempt"]))


@dataclass
class Told:
    """What became of one analysis of a plan: numbers opened, by (receiver, channel); whether any, and any refused.

    steps: those of which something was opened.
    """

    numbers: Counter[tuple[str, str]] = field(default_factory=Counter)
    opened: bool = False
    refused: bool = False
    steps: set[str] = field(default_factory=set)


NOTHING = Told()


class _Everywhere:
    """What the links about all plans add up to, each looked at once."""

    def __init__(self) -> None:
        self.read = 0
        self.told: dict[tuple[str, str], Told] = {}
        self.closed: set[str] = set()
        self._steps: dict[str, str] = {}
        """By statement, the step that was shared."""

    def take(self, record: Mapping[str, Any]) -> None:
        if record["channel"] == "close":
            self.closed.add(record["plan"])
        one = self.told.setdefault((record["plan"], record["analysis"]), Told())
        one.refused |= record["code"] == "withheld"
        if record["channel"] in SHARED:
            self._steps[record["statement"]] = record["step"]
        if record["channel"] in LEAVING:
            one.opened = True
            one.numbers[record["receiver"], record["channel"]] += record["numbers"]
            one.steps.add(self._steps.get(record["statement"], record["step"]))


class Said:
    """The questions that the door asks of the ledger, each about one plan."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._accounts: dict[str, _Account] = {}
        self._everywhere = _Everywhere()

    def _account(self, plan: str) -> _Account:
        account, links = self._accounts.setdefault(plan, _Account()), self._ledger.about(plan)
        for link in links[account.read :]:
            account.take(link.record)
        account.read = len(links)
        return account

    def refusals(self, plan: str) -> int:
        """How many questions were refused for privacy; one that is asked again, as on a bad line, counts once.

        So does one that several hospitals which are left out put at the same time: what one of them was refused most.
        """
        refused = self._account(plan).refused.values()
        return sum(max(len(requests) for requests in receivers.values()) for receivers in refused)

    def spending(self, plan: str, receiver: str) -> Spending:
        """What one receiver has seen under a plan."""
        account = self._account(plan)
        each, pooled = (account.numbers[receiver, channel] for channel in ("each", "pooled"))
        return Spending(each, pooled, frozenset(account.fits.get(receiver, ())))

    def told(self, plan: str, analysis: str) -> Told:
        """What became of an analysis of any plan; of one that was neither refused nor has an end, it may still come."""
        every = self._everywhere
        for link in self._ledger.after(every.read, *WORDS):
            every.take(link.record)
        every.read = len(self._ledger)
        return every.told.get((plan, analysis), NOTHING)

    def may_have_told(self, plan: str, analysis: str) -> bool:
        """Whether something of an analysis was opened, or may be yet: its run goes on, and nobody refused it here."""
        one = self.told(plan, analysis)
        return one.opened or not (one.refused or plan in self._everywhere.closed)

    def rounds_of(self, inner: Request) -> int:
        """How many shares this hospital gave to the receiver of a leave-one-out fit."""
        return self._account(inner.plan).shares[tuple(getattr(inner, name) for name in OVER)]

    def rounds_before(self, request: Request) -> int:
        """How many other questions of this step its receiver has had an answer to; another attempt is the same one."""
        place = (request.analysis, request.step, request.receiver)
        return len(self._account(request.plan).statements.get(place, set()) - {request.statement})

    def referral(self, request: Request) -> Entry | None:
        """The receipt of the same referral: it is asked about again and again while people decide."""
        links = (one for one in reversed(self._ledger.about(request.plan)) if one.record["request"] == request.digest)
        last = next(links, None)
        return last if last is not None and last.record["outcome"] == "referred" else None

    def last_share(self, opening: Request, statement: str) -> Mapping[str, Any]:
        """The record of the share that an opening is about: only what was shared last is opened.

        Raises:
            NotAdmitted: nothing was shared, or last over another roster, in another attempt or elsewhere in the study.
        """
        same = ("analysis", "cohort", "round", "receiver", "attempt")
        for entry in reversed(self._ledger.about(opening.plan)):
            record = entry.record
            if record["statement"] == statement and record["channel"] in SHARED and record["outcome"] == "released":
                alike = all(record[name] == getattr(opening, name) for name in same)
                if not alike or record["roster"] != list(opening.roster):
                    raise NotAdmitted("bad_roster")
                return record
        raise NotAdmitted("bad_roster")

    def check_not_opened(self, request: Request) -> None:
        """A statement is opened over one roster, once ever: two rosters' sums would give one hospital's values."""
        here = (list(request.roster), request.attempt)
        if any(opened != here for opened in self._account(request.plan).opened.get(request.statement, ())):
            raise NotAdmitted("bad_roster")
