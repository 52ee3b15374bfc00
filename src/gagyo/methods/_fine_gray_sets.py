"""What every step of Fine and Gray's model stands on: a hospital's weighted risk sets, and who its sums give away."""

from __future__ import annotations

from typing import Any

from gagyo.federation.local import Name, Numbers, Whole
from gagyo.federation.rows import Rows
from gagyo.methods._regression import column_widths, trait_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Measure
from gagyo.statistics import fine_gray as kernel

MOST_LEVELS = 64
MODEL: dict[str, Any] = {
    "formula": Name(),
    "time": Name(),
    "event": Whole(1, MOST_LEVELS),
    "coefficients": Numbers((None,), -1e12, 1e12),
}
"""What the steps of the fit are told; `event` is the number of the outcome's level."""


def widths_of(rows: Rows, formula: Formula) -> Floats:
    """The greatest distance of two values of each column of the model (p,)."""
    return column_widths(formula, rows.variables)[1:]


def cells_of(rows: Rows, formula: Formula) -> Measure:
    """Head counts that the sums give away: every trait, with every way in which observation ended."""
    made: Measure = rows.kept(("fine gray cells", formula.text), lambda: trait_cells(rows, formula))
    return made


def risk_sets_of(rows: Rows, formula: str, time: str, event: int) -> kernel.RiskSets:
    """The hospital's weighted risk sets; kept for the next round."""
    parsed = rows.formula(formula)

    def make() -> kernel.RiskSets:
        X = parsed.design({name: rows[name] for name in parsed.variables})[:, 1:]
        kind = rows[parsed.outcome]
        return kernel.risk_sets(X, rows[time], kind == event, (kind != event) & (kind > 0))

    found: kernel.RiskSets = rows.kept(("fine gray sets", parsed.text, time, event), make)
    return found
