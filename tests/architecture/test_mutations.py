"""The list of mutations is about the code as it is: every line that it breaks is there, once, and its tests exist."""

from __future__ import annotations

import ast

import pytest

from tests.mutations import MUTATIONS, ROOT


@pytest.mark.parametrize("row", MUTATIONS, ids=lambda row: f"{row[0]}: {row[1][:40]}")
def test_a_mutation_finds_its_line(row: tuple[str, str, str, str]) -> None:
    name, line, broken, tests = row
    text = (ROOT / "src/gagyo" / name).read_text(encoding="utf-8")
    assert text.count(line) == 1, f"{line!r} stands {text.count(line)} times in {name}"
    assert broken != line
    for one in tests.split():
        assert (ROOT / one.split("::")[0]).exists(), one


def test_a_short_name_stands_for_one_file() -> None:
    """A name given twice would send the rows before it to the tests of others."""
    module = ast.parse((ROOT / "tests" / "mutations.py").read_text(encoding="utf-8"))
    given = [node.id for node in ast.walk(module) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    short = [name for name in given if name.isupper()]
    assert sorted(short) == sorted(set(short))
