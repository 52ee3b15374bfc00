"""Inside one hospital: the one door. A request is admitted, computed, ruled on and recorded; then it is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from gagyo.canonical import plain
from gagyo.errors import DataFault, FileFault, Refused, Tampered
from gagyo.exchange.envelope import Keys
from gagyo.governance.approval import Statement
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.protocol.study import Study
from gagyo.release.decision import Answer
from gagyo.release.ledger import Ledger
from gagyo.site.admission import NotAdmitted
from gagyo.site.approvals import Approvals
from gagyo.site.before import Earlier
from gagyo.site.cohorts import Dataset
from gagyo.site.decided import Decided
from gagyo.site.ends import Ends
from gagyo.site.fault_log import FaultLog
from gagyo.site.keyed_digests import secret_of, snapshot
from gagyo.site.left_out import LeftOut
from gagyo.site.mapping.load import load
from gagyo.site.policy import Policy
from gagyo.site.receipts import Receipts
from gagyo.site.referrals import Referrals
from gagyo.site.reviews import Reviews
from gagyo.site.rosters import Rosters
from gagyo.site.ruled import Ruled, Unlisted
from gagyo.site.run_keys import RunKeys
from gagyo.site.said import Said
from gagyo.site.session import Session, Sessions
from gagyo.site.site_file import SiteFile
from gagyo.site.steps import Steps
from gagyo.site.store import Store

MACHINE_FAULTS = (OSError, sqlite3.Error)
"""What is no answer: a full disk, say. Whoever carries the request brings it again."""


class Site:
    """One hospital. `load` maps its data to a study's dictionary; `folder` keeps keys, ledger and memory.

    about: what the hospital tells of itself in the preflight, its country and its name in three languages. today: the
    hospital's calendar, by which approvals begin and expire. ruled: its own check of the rules; where its policy asks
    for none, what Gagyo's packs say without any evidence.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        load: Callable[[Study], Dataset],
        policy: Policy | None = None,
        about: Mapping[str, Any] | None = None,
        today: Callable[[], date] = date.today,
        ruled: Ruled | Unlisted | None = None,
    ) -> None:
        self.name = name
        policy = policy or Policy()
        self.keys = Keys.open(folder / "keys")
        self.ledger = Ledger(folder / "ledger.jsonl", self.keys.sign)
        self._store = Store(folder / "memory.sqlite")
        self._log = FaultLog(folder / "faults.log")
        ruled = ruled or Unlisted(name, None, today)
        self._approvals = Approvals(self._store, policy.approvals, name, today)
        self.decided = Decided(name, policy, self._store, self.ledger, self._approvals, ruled)
        self.reviews = Reviews(self._store, self.ledger, policy.approvals, name, self._secret("review"))
        self.run_keys = RunKeys(self.keys, self._store)
        self.sessions = Sessions(name, policy, self._store, self.run_keys, self._secret, load, ruled)
        said = Said(self.ledger)
        self.referrals = Referrals(policy, self.reviews, said)
        self._receipts = Receipts(name, self._store, self.ledger, said, self._log)
        self._earlier = Earlier(self._store, said, self._secret("data"))
        rosters = Rosters(self._store)
        ends = Ends(self._store, self._earlier)
        self.steps = Steps(about or {}, policy, said, self.referrals, rosters, self._receipts, self._earlier, ends)
        self._left_out = LeftOut(name, policy, self._approvals, said, self.referrals, self._receipts, self.steps)
        self._receipts.recover()

    @classmethod
    def open(cls, path: Path, folder: Path) -> Site:
        """The hospital of a site file; its keys, ledger and memory are kept in `folder`."""
        file = SiteFile.read(path)
        about = {"country": file.country, "label": plain(file.label)}
        ruled = Ruled.of(file) or Unlisted(file.site, file.governance)
        return cls(file.site, folder, lambda study: load(file, study), file.policy, about, ruled=ruled)

    def close(self) -> None:
        """Close the hospital's files."""
        self._store.close()

    # Opening what people approved.

    def approve(self, plan: Plan, statements: Sequence[Statement] = ()) -> None:
        """Approve a plan: its keys, methods and data mapping are checked, and the approvals that the policy requires.

        statements: signed approvals and withdrawals to take in; those that count are kept, also where others are
        still missing.

        Raises:
            FileFault, DataFault: everything that is wrong.
        """
        self.decided.check_possible(plan)
        session = self.sessions.open(plan)
        try:
            self._earlier.note_values(session)
            self.decided.approve(session, snapshot(session.data, self._secret("data")), statements)
        except (FileFault, *MACHINE_FAULTS):
            # An earlier approval may stand on record: what was just opened must not be answered from.
            self.sessions.leave(plan.digest)
            raise

    def ensure_open(self, plan: str, read: Callable[[], Plan]) -> None:
        """Open an approved plan again after this process was started anew; FileFault, DataFault as `approve`."""
        if self.sessions.find(plan) is None and self._store.approval(plan) == "approved":
            self.approve(read())

    def leave(self, plan: str) -> None:
        """Let go of a plan that is not asked about now; its approval and its answers stay on record."""
        self.sessions.leave(plan)

    def forget_answers(self, plan: str, closing: str) -> None:
        """Let go of a closed plan's answers but the closing one, when the keys of its run are destroyed.

        Nobody can ask for them again, and a hospital has many studies. What was answered stays on the ledger.
        """
        given = {str(entry.record["request"]) for entry in self.ledger.about(plan)}
        self._store.forget_answers(given - {closing})

    def _secret(self, purpose: str) -> bytes:
        return secret_of(self.keys, self._store, purpose)

    # What the outside asks.

    def answer(self, request: Request) -> Answer:
        """The answer to a request; a request answered before gets the recorded bytes again, never a second release.

        Raises:
            OSError, sqlite3.Error: this machine cannot write it down now, and so nothing was answered.
            Refused: `answer_ledger_behind`: this hospital's folder was restored from an earlier copy.
        """
        try:
            request.digest  # noqa: B018 - what cannot be digested cannot be refused by name
        except Exception:
            return Answer("", self.name, "refused", "bad_arguments")
        self._receipts.recover()
        try:
            session = self._admit(request)
            kept = self._receipts.answered(request.digest)
            return kept if kept is not None else self._step(request.step)(session, request)
        except NotAdmitted as why:
            return self._receipts.refuse(request, why.code)
        except Tampered:
            return self._receipts.refuse(request, "bad_record")
        except DataFault as fault:  # its texts count and never quote
            found = tuple(f"{one.code}: {one.text('en')}" for one in fault.findings)
            return self._receipts.refuse(request, "data_fault", found)
        except Refused:
            raise
        except MACHINE_FAULTS:
            self._receipts.doubt()
            raise
        except Exception as fault:  # the wall: no error text may carry a value out
            self._log.note_fault(fault)
            return self._receipts.refuse(request, "fault")

    def _admit(self, request: Request) -> Session:
        if request.site != self.name:
            raise NotAdmitted("not_here")
        state = self._store.approval(request.plan)
        if state != "approved":
            raise NotAdmitted("withdrawn" if state == "withdrawn" else "not_approved")
        self.referrals.check_refusals(request.plan)
        session = self.sessions.find(request.plan)
        if session is None:
            raise NotAdmitted("not_approved")
        self._approvals.check(request, needed=not session.study.counts_only)
        self._check_ruled_today(session)
        self._receipts.check_held(session.history.shown(request), self.keys.public.verify)
        session.history.follow(request.relay.get("history", ()))
        self.referrals.check_analysis(session, request)
        return session

    def _check_ruled_today(self, session: Session) -> None:
        try:
            self.decided.rule_today(session)
        except FileFault as fault:  # the list of evidence cannot be read: nothing is shown to hold
            self._log.note_fault(fault)
            raise NotAdmitted("rules_not_met") from None
        if session.ruling and session.ruling.short:
            raise NotAdmitted("rules_not_met")

    def _step(self, name: str) -> Callable[[Session, Request], Answer]:
        steps: dict[str, Callable[[Session, Request], Answer]] = {
            "preflight": self.steps.preflight,
            "open.people": self.steps.open_people,
            "open.values": self.steps.open_values,
            "receive": self._left_out.receive,
            "relayed": self._left_out.relayed,
            "close": lambda session, request: self._receipts.close(request),
        }
        return steps.get(name, self.steps.compute)
