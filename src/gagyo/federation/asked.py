"""What was asked, as it was asked: whoever derives a question again elsewhere finds it but for what rounding leaves.

Processors and numerical libraries add in different orders, so that the arguments of a question, which a method derives
from what was opened, differ in their last bits from machine to machine, and their digests altogether.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gagyo.protocol.request import Request

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""How far the numbers of two machines may lie apart. No attack fits into that."""
OPENINGS = ("open.people", "open.values")

Place = tuple[str, str, int, str, str]


class Questions:
    """The arguments of the questions that were asked, by what they are about."""

    def __init__(self) -> None:
        self._at: dict[Place, dict[str, Mapping[str, Any]]] = {}
        self._derived: dict[str, str] = {}
        """By the statement that was derived here, the one that was asked."""

    def note(self, request: Request) -> None:
        """A question was asked with these arguments."""
        self._at.setdefault(_place(request), {})[request.statement] = request.arguments

    def is_new(self, request: Request) -> bool:
        """Whether a question holds numbers that another machine derives otherwise, and was not noted yet."""
        return _rounds(request.arguments) and request.statement not in self._at.get(_place(request), {})

    def asked(self, request: Request) -> Request:
        """A request with the arguments with which its question was asked; as it is where it was not."""
        if request.step in OPENINGS:
            derived = str(request.arguments.get("statement"))
            statement = self._derived.get(derived, derived)
            return request if statement == derived else replace(request, arguments={"statement": statement})
        known = self._at.get(_place(request), {})
        if request.statement in known:
            return request
        for statement, arguments in known.items():
            if same_arguments(request.arguments, arguments):
                self._derived[request.statement] = statement
                return replace(request, arguments=arguments)
        return request


def _place(request: Request) -> Place:
    return (request.analysis, request.cohort, request.round, request.step, request.receiver)


def _rounds(arguments: Mapping[str, Any]) -> bool:
    return any(isinstance(value, (float, np.ndarray)) for value in arguments.values())


def same_arguments(got: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether two sets of arguments are the same but for rounding."""
    return set(got) == set(wanted) and all(_same(got[name], value) for name, value in wanted.items())


def _same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, np.ndarray) and isinstance(got, np.ndarray):
        if got.shape != wanted.shape:
            return False
        # Mostly they are the same to the last bit, which is seen far sooner.
        return bool((got == wanted).all()) or bool(np.allclose(got, wanted, rtol=RELATIVE, atol=ABSOLUTE))
    if isinstance(wanted, float) and isinstance(got, (int, float)):
        return math.isclose(got, wanted, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if isinstance(wanted, (list, tuple)) and isinstance(got, (list, tuple)):
        return list(got) == list(wanted)
    return bool(got == wanted)
