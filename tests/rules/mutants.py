"""Changed conditions: every way to drop, turn round or move one clause of a rule. Some example must notice each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from gagyo.governance.grammar import All, AtLeast, Below, Condition, HasAny, Held, Is, Neither, Some


def mutants(condition: Condition) -> Iterator[Condition]:
    """Each condition that differs from this one in one clause."""
    match condition:
        case All(parts) | Some(parts) | Neither(parts):
            kind: Any = type(condition)
            for index, part in enumerate(parts):
                rest = parts[:index] + parts[index + 1 :]
                if rest:
                    yield kind(rest)
                yield from (kind((*parts[:index], changed, *parts[index + 1 :])) for changed in mutants(part))
            if len(parts) > 1 and kind is not Neither:
                yield (Some if kind is All else All)(parts)
        case Is(fact, values) | HasAny(fact, values):
            yield Neither((condition,))
            for value in values if len(values) > 1 else ():
                yield type(condition)(fact, tuple(one for one in values if one != value))  # type: ignore[arg-type]
        case AtLeast(_, bound) | Below(_, bound):
            yield Neither((condition,))
            yield from (replace(condition, bound=_moved(bound, step)) for step in (-1, 1))
        case Held():
            yield Neither((condition,))


def _moved(bound: int | date, step: int) -> int | date:
    return bound + timedelta(days=step) if isinstance(bound, date) else max(bound + step, 0)
