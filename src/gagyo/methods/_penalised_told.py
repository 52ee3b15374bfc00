"""How a penalised regression is told: the penalties chosen, the coefficients there, the path and the validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Estimate, Result, Series, Table, Words
from gagyo.statistics.penalised import Chosen, choose

LINES = 6
"""Terms with a line of their own in the figure of the path; the others are grey."""


@dataclass(frozen=True)
class Path:
    """Fits by penalty: intercepts (values,), slopes (values, p) of columns as they are, share of deviance explained.

    size: the columns' standard deviations (p,). losses: (folds, values), mean over each fold's people of whom `sizes`
    says how many; none without validation. given: the last penalty is one that the study named.
    """

    penalties: Floats
    intercepts: Floats
    slopes: Floats
    size: Floats
    explained: Floats
    losses: Floats
    sizes: Floats
    rounds: int
    given: bool

    @property
    def regular(self) -> slice:
        """Without the penalty that the study named."""
        return slice(0, len(self.penalties) - self.given)


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a path."""

    formula: Formula
    study: Study
    family: str
    mixing: float
    folds: int

    def result(self, path: Path, people: int, sites: tuple[str, ...]) -> Result:
        """The result."""
        chosen = choose(path.losses[:, path.regular], path.sizes) if self.folds else None
        at = self._models(path, chosen)
        estimates = tuple(self._estimates(path, at))
        curves = (self._path(path), *([_validation(path, chosen, self.family)] if chosen else []))
        return Result(
            method="penalised",
            lossless=True,
            people=people,
            sites=sites,
            rounds=path.rounds,
            estimates=estimates,
            tables=(self._selection(path, chosen, at), self._coefficients(path, at)),
            curves=curves,
            notes=(Words("penalised.no_errors"),),
            methods_text=tuple(self._text()),
        )

    def _models(self, path: Path, chosen: Chosen | None) -> list[tuple[str, int]]:
        """The models that are told, by name: at which penalty."""
        found = [("sparser", chosen.sparser), ("least", chosen.least)] if chosen else []
        return [*found, *([("given", len(path.penalties) - 1)] if path.given else [])]

    def _names(self) -> list[tuple[str, Words]]:
        columns = self.formula.columns(self.study.variables)
        return [(column.name, Words(text=column.label)) for column in columns]

    def _estimates(self, path: Path, at: list[tuple[str, int]]) -> Iterator[Estimate]:
        for model, place in at:
            yield Estimate(f"{model}.penalty", Words(f"penalised.model_{model}"), float(path.penalties[place]))
            values = np.append(path.intercepts[place], path.slopes[place])
            for (name, label), value in zip(self._names(), values, strict=True):
                yield Estimate(f"{model}.{name}", label, float(value))

    def _selection(self, path: Path, chosen: Chosen | None, at: list[tuple[str, int]]) -> Table:
        loss = Words("penalised.squared_error" if self.family == "gaussian" else "penalised.deviance")
        columns = [
            Column("model", Words("penalised.model"), "text"),
            Column("penalty", Words("penalised.penalty"), "number", 5),
            Column("selected", Words("penalised.selected"), "count"),
            Column("explained", Words("penalised.explained"), "percent", 1),
            *(
                [Column("loss", loss, "number", 4), Column("error", Words("penalised.error"), "number", 4)]
                * bool(chosen)
            ),
        ]
        rows: list[tuple[Cell, ...]] = []
        for model, place in at:
            row: list[Cell] = [Words(f"penalised.model_{model}"), float(path.penalties[place])]
            row += [int(np.sum(path.slopes[place] != 0)), float(path.explained[place])]
            if chosen:
                known = place < len(chosen.mean)
                row += [float(chosen.mean[place]), float(chosen.error[place])] if known else [None, None]
            rows.append(tuple(row))
        return Table("selection", Words("penalised.selection"), tuple(columns), tuple(rows))

    def _coefficients(self, path: Path, at: list[tuple[str, int]]) -> Table:
        columns = [Column("term", Words("regression.term"), "text")]
        columns += [Column(model, Words(f"penalised.model_{model}"), "number", 4) for model, _ in at]
        rows = []
        for j, (_, label) in enumerate(self._names()):
            values = [path.slopes[place, j - 1] if j else path.intercepts[place] for _, place in at]
            rows.append((label, *(Words("penalised.left_out") if value == 0 else float(value) for value in values)))
        return Table("coefficients", Words("penalised.coefficients"), tuple(columns), tuple(rows))

    def _path(self, path: Path) -> Curve:
        """The path of coefficients for one standard deviation, so that they can be compared."""
        scaled = path.slopes[path.regular] * path.size
        order = np.argsort(-np.abs(scaled).max(axis=0), kind="stable")
        x = _logarithms(path)
        names = self._names()[1:]
        lines = [Series(names[j][1], x, _values(scaled[:, j])) for j in order[:LINES]]
        others = Words("penalised.others")
        lines += [Series(others, x, _values(scaled[:, j]), style="reference") for j in order[LINES:]]
        title, note = Words("penalised.path"), Words("penalised.path_note")
        return Curve("path", title, Words("penalised.log_penalty"), Words("penalised.scaled"), tuple(lines), (note,))

    def _text(self) -> Iterator[Words]:
        kind = "ridge" if self.mixing == 0 else "lasso" if self.mixing == 1 else "net"
        yield Words(f"penalised.text_{self.family}", {"formula": self.formula.text})
        yield Words(f"penalised.text_{kind}", {"found": f"{self.mixing:g}"})
        yield Words(f"penalised.text_fit_{self.family}")
        if self.folds:
            yield Words("penalised.text_folds", {"number": self.folds})


def _logarithms(path: Path) -> tuple[float, ...]:
    return _values(np.log10(path.penalties[path.regular]))


def _values(x: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in x)


def _validation(path: Path, chosen: Chosen, family: str) -> Curve:
    x, loss = _logarithms(path), Words("penalised.squared_error" if family == "gaussian" else "penalised.deviance")
    band = (_values(chosen.mean - chosen.error), _values(chosen.mean + chosen.error))
    points = [
        Series(Words(f"penalised.model_{model}"), (x[at],), (float(chosen.mean[at]),), style="points")
        for model, at in (("sparser", chosen.sparser), ("least", chosen.least))
    ]
    mean = Series(Words("penalised.mean_loss"), x, _values(chosen.mean), *band)
    title, axis = Words("penalised.validation"), Words("penalised.log_penalty")
    return Curve("penalties", title, axis, loss, (mean, *points), (Words("penalised.validation_note"),))
