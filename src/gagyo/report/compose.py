"""A document (`results.json`) becomes sections of blocks: which results are shown, and where; no language, no format.

Results are placed by the names of their tables and curves, never by their method; what has no place of its own is
shown under further results, so that nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gagyo.report.blocks import Block, Drawing, Facts, Formula, Grid, Heading, Marks, Prose, Section
from gagyo.report.checklists import checklists
from gagyo.report.flow import read_flow
from gagyo.report.places import DESCRIBING, ON_GRIDS, PLACES, UNBINNED, Place, kind_of, stands_for
from gagyo.result import Cell, Column, Equation, Estimate, Interval, Result, Table, Words
from gagyo.text import LANGUAGES, Text, catalogue, join, translate


@dataclass(frozen=True)
class Analysis:
    """One analysis of the document: its name, its label and what it found."""

    name: str
    label: Words
    result: Result

    @property
    def heading(self) -> Words:
        """Its label; of an analysis without one its name, which is not that of a variable that is called the same."""
        said = self.label.text
        return Words(text=Text(named(self.name))) if said == Text(self.name) else self.label


def named(name: str) -> str:
    """An analysis by name, where a page says it: hospitals and variables have names of their own."""
    return f"analysis:{name}"


def compose(document: Mapping[str, Any]) -> tuple[Section, ...]:
    """The report's sections, tables and figures numbered."""
    analyses = read_analyses(document)
    results = tuple(section for place in PLACES if (section := _placed(place, analyses)))
    study = (_summary(document, analyses), *_flow(document), *results, *_further(analyses))
    there = {"header"} | {section.name for section in study} | _also_there(analyses)
    whole = (*study, *_egress(document), _methods(document, analyses), _limits(document, analyses))
    # The checklists are for studies of a prediction model.
    whole += (_checks(there | {section.name for section in whole}),) if _predicts(analyses) else ()
    whole += (_provenance(document),)
    return tuple(_numbered(whole))


def read_analyses(document: Mapping[str, Any]) -> tuple[Analysis, ...]:
    """The document's analyses as results."""
    return tuple(
        Analysis(name, Words(text=text_of(record.get("label")) or Text(name)), _result(record))
        for name, record in document.get("analyses", {}).items()
        if "stopped" not in record
    )


def text_of(record: Mapping[str, str] | None) -> Text | None:
    """A trilingual text of the document."""
    return Text(record.get("en", ""), record.get("ko", ""), record.get("zh", "")) if record else None


def own(key: str, **values: int | float | str) -> Words:
    """A text of the report's own catalogue."""
    return Words(f"report.{key}", values)


def _result(record: Mapping[str, Any]) -> Result:
    return Result.from_json({key: value for key, value in record.items() if key != "label"})


def _summary(document: Mapping[str, Any], analyses: tuple[Analysis, ...]) -> Section:
    validated = [analysis for analysis in analyses if _is_validation(analysis.result)]
    chosen = validated or [analysis for analysis in analyses if _estimates_stand_alone(analysis.result)]
    estimates = tuple(estimate for analysis in chosen for estimate in analysis.result.estimates)[:6]
    estimates += tuple(_effect(analysis) for analysis in analyses if _of_a_treatment(analysis.result))
    blocks: list[Block] = [Prose((_covers(document, analyses),))]
    blocks += [Prose(missed, "warning")] if (missed := _missed(document)) else []
    blocks += [Facts(estimates)] if estimates else []
    if not validated:
        blocks += [Formula(analysis.result.equation) for analysis in analyses if analysis.result.equation]
    if not validated:
        curves = (curve for analysis in analyses for curve in analysis.result.curves)
        blocks += [Drawing(curve) for curve in curves if stands_for("survival", curve.name)][:1]
    shown = [
        *((chosen, name) for name in ("external", "by_hospital")),
        *((analyses, name) for name in ("hazard_ratios", "subdistribution_ratios")),
    ]
    forest = next((table for among, name in shown for table in _tables(among, name)), None)
    blocks += [Drawing(_first_panel(forest))] if forest else []
    return Section("summary", tuple(blocks))


def _is_validation(result: Result) -> bool:
    return any(table.name == "performance" for table in result.tables) or any(c.name == "roc" for c in result.curves)


def _predicts(analyses: Iterable[Analysis]) -> bool:
    """Whether the study makes or tests a prediction model, or has no result that says so otherwise."""
    found = [analysis.result for analysis in analyses]
    if any(_is_validation(result) or result.equation for result in found):
        return True
    only_describes = bool(found) and all(_home(result) in DESCRIBING for result in found)
    return not only_describes and not any(_of_survival(result) for result in found)


def _of_survival(result: Result) -> bool:
    placed = {"survival", "incidence", "comparison", "hazards"}
    return _home(result) in placed


def _of_a_treatment(result: Result) -> bool:
    """Whether a result is the effect of a treatment, which is its first estimate."""
    return _home(result) in ("weighting", "trial")


def _effect(analysis: Analysis) -> Estimate:
    """The effect that an analysis found, under its label and the effect's name in its first table."""
    named = analysis.result.tables[0].rows[0][0]
    assert isinstance(named, Words)
    label, name = (Text(*(words.to(language) for language in LANGUAGES)) for words in (analysis.label, named))
    return replace(analysis.result.estimates[0], label=Words(text=join(": ", label, name)))


def _estimates_stand_alone(result: Result) -> bool:
    """Whether estimates are all that a result has to show; beside tables they repeat them for programs."""
    return not result.tables and not result.equation


def _tables(analyses: Iterable[Analysis], name: str) -> Iterator[Table]:
    for analysis in analyses:
        yield from (t for t in analysis.result.tables if stands_for(name, t.name) and _has_intervals(t))


def _first_panel(table: Table) -> Table:
    first = next((i for i in range(1, len(table.columns)) if any(isinstance(r[i], Interval) for r in table.rows)), 1)
    rows = tuple((row[0], row[first]) for row in table.rows)
    return replace(table, columns=(table.columns[0], table.columns[first]), rows=rows)


def _covers(document: Mapping[str, Any], analyses: tuple[Analysis, ...]) -> Words:
    sites = document["sites"].values()
    people = [document["flow"]["people"]] if document.get("flow") else []
    people += [analysis.result.people for analysis in analyses]
    answered = sum(site["state"] == "answered" for site in sites)
    return own("covers", people=people[0] if people else 0, answered=answered, hospitals=len(sites))


def _missed(document: Mapping[str, Any]) -> tuple[Words, ...]:
    states = {name: site["state"] for name, site in document["sites"].items()}
    missed = [own(f"missed_{state}", hospital=name) for name, state in states.items() if state != "answered"]
    return (*missed, *_stopped(document))


def _stopped(document: Mapping[str, Any]) -> Iterator[Words]:
    """Analyses without a result, each with its reasons."""
    for name, record in document.get("analyses", {}).items():
        if "stopped" in record:
            yield own("stopped", analysis=named(name))
            yield from (Words(f"findings.{reason['code']}", dict(reason["values"])) for reason in record["stopped"])


def _flow(document: Mapping[str, Any]) -> Iterator[Section]:
    if not document.get("flow"):
        return
    result = _result(document["flow"])
    missing = tuple(table for table in result.tables if stands_for("missing", table.name))
    blocks: list[Block] = [Prose((own("about.flow"),))]
    for table in result.tables:
        if table not in missing:
            drawn = stands_for("flow", table.name)
            blocks += [Drawing(read_flow(table, document["sites"])), Grid(table)] if drawn else [Grid(table)]
    blocks += [Prose(result.notes, "notes")] if result.notes else []
    yield Section("flow", tuple(blocks))
    if missing:
        yield Section("missing", (Prose((own("about.missing"),)), *map(_lacking, missing)))


def _lacking(table: Table) -> Block:
    """Of a table of missing values the rows in which something is missing, or not told; results.json holds them all."""
    rows = tuple(row for row in table.rows if len(row) == 1 or any(cell != 0 for cell in row[1:]))
    if not rows:
        said = (translate("report.nothing_missing", one, title=table.title.to(one)) for one in LANGUAGES)
        return Prose((Words(text=Text(*said)), *table.notes[1:]))
    others = len(table.rows) - len(rows)
    notes = (own("nothing_else_missing", number=others), *table.notes) if others else table.notes
    return Grid(replace(table, rows=rows, notes=notes))


def _placed(place: Place, analyses: tuple[Analysis, ...]) -> Section | None:
    parts = [(analysis, list(_blocks(place, analysis))) for analysis in analyses]
    parts = [(analysis, blocks) for analysis, blocks in parts if blocks]
    blocks: list[Block] = [Prose((own(f"about.{place.section}"),))]
    for analysis, found in parts:
        blocks += [Heading(analysis.heading)] if len(parts) > 1 else []
        blocks += found
    return Section(place.section, tuple(blocks)) if parts else None


def _blocks(place: Place, analysis: Analysis) -> Iterator[Block]:
    result = analysis.result
    if place.section == "model" and result.equation:
        yield from (Formula(result.equation), Grid(_terms(result.equation)))
    shown: set[str] = set()
    for name in place.tables:
        found = [table for table in result.tables if stands_for(name, table.name) and table.name not in shown]
        shown |= {table.name for table in found}  # "model" stands for "model_test" too, which is shown once
        yield from _shown(found)
        if name == "performance":
            yield from _estimates(analysis) if _is_validation(result) else ()
    for name in place.curves:
        yield from (Drawing(curve) for curve in result.curves if stands_for(name, curve.name))
    if place.section == _home(result) and result.notes:
        yield Prose(result.notes, "notes")


def _shown(tables: Iterable[Table]) -> Iterator[Block]:
    for table in tables:
        if table.kind == "love" or _has_intervals(table):
            yield Drawing(table)
        yield Grid(table)


def _has_intervals(table: Table) -> bool:
    """Whether a forest table has something to draw: of one that is withheld whole, the table says so."""
    return table.kind == "forest" and any(isinstance(cell, Interval) for row in table.rows for cell in row)


def _home(result: Result) -> str:
    """The first section in which a result is shown: its notes stand there."""
    shapes = [(table.name, "tables") for table in result.tables] + [(curve.name, "curves") for curve in result.curves]
    for place in PLACES:
        if any(stands_for(name, shape) for shape, kind in shapes for name in getattr(place, kind)):
            return place.section
    return "model" if result.equation else "further"


def _estimates(analysis: Analysis) -> Iterator[Block]:
    terms = analysis.result.equation.terms if analysis.result.equation else ()
    rest = [estimate for estimate in analysis.result.estimates if estimate.name not in terms]
    if rest:
        yield Grid(_estimate_table(rest))


ON_OTHER_SCALES = ("auc_external", "oe_external")
"""Estimates whose standard error is on the scale of their summary."""


def _estimate_table(estimates: list[Estimate]) -> Table:
    with_p = any(estimate.p is not None for estimate in estimates)
    columns = (
        Column("measure", Words("result.measure"), "text"),
        Column("value", Words("result.value_interval"), "interval"),
        Column("standard_error", Words("result.standard_error")),
        Column("p", Words("result.p"), "p"),
    )
    rows = [(estimate.label, limits_of(estimate), estimate.standard_error, estimate.p) for estimate in estimates]
    kept = 4 if with_p else 3
    notes = (own("summary_errors"),) if any(one.name in ON_OTHER_SCALES for one in estimates) else ()
    return Table("estimates", own("estimates"), columns[:kept], tuple(row[:kept] for row in rows), notes=notes)


def limits_of(estimate: Estimate) -> Cell:
    """An estimate as a cell: withheld, with its limits, or bare."""
    if estimate.withheld:
        return estimate.withheld
    if estimate.value is None or estimate.lower is None or estimate.upper is None:
        return estimate.value
    return Interval(estimate.value, estimate.lower, estimate.upper)


def _terms(equation: Equation) -> Table:
    columns = (
        Column("term", Words("result.term"), "text"),
        Column("name", Words("result.column"), "text"),
        Column("coefficient", Words("result.coefficient"), "significant", 6),
    )
    found = zip(equation.labels, equation.terms, equation.coefficients, strict=True)
    # A term without a coefficient, such as an aliased one, is no part of the equation.
    rows = tuple(
        (label, Words(text=Text(term, term, term)), value)
        for label, term, value in found
        if value != 0 or term == "Intercept"
    )
    return Table("equation", own("equation_table"), columns, rows)


def _further(analyses: tuple[Analysis, ...]) -> Iterator[Section]:
    blocks: list[Block] = []
    for analysis in analyses:
        found = list(_unplaced(analysis))
        blocks += [Heading(analysis.heading), *found] if found else []
    if blocks:
        yield Section("further", (Prose((own("about.further"),)), *blocks))


def _unplaced(analysis: Analysis) -> Iterator[Block]:
    result = analysis.result
    tables = {name for place in PLACES for name in place.tables}
    curves = {name for place in PLACES for name in place.curves}
    if _estimates_stand_alone(result):
        yield from _estimates(analysis)
    yield from _shown(table for table in result.tables if not any(stands_for(n, table.name) for n in tables))
    yield from (Drawing(c) for c in result.curves if not any(stands_for(n, c.name) for n in curves))
    if _home(result) == "further" and result.notes:
        yield Prose(result.notes, "notes")


def _also_there(analyses: tuple[Analysis, ...]) -> set[str]:
    """Names that a checklist may ask for besides sections: tables and curves."""
    tables = {f"shape:{table.name}" for analysis in analyses for table in analysis.result.tables}
    return tables | {f"shape:{curve.name}" for analysis in analyses for curve in analysis.result.curves}


def _egress(document: Mapping[str, Any]) -> Iterator[Section]:
    if not document.get("egress"):
        return
    result = _result(document["egress"])
    notes = (Prose(result.notes, "notes"),) if result.notes else ()
    text = Prose((own("about.egress", number=document["minimum_people"]),))
    yield Section("egress", (text, *(Grid(table) for table in result.tables), *notes))


def _methods(document: Mapping[str, Any], analyses: tuple[Analysis, ...]) -> Section:
    general = [own("methods_federated"), own("methods_gate", number=document["minimum_people"])]
    exact = [analysis for analysis in analyses if analysis.result.lossless]
    if exact and len(exact) == len(analyses):
        tables = {table.name for analysis in analyses for table in analysis.result.tables}
        general.append(own("methods_lossless_grid") if tables & ON_GRIDS else own("methods_lossless"))
    blocks: list[Block] = [Prose(tuple(general))]
    for analysis in analyses:
        result = analysis.result
        key = "methods_exact" if result.lossless else "methods_approximate"
        run = own(key, people=result.people, hospitals=len(result.sites), rounds=result.rounds)
        blocks += [Heading(analysis.heading), Prose((*result.methods_text, run))]
    return Section("methods", tuple(blocks), results=False, notice=True)


def _limits(document: Mapping[str, Any], analyses: tuple[Analysis, ...]) -> Section:
    points = [words for words in _missed(document) if words.key.startswith("report.")]
    points += [own("limit.embedded")] if document.get("runtime") == "embedded" else []
    points += [own("limit.complete_case")] if document.get("flow") else []
    points += [own("limit.missed_visits")] if any(_keeps_who_missed_visits(one.result) for one in analyses) else []
    points += [own("limit.withheld", number=document["minimum_people"])]
    points += [own("limit.not_lossless")] if any(not analysis.result.lossless for analysis in analyses) else []
    curves = {curve.name for analysis in analyses for curve in analysis.result.curves}
    points += [own("limit.curves")] if {kind_of(name) for name in curves} - UNBINNED else []
    points += [own("limit.survival")] if any(_of_survival(analysis.result) for analysis in analyses) else []
    points += [own("limit.confounding")] if any(_of_a_treatment(analysis.result) for analysis in analyses) else []
    names = ("reference_standard", "hospitals", "care") if _predicts(analyses) else ("hospitals",)
    points += [own(f"limit.{name}") for name in names]
    return Section("limits", (Prose(tuple(points), "list"),), results=False, notice=True)


def _keeps_who_missed_visits(result: Result) -> bool:
    return any(note.key == "repeated.at_random" for note in result.notes)


def _checks(there: set[str]) -> Section:
    return Section("checklists", (Prose((own("about.checklists"),)), *checklists(there)), results=False)


def _provenance(document: Mapping[str, Any]) -> Section:
    columns = tuple(Column(name, Words(f"result.{name}"), "text") for name in ("hospital", "country", "state", "key"))
    rows = tuple(_hospital(name, site) for name, site in document["sites"].items())
    digests = {"plan": document.get("plan", ""), **document.get("digests", {})}
    versions = {"gagyo": document.get("gagyo", ""), **document.get("versions", {})}
    about = own("about.provenance", study=document["study"], runtime=document.get("runtime", ""))
    marks = (Marks(own("digests"), tuple(digests.items())), Marks(own("versions"), tuple(versions.items())))
    table = Grid(Table("sites", own("hospitals_table"), columns, rows))
    return Section("provenance", (Prose((about,)), table, *marks), results=False)


def _hospital(name: str, site: Mapping[str, Any]) -> tuple[Cell, ...]:
    key = f"report.country.{site['country']}"
    country = Words(key) if key in catalogue("en") else _same(site["country"])
    return (Words(text=Text(name)), country, own(f"state.{site['state']}"), _same(site.get("key", "")))


def _same(text: str) -> Words:
    return Words(text=Text(text, text, text))


def _numbered(sections: Iterable[Section]) -> Iterator[Section]:
    tables, figures = 0, 0
    for section in sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Grid):
                tables += 1
                block = replace(block, number=tables)
            elif isinstance(block, Drawing):
                figures += 1
                block = replace(block, number=figures)
            blocks.append(block)
        yield replace(section, blocks=tuple(blocks))
