"""How agreement is told: the raters' table and their kappas, intraclass correlations, limits of agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.methods._groups import NO_YES
from gagyo.methods._labels import with_unit
from gagyo.protocol.ucum import shown
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics import agreement
from gagyo.statistics.agreement import Analysis, Kappa, Limits, Several, Weights
from gagyo.text import LANGUAGES, Text, bracketed, join

COEFFICIENT = (
    Column("coefficient", Words("agreement.coefficient"), "text"),
    Column("value", Words("agreement.value"), "interval", 3),
    Column("error", Words("regression.standard_error"), "number", 4),
    Column("p", Words("regression.p"), "p"),
)


@dataclass(frozen=True)
class Told:
    """The raters, by their variables."""

    raters: Sequence[Variable]

    def two(self, table: Floats, kappas: Sequence[tuple[Weights, Kappa]], sites: tuple[str, ...]) -> Result:
        """Two raters of categories."""
        observed = agreement.observed(table)
        found = [(f"kappa_{kind}", one) for kind, one in kappas]
        found += [("pabak", agreement.adjusted(table)), ("ac1", agreement.gwet(table))]
        share = Estimate("observed", Words("agreement.observed"), observed)
        return Result(
            method="agreement",
            lossless=True,
            people=int(table.sum()),
            sites=sites,
            rounds=1,
            estimates=(share, *(_estimate(name, one) for name, one in found)),
            tables=(self._raters_table(table), _coefficients(found, observed)),
            methods_text=(
                Words("agreement.text_two"),
                *(Words(f"agreement.text_{kind}") for kind, _ in kappas if kind != "none"),
            ),
        )

    def _raters_table(self, table: Floats) -> Table:
        first, second = self.raters
        names = _levels(first)
        columns = (
            Column("rater", Words(text=first.label), "text"),
            *(Column(f"level{at}", _of(second, name), "count") for at, name in enumerate(_levels(second))),
        )
        rows: list[tuple[Cell, ...]] = [
            (Words(text=name), *(int(one) for one in row)) for name, row in zip(names, table, strict=True)
        ]
        return Table("agreement_table", Words("agreement.table"), columns, tuple(rows))

    def several(self, sums: Several, kappa: Kappa, sites: tuple[str, ...]) -> Result:
        """Three raters or more of categories."""
        by_level = agreement.of_level(sums)
        columns = (
            Column("level", Words("agreement.level"), "text"),
            Column("share", Words("agreement.share"), "percent", 1),
            Column("kappa", Words("agreement.kappa_level"), "number", 3),
        )
        rows = tuple(
            (Words(text=name), float(share), float(one) if np.isfinite(one) else None)
            for name, share, one in zip(_levels(self.raters[0]), sums.shares, by_level, strict=True)
        )
        whole = np.isfinite(kappa.standard_error)
        levels = [
            Estimate(f"kappa.{at}", Words(text=name), float(one))
            for at, (name, one) in enumerate(zip(_levels(self.raters[0]), by_level, strict=True))
            if np.isfinite(one)
        ]
        share = Estimate("observed", Words("agreement.observed"), sums.observed)
        return Result(
            method="agreement",
            lossless=True,
            people=int(sums.people),
            sites=sites,
            rounds=1,
            estimates=(share, _estimate("fleiss", kappa), *levels),
            tables=(
                _coefficients([("fleiss", kappa)], sums.observed),
                Table("agreement_levels", Words("agreement.levels"), columns, rows),
            ),
            notes=() if whole else (Words("agreement.no_interval"),),
            methods_text=(Words("agreement.text_several", {"raters": sums.raters}),),
        )

    def measured(self, found: Analysis, means: Floats, limits: Limits | None, sites: tuple[str, ...]) -> Result:
        """Raters of a measurement."""
        forms = agreement.correlations(found)
        columns = (
            Column("form", Words("agreement.form"), "text"),
            Column("value", Words("agreement.value"), "interval", 3),
            Column("p", Words("regression.p"), "p"),
        )
        rows = tuple(
            (Words(f"agreement.form_{at}"), Interval(one.value, one.lower, one.upper), one.p)
            for at, one in enumerate(forms, 1)
        )
        estimates = [
            Estimate(one.form, Words(f"agreement.form_{at}"), one.value, None, one.lower, one.upper, one.p)
            for at, one in enumerate(forms, 1)
        ]
        for what in ("between", "raters_square", "residual"):
            estimates.append(Estimate(what, Words(f"agreement.{what}"), getattr(found, what)))
        tables = [Table("agreement_correlations", Words("agreement.correlations"), columns, rows)]
        if limits:
            told, table = self._limits(limits)
            estimates += told
            tables.append(table)
        return Result(
            method="agreement",
            lossless=True,
            people=int(found.people),
            sites=sites,
            rounds=2,
            estimates=tuple(estimates),
            tables=(*tables, self._means(means)),
            notes=(Words("agreement.no_plot"),) if limits else (),
            methods_text=(Words("agreement.text_icc"), *([Words("agreement.text_limits")] if limits else [])),
        )

    def _limits(self, one: Limits) -> tuple[list[Estimate], Table]:
        lines = {"bias": one.bias, "lower_limit": one.lower, "upper_limit": one.upper, "slope": one.slope}
        errors = {"slope": (one.slope_error, _finite(one.p_slope))}
        estimates = []
        for name, (value, low, high) in lines.items():
            error, p = errors.get(name, (None, None))
            estimates.append(Estimate(name, Words(f"agreement.{name}"), value, error, low, high, p))
        estimates.append(Estimate("deviation", Words("agreement.deviation"), one.deviation))
        columns = (
            Column("what", Words("agreement.what"), "text"),
            Column("value", Words("agreement.value"), "interval", 3),
            Column("p", Words("regression.p"), "p"),
        )
        rows: list[tuple[Cell, ...]] = [
            (Words(f"agreement.{name}"), Interval(*ends), errors.get(name, (None, None))[1])
            for name, ends in lines.items()
        ]
        first, second = self.raters[0], self.raters[1]
        title = Words(text=_in_unit(_between(first.label, second.label), first))
        note = Words("agreement.deviation_note", {"value": f"{one.deviation:.3f}"})
        return estimates, Table("agreement_limits", title, columns, tuple(rows), notes=(note,))

    def _means(self, means: Floats) -> Table:
        columns = (
            Column("rater", Words("agreement.rater"), "text"),
            Column("mean", Words("agreement.mean"), "number", 3),
        )
        rows = tuple((with_unit(one), float(mean)) for one, mean in zip(self.raters, means, strict=True))
        return Table("agreement_means", Words("agreement.means"), columns, rows)


def _levels(variable: Variable) -> list[Text]:
    return [level.label for level in variable.levels] or list(NO_YES)


def _of(variable: Variable, level: Text) -> Words:
    """A column of the second rater."""
    return Words(text=join(": ", variable.label, level))


def _between(first: Text, second: Text) -> Text:
    """The title of what two raters differ by."""
    said = (Words("agreement.limits", {"first": first.to(one), "second": second.to(one)}).to(one) for one in LANGUAGES)
    return Text(*said)


def _in_unit(title: Text, variable: Variable) -> Text:
    return title if variable.unit in ("", "1") else bracketed(title, shown(variable.unit))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _estimate(name: str, one: Kappa) -> Estimate:
    limits = (_finite(one.lower), _finite(one.upper)) if np.isfinite(one.standard_error) else (None, None)
    return Estimate(name, Words(f"agreement.{name}"), one.value, _finite(one.standard_error), *limits, _finite(one.p))


def _coefficients(found: Sequence[tuple[str, Kappa]], observed: float) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, one in found:
        whole = np.isfinite(one.standard_error)
        value: Cell = Interval(one.value, one.lower, one.upper) if whole else _plain(one.value)
        rows.append((Words(f"agreement.{name}"), value, _finite(one.standard_error), _finite(one.p)))
    note = Words("agreement.observed_note", {"percent": f"{100 * observed:.1f}"})
    return Table("agreement_coefficients", Words("agreement.coefficients"), COEFFICIENT, tuple(rows), notes=(note,))


def _plain(value: float) -> Words:
    """A value without an interval, the same in every language."""
    shown = f"{value:.3f}"
    return Words(text=Text(shown, shown, shown))
