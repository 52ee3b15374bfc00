"""Which hospitals tell nothing of themselves, so that what one of them withholds does not follow.

What is withheld of one hospital alone would follow from the sums over all less what the others tell. So hospitals first
say what they would withhold, and zeros in the place of all else; then one more of them is silent, the smallest.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gagyo.federation.ask import Ask, Numerals
from gagyo.federation.local import LocalStep
from gagyo.federation.rows import Rows
from gagyo.release.aggregate import Measure
from gagyo.result import Words


@dataclass(frozen=True)
class ByHospital:
    """What hospitals tell of themselves; which are silent; by hospital what is withheld of it for another reason."""

    answers: Mapping[str, Numerals]
    silent: Sequence[str]
    withheld: Mapping[str, Numerals]

    @property
    def notes(self) -> tuple[Words, ...]:
        """The note of a result that names the silent hospitals, if there are any."""
        return (Words("kept.silent", {"found": ", ".join(self.silent)}),) if self.silent else ()

    def reasons(self, answers: Mapping[str, Numerals]) -> Mapping[str, Numerals]:
        """By hospital, the answer that says why something of these answers is not there."""
        return {**answers, **{site: self.withheld[site] for site in self.silent}}


TOLD_NOTHING = ByHospital({}, (), {})


def told_each(
    withheld: LocalStep, step: LocalStep, asked: Mapping[str, Any], more: Mapping[str, Any], doing: str = "summing"
) -> Generator[Any, Any, ByHospital]:
    """Ask hospitals what they would withhold of a step, and then the step, for which `more` is told beside."""
    first: Mapping[str, Numerals] = yield Ask(withheld, dict(asked), each=True, doing=doing)
    silent = silent_of(first)
    answers = yield Ask(step, {**asked, **more, "silent": silent}, each=True, doing=doing)
    return ByHospital(answers, silent, first)


def zeroed(told: Mapping[str, Measure]) -> dict[str, Measure]:
    """How many people a hospital has, and zeros in the place of what else it would tell."""
    return {name: one if name == "people" else _zero(one) for name, one in told.items()}


def _zero(one: Measure) -> Measure:
    """Zero in the place of a measure's numbers, with the cells of the first, which are those of all."""
    people, others, structural = one.people[:1], one.others[:1], one.structural[:1]
    return replace(one, values=np.zeros(1), scale=np.ones(1), people=people, others=others, structural=structural)


def but_silent(rows: Rows, told: Mapping[str, Measure], silent: Sequence[str]) -> dict[str, Measure]:
    """What a hospital tells; of a silent one only how many people it has: behind all else there is nobody."""
    if rows.site not in silent:
        return dict(told)
    return {
        name: one if name == "people" else replace(one, people=np.zeros_like(one.people)) for name, one in told.items()
    }


def silent_of(answers: Mapping[str, Numerals]) -> list[str]:
    """Who withholds something that would tell of a few people; beside these the smallest of the others.

    Sums over all less what the others tell are sums over both, and enough people are behind these. The smallest is so
    in every analysis: what it tells in none follows from none.
    """
    keep = [site for site, one in answers.items() if _withholds(one)]
    others = sorted((float(one["people"][0]), site) for site, one in answers.items() if site not in keep)
    return [*keep, *(site for _, site in others[:1])] if keep else []


def _withholds(one: Numerals) -> bool:
    """Whether anything is withheld; that an accuracy of few people is useless is no secret."""
    return any(shut.any() and one.reasons.get(name) != "precision" for name, shut in one.withheld.items())
