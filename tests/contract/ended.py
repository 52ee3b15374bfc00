"""What a study ends with: on rows in memory, which takes a tenth of the time, or behind real doors (BEHIND_DOORS).

That doors, gate and ring change nothing is tested of the methods' examples (`test_methods`), but for grids and draws
that are others there: of each such method a reference is compared behind doors. `make differences` has all of them so.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gagyo.errors import Stopped
from gagyo.federation import rows as federation
from gagyo.federation.ask import Ask, Conversation, Sends
from gagyo.federation.in_memory import converse
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.site.policy import Policy
from tests.hospitals import House, Rows, house

BEHIND_DOORS = "GAGYO_BEHIND_DOORS"
"""The variable of the environment that has the references compared behind doors."""


@dataclass(frozen=True)
class Ended:
    """A study, its results, and why others of its analyses stopped."""

    study: Study
    results: Mapping[str, Result]
    stopped: Mapping[str, Stopped]


def ended(
    folder: Path,
    text: str,
    people: Mapping[str, Rows],
    policies: Mapping[str, Policy] | None = None,
    doors: bool = False,
) -> Ended:
    """What a study ends with; `folder` is for doors, `policies` are the hospitals' own. doors: in any case there."""
    return drawn(folder, text, people, policies, doors)[0]


def drawn(
    folder: Path,
    text: str,
    people: Mapping[str, Rows],
    policies: Mapping[str, Policy] | None = None,
    doors: bool = False,
) -> tuple[Ended, dict[str, bytes]]:
    """What a study ends with, and by hospital the secret by which it draws what is imputed: in memory there is none."""
    if not doors and not os.environ.get(BEHIND_DOORS):
        return _in_memory(text, people), {}
    built = house(folder, text, people, policies)
    run = built.run()
    return Ended(run.study, run.results, run.stopped), secrets_of(built)


def secrets_of(built: House) -> dict[str, bytes]:
    """By hospital, the key of what it draws for its people."""
    return {name: site._secret("draws") for name, site in built.sites.items()}


def rehearsed(text: str, people: Mapping[str, Rows]) -> Mapping[str, Result]:
    """All results of a study without doors, gate or ring.

    Raises:
        Stopped: an analysis comes to none.
    """
    done = _in_memory(text, people)
    for why in done.stopped.values():
        raise why
    return done.results


def _in_memory(text: str, people: Mapping[str, Rows]) -> Ended:
    parsed = Study.parse(text)
    seed = f"{parsed.study} {parsed.seed}"  # people have the numbers that they have behind doors
    inside = {
        name: federation.Rows(name, parsed.variables, one.columns, one.persons, seed) for name, one in people.items()
    }
    results: dict[str, Result] = {}
    stopped: dict[str, Stopped] = {}
    for name, method in Line(parsed).methods.items():
        try:
            results[name] = converse(_told(method.combine(results), method.sends()), inside)
        except Stopped as why:
            stopped[name] = why
    return Ended(parsed, results, stopped)


def _told(conversation: Conversation, sends: Sequence[Sends]) -> Conversation:
    """The conversation, in which no step asks for more numbers or rounds than a plan tells."""
    rounds, answer = Counter[str](), None
    while True:
        try:
            question = conversation.send(answer)
        except StopIteration as end:
            return end.value
        answer = yield question
        if isinstance(question, Ask):
            one, step = next(iter(answer.values())) if question.each else answer, question.step.name
            rounds[step] += 1
            told = [other for other in sends if other.step == step and (other.each or not question.each)]
            assert sum(value.size for value in one.values.values()) <= max(other.numbers for other in told), step
            assert rounds[step] <= sum(other.rounds for other in told), step
