"""Minimum people: behind every value stand at least k people; the cohort itself has k at every hospital."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.release.case import Breach, Case, by_entry, few_there, left_few, too_few

TABLES = (".cells", ".present", ".sum", ".squares")
"""The measures of a table's variables."""


def minimum_people(case: Case) -> Iterator[Breach]:
    """A share is ruled by the hospital's cohort and its own groups (cells are ruled on the sum); all else cell by cell.

    A group within one hospital, such as a ward, holds nobody or k people, whatever it is summed with.
    """
    least = case.limits.minimum_people
    if case.people < least:
        yield Breach("minimum_people")
    elif case.scope != "share":
        cells = {
            name: too_few(measure.people, measure.structural, least)
            for name, measure in case.aggregate.items()
            if measure.kind not in ("bins", "grouped", "times", "compared", "left")  # rules of their own look at these
        }
        yield from by_entry(case, "minimum_people", cells)
        # Of a table also who is left beside a variable that is nearly the same.
        between = {name: left_few(case, name) for name in case.aggregate if name.endswith(TABLES)}
        yield from by_entry(case, "minimum_people", between)
    if case.scope != "pooled":
        groups = {name: few_there(measure.own, least) for name, measure in case.aggregate.items()}
        yield from by_entry(case, "minimum_people", groups)
