"""Saturation: a model with as many parameters as people, or a study that opens as many numbers as data, is data."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.release.case import Breach, Case


def saturation(case: Case) -> Iterator[Breach]:
    """Parameters of one fit against people; numbers opened over the study's life against people x columns, and with
    those that other plans opened about the same people against the columns of all.
    """
    limits = case.limits
    if case.scope == "share":
        return
    if case.fit and case.per_fit > limits.parameters_per_person * case.people:
        yield Breach("saturation")
        return
    spent, share = (
        (case.spending.each, limits.numbers_each)
        if case.scope == "each"
        else (case.spending.pooled, limits.numbers_sum)
    )
    now, before = spent + case.numbers, case.before
    alone, together = (share * case.people * columns for columns in (case.columns, before.columns))
    if now > alone or (before.numbers and now + before.numbers > together):
        yield Breach("saturation")
