"""What people at one hospital decided about plans: what lets a decision count, and where it stands on record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gagyo.canonical import plain
from gagyo.errors import FileFault, check_none
from gagyo.governance.approval import Statement
from gagyo.protocol.plan import Plan
from gagyo.release.ledger import Ledger
from gagyo.site.approvals import Approvals
from gagyo.site.noting import note
from gagyo.site.policy import Policy
from gagyo.site.ruled import Ruled, Unlisted
from gagyo.site.session import Session
from gagyo.site.store import Store


class Decided:
    """Decisions on plans, kept in the store and on the ledger. ruled: the hospital's own check of the rules."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        store: Store,
        ledger: Ledger,
        approvals: Approvals,
        ruled: Ruled | Unlisted,
    ) -> None:
        self._name = name
        self._policy = policy
        self._store = store
        self._ledger = ledger
        self._approvals = approvals
        self._ruled = ruled

    def check_possible(self, plan: Plan) -> None:
        """FileFault where a plan was withdrawn, or only counts people and the policy answers no more of these."""
        if self.withdrawn(plan.digest):
            raise FileFault.of("approval_withdrawn", found=plan.digest)
        self._check_counting(plan)

    def approve(self, session: Session, data: str, statements: Sequence[Statement]) -> None:
        """Approve an opened plan on data of this digest; FileFault with what is missing or forbids it."""
        plan = session.plan
        counts_only = plan.study.counts_only
        try:
            self._check_same_data(plan, data)
            self._check_rules(session)
            self._approvals.take_in(plan, data, statements, needed=not counts_only)
        except FileFault:
            if self.withdrawn(plan.digest):
                self._note_decision("withdraw", plan.digest)
            raise
        self._note_what_was_told(plan)
        if counts_only:
            self._note_decision("count", plan.digest, cohorts=len(plan.study.cohorts))
        else:
            self._note_decision("approve", plan.digest)
        self._store.keep_plan(plan)
        self._store.set_approval(plan.digest, data.encode(), "approved")

    def withdraw(self, plan: str, statements: Sequence[Statement] = ()) -> None:
        """Withdraw the approval of a plan; the next request finds it gone. statements: whose word it was, to keep."""
        self._approvals.keep_withdrawals(plan, statements)
        self._note_decision("withdraw", plan)
        self._store.set_approval(plan, b"", "withdrawn")

    def refuse(self, plan: str, reason: str = "") -> None:
        """Put on record that people here refused a plan, and why; never approved, it changes nothing at the door."""
        self._note_decision("refuse", plan, **({"reason": reason} if reason else {}))

    def ever(self, plan: str) -> bool:
        """Whether a plan was approved here, even if the approval was withdrawn since."""
        return self._store.approval(plan) != ""

    def withdrawn(self, plan: str) -> bool:
        """Whether the approval of a plan was withdrawn here."""
        return self._store.approval(plan) == "withdrawn"

    def statements(self, plan: str) -> list[Statement]:
        """The signed statements kept for a plan."""
        return self._store.statements(plan)

    def may_count(self, plan: Plan) -> bool:
        """Whether the policy answers a plan that only counts people."""
        try:
            self._check_counting(plan)
        except FileFault:
            return False
        return plan.study.counts_only

    def rule_today(self, session: Session) -> None:
        """Make the check of the day, and put it on record where it is another than the last."""
        if isinstance(self._ruled, Unlisted):
            return
        found = self._ruled.on(session.plan)
        if found is not session.ruling:
            session.ruling = found
            self._note_once(note("check", session.plan.digest, "", found.told()))

    def _check_rules(self, session: Session) -> None:
        """This hospital's own check allows on this day what the plan would send from here."""
        self.rule_today(session)
        if found := session.ruling:
            check_none(found.findings())

    def _note_what_was_told(self, plan: Plan) -> None:
        """Where the rules do not decide, what they say on the day of an approval is on record all the same."""
        if isinstance(self._ruled, Unlisted) and (told := self._ruled.told(plan)):
            self._note_once(note("check", plan.digest, "", told))

    def _check_counting(self, plan: Plan) -> None:
        """A plan that only counts people is answered where the policy allows it, up to so many cohorts in all.

        Each is ruled on like any other; but nobody looks at it, and very many counts together could tell of someone.
        """
        if not plan.study.counts_only:
            return
        before = sum(cohorts for digest, cohorts in self._counted.items() if digest != plan.digest)
        if before + len(plan.study.cohorts) <= self._policy.feasibility:
            return
        code = "answer_feasibility_spent" if self._policy.feasibility else "answer_feasibility_not_allowed"
        raise FileFault.of(code, site=self._name, found=self._policy.feasibility, expected=len(plan.study.cohorts))

    @property
    def _counted(self) -> dict[str, int]:
        """How many cohorts each plan had that only counts people and was answered here before."""
        told = ((entry.record["plan"], entry.record.get("told", {})) for entry in self._ledger.entries)
        return {plan: int(note["cohorts"]) for plan, note in told if note.get("doing") == "count"}

    def _check_same_data(self, plan: Plan, data: str) -> None:
        """Data stay as they were approved: a study on data that change under it could be differenced."""
        if self._store.approved_data(plan.digest) not in ("", data):
            raise FileFault.of("data_changed", found=self._name)

    def _note_decision(self, doing: str, plan: str, **beside: int | str) -> None:
        """Write a decision on a plan to the ledger, with the signed statements that it rests on; again only if new."""
        told: dict[str, Any] = {"doing": doing, "statements": [plain(one) for one in self._store.statements(plan)]}
        told |= beside
        if doing == "approve" and (carried := self._approvals.carried(plan)):
            told["carried"] = [plain(one) for one in carried]
        self._note_once(note("decision", plan, "", told))

    def _note_once(self, record: dict[str, Any]) -> None:
        """Write a record of an act to the ledger, unless it stands there."""
        if record not in (entry.record for entry in self._ledger.about(record["plan"])):
            self._ledger.record([record])
