"""Analyses of a plan that treat tied events in two ways: what their sums differ by is the tied people's.

Without any effect, Efron's and Breslow's partial likelihoods of the same people differ by those alone who had the event
at one time at one hospital, and a log-rank test is Breslow's. Where only two did, these two people's columns follow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from gagyo.federation.line import Line
from gagyo.methods._survival.times import tied
from gagyo.protocol.request import Request
from gagyo.release.aggregate import Aggregate, compared
from gagyo.site.session import Session
from gagyo.site.subgroups import outcome_of
from gagyo.statistics.cox import TIES

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
    def of(cls, line: Line, analysis: str, asked: int | None) -> Ties | None:
        """None of an analysis that has no risk sets within hospitals; a weighted log-rank test is no other's score.

        asked: how its questions treat ties, which is not the default of a Cox model where few are tied.
        """
        one, said = line.study.analyses[analysis], line.study.analyses[analysis].options
        time, strata = str(said.get("time", "")), str(said.get("strata", ""))
        if one.method == "log_rank" and said.get("compare") != "pooled" and said.get("weight", "none") == "none":
            return cls("breslow", one.cohort, time, str(said["event"]), "")
        if one.method == "cox" and said.get("hospitals") != "pooled":
            way = str(said.get("ties", "efron")) if asked is None else TIES[asked]
            return cls(way, one.cohort, time, outcome_of(line, analysis), strata)
        if one.method == "weighting" and time:
            return cls(str(said.get("ties", "efron")), one.cohort, time, str(said["outcome"]), "")
        return None


def ties_between(session: Session, request: Request) -> Aggregate:
    """With the first sum of an analysis that says how it treats ties, of how many people it and earlier ones treat them
    unlike: of a Cox model with the sums of its fit, as it may find first that few are tied, and take Breslow's.
    """
    analysis, asked = session.study.analyses.get(request.analysis), request.arguments.get("ties")
    if analysis is None or (asked is None if analysis.method == "cox" else request.round > 0):
        return {}
    opened = [name for name in session.study.analyses if name in session.history.opened and name != request.analysis]
    mine = Ties.of(session.line, request.analysis, asked)
    cells = list(_cells(session, mine, opened)) if mine else []
    return {NAME: compared(np.array(cells, np.int64))} if cells else {}


def _cells(session: Session, mine: Ties, opened: Collection[str]) -> Iterator[int]:
    columns = session.data.columns
    for name in opened:
        other = Ties.of(session.line, name, session.history.ties.get(name))
        if other and (mine.time, mine.event) == (other.time, other.event) and mine.way != other.way:
            both = session.cohorts[mine.cohort].complete & session.cohorts[other.cohort].complete
            for strata in dict.fromkeys([mine.strata, other.strata]):
                event = both & (columns[mine.event] == 1)
                yield tied(columns[mine.time], event, columns[strata] if strata else None)
