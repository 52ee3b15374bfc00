"""The page of findings: every code with its text in three languages, from the catalogue."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from gagyo.text import FOLDERS, LANGUAGES, catalogue
from made.words import LANGUAGE_NAMES, MADE, ROOT

CHAPTERS = {
    "findings": "Files that people write",
    "findings_approvals": "Approvals",
    "findings_review": "Output review",
    "findings_dossier": "Dossiers",
    "findings_prose": "Protocol documents",
    "findings_planning": "Planning and feasibility",
    "findings_exchange": "The exchange between institutions",
    "findings_run": "Runs, answers and records",
}


def findings() -> str:
    """Every code with its text in three languages, under an anchor of its own name."""
    lines = [
        MADE,
        "",
        "# Findings",
        "",
        "Every fault, refusal and note has a code. Its text says what was found, what was expected and what to do.",
        "Words in braces are filled in. A hospital's refusal: [Read a refusal](../how-to/read-a-refusal.md).",
    ]
    for chapter, codes in finding_chapters():
        lines += ["", f"## {chapter}"]
        for code in codes:
            lines += ["", f"### {code}", ""]
            lines += [f"- {LANGUAGE_NAMES[one]}: {_plain(catalogue(one)[f'findings.{code}'])}" for one in LANGUAGES]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """A text with the form for many where its wording follows a number."""
    return re.sub(r"\{\w+:[^}|]*\|([^}]*)\}", r"\1", text)


def finding_chapters() -> Iterator[tuple[str, list[str]]]:
    """Codes by chapter: the pages of the English catalogue, divided where a comment stands alone."""
    folder = ROOT / "src" / "gagyo" / "locales" / FOLDERS["en"]
    for page in sorted(folder.glob("findings*.toml")):
        text = page.read_text(encoding="utf-8")
        chapter, codes = CHAPTERS.get(page.stem, page.stem.replace("_", " ").capitalize()), []
        for line in text.splitlines()[1:]:
            if line.startswith("# "):
                if codes:
                    yield chapter, codes
                chapter, codes = line[2:].capitalize(), []
            codes += list(tomllib.loads(line)) if re.match(r"\w+ = ", line) else []
        yield chapter, codes
