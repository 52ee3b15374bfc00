"""A hospital that is left out asks the others: their sums are opened to it alone, sealed, through the coordinator."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.federation import wire
from gagyo.federation.ask import LeaveOut
from gagyo.federation.secure_sum import check_record, secure_sum
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer

Sealed = dict[str, bytes]


class Receiving:
    """One leave-one-out fit, hosted by the hospital that is left out, a turn at a time."""

    def __init__(
        self,
        question: LeaveOut,
        request: Request,
        others: tuple[str, ...],
        keys: Keys,
        publics: Mapping[str, PublicKeys],
    ) -> None:
        self._keys = keys
        self._publics = publics
        self._request = request
        self._others = others
        self._talk = self._fit(question, others)
        self._turn = 0
        self._last: tuple[Sealed | None, dict[str, Any] | None] = (None, None)

    def turn(self, sealed: Mapping[str, bytes], turn: int) -> tuple[Sealed | None, dict[str, Any] | None]:
        """The others' sealed answers in; sealed requests out, or (None, arguments) when the fit is done."""
        if turn != self._turn:
            return self._last
        # In the roster's order: what carried them may have sorted them by name.
        letters = [sealed[site] for site in self._others if site in sealed]
        answers = [wire.open_answer(one, self._keys, self._request.plan) for one in letters]
        self._turn += 1
        try:
            requests = self._talk.send(answers) if turn else next(self._talk)
            self._last = (self._seal(requests), None)
        except StopIteration as end:
            self._last = (None, end.value)
        return self._last

    def _seal(self, requests: list[Request]) -> Sealed:
        return {one.site: wire.sealed_request(one, self._keys, self._publics[one.site]) for one in requests}

    def _fit(
        self, question: LeaveOut, others: tuple[str, ...]
    ) -> Generator[list[Request], list[Answer], dict[str, Any]]:
        me = self._request.site
        fit = question.fit(me)
        value: Any = None
        while True:
            try:
                ask = fit.send(value)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            first = Request(
                self._request.plan,
                self._request.analysis,
                self._request.cohort,
                self._request.round,
                me,
                ask.step.name,
                ask.arguments,
                roster=others,
                receiver=me,
            )
            value, record = yield from secure_sum(first)
            check_record(record, self._publics)
