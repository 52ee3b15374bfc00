"""Sections become one HTML page in one language, with nothing to load: styles and figures are inside it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from gagyo.report import numbers
from gagyo.report.blocks import Block, Drawing, Facts, Formula, Grid, Heading, Marks, Prose
from gagyo.report.checklists import Checklist, Item
from gagyo.report.compose import compose, limits_of, named, text_of
from gagyo.report.figures import draw_curve, draw_flow
from gagyo.report.flow import Flow
from gagyo.report.forest import draw_forest
from gagyo.report.love import draw_love
from gagyo.report.page import frame, template
from gagyo.report.tables import speak
from gagyo.report.voice import Voice
from gagyo.result import Column, Curve, Equation, Estimate
from gagyo.text import Language, Text, bracketed


@dataclass(frozen=True)
class Page:
    """What blocks need to be shown: the voice, and the country of each hospital by its name and label."""

    voice: Voice
    countries: Mapping[str, str]


def render(document: Mapping[str, Any], language: Language) -> str:
    """The report of a document in a language, as one HTML page."""
    voice = Voice(language, _names(document))
    page = Page(voice, _countries(document))
    sections = [
        {
            "name": section.name,
            "title": voice.own(f"section.{section.name}") if not section.name.startswith("flow-") else "",
            "blocks": [_view(block, page) for block in section.blocks],
            "results": section.results,
            "notice": section.notice,
        }
        for section in compose(document)
    ]
    title = _title(document, voice)
    framed = frame(language, title, voice.own("kind"), file_name, ("report.css",), foot=title)
    shown = template("report.html").render(page=framed, head=_head(document, voice), sections=sections, own=voice.own)
    return str(shown)


def file_name(language: Language) -> str:
    """The name of a language's report, beside which the other languages' stand."""
    return f"report.{language}.html"


def _title(document: Mapping[str, Any], voice: Voice) -> str:
    title = text_of(document.get("title"))
    return title.to(voice.language) if title else str(document["study"])


def _names(document: Mapping[str, Any]) -> dict[str, Text]:
    """The study's own names with their labels: variables and hospitals, and analyses, which may be called the same."""
    analyses = document.get("analyses", {})
    labelled = {**analyses, **document.get("variables", {}), **document["sites"]}
    found = ((name, text_of(record.get("label"))) for name, record in labelled.items())
    asked = {named(name): text_of(record.get("label")) or Text(name) for name, record in analyses.items()}
    return asked | {name: label for name, label in found if label}


def _countries(document: Mapping[str, Any]) -> dict[str, str]:
    countries = {name: site["country"] for name, site in document["sites"].items()}
    labels = {site["label"]["en"]: site["country"] for site in document["sites"].values() if site.get("label")}
    return {**labels, **countries}


def _head(document: Mapping[str, Any], voice: Voice) -> dict[str, Any]:
    notice = text_of(document.get("notice"))
    return {"notice": notice.to(voice.language) if notice else "", "facts": list(_facts(document, voice))}


def _facts(document: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
    lead, period = document.get("lead", {}), document.get("period", {})
    sites = document["sites"]
    hospitals = (_hospital(name, site, voice) for name, site in sites.items())
    who = [lead.get("name", ""), lead.get("organisation", "")]
    who += [voice.known("country", lead["country"])] if lead.get("country") else []
    facts = [
        ("head.hospitals", voice.listed(hospitals)),
        ("head.lead", ("，" if voice.language == "zh" else ", ").join(part for part in who if part)),
        ("head.purpose", voice.known("purpose", document.get("purpose", ""))),
        ("head.period", " – ".join(str(period[end]) for end in ("from", "until") if period.get(end))),
    ]
    return [(voice.own(key), value) for key, value in facts if value]


def _hospital(name: str, site: Mapping[str, Any], voice: Voice) -> str:
    country = voice.known("country", site["country"]) if site.get("country") else ""
    label = Text(voice.name(name))
    return (bracketed(label, Text(country)) if country else label).to(voice.language)


def _view(block: Block, page: Page) -> dict[str, Any]:
    """A block as the template shows it."""
    voice = page.voice
    match block:
        case Prose():
            return {"kind": f"prose-{block.style}", "texts": [voice.say(words) for words in block.words]}
        case Heading():
            return {"kind": "heading", "text": voice.say(block.words)}
        case Facts():
            return {"kind": "facts", "facts": [_fact(estimate, voice) for estimate in block.estimates]}
        case Grid():
            return {"kind": "grid", "number": block.number, "table": speak(block.table, voice)}
        case Drawing():
            return _figure(block, page)
        case Formula():
            return {"kind": "formula", **_formula(block.equation, voice)}
        case Marks():
            marks = [(_mark_name(name, voice), mark) for name, mark in block.marks]
            return {"kind": "marks", "title": voice.say(block.title), "marks": marks}
        case Checklist():
            return {"kind": "checklist", **_checklist(block, voice)}


def _fact(estimate: Estimate, voice: Voice) -> dict[str, str]:
    column = Column(estimate.name, estimate.label, "interval", _digits(estimate))
    shown = voice.cell(limits_of(estimate), column)
    value, _, limits = (
        shown.partition(" (") if estimate.lower is not None and not estimate.withheld else (shown, "", "")
    )
    kind = "withheld" if estimate.withheld else "value"
    return {"label": voice.say(estimate.label), "value": value, "kind": kind, "limits": f"({limits}" if limits else ""}


def _digits(estimate: Estimate) -> int:
    """Three; of a difference between measurements two of its standard error."""
    error = estimate.standard_error if estimate.name == "difference" else None
    return min(max(1 - math.floor(math.log10(error)), 0), 3) if error else 3


def _figure(block: Drawing, page: Page) -> dict[str, Any]:
    shape, name, voice = block.shape, f"figure-{block.number}", page.voice
    if isinstance(shape, Flow):
        drawings = [draw_flow(shape, name, voice)]
    elif isinstance(shape, Curve):
        drawings = [draw_curve(shape, name, voice)]
    elif shape.kind == "love":
        drawings = [draw_love(shape, name, voice)]
    else:
        drawings = draw_forest(shape, name, voice, page.countries)
    notes = [voice.say(note) for note in shape.notes] if isinstance(shape, Curve) else []
    title = voice.say(shape.title)
    # The drawing's markup is made by svg.py, which escapes every text.
    return {"kind": "figure", "number": block.number, "title": title, "notes": notes, "svg": Markup("".join(drawings))}


def _formula(equation: Equation, voice: Voice) -> dict[str, Any]:
    """Left side, then signed terms: each stays on one line."""
    outcome = voice.name(equation.outcome)
    left = voice.own(f"formula.{equation.link}", outcome=outcome)
    terms: list[dict[str, str]] = []
    for term, label, value in zip(equation.terms, equation.labels, equation.coefficients, strict=True):
        if value == 0 and term != "Intercept":
            continue  # an aliased term
        sign = (numbers.MINUS if value < 0 else "+") if terms or value < 0 else ""
        sign = f"{sign} " if terms else sign
        size = numbers.significant(abs(value))
        terms.append({"sign": sign, "size": size, "label": "" if term == "Intercept" else voice.say(label)})
    splines = [line for name, knots in SPLINE.findall(equation.formula) for line in _basis(name, knots, voice)]
    return {"left": left, "terms": terms, "link": equation.link, "formula": equation.formula, "splines": splines}


SPLINE = re.compile(r"rcs\((\w+), ([^)]*)\)")
"""A spline in the canonical text of a formula: its variable, and its knots."""


def _basis(name: str, knots: str, voice: Voice) -> list[str]:
    """What each further column of a spline is, by which others can compute it (`protocol.terms.Spline`)."""
    label, at = voice.name(name), [one.strip() for one in knots.split(",")]
    first, before, last = at[0], at[-2], at[-1]
    lines = []
    for which, knot in enumerate(at[:-2], 1):
        parts = [
            f"({_less(label, knot)})₊³",
            f"{numbers.MINUS} ({_less(label, before)})₊³ × ({_less(last, knot)}) / ({_less(last, before)})",
            f"+ ({_less(label, last)})₊³ × ({_less(before, knot)}) / ({_less(last, before)})",
        ]
        lines.append(f"{label}{'′' * which} = [{' '.join(parts)}] / ({_less(last, first)})²")
    return lines


def _less(one: str, other: str) -> str:
    """A difference, as it is written: less what is negative is more."""
    shown = one.replace("-", numbers.MINUS, 1) if one.startswith("-") else one
    return f"{shown} + {other[1:]}" if other.startswith("-") else f"{shown} {numbers.MINUS} {other}"


def _mark_name(name: str, voice: Voice) -> str:
    """What a digest or version is of; a method keeps the name that a study file calls it by."""
    kind, _, method = name.partition(" ")
    return f"{voice.own('mark.method')} {method}" if kind == "method" and method else voice.known("mark", name)


def _checklist(checklist: Checklist, voice: Voice) -> dict[str, Any]:
    groups = [
        {"title": voice.say(title), "items": [_item(item, voice) for item in items]}
        for title, items in checklist.groups
    ]
    counts = [item.status for _, items in checklist.groups for item in items]
    tally = voice.own(
        "tally",
        report=counts.count("report"),
        partly=counts.count("partly"),
        authors=counts.count("authors"),
        left=counts.count("not_done"),
    )
    return {
        "title": voice.say(checklist.title),
        "source": voice.say(checklist.source),
        "groups": groups,
        "tally": tally,
        "name": checklist.name,
    }


def _item(item: Item, voice: Voice) -> dict[str, Any]:
    links = [(section, voice.own(f"section.{section}")) for section in item.sections]
    return {
        "number": item.number,
        "subject": voice.say(item.subject),
        "status": item.status,
        "status_text": voice.own(f"check.{item.status}"),
        "links": links,
        "note": voice.say(item.note),
    }
