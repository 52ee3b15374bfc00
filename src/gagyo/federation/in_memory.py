"""Runs a method on rows held in memory, with no gate, ring or record: for tests of methods and for teaching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gagyo.federation.ask import Ask, Conversation, LeaveOut, Numerals, Pooled
from gagyo.federation.rows import Rows
from gagyo.release.aggregate import Aggregate
from gagyo.result import Result


def converse(conversation: Conversation, hospitals: Mapping[str, Rows]) -> Result:
    """The result of a conversation in which every hospital answers in full."""
    answer: Any = None
    while True:
        try:
            question = conversation.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        answer = _left_out(question, hospitals) if isinstance(question, LeaveOut) else _ask(question, hospitals)


def _ask(ask: Ask, hospitals: Mapping[str, Rows]) -> Pooled | dict[str, Numerals]:
    assert not ask.step.check(ask.arguments), [finding.text("en") for finding in ask.step.check(ask.arguments)]
    answers = {site: ask.step(rows, **ask.arguments) for site, rows in hospitals.items()}
    if ask.each:
        return {site: _opened([answer]) for site, answer in answers.items()}
    opened = _opened(list(answers.values()))
    return Pooled(opened.values, opened.withheld, sites=tuple(hospitals))


def _opened(answers: Sequence[Aggregate]) -> Numerals:
    values = {name: np.sum([answer[name].values for answer in answers], axis=0) for name in answers[0]}
    return Numerals(values, {name: np.zeros(value.shape, bool) for name, value in values.items()})


def _left_out(question: LeaveOut, hospitals: Mapping[str, Rows]) -> dict[str, Numerals]:
    answers = {}
    for site, rows in hospitals.items():
        others = {name: other for name, other in hospitals.items() if name != site}
        fit = question.fit(site)
        answer: Any = None
        while True:
            try:
                answer = _ask(fit.send(answer), others)
            except StopIteration as end:
                arguments = {**question.arguments, **end.value}
                break
        answers[site] = _opened([question.step(rows, **arguments)])
    return answers
