"""The study flow as a shape: per hospital the people in its data, who was excluded and why, and who was analysed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gagyo.result import Cell, Column, Table, Words
from gagyo.text import Text


@dataclass(frozen=True)
class Branch:
    """One hospital: `counts` in the order of the flow's columns.

    There are none where the hospital gave no answer (`state`) or where its people are too few to count (`why`).
    """

    label: Words
    counts: tuple[Cell, ...]
    state: str = "answered"
    why: Cell = None


@dataclass(frozen=True)
class Flow:
    """Branches over `columns`: first the people in the data, last those analysed, between them exclusions."""

    title: Words
    columns: tuple[Column, ...]
    branches: tuple[Branch, ...]
    totals: tuple[Cell, ...]


def read_flow(table: Table, sites: Mapping[str, Any]) -> Flow:
    """The flow that a table `flow` tells; hospitals without a row are shown as refused or silent."""
    hospitals = [row for row in table.rows if _site(row[0], sites)]
    summed = [row for row in table.rows if not _site(row[0], sites)]
    rows = {_site(row[0], sites): row[1:] for row in hospitals}
    branches = tuple(_branch(name, rows.get(name, ()), site["state"]) for name, site in sites.items())
    counted = [branch.counts for branch in branches if branch.counts]
    totals = summed[-1][1:] if summed else tuple(_sum(cells) for cells in zip(*counted, strict=True))
    return Flow(table.title, table.columns[1:], branches, totals)


def _branch(name: str, cells: tuple[Cell, ...], state: str) -> Branch:
    label = Words(text=Text(name))
    if cells and all(cell is None for cell in cells[:-1]):
        return Branch(label, (), state, cells[-1])
    return Branch(label, cells, state)


def _site(cell: Cell, sites: Mapping[str, Any]) -> str:
    """The name of the hospital that a row is about; empty where it is about none."""
    if not isinstance(cell, Words) or cell.text is None:
        return ""
    said = cell.text.en
    return next((name for name, site in sites.items() if said in (name, site.get("label", {}).get("en"))), "")


def _sum(cells: tuple[Cell, ...]) -> Cell:
    """The sum of counts; nothing where one is withheld, since the difference would tell it."""
    counts = [cell for cell in cells if isinstance(cell, int)]
    return sum(counts) if len(counts) == len(cells) else None
