"""A hospital's answers, on record: an answer is kept, then its receipt is written, then it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from gagyo.errors import Refused, Tampered
from gagyo.finding import Finding
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer, Outcome
from gagyo.release.ledger import Ledger, Verifier
from gagyo.site.fault_log import FaultLog
from gagyo.site.said import Said
from gagyo.site.store import Store


class Receipts:
    """Makes this hospital's answers, each with its link on the ledger."""

    def __init__(self, name: str, store: Store, ledger: Ledger, said: Said, log: FaultLog) -> None:
        self._name, self._store, self._ledger, self._said, self._log = name, store, ledger, said, log
        self._sound = False

    def recover(self) -> None:
        """Write the receipts of kept answers that a crash, or a full disk, left unwritten."""
        if self._sound:
            return
        for receipt in self._store.unwritten(len(self._ledger)):
            if receipt.sequence == len(self._ledger):
                self._ledger.append(receipt)
        self._sound = True

    def check_held(self, shown: Iterable[Answer], verify: Verifier) -> None:
        """What this hospital signed, and is shown again, has to stand on its ledger: else that ends too early.

        verify: of this hospital's own key. What is not signed by it is refused where it is used.

        Raises:
            Refused: `answer_ledger_behind`; nothing is written down, for that would be a second link of one number.
        """
        for answer in shown:
            receipt = answer.receipt
            if answer.site != self._name or receipt is None or self._ledger.holds(receipt):
                continue
            with suppress(Tampered):
                receipt.check(verify)
                self._log.note_behind(receipt.sequence, len(self._ledger))
                raise Refused(Finding("answer_ledger_behind", values={"found": self._name}))

    def doubt(self) -> None:
        """This machine could not write: what is kept is held against the ledger before the next answer."""
        self._sound = False

    def answered(self, request: str) -> Answer | None:
        """The answer given to a request (by its digest), if there is one."""
        return self._store.answered(request)

    def release(
        self,
        request: Request,
        payload: dict[str, Any],
        channel: str,
        numbers: int,
        fit: str = "",
        outcome: Outcome = "released",
    ) -> Answer:
        """Record what leaves, and by which channel. fit: whose parameters its numbers are, see `Case.fit`."""
        record = _record(request, outcome, channel) | {"numbers": numbers, "fit": fit}
        answer = Answer(request.digest, self._name, outcome, payload=payload)
        receipt = self._ledger.prepare(record | {"payload": answer.payload_digest})
        self._store.keep(answer := answer.receipted(receipt))
        self._ledger.append(receipt)
        return answer

    def refuse(self, request: Request, code: str, rules: tuple[str, ...] = ()) -> Answer:
        """Record a refusal. Which rules were broken, or what is wrong with the rows, is for the hospital's people;
        outside there is only the code.
        """
        outcome: Outcome = "referred" if code == "referred" else "refused"
        receipt = self._said.referral(request) if code == "referred" else None
        if receipt is None:
            receipt = self._ledger.prepare(_record(request, outcome, "") | {"code": code, "payload": ""})
            self._ledger.append(receipt)
        self.note_rules(request, code, rules)
        return Answer(request.digest, self._name, outcome, code, receipt=receipt)

    def note_rules(self, request: Request, code: str, rules: tuple[str, ...]) -> None:
        """Tell the hospital's own people which rules kept something back."""
        self._log.note_rules(request, code, rules)

    def close(self, request: Request) -> Answer:
        """The closing receipt: signed by this hospital, it covers the tail of its ledger."""
        return self.release(request, {"head": self._ledger.head}, channel="close", numbers=0)


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
