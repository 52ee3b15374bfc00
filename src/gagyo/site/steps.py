"""What a hospital answers, step by step: computed on its people, ruled on by the one gate, then recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gagyo.federation.ask import Ask, LeaveOut
from gagyo.federation.local import LocalStep
from gagyo.protocol.request import COORDINATOR, Request, Summand
from gagyo.release import sharing
from gagyo.release.aggregate import Aggregate
from gagyo.release.case import Before, Case, Overlap, Scope
from gagyo.release.decision import Answer, Referral, Release
from gagyo.release.gate import Gate
from gagyo.site import admission, masked_sum
from gagyo.site.admission import NotAdmitted
from gagyo.site.before import Earlier
from gagyo.site.compared import left_between
from gagyo.site.ends import Ends
from gagyo.site.ends_beside import against, against_since
from gagyo.site.equations import is_step
from gagyo.site.own_compared import NAME as OWN_COMPARED
from gagyo.site.own_compared import own_compared, strata_compared
from gagyo.site.policy import Policy
from gagyo.site.preflight import preflight, preflight_told
from gagyo.site.receipts import Receipts
from gagyo.site.referrals import REFUSALS_BEFORE_REFERRAL, Referrals
from gagyo.site.rosters import Rosters
from gagyo.site.said import Said
from gagyo.site.session import Session
from gagyo.site.told import check_told


class Steps:
    """The steps of an admitted request. about: what the hospital tells of itself in the preflight."""

    def __init__(
        self,
        about: Mapping[str, Any],
        policy: Policy,
        said: Said,
        referrals: Referrals,
        rosters: Rosters,
        receipts: Receipts,
        earlier: Earlier,
        ends: Ends,
    ) -> None:
        self._about, self._policy, self._said = about, policy, said
        self._referrals, self._rosters, self._receipts = referrals, rosters, receipts
        self._earlier, self._ends = earlier, ends
        self._gate = Gate()

    def preflight(self, session: Session, request: Request) -> Answer:
        """Which cohorts this hospital can answer for, and how many people were counted out."""
        payload = self._nothing(session)
        with session.cohorts.held() as held:
            isolating = sum([self._flow(session, request, name, payload) for name in session.study.cohorts])
            if isolating > REFUSALS_BEFORE_REFERRAL and session.study.counts_only:  # nobody there reads counts first
                held.clear()
                payload = self._nothing(session)
            else:
                self._referrals.check_cohorts(request.plan, isolating)
        numbers = sum(value.size for value in payload["values"].values())
        return self._receipts.release(request, payload, channel="each", numbers=numbers)

    def _nothing(self, session: Session) -> dict[str, Any]:
        """A preflight in which every cohort is withheld."""
        payload: dict[str, Any] = {"cohorts": dict.fromkeys(session.study.cohorts, "withheld")}
        payload |= {"absent": sorted(session.data.absent), "about": self._about}
        return payload | {"values": {}, "withheld": {}, "reasons": {}}

    def _flow(self, session: Session, request: Request, name: str, payload: dict[str, Any]) -> bool:
        """What is told of a cohort; whether that says that it differs by a few people from another."""
        aggregate = preflight(session.study, name, session.cohorts)
        decision = self._gate.rule(self._case(session, request, "each", aggregate, cohort=name))
        isolates = session.cohorts.selection_isolates(name, session.limits.minimum_people)
        ready = isinstance(decision, Release) and not decision.withheld["flow"][0]
        # Where all who are selected are analysed, their number is that of the selection.
        ready = ready and not (isolates and session.cohorts.is_whole(name))
        if ready and isinstance(decision, Release):
            payload["cohorts"][name] = "ready"
            session.cohorts.remember(name)
            session.cohorts.remember_selection(name)
            _add(payload, self._told(session, name, decision, isolates), name)
            return isolates
        return session.cohorts[name].rows.n >= session.limits.minimum_people

    def _told(self, session: Session, name: str, decision: Release, isolates: bool) -> Release:
        """What leaves of a cohort's preflight, beside those that left before."""
        lacking = session.cohorts.lacking_isolates(name, session.limits.minimum_people)
        told = preflight_told(decision, isolates, lacking)
        session.cohorts.remember_lacking(name, ~np.append(told.withheld["flow"][2], told.withheld["missing"]))
        return told

    def compute(self, session: Session, request: Request) -> Answer:
        """A step of a method, where it is what the method itself asks here now."""
        ask = session.history.current(request, Ask)
        admission.check_derived(request, ask)
        step = admission.named_step(request)
        if ask.each:
            return self.answer_each(session, request, ask, step, request.arguments)
        if request.receiver != COORDINATOR:
            raise NotAdmitted("not_derived")  # a hospital receives only what it asks for itself, sealed
        admission.check_roster(session.plan, request, self._policy, session.limits)
        return self.share(session, request, ask, step)

    def answer_each(
        self, session: Session, request: Request, ask: Ask | None, step: LocalStep, arguments: Mapping[str, Any]
    ) -> Answer:
        """This hospital's own numbers, as they are."""
        aggregate = dict(step(session.cohorts[request.cohort].rows, **arguments))
        aggregate |= own_compared(session, request, self._earlier)
        case = self._case(session, request, "each", aggregate, ask)
        decision = self._gate.rule(case)
        output = decision.output if isinstance(decision, Referral) else decision
        if not isinstance(output, Release):
            return self._receipts.refuse(request, "withheld", output.rules)
        payload: dict[str, Any] = {"values": {}, "withheld": {}, "reasons": {}}
        _add(payload, output)
        # What a hospital that is left out sends was let through with its analysis: there `ask` is None.
        if isinstance(decision, Referral) or (ask is not None and self._referrals.concern(session, request)):
            self._referrals.check_output(request, payload)
        self._check_told(session, request, step, case.numbers, each=True)
        self._remember(session, request)
        return self._receipts.release(request, payload, channel="each", numbers=case.numbers, fit=case.fit)

    def share(self, session: Session, request: Request, ask: Ask, step: LocalStep) -> Answer:
        """The first phase of a secure sum: this hospital's part, masked; with the people's mask over a known roster."""
        self._said.check_not_opened(request)
        self._rosters.check(session, request)
        aggregate = dict(step(session.cohorts[request.cohort].rows, **request.arguments))
        before = self._earlier.resampled(session) if request.round == 0 else []
        aggregate |= strata_compared(session, request, aggregate)
        aggregate |= left_between(session, request, step, aggregate, before)
        self._ends.look(request.statement)
        aggregate |= against(self._ends, session, request, step)
        case = self._case(session, request, "share", aggregate, ask, hospitals=len(request.roster))
        decision = self._gate.rule(case)
        if not isinstance(decision, Release):
            return self._receipts.refuse(request, "withheld", decision.rules)
        share = sharing.lay_out(aggregate, session.cohorts[request.cohort].rows.n)
        self._check_told(session, request, step, share.values.size, each=False)
        self._remember(session, request)
        payload = masked_sum.masked(share, request.summand, session.keys, session.publics)
        channel = "masked"
        if self._rosters.is_fixed(session, request):
            channel = "masked_people"
            payload["boxes"] = masked_sum.people_boxes(request.summand, session.keys, session.publics)
        return self._receipts.release(request, payload, channel=channel, numbers=share.values.size, fit=case.fit)

    def open_people(self, session: Session, request: Request) -> Answer:
        """The second phase over a new roster: the mask of the head counts, for the other hospitals alone."""
        first, own = self._first_phase(session, request)
        masked_sum.check_shares(request, first, own, session.publics)
        self._rosters.keep(session, request)
        boxes = masked_sum.people_boxes(first, session.keys, session.publics)
        return self._receipts.release(request, {"boxes": boxes}, channel="people", numbers=0)

    def open_values(self, session: Session, request: Request) -> Answer:
        """The last phase: the pooled cells are ruled on, and of what may leave this hospital's mask is opened."""
        first, own = self._first_phase(session, request)
        shares = masked_sum.check_shares(request, first, own, session.publics)
        header = sharing.check_same_header(shares)
        people = masked_sum.pooled_people(request, first, shares, session.keys, session.publics)
        cohort, cells = sharing.pooled_cells(header, people)
        session.history.sizes[first.statement] = cohort
        ask = self._asked(session, request)
        if self._ends.came_since(session, first.statement):
            cells = dict(against_since(self._ends, session, request, ask, cells))
        case = self._case(session, request, "pooled", cells, ask, people=cohort, hospitals=len(shares))
        decision = self._gate.rule(case)
        if not isinstance(decision, Release):
            return self._receipts.refuse(request, "withheld", decision.rules)
        if any(one.kind == "joint" and decision.withheld[name].all() for name, one in cells.items()):
            self._receipts.note_rules(request, "withheld", decision.rules)
        self._ends.keep_opened(session, request, ask, decision.withheld)
        opened = sharing.open_entries(header, decision.withheld)
        payload = masked_sum.opened_mask(first, opened, session.keys)
        numbers = min(case.numbers, int(opened.sum()))
        return self._receipts.release(request, payload, channel="pooled", numbers=numbers, fit=case.fit)

    def _overlap(self, session: Session, request: Request, cohort: str) -> Overlap:
        """How a cohort overlaps with those answered before, and with itself as it was before values were corrected."""
        found = session.cohorts.overlap(cohort, *_parts(session, request))
        sizes = [one for one in (found.difference, self._earlier.corrected(session, request)) if one is not None]
        return replace(found, difference=min(sizes, default=None))

    def _remember(self, session: Session, request: Request) -> None:
        """An answer is about to leave: whom it is about, and what it asks of them, counts from now on."""
        session.cohorts.remember(request.cohort, *_parts(session, request))
        self._earlier.keep(session, request.analysis)
        self._ends.keep_condition(session, request.cohort)

    def _first_phase(self, session: Session, request: Request) -> tuple[Summand, Answer]:
        """This hospital's part and kept answer of the first phase: only what was shared last is opened."""
        session.history.question(request)
        self._rosters.check(session, request)
        statement = str(request.arguments.get("statement"))
        kept = self._receipts.answered(self._said.last_share(request, statement)["request"])
        if kept is None:
            raise NotAdmitted("bad_roster")
        return Summand(request.plan, statement, request.roster, request.attempt, request.site), kept

    def _check_told(self, session: Session, request: Request, step: LocalStep, numbers: int, each: bool) -> None:
        check_told(session.plan, request, step.name, numbers, each, self._said.rounds_before(request))

    def _asked(self, session: Session, request: Request) -> Ask:
        """The question whose sum is being opened; of a left-out fit the one that was shared last."""
        question = session.history.question(request)
        if not isinstance(question, LeaveOut):
            return question
        shared = self._said.last_share(request, str(request.arguments.get("statement")))
        asks = (one.ask for one in question.allows(request.receiver))
        return next(a for a in asks if (a.step.name, _fit_name(request, a)) == (shared["step"], shared["fit"]))

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
        people = session.cohorts[cohort].rows.n if people is None else people
        return Case(
            scope,
            aggregate,
            people=people,
            columns=len(session.study.variables),
            limits=session.limits,
            hospitals=hospitals,
            fit=_fit_name(request, ask),
            parameters=ask.parameters if ask else None,
            fits_at_once=ask.fits_at_once if ask else 1,
            every_round=bool(ask and ask.every_round),
            overlap=self._overlap(session, request, cohort),
            spending=self._said.spending(session.plan.digest, request.receiver),
            before=self._earlier.spent(session, request, scope, people) if scope != "share" else Before(),
            weighed_apart=self._earlier.weighs_apart(session, request),
            step=is_step(session, request),
            asked_from=2 * session.study.release.minimum_people,
        )


def _parts(session: Session, request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The variables that an analysis imputes, and those of which it opens sums by who has which."""
    return session.line.imputed(request.analysis), session.line.patterned(request.analysis)


def _fit_name(request: Request, ask: Ask | None) -> str:
    """A fit's name within the study: the numbers of a round are counted once there, of each step that it takes."""
    return f"{request.analysis}: {ask.fit} {ask.step.name}" if ask and ask.fit else ""


def _add(payload: dict[str, Any], release: Release, cohort: str = "") -> None:
    prefix = f"{cohort}." if cohort else ""
    for part in ("values", "withheld", "reasons"):
        named: Mapping[str, Any] = getattr(release, part)
        payload[part].update({prefix + name: one for name, one in named.items() if name != OWN_COMPARED})
