"""Runs a plan: asks what the methods ask, of the hospitals that can answer, and says truly whom each result covers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gagyo.coordinator.left_out import LeftOutFit
from gagyo.errors import Refused, SiteSilent, Stopped
from gagyo.federation.ask import Ask, LeaveOut
from gagyo.federation.line import Cursor, Line
from gagyo.federation.opened import Opened, apply
from gagyo.federation.secure_sum import Asking, IncompleteError, Record, ask_each, secure_sum
from gagyo.finding import Finding
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.release.ledger import Entry
from gagyo.release.limits import Limits
from gagyo.result import Result

TURNS_A_ROUND = 4
"""Of a left-out fit: shares, their people and their values are three, and one begins or ends it."""


class Carrier(Protocol):
    """What a run needs of a runtime."""

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer a request, in their order; `silent` where none came in time."""
        ...

    def go_on_without(self, silent: Sequence[Answer]) -> None:
        """The run goes on although these did not come."""
        ...


@dataclass(frozen=True)
class Progress:
    """What is happening now, for a person to read: `doing` is a key `progress.<doing>`."""

    analysis: str
    round: int
    doing: str
    sites: tuple[str, ...]


class Run:
    """One run of a plan: `results` and `stopped` fill as it goes; `preflight` is what each hospital can answer for."""

    def __init__(self, plan: Plan, runtime: Carrier, tell: Callable[[Progress], None] | None = None) -> None:
        self.plan = plan
        self.study = plan.study
        self.preflight: dict[str, Answer] = {}
        self.answers: list[Answer] = []
        self._runtime = runtime
        self._tell = tell or (lambda progress: None)
        self._line = Line(self.study)
        self._history: list[Opened] = []
        self._roster: tuple[str, ...] = ()
        self.silent: set[str] = set()
        """Hospitals that did not answer in the study's patience, without which it went on."""
        self._limits = Limits(**dict(plan.limits))  # type: ignore[arg-type]

    @property
    def results(self) -> dict[str, Result]:
        """The results so far."""
        return self._line.results

    @property
    def stopped(self) -> dict[str, Stopped]:
        """The analyses that stopped, and why."""
        return self._line.stopped

    def never(self, cohort: str) -> tuple[str, ...]:
        """The variables of a cohort whose absence says that something never happened."""
        return self._line.never(cohort)

    def __iter__(self) -> Iterator[tuple[str, Result | Stopped]]:
        """Each analysis as it ends; once more where hospitals dispute afterwards what it ended with."""
        self._ask_preflight()
        shown: dict[str, Result | Stopped] = {}
        while self._line.cursor is not None:
            yield from self._ended(shown)
            self._history.append(self._next())
            apply(self._line, self._history[-1])
        self._close()
        yield from self._ended(shown)

    def _ended(self, shown: dict[str, Result | Stopped]) -> Iterator[tuple[str, Result | Stopped]]:
        for name in self.study.analyses:
            ended = self.results.get(name) or self.stopped.get(name)
            if ended is not None and ended is not shown.get(name):
                shown[name] = ended
                yield name, ended

    # Preflight and closing.

    def _ask_preflight(self) -> None:
        self._tell(Progress("", 0, "preflight", self.study.sites))
        asked = [Request(self.plan.digest, "", "", 0, site, "preflight") for site in self.study.sites]
        answers = self._ask(asked)
        self.preflight = {answer.site: answer for answer in answers if answer.outcome == "released"}
        missing = [answer for answer in answers if answer.outcome != "released"]
        if len(missing) > self.study.may_go_on_without:
            raise Refused(*(_refusal(answer) for answer in missing if answer.outcome != "silent"))

    def ready(self, cohort: str) -> tuple[str, ...]:
        """The hospitals that can answer for a cohort."""
        return tuple(
            site
            for site in self.study.sites
            if site in self.preflight and self.preflight[site].payload["cohorts"][cohort] == "ready"
        )

    def _close(self) -> None:
        """Closing receipts."""
        sites = tuple(site for site in self.preflight if site not in self.silent)
        answers = self._ask([Request(self.plan.digest, "", "", len(self._history), site, "close") for site in sites])
        self._heed(answers)

    def _heed(self, answers: Sequence[Answer]) -> None:
        """What was opened last the hospitals see only with what is asked next: if one disputes it, it is no result."""
        disputed = [answer for answer in answers if answer.code == "bad_record"]
        if disputed and self._history:
            found = IncompleteError(disputed).findings
            self._line.take_back(self._history[-1].cursor.analysis, Stopped(*found))

    # One question after the other.

    def _next(self) -> Opened:
        """Ask the current question; what was opened, or why the analysis stops here."""
        cursor, question = self._line.cursor, self._line.question
        assert cursor is not None
        assert question is not None
        cohort = self.study.analyses[cursor.analysis].cohort
        roster = self._roster or self._start_roster(cohort)
        missing = len(self.study.sites) - len(roster)
        if missing > self.study.may_go_on_without or len(roster) < self._limits.hospitals:
            absent = ", ".join(site for site in self.study.sites if site not in roster)
            return _stop(cursor, "too_few_hospitals", found=absent, expected=str(self.study.may_go_on_without))
        self._tell(Progress(cursor.analysis, cursor.round, question.doing, roster))
        try:
            if isinstance(question, LeaveOut):
                record = self._leave_out(cursor, cohort, roster, TURNS_A_ROUND * self._limits.rounds * question.fits)
            else:
                record = self._ask_roster(cursor, question, cohort, roster)
        except IncompleteError as incomplete:
            return self._without(cursor, roster, incomplete, question.dispensable)
        if record.shares and self.study.may_go_on_without:
            self._roster = roster
        return Opened(cursor, record)

    def _start_roster(self, cohort: str) -> tuple[str, ...]:
        """Who takes part. Where the study may go on without some, all its sums are over those ready for every cohort:

        sums of some cohorts over more hospitals would give away the difference.
        """
        used = {analysis.cohort for analysis in self.study.analyses.values()}
        cohorts = used if self.study.may_go_on_without else {cohort}
        return tuple(site for site in self.study.sites if all(site in self.ready(one) for one in cohorts))

    def _without(
        self, cursor: Cursor, roster: tuple[str, ...], incomplete: IncompleteError, dispensable: bool
    ) -> Opened:
        """Go on with fewer hospitals where the study allows it and no sum was opened yet; else without the part."""
        self._heed(incomplete.answers)
        refused = {answer.site for answer in incomplete.answers}
        fewer = tuple(site for site in roster if site not in refused)
        gone = len(self.study.sites) - len(fewer)
        if not self._opened and gone <= self.study.may_go_on_without:
            self._roster = fewer
            return self._next()
        if dispensable and all(answer.code == "withheld" for answer in incomplete.answers):
            return Opened(cursor, None, refused=_receipts(incomplete.answers))
        first = incomplete.answers[0]
        return _stop(cursor, f"answer_{first.code or first.outcome}", found=", ".join(sorted(refused)), site=first.site)

    @property
    def _opened(self) -> bool:
        """Whether a sum was opened: from then on its hospitals are those of all sums."""
        return any(one.record is not None and one.record.shares for one in self._history)

    def _ask_roster(self, cursor: Cursor, ask: Ask, cohort: str, roster: tuple[str, ...]) -> Record:
        first = Request(
            self.plan.digest,
            cursor.analysis,
            cohort,
            cursor.round,
            "",
            ask.step.name,
            ask.arguments,
            roster=() if ask.each else roster,
        )
        return self._drive(ask_each(first, roster) if ask.each else secure_sum(first))

    def _drive(self, asking: Asking) -> Record:
        requests = next(asking)
        while True:
            answers = self._ask(requests)
            try:
                requests = asking.send(answers)
            except StopIteration as end:
                record: Record = end.value[1]
                return record

    def _ask(self, requests: Sequence[Request]) -> list[Answer]:
        answers = self._runtime.ask([one.relaying(history=self._history) for one in requests])
        self.answers.extend(answers)
        silent = [answer for answer in answers if answer.outcome == "silent"]
        if silent:
            self._miss(silent, requests[0].step)
        return answers

    def _miss(self, silent: Sequence[Answer], step: str) -> None:
        """Go on without hospitals that did not answer, where the study allows it and no sum holds them yet.

        A sum that is being opened holds its whole roster already: each hospital opens it over no other.

        Raises:
            SiteSilent: otherwise; the same command takes the run up again when they are back.
        """
        gone = self.silent | {answer.site for answer in silent}
        absent = gone | (set(self.study.sites) - set(self._roster or self.preflight or self.study.sites))
        allowed = self.study.may_go_on_without
        held = (self._opened or step.startswith("open.")) and step != "close"
        if held or not allowed or len(absent) > allowed:
            raise SiteSilent(*(_silence(answer) for answer in silent))
        self._runtime.go_on_without(silent)
        self.silent = gone

    def _leave_out(self, cursor: Cursor, cohort: str, roster: tuple[str, ...], most: int) -> Record:
        """Every hospital fits the others' model at the same time: a turn of all these fits is asked together."""
        fits = {site: LeftOutFit(self.plan.digest, cursor, cohort, site, roster, most).ask() for site in roster}
        ended: dict[str, Answer] = {}
        waiting = {site: next(fit) for site, fit in fits.items()}
        while waiting:
            answers = iter(self._ask([request for requests in waiting.values() for request in requests]))
            asked, waiting = waiting, {}
            for site, requests in asked.items():
                try:
                    waiting[site] = fits[site].send([next(answers) for _ in requests])
                except StopIteration as end:
                    ended[site] = end.value
        return Record(tuple(ended[site] for site in roster))


def _stop(cursor: Cursor, code: str, **values: str) -> Opened:
    return Opened(cursor, None, code, tuple(values.items()))


def _receipts(answers: Sequence[Answer]) -> tuple[tuple[str, Entry], ...]:
    return tuple((answer.site, answer.receipt) for answer in answers if answer.receipt)


def _refusal(answer: Answer) -> Finding:
    return Finding(f"answer_{answer.code}", values={"site": answer.site, "found": answer.site})


def _silence(answer: Answer) -> Finding:
    return Finding(answer.code, values={"found": answer.site, "expected": answer.payload["since"]})


def run(
    plan: Plan, runtime: Carrier, tell: Callable[[Progress], None] | None = None
) -> Iterator[tuple[str, Result | Stopped]]:
    """Run a plan; each analysis as it ends, with its result or the reason why it stopped."""
    yield from Run(plan, runtime, tell)
