"""Accuracy at thresholds and by subgroup, as tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gagyo.methods._kept import WITHHELD
from gagyo.methods._validation.cuts import Threshold
from gagyo.methods._validation.findings import Findings
from gagyo.methods._validation.tables import NOT_ESTIMABLE, TEXT, area, columns, kept_notes, ratio, said
from gagyo.result import Cell, Format, Interval, Table, Withheld, Words


def thresholds(found: Sequence[Threshold], *notes: Words) -> Table:
    """Accuracy at each threshold."""
    described = columns(
        ("rule", TEXT),
        ("threshold", "number"),
        ("sensitivity", "interval"),
        ("specificity", "interval"),
        ("ppv", "interval"),
        ("npv", "interval"),
        ("lr_positive", "interval", 2),
        ("lr_negative", "interval", 3),
    )
    rows = []
    for one in found:
        label = said("declared") if one.sensitivity is None else said("wanted", percent=f"{100 * one.sensitivity:g}")
        names = [column.name for column in described[2:]]
        cells: list[Cell] = [WITHHELD] * len(names)
        if one.accuracy:
            limits = [getattr(one.accuracy, name) for name in names]
            cells = [Interval(*three) if np.isfinite(three).all() else NOT_ESTIMABLE for three in limits]
        rows.append((label, one.value, *cells))
    return Table("thresholds", said("thresholds_title"), described, tuple(rows), notes=notes)


def thresholds_note(fixed: bool, crossed: bool) -> Words:
    """Whose predictions accuracy at thresholds is of."""
    return said("thresholds_fixed" if fixed else "thresholds_note" if crossed else "thresholds_apparent")


GROUPS: tuple[tuple[str, Format], ...] = (
    ("group", TEXT),
    ("people", "count"),
    ("cases", "count"),
    ("auc_within", "interval"),
    ("oe", "interval"),
)


def subgroups(found: Findings, least: int) -> Table:
    """Accuracy by group."""
    described = columns(*GROUPS)
    few = Withheld("fewer_than", max(10, least))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            label,
            Withheld("below_minimum", least) if np.isnan(one.people) else int(one.people),
            few if np.isnan(one.cases) else int(one.cases),
            few if np.isnan(one.auc) else area(one.auc, one.auc_error),
            few if np.isnan(one.oe) else ratio(one.oe, one.log_oe_error),
        )
        if one
        else (label, *[WITHHELD] * 4)
        for label, one in found.subgroups
    )
    note = said("subgroups_note" if found.fixed or found.crossed else "subgroups_apparent")
    notes = (note, *kept_notes(one for one in found.kept if one[0] == "subgroups"))
    return Table("subgroups", said("subgroups_title"), described, rows, notes=notes)
