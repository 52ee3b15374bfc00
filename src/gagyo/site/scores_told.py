"""Which bins of scores were opened under a plan: who counts the same scores again may not cut them a little beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gagyo.release.aggregate import Floats
from gagyo.release.halves import nested

SCORES = "score_bins"
"""The step that counts scores in bins."""


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
    numbers, every = arguments["which"].astype(int), nested(arguments["edges"])[:, :, 1]
    shut = np.asarray(np.isnan(bins.reshape(*every.shape, -1)).any(axis=2))
    for number, one in enumerate(arguments["sets"]):
        mine = numbers == number
        cuts = every[mine][~shut[mine]]
        if len(cuts):
            yield Score(analysis, cohort, arguments, tuple(one), cuts)
