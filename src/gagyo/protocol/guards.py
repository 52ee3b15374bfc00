"""Limits that a text must pass before any parser sees it, and how what was found and what was expected are said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from gagyo.finding import Finding
from gagyo.result import Words
from gagyo.text import Text

LONGEST = 10_000
DEEPEST = 50
SHOWN = 60


def too_long(text: str) -> Finding | None:
    """A finding where a text has more than 10,000 characters; nothing of it is read."""
    if len(text) <= LONGEST:
        return None
    return Finding("expression_too_long", values={"found": len(text), "expected": LONGEST})


def too_nested(tokens: Iterable[str]) -> Finding | None:
    """A finding where brackets and prefix operators nest over 50 levels, found in one pass over the tokens."""
    deepest = max(_depths(tokens), default=0)
    if deepest <= DEEPEST:
        return None
    return Finding("expression_too_nested", values={"found": deepest, "expected": DEEPEST})


def _depths(tokens: Iterable[str]) -> Iterator[int]:
    """The depth at each token: open brackets, and the run of `not`, `-`, `+` directly before it."""
    opened: list[int] = []
    run = 0
    for token in tokens:
        if token.lower() in {"not", "-", "+"}:
            run += 1
        elif token == "(":
            opened.append(run + 1 + (opened[-1] if opened else 0))
            run = 0
        else:
            if token == ")" and opened:
                opened.pop()
            run = 0
        yield run + (opened[-1] if opened else 0)


def short(text: object) -> str:
    """A text cut to what fits in a message, on one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def nearest(found: object, names: Iterable[str]) -> Words:
    """A sentence that names the likely intended name; empty where none is near."""
    close = get_close_matches(str(found), list(names), n=1, cutoff=0.6)
    return Words("expected.nearest", {"name": close[0]}) if close else Words(text=Text(""))


def listed(names: Iterable[object]) -> str:
    """Names as a list for a message, at most twenty."""
    every = [str(name) for name in names]
    return ", ".join(every[:20]) + (", …" if len(every) > 20 else "")


def unknown_variable(name: object, variables: Iterable[str]) -> Finding:
    """The finding for a name that is no variable of the study."""
    values = {"found": short(name), "expected": listed(variables), "hint": nearest(name, variables)}
    return Finding("unknown_variable", values=values)
