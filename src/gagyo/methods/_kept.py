"""What a result says in the place of a part that the hospitals withheld: which part, and what may help."""

from __future__ import annotations

from dataclasses import replace

from gagyo.federation.dispensable import Kept
from gagyo.result import Result, Withheld, Words
from gagyo.text import LANGUAGES, Text, translate

WITHHELD = Withheld("withheld")
"""The cell of a number that stayed inside the hospitals."""


def lacking(result: Result, name: str, part: object, advice: str = "larger") -> Result:
    """The result, with a note in the place of a part (`kept.part_<name>`) that was withheld."""
    if not isinstance(part, Kept):
        return result
    return replace(result, notes=(*result.notes, kept_note(part, named_part(f"kept.part_{name}"), advice)))


def kept_note(kept: Kept, part: Text, advice: str) -> Words:
    """The note in a part's place. advice: what may help, a key `kept.help_<advice>`."""
    key, helps = "kept.withheld" if kept.asked else "kept.not_asked", named_part(f"kept.help_{advice}")
    said = (translate(key, one, part=part.to(one), help=helps.to(one)) for one in LANGUAGES)
    return Words(key, text=Text(*said))


def named_part(key: str) -> Text:
    """A text of the catalogue in all languages."""
    return Text(*(translate(key, language) for language in LANGUAGES))
