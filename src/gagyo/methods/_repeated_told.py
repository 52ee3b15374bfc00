"""How a fit of repeated measurements is told: effects, covariance of the visits, patterns of visits, adjusted means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.methods._labels import with_unit
from gagyo.methods._mixed_told import fixed_effects
from gagyo.methods._newton import aliased_columns
from gagyo.methods._regression import alias_notes
from gagyo.methods._repeated_design import TIME, VISIT, Design
from gagyo.methods._repeated_means import Means, estimates
from gagyo.protocol.study import Study
from gagyo.protocol.terms import Term, number_text
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Result, Table, Words
from gagyo.statistics.repeated import Fit, Hospitals
from gagyo.text import Text, join


@dataclass(frozen=True)
class Fitted:
    """A fit, and what else is told of it.

    people: by pattern of visits how many; everyone: those never measured too. means, centre (q + 1): of people's
    columns and of the outcome, and about what the fit's columns are. own: how many people each hospital has.
    """

    fit: Fit
    people: Mapping[tuple[int, ...], int]
    everyone: int
    means: Floats
    centre: Floats
    own: Floats
    sites: tuple[str, ...]
    rounds: int

    @property
    def analysed(self) -> int:
        """Who was measured at all."""
        return sum(self.people.values())


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit."""

    design: Design
    study: Study
    covariance: str
    hospitals: Hospitals
    estimation: str
    compare: str
    complete: bool

    def result(self, one: Fitted) -> Result:
        """The result."""
        effects, freedoms = self._effects(one)
        means = self._means(one)
        columns = self.design.columns[self._first :]
        aliased = one.fit.aliased[len(one.fit.aliased) - len(columns) :]
        return Result(
            method="repeated",
            lossless=True,
            people=one.analysed,
            sites=one.sites,
            rounds=one.rounds,
            estimates=(*effects, *self._covariances(one.fit), *means.estimates),
            tables=(
                fixed_effects(effects, freedoms),
                *means.tables,
                *self._structure(one.fit),
                self._patterns(one),
                self._model(one),
            ),
            curves=means.curves,
            notes=(*alias_notes(columns, aliased), *self._notes(one.fit)),
            methods_text=tuple(self._text()),
        )

    @property
    def _first(self) -> int:
        """The first column of the design that the fit has: hospitals' intercepts take the place of the intercept."""
        return int(self.hospitals == "fixed")

    def _effects(self, one: Fitted) -> tuple[tuple[Estimate, ...], Floats]:
        """The coefficients of the columns as they are, with their degrees of freedom."""
        turn = self._uncentred(one)[self._first :, self._first :]
        more = len(one.fit.aliased) - len(turn)
        aliased = one.fit.aliased[more:]
        turn = np.where(aliased, 0.0, turn)
        turn[aliased] = 0.0
        value, error, freedom = one.fit.combined(np.column_stack([np.zeros((len(turn), more)), turn]))
        if not self._first:
            value[0] += one.centre[-1]
        columns = self.design.columns[self._first :]
        return tuple(
            estimates([(column.name, Words(text=column.label)) for column in columns], value, error, freedom)
        ), freedom

    def _uncentred(self, one: Fitted) -> Floats:
        """The matrix (p, p) that turns coefficients of columns about the centre into those of columns as they are.

        What was taken from a column of people is taken from the columns of visits alone that make up the same.
        """
        of, at = self.design.layout.of, self.design.layout.at
        alone = np.flatnonzero(of == 0)
        alone = alone[~aliased_columns(at[alone] @ at[alone].T)]
        turn = np.eye(len(of))
        for j in np.flatnonzero(one.centre[of] != 0):
            turn[alone, j] -= one.centre[of[j]] * np.linalg.lstsq(at[alone].T, at[j], rcond=None)[0]
        return turn

    # ── adjusted means ────────────────────────────────────────────────────────────────────────────────────────────

    def _means(self, one: Fitted) -> Means:
        """The mean at each visit of people who are like all those measured, in each group that is compared."""
        groups: list[tuple[str, Words, Floats]] = [("", Words("repeated.everyone"), self._rows(one, None))]
        if self.compare:
            label = self.study.variables[self.compare].label
            sides = [(f"{self.compare}={name}", join(": ", label, said), value) for name, said, value in SIDES]
            groups = [(name, Words(text=said), self._rows(one, value)) for name, said, value in sides]
        found = [(name, label, *self._at(one, turn, one.centre[-1])) for name, label, turn in groups]
        if not self.compare:
            return Means(self.design, self._outcome, self._times, tuple(found), None)
        away = self._at(one, groups[1][2] - groups[0][2], 0.0)
        return Means(self.design, self._outcome, self._times, tuple(found), away)

    def _at(self, one: Fitted, turn: Floats, add: float) -> tuple[Floats, Floats, Floats]:
        known = one.fit.estimable(turn)
        value, error, freedom = (np.where(known, part, np.nan) for part in one.fit.combined(turn))
        return value + add, error, freedom

    def _rows(self, one: Fitted, group: float | None) -> Floats:
        """By visit the combination (T, P) of the fit's columns that is the mean of a group, or of everyone."""
        people = self._people(one, group) - one.centre[:-1]
        rows = (people[self.design.layout.of][:, None] * self.design.layout.at).T[:, self._first :]
        if self.hospitals != "fixed":
            return rows
        shares = np.tile(one.own / one.own.sum(), (len(rows), 1))
        return np.column_stack([shares, rows])

    def _people(self, one: Fitted, group: float | None) -> Floats:
        """The means (q,) of people's columns, were all of them of a group."""
        means = one.means[:-1].copy()
        if group is None:
            return means
        names = [column.name for column in self.design.people.columns(self.study.variables)]
        position = 1
        for term in self.design.people.terms:
            for pick in term.picks():
                if self.compare in term.names:
                    means[position] = group * one.means[names.index(_without(term, pick, self.compare, self.study))]
                position += 1
        return means

    @property
    def _outcome(self) -> Text:
        """The outcome's label with its unit."""
        words = with_unit(self.study.variables[self.design.formula.outcome])
        assert words.text is not None
        return words.text

    @property
    def _times(self) -> Words:
        return Words(text=self.study.variables[TIME].label)

    # ── covariance ────────────────────────────────────────────────────────────────────────────────────────────────

    def _covariances(self, fit: Fit) -> tuple[Estimate, ...]:
        """Variances and covariances, for those who compute on."""
        between = [Estimate("variance.hospital", Words("mixed.by_hospital"), fit.between)]
        return (*self._of_structure(fit), *(between if self.hospitals == "random" else []))

    def _of_structure(self, fit: Fit) -> list[Estimate]:
        residual = Estimate("variance.residual", Words("mixed.residual"), fit.sigma2)
        if self.covariance == "unstructured":
            names, V = self.design.visits, fit.covariance
            return [
                Estimate(f"covariance.{names[j]}.{names[i]}", self._pair(j, i), float(V[i, j]))
                for i in range(len(V))
                for j in range(i + 1)
            ]
        if self.covariance == "ar1":
            return [Estimate("rho", Words("repeated.rho"), self._rho(fit)), residual]
        effects = self._of_people(fit)
        found = [Estimate("variance.person", Words("repeated.person"), float(effects[0, 0]))]
        if len(effects) > 1:
            found.append(Estimate("covariance.person.time", Words("repeated.person_both"), float(effects[1, 0])))
            found.append(Estimate("variance.time", Words("repeated.person_time"), float(effects[1, 1])))
        return [*found, residual]

    def _of_people(self, fit: Fit) -> Floats:
        """The variances of people's random effects, of intercept and (by the unit of time) slope."""
        k = 2 if self.covariance == "slope" else 1
        factor = np.zeros((k, k))
        factor[np.tril_indices(k)] = fit.theta
        scale = np.array([1.0, 1 / np.abs(self.design.times).max()])[:k]
        return np.asarray((factor @ factor.T) * np.outer(scale, scale) * fit.sigma2)

    def _rho(self, fit: Fit) -> float:
        """The correlation of measurements one unit of time apart."""
        step = np.diff(self.design.times).mean()
        return float(np.exp(-np.exp(fit.theta[0]) / step))

    def _pair(self, a: int, b: int) -> Words:
        names = [self._visit(at) for at in dict.fromkeys((a, b))]
        return Words(text=join(" × ", *names))

    def _visit(self, at: int) -> Text:
        return self.study.variables[self.design.visits[at]].label

    def _structure(self, fit: Fit) -> list[Table]:
        tables = [self._by_visit(fit)]
        return tables if self.covariance == "unstructured" else [self._spreads(fit), *tables]

    def _by_visit(self, fit: Fit) -> Table:
        """Standard deviation of each visit, and the correlations between visits."""
        deviation = np.sqrt(np.diag(fit.covariance))
        correlation = fit.covariance / np.outer(deviation, deviation)
        times = [Words(text=Text(number_text(time))) for time in self.design.times]
        columns = [
            Column("visit", Words(text=self.study.variables[VISIT].label), "text"),
            Column("deviation", Words("mixed.deviation"), "number", 4),
            *(Column(name, label, "number", 3) for name, label in zip(self.design.visits, times, strict=True)),
        ]
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (label, float(size), *(float(one) for one in row))
            for label, size, row in zip(times, deviation, correlation, strict=True)
        )
        notes = (Words("repeated.correlations"), *([Words("repeated.within")] if self.hospitals == "random" else []))
        return Table("visit_covariance", Words("repeated.covariance"), tuple(columns), rows, notes=notes)

    def _spreads(self, fit: Fit) -> Table:
        """Random effects, or the correlation that decays, and the residual; the hospitals' beside them."""
        rows: list[tuple[Cell, ...]] = []
        more = 1 if self.covariance == "slope" else 0
        if self.covariance != "ar1":
            V = self._of_people(fit)
            rows.append((Words("repeated.person"), float(V[0, 0]), float(np.sqrt(V[0, 0]))))
            if more:
                size = float(np.sqrt(V[0, 0] * V[1, 1]))
                correlation = float(V[1, 0]) / size if size > 0 else None
                rows.append((Words("repeated.person_time"), float(V[1, 1]), float(np.sqrt(V[1, 1])), correlation))
        if self.hospitals == "random":
            rows.append((Words("mixed.by_hospital"), fit.between, float(np.sqrt(fit.between))))
        rows.append((Words("mixed.residual"), fit.sigma2, float(np.sqrt(fit.sigma2))))
        columns = [
            Column("effect", Words("mixed.effect"), "text"),
            Column("variance", Words("mixed.variance"), "number", 4),
            Column("deviation", Words("mixed.deviation"), "number", 4),
            *([Column("correlation", Words("mixed.correlation"), "number", 3)] if more else []),
        ]
        padded = tuple((*row, *[None] * (len(columns) - len(row))) for row in rows)
        return Table("variances", Words("mixed.variances"), tuple(columns), padded, notes=tuple(self._shares(fit)))

    def _shares(self, fit: Fit) -> list[Words]:
        """The intraclass correlation of a person's measurements, or what decays."""
        if self.covariance == "ar1":
            return [Words("repeated.rho_note", {"found": f"{self._rho(fit):.4f}"})]
        if self.covariance == "slope":
            return []
        own = float(self._of_people(fit)[0, 0]) + fit.between
        return [Words("repeated.icc", {"found": f"{own / (own + fit.sigma2):.3f}"})]

    # ── people and model ──────────────────────────────────────────────────────────────────────────────────────────

    def _patterns(self, one: Fitted) -> Table:
        """How many people were measured at which visits."""
        times = [Words(text=Text(number_text(time))) for time in self.design.times]
        visits = [Column(name, label, "text") for name, label in zip(self.design.visits, times, strict=True)]
        columns = (*visits, Column("people", Words("regression.people"), "count"))
        seen = {pattern: number for pattern, number in one.people.items() if number}
        seen |= {(): one.everyone - one.analysed} if one.everyone > one.analysed else {}
        marks = [
            [Words("repeated.there" if at in pattern else "repeated.absent") for at in range(len(times))]
            for pattern in seen
        ]
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (*row, number) for row, number in zip(marks, seen.values(), strict=True)
        )
        note = Words("repeated.patterns_note")
        return Table("visit_patterns", Words("repeated.patterns"), columns, rows, notes=(note,))

    def _model(self, one: Fitted) -> Table:
        columns = (
            Column("people", Words("regression.people"), "count"),
            Column("measurements", Words("repeated.measurements"), "count"),
            Column("hospitals", Words("mixed.hospitals"), "count"),
            Column("log_likelihood", Words(f"mixed.likelihood_{self.estimation}"), "number", 3),
        )
        measurements = sum(len(pattern) * number for pattern, number in one.people.items())
        row = (one.analysed, measurements, len(one.sites), -one.fit.deviance / 2)
        return Table("model", Words("mixed.model"), columns, (row,))

    def _notes(self, fit: Fit) -> list[Words]:
        notes = [Words("repeated.complete" if self.complete else "repeated.at_random")]
        notes += [Words("mixed.own_intercepts")] if self._first else []
        return [*notes, Words("mixed.singular")] if fit.singular else notes

    def _text(self) -> list[Words]:
        named: dict[str, int | float | str] = {"formula": self.design.formula.text}
        text = [Words("repeated.text", named), Words(f"repeated.text_{self.covariance}")]
        text += [Words(f"repeated.text_hospital_{self.hospitals}"), Words(f"mixed.text_{self.estimation}")]
        return [*text, Words("mixed.text_freedom"), Words("repeated.text_means")]


SIDES = (("false", Text("no", "아니오", "否"), 0.0), ("true", Text("yes", "예", "是"), 1.0))


def _without(term: Term, pick: Sequence[int], name: str, study: Study) -> str:
    """The name of a column of people without one of its factors."""
    rest = [
        factor.columns(study.variables)[which].name
        for factor, which in zip(term.factors, pick, strict=True)
        if factor.name != name
    ]
    return ":".join(rest) or "Intercept"
