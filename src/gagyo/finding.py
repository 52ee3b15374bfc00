"""A finding: one thing that is wrong or worth knowing, by code, with where it is and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gagyo.text import Language, translate

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Place:
    """Where in a file: `path` is the dotted way to the entry, `line` counts from 1."""

    file: str = ""
    line: int | None = None
    path: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line is not None else self.file
        return f"{where} {self.path}".strip()


@dataclass(frozen=True)
class Finding:
    """One finding. `code` is the key `findings.<code>` of the catalogue and the anchor in the docs.

    `values` fill the message; by custom `found` and `expected` say both sides.
    """

    code: str
    severity: Severity = "error"
    place: Place = field(default_factory=Place)
    values: Mapping[str, object] = field(default_factory=dict)

    def text(self, language: Language) -> str:
        """Where, what, and what to do, in a language."""
        message = translate(f"findings.{self.code}", language, **self.values)
        where = str(self.place)
        return f"{where}: {message}" if where else message

    def to_json(self, language: Language) -> dict[str, Any]:
        """As plain data, with its text in a language."""
        place = {"file": self.place.file, "line": self.place.line, "path": self.place.path}
        return {"code": self.code, "severity": self.severity, **place, "message": self.text(language)}
