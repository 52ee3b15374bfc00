"""Records every answer before it is used, and gives recorded answers again: resume and audit are the same thing.

Beside the first answer to a question stand its arguments, so that a run can be taken up, and audited, on a machine that
rounds otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gagyo.canonical import canonical, joined, plain
from gagyo.errors import SiteSilent, found_in
from gagyo.exchange.envelope import Keys
from gagyo.federation.asked import Questions
from gagyo.federation.wire import ASKED, answer_from, question_of
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.release.ledger import Ledger, Seen


class Runtime(Protocol):
    """Carries requests to hospitals and their answers back; decides nothing."""

    name: str

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer a request, in their order; SiteSilent where one is missing."""
        ...


class Nobody:
    """A runtime without hospitals: what is not in the journal cannot be asked."""

    name = "journal"

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """Raise SiteSilent, unless nothing is asked."""
        if requests:
            raise SiteSilent.of("not_in_journal", found=requests[0].step, site=requests[0].site)
        return []


class Journal:
    """The coordinator's signed chain of answers in front of another runtime; without one, an audit of what was said."""

    def __init__(self, path: Path, keys: Keys, inner: Runtime | None = None) -> None:
        self._inner = inner or Nobody()
        self.name = self._inner.name
        self._chain = Ledger(path, keys.sign)
        self._given: dict[str, Answer] = {}
        self._refused: dict[str, Answer] = {}
        self._missed: dict[str, Answer] = {}
        self._questions = Questions()
        self._seen = Seen()
        with found_in(path.name):
            for entry in self._chain.entries:
                self._note(answer_from(entry.record), question_of(entry.record))
            self._look_at_receipts(self.answers)

    @property
    def head(self) -> str:
        """The head of the journal: hospitals note it in their receipts."""
        return self._chain.head

    @property
    def answers(self) -> list[Answer]:
        """All recorded answers in their order."""
        return [answer_from(entry.record) for entry in self._chain.entries]

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """Recorded answers where there are any; what is new is asked, written down, and only then given.

        A hospital that refused is asked again, for it may have approved since; in an audit its refusal stands, and one
        for privacy always: the run may have gone on with other parts. That one did not answer is written down only by
        `go_on_without`; that one had lost its place in a fit, at once: the fit goes on from its letters, now and
        whenever the journal is read.
        """
        asked = [self._questions.asked(request) for request in requests]
        known = {**self._missed, **self._given}
        if isinstance(self._inner, Nobody):
            known = {**self._refused, **known}
        fresh = [request for request in asked if request.digest not in known]
        answers = self._inner.ask([self._acknowledging(request) for request in fresh])
        self._write([answer for answer in answers if answer.outcome != "silent"], fresh)
        now = {**self._refused, **known, **self._given, **{one.request: one for one in answers}}
        return [now[request.digest] for request in asked]

    def go_on_without(self, silent: Sequence[Answer]) -> None:
        """Write down that no answer came, and that the run goes on: from then on it is so, also for an audit."""
        self._write([answer for answer in silent if answer.request not in self._missed])

    def _write(self, answers: Sequence[Answer], requests: Iterable[Request] = ()) -> None:
        told = list(self._with_questions(answers, {request.digest: request for request in requests}))
        self._look_at_receipts(answers)
        self._chain.record_written(_link(*one) for one in told)
        for one in told:
            self._note(*one)

    def _look_at_receipts(self, answers: Iterable[Answer]) -> None:
        """What contradicts the receipts so far is not written down: a run can go on once the hospital is in order."""
        for answer in answers:
            if answer.receipt is not None:
                self._seen.note(answer.site, answer.receipt)

    def _with_questions(
        self, answers: Sequence[Answer], requests: Mapping[str, Request]
    ) -> Iterator[tuple[Answer, Request | None]]:
        """Each answer, and what was asked where its link is the first that can say so, under the answer's receipt."""
        told: set[str] = set()
        for answer in answers:
            request = requests.get(answer.request) if answer.receipt else None
            fresh = request is not None and self._questions.is_new(request) and request.statement not in told
            if request is not None and fresh:
                told.add(request.statement)
            yield answer, request if fresh else None

    def _acknowledging(self, request: Request) -> Request:
        return request.relaying(journal=self.head)

    def _note(self, answer: Answer, question: Request | None) -> None:
        if question is not None:
            self._questions.note(question)
        kept = {"released": self._given, "relay": self._given, "silent": self._missed, "behind": self._missed}
        stands = self._given if answer.code == "withheld" else self._refused
        kept.get(answer.outcome, stands)[answer.request] = answer


def _link(answer: Answer, question: Request | None) -> tuple[dict[str, Any], bytes]:
    """What stands in the chain of an answer, and its canonical bytes."""
    if question is None:
        return plain(answer), answer.written
    said = {ASKED: canonical(question.arguments), **answer.parts}
    return {ASKED: plain(question.arguments), **plain(answer)}, joined(said)
