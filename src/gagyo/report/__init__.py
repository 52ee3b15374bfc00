"""The report of a study: `results.json` as one self-contained page a language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gagyo.errors import Tampered
from gagyo.report.html import file_name, render
from gagyo.text import LANGUAGES, Language

__all__ = ["check", "file_name", "render", "write"]


def write(document: Mapping[str, Any], folder: Path, languages: Iterable[Language] = LANGUAGES) -> list[Path]:
    """Write `report.<language>.html` into `folder` for each language; gives the files' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for language in languages:
        path = folder / file_name(language)
        path.write_text(render(document, language), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def check(document: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """The names of the reports in `folder`, each of which says what the document says.

    Raises:
        Tampered: one was changed, or written from another document or by another version.
    """
    found = []
    for language in LANGUAGES:
        path = folder / file_name(language)
        if not path.exists():
            continue
        if path.read_bytes() != render(document, language).encode():
            raise Tampered.of("other_report", found=path.name)
        found.append(path.name)
    return tuple(found)
