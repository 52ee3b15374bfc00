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
        """What the hospital that is left out releases in the end.

        One that lost its place (its service was started again, or none runs there between two of a courier's files) is
        brought the letters of all turns from then on, and goes on from where it was.

        Raises:
            IncompleteError: a hospital refused, or the fit does not end.
        """
        others = [site for site in self.roster if site != self.site]
        letters: list[dict[str, bytes]] = [{}]
        lost = 0
        while True:
            turn = len(letters) - 1
            relay = {"sealed": letters[-1], **({"turns": letters[:-1]} if lost else {})}
            (answer,) = yield [self._request(self.site, "receive", {"turn": turn, "others": others}, lost, relay)]
            if answer.outcome == "behind" and not lost:
                lost = 1
            elif answer.outcome == "relay" and turn + 1 < self.most:
                letters.append((yield from self._carry(answer, turn, lost)))
            elif answer.outcome == "released":
                return answer
            else:
                raise IncompleteError([answer])

    def _carry(self, answer: Answer, turn: int, attempt: int) -> Asking:
        """The other hospitals' sealed answers to sealed requests, by hospital."""
        arguments = {"from": self.site, "turn": turn}
        answers = yield [
            self._request(site, "relayed", arguments, attempt, {"sealed": letter})
            for site, letter in answer.payload["sealed"].items()
        ]
        refused = [one for one in answers if one.outcome != "relay"] or [*filter(None, map(_withheld, answers))]
        if refused:
            raise IncompleteError(refused)
        return {one.site: one.payload["sealed"] for one in answers}

    def _request(
        self, site: str, step: str, arguments: Mapping[str, Any], attempt: int, relay: Mapping[str, Any]
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
            relay=relay,
        )


def _withheld(answer: Answer) -> Answer | None:
    """The refusal for privacy that a sealed answer holds, as its receipt beside it says; None where it is none."""
    receipt = answer.receipt
    if receipt is None or (receipt.record["outcome"], receipt.record["code"]) != ("refused", "withheld"):
        return None
    return Answer(receipt.record["request"], answer.site, "refused", "withheld", receipt=receipt)
