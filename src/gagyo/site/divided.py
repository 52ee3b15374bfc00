"""Where a plan divides people by a value twice, at cells' ends and otherwise: nobody lies between, or k people.

A cohort of those over 50.3 beside cells of the same values that end at 50, or a subgroup of a validation cut at 50.3,
leave those between; so do cells of scores of two validations that end a little apart. The cell stays shut, and another
end is tried: nothing is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gagyo.federation.line import Line
from gagyo.federation.local import LocalStep
from gagyo.federation.rows import Rows
from gagyo.protocol import formula as formulas
from gagyo.protocol.request import Request
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Counts, Floats
from gagyo.release.few_values import Bools
from gagyo.release.halves import nested
from gagyo.site.scores_told import GRIDS, SCORES, TIMES, Score
from gagyo.site.session import Session

AT_CUTS = "at_cuts"
"""The step that counts people under and over a cut of each fold."""

COMPLETED = "completed_cuts"
"""The step that counts scores in completed data sets between declared thresholds."""

HELD_OUT = 4.0
"""The kind of the score sets of those whom a fold leaves out."""

FARTHEST = 100.0
"""Beyond every cut."""

ALIKE = 0.999
"""From this cosine on two scores order people alike: coefficients at the ends of the declared ranges."""


def parts_of(session: Session, request: Request) -> Iterator[tuple[str, Rows]]:
    """Of the people of a question that counts cells of measurements, or of scores made of one: by measurement those of
    each side of every other place where the plan divides its values.
    """
    for name in _counted(session.line, request):
        sides = _divisions(session.line, request.cohort, name, session.data.columns)
        both = (side for inside in sides for side in (inside, ~inside))
        yield from ((name, part) for part in session.cohorts.parts(request.cohort, name, both))


def about(request: Request, name: str) -> Bools:
    """Which bins of a question are of a variable, (bins or 1, 1, 1): of several each has bins of its own."""
    names, which = request.arguments.get("variables"), request.arguments.get("which", ())
    mine = [names[int(one)] == name for one in which] if names else [True]
    return np.array(mine)[:, None, None]


def _counted(line: Line, request: Request) -> list[str]:
    """The measurements whose values a question counts in cells."""
    arguments, variables = request.arguments, line.study.variables
    if "formula" in arguments and request.step.partition(".")[2] not in (SCORES, AT_CUTS, COMPLETED):
        return []  # scores that are not of each person alone
    if "formula" in arguments:
        names = _made_of(arguments, variables)
        names = names if len(names) == 1 else []
    else:
        names = list(arguments.get("variables", [])) or [str(arguments.get("time", ""))]
    return [name for name in names if name in variables and not levels_of(variables[name])]


def _made_of(arguments: Mapping[str, Any], variables: Mapping[str, Variable]) -> list[str]:
    """The variables that scores are made of; one alone, where its column all but makes up the score."""
    _, weights = _weights(arguments, variables)
    most, size = max(weights, key=lambda name: abs(weights[name]), default=""), np.linalg.norm([*weights.values()])
    if most in variables and abs(weights[most]) >= ALIKE * size:
        return [most]
    return list(formulas.parse(arguments["formula"], variables).predictors)


def _divisions(line: Line, cohort: str, name: str, columns: Mapping[str, Floats]) -> Iterator[Bools]:
    """Who is on one side, (n,), of each place where cohorts or subgroups of analyses divide a variable."""
    cohorts = dict.fromkeys(one.cohort for one in line.study.analyses.values() if one.cohort != cohort)
    for where in (line.study.cohorts[other].where for other in cohorts):
        yield from where.places(name, columns) if where is not None else ()
    for cut in sorted({cut for one in line.study.analyses.values() for cut in _cuts(one.options, name)}):
        yield columns[name] < cut


def _cuts(options: Mapping[str, Any], name: str) -> list[float]:
    """Where subgroups of a validation divide a variable."""
    groups = [one for one in options.get("subgroups") or [] if isinstance(one, dict) and one.get("variable") == name]
    return [float(cut) for one in groups for cut in one.get("cuts") or []]


# Cells of scores in two validations.


def between_cuts(session: Session, request: Request, step: LocalStep) -> Counts | None:
    """Who lies between each cut that a question about scores asks for and the nearest that are known, in the shape of
    its bins; None where there are none.
    """
    kind = step.name.partition(".")[2]
    if kind == SCORES:
        return _between_scores(session, request, step)
    return _between_folds(session, request, step) if kind == AT_CUTS else None


def _between_folds(session: Session, request: Request, step: LocalStep) -> Counts:
    """Of people counted under and over a cut of each fold, those between these cuts and the nearest where the folds
    were halved: all folds' together follow.
    """
    rows, cuts = session.cohorts[request.cohort].rows, request.arguments["cuts"]
    mine = [one for one in session.history.scores if one.analysis == request.analysis and one.which[0] == HELD_OUT]

    def under(side: int) -> Counts:
        """How many are under the nearest known cuts on a side of the asked ones; under these, for 0."""
        ends = cuts.copy()
        for fold in range(cuts.shape[1]) if side else ():
            known = np.concatenate([[side * FARTHEST], *(one.cuts for one in mine if one.which[2] == fold)])
            for number, cut in enumerate(cuts[:, fold]):
                there = known[(known - cut) * side >= 0]
                ends[number, fold] = there[np.argmin(np.abs(there - cut))]
        return step(rows, **{**request.arguments, "cuts": ends})["bins"].people[:, 0]

    return np.stack([under(0) - under(-1), under(1) - under(0)], axis=1)


def _between_scores(session: Session, request: Request, step: LocalStep) -> Counts | None:
    """Who lies between each cut that a question about scores asks for and the nearest of earlier validations, as it
    would count them in its bins; None where there are none.
    """
    before = [one for one in session.history.scores if one.cohort == request.cohort]
    before = [one for one in before if one.analysis != request.analysis]
    if not before:
        return None
    arguments, variables = request.arguments, session.study.variables
    known = []
    for at in arguments["which"]:
        which = tuple(arguments["sets"][int(at)])
        known.append(_together(_moved(one, arguments, variables) for one in before if one.which == which))
    return _enclosed(session.cohorts[request.cohort].rows, step, arguments, known) if any(map(len, known)) else None


def between_grids(session: Session, request: Request, step: LocalStep) -> Iterator[Counts]:
    """By other cohort of which cells were opened of the same variables, who is in both cohorts and lies between each
    cut that a question asks for and the nearest of those cells, in the shape of its bins.
    """
    kind, arguments = step.name.partition(".")[2], request.arguments
    opened = [one for one in session.history.cells if kind in GRIDS and one.step in GRIDS]
    for other in dict.fromkeys(one.cohort for one in opened if one.cohort != request.cohort):
        known = []
        for at in arguments["which"]:
            place = other, arguments["variables"][int(at)]
            known.append(_together(one.cuts for one in opened if (one.cohort, one.variable) == place))
        inside = session.cohorts[other].complete
        (both,) = session.cohorts.parts(request.cohort, f"also in {other}", [inside])
        whole = session.cohorts[request.cohort].rows
        yield _enclosed(both if both.n else whole, step, arguments, known) * (both.n > 0)


def between_times(session: Session, request: Request, intervals: Counts) -> Iterator[Counts]:
    """By other cohort whose exits were opened in intervals of the same time, who is in both cohorts and leaves between
    each time that a question asks for and the nearest of those, in the shape of its intervals: before it, and after.

    Curves of two parts are a curve of everyone, at times a few people away from those of everyone's own.
    """
    asked = request.arguments
    if request.step.partition(".")[2] != TIMES:
        return
    opened = [one for one in session.history.cells if one.step == TIMES and one.variable == asked["time"]]
    for other in dict.fromkeys(one.cohort for one in opened if one.cohort != request.cohort):
        known = np.unique(_together(one.cuts for one in opened if one.cohort == other))
        both = session.cohorts[other].complete & session.cohorts[request.cohort].complete
        left = np.sort(session.data.columns[asked["time"]][both])
        before, after = np.zeros(intervals.shape[:2], np.int64), np.zeros(intervals.shape[:2], np.int64)
        for row, ends in enumerate(asked["edges"]):
            there = known[(known > ends[0]) & (known < ends[-1])]
            for part, cut in enumerate(ends[1:-1] if len(there) else ()):
                under, over = there[there <= cut][-1:], there[there >= cut][:1]
                ends_there = [*(under if len(under) else [cut]), cut, *(over if len(over) else [cut])]
                low, at, high = np.searchsorted(left, ends_there, side="right")
                before[row, part], after[row, part + 1] = at - low, high - at
        for people in (before, after):
            yield np.broadcast_to(people.reshape(*people.shape, *[1] * (intervals.ndim - 2)), intervals.shape)


def _together(cuts: Iterable[Floats]) -> Floats:
    return np.concatenate([np.zeros(0), *cuts])


def _enclosed(rows: Rows, step: LocalStep, asked: Mapping[str, Any], known: Sequence[Floats]) -> Counts:
    """Who lies between each cut that a question asks for and the nearest known ones inside its bin, in the shape of its
    bins; nobody where none are known. known: of each tree of the question.
    """
    bins, ends = nested(asked["edges"]), []
    for several, cuts in zip(bins.tolist(), known, strict=True):
        for low, cut, high in several:
            under, over = cuts[(cuts <= cut) & (cuts > low)], cuts[(cuts >= cut) & (cuts < high)]
            ends.append((under.max(initial=low), cut, over.min(initial=high)) if len(cuts) else (cut, cut, cut))
    singly = {**asked, "which": np.repeat(asked["which"], bins.shape[1]), "edges": np.array(ends)}
    singly |= {"filled": np.zeros((len(ends), 1))} if "filled" in asked else {}
    people = step(rows, **singly)["bins"].people
    return people.reshape(len(bins), -1, people.shape[-1])


def _moved(one: Score, now: Mapping[str, Any], variables: Mapping[str, Variable]) -> Floats:
    """An earlier question's cuts on the scale of the scores that are asked for now; none where scores are not alike."""
    same = all(np.array_equal(one.arguments[name], now[name]) for name in ("formula", "coefficients", "layout"))
    if same:
        return one.cuts
    if one.which[0] > 0:  # scores of other folds
        return np.zeros(0)
    return moved(one.cuts, one.arguments, now, variables)


def moved(cuts: Floats, before: Mapping[str, Any], now: Mapping[str, Any], variables: Mapping[str, Variable]) -> Floats:
    """Cuts of scores by everyone's model on the scale of other such scores; none where these order people otherwise."""
    (a, then), (b, mine) = (_weights(said, variables) for said in (before, now))
    if (a, then) == (b, mine):
        return cuts
    names = sorted({*then, *mine})
    u, v = (np.array([weights.get(name, 0.0) for name in names]) for weights in (then, mine))
    size = float(np.linalg.norm(u) * np.linalg.norm(v))
    if not size or abs(float(u @ v)) < ALIKE * size:
        return np.zeros(0)
    scale = float(u @ v) / float(u @ u)
    return b + scale * (cuts - a)


def _weights(said: Mapping[str, Any], variables: Mapping[str, Variable]) -> tuple[float, dict[str, float]]:
    """The intercept of everyone's model, and what each other column adds at the end of its range."""
    columns = formulas.parse(said["formula"], variables).columns(variables)
    found = {column.name: beta * column.bound for column, beta in zip(columns, said["coefficients"][0], strict=True)}
    return found.pop("Intercept", 0.0), {name: float(one) for name, one in found.items()}
