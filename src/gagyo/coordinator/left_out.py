"""Leave one hospital out: the coordinator only carries what that hospital asks of the others, and cannot read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gagyo.federation.line import Cursor
from gagyo.federation.secure_sum import Asking, IncompleteError
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer


@dataclass(frozen=True)
class LeftOutFit:
    """One hospital's fit of the others' model. most: turns after which it is given up."""

    plan: str
    cursor: Cursor
    cohort: str
    site: str
    roster: tuple[str, ...]
    most: int

    def ask(self) -> Asking:
        """What the hospital that is left out releases in the end; where it lost its place its fit starts again.

        Raises:
            IncompleteError: a hospital refused, or the fit does not end.
        """
        attempt = 0
        while (answer := (yield from self._attempt(attempt))).outcome == "behind":
            attempt += 1
        return answer

    def _attempt(self, attempt: int) -> Asking:
        others = [site for site in self.roster if site != self.site]
        sealed: dict[str, bytes] = {}
        for turn in range(self.most):
            (answer,) = yield [self._request(self.site, "receive", {"turn": turn, "others": others}, attempt, sealed)]
            if answer.outcome in ("behind", "released"):
                return answer
            if answer.outcome != "relay":
                raise IncompleteError([answer])
            sealed = yield from self._carry(answer, turn, attempt)
        raise IncompleteError([answer])

    def _carry(self, answer: Answer, turn: int, attempt: int) -> Asking:
        """The other hospitals' sealed answers to sealed requests, by hospital."""
        arguments = {"from": self.site, "turn": turn}
        answers = yield [
            self._request(site, "relayed", arguments, attempt, letter)
            for site, letter in answer.payload["sealed"].items()
        ]
        refused = [one for one in answers if one.outcome != "relay"] or [*filter(None, map(_withheld, answers))]
        if refused:
            raise IncompleteError(refused)
        return {one.site: one.payload["sealed"] for one in answers}

    def _request(
        self, site: str, step: str, arguments: Mapping[str, Any], attempt: int, sealed: bytes | Mapping[str, bytes]
    ) -> Request:
        return Request(
            self.plan,
            self.cursor.analysis,
            self.cohort,
            self.cursor.round,
            site,
            step,
            dict(arguments),
            attempt=attempt,
            relay={"sealed": sealed},
        )


def _withheld(answer: Answer) -> Answer | None:
    """The refusal for privacy that a sealed answer holds, as its receipt beside it says; None where it is none."""
    receipt = answer.receipt
    if receipt is None or (receipt.record["outcome"], receipt.record["code"]) != ("refused", "withheld"):
        return None
    return Answer(receipt.record["request"], answer.site, "refused", "withheld", receipt=receipt)
