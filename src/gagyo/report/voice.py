"""A report's voice: its language, and the study's own names of hospitals and variables in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gagyo.report import numbers
from gagyo.result import Cell, Column, Withheld, Words
from gagyo.text import Language, Text, catalogue, translate


class _Whole(int):
    """A whole number that a text writes as tables do."""

    def __format__(self, spec: str) -> str:
        return numbers.signed(int(self).__format__(spec)) if spec else numbers.count(int(self))


class _Real(float):
    """A number that a text writes with a minus sign."""

    def __format__(self, spec: str) -> str:
        return numbers.signed(float(self).__format__(spec or ".4g"))


@dataclass(frozen=True)
class Voice:
    """Says words, cells and the report's own texts in one language. `names`: labels of hospitals and variables."""

    language: Language
    names: Mapping[str, Text] = field(default_factory=dict)

    def say(self, words: Words | None) -> str:
        """Words in this language; a bare name of the study is replaced by its label."""
        if words is None:
            return ""
        if words.text is not None:
            same = words.text.en == words.text.to("ko") == words.text.to("zh")
            return self.name(words.text.en) if same else words.text.to(self.language)
        return translate(words.key, self.language, **self._values(words.values)) if words.key else ""

    def name(self, name: str) -> str:
        """The label of a hospital or variable, the name of a country's code; the name itself where there is none."""
        if name in self.names:
            return self.names[name].to(self.language)
        return catalogue(self.language).get(f"report.country.{name}", name)

    def own(self, key: str, **values: object) -> str:
        """A text of the report's own catalogue."""
        return translate(f"report.{key}", self.language, **self._values(values))

    def known(self, area: str, name: str) -> str:
        """The catalogue's text for a name from a study file, or the name in plain words where there is none."""
        return catalogue(self.language).get(f"report.{area}.{name}", name.replace("_", " "))

    def cell(self, cell: Cell, column: Column) -> str:
        """A table's cell."""
        if cell is None:
            return ""
        if isinstance(cell, Words):
            return self.say(cell)
        return cell.to(self.language) if isinstance(cell, Withheld) else numbers.shown(cell, column)

    def listed(self, parts: Iterable[str]) -> str:
        """Parts of a list with the comma that this language puts between them."""
        return ("、" if self.language == "zh" else ", ").join(parts)

    def _values(self, values: Mapping[str, object]) -> dict[str, object]:
        return {key: self._value(value) for key, value in values.items()}

    def _named(self, value: str) -> str:
        """A name's label; of a list of hospitals or variables each one's."""
        parts = value.split(", ")
        return self.listed(map(self.name, parts)) if all(part in self.names for part in parts) else self.name(value)

    def _value(self, value: object) -> object:
        if isinstance(value, str):
            return self._named(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        return _Whole(value) if isinstance(value, int) else _Real(value)
