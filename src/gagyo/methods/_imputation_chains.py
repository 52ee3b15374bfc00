"""Chained equations inside one hospital: what each imputed variable is regressed on, and the chains played again.

A hospital keeps no state between rounds that it could not make again: the parameters that were drawn so far travel with
each question, and from them and each person's keyed numbers every chain follows from its start. van Buuren & Groothuis-
Oudshoorn (2011) J Stat Softw 45(3); the draws are those of `norm` and `logreg` (Rubin 1987, pages 166-170), and for a
category of a multinomial model with its parameters drawn as those of `logreg`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.local import Name, Names, Numbers, Whole
from gagyo.federation.rows import Rows
from gagyo.methods._imputation_levels import chances, drawn_intercepts, leveled, picked
from gagyo.methods._propensity import OWN, profile, raw_columns
from gagyo.methods._regression import middles
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.terms import Term
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Floats

PREDICTION = "prediction"

OF_STUDY = ("hospitals", "purpose", "times", "sweeps", "swept", "seed", "walk")

SPEC: dict[str, Any] = {
    "formula": Name(),
    "impute": Names(),
    "auxiliary": Names(),
    "hospitals": Name(),
    "purpose": Name(),
    "times": Whole(1, 1000),
    "sweeps": Whole(1, 1000),
    "swept": Whole(1, 2**31 - 1),
    "seed": Whole(0, 2**31 - 1),
    "walk": Name(),
}
"""The arguments that say what is imputed, and how: all stand in the study."""

DRAWN: dict[str, Any] = {"starts": Numbers((None, 2), -1e12, 1e12), "draws": Numbers((None, None), -1e12, 1e12)}
"""The arguments that say what was drawn so far: `starts` by column of the imputed variables, `draws` (chains, numbers)
model after model.
"""


@dataclass(frozen=True)
class Spec:
    """What an analysis imputes: the variables of `impute`, in this order, each from everything else in its models.

    purpose: `association`, or `prediction`, whose imputation models leave out the outcome. swept: chains times sweeps,
    of all analyses of the study that impute, those of a category once for each of its columns. walk: whose sums its
    models are of where not everyone's: of other models people are given other numbers, since of a yes/no drawn by the
    same uniform only a few change their answer, and two walks' sums would differ by these few alone.
    """

    formula: Formula
    impute: tuple[str, ...]
    auxiliary: tuple[str, ...]
    hospitals: str
    purpose: str
    times: int
    sweeps: int
    swept: int
    seed: int
    walk: str
    variables: Mapping[str, Variable] = field(compare=False, repr=False)

    @classmethod
    def of(
        cls,
        rows: Rows,
        formula: str,
        impute: Sequence[str],
        auxiliary: Sequence[str],
        hospitals: str,
        purpose: str,
        times: int,
        sweeps: int,
        swept: int,
        seed: int,
        walk: str,
    ) -> Spec:
        """The analysis of a step's arguments."""
        text = (formula, tuple(impute), tuple(auxiliary), hospitals, purpose, times, sweeps, swept, seed, walk)
        made: Spec = rows.kept(("imputation", text), lambda: cls(rows.formula(formula), *text[1:], rows.variables))
        return made

    @property
    def arguments(self) -> dict[str, Any]:
        """What a step's `SPEC` holds."""
        said = {name: getattr(self, name) for name in OF_STUDY}
        return {
            **said,
            "formula": self.formula.text,
            "impute": list(self.impute),
            "auxiliary": list(self.auxiliary),
        }

    @property
    def own(self) -> bool:
        """Whether hospitals have levels of their own in the imputation models."""
        return self.hospitals == OWN

    @cached_property
    def wide(self) -> dict[str, Variable]:
        """The variables, with the range of what an imputed measurement may be: the declared one, and as far on each
        side.

        A normal draw may leave the declared range; one that leaves this is set to its end, so that no sum grows without
        bound.
        """
        return {name: _widened(one) if name in self.impute else one for name, one in self.variables.items()}

    def is_measured(self, name: str) -> bool:
        """Whether a variable is imputed as a measurement, not as yes or no or a category."""
        return levels_of(self.variables[name]) == 0

    def levels(self, name: str) -> int:
        """How many levels a category has; 0 of what is imputed as a number or as yes or no."""
        return len(self.variables[name].levels)

    def columns(self, name: str) -> int:
        """How many columns a variable is told by: of a category one for each level but the first."""
        return max(self.levels(name) - 1, 1)

    @property
    def by_column(self) -> tuple[str, ...]:
        """The imputed variables, each once for each of its columns."""
        return tuple(name for name in self.impute for _ in range(self.columns(name)))

    def place(self, name: str) -> slice:
        """Where a variable stands in `by_column`."""
        first = self.by_column.index(name)
        return slice(first, first + self.columns(name))

    @cached_property
    def models(self) -> dict[str, Formula]:
        """By imputed variable, its imputation model: on the outcome, the analysis's other terms and the auxiliaries.

        A prediction is validated on people whose outcome must not have told their predictors: there it is left out.
        """
        outcome = () if self.purpose == PREDICTION else (self.formula.outcome,)
        return {name: self.on(name, (*outcome, *self._terms(without=name))) for name in self.impute}

    @cached_property
    def whole(self) -> Formula:
        """The outcome on every variable that any model has."""
        return self.on(self.formula.outcome, self._terms())

    @cached_property
    def known(self) -> Formula:
        """The outcome on what nobody lacks."""
        return self.on(self.formula.outcome, self._terms(known=True))

    def known_of(self, name: str) -> Formula:
        """An imputed variable on the outcome and what nobody lacks."""
        return self.on(name, (self.formula.outcome, *self._terms(known=True)))

    def on(self, left: str, right: Sequence[str]) -> Formula:
        """The formula of a variable on terms."""
        return formulas.parse(f"{left} ~ {' + '.join(right) or '1'}", self.variables)

    def _terms(self, without: str = "", known: bool = False) -> tuple[str, ...]:
        said = [(str(term), term.names) for term in self.formula.terms]
        said += [(name, frozenset([name])) for name in (*self.auxiliary, *self.impute)]
        left_out = set(self.impute) if known else {without}
        return tuple(dict.fromkeys(text for text, names in said if not names & left_out))

    def slopes(self, name: str) -> int:
        """How many columns a variable's imputation model has, without hospitals' own levels."""
        return self.models[name].width - int(self.own)

    def width(self, name: str) -> int:
        """How many coefficients a variable's imputation model has: of a category those of each level but the first."""
        return self.slopes(name) * self.columns(name)

    def drawn(self, name: str) -> int:
        """How many numbers are drawn for a variable: coefficients and a standard deviation, or the fit and a draw."""
        return self.width(name) + 1 if self.is_measured(name) else 2 * self.width(name)

    def steps(self, total: int) -> Iterator[tuple[str, int, slice]]:
        """The models that `total` numbers are of: variable, sweep (from 1), and where; ValueError where none fit."""
        at, number = 0, 0
        while at < total:
            name = self.impute[number % len(self.impute)]
            here = slice(at, at + self.drawn(name))
            yield name, 1 + number // len(self.impute), here
            at, number = here.stop, number + 1
        if at != total:
            raise ValueError("draws of no whole number of models")

    def label(self, name: str, sweep: int, chain: int) -> str:
        """What a draw of parameters is named by; sweep 0 is the start."""
        return f"imputation {self.seed} {name} {sweep} {chain}"

    def given(self, name: str, sweep: int, chain: int) -> str:
        """What people's own numbers are named by."""
        return " ".join(filter(None, (self.label(name, sweep, chain), self.walk)))


def _widened(variable: Variable) -> Variable:
    if levels_of(variable):
        return variable
    low, high = variable.range
    return replace(variable, range=(2 * low - high, 2 * high - low))


@dataclass(frozen=True)
class Filled:
    """A column of an imputation model that is of an imputed variable: where, of which term, and its range's middle."""

    at: int
    term: Term
    pick: tuple[int, ...]
    name: str
    middle: float


def told_by(levels: int, values: Floats) -> Floats:
    """What a variable is told by: its values, or of a category who has each level but the first (levels - 1, ...).

    values (...); what is missing has no level. The first axis is that of columns.
    """
    return np.array([values == level for level in range(1, levels)], dtype=np.float64) if levels else values[None]


class Chains:
    """The chains of an analysis at one hospital: by imputed variable, everyone's value in each chain (chains, n)."""

    def __init__(self, rows: Rows, spec: Spec, starts: Floats) -> None:
        self.rows, self.spec, self.starts = rows, spec, starts
        self.lacking = {name: ~rows.present(name) for name in spec.impute}
        self.values = {name: self._started(name, starts[spec.place(name)]) for name in spec.impute}
        self._applied = np.zeros((spec.times, 0))

    @classmethod
    def at(cls, rows: Rows, spec: Spec, starts: Floats, draws: Floats) -> Chains:
        """The chains after `draws`; those kept from the last question go on where they were, else from the start."""
        key = ("imputation chains", spec, starts.tobytes())
        kept: dict[str, Chains] = rows.kept(key, dict)
        if "chains" not in kept or not kept["chains"].leads_to(starts, draws):
            kept["chains"] = cls(rows, spec, starts)
        kept["chains"].play(draws)
        return kept["chains"]

    def leads_to(self, starts: Floats, draws: Floats) -> bool:
        """Whether these chains are an earlier state of others."""
        return np.array_equal(starts, self.starts) and np.array_equal(draws[:, : self._applied.shape[1]], self._applied)

    def play(self, draws: Floats) -> None:
        """Impute by every model drawn that was not yet applied."""
        done = self._applied.shape[1]
        for name, sweep, here in self.spec.steps(draws.shape[1]):
            if here.start >= done:
                self._impute(name, sweep, draws[:, here])
        self._applied = draws

    def raw(self, name: str, chain: int, chosen: NDArray[np.bool_]) -> Floats:
        """The columns (chosen, p) of a variable's imputation model in a chain, about the middles of their ranges."""
        model = self.spec.models[name]
        columns = np.array(raw_columns(self.rows, model, self.spec.own)[chosen])
        for one in self._filled(name):
            one.term.fill(one.pick, {one.name: self.values[one.name][chain][chosen]}, columns[:, one.at])
            columns[:, one.at] -= one.middle
        return columns

    def observed(self, name: str) -> Floats:
        """The values of those who have a variable: a measurement about the mean of all of them, others as they are."""
        seen = self.rows[name][~self.lacking[name]]
        return seen - self._centre(name)

    def imputed(self) -> Floats:
        """By column of the variables, the sum over those who lack one of what they were given (columns, chains)."""
        given = ((name, self.values[name][:, self.lacking[name]]) for name in self.spec.impute)
        return np.concatenate([told_by(self.spec.levels(name), values).sum(axis=-1) for name, values in given])

    def completed(self, chain: int) -> Rows:
        """The people with the values of a chain in place of the missing ones."""
        return self.rows.completed(self.spec.wide, {name: values[chain] for name, values in self.values.items()})

    def _filled(self, name: str) -> list[Filled]:
        """The columns of a variable's model that are of imputed variables."""

        def found() -> list[Filled]:
            model, middle = self.spec.models[name], middles(self.spec.models[name], self.rows.variables)
            columns = ((term, pick) for term in model.terms for pick in term.picks())
            return [
                Filled(at - int(self.spec.own), term, pick, other, float(middle[at]))
                for at, (term, pick) in enumerate(columns, int(model.intercept))
                for other in term.names & set(self.spec.impute)  # one, as it stands in no product
            ]

        places: list[Filled] = self.rows.kept(("imputed columns", self.spec, name), found)
        return places

    def _centre(self, name: str) -> float:
        return float(self.starts[self.spec.place(name).start, 0]) if self.spec.is_measured(name) else 0.0

    def _started(self, name: str, starts: Floats) -> Floats:
        """The start: draws from a normal, a coin or shares of levels, with the moments of all who have the variable."""
        values = np.tile(self.rows[name], (self.spec.times, 1))
        mean, deviation = starts[0]
        for chain in range(self.spec.times):
            uniform = self._uniforms(name, 0, chain)
            if self.spec.levels(name):
                drawn = picked(uniform, np.append(1 - starts[:, 0].sum(), starts[:, 0]))
            elif self.spec.is_measured(name):
                drawn = mean + deviation * special.ndtri(uniform)
            else:
                drawn = (uniform < mean).astype(float)
            self._give(values[chain], name, drawn)
        return values

    def _impute(self, name: str, sweep: int, draws: Floats) -> None:
        missing = self.lacking[name]
        if not missing.any():
            return
        given = self._category if self.spec.levels(name) else self._logistic
        given = self._linear if self.spec.is_measured(name) else given
        for chain, draw in enumerate(draws):
            own = self.rows.own_normals(self.spec.label(name, sweep, chain), self.spec.columns(name))
            self._give(
                self.values[name][chain], name, given(name, chain, draw, self._uniforms(name, sweep, chain), own)
            )

    def _linear(self, name: str, chain: int, draw: Floats, uniform: Floats, own: Floats) -> Floats:
        """Draws of a linear model: coefficients, residual standard deviation, and here the hospital's own level."""
        missing = self.lacking[name]
        beta, sigma = draw[:-1], draw[-1]
        level = self._centre(name)
        if self.spec.own:
            rest = self.observed(name) - self.raw(name, chain, ~missing) @ beta
            level += rest.mean() + sigma * own[0] / np.sqrt(max(len(rest), 1)) if len(rest) else 0.0
        return np.asarray(self.raw(name, chain, missing) @ beta + level + sigma * special.ndtri(uniform))

    def _logistic(self, name: str, chain: int, draw: Floats, uniform: Floats, own: Floats) -> Floats:
        """Draws of a logistic model: `draw` holds the fit's coefficients and those drawn around them.

        The hospital's own level is drawn given the others: about its maximum at the fit, moved with the coefficients.
        """
        missing = self.lacking[name]
        fitted, beta = np.split(draw, 2)
        level = 0.0
        if self.spec.own:
            here = profile(self.raw(name, chain, ~missing), self.observed(name), True, fitted)
            weight = max(float(here.spread.sum()), np.finfo(float).tiny)
            level = here.intercept - float(here.centre @ (beta - fitted)) + own[0] / np.sqrt(weight)
        chance = special.expit(self.raw(name, chain, missing) @ beta + level)
        return np.asarray(uniform < chance, dtype=np.float64)

    def _category(self, name: str, chain: int, draw: Floats, uniform: Floats, own: Floats) -> Floats:
        """Draws of a multinomial model: `draw` holds the fit's coefficients and those drawn around them, as above."""
        missing, levels = self.lacking[name], self.spec.levels(name)
        fitted, beta = np.split(draw, 2)
        raw, intercepts = self.raw(name, chain, missing), np.zeros(levels - 1)
        if self.spec.own:
            here = leveled(self.raw(name, chain, ~missing), self.observed(name), levels, True, fitted)
            raw, intercepts = raw - here.middle, drawn_intercepts(here, beta - fitted, own)
        return picked(uniform, chances(raw, intercepts, beta))

    def _uniforms(self, name: str, sweep: int, chain: int) -> Floats:
        """A number between 0 and 1 for each person who lacks a variable."""
        uniform = self.rows.uniforms(self.spec.given(name, sweep, chain))
        return uniform[self.lacking[name]]

    def _give(self, values: Floats, name: str, given: Floats) -> None:
        low, high = self.spec.wide[name].bounds
        values[self.lacking[name]] = np.clip(given, low, high)
