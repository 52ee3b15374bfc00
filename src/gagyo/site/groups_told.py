"""Which groups of people, and which measurements, the sums of an analysis tell of: as its plan alone says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from typing import Any

import numpy as np

from gagyo.federation.line import Line
from gagyo.methods._survival.episodes import came_before
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Floats
from gagyo.release.few_values import PLACES
from gagyo.text import Text

Group = tuple[tuple[str, int], ...]
"""Those who have each of these levels of variables, none or two of them; `()` is everyone."""
HAVE, LACK = -1, -2
"""Instead of a level: those who have any value of a variable, and those who have none."""


def groups_told(line: Line, analysis: str) -> frozenset[Group]:
    """The groups of people whose sums an analysis opens: of each level, and of each two, of what it names.

    And of what its people may lack, those who have it and those who do not.
    """
    one, variables = line.study.analyses[analysis], line.study.variables
    known = names_in(line, analysis)
    levels = {name: [(name, level) for level in range(levels_of(variables[name]))] for name in known}
    for name in set(known) - line.complete[one.cohort]:
        levels[name] += [(name, HAVE), (name, LACK)]
    levels |= {name: [(name, 0), (name, 1)] for name in changes_told(line, analysis)}
    known = list(levels)
    named = [name for name in known if levels[name]]
    by = {str(one.options.get("by", ""))} if one.method == "describe" else set(named)
    pairs = [(a, b) for a, b in combinations(named, 2) if a in by or b in by]
    single = [(level,) for name in named for level in levels[name]]
    measured = (name for name in known if not levels_of(variable_of(name, variables)))
    places = [((name, place),) for name in measured for place in range(PLACES)]
    return frozenset([(), *single, *places, *(pair for a, b in pairs for pair in product(levels[a], levels[b]))])


def names_in(line: Line, analysis: str) -> list[str]:
    """The variables that an analysis names, and those that it needs."""
    texts = texts_of(line.study.analyses[analysis].options)
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    return sorted((words | line.methods[analysis].complete).intersection(line.study.variables))


BEFORE = " < "
"""Between the variables of a change's time and of the time of exit: no variable has such a name."""
LOG = "log "
"""Before a variable that is an exposure: no variable has such a name."""


def changes_told(line: Line, analysis: str) -> set[str]:
    """Of covariates that change, who had changed when they left: as `column_of` and `variable_of` know them."""
    options = line.study.analyses[analysis].options
    return {f"{one['at']}{BEFORE}{options['time']}" for one in dict(options.get("changes") or {}).values()}


def exposures_told(line: Line, analysis: str) -> set[str]:
    """The logarithm of an exposure, which is an offset: as `column_of` and `variable_of` know it."""
    exposure = line.study.analyses[analysis].options.get("exposure")
    return {f"{LOG}{exposure}"} if exposure else set()


def column_of(name: str, columns: Mapping[str, Floats]) -> Floats:
    """The values of a variable, or an exposure's logarithms, or who had changed."""
    if name.startswith(LOG):
        return np.asarray(np.log(columns[name.removeprefix(LOG)]))
    at, before, time = name.partition(BEFORE)
    return came_before(columns[at], columns[time]) if before else columns[name]


def variable_of(name: str, variables: Mapping[str, Variable]) -> Variable:
    """A variable, or an exposure's logarithm, or that people had changed."""
    if name.startswith(LOG):
        low, high = np.log(variables[name.removeprefix(LOG)].bounds).tolist()
        return Variable(name, "number", Text(name), range=(low, high))
    return Variable(name, "boolean", Text(name)) if BEFORE in name else variables[name]


def measurements_told(line: Line, analysis: str) -> set[str]:
    """The measurements that an analysis names."""
    return {name for name in names_in(line, analysis) if not levels_of(line.study.variables[name])}


def texts_of(options: Any) -> Iterator[str]:
    """All words of an analysis's options, wherever they stand."""
    if isinstance(options, str):
        yield options
    elif isinstance(options, Mapping):
        for key, value in options.items():
            yield from (str(key), *texts_of(value))
    elif isinstance(options, Iterable):
        for one in options:
            yield from texts_of(one)
