"""A hospital's own accuracy of several given equations: whose scores and outcomes these numbers are, taken together.

Each equation's expected cases, squared errors, log-loss and its spread, calibration in the large and its error are sums
over how many people have each score and outcome. Where few scores differ, as of age in whole years, and equations are
some, no other numbers of people agree with all of these.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gagyo.methods._validation.equation_cells import FEW_SCORES
from gagyo.protocol import formula as formulas
from gagyo.release.aggregate import NOBODY, Counts, Floats, own_table
from gagyo.site.equations import Given
from gagyo.site.session import Session

SAME = 0.01
"""In deviations: scores nearer than this count as one, so that a column that hardly moves them makes none unlike."""

SHARED = 0.75
"""Where more unlike scores than this come to a person, nearly everybody has one of their own: of several columns."""


def scored_again(session: Session, analysis: str) -> Counts:
    """How many of a cohort's people have each score, by all equations of the plan up to this one, and each outcome:
    none counts as one (`own_table`). Of no cell where this is the first, or scores are too many to follow.
    """
    mine, rows = Given.of(session.line, analysis), session.cohorts[session.study.analyses[analysis].cohort].rows
    others = [] if mine is None else list(_told(session, analysis, mine))
    if mine is None or not others or not rows.n:
        return NOBODY
    columns = {name: rows[name] for name in session.study.variables}
    scores = np.column_stack([one.scores(columns, session.study.variables) for one in (mine, *others)])
    place = _places(np.nan_to_num(scores))
    unlike = int(place.max()) + 1
    if unlike > min(FEW_SCORES * scores.shape[1] ** 2, SHARED * rows.n):
        return NOBODY
    y = columns[formulas.parse(mine.formula, session.study.variables).outcome] == 1
    return own_table(np.bincount(2 * place + y, minlength=2 * unlike))


def _told(session: Session, analysis: str, mine: Given) -> Iterator[Given]:
    """The unlike equations whose accuracy was told before of some of the same people."""
    analyses, cohorts = session.study.analyses, session.cohorts
    people, found = cohorts[analyses[analysis].cohort].complete, [mine]
    for name in analyses:
        other = Given.of(session.line, name) if name in session.history.opened and name != analysis else None
        if other is not None and other not in found and (people & cohorts[analyses[name].cohort].complete).any():
            found.append(other)
            yield other


def _places(scores: Floats) -> Counts:
    """Which of the unlike rows of scores (n, equations) each person has."""
    deviation = scores.std(axis=0)
    rounded = np.rint(scores / (SAME * np.where(deviation > 0, deviation, 1.0))).astype(np.int64)
    return np.asarray(np.unique(rounded, axis=0, return_inverse=True)[1], np.int64).reshape(-1)
