"""Leave one hospital out: it asks the others for their sums, which are opened to it alone; both sides' answers."""

from __future__ import annotations

from gagyo.federation import secure_sum as sums
from gagyo.federation import wire
from gagyo.federation.ask import LeaveOut
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.site import admission
from gagyo.site.admission import NotAdmitted
from gagyo.site.approvals import Approvals
from gagyo.site.policy import Policy
from gagyo.site.receipts import Receipts
from gagyo.site.receiving import Receiving
from gagyo.site.referrals import Referrals
from gagyo.site.said import Said
from gagyo.site.session import Session
from gagyo.site.steps import Steps


class LeftOut:
    """What this hospital answers where it is left out (`receive`), and where another is (`relayed`)."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        approvals: Approvals,
        said: Said,
        referrals: Referrals,
        receipts: Receipts,
        steps: Steps,
    ) -> None:
        self._name, self._policy, self._approvals, self._said = name, policy, approvals, said
        self._referrals, self._receipts, self._steps = referrals, receipts, steps

    def receive(self, session: Session, request: Request) -> Answer:
        """A turn of the fit that this hospital makes of the others' sums; in the end its own numbers under it."""
        question = session.history.current(request, LeaveOut)
        place = (request.analysis, request.round)
        turn = int(str(request.arguments.get("turn")))
        # The letters of all turns before, where this hospital said that it lost its place.
        turns = request.relay.get("turns")
        if turns is not None and len(turns) != turn:
            raise NotAdmitted("not_derived")
        if turn == 0 or turns is not None:
            others = session.history.others(request)
            session.receiving[place] = Receiving(question, request, others, session.keys, session.publics)
        if place not in session.receiving:
            return Answer(request.digest, self._name, "behind")
        try:
            for number, letters in enumerate(turns or ()):
                session.receiving[place].turn(letters, number)
            sealed, arguments = session.receiving[place].turn(request.relay.get("sealed", {}), turn)
        except sums.IncompleteError:
            return self._receipts.refuse(request, "partner_refused")
        if sealed is not None:
            return self._receipts.release(request, {"sealed": sealed}, channel="sealed", numbers=0, outcome="relay")
        merged = {**question.arguments, **(arguments or {})}
        return self._steps.answer_each(session, request, None, question.step, merged)

    def relayed(self, session: Session, request: Request) -> Answer:
        """What a hospital that is left out asks of this one, in a letter that the coordinator cannot read."""
        sender = str(request.arguments["from"])
        if sender not in session.study.sites or sender == self._name:
            raise NotAdmitted("bad_roster")
        publics = session.publics[sender]
        inner = wire.open_request(request.relay["sealed"], session.keys, publics, request.plan)
        if inner.receiver != sender or inner.site != self._name or inner.plan != request.plan:
            raise NotAdmitted("not_derived")
        self._approvals.check(inner)
        self._referrals.check_analysis(session, inner)
        answer = self._receipts.answered(inner.digest) or self._inner(session, inner)
        payload = {"sealed": wire.sealed_answer(answer, publics, request.plan)}
        return Answer(request.digest, self._name, "relay", payload=payload, receipt=answer.receipt)

    def _inner(self, session: Session, inner: Request) -> Answer:
        """The letter's request: answered as one of the coordinator's, and held to what a left-out fit may ask."""
        question = session.history.current(inner, LeaveOut)
        admission.check_roster(session.plan, inner, self._policy, session.limits)
        session.history.check_all_others(inner)
        if inner.step == "open.people":
            return self._steps.open_people(session, inner)
        if inner.step == "open.values":
            return self._steps.open_values(session, inner)
        ask = admission.check_near(inner, question.allows(inner.receiver), session.limits.ellipsoid * question.people)
        if self._said.rounds_of(inner) >= session.limits.rounds * question.fits:
            raise NotAdmitted("not_derived")
        return self._steps.share(session, inner, ask, admission.named_step(inner))
