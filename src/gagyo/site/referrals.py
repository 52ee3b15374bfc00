"""What goes to people at a hospital before it leaves: by its policy, by a rule in force, or after privacy refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gagyo.protocol.request import Request
from gagyo.site.policy import Policy
from gagyo.site.reviews import Reviews, Subject
from gagyo.site.said import Said
from gagyo.site.session import Session

REFUSALS_BEFORE_REFERRAL = 3


class Referrals:
    """Each check passes where people let it through, and raises NotAdmitted, as `Reviews.check` does, where not."""

    def __init__(self, policy: Policy, reviews: Reviews, said: Said) -> None:
        self.policy = policy
        self._reviews, self._said = reviews, said

    def check_refusals(self, plan: str) -> None:
        """After three privacy refusals, and after each three more, people decide whether the study goes on."""
        for number in range(REFUSALS_BEFORE_REFERRAL, self._said.refusals(plan) + 1, REFUSALS_BEFORE_REFERRAL):
            self._reviews.check(Subject(plan, "study", "", str(number)), {"refusals": number})

    def check_cohorts(self, plan: str, number: int) -> None:
        """That a cohort differs by a few people from another says something of these: of more than three, people decide
        before anything is told.
        """
        if number > REFUSALS_BEFORE_REFERRAL:
            self._reviews.check(Subject(plan, "study", "", "cohorts"), {"refusals": number})

    def check_analysis(self, session: Session, request: Request) -> None:
        """An analysis whose method the policy refers goes to people: its sums before anything is computed.

        Numbers of this hospital alone are computed first, and wait: people see what would leave.
        """
        asked = self.concern(session, request) and session.history.stands_at(request)
        if not asked or session.history.asks_each(request):
            return
        shown = {"sends": list(session.line.sends[request.analysis])}
        self._reviews.check(Subject(request.plan, "analysis", request.analysis, ""), shown)

    def concern(self, session: Session, request: Request) -> bool:
        """Whether the policy, or a rule in force here, gives what an analysis sends to a person."""
        analysis = session.study.analyses.get(request.analysis)
        if analysis is None:
            return False
        ruling = session.ruling or session.bound
        by_rule = ruling.released_by_person(request.analysis)
        return by_rule or analysis.method in self.policy.referral

    def check_output(self, request: Request, payload: Mapping[str, Any]) -> None:
        """Numbers of this hospital leave just as people saw them."""
        self._reviews.check(Subject(request.plan, "output", request.analysis, request.digest), payload)
