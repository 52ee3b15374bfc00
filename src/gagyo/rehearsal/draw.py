"""Draws people of a study's dictionary: each variable for itself, as the declared ranges and what is expected say.

Variables that a study relates are drawn so that they fit: who has an entry comes under observation before they leave;
half the people have a time that not everyone has (of a change); about as many start a treatment while they are
observed, most of them within its grace period; clusters hold as many people as is expected; and what an analysis
imputes lacks for some. Nothing else depends on anything else: every effect is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.protocol.variables import Variable
from gagyo.rehearsal.expected import NOTHING, Expected, Spread
from gagyo.release.aggregate import Floats

HALF, TENTH = 0.5, 0.1
WIDTHS = 6
"""Standard deviations in a declared range, where none is expected."""
QUARTER = 4
"""The mean time to an event is this part of the declared range, where none is expected."""

CLUSTER = 80
"""People in a cluster, such as a ward, where none are expected."""

EPOCH = np.datetime64("1970-01-01")


def people_of(study: Study, expected: Expected, site: str, random: np.random.Generator) -> pl.DataFrame:
    """A hospital's people: `person_column`, and a column for each variable, as a file of theirs would hold it."""
    size, drawn = expected.people[site], {}
    times, entries, sometimes, imputed = _roles(study)
    starts, clusters = _starts(study), {one.options.get("cluster") for one in study.analyses.values()}
    for name, variable in study.variables.items():
        spread = expected.variables.get(name, NOTHING)
        if name in sometimes:
            drawn[name] = _until_half(variable, random, size)
        elif spread.cluster_size or (spread == NOTHING and name in clusters and variable.type == "integer"):
            drawn[name] = _cluster(variable, spread.cluster_size or CLUSTER, random, size)
        else:
            drawn[name] = _numbers(variable, spread, random, size, time=name in times)
        lacking = spread.missing if spread.missing is not None else _lacking(name, sometimes, imputed)
        drawn[name] = np.where(random.random(size) < lacking, np.nan, drawn[name])
    for name, (time, grace) in starts.items():
        drawn[name] = _start(study.variables[name], drawn[name], drawn[time], grace, random)
    for name, time in entries.items():
        drawn[name] = _whole(study.variables[name], HALF * random.random(size) * drawn[time])
    person = pl.Series(person_column(study), [f"{site}-{number}" for number in range(size)])
    return pl.DataFrame([person, *(_column(study.variables[name], one) for name, one in drawn.items())])


def person_column(study: Study) -> str:
    """The column of who each row is of: no variable's."""
    name = "person"
    while name in study.variables:
        name += "_"
    return name


def _roles(study: Study) -> tuple[set[str], dict[str, str], set[str], set[str]]:
    """Times until an event; entries, each with its time; times that not everyone has; and what analyses impute."""
    line = Line(study)
    times, entries = set(), {}
    for one in study.analyses.values():
        time, entry = one.options.get("time"), one.options.get("entry")
        if isinstance(time, str):
            times.add(time)
            if isinstance(entry, str) and entry:
                entries[entry] = time
    sometimes = {name for method in line.methods.values() for name in getattr(method, "may_lack", ())}
    imputed = {name for analysis in study.analyses for name in line.imputed(analysis)}
    return times & set(study.variables), entries, sometimes - imputed, imputed


def _starts(study: Study) -> dict[str, tuple[str, float]]:
    """Starts of a treatment, each with the time in which it is and the grace period that there is for it."""
    asked = (one.options for one in study.analyses.values() if one.method == "target_trial")
    named = ((one.get("start"), one.get("time"), one.get("grace")) for one in asked)
    return {
        start: (time, float(grace))
        for start, time, grace in named
        if start in study.variables and time in study.variables and isinstance(grace, (int, float))
    }


def _start(variable: Variable, had: Floats, until: Floats, grace: float, random: np.random.Generator) -> Floats:
    """When those who ever start do so: within twice the grace period; who leaves before has not started.

    had: who lacks a start in it never starts.
    """
    when = np.minimum(_whole(variable, 2 * grace * (1 - random.random(len(had))), up=True), variable.bounds[1])
    return np.where(np.isnan(had) | (when > until), np.nan, when)


def _lacking(name: str, sometimes: set[str], imputed: set[str]) -> float:
    return HALF if name in sometimes else TENTH if name in imputed else 0.0


def _numbers(variable: Variable, spread: Spread, random: np.random.Generator, size: int, time: bool) -> Floats:
    """The values of a variable as the platform holds them (n,)."""
    if variable.type == "boolean":
        share = HALF if spread.share is None else spread.share
        return np.asarray((random.random(size) < share).astype(np.float64))
    if variable.type == "category":
        names = [level.name for level in variable.levels]
        chances = [spread.shares.get(name, 0.0) for name in names] if spread.shares else None
        return random.choice(len(names), size, p=chances).astype(np.float64)
    low, high = variable.bounds
    if time and spread.sd is None:
        # Times of an event are skewed; nobody leaves at time zero.
        mean = (high - low) / QUARTER if spread.mean is None else spread.mean
        drawn = np.minimum(low + random.exponential(max(mean - low, 1e-9), size), high)
        return _whole(variable, np.maximum(drawn, low + (high - low) / 1e4), up=True)
    mean = (low + high) / 2 if spread.mean is None else spread.mean
    sd = (high - low) / WIDTHS if spread.sd is None else spread.sd
    law = stats.truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd)
    return _whole(variable, law.rvs(size, random_state=random))


def _until_half(variable: Variable, random: np.random.Generator, size: int) -> Floats:
    """Times that come in the first half of the declared range."""
    low, high = variable.bounds
    # Nobody changes at the very beginning: of the few who would, hospitals tell nothing.
    return _whole(variable, low + HALF * (1 - random.random(size)) * (high - low), up=True)


def _cluster(variable: Variable, people: int, random: np.random.Generator, size: int) -> Floats:
    """Numbers of clusters that hold so many people each, by chance some more and some fewer."""
    low, high = variable.bounds
    number = np.clip(round(size / people), 1, int(high - low) + 1)
    return np.asarray(low + random.integers(number, size=size), dtype=np.float64)


def _whole(variable: Variable, values: Floats, up: bool = False) -> Floats:
    if variable.type == "number":
        return values
    return np.ceil(values) if up else np.floor(values)


def _column(variable: Variable, values: Floats) -> pl.Series:
    """The values as a file holds them: a date as one, a level by its name, a yes as true."""
    there = ~np.isnan(values)
    every: list[Any] = [
        _written(variable, one) if is_there else None for one, is_there in zip(values, there, strict=True)
    ]
    return pl.Series(variable.name, every, dtype=TYPES[variable.type])


TYPES: Mapping[str, Any] = {
    "boolean": pl.Boolean,
    "category": pl.String,
    "number": pl.Float64,
    "integer": pl.Int64,
    "date": pl.Date,
}


def _written(variable: Variable, value: float) -> Any:
    if variable.type == "boolean":
        return bool(value)
    if variable.type == "category":
        return variable.levels[int(value)].name
    if variable.type == "date":
        return (EPOCH + np.timedelta64(int(value), "D")).item()
    return float(value) if variable.type == "number" else int(value)
