"""What a result says in the place of a part that the hospitals withheld: which part, and what may help."""

from __future__ import annotations

from gagyo.federation.dispensable import Kept
from gagyo.result import Withheld, Words
from gagyo.text import LANGUAGES, Text, translate

WITHHELD = Withheld("withheld")
"""The cell of a number that stayed inside the hospitals."""


def kept_note(kept: Kept, part: Text, advice: str) -> Words:
    """The note in a part's place. advice: a key under `kept.help_`."""
    key = "kept.withheld" if kept.asked else "kept.not_asked"
    helps = Text(*(translate(f"kept.help_{advice}", language) for language in LANGUAGES))
    said = (translate(key, one, part=part.to(one), help=helps.to(one)) for one in LANGUAGES)
    return Words(text=Text(*said))


def named_part(key: str) -> Text:
    """A part's name in the catalogue."""
    return Text(*(translate(key, language) for language in LANGUAGES))
