"""The source files as syntax trees, for tests of how the house is built."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "gagyo"


@cache
def trees() -> dict[str, ast.Module]:
    """Each source file by its path under src/gagyo, parsed."""
    return {
        str(path.relative_to(SOURCE)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
    }


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call: the file, the called name (the last part of it), and the call."""
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield name, called(node), node


def called(call: ast.Call) -> str:
    """The last part of the name that is called; empty where it has none."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def text_of(node: ast.expr | None) -> str | None:
    """A literal text; of an f-string, its beginning and `*`; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and node.values:
        first = node.values[0]
        return f"{first.value}*" if isinstance(first, ast.Constant) else None
    return None


def first_text(call: ast.Call) -> str | None:
    """The literal text that a call is given first."""
    return text_of(call.args[0]) if call.args else None


def all_texts() -> set[str]:
    """Every literal text of the sources."""
    return {
        node.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
