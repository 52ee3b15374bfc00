"""Inside one hospital: the one door. A request is admitted, computed, ruled on and recorded; then it is answered."""

from __future__ import annotations

import sqlite3
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from gagyo.canonical import plain
from gagyo.errors import DataFault, FileFault, Tampered
from gagyo.exchange.envelope import Keys
from gagyo.federation import secure_sum as sums
from gagyo.federation import wire
from gagyo.federation.ask import Ask, LeaveOut
from gagyo.federation.local import LocalStep, find_step
from gagyo.governance.approval import Statement
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import COORDINATOR, Request, Summand
from gagyo.protocol.study import Study
from gagyo.release import sharing
from gagyo.release.aggregate import Aggregate
from gagyo.release.case import Case, Scope
from gagyo.release.decision import Answer, Outcome, Referral, Release
from gagyo.release.gate import Gate
from gagyo.release.ledger import Ledger
from gagyo.site import admission, opening
from gagyo.site.admission import NotAdmitted
from gagyo.site.approvals import Approvals
from gagyo.site.cohorts import Dataset
from gagyo.site.compared import left_between
from gagyo.site.decided import Decided
from gagyo.site.keyed_digests import secret_of, snapshot
from gagyo.site.mapping.load import load
from gagyo.site.policy import Policy
from gagyo.site.preflight import preflight, preflight_told
from gagyo.site.receiving import Receiving
from gagyo.site.reviews import Reviews, Subject
from gagyo.site.ruled import Ruled, Unlisted
from gagyo.site.run_keys import RunKeys
from gagyo.site.said import Said
from gagyo.site.session import Session, Sessions
from gagyo.site.site_file import SiteFile
from gagyo.site.store import Store

REFUSALS_BEFORE_REFERRAL = 3
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
        self.about = dict(about or {})
        self.policy = policy or Policy()
        self.keys = Keys.open(folder / "keys")
        self.ledger = Ledger(folder / "ledger.jsonl", self.keys.sign)
        self._said = Said(self.ledger)
        self._store = Store(folder / "memory.sqlite")
        self._log = folder / "faults.log"
        self._gate = Gate()
        self._ruled = ruled or Unlisted(name, None, today)
        self._approvals = Approvals(self._store, self.policy.approvals, name, today)
        self.decided = Decided(name, self.policy, self._store, self.ledger, self._approvals, self._ruled)
        self.reviews = Reviews(self._store, self.ledger, self.policy.approvals, name, self._secret("review"))
        self.run_keys = RunKeys(self.keys, self._store)
        self.sessions = Sessions(
            name, self.policy, self._store, self.run_keys, self._secret("people"), load, self._ruled
        )
        self._sound = False
        self._recover()

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

    def _recover(self) -> None:
        # An answer is kept before its receipt is written, and sent after; a crash, or a full disk, between leaves a
        # receipt to write.
        if self._sound:
            return
        for receipt in self._store.unwritten(len(self.ledger)):
            if receipt.sequence == len(self.ledger):
                self.ledger.append(receipt)
        self._sound = True

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
            self.decided.approve(session, snapshot(session.data, self._secret("data")), statements)
        except FileFault:
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
        """
        try:
            request.digest  # noqa: B018 - what cannot be digested cannot be refused by name
        except Exception:
            return Answer("", self.name, "refused", "bad_arguments")
        self._recover()
        try:
            session = self._admit(request)
            kept = self._store.answered(request.digest)
            return kept if kept is not None else self._steps(request)(session, request)
        except NotAdmitted as why:
            return self._refuse(request, why.code)
        except Tampered:
            return self._refuse(request, "bad_record")
        except DataFault as fault:  # its texts count and never quote
            return self._refuse(request, "data_fault", tuple(f"{one.code}: {one.text('en')}" for one in fault.findings))
        except MACHINE_FAULTS:
            self._sound = False
            raise
        except Exception as fault:  # the wall: no error text may carry a value out
            self._note(fault)
            return self._refuse(request, "fault")

    def _admit(self, request: Request) -> Session:
        if request.site != self.name:
            raise NotAdmitted("not_here")
        state = self._store.approval(request.plan)
        if state != "approved":
            raise NotAdmitted("withdrawn" if state == "withdrawn" else "not_approved")
        self._check_refusals(request.plan)
        session = self.sessions.find(request.plan)
        if session is None:
            raise NotAdmitted("not_approved")
        self._approvals.check(request, needed=not session.study.counts_only)
        self._check_ruled_today(session)
        session.history.follow(request.relay.get("history", ()))
        self._check_referral(session, request)
        return session

    def _check_ruled_today(self, session: Session) -> None:
        try:
            self.decided.rule_today(session)
        except FileFault as fault:  # the list of evidence cannot be read: nothing is shown to hold
            self._note(fault)
            raise NotAdmitted("rules_not_met") from None
        if session.ruling and session.ruling.short:
            raise NotAdmitted("rules_not_met")

    def _check_refusals(self, plan: str) -> None:
        """After three privacy refusals, and after each three more, people decide whether the study goes on."""
        for number in range(REFUSALS_BEFORE_REFERRAL, self._said.refusals(plan) + 1, REFUSALS_BEFORE_REFERRAL):
            self.reviews.check(Subject(plan, "study", "", str(number)), {"refusals": number})

    def _check_referral(self, session: Session, request: Request) -> None:
        """An analysis whose method the policy refers goes to people: its sums before anything is computed.

        Numbers of this hospital alone are computed first, and wait: people see what would leave.
        """
        asked = self._referred(session, request) and session.history.stands_at(request)
        if not asked or session.history.asks_each(request):
            return
        shown = {"sends": list(session.line.sends[request.analysis])}
        self.reviews.check(Subject(request.plan, "analysis", request.analysis, ""), shown)

    def _referred(self, session: Session, request: Request) -> bool:
        """Whether the policy, or a rule in force here, gives what an analysis sends to a person."""
        analysis = session.study.analyses.get(request.analysis)
        if analysis is None:
            return False
        ruling = session.ruling or session.bound
        by_rule = ruling.released_by_person(request.analysis)
        return by_rule or analysis.method in self.policy.referral

    def _steps(self, request: Request) -> Callable[[Session, Request], Answer]:
        steps = {
            "preflight": self._preflight,
            "open.people": self._open_people,
            "open.values": self._open_values,
            "receive": self._receive,
            "relayed": self._relayed,
            "close": self._close,
        }
        return steps.get(request.step, self._compute)

    # The steps.

    def _preflight(self, session: Session, request: Request) -> Answer:
        payload: dict[str, Any] = {"cohorts": {}, "absent": sorted(session.data.absent), "about": self.about}
        payload |= {"values": {}, "withheld": {}, "reasons": {}}
        least = session.limits.minimum_people
        for name in session.study.cohorts:
            aggregate = preflight(session.study, name, session.cohorts)
            decision = self._gate.rule(self._case(session, request, "each", aggregate, cohort=name))
            isolates = session.cohorts.selection_isolates(name, least)
            ready = isinstance(decision, Release) and not decision.withheld["flow"][0]
            # Where all who are selected are analysed, their number is that of the selection.
            ready = ready and not (isolates and session.cohorts.is_whole(name))
            payload["cohorts"][name] = "ready" if ready else "withheld"
            if ready and isinstance(decision, Release):
                session.cohorts.remember(name)
                session.cohorts.remember_selection(name)
                _add(payload, self._told(session, name, decision, isolates), name)
        numbers = sum(value.size for value in payload["values"].values())
        return self._release(request, payload, channel="each", numbers=numbers)

    def _told(self, session: Session, name: str, decision: Release, isolates: bool) -> Release:
        """What leaves of a cohort's preflight, beside those that left before."""
        lacking = session.cohorts.lacking_isolates(name, session.limits.minimum_people)
        told = preflight_told(decision, isolates, lacking)
        session.cohorts.remember_lacking(name, ~np.append(told.withheld["flow"][2], told.withheld["missing"]))
        return told

    def _compute(self, session: Session, request: Request) -> Answer:
        ask = session.history.current(request, Ask)
        admission.check_derived(request, ask)
        step = self._step(request)
        if ask.each:
            return self._answer_each(session, request, ask, step, request.arguments)
        if request.receiver != COORDINATOR:
            raise NotAdmitted("not_derived")  # a hospital receives only what it asks for itself, sealed
        admission.check_roster(session.plan, request, self.policy, session.limits)
        return self._share(session, request, ask, step)

    def _step(self, request: Request) -> LocalStep:
        try:
            step = find_step(request.step)
        except KeyError:
            raise NotAdmitted("unknown_method") from None
        admission.check_arguments(step, request.arguments)
        return step

    def _answer_each(
        self, session: Session, request: Request, ask: Ask | None, step: LocalStep, arguments: Mapping[str, Any]
    ) -> Answer:
        aggregate = step(session.cohorts[request.cohort].rows, **arguments)
        case = self._case(session, request, "each", aggregate, ask)
        decision = self._gate.rule(case)
        output = decision.output if isinstance(decision, Referral) else decision
        if not isinstance(output, Release):
            return self._refuse(request, "withheld", output.rules)
        payload: dict[str, Any] = {"values": {}, "withheld": {}, "reasons": {}}
        _add(payload, output)
        # What a hospital that is left out sends was let through with its analysis: there `ask` is None.
        if isinstance(decision, Referral) or (ask is not None and self._referred(session, request)):
            self.reviews.check(Subject(request.plan, "output", request.analysis, request.digest), payload)
        session.cohorts.remember(request.cohort, *_parts(session, request))
        return self._release(request, payload, channel="each", numbers=case.numbers, ask=ask)

    def _share(self, session: Session, request: Request, ask: Ask, step: LocalStep) -> Answer:
        self._said.check_not_opened(request)
        self._check_one_roster(session, request)
        aggregate = step(session.cohorts[request.cohort].rows, **request.arguments)
        aggregate = {**aggregate, **left_between(session, request, step, aggregate)}
        case = self._case(session, request, "share", aggregate, ask, hospitals=len(request.roster))
        decision = self._gate.rule(case)
        if not isinstance(decision, Release):
            return self._refuse(request, "withheld", decision.rules)
        session.cohorts.remember(request.cohort, *_parts(session, request))
        share = sharing.lay_out(aggregate, session.cohorts[request.cohort].rows.n)
        payload = opening.masked(share, request.summand, session.keys, session.publics)
        channel = "masked"
        if self._is_fixed(session, request):
            channel = "masked_people"
            payload["boxes"] = opening.people_boxes(request.summand, session.keys, session.publics)
        return self._release(request, payload, channel=channel, numbers=share.values.size, ask=ask)

    def _open_people(self, session: Session, request: Request) -> Answer:
        first, own = self._first_phase(session, request)
        opening.check_shares(request, first, own, session.publics)
        for key in self._roster_keys(session, request):
            self._store.keep_roster(key, request.roster)
        boxes = opening.people_boxes(first, session.keys, session.publics)
        return self._release(request, {"boxes": boxes}, channel="people", numbers=0)

    def _open_values(self, session: Session, request: Request) -> Answer:
        first, own = self._first_phase(session, request)
        shares = opening.check_shares(request, first, own, session.publics)
        header = sharing.check_same_header(shares)
        people = opening.pooled_people(request, first, shares, session.keys, session.publics)
        cohort, cells = sharing.pooled_cells(header, people)
        session.history.sizes[first.statement] = cohort
        ask = self._asked(session, request)
        case = self._case(session, request, "pooled", cells, ask, people=cohort, hospitals=len(shares))
        decision = self._gate.rule(case)
        if not isinstance(decision, Release):
            return self._refuse(request, "withheld", decision.rules)
        opened = sharing.open_entries(header, decision.withheld)
        payload = opening.opened_mask(first, opened, session.keys)
        numbers = min(case.numbers, int(opened.sum()))
        return self._release(request, payload, channel="pooled", numbers=numbers, ask=ask)

    def _first_phase(self, session: Session, request: Request) -> tuple[Summand, Answer]:
        """This hospital's part and kept answer of the first phase: only what was shared last is opened."""
        session.history.question(request)
        self._check_one_roster(session, request)
        statement = str(request.arguments.get("statement"))
        kept = self._store.answered(self._said.last_share(request, statement)["request"])
        if kept is None:
            raise NotAdmitted("bad_roster")
        return Summand(request.plan, statement, request.roster, request.attempt, self.name), kept

    def _roster_keys(self, session: Session, request: Request) -> tuple[str, str]:
        """Within a plan all sums that a receiver sees have one roster; about the same people, over all plans too."""
        if request.receiver not in session.publics:
            raise NotAdmitted("bad_roster")
        receiver = session.publics[request.receiver].signing
        return (f"{request.plan} {receiver}", f"{session.cohorts[request.cohort].key} {receiver}")

    def _is_fixed(self, session: Session, request: Request) -> bool:
        """Whether this receiver was opened this roster before, and so will never be opened another."""
        return all(self._store.roster(key) == request.roster for key in self._roster_keys(session, request))

    def _check_one_roster(self, session: Session, request: Request) -> None:
        """Sums over two rosters differ by a hospital: one receiver is opened one roster."""
        for key in self._roster_keys(session, request):
            if self._store.roster(key) not in ((), request.roster):
                raise NotAdmitted("bad_roster")

    def _asked(self, session: Session, request: Request) -> Ask:
        """The question whose sum is being opened; of a left-out fit the one that was shared last."""
        question = session.history.question(request)
        if not isinstance(question, LeaveOut):
            return question
        shared = self._said.last_share(request, str(request.arguments.get("statement")))
        asks = (one.ask for one in question.allows(request.receiver))
        return next(a for a in asks if (a.step.name, _fit_name(request, a)) == (shared["step"], shared["fit"]))

    # A hospital that is left out receives the others' sums.

    def _receive(self, session: Session, request: Request) -> Answer:
        question = session.history.current(request, LeaveOut)
        place = (request.analysis, request.round)
        turn = request.arguments.get("turn")
        if turn == 0:
            others = session.history.others(request)
            session.receiving[place] = Receiving(question, request, others, session.keys, session.publics)
        if place not in session.receiving:
            return Answer(request.digest, self.name, "behind")
        try:
            sealed, arguments = session.receiving[place].turn(request.relay.get("sealed", {}), int(str(turn)))
        except sums.IncompleteError:
            return self._refuse(request, "partner_refused")
        if sealed is not None:
            return self._release(request, {"sealed": sealed}, channel="sealed", numbers=0, outcome="relay")
        merged = {**question.arguments, **(arguments or {})}
        return self._answer_each(session, request, None, question.step, merged)

    def _relayed(self, session: Session, request: Request) -> Answer:
        sender = str(request.arguments["from"])
        if sender not in session.study.sites or sender == self.name:
            raise NotAdmitted("bad_roster")
        publics = session.publics[sender]
        inner = wire.open_request(request.relay["sealed"], session.keys, publics, request.plan)
        if inner.receiver != sender or inner.site != self.name or inner.plan != request.plan:
            raise NotAdmitted("not_derived")
        self._approvals.check(inner)
        self._check_referral(session, inner)
        answer = self._store.answered(inner.digest) or self._inner(session, inner)
        payload = {"sealed": wire.sealed_answer(answer, publics, request.plan)}
        return Answer(request.digest, self.name, "relay", payload=payload, receipt=answer.receipt)

    def _inner(self, session: Session, inner: Request) -> Answer:
        question = session.history.current(inner, LeaveOut)
        admission.check_roster(session.plan, inner, self.policy, session.limits)
        session.history.check_all_others(inner)
        if inner.step in ("open.people", "open.values"):
            return self._steps(inner)(session, inner)
        ask = admission.check_near(inner, question.allows(inner.receiver), session.limits.ellipsoid * question.people)
        if self._said.rounds_of(inner) >= session.limits.rounds * question.fits:
            raise NotAdmitted("not_derived")
        return self._share(session, inner, ask, self._step(inner))

    def _close(self, session: Session, request: Request) -> Answer:
        """The closing receipt: signed by this hospital, it covers the tail of its ledger."""
        return self._release(request, {"head": self.ledger.head}, channel="close", numbers=0)

    # Ruling and recording.

    def _case(
        self,
        session: Session,
        request: Request,
        scope: Scope,
        aggregate: Aggregate,
        ask: Ask | None = None,
        people: int | None = None,
        hospitals: int = 1,
        cohort: str = "",
    ) -> Case:
        cohort = cohort or request.cohort
        return Case(
            scope,
            aggregate,
            people=session.cohorts[cohort].rows.n if people is None else people,
            columns=len(session.study.variables),
            limits=session.limits,
            hospitals=hospitals,
            fit=_fit_name(request, ask),
            parameters=ask.parameters if ask else None,
            fits_at_once=ask.fits_at_once if ask else 1,
            every_round=bool(ask and ask.every_round),
            overlap=session.cohorts.overlap(cohort, *_parts(session, request)),
            spending=self._said.spending(session.plan.digest, request.receiver),
        )

    def _release(
        self,
        request: Request,
        payload: dict[str, Any],
        channel: str,
        numbers: int,
        ask: Ask | None = None,
        outcome: Outcome = "released",
    ) -> Answer:
        record = _record(request, outcome, channel) | {"numbers": numbers, "fit": _fit_name(request, ask)}
        answer = Answer(request.digest, self.name, outcome, payload=payload)
        receipt = self.ledger.prepare(record | {"payload": answer.payload_digest})
        self._store.keep(answer := answer.receipted(receipt))
        self.ledger.append(receipt)
        return answer

    def _refuse(self, request: Request, code: str, rules: tuple[str, ...] = ()) -> Answer:
        """Record a refusal. Which rules were broken, or what is wrong with the rows, is for the hospital's people;
        outside there is only the code.
        """
        outcome: Outcome = "referred" if code == "referred" else "refused"
        receipt = self._said.referral(request) if code == "referred" else None
        if receipt is None:
            receipt = self.ledger.prepare(_record(request, outcome, "") | {"code": code, "payload": ""})
            self.ledger.append(receipt)
        self._note_rules(request, code, rules)
        return Answer(request.digest, self.name, outcome, code, receipt=receipt)

    def _note_rules(self, request: Request, code: str, rules: tuple[str, ...]) -> None:
        if rules:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(f"{request.analysis} {request.step} {code}: {', '.join(rules)}\n")

    def _note(self, fault: Exception) -> None:
        """Where a fault happened, for the hospital's engineer; not its message, which may hold a value."""
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{type(fault).__name__}\n" + "".join(traceback.format_tb(fault.__traceback__)))


def _parts(session: Session, request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The variables that an analysis imputes, and those of which it opens sums by who has which."""
    return session.line.imputed(request.analysis), session.line.patterned(request.analysis)


def _fit_name(request: Request, ask: Ask | None) -> str:
    """A fit's name within the study: the numbers of a round are counted once there, of each step that it takes."""
    return f"{request.analysis}: {ask.fit} {ask.step.name}" if ask and ask.fit else ""


def _record(request: Request, outcome: str, channel: str) -> dict[str, Any]:
    return {
        "plan": request.plan,
        "analysis": request.analysis,
        "cohort": request.cohort,
        "round": request.round,
        "step": request.step,
        "statement": str(request.arguments.get("statement", request.statement)),
        "request": request.digest,
        "roster": list(request.roster),
        "attempt": request.attempt,
        "receiver": request.receiver,
        "outcome": outcome,
        "channel": channel,
        "code": "",
        "numbers": 0,
        "fit": "",
        "journal": str(request.relay.get("journal", "")),
    }


def _add(payload: dict[str, Any], release: Release, cohort: str = "") -> None:
    prefix = f"{cohort}." if cohort else ""
    payload["values"].update({prefix + name: value for name, value in release.values.items()})
    payload["withheld"].update({prefix + name: mask for name, mask in release.withheld.items()})
    payload["reasons"].update({prefix + name: reason for name, reason in release.reasons.items()})
