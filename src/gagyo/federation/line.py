"""The line of a plan's analyses, walked one question at a time: by the coordinator, and again by every hospital.

Both walk the same line on the same opened numbers, so each hospital knows what an honest coordinator would ask next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Conversation, Question
from gagyo.federation.dispensable import AnswerWithheld, NotAsked
from gagyo.federation.known import KnownSums, shared_note
from gagyo.federation.method import Method, imputed_by, may_lack, patterned_by, read_method
from gagyo.finding import Finding
from gagyo.protocol.study import Study
from gagyo.result import Result

MOST_WITHHELD = 2
"""Parts of one analysis that hospitals may withhold; further ones are not asked for: three refusals go to people."""


@dataclass(frozen=True)
class Cursor:
    """Where on the line: the analysis and the number of its question."""

    analysis: str
    round: int


def complete_variables(study: Study, methods: Mapping[str, Method]) -> dict[str, frozenset[str]]:
    """By cohort, the variables that everyone in its one analysis set has: all that it and its analyses need."""
    needed = {name: frozenset(cohort.complete) for name, cohort in study.cohorts.items()}
    for name, method in methods.items():
        cohort = study.analyses[name].cohort
        needed[cohort] |= method.complete
    return needed


def needed_elsewhere(study: Study, methods: Mapping[str, Method]) -> list[Finding]:
    """A finding for each variable that one analysis lets people lack and that its cohort lets nobody lack.

    A cohort has one set of people: who lacks what another of its analyses needs is in none of them. For the time of a
    change or of a start that would be worse than a loss: only who lived to change would be left (immortal time).
    """
    kinds = (
        ("imputed_is_needed", "impute", imputed_by),
        ("visit_is_needed", "measured", patterned_by),
        ("change_is_needed", "changes", may_lack),
        ("start_is_needed", "start", may_lack),
    )
    return [
        Finding(
            code,
            place=study.analyses[name].place(option),
            values={"found": variable, "expected": ", ".join(needing), "cohort": study.analyses[name].cohort},
        )
        for code, option, lacking in kinds
        for name, method in methods.items()
        if option in study.analyses[name].options
        for variable in lacking(method)
        if (needing := _needing(study, methods, study.analyses[name].cohort, variable))
    ]


def _needing(study: Study, methods: Mapping[str, Method], cohort: str, variable: str) -> list[str]:
    """What needs a variable of everyone in a cohort: the cohort itself, or analyses by name."""
    of_cohort = study.cohorts[cohort]
    itself = [f"cohorts.{cohort}"] if variable in of_cohort.variables or variable in of_cohort.complete else []
    others = [name for name, one in methods.items() if study.analyses[name].cohort == cohort]
    return [*itself, *(f"analyses.{name}" for name in others if variable in methods[name].complete)]


class Line:
    """All analyses of a study in order; `question` is the current one, `answer` moves on."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.methods = {name: read_method(analysis, study) for name, analysis in study.analyses.items()}
        check_none(needed_elsewhere(study, self.methods))
        self.complete = complete_variables(study, self.methods)
        self.results: dict[str, Result] = {}
        self.stopped: dict[str, Stopped] = {}
        self.shared: dict[str, set[str]] = defaultdict(set)
        """By analysis, the analyses that had asked for sums of it before."""
        self._left = list(study.analyses)
        self._conversation: Conversation | None = None
        self._known = KnownSums()
        self._withheld, self._given = 0, 0
        self.question: Question | None = None
        self.cursor: Cursor | None = None
        self._open_next()

    def imputed(self, analysis: str) -> tuple[str, ...]:
        """The variables whose missing values an analysis fills in; none where there is no such analysis."""
        return imputed_by(self.methods[analysis]) if analysis in self.methods else ()

    def patterned(self, analysis: str) -> tuple[str, ...]:
        """The variables of which an analysis opens sums by who has which; none where there is no such analysis."""
        return patterned_by(self.methods[analysis]) if analysis in self.methods else ()

    def never(self, cohort: str) -> tuple[str, ...]:
        """The variables of a cohort whose absence says that something never happened."""
        methods = (self.methods[name] for name, one in self.study.analyses.items() if one.cohort == cohort)
        return tuple(dict.fromkeys(name for method in methods for name in may_lack(method)))

    def complete_without(self, absent: Collection[str]) -> dict[str, frozenset[str]]:
        """`complete` at a hospital that never records some variables: there, no value is no answer.

        Where a missing time says that a change never came, it says so only where changes are recorded.
        """
        needed = dict(self.complete)
        for name, method in self.methods.items():
            needed[self.study.analyses[name].cohort] |= frozenset(may_lack(method)).intersection(absent)
        return needed

    @property
    def sends(self) -> dict[str, tuple[dict[str, Any], ...]]:
        """What each hospital would send, by analysis, as it stands in a plan."""
        return {name: tuple(asdict(one) for one in method.sends()) for name, method in self.methods.items()}

    def answer(self, value: Any) -> None:
        """Give the current question's answer (Pooled, or Numerals by hospital) and move to the next question."""
        assert self.cursor is not None
        assert self.question is not None
        self._known.note(self.study.analyses[self.cursor.analysis], self.question, value)
        self._advance(lambda conversation: conversation.send(value))

    def withhold(self, sites: Collection[str]) -> None:
        """Hospitals withheld the current question: its part ends, or where it is not dispensable the analysis."""
        assert self.question is not None
        found = Finding("answer_withheld", values={"found": ", ".join(sites), "site": min(sites)})
        if not self.question.dispensable:
            self.stop(Stopped(found))
            return
        self._withheld += 1
        self._advance(lambda conversation: conversation.throw(AnswerWithheld(found)))

    def stop(self, why: Stopped) -> None:
        """End the current analysis with the reason, and move on to the next; a method may know a better one."""
        if self._conversation is not None:
            try:
                self._conversation.throw(why)
            except Stopped as named:
                why = named
            except StopIteration:
                pass
        self._end(why)
        self._open_next()

    def take_back(self, analysis: str, why: Stopped) -> None:
        """An analysis that had a result has none, for a reason that came to light later; nor has what stands on it."""
        gone: set[str] = set()
        for name in self.study.analyses:
            lost = gone.intersection({*self.methods[name].needs, *self.shared[name]})
            if name in self.results and (name == analysis or lost):
                del self.results[name]
                gone.add(name)
                needs = Finding("needs_result", values={"found": ", ".join(sorted(lost))})
                self.stopped[name] = why if name == analysis else Stopped(needs)

    def _advance(self, step: Any) -> None:
        assert self._conversation is not None
        assert self.cursor is not None
        try:
            self.question = self._to_ask(step(self._conversation))
            self.cursor = Cursor(self.cursor.analysis, self.cursor.round + 1)
        except StopIteration as end:
            self.results[self.cursor.analysis] = self._told(end.value)
            self._open_next()
        except Stopped as why:
            self.stop(why)

    def _to_ask(self, question: Question) -> Question:
        """The question, or the next one that is asked: no sum that is known, and of parts no more once so many were
        withheld.
        """
        assert self._conversation is not None
        assert self.cursor is not None
        analysis = self.study.analyses[self.cursor.analysis]
        while True:
            if (known := self._known.find(analysis, question)) is not None:
                self.shared[analysis.name].add(known.analysis)
                self._given += 1
                question = self._conversation.send(known.value)
            elif question.dispensable and self._withheld >= MOST_WITHHELD:
                question = self._conversation.throw(NotAsked(Finding("withheld_fit")))
            else:
                return question

    def _told(self, result: Result) -> Result:
        """A result without the rounds that were not asked, and with whose sums it has."""
        assert self.cursor is not None
        others = self.shared.get(self.cursor.analysis)
        if not others:
            return result
        note = shared_note([one for one in self.study.analyses.values() if one.name in others])
        return replace(result, rounds=max(result.rounds - self._given, 0), notes=(*result.notes, note))

    def _end(self, why: Stopped) -> None:
        assert self.cursor is not None
        self.stopped[self.cursor.analysis] = why

    def _open_next(self) -> None:
        self.question, self._conversation, self._given = None, None, 0
        self._withheld = 0
        if not self._left:
            self.cursor = None
            return
        name = self._left.pop(0)
        self.cursor = Cursor(name, -1)
        missing = [need for need in self.methods[name].needs if need not in self.results]
        if missing:
            self.stop(Stopped(Finding("needs_result", values={"found": ", ".join(missing)})))
            return
        self._conversation = self.methods[name].combine(self.results)
        self._advance(lambda conversation: next(conversation))
