"""A part of an analysis that the hospitals may withhold: the rest is told, and says what it lacks."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gagyo.errors import Stopped

T = TypeVar("T")
WITHHELD = frozenset({"answer_withheld", "withheld_fit"})
"""Why an analysis, or a part of it, stops for privacy: refused as a whole, or what it cannot do without withheld."""


class AnswerWithheld(Stopped):
    """The hospitals withheld what was asked: thrown at a question that is dispensable, whose part ends there."""


class NotAsked(AnswerWithheld):
    """So many parts of the analysis were withheld before that this question was not put."""


@dataclass(frozen=True)
class Kept:
    """In the place of a part: it stayed inside the hospitals. asked: whether they were asked for it."""

    asked: bool = True


def unless_withheld(talk: Generator[Any, Any, T]) -> Generator[Any, Any, T | Kept]:
    """What a part of a conversation gives, each of its questions dispensable; `Kept` where it was withheld.

    What stops it for another reason stops the analysis, as it would without this.
    """
    step: Any = talk.send
    given: Any = None
    thrown: Stopped | None = None
    refused = False
    while True:
        try:
            question = step(given)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        except Stopped as why:
            if isinstance(thrown, AnswerWithheld) or WITHHELD.issuperset(one.code for one in why.findings):
                return Kept(asked=refused or not isinstance(thrown, NotAsked))
            raise
        try:
            given, step, thrown = (yield replace(question, dispensable=True)), talk.send, None
        except Stopped as why:
            given, step, thrown = why, talk.throw, why
            refused |= isinstance(why, AnswerWithheld) and not isinstance(why, NotAsked)


def counting(talk: Generator[Any, Any, T]) -> Generator[Any, Any, tuple[int, T]]:
    """How many questions a conversation put, and what it gave."""
    asked, given = 0, None
    step: Any = talk.send
    while True:
        try:
            question = step(given)
        except StopIteration as end:
            return asked, end.value
        try:
            given, step = (yield question), talk.send
        except Stopped as why:
            given, step = why, talk.throw
        asked += 1
