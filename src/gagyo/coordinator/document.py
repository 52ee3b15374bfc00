"""One run as one record, results.json: whom it covers, what it found, what left each hospital, and under which plan."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from gagyo.canonical import digest, plain
from gagyo.coordinator.arithmetic import arithmetic
from gagyo.coordinator.run import Run
from gagyo.errors import Stopped
from gagyo.protocol.plan import Plan
from gagyo.release.decision import Answer
from gagyo.result import Cell, Column, Result, Table, Withheld, Words
from gagyo.text import LANGUAGES, Text, join, translate

FLOW = ("analysed", "not_selected", "missing")


def document(run: Run, runtime: str, receipts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The record of a finished run. receipts: the records of all hospitals' receipts, for what left."""
    study = run.study
    return {
        "gagyo": version("gagyo"),
        "study": study.study,
        "plan": run.plan.digest,
        "runtime": runtime,
        "title": plain(study.title),
        "notice": plain(study.notice) if study.notice.en else None,
        "purpose": study.purpose,
        "lead": plain(study.lead),
        "period": {"from": study.period.start.isoformat(), "until": study.period.until.isoformat()},
        "minimum_people": study.release.minimum_people,
        "sites": {site: _site(run, site) for site in study.sites},
        "variables": {
            name: {"label": plain(variable.label), "unit": variable.unit, "type": variable.type}
            for name, variable in study.variables.items()
        },
        "analyses": {name: _analysis(run, name) for name in study.analyses},
        "flow": flow(run).to_json(),
        "egress": egress(run, list(receipts)).to_json(),
        "digests": _digests(run.plan),
        "versions": {name: version(name) for name in ("numpy", "scipy", "polars")}
        | {"python": platform.python_version()},
        "arithmetic": arithmetic(),
    }


def _site(run: Run, site: str) -> dict[str, Any]:
    answer = run.preflight.get(site)
    about = answer.payload["about"] if answer else {}
    return {
        "country": about.get("country", ""),
        "label": about.get("label") or {"en": site, "ko": site, "zh": site},
        "state": "silent" if site in run.silent else "answered" if answer else "refused",
        "key": run.plan.keys.get(site, {}).get("signing", "")[:16],
    }


def _analysis(run: Run, name: str) -> dict[str, Any]:
    label = plain(run.study.analyses[name].label) if run.study.analyses[name].label.en else None
    if name in run.results:
        return {"label": label, **run.results[name].to_json()}
    return {"label": label, "method": run.study.analyses[name].method, "stopped": _why(run.stopped[name])}


def _why(stopped: Stopped) -> list[dict[str, Any]]:
    return [
        {"code": one.code, "values": {key: str(value) for key, value in one.values.items()}} for one in stopped.findings
    ]


def _digests(plan: Plan) -> dict[str, str]:
    return {"plan": plan.digest, "study": digest(plan.study.canonical())} | {
        f"method {name}": source for name, source in plan.methods.items()
    }


# Study flow and missing values, from the preflights.


def flow(run: Run) -> Result:
    """People counted in and out, and missing values, by cohort and hospital."""
    tables = [table for cohort in run.study.cohorts for table in (_flow(run, cohort), _missing(run, cohort))]
    covered = [int(_flow_numbers(run, site, cohort)[0]) for cohort in run.study.cohorts for site in run.ready(cohort)]
    per_cohort = len(run.study.cohorts)
    return Result(
        method="flow",
        lossless=True,
        people=sum(covered) if per_cohort == 1 else max((_covered(run, one) for one in run.study.cohorts), default=0),
        sites=tuple(run.preflight),
        rounds=1,
        tables=tuple(tables),
    )


def _covered(run: Run, cohort: str) -> int:
    return sum(int(_flow_numbers(run, site, cohort)[0]) for site in run.ready(cohort))


def _flow_numbers(run: Run, site: str, cohort: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(run.preflight[site].payload["values"][f"{cohort}.flow"])


def _flow(run: Run, cohort: str) -> Table:
    columns = [Column("hospital", Words("flow.hospital"), "text"), Column("people", Words("flow.people"), "count")]
    columns += [Column(name, Words(f"flow.{name}"), "count") for name in ("not_selected", "missing", "analysed")]
    rows = tuple(_flow_row(run, site, cohort) for site in run.study.sites)
    withheld = any(isinstance(cell, Withheld) and cell.code == "withheld" for row in rows for cell in row)
    notes = (Words("flow.withheld_note", {"number": run.study.release.minimum_people}),) if withheld else ()
    return Table(
        _cohort_name(run, "flow", cohort), _title(run, "flow.title", cohort), tuple(columns), rows, notes=notes
    )


def _cohort_name(run: Run, name: str, cohort: str) -> str:
    return name if cohort == next(iter(run.study.cohorts)) else f"{name}_{cohort}"


def _title(run: Run, key: str, cohort: str) -> Words:
    if len(run.study.cohorts) == 1:
        return Words(key)
    label = run.study.cohorts[cohort].label
    named = label if label.en else Text(cohort)
    return Words(text=Text(*(translate(f"{key}_of", one, cohort=named.to(one)) for one in LANGUAGES)))


def _flow_row(run: Run, site: str, cohort: str) -> tuple[Cell, ...]:
    """A hospital's people. Which of the numbers withheld is the small one is not known here, nor told."""
    if site not in run.ready(cohort):
        why = "withheld" if site in run.preflight else "missed" if site in run.silent else "refused"
        return (Words(text=_label(run, site)), None, None, None, Withheld(why))
    numbers = dict(zip(FLOW, _flow_numbers(run, site, cohort), strict=True))
    cells: list[Cell] = [
        Withheld("withheld") if np.isnan(numbers[name]) else int(numbers[name])
        for name in ("not_selected", "missing", "analysed")
    ]
    # With one part withheld the total would give it away.
    whole: Cell = Withheld("withheld") if np.isnan(list(numbers.values())).any() else int(sum(numbers.values()))
    return (Words(text=_label(run, site)), whole, *cells)


def _label(run: Run, site: str) -> Any:
    return Text(**_site(run, site)["label"])


def _missing(run: Run, cohort: str) -> Table:
    ready = run.ready(cohort)
    hospitals = (Column(site, Words(text=_label(run, site)), "percent", 1) for site in ready)
    columns = (Column("variable", Words("flow.variable"), "text"), *hospitals)
    rows = tuple(
        (Words(text=variable.label), *(_missing_cell(run, site, cohort, number) for site in ready))
        for number, variable in enumerate(run.study.variables.values())
    )
    notes = [Words("flow.missing_note", {"number": run.study.release.minimum_people})]
    if never := run.never(cohort):
        labels = join(", ", *(run.study.variables[one].label for one in never))
        said = (translate("flow.never_note", one, found=labels.to(one)) for one in LANGUAGES)
        notes.append(Words(text=Text(*said)))
    name = _cohort_name(run, "missing", cohort)
    return Table(name, _title(run, "flow.missing_title", cohort), columns, rows, notes=tuple(notes))


def _missing_cell(run: Run, site: str, cohort: str, number: int) -> Cell:
    payload = run.preflight[site].payload
    if list(run.study.variables)[number] in payload["absent"]:
        return Words("flow.absent")
    missing = float(payload["values"][f"{cohort}.missing"][number])
    analysed, _, left_out = _flow_numbers(run, site, cohort)
    if np.isnan(missing):
        return Withheld("withheld")  # few lack it, or few have it: which, is not told
    if missing == 0:
        return 0.0
    selected = analysed + (0.0 if np.isnan(left_out) else left_out)
    return float(missing / selected)


# What left each hospital, from the receipts.


def egress(run: Run, receipts: list[Mapping[str, Any]]) -> Result:
    """Numbers that left each hospital, by way, and what was refused or referred, with the reasons."""
    columns = (
        Column("hospital", Words("egress.hospital"), "text"),
        Column("pooled", Words("egress.pooled"), "count"),
        Column("each", Words("egress.each"), "count"),
        Column("answers", Words("egress.answers"), "count"),
        Column("refused", Words("egress.refused"), "count"),
        Column("referred", Words("egress.referred"), "count"),
        Column("reasons", Words("egress.reasons"), "text"),
    )
    rows = tuple(_egress_row(run, site, [one for one in receipts if one["site"] == site]) for site in run.study.sites)
    table = Table("egress", Words("egress.title"), columns, rows, notes=(Words("egress.note"),))
    return Result("egress", True, 0, tuple(run.study.sites), 0, tables=(table,))


def _egress_row(run: Run, site: str, receipts: list[Mapping[str, Any]]) -> tuple[Cell, ...]:
    def numbers(channel: str) -> int:
        return sum(int(one["numbers"]) for one in receipts if one["channel"] == channel)

    def outcomes(outcome: str) -> int:
        return sum(one["outcome"] == outcome for one in receipts)

    codes = sorted({str(one["code"]) for one in receipts if one["code"]})
    # Reasons are codes with texts of their own; a row shows the first, and the ledger all.
    reason: Cell = Words(f"egress.code_{codes[0]}") if codes else None
    released = sum(one["outcome"] == "released" and one["channel"] in ("each", "pooled") for one in receipts)
    label = Words(text=_label(run, site))
    return (label, numbers("pooled"), numbers("each"), released, outcomes("refused"), outcomes("referred"), reason)


def receipts_of(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """The records of the receipts that came with answers, each once, with the hospital's name."""
    seen: dict[str, dict[str, Any]] = {}
    for answer in answers:
        if answer.receipt is not None:
            seen[answer.receipt.head] = {"site": answer.site, **answer.receipt.record}
    return list(seen.values())
