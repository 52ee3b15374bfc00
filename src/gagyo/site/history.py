"""Follows a run from inside one hospital: what was opened so far, checked, and what an honest coordinator asks next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from gagyo.errors import Tampered
from gagyo.exchange.envelope import PublicKeys
from gagyo.federation.ask import Ask, LeaveOut, Question
from gagyo.federation.line import Cursor, Line
from gagyo.federation.opened import Opened, apply
from gagyo.federation.secure_sum import Record, check_record, pooled
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.release.ledger import Entry
from gagyo.site.admission import NotAdmitted
from gagyo.site.scores_told import GRIDS, SCORES, TIMES, Cells, Score, cells_opened, scores_opened, times_opened

Kind = TypeVar("Kind", Ask, LeaveOut)


class History:
    """One plan's line at this hospital, moved on only by answers that their hospitals signed."""

    def __init__(self, plan: Plan, line: Line, publics: Mapping[str, PublicKeys]) -> None:
        self._plan = plan
        self._behind = line
        self._publics = publics
        self._followed = 0
        self._last: Opened | None = None
        self._rosters: dict[str, tuple[str, ...]] = {}
        self.sizes: dict[str, int] = {}
        """By statement, how many people the sum was over, as this hospital found when it opened it."""
        self.opened: set[str] = set()
        """The analyses of which anything was opened."""
        self.scores: list[Score] = []
        """The bins of scores that were opened."""
        self.cells: list[Cells] = []
        """The cells of values that were opened."""
        self.ties: dict[str, int] = {}
        """By analysis, how its opened sums treat tied events: what its questions say of `ties`."""

    def follow(self, history: Sequence[Opened]) -> None:
        """Check and take in what was opened since the last request."""
        for opened in history[self._followed :]:
            if opened.cursor != self._line.cursor:
                raise Tampered.of("bad_order", found=str(opened.cursor), expected=str(self._line.cursor))
            if opened.record is not None:
                self._check(opened.cursor, opened.record)
                self._note_roster(opened.cursor, opened.record)
                self.opened.add(opened.cursor.analysis)
                self._note_opened(opened.cursor, opened.record)
            for site, receipt in opened.refused:
                self._check_refused(opened.cursor, site, receipt)
            self._last = opened
            self._followed += 1

    def shown(self, request: Request) -> Iterator[Answer]:
        """The answers that a request brings, of this round and of those since the last request."""
        for opened in request.relay.get("history", ())[self._followed :]:
            if opened.record is not None:
                yield from (*opened.record.values, *opened.record.shares)
        for name in ("shares", "people"):
            yield from request.relay.get(name, ())

    @property
    def _line(self) -> Line:
        """The line, moved on by all that was opened: only when it is asked for, as the last result never is here."""
        if self._last is not None:
            last, self._last = self._last, None
            apply(self._behind, last)
        return self._behind

    def _note_roster(self, cursor: Cursor, record: Record) -> None:
        if record.shares:
            cohort = self._plan.study.analyses[cursor.analysis].cohort
            self._rosters[cohort] = tuple(share.site for share in record.shares)

    def _note_opened(self, cursor: Cursor, record: Record) -> None:
        question = self._line.question
        if not record.shares or not isinstance(question, Ask):
            return
        if "ties" in question.arguments:
            self.ties[cursor.analysis] = int(question.arguments["ties"])
        kind, cohort = question.step.name.partition(".")[2], self._plan.study.analyses[cursor.analysis].cohort
        if kind == SCORES:
            self.scores += scores_opened(cursor.analysis, cohort, question.arguments, pooled(record).values["bins"])
        elif kind in GRIDS:
            self.cells += cells_opened(kind, cohort, question.arguments, pooled(record).values["bins"])
        elif kind == TIMES:
            self.cells.append(times_opened(cohort, question.arguments, pooled(record).values["exits"]))

    def others(self, request: Request) -> tuple[str, ...]:
        """All hospitals but the asked one over which sums about the cohort were opened: whom it is left out of."""
        roster = self._rosters.get(request.cohort, ())
        others = tuple(site for site in roster if site != request.site)
        if len(others) == len(roster) or list(others) != list(request.arguments.get("others", ())):
            raise NotAdmitted("bad_roster")
        return others

    def check_all_others(self, inner: Request) -> None:
        """A hospital that is left out asks all the others: over fewer, a difference would be one hospital's."""
        roster = self._rosters.get(inner.cohort, ())
        if inner.roster != tuple(site for site in roster if site != inner.receiver):
            raise NotAdmitted("bad_roster")

    def _check(self, cursor: Cursor, record: Record) -> None:
        check_record(record, self._publics)
        for answer in (*record.values, *record.shares):
            assert answer.receipt is not None
            noted = answer.receipt.record
            if (noted["plan"], noted["analysis"], noted["round"]) != (self._plan.digest, cursor.analysis, cursor.round):
                raise Tampered.of("unlike_receipt", found=answer.site)
        if record.shares:
            self._check_size(record)

    def _check_refused(self, cursor: Cursor, site: str, receipt: Entry) -> None:
        """That a part was withheld is the word of the hospital that withheld it: nobody else can leave a part out."""
        question = self._line.question
        if site not in self._plan.study.sites or question is None or not question.dispensable:
            raise Tampered.of("unlike_receipt", found=site)
        receipt.check(self._publics[site].verify)
        about = tuple(receipt.record.get(name) for name in ("plan", "analysis", "round", "outcome", "code"))
        if about != (self._plan.digest, cursor.analysis, cursor.round, "refused", "withheld"):
            raise Tampered.of("unlike_receipt", found=site)

    def _check_size(self, record: Record) -> None:
        """No sum is greater than its people at their greatest: a hospital that adds more would steer the next step."""
        receipt = record.shares[0].receipt
        people = self.sizes.get(receipt.record["statement"]) if receipt else None
        if people is None:
            return
        header, opened = record.shares[0].payload["header"], pooled(record)
        flat = np.concatenate([opened.values[entry["name"]].ravel() for entry in header["measures"]])
        if np.any(np.abs(flat) > people * header["scales"] * (1 + 1e-9)):
            raise Tampered.of("sum_too_large")

    def question(self, request: Request) -> Question:
        """The question that the line stands at; a request about any other is not derived from what was opened."""
        analysis = self._plan.study.analyses.get(request.analysis)
        if analysis is None or analysis.cohort != request.cohort or self._line.question is None:
            raise NotAdmitted("not_derived")
        if self._line.cursor != Cursor(request.analysis, request.round):
            raise NotAdmitted("not_derived")
        return self._line.question

    def stands_at(self, request: Request) -> bool:
        """Whether a request is about the question that the line stands at."""
        return self._line.cursor == Cursor(request.analysis, request.round)

    def asks_each(self, request: Request) -> bool:
        """Whether the current question asks for this hospital's own numbers, and the request puts exactly it."""
        question = self._line.question
        return isinstance(question, Ask) and question.each and request.step == question.step.name

    def current(self, request: Request, kind: type[Kind]) -> Kind:
        """The current question, which must be of a kind."""
        question = self.question(request)
        if not isinstance(question, kind):
            raise NotAdmitted("not_derived")
        return question
