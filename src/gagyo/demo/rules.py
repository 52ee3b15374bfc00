"""Six studies and what the rules of Korea and China say of each, on three days, as pages in three languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from gagyo.coordinator.planning import sends_of
from gagyo.governance.check import Checked, check
from gagyo.governance.derive import Given, given
from gagyo.governance.document import document
from gagyo.governance.evidence import Evidence
from gagyo.governance.inventory import inventory
from gagyo.protocol.study import Study
from gagyo.report.rules import grouped, page_name, render_index, write_pages
from gagyo.text import LANGUAGES

STUDIES = ("aggregates", "rows", "summaries", "exomes", "models", "foreign-node")
DAYS = (date(2026, 6, 1), date(2027, 3, 10))
"""Days beside today: before and after Korean law changes."""
ROUNDS = 4
"""Documents can ask for further ones; after so many rounds nothing new is asked (a test looks)."""


def write(folder: Path, today: date) -> list[Path]:
    """Write every study with its pages, and the way in; gives the pages of the way in."""
    days = sorted({*DAYS, today})
    shown = [_write_study(name, folder / name, days) for name in STUDIES]
    pages = [folder / f"index.{language}.html" for language in LANGUAGES]
    for page, language in zip(pages, LANGUAGES, strict=True):
        page.write_text(render_index(shown, language), encoding="utf-8")
    return pages


def _write_study(name: str, folder: Path, days: Sequence[date]) -> dict[str, Any]:
    from importlib.resources import files

    folder.mkdir(parents=True, exist_ok=True)
    text = (files("gagyo.demo") / "files" / "rules" / f"{name}.yaml").read_text(encoding="utf-8")
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    study = Study.parse(text, str(folder / "study.yaml"))
    records = study_records(study, days)
    for record in records:
        write_pages(record, folder)
    shown = [{"file": _stem(record), "day": record["day"], **_whole(record)} for record in records]
    return {"title": records[0]["title"], "scenario": records[0]["scenario"], "folder": name, "days": shown}


def study_records(study: Study, days: Sequence[date]) -> list[dict[str, Any]]:
    """The record of a study for each day, with what the days change and what holding every document would do."""
    what = given(study, sends_of(study))
    found = {day: check(what, day) for day in days}
    shown = [{"day": day.isoformat(), "file": f"rules.{day}", "sites": _verdicts(one)} for day, one in found.items()]
    more = {"scenario": document(what, found[days[0]])["notice"], "days": shown, "turns": list(_turns(found))}
    return [
        {**document(what, one), **more, "if_held": _groups(document(what, with_everything(what, day)))}
        for day, one in found.items()
    ]


def with_everything(what: Given, day: date) -> Checked:
    """The check with every document held that it asks for, and that those ask for in turn."""
    held: list[Evidence] = []
    for _ in range(ROUNDS):
        needed = inventory(check(what, day, held)).needed
        held += [Evidence(one.kind.id, one.site, one.things, day) for one in needed]
    return check(what, day, held)


def _verdicts(one: Checked) -> dict[str, str]:
    return {site: one.verdict(site) for site in dict.fromkeys(answer.subject.site for answer in one.answers)}


def _turns(found: Mapping[date, Checked]) -> Iterator[dict[str, Any]]:
    for (first, before), (second, after) in pairwise(found.items()):
        old, new = _deciding(before), _deciding(after)
        begin, end = sorted(new - old), sorted(old - new)
        yield {"first": first.isoformat(), "second": second.isoformat(), "begin": begin, "end": end}


def _deciding(one: Checked) -> set[str]:
    return {found.rule.id for answer in one.answers for found in answer.deciding}


def _groups(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Answers by hospitals and things, for a small table."""
    keys = ("law", "platform", "verdict")
    return [
        {
            "sites": list(dict.fromkeys(one["site"] for one in group)),
            "things": list(dict.fromkeys(one["thing"] for one in group)),
            **{key: group[0][key] for key in keys},
        }
        for group in grouped(record)
    ]


def _whole(record: Mapping[str, Any]) -> dict[str, str]:
    """The strictest of each answer of a study."""
    from gagyo.governance.check import strictest

    keys = ("law", "platform", "verdict")
    return {key: strictest(one[key] for one in record["answers"]) for key in keys}


def _stem(record: Mapping[str, Any]) -> str:
    return page_name(record, "en").removesuffix(".en.html")
