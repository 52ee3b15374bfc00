"""Sums that several analyses of a cohort ask for alike: what one of them opened, the others are given without asking.

Curves and mean survival times stand on one grid of times, models of one formula on the same knots. The same question to
the same people has the same answer, which left the hospitals once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from gagyo.federation.ask import Ask, Pooled, Question
from gagyo.federation.asked import same_arguments
from gagyo.protocol.study import Analysis
from gagyo.result import Words
from gagyo.text import LANGUAGES, Text, join, translate


class KnownSum(NamedTuple):
    """A sum, the analysis that asked for it, and with which arguments."""

    analysis: str
    arguments: Mapping[str, Any]
    value: Pooled


class KnownSums:
    """Sums by cohort and by the function that hospitals ran, whatever method they ran it for."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, Callable[..., Any]], list[KnownSum]] = defaultdict(list)

    def note(self, analysis: Analysis, question: Question, value: Any) -> None:
        """A question was answered."""
        if isinstance(question, Ask) and question.common:
            # A copy: who asked may write into what it was given, and so may those that are given it again.
            self._alike(analysis, question).append(KnownSum(analysis.name, question.arguments, deepcopy(value)))

    def find(self, analysis: Analysis, question: Question) -> KnownSum | None:
        """The same question of another analysis, but for how a processor rounds what is derived anew."""
        if not isinstance(question, Ask) or not question.common:
            return None
        others = (one for one in self._alike(analysis, question) if one.analysis != analysis.name)
        return next((deepcopy(one) for one in others if same_arguments(question.arguments, one.arguments)), None)

    def _alike(self, analysis: Analysis, question: Ask) -> list[KnownSum]:
        return self._sums[analysis.cohort, question.step.function]


def shared_note(analyses: Sequence[Analysis]) -> Words:
    """The note that a result has sums which these analyses had asked for."""
    named = join("; ", *(one.label if one.label.en else Text(one.name) for one in analyses))
    said = (translate("kept.shared", language, found=named.to(language)) for language in LANGUAGES)
    return Words("kept.shared", text=Text(*said))
