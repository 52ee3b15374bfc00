"""Signed approvals at one hospital's door: which are kept, and whether every role that the policy requires said yes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.governance.approval import LACKS, Asked, Lack, Statement, Terms, asks_for_it, finding, lack, lacks, people
from gagyo.governance.roles import Role
from gagyo.protocol.amendment import Amendment
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.result import Words
from gagyo.site.admission import NotAdmitted
from gagyo.site.store import Store


class Approvals:
    """What a policy's `terms` ask for, held against the statements that the hospital keeps."""

    def __init__(self, store: Store, terms: Terms, site: str, today: Callable[[], date]) -> None:
        self._store, self._terms, self._site, self._today = store, terms, site, today
        self._earlier: dict[str, Mapping[str, frozenset[str]]] = {}

    def take_in(self, amended: Plan, data: str, statements: Sequence[Statement], needed: bool = True) -> None:
        """Keep the statements that count; FileFault where one does not, or a required role's is not there.

        Whoever leads the study asks for the approval: nobody approves what they asked for. needed: False where the
        policy itself allows the plan; a signed withdrawal holds there too.
        """
        plan, lead = amended.digest, amended.study.lead.name
        self._earlier[plan] = earlier(self._store, self._terms, amended)
        asked = self._asked(plan, data)
        own = [one for one in statements if one.decision == "approve" and asks_for_it(one, lead)]
        if own:
            values = {"role": Words(f"approval.role.{own[0].role}"), "person": own[0].person, "found": lead}
            raise FileFault(Finding("approval_own", values=values))
        found = [(one, lack(one, self._terms, replace(asked, earlier={}))) for one in statements]
        for one, why in found:
            if why is None:
                self._store.keep_statement(plan, one)
        faults = [finding(why, one.role, asked, one) for one, why in found if why]
        short = self._short(asked, needed)
        if "approval_withdrawn" in short.values():
            self._store.set_approval(plan, b"", "withdrawn")
            faults.append(Finding("approval_withdrawn", values={"found": plan}))
        else:
            told = {one.role for one, why in found if why}
            faults += [self._told(why, role, asked) for role, why in short.items() if role not in told]
        if faults:
            raise FileFault(*faults)

    def _told(self, why: Lack, role: Role, asked: Asked) -> Finding:
        if why != "approval_too_few":
            return finding(why, role, asked)
        signed = people(role, self._terms, self._statements(asked), asked)
        told = {"found": signed, "expected": self._terms.at_least[role], "plan": asked.plan, "site": asked.site}
        return Finding(why, values={"role": Words(f"approval.role.{role}"), **told})

    def keep_withdrawals(self, plan: str, statements: Sequence[Statement]) -> None:
        """Keep whose word a withdrawal was."""
        asked = self._asked(plan, "")
        for one in statements:
            if one.decision == "withdraw" and lack(one, self._terms, asked) is None:
                self._store.keep_statement(plan, one)

    def _short(self, asked: Asked, needed: bool) -> dict[Role, Lack]:
        """What the required roles lack; of a plan that needs none, only what was withdrawn."""
        short = lacks(self._terms, self._statements(asked), asked)
        return short if needed else {role: why for role, why in short.items() if why == "approval_withdrawn"}

    def check(self, request: Request, needed: bool = True) -> None:
        """Every required role's approval counts today, for this analysis, on the data that the plan was approved on.

        Raises:
            NotAdmitted: with what is lacking.
        """
        asked = self._asked(request.plan, self._store.approved_data(request.plan), request.analysis)
        short = self._short(asked, needed)
        if short:
            raise NotAdmitted(max(short.values(), key=LACKS.index))

    def _asked(self, plan: str, data: str, analysis: str = "") -> Asked:
        standing = {old: same for old, same in self._earlier.get(plan, {}).items() if self._stands(old)}
        return Asked(plan, self._site, data, self._today(), analysis, standing)

    def _stands(self, plan: str) -> bool:
        return self._store.approval(plan) == "approved"

    def _statements(self, asked: Asked) -> list[Statement]:
        """What is kept for a plan, and what was said of earlier ones."""
        return [one for plan in (asked.plan, *asked.earlier) for one in self._store.statements(plan)]

    def carried(self, plan: str) -> list[Statement]:
        """Statements of earlier plans that count for something of this one."""
        return [one for old in self._earlier.get(plan, {}) for one in self._store.statements(old)]


def earlier(store: Store, terms: Terms, plan: Plan) -> dict[str, frozenset[str]]:
    """By digest, earlier plans approved here with what a plan left as it was; none where nothing is carried over."""
    olds = store.earlier_plans(plan) if terms.carry_over else []
    return {old.digest: same for old in olds if (same := Amendment(old, plan).untouched)}
