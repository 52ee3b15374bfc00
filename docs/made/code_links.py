"""The line ranges in links to code, kept true: each link names a function, class or assigned name of a Python file."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from made.words import ROOT

LINKED = ("SECURITY.md", "docs/explanation", "docs/how-to")
"""Pages whose links to a name in a Python file carry its line range."""
LINK = re.compile(r"\[`(?P<name>[\w.]+)`\]\((?P<path>[^)#\s]+\.py)(?:#[^)\s]*)?\)")


def linked_pages() -> list[Path]:
    """The pages whose links to code are kept true."""
    found = [ROOT / one for one in LINKED]
    return sorted(page for one in found for page in ([one] if one.suffix else one.glob("*.md")) if page.exists())


def with_lines(page: Path) -> str:
    """A page with the present line range in every link of the form [`name`](file.py).

    Raises:
        KeyError: the file has no such name.
    """

    def present(found: re.Match[str]) -> str:
        file = (page.parent / found["path"]).resolve()
        first, last = lines_of(file, found["name"])
        return f"[`{found['name']}`]({found['path']}#L{first}-L{last})"

    return LINK.sub(present, page.read_text(encoding="utf-8"))


def lines_of(file: Path, name: str) -> tuple[int, int]:
    """The first and last line of a function, class, method ("Class.method") or assigned name."""
    if name not in (known := names_in(file)):
        raise KeyError(f"{file.name} has no {name}")
    return known[name]


@cache
def names_in(file: Path) -> dict[str, tuple[int, int]]:
    """The lines of every name that a file defines, at its top or in a class."""
    found: dict[str, tuple[int, int]] = {}
    collect(ast.parse(file.read_text(encoding="utf-8")).body, "", found)
    return found


def collect(body: list[ast.stmt], before: str, found: dict[str, tuple[int, int]]) -> None:
    """Add the names that a body defines."""
    for one in body:
        for name in defined(one):
            found[before + name] = (first_line(one), one.end_lineno or one.lineno)
        if isinstance(one, ast.ClassDef):
            collect(one.body, f"{before}{one.name}.", found)


def defined(one: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [one.name]
    targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def first_line(one: ast.stmt) -> int:
    """Where a statement begins, its decorators included."""
    return min([one.lineno, *(mark.lineno for mark in getattr(one, "decorator_list", []))])
