"""What the rules hand to the gate over the whole time of a study: the strictest of every day on which rules change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import reduce

from gagyo.governance.check import Bounds, check
from gagyo.governance.derive import Given
from gagyo.governance.evidence import Evidence
from gagyo.governance.pack import Pack, packs
from gagyo.protocol.study import Study


def bounds_over(what: Given, evidence: Sequence[Evidence] = (), own: Sequence[Pack] = ()) -> Bounds:
    """The limits of a study from its first day to its last. The clock is not read: everybody gets the same."""
    found = (check(what, day, evidence, own).bounds for day in days_of(what.study, own))
    return reduce(Bounds.strictest, found)


def days_of(study: Study, own: Sequence[Pack] = ()) -> list[date]:
    """The first day of a study, and each later one of its days on which other rules are in force."""
    rules = [rule for pack in (*packs(), *own) for rule in pack.rules]
    turns = {rule.start for rule in rules} | {rule.until + timedelta(days=1) for rule in rules if rule.until}
    first, last = study.period.start, study.period.until
    return [first, *sorted(day for day in turns if day and first < day <= last)]
