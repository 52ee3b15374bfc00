"""Parts of a validation that hospitals may withhold: what is left is told, and which part is lacking."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.text import Text

T = TypeVar("T")
Lacking = tuple[str, Text | None, Kept]
"""A part that hospitals withheld: its name, of a subgroup the variable's label, and whether they were asked."""


class Parts:
    """What was found part by part; `kept` are the parts that were withheld."""

    kept: list[Lacking]

    def part(self, name: str, talk: Generator[Any, Any, T], label: Text | None = None) -> Generator[Any, Any, T | None]:
        """What a part gives; None where it was withheld, which is noted."""
        given = yield from unless_withheld(talk)
        if isinstance(given, Kept):
            self.kept.append((name, label, given))
            return None
        return given

    def lacks(self, name: str) -> bool:
        """Whether a part was withheld."""
        return any(one == name for one, _, _ in self.kept)
