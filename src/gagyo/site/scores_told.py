"""Which bins of scores and values were opened under a plan: who counts the same again may not cut a little beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gagyo.release.aggregate import Floats
from gagyo.release.halves import nested

SCORES = "score_bins"
"""The step that counts scores in bins."""

GRIDS = ("value_bins", "variable_bins")
"""The steps that count values in cells: of the lattice, and about a predictor's mean."""


TIMES = "exits"
"""The step that counts who leaves in intervals of time."""


@dataclass(frozen=True)
class Cells:
    """The cuts of a variable's cells that a step opened of a cohort."""

    step: str
    cohort: str
    variable: str
    cuts: Floats


@dataclass(frozen=True)
class Score:
    """What bins of an earlier question were of: the formula, coefficients, layout and score set; and their cuts."""

    analysis: str
    cohort: str
    arguments: Mapping[str, Any]
    which: tuple[float, ...]
    cuts: Floats


def scores_opened(analysis: str, cohort: str, arguments: Mapping[str, Any], bins: Floats) -> Iterator[Score]:
    """The score sets of which a question opened bins, and at which cuts. bins: two of each cut, NaN where shut."""
    for number, cuts in _opened(arguments, bins):
        yield Score(analysis, cohort, arguments, tuple(arguments["sets"][number]), cuts)


def cells_opened(step: str, cohort: str, arguments: Mapping[str, Any], bins: Floats) -> Iterator[Cells]:
    """Of which variables a question opened cells, and at which cuts. bins: two of each cut, NaN where shut."""
    for number, cuts in _opened(arguments, bins):
        yield Cells(step, cohort, arguments["variables"][number], cuts)


def times_opened(cohort: str, arguments: Mapping[str, Any], exits: Floats) -> Cells:
    """At which times exits of a cohort were opened. exits: by interval, NaN where shut."""
    shut = np.asarray(np.isnan(exits).reshape(len(exits), -1).any(axis=1))
    return Cells(TIMES, cohort, str(arguments["time"]), np.unique(arguments["edges"][~shut]))


def _opened(arguments: Mapping[str, Any], bins: Floats) -> Iterator[tuple[int, Floats]]:
    """By number of what is counted (`which`), the cuts at which something was opened."""
    every = nested(arguments["edges"])[:, :, 1]
    shut = np.asarray(np.isnan(bins.reshape(*every.shape, -1)).any(axis=2))
    for number in np.unique(arguments["which"]).astype(int).tolist():
        mine = arguments["which"] == number
        if not shut[mine].all():
            yield number, every[mine][~shut[mine]]
