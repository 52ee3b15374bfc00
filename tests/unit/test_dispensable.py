"""Parts of an analysis that hospitals may withhold: what a method sees, and how many of them are asked for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask
from gagyo.federation.dispensable import AnswerWithheld, Kept, NotAsked, counting, unless_withheld
from gagyo.federation.line import MOST_WITHHELD, Line
from gagyo.federation.local import find_step
from gagyo.finding import Finding
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.site.referrals import REFUSALS_BEFORE_REFERRAL
from tests.hospitals import STUDY

STEP = find_step("validate.location")
SAID = {"found": "busan", "site": "busan"}
WITHHELD = AnswerWithheld(Finding("answer_withheld", values=SAID))
Talk = Generator[Any, Any, Any]


def asks(number: int, stops: str = "") -> Talk:
    """So many questions, then their answers, or a stop."""
    given = []
    for one in range(number):
        given.append((yield Ask(STEP, {"number": one})))
    if stops:
        raise Stopped(Finding(stops, values=SAID))
    return given


def test_a_part_that_is_answered_is_as_it_would_be_and_its_questions_say_that_they_are_dispensable() -> None:
    talk = unless_withheld(asks(2))
    first = next(talk)
    second = talk.send("a")
    assert [(one.arguments["number"], one.dispensable) for one in (first, second)] == [(0, True), (1, True)]
    with pytest.raises(StopIteration) as end:
        talk.send("b")
    assert end.value.value == ["a", "b"]


@pytest.mark.parametrize(("why", "asked"), [(WITHHELD, True), (NotAsked(Finding("withheld_fit")), False)])
def test_a_part_ends_where_it_is_withheld(why: AnswerWithheld, asked: bool) -> None:
    talk = unless_withheld(asks(2))
    next(talk)
    talk.send("a")
    with pytest.raises(StopIteration) as end:
        talk.throw(why)
    assert end.value.value == Kept(asked)


@pytest.mark.parametrize(("code", "kept"), [("withheld_fit", True), ("separation", False)])
def test_a_part_that_stops_itself_is_withheld_only_where_its_numbers_were(code: str, kept: bool) -> None:
    talk = unless_withheld(asks(1, code))
    next(talk)
    with pytest.raises(StopIteration if kept else Stopped) as end:
        talk.send("a")
    assert not kept or end.value.value == Kept()


def test_another_reason_stops_the_analysis_whatever_part_is_asked_for() -> None:
    talk = unless_withheld(asks(1))
    next(talk)
    with pytest.raises(Stopped):
        talk.throw(Stopped(Finding("answer_withdrawn", values=SAID)))


def test_a_method_may_name_the_reason_and_the_part_is_withheld_all_the_same() -> None:
    def naming() -> Talk:
        try:
            yield Ask(STEP)
        except Stopped:
            raise Stopped(Finding("repeated_withheld", values=SAID)) from None

    talk = unless_withheld(naming())
    next(talk)
    with pytest.raises(StopIteration) as end:
        talk.throw(WITHHELD)
    assert end.value.value == Kept()


def test_a_part_of_a_part_is_withheld_alone() -> None:
    def outer() -> Talk:
        inner = yield from unless_withheld(asks(1))
        return inner, (yield Ask(STEP))

    talk = unless_withheld(outer())
    next(talk)
    assert talk.throw(WITHHELD).dispensable
    with pytest.raises(StopIteration) as end:
        talk.send("b")
    assert end.value.value == (Kept(), "b")


def test_questions_are_counted_whether_or_not_they_are_answered() -> None:
    talk = counting(unless_withheld(asks(3)))
    next(talk)
    talk.send("a")
    with pytest.raises(StopIteration) as end:
        talk.throw(WITHHELD)
    assert end.value.value == (2, Kept())


def test_a_part_that_was_refused_before_it_was_given_up_was_asked_for() -> None:
    """A coarser grid is tried after the first was refused, and no more is asked."""

    def trying() -> Talk:
        for _ in range(2):
            try:
                yield Ask(STEP)
            except Stopped:
                continue
        raise Stopped(Finding("separation", values=SAID))

    talk = unless_withheld(trying())
    next(talk)
    talk.throw(WITHHELD)
    with pytest.raises(StopIteration) as end:
        talk.throw(NotAsked(Finding("withheld_fit")))
    assert end.value.value == Kept(asked=True)


# The line.


class Parts:
    """A method of one question and so many parts."""

    complete: frozenset[str] = frozenset()
    needs = ()

    def __init__(self, number: int) -> None:
        self.number = number
        self.kept: list[Kept] = []

    def combine(self, earlier: Any) -> Talk:
        yield Ask(STEP)
        for _ in range(self.number):
            part = yield from unless_withheld(asks(1))
            self.kept += [part] if isinstance(part, Kept) else []
        yield Ask(STEP)
        return Result("parts", True, 10, ("seoul",), 1)


def line_of(number: int) -> tuple[Line, Parts]:
    """A line of two such analyses, at the first one's first question."""
    line = Line(Study.parse(STUDY + "".join(TABLE.format(name) for name in ("one", "two", "last"))))
    parts = Parts(number)
    line.methods |= {"two": parts}  # type: ignore[dict-item]
    while line.cursor and line.cursor.analysis == "one":
        line.stop(Stopped(Finding("withheld_fit")))
    return line, parts


TABLE = "  {}: {{method: describe, cohort: all, variables: [radius]}}\n"


def test_no_analysis_is_refused_so_often_that_people_have_to_decide() -> None:
    """Three refusals under a plan go to people, and so would all that comes after."""
    assert MOST_WITHHELD < REFUSALS_BEFORE_REFERRAL
    line, parts = line_of(5)
    line.answer({})
    rounds = []
    for _ in range(MOST_WITHHELD):
        assert line.question
        assert line.question.dispensable
        assert line.cursor
        rounds.append(line.cursor.round)
        line.withhold(["busan"])
    assert rounds == [1, 2]
    assert line.question
    assert line.cursor
    assert not line.question.dispensable
    assert line.cursor.round == 3
    line.answer({})
    assert parts.kept == [Kept()] * MOST_WITHHELD + [Kept(asked=False)] * 3
    assert line.cursor.analysis == "last"
    assert "two" in line.results


def test_what_is_no_part_ends_its_analysis_and_says_who_withheld_it() -> None:
    line, _ = line_of(1)
    line.withhold(["busan", "tianjin"])
    assert line.cursor
    assert line.cursor.analysis == "last"
    assert "busan, tianjin" in str(line.stopped["two"])


def test_a_method_that_would_go_on_by_itself_ends_where_it_said_nothing_of_a_part() -> None:
    class Insisting(Parts):
        def combine(self, earlier: Any) -> Talk:
            try:
                yield Ask(STEP)
            except Stopped:
                yield Ask(STEP, {"number": 2})

    line, _ = line_of(1)
    line.methods |= {"last": Insisting(0)}  # type: ignore[dict-item]
    line.withhold(["busan"])
    assert line.cursor
    assert line.cursor.analysis == "last"
    line.withhold(["busan"])
    assert line.cursor is None
    assert "last" in line.stopped


def test_a_stop_is_a_stop_in_a_part_too() -> None:
    line, _ = line_of(1)
    line.answer({})
    line.stop(Stopped(Finding("answer_withheld", values=SAID)))
    assert line.cursor
    assert line.cursor.analysis == "last"
    assert "two" in line.stopped


def test_each_analysis_has_its_own_count() -> None:
    line, _ = line_of(2)
    line.methods |= {"last": Parts(1)}  # type: ignore[dict-item]
    line.answer({})
    line.withhold(["busan"])
    line.withhold(["busan"])
    line.answer({})
    assert line.cursor
    assert line.cursor.analysis == "last"
    line.answer({})
    assert line.question
    assert line.question.dispensable
