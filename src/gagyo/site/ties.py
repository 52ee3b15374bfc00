"""Analyses of a plan that treat tied events in two ways: what their sums differ by is the tied people's.

Without any effect, Efron's and Breslow's partial likelihoods of the same people differ by those alone who had the event
at one time at one hospital, and a log-rank test is Breslow's. Where only two did, these two people's columns follow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from gagyo.federation.line import Line
from gagyo.protocol.request import Request
from gagyo.release.aggregate import Aggregate, Floats, compared
from gagyo.release.few_values import Bools
from gagyo.site.session import Session
from gagyo.site.subgroups import outcome_of

NAME = "ties compared"
"""The name of the measure among those of an answer."""


@dataclass(frozen=True)
class Ties:
    """How an analysis on exact times treats tied events, and of what: a cohort, a time, an event, strata or none."""

    way: str
    cohort: str
    time: str
    event: str
    strata: str

    @classmethod
    def of(cls, line: Line, analysis: str) -> Ties | None:
        """None of an analysis that has no risk sets within hospitals; a weighted log-rank test is no other's score."""
        one, said = line.study.analyses[analysis], line.study.analyses[analysis].options
        time, strata = str(said.get("time", "")), str(said.get("strata", ""))
        if one.method == "log_rank" and said.get("compare") != "pooled" and said.get("weight", "none") == "none":
            return cls("breslow", one.cohort, time, str(said["event"]), "")
        if one.method == "cox" and said.get("hospitals") != "pooled":
            return cls(str(said.get("ties", "efron")), one.cohort, time, outcome_of(line, analysis), strata)
        if one.method == "weighting" and time:
            return cls(str(said.get("ties", "efron")), one.cohort, time, str(said["outcome"]), "")
        return None


def ties_between(session: Session, request: Request) -> Aggregate:
    """With the first sum of an analysis, of how many people it and earlier ones treat ties unlike."""
    if request.round > 0 or request.analysis not in session.study.analyses:
        return {}
    opened = [name for name in session.study.analyses if name in session.history.opened and name != request.analysis]
    cells = list(_cells(session, request.analysis, opened))
    return {NAME: compared(np.array(cells, np.int64))} if cells else {}


def _cells(session: Session, now: str, opened: Collection[str]) -> Iterator[int]:
    mine, columns = Ties.of(session.line, now), session.data.columns
    for name in opened if mine else ():
        other = Ties.of(session.line, name)
        if mine and other and (mine.time, mine.event) == (other.time, other.event) and mine.way != other.way:
            both = session.cohorts[mine.cohort].complete & session.cohorts[other.cohort].complete
            for strata in dict.fromkeys([mine.strata, other.strata]):
                yield tied(columns[mine.time], columns[mine.event] == 1, columns[strata] if strata else None, both)


def tied(time: Floats, event: Bools, strata: Floats | None, who: Bools) -> int:
    """How many of some people had the event when others of them, of the same stratum, had it too."""
    some = who & event
    places: Floats = np.column_stack([time[some], np.zeros(int(some.sum())) if strata is None else strata[some]])
    _, numbers = np.unique(places, axis=0, return_counts=True)
    return int(numbers[numbers > 1].sum())
