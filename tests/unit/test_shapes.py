"""The page of what commands write for programs: it has every such command, and what differs from it is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from gagyo.cli import application
from tests import shapes

SOUND: dict[str, Any] = {"value": 1.0, "lower": 0.5, "upper": 2}


def _commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{above}{name} ")
        else:
            yield above + name, command


def test_each_command_that_writes_json_is_described() -> None:
    commands = dict(_commands(typer.main.get_command(application())))
    writing = {name for name, one in commands.items() if any("--json" in option.opts for option in one.params)}
    assert len(writing) > 10
    assert {shapes.anchor(name) for name in writing} <= set(shapes.page())


def test_a_record_as_it_is_described_passes() -> None:
    shapes.check("interval", SOUND)
    shapes.check("words", {"key": "a.b", "values": {"number": 3}, "text": None})


@pytest.mark.parametrize(
    ("about", "record", "said"),
    [
        ("interval", SOUND | {"more": 1}, ".more: is not described"),
        ("interval", {"value": 1.0, "lower": 0.5}, ".upper: is described and absent"),
        ("interval", SOUND | {"lower": "0.5"}, ".lower: number is described"),
        ("interval", SOUND | {"lower": True}, ".lower: number is described"),
        ("interval", [SOUND], "record is described"),
        ("words", {"key": "", "values": {}, "text": {"en": "a", "ko": "b"}}, ".text.zh: is described and absent"),
        ("evidence list", [{}], "[0].kind: is described and absent"),
    ],
)
def test_what_differs_is_noticed(about: str, record: Any, said: str) -> None:
    with pytest.raises(AssertionError) as found:
        shapes.check(about, record)
    assert said in str(found.value)
