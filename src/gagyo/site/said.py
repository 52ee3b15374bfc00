"""What this hospital has said under a plan, as its ledger has it: sums opened, numbers spent, questions refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gagyo.protocol.request import Request
from gagyo.release.case import Spending
from gagyo.release.ledger import Entry, Ledger
from gagyo.site.admission import NotAdmitted

CHANNELS = ("each", "pooled")


class Said:
    """The questions that the door asks of the ledger, each about one plan."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def refusals(self, plan: str) -> int:
        """How many questions were refused for privacy; one that is asked again, as on a bad line, counts once."""
        records = (entry.record for entry in self._ledger.about(plan))
        refused = (one for one in records if one["code"] == "withheld")
        return len({one["request"] for one in refused if one["step"] != "preflight"})

    def spending(self, plan: str, receiver: str) -> Spending:
        """What one receiver has seen under a plan."""
        records = [one for entry in self._ledger.about(plan) if (one := entry.record)["receiver"] == receiver]
        spent = {channel: sum(one["numbers"] for one in records if one["channel"] == channel) for channel in CHANNELS}
        fits = frozenset(one["fit"] for one in records if one["channel"] == "pooled" and one["fit"])
        return Spending(spent["each"], spent["pooled"], fits)

    def rounds_of(self, inner: Request) -> int:
        """How many shares this hospital gave to the receiver of a leave-one-out fit."""
        same = ("analysis", "round", "receiver")
        records = (entry.record for entry in self._ledger.about(inner.plan))
        return sum(one["channel"] == "masked" and all(one[n] == getattr(inner, n) for n in same) for one in records)

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
            if record["statement"] == statement and record["channel"] == "masked" and record["outcome"] == "released":
                alike = all(record[name] == getattr(opening, name) for name in same)
                if not alike or record["roster"] != list(opening.roster):
                    raise NotAdmitted("bad_roster")
                return record
        raise NotAdmitted("bad_roster")

    def check_not_opened(self, request: Request) -> None:
        """A statement is opened over one roster, once ever: two rosters' sums would give one hospital's values."""
        for entry in self._ledger.about(request.plan):
            record = entry.record
            opened = record["statement"] == request.statement and record["channel"] in ("people", "pooled")
            if opened and (record["roster"], record["attempt"]) != (list(request.roster), request.attempt):
                raise NotAdmitted("bad_roster")
