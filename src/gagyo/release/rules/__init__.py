"""The rules of the gate, one file each; all are on, always."""

from __future__ import annotations

from gagyo.release.case import Rule
from gagyo.release.rules.differencing import differencing
from gagyo.release.rules.dominance import dominance
from gagyo.release.rules.event_times import event_times
from gagyo.release.rules.minimum_people import minimum_people
from gagyo.release.rules.model import model
from gagyo.release.rules.order_statistics import order_statistics
from gagyo.release.rules.precision import precision
from gagyo.release.rules.range import value_range
from gagyo.release.rules.remainder import remainder
from gagyo.release.rules.saturation import saturation
from gagyo.release.rules.table import table

ALL: tuple[Rule, ...] = (
    value_range,
    minimum_people,
    remainder,
    table,
    dominance,
    saturation,
    differencing,
    order_statistics,
    event_times,
    precision,
    model,
)
